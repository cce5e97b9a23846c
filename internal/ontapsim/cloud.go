package ontapsim

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A cloudKMS is the configuration of a cloud key management service for an SVM or, with
// Azure, for the cluster.
type cloudKMS struct {
	UUID    string            `json:"uuid"`
	SVM     string            `json:"svm,omitempty"` // UUID; "" for the cluster
	Service string            `json:"service"`       // its type in key-stores
	Name    string            `json:"name"`          // of the configuration
	Enabled bool              `json:"enabled"`
	Fields  object            `json:"fields"`            // what was set and can be read
	Secrets map[string]string `json:"secrets,omitempty"` // what was set and cannot

	// How often the keys were worked on, and how often that ended with some nodes left out.
	RekeyedExternal int `json:"rekeyed_external"`
	RekeyedInternal int `json:"rekeyed_internal"`
	Restored        int `json:"restored"`
	DoneInPart      int `json:"done_in_part"`

	// KeyLost is when the cloud key went out of reach, as long as it is. VolumesOffline is
	// the number of volumes that ONTAP has taken offline for it.
	KeyLost        *time.Time `json:"key_lost,omitempty"`
	VolumesOffline int        `json:"volumes_offline"`
}

// A service is one of the cloud key management services: what distinguishes it from the
// others. The common part of their resources works on it.
type service struct {
	typ      string // in key-stores
	path     string // below /api
	since    version
	fields   []field // besides those that all have
	named    version // since when a configuration has a name and can be inactive; see hasNames
	hasNames bool
	inactive bool // it is created inactive, and enabled through key-stores
	removed  bool // its own resource has DELETE
	ekmip    bool // it is reached through the embedded KMIP servers
	reach    string
	flags    []string // names of the flag of `state`, the usual one first
	defaults object   // what is set before anything is sent; always shown
	access   []string // fields whose change makes ONTAP contact the service
	skip     string   // the field that tells it not to; "" for none

	codes    serviceCodes
	external *rekeying // nil: there is no such action
	internal rekeying

	rules rules
}

// serviceCodes are the codes that the services use for the same faults. 0 is a fault that
// the service does not know.
type serviceCodes struct {
	admin         int // not for the admin SVM
	metroCluster  int // not in a MetroCluster
	taken         int // the SVM has a key manager
	elsewhere     int // keys of the SVM's volumes are in the cluster's key manager: POST
	stillThere    int // the same: PATCH
	notConfigured int // PATCH, DELETE, rekey and restore of what is not an enabled configuration
	notThere      int // PATCH of the same; 0: as notConfigured
	nothing       int // an empty PATCH
	encrypted     int // volumes depend on it
	nae           int // aggregates with encryption exist

	post, patch verdict // of the service, when it is contacted
	unreachable int     // in the reachability object
	partRestore int     // restore: not on every node
}

// A verdict is what is answered when a service that is contacted is not there, or does not
// accept the credentials.
type verdict struct{ unreachable, refused int }

// rules are the checks that a service has for itself.
type rules interface {
	// create refuses the POST of a configuration.
	create(c *Cluster, w *write, m *cloudKMS) *apiError
	// change refuses the PATCH that makes next of m, and may complete next.
	change(c *Cluster, w *write, m, next *cloudKMS) *apiError
	// key refuses a configuration for the name of its key in the cloud.
	key(c *Cluster, m *cloudKMS) *apiError
}

var services = []*service{&azure, &aws, &gcp, &barbican}

func serviceOf(typ string) *service {
	return services[slices.IndexFunc(services, func(s *service) bool { return s.typ == typ })]
}

// cloudKinds are the resources of the cloud services and of their actions.
func cloudKinds() []*kind {
	var out []*kind
	for _, s := range services {
		out = append(out, s.kind(), s.restoreKind(), s.internalKind())
		if s.external != nil {
			out = append(out, s.externalKind())
		}
	}
	return out
}

func (s *service) kind() *kind {
	k := &kind{
		path:   s.path,
		since:  s.since,
		id:     "uuid",
		fields: s.table(),
		list:   s.list,
		create: s.create,
		change: s.change,
		absent: s.absent,
		async:  func(*Cluster, string, map[string]bool) bool { return true },
	}
	if s.hasNames && !s.inactive {
		k.flags = map[string]map[string]version{http.MethodPost: {"create_inactive": s.named}}
	}
	if s.removed {
		k.remove = s.remove
	}
	return k
}

