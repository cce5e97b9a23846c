package ontapsim

import (
	"cmp"
	"iter"
	"net/http"
	"slices"
	"strings"
)

// A keyStore is a key manager or the configuration of a cloud service, as key-stores shows
// it. It is made when it is looked at.
type keyStore struct {
	of      record // *keyManager or *cloudKMS
	typ     string
	name    string // of the configuration
	enabled *bool  // of the record
}

// The types of key stores that are not cloud services.
const (
	onboardStore  = "okm"
	externalStore = "kmip"
)

// keyStores is every configuration of the cluster and its SVMs, by UUID.
func (c *Cluster) keyStores() []*keyStore {
	return slices.SortedFunc(c.eachStore(), func(a, b *keyStore) int { return cmp.Compare(a.id(), b.id()) })
}

// eachStore is the same in no order to rely on.
func (c *Cluster) eachStore() iter.Seq[*keyStore] {
	return func(yield func(*keyStore) bool) {
		for _, m := range c.state.KeyManagers {
			typ := onboardStore
			if m.External != nil {
				typ = externalStore
			}
			if !yield(&keyStore{m, typ, m.Name, &m.Enabled}) {
				return
			}
		}
		for _, m := range c.state.CloudKMS {
			if !yield(&keyStore{m, m.Service, m.Name, &m.Enabled}) {
				return
			}
		}
	}
}

// keyStore is the configuration with a UUID; nil when there is none.
func (c *Cluster) keyStore(uuid string) *keyStore {
	return c.someStore(func(s *keyStore) bool { return s.id() == uuid })
}

// enabledStore is what manages the keys of an SVM, or of the cluster (""); nil when nothing
// does.
func (c *Cluster) enabledStore(svm string) *keyStore {
	return c.someStore(func(s *keyStore) bool { return s.owner() == svm && *s.enabled })
}

// cloudManages tells whether a cloud service manages the keys of an SVM, or of the cluster
// (""), so that no key manager can.
func (c *Cluster) cloudManages(svm string) bool {
	return c.someStore(func(s *keyStore) bool {
		_, is := s.of.(*cloudKMS)
		return is && s.owner() == svm && *s.enabled
	}) != nil
}

// hasStore tells whether an SVM has a configuration of a name.
func (c *Cluster) hasStore(svm, name string) bool {
	return c.someStore(func(s *keyStore) bool { return s.owner() == svm && s.name == name }) != nil
}

func (c *Cluster) someStore(is func(*keyStore) bool) *keyStore {
	for s := range c.eachStore() {
		if is(s) {
			return s
		}
	}
	return nil
}

func (s *keyStore) id() string    { return s.of.id() }
func (s *keyStore) owner() string { return s.of.owner() }

// hidden is false even for an external key manager without servers, which key-managers does
// not show.
func (s *keyStore) hidden() bool { return false }
func (s *keyStore) memo() *memo  { return nil }

func (s *keyStore) object(c *Cluster, _ bool) object {
	location := "external"
	if s.typ == onboardStore {
		location = "onboard"
	}
	o := object{{"uuid", s.id()}, {"type", s.typ}, {"keystore", object{{"type", s.typ}}}, {"location", location}}
	o.put("scope", scopeOf(s.owner()))
	if owner, ok := c.state.SVMs.find(s.owner()); ok {
		o.put("svm", owner.reference())
	}
	o.put("configuration", object{{"name", s.name}, {"uuid", s.id()}})
	o.put("enabled", *s.enabled)
	if *s.enabled {
		o.put("state", c.storeState(s.of))
		o.put("is_svm_kek", s.owner() != "")
	}
	return o
}

// storeState is the state of an enabled configuration: that of the world, or what follows
// from the jobs that run and from the cloud key.
func (c *Cluster) storeState(of record) string {
	if s, ok := c.state.World.KeyStores[c.svmName(of.owner())]; ok {
		return s
	}
	for _, j := range c.state.Jobs {
		if j.State != running {
			continue
		}
		for _, one := range j.Calls {
			if s := c.stateDuring(one, of); s != "" {
				return s
			}
		}
	}
	if m, ok := of.(*cloudKMS); ok && c.lost(m) {
		return "blocked"
	}
	return "active"
}

