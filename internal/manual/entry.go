package manual

import (
	"iter"
	"strings"

	"kmagent/internal/resource"
)

// sections returns the lists of objects, and the single ones, that a cluster may have, by
// name.
func sections(kinds []*resource.Kind) map[string]*schema {
	found := map[string]*schema{}
	for _, k := range kinds {
		entry := ref(title(k), "")
		switch s := found[k.Section]; {
		case k.Singleton:
			found[k.Section] = ref(title(k), k.Doc)
		case s == nil:
			found[k.Section] = &schema{Description: k.Doc, Type: types{"array"}, Items: entry}
		case s.Items.AnyOf == nil:
			s.Items = &schema{AnyOf: []*schema{s.Items, entry}}
		default:
			s.Items.AnyOf = append(s.Items.AnyOf, entry)
		}
	}
	return found
}

// shared says whether another of the kinds is in the section of k.
func shared(k *resource.Kind, kinds []*resource.Kind) bool {
	for _, other := range kinds {
		if other != k && other.Section == k.Section {
			return true
		}
	}
	return false
}

// entry is a member of a section, or a section of one object. With state: absent it needs only what tells it from the
// others; in a section that kinds share, that includes the selector.
func entry(k *resource.Kind, shared bool) *schema {
	s := below(k, "")
	s.Description = k.Doc
	if k.Scopes&resource.SVMScope != 0 {
		s.Properties["svm"] = form("The SVM that the object belongs to.", `^[A-Za-z_][A-Za-z0-9_.-]{0,46}$`)
		if k.Scopes&resource.ClusterScope != 0 {
			s.Properties["svm"].Description += " Without it, the cluster itself."
		} else {
			s.Required = []string{"svm"}
		}
	}
	if k.Singleton {
		return s
	}
	s.Properties["state"] = word("The object is to be deleted. Without it, it is to be there as the entry says.", "absent")
	if shared {
		s.AnyOf = selected(k)
		if resource.InSection(k.Section)[0] == k {
			// A tombstone that does not say what it is of is of the first kind.
			s.AnyOf = append(s.AnyOf, &schema{Required: []string{"state"}})
		}
	}
	present := &schema{}
	for _, f := range k.Fields {
		switch {
		case !f.Flags.Has(resource.Required):
		case f.Name == k.Identity:
			demand(s, f.Name)
		default:
			demand(present, f.Name)
		}
	}
	if present.Required != nil || present.AllOf != nil {
		s.If, s.Then = &schema{Not: &schema{Required: []string{"state"}}}, present
	}
	return s
}

// member is a child in the list that its parent has of them.
func member(k *resource.Kind) *schema {
	s := below(k, "")
	s.Description = k.Doc
	for _, f := range k.Fields {
		if f.Flags.Has(resource.Required) {
			demand(s, f.Name)
		}
	}
	return s
}

// below is the mapping of the fields whose names begin with prefix. ONTAP's dotted names
// may be nested at any of their dots, so each has as many keys as ways to write it.
func below(k *resource.Kind, prefix string) *schema {
	s := object("", map[string]*schema{})
	for i := range k.Fields {
		f := &k.Fields[i]
		rest, ok := strings.CutPrefix(f.Name, prefix)
		if !ok || f.ReadOnly() {
			continue
		}
		s.Properties[rest] = value(f)
		for head := range heads(rest) {
			if s.Properties[head] == nil {
				s.Properties[head] = below(k, prefix+head+".")
			}
		}
		if other := partner(k, f); other != "" && !strings.Contains(rest, ".") {
			if s.DependentRequired == nil {
				s.DependentRequired = map[string][]string{}
			}
			s.DependentRequired[rest] = []string{strings.TrimPrefix(other, prefix)}
		}
	}
	return s
}

// partner returns the field without which f cannot be written: two optional fields of which
// each goes along with the other. Of two that are required, a tombstone may name one.
func partner(k *resource.Kind, f *resource.Field) string {
	i := k.Index(f.With)
	if i < 0 || k.Fields[i].With != f.Name || f.Flags.Has(resource.Required) {
		return ""
	}
	return f.With
}

// heads yields what stands before each dot of a name, and what stands behind it.
func heads(name string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range name {
			if name[i] == '.' && !yield(name[:i], name[i+1:]) {
				return
			}
		}
	}
}

// demand makes s want a value at a dotted name.
func demand(s *schema, name string) {
	if strings.Contains(name, ".") {
		s.AllOf = append(s.AllOf, written(name))
		return
	}
	s.Required = append(s.Required, name)
}

// written holds for a mapping that has a value at a dotted name, in one of its spellings.
func written(name string) *schema {
	whole := &schema{Required: []string{name}}
	ways := []*schema{whole}
	for head, rest := range heads(name) {
		ways = append(ways, &schema{Required: []string{head}, Properties: map[string]*schema{head: written(rest)}})
	}
	if len(ways) == 1 {
		return whole
	}
	return &schema{AnyOf: ways}
}

// selected lists the ways in which an entry shows that it is of the kind k.
func selected(k *resource.Kind) []*schema {
	ways := []*schema{{Required: []string{k.Selector}}}
	for _, f := range k.Fields {
		if strings.HasPrefix(f.Name, k.Selector+".") && !f.ReadOnly() {
			ways = append(ways, &schema{Required: []string{f.Name}})
		}
	}
	return ways
}

// value is what a field may hold.
func value(f *resource.Field) *schema {
	doc := f.Doc
	if resource.Oldest.Before(f.Since) {
		doc += " ONTAP " + f.Since.String() + " and newer."
	}
	s := typed(f, doc)
	s.Default = f.Default.Plain()
	return s
}

func typed(f *resource.Field, doc string) *schema {
	switch f.Type {
	case resource.String:
		return str(f, doc)
	case resource.Integer:
		if f.Min == 0 && f.Max == 0 {
			return &schema{Description: doc, Type: types{"integer"}}
		}
		return integer(doc, f.Min, f.Max)
	case resource.Boolean:
		return &schema{Description: doc, Type: types{"boolean"}}
	case resource.Secret:
		return ref("secret", doc)
	case resource.Timed:
		return ref("schedule", doc)
	case resource.Link:
		return ref("link", doc)
	case resource.Strings:
		return set(f, doc, item(f))
	case resource.Links:
		return set(f, doc, ref("link", ""))
	case resource.Children:
		return list(doc, max(f.Min, 0), f.Max, ref(title(f.To), ""))
	}
	panic("no schema for the type of " + f.Name) // a mistake in the tables, which a test finds
}

// str is a string field. The length of one that has several spellings is that of the one
// kmagent keeps, which a schema does not see.
func str(f *resource.Field, doc string) *schema {
	if len(f.Enum) > 0 {
		return word(doc, f.Enum...)
	}
	s := text(doc)
	s.MinLength = 0
	if f.Flags.Has(resource.Required) {
		s.MinLength = 1
	}
	if f.Norm == nil {
		s.MinLength, s.MaxLength = max(s.MinLength, f.Min), f.Max
	}
	return s
}

// item is a member of a list of strings.
func item(f *resource.Field) *schema {
	if len(f.Enum) > 0 {
		return word("", f.Enum...)
	}
	return text("")
}

// set is a list in which each member stands once.
func set(f *resource.Field, doc string, items *schema) *schema {
	s := list(doc, max(f.Min, 0), f.Max, items)
	s.UniqueItems = true
	return s
}