// table is the field table of the service's resource.
func (s *service) table() []field {
	out := []field{
		{name: "uuid", on: key},
		{name: "scope", on: std, enum: []string{"cluster", "svm"}},
		{name: "svm.uuid", typ: uuid, on: post | std},
		{name: "svm.name", on: post | std},
	}
	if s.hasNames {
		out = append(out,
			field{name: "configuration.name", on: post | key, since: s.named},
			field{name: "configuration.uuid", on: key, since: s.named},
			field{name: "enabled", typ: boolean, on: std, since: s.named})
	}
	out = append(out, s.fields...)
	for _, flag := range s.flags {
		out = append(out, field{name: "state." + flag, typ: boolean, on: exp})
	}
	out = append(out,
		field{name: "state.message", on: exp},
		field{name: "state.code", on: exp},
		field{name: s.reach + ".reachable", typ: boolean, on: exp},
		field{name: s.reach + ".message", on: exp},
		field{name: s.reach + ".code", on: exp})
	if s.ekmip {
		out = append(out,
			field{name: "ekmip_reachability[].node.uuid", on: exp},
			field{name: "ekmip_reachability[].node.name", on: exp},
			field{name: "ekmip_reachability[].reachable", typ: boolean, on: exp},
			field{name: "ekmip_reachability[].message", on: exp},
			field{name: "ekmip_reachability[].code", on: exp})
	}
	return out
}

// proxyFields are how ONTAP reaches a service through a proxy.
var proxyFields = []field{
	{name: "proxy_type", on: post | patch | std, enum: []string{"", "http", "https"}},
	{name: "proxy_host", on: post | patch | std},
	{name: "proxy_port", typ: integer, on: post | patch | std},
	{name: "proxy_username", on: post | patch | std},
	{name: "proxy_password", typ: secret, on: post | patch},
}

func (s *service) list(c *Cluster, _ []string) ([]record, *apiError) {
	var out []record
	for _, m := range c.state.CloudKMS {
		if m.Service == s.typ {
			out = append(out, m)
		}
	}
	return out, nil
}

// absent is the answer when the service has no configuration with the UUID of a path. The
// UUID may be that of another key manager: then a change finds the service not configured.
func (s *service) absent(c *Cluster, t target, method string) *apiError {
	if method != http.MethodGet && method != http.MethodHead {
		switch st := c.keyStore(t.id); {
		case st != nil && method == http.MethodPatch && s.codes.notThere != 0:
			return c.code(s.codes.notThere)
		case st != nil:
			return c.code(s.codes.notConfigured)
		}
	}
	return errNotFound("uuid")
}

func (m *cloudKMS) id() string    { return m.UUID }
func (m *cloudKMS) owner() string { return m.SVM }
func (m *cloudKMS) hidden() bool  { return false }

// memo is nil: what shows of a configuration changes with jobs and with time.
func (m *cloudKMS) memo() *memo { return nil }

func (m *cloudKMS) object(c *Cluster, expensive bool) object {
	s := serviceOf(m.Service)
	o := object{{"uuid", m.UUID}, {"scope", scopeOf(m.SVM)}}
	if owner, ok := c.state.SVMs.find(m.SVM); ok {
		o.put("svm", owner.reference())
	}
	o.put("configuration", object{{"name", m.Name}, {"uuid", m.UUID}})
	o.put("enabled", m.Enabled)
	for _, f := range s.fields {
		v, ok := m.Fields.member(f.name)
		if _, always := s.defaults.member(f.name); ok && (always || !empty(v)) {
			o.put(f.name, v)
		}
	}
	if expensive && m.Enabled {
		s.health(c, m, &o)
	}
	return o
}

// set gives a readable field a value.
func (m *cloudKMS) set(name string, value any) {
	for i := range m.Fields {
		if m.Fields[i].name == name {
			m.Fields[i].value = value
			return
		}
	}
	m.Fields.put(name, value)
}

// take sets the fields and secrets that a body has, besides those of every resource.
func (m *cloudKMS) take(s *service, body object) {
	for _, f := range s.fields {
		v, ok := body.member(f.name)
		switch {
		case !ok || f.name == s.skip:
		case f.typ == secret && v == "":
			delete(m.Secrets, f.name)
		case f.typ == secret:
			m.Secrets[f.name] = v.(string)
		default:
			m.set(f.name, v)
		}
	}
}

// clone is a copy whose fields and secrets are its own.
func (m *cloudKMS) clone() *cloudKMS {
	next := *m
	next.Fields = slices.Clone(m.Fields)
	next.Secrets = maps.Clone(m.Secrets)
	if next.Secrets == nil {
		next.Secrets = map[string]string{}
	}
	return &next
}

// create answers POST.
func (s *service) create(c *Cluster, w *write) (effect, *apiError) {
	owner, err := c.svmOf(w)
	if err != nil {
		return effect{}, err
	}
	m := &cloudKMS{
		UUID:    w.uuid,
		Service: s.typ,
		Name:    "default",
		Enabled: !s.inactive && !w.flags["create_inactive"],
		Fields:  slices.Clone(s.defaults),
		Secrets: map[string]string{},
	}
	if owner != nil {
		m.SVM = owner.UUID
	}
	if name, ok := w.body.text("configuration.name"); ok {
		m.Name = name
	}
	m.take(s, w.body)
	switch {
	case m.SVM == "" && s.codes.admin != 0:
		err = c.code(s.codes.admin)
	case c.state.World.MetroCluster != nil:
		err = c.code(s.codes.metroCluster)
	default:
		err = s.rules.create(c, w, m)
	}
	if err == nil {
		err = s.place(c, m)
	}
	return effect{
		made:    func() record { return m },
		contact: func() *apiError { return s.contact(c, m, http.MethodPost, s.codes.post) },
		apply:   func() *apiError { c.state.CloudKMS.insert(m); return nil },
	}, err
}

