package ontapsim

import (
	"cmp"
	"fmt"
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

// An svm is a data SVM.
type svm struct {
	UUID    string `json:"uuid"`
	Name    string `json:"name"`
	State   string `json:"state,omitempty"`   // "" is running
	Subtype string `json:"subtype,omitempty"` // "" is default
	text    memo
}

// svmPatch is what /sim/world may change of an SVM.
type svmPatch struct {
	State   *string `json:"state"`
	Subtype *string `json:"subtype"`
}

func (s *svm) id() string    { return s.UUID }
func (s *svm) owner() string { return s.UUID }
func (s *svm) hidden() bool  { return false }
func (s *svm) memo() *memo   { return &s.text }

func (s *svm) object(*Cluster, bool) object {
	return object{
		{"uuid", s.UUID},
		{"name", s.Name},
		{"state", cmp.Or(s.State, "running")},
		{"subtype", cmp.Or(s.Subtype, "default")},
	}
}

// reference is how other records refer to an SVM.
func (s *svm) reference() object {
	return object{{"uuid", s.UUID}, {"name", s.Name}, {"_links", link("/api/svm/svms/" + s.UUID)}}
}

func svmKind() *kind {
	return &kind{
		path: "svm/svms",
		id:   "uuid",
		fields: []field{
			{name: "uuid", on: key},
			{name: "name", on: key},
			{name: "state", on: std},
			{name: "subtype", on: std},
		},
		list: func(c *Cluster, _ []string) ([]record, *apiError) { return records(c.state.SVMs), nil },
	}
}

// svmNamed finds an SVM by its name, its UUID or both, which must then agree.
func (c *Cluster) svmNamed(name, uuid string) (*svm, *apiError) {
	for _, s := range c.state.SVMs {
		if (name == "" || s.Name == name) && (uuid == "" || s.UUID == uuid) {
			return s, nil
		}
	}
	return nil, errNoSVM(cmp.Or(name, uuid))
}

// svmOf is the SVM that a new record is for: that of the body or that of the tunnel; nil
// for the cluster.
func (c *Cluster) svmOf(w *write) (*svm, *apiError) {
	name, _ := w.body.text("svm.name")
	uuid, _ := w.body.text("svm.uuid")
	if name == "" && uuid == "" {
		return w.tunnel, nil
	}
	s, err := c.svmNamed(name, uuid)
	if err == nil && w.tunnel != nil && s != w.tunnel {
		err = errTogether("svm", "X-Dot-SVM-Name")
	}
	return s, err
}

// addSVM adds an SVM with the certificates every SVM has at start. The tables are sorted
// later.
func (s *state) addSVM(name string) *svm {
	v := &svm{UUID: s.uuid(), Name: name}
	s.SVMs = append(s.SVMs, v)
	s.addCertificates(v)
	return v
}

// patchRecords changes what /sim/world may change of records. It changes nothing when it
// fails.
func (s *state) patchRecords(p worldPatch) error {
	nodes := map[string]*clusterNode{}
	for _, n := range s.Nodes {
		nodes[n.Name] = n
	}
	for name := range p.Nodes {
		if nodes[name] == nil {
			return fmt.Errorf("nodes: there is no node %q", name)
		}
	}
	svms := map[string]*svm{}
	for _, v := range s.SVMs {
		svms[v.Name] = v
	}
	if err := checkCertificates(p.Certificates, svms, p.SVMs); err != nil {
		return err
	}
	for name, n := range p.Nodes {
		n.apply(nodes[name])
	}
	for _, name := range sortedKeys(p.SVMs) {
		if svms[name] == nil {
			svms[name] = s.addSVM(name)
		}
		set(&svms[name].State, p.SVMs[name].State)
		set(&svms[name].Subtype, p.SVMs[name].Subtype)
	}
	for _, wc := range p.Certificates {
		s.setCertificate(wc, svms)
	}
	s.sort()
	return nil
}

func (p nodePatch) apply(n *clusterNode) {
	set(&n.Quorum, p.Quorum)
	set(&n.State, p.State)
	set(&n.Membership, p.Membership)
	set(&n.Onboard, p.Onboard)
	set(&n.ONTAP, p.ONTAP)
	set(&n.Metro, p.Metro)
}

// set changes a value when there is a new one.
func set[T any](v *T, to *T) {
	if to != nil {
		*v = *to
	}
}
