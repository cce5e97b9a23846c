package ontapsim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// A keyManager is an onboard or an external key manager of the cluster or of an SVM.
type keyManager struct {
	UUID     string    `json:"uuid"`
	SVM      string    `json:"svm,omitempty"` // UUID; "" for the cluster
	Name     string    `json:"name"`          // of the configuration
	Enabled  bool      `json:"enabled"`
	Policy   string    `json:"policy,omitempty"`
	External *external `json:"external,omitempty"` // one of the two is set
	Onboard  *onboard  `json:"onboard,omitempty"`

	Restores int `json:"restores,omitempty"` // how often keys were restored from its servers

	text memo
}

// external is what an external key manager has.
type external struct {
	Client   string            `json:"client_certificate"`     // UUID
	CAs      []string          `json:"server_ca_certificates"` // UUIDs
	Servers  table[*keyServer] `json:"servers"`
	AuthKeys table[*authKey]   `json:"auth_keys,omitempty"`
}

func (e *external) uses(certificate string) bool {
	return e.Client == certificate || slices.Contains(e.CAs, certificate)
}

func (m *keyManager) id() string    { return m.UUID }
func (m *keyManager) owner() string { return m.SVM }
func (m *keyManager) memo() *memo   { return &m.text }

// hidden tells whether GET leaves the manager out: an external one without servers. It
// still blocks a create.
func (m *keyManager) hidden() bool { return m.External != nil && len(m.External.Servers) == 0 }

func keyManagerKind() *kind {
	return &kind{
		path: "security/key-managers",
		id:   "uuid",
		fields: []field{
			{name: "uuid", on: key},
			{name: "scope", on: std, enum: []string{"cluster", "svm"}},
			{name: "svm.uuid", typ: uuid, on: post | patch | std},
			{name: "svm.name", on: post | patch | std},
			{name: "configuration.name", on: post | key, since: since(16)},
			{name: "configuration.uuid", on: key, since: since(16)},
			{name: "enabled", typ: boolean, on: std, since: since(16)},
			{name: "policy", on: post | std, since: since(9)},
			{name: "external.client_certificate.uuid", typ: uuid, on: post | patch | std},
			{name: "external.client_certificate.name", on: post | patch | named, since: since(8)},
			{name: "external.server_ca_certificates[].uuid", typ: uuid, on: post | patch | std},
			{name: "external.server_ca_certificates[].name", on: post | patch | named, since: since(8)},
			{name: "external.servers[].server", on: post | std},
			{name: "external.servers[].timeout", typ: integer, on: std},
			{name: "external.servers[].username", on: std},
			{name: "external.servers[].secondary_key_servers", on: std, since: since(8)},
			{name: "external.servers[].connectivity.cluster_availability", typ: boolean, on: exp, since: since(7)},
			{name: "external.servers[].connectivity.node_states[].node.uuid", on: exp, since: since(13)},
			{name: "external.servers[].connectivity.node_states[].node.name", on: exp, since: since(13)},
			{name: "external.servers[].connectivity.node_states[].state", on: exp, since: since(13)},
			{name: "external.servers[].connectivity.records[].node.uuid", on: exp, since: since(7), until: since(13)},
			{name: "external.servers[].connectivity.records[].node.name", on: exp, since: since(7), until: since(13)},
			{name: "external.servers[].connectivity.records[].state", on: exp, since: since(7), until: since(13)},
			{name: "onboard.enabled", typ: boolean, on: std},
			{name: "onboard.passphrase", typ: secret, on: post | patch},
			{name: "onboard.existing_passphrase", typ: secret, on: post | patch},
			{name: "onboard.synchronize", typ: boolean, on: post | patch, since: since(7)},
			{name: "onboard.key_backup", on: std, since: since(7)},
			{name: "volume_encryption.supported", typ: boolean, on: std, since: since(7)},
			{name: "volume_encryption.code", typ: integer, on: std, since: since(7)},
			{name: "volume_encryption.message", on: std, since: since(7)},
			{name: "is_default_data_at_rest_encryption_disabled", typ: boolean, on: patch | std, since: since(7)},
			{name: "status.code", typ: integer, on: exp, since: since(7)},
			{name: "status.message", on: exp, since: since(7)},
		},
		flags: map[string]map[string]version{
			http.MethodPost:  {"create_inactive": since(16)},
			http.MethodPatch: {"validate_certificates": since(17)},
		},
		list:   func(c *Cluster, _ []string) ([]record, *apiError) { return records(c.state.KeyManagers), nil },
		guard:  (*Cluster).guardKeyManager,
		create: (*Cluster).createKeyManager,
		change: (*Cluster).changeKeyManager,
		remove: (*Cluster).removeKeyManager,
		async: func(c *Cluster, method string, flags map[string]bool) bool {
			return flags["validate_certificates"] ||
				method != http.MethodDelete && c.state.World.Jobs.KeyManagers == "async" && !c.version.before(since(16))
		},
	}
}

