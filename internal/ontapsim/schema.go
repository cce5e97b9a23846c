package ontapsim

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// use says where a field may stand: the columns POST, PATCH and GET of the field tables.
type use uint8

const (
	post  use = 1 << iota // may be sent when creating
	patch                 // may be sent when changing
	key                   // GET: always there
	std                   // GET: there on an instance, with fields=*, or when named
	exp                   // GET: expensive; there only when its group is named, or with fields=**
	named                 // GET: there only when it or the object right around it is named, or with fields=**

	readable = key | std | exp | named
)

// typ is the JSON type of a field.
type typ uint8

const (
	text    typ = iota
	integer     // also accepted quoted
	boolean     // also accepted quoted
	moment      // a date-time: text that filters compare as time
	uuid        // text that must have the form of a UUID in a body
	secret      // text that is never returned and never shown in a message
)

// A field is one row of a field table. Its name is dotted; [] follows what is an array.
type field struct {
	name     string
	typ      typ
	on       use
	since    version  // the zero value: as old as the resource
	until    version  // the first release without it; the zero value: none
	enum     []string // nil: any value
	min, max int64    // bounds of an integer; both 0: none
}

// A node is a field, or an object that holds fields, of one resource at one version.
type node struct {
	name string // the last element of path
	path string // dotted, without []
	list bool
	leaf *field // nil: an object
	kids []*node
}

func (n *node) kid(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// at finds a node by its dotted name below n; nil when there is none.
func (n *node) at(path string) *node {
	for name := range strings.SplitSeq(path, ".") {
		if n = n.kid(name); n == nil {
			return nil
		}
	}
	return n
}

// leaves calls visit for every field at or below n.
func (n *node) leaves(visit func(*node)) {
	if n.leaf != nil {
		visit(n)
	}
	for _, k := range n.kids {
		k.leaves(visit)
	}
}

// uses is every use that a field at or below n has.
func (n *node) uses() use {
	var u use
	n.leaves(func(l *node) { u |= l.leaf.on })
	return u
}

// newSchema makes the tree of the fields that a release knows.
func newSchema(fields []field, v version) *node {
	root := &node{}
	for i := range fields {
		if fields[i].in(v) {
			root.add(&fields[i])
		}
	}
	return root
}

// in tells whether a release has the field.
func (f *field) in(v version) bool {
	return !v.before(f.since) && (f.until == version{} || v.before(f.until))
}

func (n *node) add(f *field) {
	for name := range strings.SplitSeq(f.name, ".") {
		name, list := strings.CutSuffix(name, "[]")
		k := n.kid(name)
		if k == nil {
			path := name
			if n.path != "" {
				path = n.path + "." + name
			}
			k = &node{name: name, path: path, list: list}
			n.kids = append(n.kids, k)
		}
		n = k
	}
	n.leaf = f
}

// A check reads a request body against a schema. Errors have ranks, as ONTAP's validation
// has stages: the first error of the lowest rank is the answer.
type check struct {
	verb  use // post or patch
	ranks [3]*apiError
}

const (
	rankUnknown = iota
	rankNotSettable
	rankValue
)

func (c *check) fail(rank int, err *apiError) {
	if c.ranks[rank] == nil {
		c.ranks[rank] = err
	}
}

// body returns the body with its values in their types, or the error ONTAP answers.
func (n *node) body(o object, verb use) (object, *apiError) {
	o, err := expand(o)
	if dup, ok := err.(*errDuplicate); ok {
		return nil, errTwice(dup.name)
	}
	c := &check{verb: verb}
	out := c.object(n, o)
	for _, err := range c.ranks {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *check) object(n *node, o object) object {
	out := object{}
	for _, m := range o {
		k := n.kid(m.name)
		path := strings.TrimPrefix(n.path+"."+m.name, ".")
		switch {
		case m.name == "_links": // every model has it, for reading
			c.fail(rankNotSettable, errNotSettable(path))
			continue
		case k == nil:
			c.fail(rankUnknown, errUnexpected(path))
			continue
		}
		if k.uses()&c.verb == 0 {
			c.fail(rankNotSettable, errNotSettable(k.path))
			continue
		}
		if m.value == nil && c.verb == post {
			continue // a null is no value, and a new object has none to lose
		}
		out.put(k.name, c.value(k, m.value))
	}
	return out
}

func (c *check) value(n *node, v any) any {
	list, isList := v.([]any)
	switch {
	case n.list && v == nil:
		return []any{}
	case n.list && !isList:
		c.fail(rankValue, problem(400, 262254, n.path, "Field "+quoted(n.path)+" expects an array."))
		return nil
	case !n.list && isList:
		c.fail(rankValue, problem(400, 262255, n.path, "Field "+quoted(n.path)+" does not expect an array."))
		return nil
	case n.list:
		out := make([]any, len(list))
		for i, e := range list {
			out[i] = c.element(n, e)
		}
		return out
	}
	return c.element(n, v)
}

func (c *check) element(n *node, v any) any {
	if n.leaf != nil {
		out, ok := n.leaf.coerce(v)
		if !ok {
			c.fail(rankValue, errValue(n.leaf.shown(v), n.path))
		}
		return out
	}
	if v == nil {
		return object{}
	}
	o, ok := v.(object)
	if !ok {
		c.fail(rankValue, errValue("", n.path))
		return nil
	}
	return c.object(n, o)
}

// uuidForm is how a UUID is written.
var uuidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// coerce gives a value the type of its field. ONTAP takes quoted numbers and booleans. A
// null stands for the empty text; a number or a boolean has no empty value, and none that
// may stand for it: 0 seconds are a timeout too.
func (f *field) coerce(v any) (any, bool) {
	s, isText := v.(string)
	switch f.typ {
	case integer:
		n, ok := v.(int64)
		if isText {
			var err error
			n, err = strconv.ParseInt(s, 10, 64)
			ok = err == nil
		}
		if f.min != f.max && (n < f.min || n > f.max) {
			ok = false
		}
		return n, ok
	case boolean:
		b, ok := v.(bool)
		if isText {
			b, ok = strings.EqualFold(s, "true"), f.valid(s)
		}
		return b, ok
	case uuid:
		if s != "" && !uuidForm.MatchString(s) {
			return s, false
		}
	}
	if f.enum != nil && isText && !slices.Contains(f.enum, s) {
		return s, false
	}
	return s, isText || v == nil
}

// shown is what a message may say of a wrong value: nothing of a secret.
func (f *field) shown(v any) string {
	if f.typ == secret {
		return ""
	}
	return string(appendJSON(nil, v))
}

// secrets calls visit for every secret in a checked body.
func (n *node) secrets(o object, visit func(path, value string)) {
	for _, m := range o {
		k := n.kid(m.name)
		switch v := m.value.(type) {
		case string:
			if k.leaf.typ == secret {
				visit(k.path, v)
			}
		case object:
			k.secrets(v, visit)
		case []any:
			for _, e := range v {
				if inner, ok := e.(object); ok {
					k.secrets(inner, visit)
				}
			}
		}
	}
}
