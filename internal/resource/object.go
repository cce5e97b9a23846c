package resource

import (
	"cmp"
	"fmt"
	"iter"
	"net/url"
	"strings"
)

// A Pos is a place in the desired-state file. Line and column count from 1; a zero Pos is
// no place.
type Pos struct {
	File      string
	Line, Col int
}

// String returns "file:line:col", and "" for no place.
func (p Pos) String() string {
	if p.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// An Addr names an object of a fleet for people, logs, plans and the ledger. It is
// comparable. SVM is empty at cluster scope; Name is empty where a scope has one object of
// the kind.
type Addr struct{ Cluster, Kind, SVM, Name string }

// ClusterWord stands where an address has no SVM. No SVM can be called that.
const ClusterWord = "@cluster"

// String returns "prod-a/key_manager/vs_db", or "prod-a/key_server/vs_db/ks1:5696".
func (a Addr) String() string {
	svm := a.SVM
	if svm == "" {
		svm = ClusterWord
	}
	s := a.Cluster + "/" + a.Kind + "/" + svm
	if a.Name != "" {
		s += "/" + a.Name
	}
	return s
}

// Compare orders addresses by cluster, SVM, kind and name: the cluster's own scope comes
// first, and the objects of an SVM stand together.
func (a Addr) Compare(b Addr) int {
	return cmp.Or(
		strings.Compare(a.Cluster, b.Cluster),
		strings.Compare(a.SVM, b.SVM),
		strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.Name, b.Name),
	)
}

// An Object is one instance of a kind, wanted or found. Values stands in the order of
// Kind.Fields. Once made, an object is not changed: readers share it.
type Object struct {
	Kind     *Kind
	Addr     Addr
	ID       string   // last segment of the path; of a wanted object empty
	Twins    []string // of an object found, the ids of others with the same identity, where the kind is Tagged; sorted
	Values   []Value
	Children []*Object
	Absent   bool  // the file says state: absent
	Source   Pos   // where the entry stands; of an object found, no place
	At       []Pos // where each value stands, in the order of Values; nil for an object found
}

// NewObject returns an object without values.
func NewObject(k *Kind, a Addr) *Object {
	return &Object{Kind: k, Addr: a, Values: make([]Value, len(k.Fields))}
}

// Value returns what the field of that name holds; unset for a name the kind lacks.
func (o *Object) Value(name string) Value {
	if i := o.Kind.Index(name); i >= 0 {
		return o.Values[i]
	}
	return Value{}
}

// Timings yields the indices of the fields by which the object schedules actions. One that is to
// be absent schedules none.
func (o *Object) Timings() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range o.Kind.Fields {
			if !o.Absent && o.Kind.Fields[i].Type == Timed && o.Values[i].IsSet() && !yield(i) {
				return
			}
		}
	}
}

// Timing returns the index of the field by which the object schedules an action; -1 if none does.
func (o *Object) Timing(action string) int {
	for i := range o.Timings() {
		if o.Kind.Fields[i].Runs == action {
			return i
		}
	}
	return -1
}

// Place returns where field i stands in the file, or else where the entry does.
func (o *Object) Place(i int) Pos {
	if i < len(o.At) && o.At[i].Line > 0 {
		return o.At[i]
	}
	return o.Source
}

// Segment escapes one segment of a path. The colon of a key server goes escaped too, as
// ONTAP's own links have it.
func Segment(s string) string {
	return strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
}