func (m *keyManager) object(c *Cluster, expensive bool) object {
	expensive = expensive && m.Enabled
	o := object{{"uuid", m.UUID}, {"scope", scopeOf(m.SVM)}}
	if s, ok := c.state.SVMs.find(m.SVM); ok {
		o.put("svm", s.reference())
	}
	o.put("configuration", object{{"name", m.Name}, {"uuid", m.UUID}})
	o.put("enabled", m.Enabled)
	o.opt("policy", m.Policy)
	if m.External != nil {
		o.put("external", m.externalObject(c, expensive))
	}
	if m.Onboard != nil {
		o.put("onboard", object{{"enabled", m.Enabled}, {"key_backup", m.Onboard.backup(m.UUID)}})
	}
	o.put("is_default_data_at_rest_encryption_disabled", c.state.DisabledByDefault)
	o.put("volume_encryption", c.volumeEncryption())
	if expensive {
		code, message := c.statusOf(m)
		o.put("status", object{{"code", int64(code)}, {"message", message}})
	}
	return o
}

func (m *keyManager) externalObject(c *Cluster, expensive bool) object {
	o := object{}
	if t, ok := c.state.Certificates.find(m.External.Client); ok {
		o.put("client_certificate", t.reference())
	}
	var cas, servers []any
	for _, uuid := range m.External.CAs {
		if t, ok := c.state.Certificates.find(uuid); ok {
			cas = append(cas, t.reference())
		}
	}
	o.opt("server_ca_certificates", cas)
	for _, s := range m.External.Servers {
		servers = append(servers, s.embedded(c, m, expensive))
	}
	o.opt("servers", servers)
	return o
}

// volumeEncryption tells whether every node supports volume encryption.
func (c *Cluster) volumeEncryption() object {
	without := c.state.World.Platform.NoVolumeEncryption
	if len(without) == 0 {
		return object{{"supported", true}, {"code", int64(0)}}
	}
	return object{
		{"supported", false},
		{"code", int64(65536935)},
		{"message", "No platform support for volume encryption in following nodes - " + strings.Join(without, ", ") + "."},
	}
}

// createKeyManager answers POST.
func (c *Cluster) createKeyManager(w *write) (effect, *apiError) {
	owner, err := c.svmOf(w)
	if err != nil {
		return effect{}, err
	}
	m := &keyManager{UUID: w.uuid, Name: "default", Enabled: !w.flags["create_inactive"]}
	if owner != nil {
		m.SVM = owner.UUID
	}
	switch {
	case w.body.has("external") && w.body.has("onboard"):
		return effect{}, errTogether("external", "onboard")
	case w.body.has("external"):
		err = c.checkExternal(w, owner, m)
	case w.body.has("onboard"):
		return c.createOnboard(w, m)
	default:
		err = errMissing("external")
	}
	return effect{
		made:  func() record { return m },
		apply: func() *apiError { c.state.KeyManagers.insert(m); return nil },
	}, err
}

// managerOf is the key manager of the cluster ("") or an SVM that is enabled, or not; nil
// when there is none.
func (c *Cluster) managerOf(svm string, enabled bool) *keyManager {
	for _, m := range c.state.KeyManagers {
		if m.SVM == svm && m.Enabled == enabled {
			return m
		}
	}
	return nil
}

// checkExternal fills m from the request, or says why it cannot be.
func (c *Cluster) checkExternal(w *write, owner *svm, m *keyManager) *apiError {
	if name, ok := w.body.text("configuration.name"); ok {
		if m.Enabled {
			return errTogether("configuration.name", "create_inactive")
		}
		if name == "" || name == m.Name { // the name of the enabled configuration is reserved
			return errValue(quoted(name), "configuration.name")
		}
		m.Name = name
	}
	if err := c.checkRequest(w, owner, m); err != nil {
		return err
	}
	if err := c.checkPlace(owner, m); err != nil {
		return err
	}
	if err := c.checkPartnerOfExternal(m); err != nil {
		return err
	}
	if err := c.checkVolumes(owner); err != nil {
		return err
	}
	if err := c.broken("POST security/key-managers external"); err != nil {
		return err
	}
	return c.contactAll(m.External, true)
}

