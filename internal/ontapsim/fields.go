package ontapsim

import (
	"net/http"
	"slices"
	"strings"
)

// A term is one name of a `fields` parameter, braces resolved.
type term struct {
	name string
	not  bool // written with a leading !
}

func errBraces() *apiError {
	return problem(http.StatusBadRequest, 262286, "fields", `The braces in field "fields" do not match.`)
}

// parseFields reads a `fields` parameter: names with commas between them, where b.{c,d} is
// b.c,b.d and !b.c leaves b.c out.
func parseFields(s string) ([]term, *apiError) {
	terms, rest, err := parseTerms(s, "", false)
	if err == nil && rest != "" {
		return nil, errBraces() // a closing brace without its opening one
	}
	return terms, err
}

// parseTerms reads until the end or a closing brace, which it leaves in rest.
func parseTerms(s, prefix string, not bool) (terms []term, rest string, err *apiError) {
	for {
		end := strings.IndexAny(s, ",{}")
		name := s
		if end >= 0 {
			name = s[:end]
		}
		name = strings.TrimSpace(name)
		name, negated := strings.CutPrefix(name, "!")
		negated = negated || not
		if end >= 0 && s[end] == '{' {
			inner, after, err := parseTerms(s[end+1:], prefix+name, negated)
			if err != nil {
				return nil, "", err
			}
			if after == "" {
				return nil, "", errBraces()
			}
			terms = append(terms, inner...)
			s = after[1:] // behind the closing brace
			if s == "" || s[0] == '}' {
				return terms, s, nil
			}
			if s[0] != ',' {
				return nil, "", errBraces()
			}
			s = s[1:]
			continue
		}
		if name != "" {
			terms = append(terms, term{prefix + name, negated})
		}
		if end < 0 {
			return terms, "", nil
		}
		if s[end] == '}' {
			return terms, s[end:], nil
		}
		s = s[end+1:]
	}
}

// A selection is what a GET returns of each record.
type selection struct {
	nodes map[*node]bool // fields chosen, and the objects they are in
	exp   bool           // an expensive field is among them
	hal   bool           // with _links
}

// choose resolves terms against a schema. Without terms it is the identifying fields of a
// collection's records, and everything standard of an instance.
func (n *node) choose(terms []term, collection, lenient bool) (selection, *apiError) {
	s := selection{nodes: map[*node]bool{}}
	n.pick(s.nodes, key)
	only := !slices.ContainsFunc(terms, func(t term) bool { return !t.not })
	if only && (len(terms) > 0 || !collection) {
		n.pick(s.nodes, key|std)
	}
	for _, t := range terms {
		if t.not {
			continue
		}
		if err := n.include(s.nodes, t.name, lenient); err != nil {
			return s, err
		}
	}
	for _, t := range terms {
		if !t.not {
			continue
		}
		if err := n.exclude(s.nodes, t.name, lenient); err != nil {
			return s, err
		}
	}
	for k := range s.nodes {
		s.exp = s.exp || k.leaf != nil && k.leaf.on&exp != 0
	}
	n.wrap(s.nodes)
	return s, nil
}

// pick chooses the fields below n that have one of the uses.
func (n *node) pick(chosen map[*node]bool, uses use) {
	n.leaves(func(l *node) {
		if l.leaf.on&uses != 0 {
			chosen[l] = true
		}
	})
}

func (n *node) include(chosen map[*node]bool, name string, lenient bool) *apiError {
	switch name {
	case "*":
		n.pick(chosen, key|std)
		return nil
	case "**":
		n.pick(chosen, readable)
		return nil
	}
	k := n.at(name)
	if k == nil {
		if lenient {
			return nil
		}
		return errFields(name)
	}
	switch k.uses() & readable {
	case 0:
		return problem(http.StatusBadRequest, 262249, "fields", "Field "+quoted(name)+" cannot be read.")
	case exp, named:
		k.pick(chosen, exp|named)
	default: // naming a group does not name the expensive groups inside it
		k.pick(chosen, key|std)
		for _, inner := range k.kids {
			if inner.leaf != nil && inner.leaf.on&named != 0 {
				chosen[inner] = true
			}
		}
	}
	return nil
}

func (n *node) exclude(chosen map[*node]bool, name string, lenient bool) *apiError {
	k := n.at(name)
	if k == nil {
		if lenient {
			return nil
		}
		return errFields(name)
	}
	k.leaves(func(l *node) {
		if l.leaf.on&key == 0 {
			delete(chosen, l)
		}
	})
	return nil
}

// wrap adds the objects that hold chosen fields, and tells whether there are any.
func (n *node) wrap(chosen map[*node]bool) bool {
	found := chosen[n]
	for _, k := range n.kids {
		found = k.wrap(chosen) || found
	}
	if found {
		chosen[n] = true
	}
	return found
}

// project is the part of a record that is selected. Objects and arrays that become empty
// are left out.
func (s selection) project(n *node, o object) object {
	out := make(object, 0, len(o))
	for _, m := range o {
		if m.name == "_links" {
			continue
		}
		if k := n.kid(m.name); k != nil && s.nodes[k] {
			if v, ok := s.projectValue(k, m.value); ok {
				out.put(m.name, v)
			}
		}
	}
	if links, ok := o.member("_links"); ok && s.hal && len(out) > 0 {
		out.put("_links", links)
	}
	return out
}

func (s selection) projectValue(n *node, v any) (any, bool) {
	if n.leaf != nil {
		return v, true
	}
	switch v := v.(type) {
	case object:
		o := s.project(n, v)
		return o, len(o) > 0
	case []any:
		list := make([]any, 0, len(v))
		for _, e := range v {
			if o := s.project(n, e.(object)); len(o) > 0 {
				list = append(list, o)
			}
		}
		return list, len(list) > 0
	}
	return v, true
}
