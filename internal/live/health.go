package live

import (
	"kmagent/internal/resource"
)

// decodeNodeStates reads connectivity in either of its shapes (ONTAP REST reference,
// key-servers, connectivity): since 9.13 node_states lists every node; before, records
// lists only the nodes that do not reach the server, and cluster_availability says whether
// the state of all of them is known.
func decodeNodeStates(x any) (resource.Value, error) {
	m, ok := x.(map[string]any)
	if !ok {
		return resource.Value{}, errNotList
	}
	states, listed := m["node_states"]
	if !listed {
		states = m["records"]
	}
	out := []resource.NodeState{}
	if list, ok := states.([]any); ok {
		for _, s := range list {
			out = append(out, decodeNodeState(s))
		}
	}
	if known, _ := m["cluster_availability"].(bool); known && !listed {
		out = append(out, resource.NodeState{Node: resource.OtherNodes, State: available})
	}
	return resource.NodeStateList(out), nil
}

// ONTAP's words for the state of a key server on a node; any other is taken for unknown.
const (
	available     = "available"
	notResponding = "not_responding"
	unknown       = "unknown"
)

func decodeNodeState(x any) resource.NodeState {
	m, _ := x.(map[string]any)
	node, _ := lookUp(m, "node.name").(string)
	state, _ := m["state"].(string)
	if state != available && state != notResponding {
		state = unknown
	}
	return resource.NodeState{Node: node, State: state}
}
