package ontapsim

import "fmt"

// worldPatch is what PATCH /sim/world may carry besides the members of World: records that
// clients cannot make or change.
type worldPatch struct {
	Nodes        map[string]nodePatch `json:"nodes"`
	SVMs         map[string]svmPatch  `json:"svms"`
	Certificates []worldCertificate   `json:"certificates"`
}

// patchRecords changes what /sim/world may change of records. It changes nothing when it
// fails.
func (s *state) patchRecords(p worldPatch) error {
	nodes := map[string]*clusterNode{}
	for _, n := range s.Nodes {
		nodes[n.Name] = n
	}
	for name, n := range p.Nodes {
		if nodes[name] == nil && n.Membership == nil {
			return fmt.Errorf("nodes: there is no node %q; one with a membership is added", name)
		}
	}
	svms := map[string]*svm{}
	for _, v := range s.SVMs {
		svms[v.Name] = v
	}
	if err := checkCertificates(p.Certificates, svms, p.SVMs); err != nil {
		return err
	}
	for _, name := range sortedKeys(p.Nodes) {
		if nodes[name] == nil {
			nodes[name] = s.addNode(name)
		}
		p.Nodes[name].apply(nodes[name])
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

// set changes a value when there is a new one.
func set[T any](v *T, to *T) {
	if to != nil {
		*v = *to
	}
}
