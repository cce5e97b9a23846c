package status

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// Certificates that end within soon are reported; those that end within watched are
// remembered, since a cluster that cannot be read for long ages too.
const (
	soon    = 30 * 24 * time.Hour
	watched = 12 * soon
)

// The states of a key manager.
const (
	available   = "available"
	degraded    = "degraded"
	unavailable = "unavailable"
	unknown     = "unknown"
)

// observe takes over what a look saw. Reachability is not read in every pass; in between, the
// last reading stands, as old as it is.
func (c *picture) observe(have *resource.Cluster) {
	c.UUID, c.ONTAP, c.Release = plan.Safe(have.UUID), plan.Safe(have.Name), have.Version.String()
	c.Observed = have.At
	before := make(map[string]*Manager, len(c.Managers))
	for i := range c.Managers {
		before[c.Managers[i].key()] = &c.Managers[i]
	}
	managers, ends := []Manager{}, certificates(have.Links)
	var ending []Certificate
	for _, a := range slices.SortedFunc(maps.Keys(have.Objects), resource.Addr.Compare) {
		o := have.Objects[a]
		if o.Kind.Type == "" {
			continue
		}
		m := manager(have, o, before)
		managers = append(managers, m)
		if !m.Stored {
			ending = append(ending, ends.of(o, have.At)...)
		}
	}
	slices.SortStableFunc(managers, func(a, b Manager) int { return cmp.Compare(a.rank(), b.rank()) })
	slices.SortStableFunc(ending, func(a, b Certificate) int { return a.Ends.Compare(b.Ends) })
	c.Managers, c.Certificates = managers, ending
}

// key tells key managers of one cluster apart: a scope may have one of each kind.
func (m *Manager) key() string { return m.Kind + " " + m.Address }

// trouble says whether a human should look at a key manager.
func (m *Manager) trouble() bool {
	return m.State == degraded || m.State == unavailable || len(m.Nodes) > 0 ||
		slices.ContainsFunc(m.Servers, func(s Server) bool { return len(s.Nodes) > 0 })
}

func (m *Manager) rank() int {
	switch {
	case m.trouble():
		return 0
	case m.Stored:
		return 2
	default:
		return 1
	}
}

// manager returns what is known of a key manager after a look.
func manager(have *resource.Cluster, o *resource.Object, before map[string]*Manager) Manager {
	m := Manager{Address: plan.Safe(o.Addr.String()), Kind: o.Kind.Type, State: unknown}
	if enabled := o.Value("enabled"); enabled.IsSet() && !enabled.Bool() {
		m.Stored, m.State = true, ""
		return m
	}
	was := before[m.key()]
	switch {
	case have.Health:
		m.read(have, o)
	case was != nil:
		m.State, m.Message, m.Reachable, m.Nodes, m.NodesCut, m.Read = was.State, was.Message, was.Reachable, was.Nodes, was.NodesCut, was.Read
	}
	for _, child := range o.Children {
		if child.Kind == resource.KeyServer {
			m.Servers = append(m.Servers, server(have, child, was))
		}
	}
	return m
}

// read takes over what is only read now and then.
func (m *Manager) read(have *resource.Cluster, o *resource.Object) {
	m.Read = have.At.UTC()
	// 0 and 65537200 mean that nothing remains to be done (ONTAP REST reference,
	// key-managers, status).
	switch code := o.Value("status.code"); {
	case !code.IsSet():
	case code.Int() == 0 || code.Int() == 65537200:
		m.State = available
	default:
		m.State, m.Message = degraded, plan.Safe(o.Value("status.message").Str())
	}
	for i := range o.Kind.Fields {
		told := o.Values[i]
		switch f := &o.Kind.Fields[i]; {
		case f.Type == resource.Reachability && told.IsSet():
			r := told.Reach()
			m.Reachable, m.State = &r.OK, available
			if !r.OK {
				m.State, m.Message = unavailable, plan.Safe(strings.TrimSpace(r.Code+" "+r.Message))
			}
		case f.Type == resource.NodeReachability:
			for _, r := range told.Reaches() {
				if !r.OK {
					m.Nodes = append(m.Nodes, Node{plan.Safe(r.Node), plan.Safe(cmp.Or(r.Message, "not reachable"))})
				}
			}
			m.Nodes, m.NodesCut = cut(m.Nodes, maxNodes)
		}
	}
}

// server returns how a primary key server is seen: now, or else as before.
func server(have *resource.Cluster, o *resource.Object, was *Manager) Server {
	s := Server{Server: plan.Safe(o.Addr.Name)}
	told := o.Value("connectivity")
	switch {
	case have.Health && told.IsSet():
		s.Known = true
		for _, n := range have.Unavailable(told.NodeStates()) {
			s.Nodes = append(s.Nodes, Node{plan.Safe(n.Node), plan.Safe(n.State)})
		}
		s.Nodes, s.NodesCut = cut(s.Nodes, maxNodes)
	case !have.Health && was != nil:
		for i := range was.Servers {
			if was.Servers[i].Server == s.Server {
				return was.Servers[i]
			}
		}
	}
	return s
}

// A validity is the certificates of a cluster that have a readable end, by UUID.
type validity map[string]Certificate

func certificates(links []*resource.Object) validity {
	v := make(validity, len(links))
	for _, l := range links {
		if l.Kind != resource.Certificate {
			continue
		}
		// Some releases write a blank in the middle (ONTAP REST reference, security/certificates).
		text := strings.Replace(l.Value("expiry_time").Str(), " ", "T", 1)
		if end, err := time.Parse(time.RFC3339, text); err == nil {
			v[l.ID] = Certificate{Name: plan.Safe(cmp.Or(l.Value("name").Str(), l.ID)), UUID: plan.Safe(l.ID), Ends: end.UTC()}
		}
	}
	return v
}

// of returns those that an object depends on and that end before long.
func (v validity) of(o *resource.Object, now time.Time) []Certificate {
	var out []Certificate
	for i := range o.Kind.Fields {
		f := &o.Kind.Fields[i]
		if f.To != resource.Certificate {
			continue
		}
		links := o.Values[i].Links()
		if one := o.Values[i].Link(); one.UUID != "" {
			links = []resource.LinkTo{one}
		}
		for _, l := range links {
			if c, ok := v[l.UUID]; ok && c.Ends.Sub(now) < watched {
				c.Use, c.Address = f.Where, plan.Safe(o.Addr.String())
				out = append(out, c)
			}
		}
	}
	return out
}