// stateDuring is the state that a call under way gives an enabled configuration; "" when it
// does not touch it.
func (c *Cluster) stateDuring(one call, of record) string {
	if one.Method == http.MethodPost && strings.HasSuffix(one.Path, "/"+of.id()+"/rekey-internal") {
		return "svm_kek_rekey"
	}
	uuid, ok := strings.CutPrefix(one.Path, "/api/security/key-stores/")
	if !ok || one.Method != http.MethodPatch {
		return ""
	}
	if to := c.keyStore(uuid); to != nil && to.owner() == of.owner() && !*to.enabled {
		return "switching"
	}
	return ""
}

// keyStoreKind is key-stores from 9.14 on.
func keyStoreKind() *kind {
	return &kind{
		path:  "security/key-stores",
		since: since(14),
		id:    "uuid",
		fields: []field{
			{name: "uuid", on: key},
			{name: "type", on: std},
			{name: "location", on: std},
			{name: "scope", on: std, enum: []string{"cluster", "svm"}},
			{name: "svm.uuid", on: std},
			{name: "svm.name", on: std},
			{name: "configuration.name", on: std},
			{name: "configuration.uuid", on: std},
			{name: "enabled", typ: boolean, on: patch | std},
			{name: "state", on: std, since: since(16)},
			{name: "is_svm_kek", typ: boolean, on: std, since: since(18)},
		},
		list:   (*Cluster).listStores,
		change: (*Cluster).enableStore,
		remove: (*Cluster).removeStore,
		absent: func(c *Cluster, _ target, method string) *apiError {
			if method == http.MethodPatch || method == http.MethodDelete {
				return c.code(65538908)
			}
			return errNotFound("uuid")
		},
		async: func(_ *Cluster, method string, _ map[string]bool) bool { return method == http.MethodPatch },
	}
}

// olderKeyStoreKind is key-stores from 9.10 to 9.13: a list, in another shape.
func olderKeyStoreKind() *kind {
	return &kind{
		path:  "security/key-stores",
		since: since(10),
		id:    "uuid",
		fields: []field{
			{name: "uuid", on: key},
			{name: "keystore.type", on: key},
			{name: "location", on: std},
			{name: "svm.uuid", on: std},
			{name: "svm.name", on: std},
		},
		list:  (*Cluster).listStores,
		guard: func(*Cluster, record, *reading) *apiError { return errNoAPI() },
	}
}

func (c *Cluster) listStores([]string) ([]record, *apiError) {
	return records(c.keyStores()), c.broken("GET security/key-stores")
}

// enableStore answers PATCH: it makes another configuration of an SVM, or of the cluster,
// the enabled one.
func (c *Cluster) enableStore(w *write, r record) (effect, *apiError) {
	to := r.(*keyStore)
	from := c.enabledStore(to.owner())
	on, given := w.body.truth("enabled")
	var err *apiError
	switch {
	case !given:
		err = c.code(65538909)
	case !on:
		err = c.code(65538910)
	case c.effective().before(since(14)):
		err = c.code(262155)
	case to.typ == aws.typ || to.typ == gcp.typ:
		err = c.code(65539205)
	case *to.enabled:
		err = c.code(65539218)
	case to.owner() == "":
		err = c.refuseAdminSwitch(from, to)
	default:
		err = c.refuseSwitch(from, to)
	}
	if err == nil {
		err = c.unfit(from, to)
	}
	e := effect{
		contact: func() *apiError { return c.reachStore(to) },
		apply: func() *apiError {
			if from != nil {
				*from.enabled = false
			}
			*to.enabled = true
			return c.leftBehind(from, to)
		},
		touch: []record{to.of},
	}
	if from != nil {
		e.touch = append(e.touch, from.of)
	}
	return e, err
}

