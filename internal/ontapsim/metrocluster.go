package ontapsim

import (
	"cmp"
	"slices"
)

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

// metroClusterCodes are the codes that the reference names for GET /cluster/metrocluster.
var metroClusterCodes = map[int]codeText{
	2426405: {"MetroCluster is not configured.", 0},
}

// metroClusterParts are the parts of ONTAP that only GET /cluster/metrocluster needs.
var metroClusterParts = map[string]part{
	"metrocluster_lookup": {2426405, []string{"GET cluster/metrocluster"}},
}

// metroModes are the words of local.mode.
var metroModes = []string{"normal", "not_configured", "not_reachable", "switchover", "partial_switchover", "partial_switchback", "waiting_for_switchback", "unknown"}

func metroClusterKind() *kind {
	states := []string{"configured", "not_configured", "partially_configured", "configuration_error", "not_reachable", "unknown"}
	return &kind{
		path:  "cluster/metrocluster",
		since: since(8),
		fields: []field{
			{name: "local.cluster.uuid", on: std},
			{name: "local.cluster.name", on: std},
			{name: "local.configuration_state", on: std, enum: states},
			{name: "local.mode", on: std, enum: metroModes},
			{name: "remote.configuration_state", on: std, enum: states},
			{name: "remote.mode", on: std, enum: metroModes},
		},
		one: func(c *Cluster, _ []string) (record, *apiError) {
			return single{c.metroClusterObject}, c.broken("GET cluster/metrocluster")
		},
	}
}

// metroClusterObject is how the two halves of a MetroCluster see each other, or that there
// is none.
func (c *Cluster) metroClusterObject() object {
	state, mode, far := "not_configured", "not_configured", ""
	if metro := c.state.World.MetroCluster; metro != nil {
		state, mode = "configured", cmp.Or(metro.Mode, "normal")
		if slices.Contains([]string{"unreachable", "timeout"}, metro.Partner) {
			far = "not_reachable"
		}
	}
	return object{
		{"local", object{
			{"cluster", object{{"uuid", c.state.UUID}, {"name", c.state.Name}}},
			{"configuration_state", state},
			{"mode", mode},
		}},
		{"remote", object{{"configuration_state", cmp.Or(far, state)}, {"mode", cmp.Or(far, mode)}}},
	}
}