// checkRequest reads certificates, servers and policy.
func (c *Cluster) checkRequest(w *write, owner *svm, m *keyManager) *apiError {
	client, _ := w.body.get("external.client_certificate")
	clientRef, _ := client.(object)
	cas, _ := w.body.list("external.server_ca_certificates")
	servers, _ := w.body.list("external.servers")
	if len(clientRef) == 0 || len(cas) == 0 || len(servers) == 0 {
		return c.code(65536876)
	}
	m.External = &external{}
	t, err := c.certificateFor(owner, clientRef, "client")
	if err != nil {
		return err
	}
	m.External.Client = t.UUID
	if m.External.CAs, err = c.serverCAs(owner, cas); err != nil {
		return err
	}
	for _, v := range servers {
		name, _ := v.(object).text("server")
		s, ok := newKeyServer(name)
		if !ok {
			return errValue(quoted(name), "external.servers.server")
		}
		if _, twice := m.External.Servers.find(s.Server); twice {
			return c.code(65536871)
		}
		m.External.Servers.insert(s)
	}
	if len(servers) > maxServers {
		return c.code(65536038)
	}
	var given bool
	if m.Policy, given = w.body.text("policy"); given && owner == nil {
		return c.code(65538120)
	}
	if given && !slices.Contains(c.state.World.Policies, m.Policy) {
		return c.code(65538111)
	}
	return nil
}

func (c *Cluster) serverCAs(owner *svm, refs []any) ([]string, *apiError) {
	var out []string
	for _, v := range refs {
		ref, _ := v.(object)
		t, err := c.certificateFor(owner, ref, "server_ca")
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, t.UUID) {
			out = append(out, t.UUID)
		}
	}
	return out, nil
}

// checkPlace tells whether an external key manager can be where it is wanted.
func (c *Cluster) checkPlace(owner *svm, m *keyManager) *apiError {
	world := c.state.World
	metro := world.MetroCluster != nil
	other := c.managerOf(m.SVM, true)
	switch {
	case owner != nil && !m.Enabled:
		return c.code(65539500)
	case owner != nil && c.effective().before(since(6)):
		return c.code(65536822)
	case owner != nil && metro:
		return c.code(65536824)
	case world.Platform.NoDataAtRestEncryption:
		return c.code(65536508)
	case !m.Enabled && metro:
		return c.code(65539503)
	case !m.Enabled && c.effective().before(version{9, 16, 1}):
		return c.code(65539504)
	case !m.Enabled && (other != nil && other.External != nil || c.inactive(func(m *keyManager) bool { return m.External != nil })):
		return c.code(65539501)
	case m.Enabled && c.cloudManages(m.SVM):
		return c.code(65536823)
	case !m.Enabled || other == nil:
		return nil
	case other.External != nil && sameServers(other.External, m.External):
		return c.code(65536870)
	case owner == nil && !c.version.before(since(16)):
		return c.adminHas(other)
	}
	return c.code(65536823)
}

// adminHas is the answer when the cluster already has a key manager. NetApp's own modules
// know a forgotten external one, which has no servers, by the words.
func (c *Cluster) adminHas(other *keyManager) *apiError {
	err := c.code(65539216)
	if other.External != nil {
		err.message += " External key management already configured."
	}
	return err
}

func sameServers(a, b *external) bool {
	return slices.EqualFunc(a.Servers, b.Servers, func(x, y *keyServer) bool { return x.Server == y.Server })
}

// inactive tells whether the cluster has an inactive configuration of a kind.
func (c *Cluster) inactive(is func(*keyManager) bool) bool {
	return slices.ContainsFunc(c.state.KeyManagers, func(m *keyManager) bool { return m.SVM == "" && !m.Enabled && is(m) })
}

// checkVolumes refuses an external key manager that volumes of the SVM stand against.
func (c *Cluster) checkVolumes(owner *svm) *apiError {
	name := "cluster"
	if owner != nil {
		name = owner.Name
	}
	v := c.state.World.Volumes[name]
	switch {
	case v.NAE > 0:
		return c.code(65539704)
	case owner != nil && v.Encrypted > 0 && v.KeysIn == "cluster":
		return c.code(65536878)
	}
	return nil
}