// refuseAdminSwitch is what the admin SVM does not allow. from may be nil.
func (c *Cluster) refuseAdminSwitch(from, to *keyStore) *apiError {
	keys := c.driveKeys(from)
	second := func(typ string) bool {
		return from != nil && from.typ == typ && c.inactive(func(m *keyManager) bool {
			return m.UUID != to.id() && (m.External != nil) == (typ == externalStore)
		})
	}
	switch {
	case c.effective().before(version{9, 16, 1}):
		return c.code(65539513)
	case to.typ != onboardStore && to.typ != externalStore:
		return c.code(65539514)
	case from != nil && from.typ != onboardStore && from.typ != externalStore:
		return c.code(65539515)
	case second(onboardStore):
		return c.code(65539520)
	case second(externalStore):
		return c.code(65539585)
	case to.typ == onboardStore && keys > 2:
		return c.code(65539590)
	case to.typ == onboardStore && keys == 1:
		return c.code(65539591)
	case len(c.state.World.Platform.EncryptedRoots) > 0:
		return c.code(65539534)
	}
	return nil
}

// driveKeys is the number of authentication keys that the drives of the cluster use, or
// that its external key manager has.
func (c *Cluster) driveKeys(from *keyStore) int {
	n := c.state.World.Drives.AuthenticationKeys
	if from == nil {
		return n
	}
	if m, ok := from.of.(*keyManager); ok && m.External != nil {
		n = max(n, len(m.External.AuthKeys))
	}
	return n
}

// refuseSwitch is what a data SVM does not allow. from may be nil.
func (c *Cluster) refuseSwitch(from, to *keyStore) *apiError {
	if from == nil || from.typ == to.typ {
		return nil
	}
	if m, ok := from.of.(*keyManager); ok && m.Policy != "" {
		return c.code(65539838)
	}
	if from.typ == aws.typ || from.typ == gcp.typ {
		return c.code(65539206)
	}
	return c.code(65539222)
}

// unfit tells whether the state of the cluster stands against a switch. from may be nil.
func (c *Cluster) unfit(from, to *keyStore) *apiError {
	if from != nil {
		if s := c.storeState(from.of); s != "active" && s != "switching" {
			return c.code(65539212)
		}
	}
	m, isManager := to.of.(*keyManager)
	switch {
	case c.anyNodeOutOfQuorum():
		return c.code(65536602)
	case c.volumesOf(to.owner()).NAE > 0:
		return c.code(65539704)
	case isManager && m.hidden():
		return c.code(65536856)
	}
	return nil
}

// reachStore is what shows when ONTAP begins to use a configuration. It is part of the job.
func (c *Cluster) reachStore(to *keyStore) *apiError {
	if err := c.broken("PATCH security/key-stores"); err != nil {
		return err
	}
	switch m := to.of.(type) {
	case *cloudKMS:
		if c.lost(m) {
			return c.code(65537605)
		}
	case *keyManager:
		if m.External != nil && slices.ContainsFunc(m.External.Servers, func(s *keyServer) bool { return c.unreachable(s.Server) }) {
			return c.code(65536987)
		}
	}
	return nil
}

// leftBehind is what a switch could not do after the new configuration was enabled.
func (c *Cluster) leftBehind(from, to *keyStore) *apiError {
	if m, ok := to.of.(*cloudKMS); ok && len(c.failing(m, "restore")) > 0 {
		m.DoneInPart++
		return c.code(65539842)
	}
	if from == nil {
		return nil
	}
	m, ok := from.of.(*keyManager)
	if ok && m.External != nil && slices.ContainsFunc(m.External.Servers, func(s *keyServer) bool { return c.anyState(s.Server, "refusing") }) {
		return c.code(65539840)
	}
	return nil
}

// removeStore answers DELETE, of inactive configurations only.
func (c *Cluster) removeStore(_ *write, r record) (effect, *apiError) {
	s := r.(*keyStore)
	manager, isManager := s.of.(*keyManager)
	var err *apiError
	switch {
	case c.effective().before(since(14)):
		err = c.code(262155)
	case s.typ == aws.typ || s.typ == gcp.typ || isManager && s.owner() != "":
		err = c.code(65538907)
	case *s.enabled:
		err = c.code(65538905)
	case isManager && c.effective().before(version{9, 16, 1}):
		err = c.code(65539521)
	default:
		if on := c.enabledStore(s.owner()); on != nil && c.storeState(on.of) == "switching" {
			err = c.code(65539593)
		}
	}
	return effect{apply: func() *apiError {
		if isManager {
			c.state.KeyManagers.remove(manager)
		} else if m, ok := s.of.(*cloudKMS); ok {
			c.state.CloudKMS.remove(m)
		}
		return nil
	}}, err
}
