package ontapsim

import (
	"slices"
	"time"
)

// connectivity is how the nodes see a server. Up to 9.12 only nodes that do not reach it
// are listed, and available is what all of them reach; since then it says that the state is
// known on all nodes, whatever it is.
func (c *Cluster) connectivity(server string) object {
	var all, missing []any
	known := true
	for _, n := range c.state.Nodes {
		state := c.state.World.serverState(server, n.Name)
		known = known && state != "unknown"
		if state != "available" && state != "unknown" {
			state = "not_responding"
		}
		one := object{{"node", n.reference()}, {"state", state}}
		all = append(all, one)
		if state != "available" {
			missing = append(missing, one)
		}
	}
	o := object{{"cluster_availability", known}}
	if c.version.before(since(13)) {
		o[0].value = len(missing) == 0
		o.opt("records", missing)
		return o
	}
	o.put("node_states", all)
	return o
}

// contactAll opens a session to every server of a manager. With full, certificates that
// have expired and servers that no node reaches are noticed too.
func (c *Cluster) contactAll(e *external, full bool) *apiError {
	now := time.Now()
	if t, ok := c.state.Certificates.find(e.Client); ok && full && now.After(t.Expiry) {
		return c.code(66060339)
	}
	for _, uuid := range e.CAs {
		if t, ok := c.state.Certificates.find(uuid); ok && full && now.After(t.Expiry) {
			return c.code(66060338)
		}
	}
	for _, s := range e.Servers {
		if err := c.contact(s.Server, full); err != nil {
			return err
		}
	}
	return nil
}

// contact opens a session to a server.
func (c *Cluster) contact(server string, full bool) *apiError {
	refusals := []struct {
		state string
		code  int
	}{
		{"server_ca_mismatch", 66060338},
		{"client_certificate_refused", 66060339},
		{"tls_failed", 66060340},
		{"kmip_unknown", 65536852},
		{"refusing", 65536921},
	}
	for _, r := range refusals {
		if c.anyState(server, r.state) {
			return c.code(r.code)
		}
	}
	if c.anyState(server, "network_failed") && c.version.before(since(11)) {
		return c.code(66060341)
	}
	if full && c.unreachable(server) {
		return c.code(65536852)
	}
	return nil
}

func (c *Cluster) anyState(server, state string) bool {
	return slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool {
		return c.state.World.serverState(server, n.Name) == state
	})
}

// unreachable tells whether no node reaches a server.
func (c *Cluster) unreachable(server string) bool {
	return !slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool {
		state := c.state.World.serverState(server, n.Name)
		return state != "not_responding" && state != "network_failed"
	})
}