// changeKeyManager answers PATCH.
func (c *Cluster) changeKeyManager(w *write, r record) (effect, *apiError) {
	m := r.(*keyManager)
	switch {
	case len(w.body) == 0:
		return effect{}, errNothing()
	case m.hidden():
		return effect{}, c.code(65536828)
	case !m.Enabled:
		return effect{}, c.code(65539586)
	case !c.repeatsOwner(w, m):
		return effect{}, errNotSettable("svm")
	case w.body.has("external") && m.External == nil:
		return effect{}, c.code(65536828)
	case w.body.has("onboard") && m.Onboard == nil:
		return effect{}, errTogether("onboard", "external")
	}
	var steps []func() *apiError
	if w.body.has("external") {
		next, err := c.changedExternal(w, m)
		if err != nil {
			return effect{}, err
		}
		steps = append(steps, func() *apiError { m.External = next; return nil })
	}
	if w.body.has("onboard") {
		step, err := c.changeOnboard(w, m)
		if err != nil {
			return effect{}, err
		}
		steps = append(steps, step)
	}
	if off, ok := w.body.truth("is_default_data_at_rest_encryption_disabled"); ok {
		steps = append(steps, func() *apiError { return c.disableByDefault(off) })
	}
	if len(steps) == 0 {
		return effect{}, errNothing()
	}
	return effect{apply: func() *apiError {
		var failed *apiError
		for _, step := range steps {
			failed = cmp.Or(failed, step())
		}
		return failed
	}}, nil
}

// repeatsOwner tells whether a PATCH leaves the SVM alone. NetApp's own modules repeat it in
// the body, so its own SVM is accepted there and any other is not.
func (c *Cluster) repeatsOwner(w *write, m *keyManager) bool {
	if !w.body.has("svm") {
		return true
	}
	owner, err := c.svmOf(w)
	return err == nil && owner != nil && owner.UUID == m.SVM
}

// changedExternal is the external part of a manager with the certificates of a PATCH.
func (c *Cluster) changedExternal(w *write, m *keyManager) (*external, *apiError) {
	next := *m.External
	owner, _ := c.state.SVMs.find(m.SVM)
	if v, ok := w.body.get("external.client_certificate"); ok {
		ref, _ := v.(object)
		t, err := c.certificateFor(owner, ref, "client")
		if err != nil {
			return nil, err
		}
		if old, ok := c.state.Certificates.find(next.Client); ok && old.KeyPair != t.KeyPair {
			return nil, c.code(65536850)
		}
		next.Client = t.UUID
	}
	if refs, ok := w.body.list("external.server_ca_certificates"); ok {
		if len(refs) == 0 {
			return nil, errValue("[]", "external.server_ca_certificates")
		}
		var err *apiError
		if next.CAs, err = c.serverCAs(owner, refs); err != nil {
			return nil, err
		}
	}
	return &next, c.contactAll(&next, w.flags["validate_certificates"])
}

// removeKeyManager answers DELETE.
func (c *Cluster) removeKeyManager(_ *write, r record) (effect, *apiError) {
	m := r.(*keyManager)
	if !m.Enabled {
		if m.External != nil {
			return effect{}, c.code(65536828)
		}
		return effect{}, c.code(65539586)
	}
	if err := c.checkUnused(m); err != nil {
		return effect{}, err
	}
	kind := "onboard"
	if m.External != nil {
		kind = "external"
	}
	if err := c.broken("DELETE security/key-managers " + kind); err != nil {
		return effect{}, err
	}
	return effect{apply: func() *apiError { c.state.KeyManagers.remove(m); return nil }}, nil
}

// checkUnused refuses to remove a key manager that something depends on.
func (c *Cluster) checkUnused(m *keyManager) *apiError {
	world := c.state.World
	if owner, ok := c.state.SVMs.find(m.SVM); ok {
		v := world.Volumes[owner.Name]
		switch {
		case v.Encrypted > 0 && v.KeysIn == "cluster":
			return c.code(65536239)
		case v.Encrypted > 0:
			return c.code(65536867)
		}
		return nil
	}
	switch {
	case world.Drives.AuthenticationKeys+len(world.Drives.Uses) > 0:
		return c.code(65536242)
	case world.Cores.Encrypted > 0:
		return c.code(65536813)
	case world.Aggregates.NAE > 0:
		return c.code(196608305)
	case world.Volumes["cluster"].Encrypted > 0:
		return c.code(65540013)
	}
	for _, s := range c.state.SVMs {
		v := world.Volumes[s.Name]
		if v.Encrypted > 0 && (v.KeysIn == "cluster" || c.enabledStore(s.UUID) == nil) {
			return c.code(65540011)
		}
	}
	return nil
}

// addManager gives an SVM an external key manager of two servers, with the certificates
// that were just added for it.
func (s *state) addManager(owner *svm) {
	certs := s.Certificates[len(s.Certificates)-2:]
	m := &keyManager{UUID: s.uuid(), SVM: owner.UUID, Name: "default", Enabled: true}
	m.External = &external{Client: certs[0].UUID, CAs: []string{certs[1].UUID}}
	for _, name := range []string{"ks1.example.net", "ks2.example.net"} {
		server, _ := newKeyServer(name)
		m.External.Servers.insert(server)
	}
	s.KeyManagers = append(s.KeyManagers, m)
}
