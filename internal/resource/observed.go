package resource

import "time"

// A Cluster is what one pass saw of a cluster. It is complete or it does not exist: a
// reader that missed a page returns an error instead. It is not changed once made.
type Cluster struct {
	Name    string // ONTAP's own name, which may differ from the label in the file
	UUID    string
	Version Version
	Nodes   []Node
	SVMs    map[string]SVM   // by name; data SVMs only
	Objects map[Addr]*Object // under the label that the file gives the cluster
	Links   []*Object        // what a Link may name, such as certificates
	At      time.Time        // when the first of the reads began

	// Health says whether Advanced fields were read too, in this pass.
	Health bool
}

// A Node is a controller of the cluster.
type Node struct {
	Name, UUID string
	State      string // up, booting, down, taken_over, waiting_for_giveback, degraded, unknown
	Member     bool   // membership is member; a node that is joining or only available has no keys yet
	Version    Version
}

// An SVM is a storage virtual machine that serves data.
type SVM struct{ Name, UUID, State string }

// Find returns the object that l names for an owner at the scope svm: the SVM's own first,
// then the cluster's (ONTAP REST reference, certificates: the look-up of NetApp's own
// module). The object must have the type that where says.
func (c *Cluster) Find(to *Kind, svm, where string, l LinkTo) (*Object, bool) {
	var shared *Object
	for _, o := range c.Links {
		if o.Kind != to || o.Value("type").Str() != where {
			continue
		}
		if l.UUID != "" && o.ID != l.UUID || l.Name != "" && o.Addr.Name != l.Name {
			continue
		}
		switch o.Addr.SVM {
		case svm:
			return o, true
		case "":
			shared = o
		}
	}
	return shared, shared != nil
}

// OtherNodes stands, in a list of node states, for every node that it does not name.
const OtherNodes = "*"

// Unavailable says on which of the cluster's nodes states is not "available", in the order
// of the nodes. A node that states does not list counts as unknown: nothing was said of it.
func (c *Cluster) Unavailable(states []NodeState) []NodeState {
	seen := make(map[string]string, len(states))
	for _, s := range states {
		seen[s.Node] = s.State
	}
	var bad []NodeState
	for _, n := range c.Nodes {
		state, ok := seen[n.Name]
		if !ok {
			state, ok = seen[OtherNodes]
		}
		if !ok {
			state = "unknown"
		}
		if state != "available" {
			bad = append(bad, NodeState{n.Name, state})
		}
	}
	return bad
}
