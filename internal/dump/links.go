package dump

import (
	"regexp"
	"slices"
	"strings"

	"kmagent/internal/resource"
)

// links are the objects that others may name, such as certificates.
type links struct {
	byID   map[string]*resource.Object
	byName map[named][]*resource.Object
}

// A named is what an object is looked up by.
type named struct {
	kind             *resource.Kind
	where, svm, name string
}

func linksOf(c *resource.Cluster) links {
	x := links{map[string]*resource.Object{}, map[named][]*resource.Object{}}
	for _, o := range c.Links {
		x.byID[o.ID] = o
		n := named{o.Kind, o.Value("type").Str(), o.Addr.SVM, o.Addr.Name}
		x.byName[n] = append(x.byName[n], o)
	}
	return x
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// text writes what names the object l for an owner at the scope svm: its name, if a plan
// would find this very object by it, and else its UUID. Ok is false if no plan would find it
// at all.
func (x links) text(f *resource.Field, svm string, l resource.LinkTo) (text string, ok bool) {
	o := x.byID[l.UUID]
	if o == nil || o.Kind != f.To || o.Value("type").Str() != f.Where || o.Addr.SVM != "" && o.Addr.SVM != svm {
		return "{uuid: " + quote(l.UUID) + "}", false
	}
	same := x.byName[named{f.To, f.Where, svm, o.Addr.Name}]
	if len(same) == 0 {
		same = x.byName[named{f.To, f.Where, "", o.Addr.Name}]
	}
	if len(same) == 1 && same[0] == o && o.Addr.Name != "" && !uuidForm.MatchString(strings.ToLower(o.Addr.Name)) {
		return quote(o.Addr.Name), true
	}
	return "{uuid: " + quote(l.UUID) + "}", true
}

// texts writes several; in the order of the alphabet where theirs says nothing.
func (x links) texts(f *resource.Field, svm string, ls []resource.LinkTo) (text string, ok bool) {
	out, ok := make([]string, len(ls)), true
	for i, l := range ls {
		t, found := x.text(f, svm, l)
		out[i], ok = t, ok && found
	}
	if f.Flags.Has(resource.Unordered) {
		slices.Sort(out)
	}
	return list(out), ok
}
