package ontapsim

import (
	"cmp"
	"net/http"
	"slices"
)

// A rekeying is how an action that rekeys can fail.
type rekeying struct {
	since   version
	fields  []field // of its body
	blocked int     // the keystore is blocked; 0: that shows in the job, as failed
	failed  int     // it failed on some nodes; 0: that cannot happen
	keeps   bool    // a failure on some nodes leaves the old key in force

	inactive int // the configuration is not enabled; 0: as codes.notConfigured
	noKeys   int // the SVM has no keys yet; 0: that is no fault
	offline  int // not every node is up; 0: that is no fault
	missing  int // the key in the cloud does not exist; 0: the keystore is blocked
}

// A keyAction is what is done to a configuration: its name in the path, and what a request
// that has passed the checks of all actions does.
type keyAction struct {
	name   string
	since  version
	fields []field
	do     func(c *Cluster, w *write, m *cloudKMS) (effect, *apiError)
}

func (s *service) actionKind(a keyAction) *kind {
	return &kind{
		path:   s.path + "/{uuid}/" + a.name,
		since:  a.since,
		fields: a.fields,
		async:  always,
		create: func(c *Cluster, w *write) (effect, *apiError) {
			m, err := s.configuration(c, w)
			if err != nil {
				return effect{}, err
			}
			e, err := a.do(c, w, m)
			contact := e.contact
			e.contact = func() *apiError {
				return cmp.Or(c.broken(http.MethodPost+" "+s.path+"/"+a.name), contact())
			}
			e.touch = []record{m}
			return e, err
		},
	}
}

// configuration is the one that the path of an action names.
func (s *service) configuration(c *Cluster, w *write) (*cloudKMS, *apiError) {
	m, ok := c.state.CloudKMS.find(w.at[0])
	if !ok || m.Service != s.typ || !visible(m, w.tunnel) {
		return nil, s.absent(c, target{id: w.at[0]}, w.method)
	}
	return m, nil
}

func (s *service) externalKind() *kind {
	return s.actionKind(keyAction{"rekey-external", s.external.since, s.external.fields, s.rekeyExternal})
}

func (s *service) internalKind() *kind {
	return s.actionKind(keyAction{"rekey-internal", s.internal.since, nil, s.rekeyInternal})
}

func (s *service) restoreKind() *kind {
	return s.actionKind(keyAction{"restore", s.internal.since, nil, s.restore})
}

// rekeyExternal puts the SVM's key under another key in the cloud.
func (s *service) rekeyExternal(c *Cluster, w *write, m *cloudKMS) (effect, *apiError) {
	id := s.external.fields[0].name
	if name, _ := w.body.text(id); name == "" {
		return effect{}, errMissing(id)
	}
	next := m.clone()
	next.take(s, w.body)
	if err := s.rules.key(c, next); err != nil {
		return effect{}, err
	}
	return s.rekey(c, m, s.external, func() {
		m.Fields = next.Fields
		m.RekeyedExternal++
	})
}

// rekeyInternal gives the SVM another key and wraps the keys of its volumes again.
func (s *service) rekeyInternal(c *Cluster, _ *write, m *cloudKMS) (effect, *apiError) {
	return s.rekey(c, m, &s.internal, func() { m.RekeyedInternal++ })
}

// rekey is what the two have in common: when they are refused, and how they fail.
func (s *service) rekey(c *Cluster, m *cloudKMS, r *rekeying, done func()) (effect, *apiError) {
	if err := s.refuseRekey(c, m, r); err != nil {
		return effect{}, err
	}
	return effect{
		contact: func() *apiError {
			if r.failed != 0 && (c.lost(m) || c.storeState(m) == "blocked") {
				return c.code(r.failed)
			}
			return nil
		},
		apply: func() *apiError {
			what := "restore" // the last step of a rekey
			if r.keeps {
				what = "rekey"
			}
			short := r.failed != 0 && len(c.failing(m, what)) > 0
			if !short || !r.keeps {
				done()
			}
			if short {
				m.DoneInPart++
				return c.code(r.failed)
			}
			return nil
		},
	}, nil
}

func (s *service) refuseRekey(c *Cluster, m *cloudKMS, r *rekeying) *apiError {
	state := c.storeState(m)
	down := slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool { return n.State != "" && n.State != "up" })
	switch {
	case !m.Enabled && r.inactive != 0:
		return c.code(r.inactive)
	case !m.Enabled:
		return c.code(s.codes.notConfigured)
	case c.keysElsewhere(m.SVM):
		return c.code(65537547)
	case state == "switching":
		return c.code(65537610)
	case state == "initializing":
		return c.code(65539436)
	case state == "disabling":
		return c.code(65539437)
	case r.missing != 0 && c.cloud(m).KEK == "missing":
		return c.code(r.missing)
	case state == "blocked" && r.blocked != 0:
		return c.code(r.blocked)
	case r.noKeys != 0 && !c.hasOwnKey(m):
		return c.code(r.noKeys)
	case r.offline != 0 && down:
		return c.code(r.offline)
	}
	return nil
}

// restore gives the keys of a configuration to the nodes that miss them.
func (s *service) restore(c *Cluster, _ *write, m *cloudKMS) (effect, *apiError) {
	if !m.Enabled {
		return effect{}, c.code(s.codes.notConfigured)
	}
	return effect{
		contact: func() *apiError {
			if c.lost(m) {
				return c.code(s.codes.partRestore)
			}
			return nil
		},
		apply: func() *apiError {
			m.Restored++
			c.deliver(m, c.failing(m, "restore")...)
			if len(c.failing(m, "restore")) > 0 {
				m.DoneInPart++
				return c.code(s.codes.partRestore)
			}
			return nil
		},
	}, nil
}
