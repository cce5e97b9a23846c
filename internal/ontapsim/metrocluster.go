package ontapsim

import "slices"

// peer refuses what needs the MetroCluster partner when that is not well. The code for an
// unhealthy partner depends on what is asked for.
func (c *Cluster) peer(unhealthy int) *apiError {
	metro := c.state.World.MetroCluster
	if metro == nil {
		return nil
	}
	switch metro.Partner {
	case "unreachable":
		return c.code(262224)
	case "timeout":
		return c.code(262228)
	case "unhealthy":
		return c.code(unhealthy)
	}
	return nil
}

// checkPartnerOfExternal tells whether the partner allows an external key manager.
func (c *Cluster) checkPartnerOfExternal(m *keyManager) *apiError {
	metro := c.state.World.MetroCluster
	if metro == nil || m.SVM != "" {
		return nil
	}
	if err := c.peer(65539221); err != nil {
		return err
	}
	if metro.KeyManager == "onboard" {
		return c.code(65536895)
	}
	return nil
}

// healthyStatus is the status code of a key manager that needs nothing (the documented
// example of status.code; the schema also allows 0).
const healthyStatus = 65537200

// statusOf is the status of an enabled key manager: what remains to be done.
func (c *Cluster) statusOf(m *keyManager) (code int, message string) {
	metro := c.state.World.MetroCluster
	switch {
	case m.SVM != "" || m.Onboard == nil && metro == nil:
		code = healthyStatus
	case m.Onboard != nil && (c.anyNode("failed") || c.anyNode("missing")):
		code = 65536903
	case metro == nil:
		code = healthyStatus
	case m.Onboard != nil && metro.KeyManager != "onboard":
		code = 65537245
	case m.Onboard == nil && metro.KeyManager != "external":
		code = 65536894
	case m.Onboard == nil && !c.partnerHasServers(m):
		code = 65537204
	default:
		code = healthyStatus
	}
	if code == healthyStatus {
		return code, "No action needed at this time."
	}
	return code, codes[code].message
}

// partnerHasServers tells whether the partner uses the same key servers.
func (c *Cluster) partnerHasServers(m *keyManager) bool {
	var have, want []string
	for _, s := range m.External.Servers {
		have = append(have, s.Server)
	}
	for _, s := range c.state.World.MetroCluster.Servers {
		full, _ := withPort(s)
		want = append(want, full)
	}
	slices.Sort(want)
	return slices.Equal(have, want)
}

// guardKeyManager refuses the GET of a cluster-scope external key manager in a MetroCluster
// when it asks for the status and that cannot be told.
func (c *Cluster) guardKeyManager(r record, asked *reading) *apiError {
	m := r.(*keyManager)
	metro := c.state.World.MetroCluster
	if metro == nil || m.SVM != "" || m.External == nil {
		return nil
	}
	if m.hidden() {
		return c.code(65537201)
	}
	if !asked.exp {
		return nil
	}
	switch {
	case metro.Partner == "unreachable" || metro.Partner == "timeout":
		return c.code(65537203)
	case metro.KeyManager == "external" && len(metro.Servers) == 0:
		return c.code(65537202)
	}
	return nil
}