// place tells whether a configuration can be where it is wanted.
func (s *service) place(c *Cluster, m *cloudKMS) *apiError {
	v := c.volumesOf(m.SVM)
	switch {
	case m.Enabled && c.enabledStore(m.SVM) != nil:
		return c.code(s.codes.taken)
	case v.NAE > 0:
		return c.code(65539704)
	case m.SVM != "" && v.Encrypted > 0 && v.KeysIn == "cluster" && s.codes.elsewhere != 0:
		return c.code(s.codes.elsewhere)
	}
	return nil
}

// contact is what happens when ONTAP uses a configuration for the first time. It is part
// of the job.
func (s *service) contact(c *Cluster, m *cloudKMS, method string, v verdict) *apiError {
	if err := c.broken(method + " " + s.path); err != nil {
		return err
	}
	cloud := c.cloud(m)
	switch {
	case v.unreachable != 0 && !cloud.reachedBy(c.state.Nodes):
		return c.code(v.unreachable)
	case v.refused != 0 && !cloud.accepts(m):
		if m.Secrets["client_certificate"] != "" {
			return c.code(65537573)
		}
		return c.code(v.refused)
	}
	return nil
}

// change answers PATCH.
func (s *service) change(c *Cluster, w *write, r record) (effect, *apiError) {
	m := r.(*cloudKMS)
	if len(w.body) == 0 {
		if s.codes.nothing != 0 {
			return effect{}, c.code(s.codes.nothing)
		}
		return effect{}, errNothing()
	}
	v := c.volumesOf(m.SVM)
	if m.SVM != "" && v.Encrypted > 0 && v.KeysIn == "cluster" && s.codes.stillThere != 0 {
		return effect{}, c.code(s.codes.stillThere)
	}
	next := m.clone()
	next.take(s, w.body)
	if err := s.rules.change(c, w, m, next); err != nil {
		return effect{}, err
	}
	skip, _ := w.body.truth(s.skip)
	verify := !skip && slices.ContainsFunc(s.access, w.body.has)
	return effect{
		contact: func() *apiError {
			if !verify {
				return c.broken(http.MethodPatch + " " + s.path)
			}
			return s.contact(c, next, http.MethodPatch, s.codes.patch)
		},
		apply: func() *apiError {
			m.Fields, m.Secrets = next.Fields, next.Secrets
			return nil
		},
	}, nil
}

// remove answers DELETE, which disables a configuration and removes it. An inactive one is
// removed through key-stores.
func (s *service) remove(c *Cluster, _ *write, r record) (effect, *apiError) {
	m := r.(*cloudKMS)
	if !m.Enabled {
		return effect{}, c.code(s.codes.notConfigured)
	}
	if err := s.unused(c, m); err != nil {
		return effect{}, err
	}
	return effect{
		contact: func() *apiError { return c.broken(http.MethodDelete + " " + s.path) },
		apply:   func() *apiError { c.state.CloudKMS.remove(m); return nil },
	}, nil
}

// unused refuses to remove a configuration that something depends on.
func (s *service) unused(c *Cluster, m *cloudKMS) *apiError {
	world := c.state.World
	switch {
	case m.SVM == "" && world.Drives.AuthenticationKeys > 0:
		return c.code(65536242)
	case c.cloud(m).AuthenticationKeys > 0:
		return c.code(65536924)
	case len(world.Platform.EncryptedRoots) > 0:
		return c.code(196608080)
	case world.Aggregates.NAE > 0 && s.codes.nae != 0:
		return c.code(s.codes.nae)
	case c.holdsKeys(m.SVM):
		return c.code(s.codes.encrypted)
	}
	return nil
}

// volumesOf is the encrypted volumes of an SVM, or of the admin SVM.
func (c *Cluster) volumesOf(svm string) Volumes { return c.state.World.Volumes[c.svmName(svm)] }

// svmName is the name that the world has for an SVM: "cluster" for the admin SVM.
func (c *Cluster) svmName(uuid string) string {
	if s, ok := c.state.SVMs.find(uuid); ok {
		return s.Name
	}
	return "cluster"
}

// holdsKeys tells whether keys of encrypted volumes are with the enabled key manager of an
// SVM, or of the cluster.
func (c *Cluster) holdsKeys(svm string) bool {
	if svm != "" {
		v := c.volumesOf(svm)
		return v.Encrypted > 0 && v.KeysIn != "cluster"
	}
	return slices.ContainsFunc(slices.Collect(maps.Keys(c.state.World.Volumes)), func(name string) bool {
		v := c.state.World.Volumes[name]
		return v.Encrypted > 0 && (name == "cluster" || v.KeysIn == "cluster")
	})
}

// isHTTPS tells whether a text is the https URL of something on a host.
func isHTTPS(s string) bool {
	host, ok := strings.CutPrefix(s, "https://")
	host, _, _ = strings.Cut(host, "/")
	return ok && host != "" && !strings.HasPrefix(host, ":") && !strings.ContainsAny(s, " \t\r\n")
}
