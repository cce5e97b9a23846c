package ontapsim

import "cmp"

// An svm is a data SVM.
type svm struct {
	UUID    string `json:"uuid"`
	Name    string `json:"name"`
	State   string `json:"state,omitempty"`   // "" is running
	Subtype string `json:"subtype,omitempty"` // "" is default

	Migrations int `json:"key_migrations,omitempty"` // how often its keys were moved between key stores

	text memo
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
