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
	list, ok := states.([]any)
	if !ok && states != nil {
		return resource.Value{}, errNotList
	}
	out := []resource.NodeState{}
	for _, s := range list {
		state, err := decodeNodeState(s)
		if err != nil {
			return resource.Value{}, err
		}
		out = append(out, state)
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

// decodeNodeState needs the node's name: a state that is nobody's may be that of a node
// which then passes for available.
func decodeNodeState(x any) (resource.NodeState, error) {
	m, _ := x.(map[string]any)
	node, _ := lookUp(m, "node.name").(string)
	if node == "" {
		return resource.NodeState{}, implausible("a state of a node without a name")
	}
	state, _ := m["state"].(string)
	if state != available && state != notResponding {
		state = unknown
	}
	return resource.NodeState{Node: node, State: state}, nil
}

// decodeReachability reads what ONTAP says of a service (ONTAP REST reference, facts shared
// by the KMS resources): the code is a string, "0" when all is well.
func decodeReachability(x any) (resource.Value, error) {
	m, ok := x.(map[string]any)
	if !ok {
		return resource.Value{}, errNotObject
	}
	return resource.ReachValue(reachOf(m)), nil
}

// decodeNodeReachability reads the same for each node.
func decodeNodeReachability(x any) (resource.Value, error) {
	list, ok := x.([]any)
	if !ok {
		return resource.Value{}, errNotList
	}
	out := make([]resource.Reach, 0, len(list))
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return resource.Value{}, errNotList
		}
		out = append(out, reachOf(m))
	}
	return resource.ReachList(out), nil
}

func reachOf(m map[string]any) resource.Reach {
	reachable, _ := m["reachable"].(bool)
	code, _ := m["code"].(string)
	message, _ := m["message"].(string)
	node, _ := lookUp(m, "node.name").(string)
	return resource.Reach{Node: node, OK: reachable, Code: code, Message: message}
}
