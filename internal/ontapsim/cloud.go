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
		contact: func() *apiError { return s.contact(c, w, m, s.codes.post) },
		apply:   func() *apiError { c.state.CloudKMS.insert(m); return nil },
	}, err
}

// place tells whether a configuration can be where it is wanted.
func (s *service) place(c *Cluster, m *cloudKMS) *apiError {
	switch {
	case m.Enabled && c.enabledStore(m.SVM) != nil:
		return c.code(s.codes.taken)
	case c.volumesOf(m.SVM).NAE > 0:
		return c.code(65539704)
	case s.codes.elsewhere != 0 && c.keysElsewhere(m.SVM):
		return c.code(s.codes.elsewhere)
	}
	return nil
}

// contact is what happens when ONTAP uses what a POST or a PATCH has set. It is part of the
// job.
func (s *service) contact(c *Cluster, w *write, m *cloudKMS, v verdict) *apiError {
	if err := c.broken(w.method + " " + s.path); err != nil {
		return err
	}
	cloud := c.cloud(m)
	skip, _ := w.body.truth(s.skip)
	switch {
	case skip || !slices.ContainsFunc(s.access, w.body.has):
		return nil
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
	if s.codes.stillThere != 0 && c.keysElsewhere(m.SVM) {
		return effect{}, c.code(s.codes.stillThere)
	}
	next := m.clone()
	next.take(s, w.body)
	if err := s.rules.change(c, w, m, next); err != nil {
		return effect{}, err
	}
	return effect{
		contact: func() *apiError { return s.contact(c, w, next, s.codes.patch) },
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

// keysElsewhere tells whether keys of an SVM's encrypted volumes are with the key manager of
// the cluster.
func (c *Cluster) keysElsewhere(svm string) bool {
	v := c.volumesOf(svm)
	return svm != "" && v.Encrypted > 0 && v.KeysIn == "cluster"
}

// isHTTPS tells whether a text is the https URL of something on a host.
func isHTTPS(s string) bool {
	host, ok := strings.CutPrefix(s, "https://")
	host, _, _ = strings.Cut(host, "/")
	return ok && host != "" && !strings.HasPrefix(host, ":") && !strings.ContainsAny(s, " \t\r\n")
}
