package resource

import (
	"slices"
	"time"
)

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
	Stores  []KeyStore       // nil: not read
	Keys    *KeyReport
	Rekeyed *KeyReport   // likewise of those stores only that are being rekeyed, or are to be; nil: there are none
	Jobs    []Job        // those that the cluster remembers; read only while an operation is open
	Begun   *[]Job       // those by which somebody may have begun what is due; nil: not read
	Metro   MetroCluster // read where the file has something that depends on it, and before a change
	At      time.Time    // when the first of the reads began

	// Health says whether Advanced fields were read too, in this pass.
	Health bool
}

// Find returns the object of that address, be it a child; nil if there is none.
func (c *Cluster) Find(a Addr) *Object {
	if o := c.Objects[a]; o != nil {
		return o
	}
	for _, o := range c.Objects {
		if o.Addr.SVM != a.SVM {
			continue
		}
		for _, child := range o.Children {
			if child.Addr == a {
				return child
			}
		}
	}
	return nil
}

// A KeyReport is which keys the key stores hold that were asked, and which nodes have them. It
// is read only while a decision waits for it; nil: it was not asked for.
type KeyReport struct {
	Stores []string // UUIDs of those that were asked; nil: all of the cluster's
	Keys   []HeldKey
	Err    string // why it could not be read; then there are no keys in it
}

// Covers says whether those key stores were asked. Of a nil report none was.
func (r *KeyReport) Covers(stores []string) bool {
	return r != nil && (r.Stores == nil || !slices.ContainsFunc(stores, func(s string) bool { return !slices.Contains(r.Stores, s) }))
}

// A HeldKey is a key in a key store, as one node sees it on one key server.
type HeldKey struct {
	Store    string // UUID of the key store
	Node     string
	ID, Type string // Type is nse_ak, aek, vek, nek, svm_kek or mroot_ak
	User     string // the SVM whose data it protects; of the cluster's own, its name
	Server   string // the key server; empty where the store has none
	Restored bool   // the node has the key: without it volumes stay offline there
}

// A Job is something that the cluster does, or did not long ago.
type Job struct {
	UUID        string
	Description string    // "POST /api/security/azure-key-vaults", for one that a request began
	State       string    // queued, running, paused, success, failure
	Code        string    // ONTAP's, of one that failed
	Start       time.Time // by the cluster's clock
}

// A JobSought is a job to be looked for: by its UUID or, if that is not known, by what it does.
type JobSought struct{ UUID, Description string }

// Succeeded says whether the job has come to a good end: one word does (ONTAP REST reference,
// job object).
func (j Job) Succeeded() bool { return j.State == "success" }

// Failed says whether it has come to a bad one. Whatever else it is called, it has come to none.
func (j Job) Failed() bool { return j.State == "failure" || j.State == "error" }

// A Node is a controller of the cluster.
type Node struct {
	Name, UUID string
	State      string // up, booting, down, taken_over, waiting_for_giveback, degraded, unknown
	Member     bool   // membership is member; a node that is joining or only available has no keys yet
	Version    Version
}

// StoresSince is the first release whose security/key-stores says which configuration is
// enabled (ONTAP REST reference, key-stores).
var StoresSince = Version{Generation: 9, Major: 14}

// A KeyStore is a configuration as security/key-stores shows it. It is read only where the
// file has kinds beside key managers, or a decision waits for it.
type KeyStore struct {
	UUID    string // that of the configuration itself
	SVM     string // empty at cluster scope
	Enabled bool
	State   string // active, mixed, svm_kek_rekey, blocked, switching, initializing, disabling; empty if in store or not told
}

// A MetroCluster is how a cluster sees that it is half of one, in ONTAP's words. The zero
// MetroCluster is one that was not, or may not be, read.
type MetroCluster struct {
	State, Mode string
	Asked       bool // it was read, or may not be read
}

// SwitchedOver says whether one half serves for both, or is on the way from or to that.
func (m MetroCluster) SwitchedOver() bool {
	switch m.Mode {
	case "switchover", "partial_switchover", "partial_switchback", "waiting_for_switchback":
		return true
	}
	return false
}

// Known says whether it is known that the cluster is one, or that it is none.
func (m MetroCluster) Known() bool { return m.State != "" && m.State != "unknown" }

// There says whether the cluster is, or is about to be, half of one.
func (m MetroCluster) There() bool { return m.Known() && m.State != NoMetroCluster }

// NoMetroCluster is ONTAP's word for a cluster by itself.
const NoMetroCluster = "not_configured"

// An SVM is a storage virtual machine that serves data.
type SVM struct{ Name, UUID, State string }

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
