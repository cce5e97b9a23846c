package ontapsim

import (
	"cmp"
	"slices"
)

// single is the record of a resource that is one object.
type single struct {
	build func() object
}

func (single) id() string                     { return "" }
func (single) owner() string                  { return "" }
func (single) hidden() bool                   { return false }
func (single) memo() *memo                    { return nil }
func (s single) object(*Cluster, bool) object { return s.build() }

// versionFields are the fields of a release, wherever one is shown.
var versionFields = []field{
	{name: "version.full", on: std},
	{name: "version.generation", typ: integer, on: std},
	{name: "version.major", typ: integer, on: std},
	{name: "version.minor", typ: integer, on: std},
}

func (v version) object() object {
	return object{
		{"full", "NetApp Release " + v.String() + ": Thu Jan 01 00:00:00 UTC 2026"},
		{"generation", int64(v.generation)},
		{"major", int64(v.major)},
		{"minor", int64(v.minor)},
	}
}

func clusterKind() *kind {
	return &kind{
		path: "cluster",
		fields: slices.Concat([]field{
			{name: "name", on: std},
			{name: "uuid", on: std},
		}, versionFields),
		one: func(c *Cluster, _ []string) (record, *apiError) {
			return single{func() object {
				return object{
					{"name", c.state.Name},
					{"uuid", c.state.UUID},
					{"version", c.version.object()},
				}
			}}, nil
		},
	}
}

// A clusterNode is a node of the cluster.
type clusterNode struct {
	UUID       string `json:"uuid"`
	Name       string `json:"name"`
	State      string `json:"state,omitempty"`        // "" is up
	Membership string `json:"membership,omitempty"`   // "" is member
	Quorum     bool   `json:"quorum"`                 // in quorum
	Onboard    string `json:"onboard,omitempty"`      // "failed": onboard key management cannot be set up here
	ONTAP      string `json:"ontap,omitempty"`        // "" is the cluster's release
	Metro      string `json:"metrocluster,omitempty"` // type of its MetroCluster configuration
	text       memo
}

// nodePatch is what /sim/world may change of a node.
type nodePatch struct {
	Quorum     *bool   `json:"quorum"`
	State      *string `json:"state"`
	Membership *string `json:"membership"`
	Onboard    *string `json:"onboard"`
	ONTAP      *string `json:"ontap"`
	Metro      *string `json:"metrocluster"`
}

func (n *clusterNode) id() string    { return n.UUID }
func (n *clusterNode) owner() string { return "" }
func (n *clusterNode) hidden() bool  { return false }
func (n *clusterNode) memo() *memo   { return &n.text }

func (n *clusterNode) object(c *Cluster, _ bool) object {
	v := c.version
	if own, err := parseVersion(n.ONTAP); err == nil {
		v = own
	}
	o := object{
		{"uuid", n.UUID},
		{"name", n.Name},
		{"state", cmp.Or(n.State, "up")},
		{"membership", cmp.Or(n.Membership, "member")},
		{"version", v.object()},
	}
	if n.Metro != "" {
		o.put("metrocluster", object{{"type", n.Metro}})
	}
	return o
}

// reference is how other records refer to a node.
func (n *clusterNode) reference() object {
	return object{{"uuid", n.UUID}, {"name", n.Name}, {"_links", link("/api/cluster/nodes/" + n.UUID)}}
}

func nodeKind() *kind {
	return &kind{
		path: "cluster/nodes",
		id:   "uuid",
		fields: slices.Concat([]field{
			{name: "uuid", on: key},
			{name: "name", on: key},
			{name: "state", on: std},
			{name: "membership", on: std},
			{name: "metrocluster.type", on: std},
		}, versionFields),
		list: func(c *Cluster, _ []string) ([]record, *apiError) {
			nodes := slices.Clone(c.state.Nodes)
			slices.SortFunc(nodes, func(a, b *clusterNode) int { return cmp.Compare(a.UUID, b.UUID) })
			return records(nodes), nil
		},
	}
}

// addNode adds a node, which has none of the onboard keys until they are synchronized.
func (s *state) addNode(name string) *clusterNode {
	n := &clusterNode{Name: name, UUID: s.uuid(), Quorum: true}
	for _, m := range s.KeyManagers {
		if m.Onboard != nil {
			n.Onboard = "missing"
		}
	}
	s.Nodes = append(s.Nodes, n)
	return n
}

func (p nodePatch) apply(n *clusterNode) {
	set(&n.Quorum, p.Quorum)
	set(&n.State, p.State)
	set(&n.Membership, p.Membership)
	set(&n.Onboard, p.Onboard)
	set(&n.ONTAP, p.ONTAP)
	set(&n.Metro, p.Metro)
}
