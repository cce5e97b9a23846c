package ontapsim

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A filter is one query parameter that chooses records: a field and what it must be.
type filter struct {
	node  *node
	path  []string
	match matcher
}

// A matcher is a parsed filter value: alternatives, or what is none of them.
type matcher struct {
	not bool
	any []alternative
}

// An alternative is one form of a value between the | of a list.
type alternative struct {
	not    bool
	op     string // "", "<", ">", "<=", ">=", "..", "null"
	text   string // the operand; of a range the lower end
	upper  string // the upper end of a range
	glob   []string
	isGlob bool // glob holds the text between the stars
}

// A mark is one byte of a filter value, and whether quotes or braces took its meaning away.
type mark struct {
	b       byte
	literal bool
}

// marks resolves quotes and braces. One that is never closed stands for itself.
func marks(s string) []mark {
	out := make([]mark, 0, len(s))
	for i := 0; i < len(s); i++ {
		end := -1
		switch s[i] {
		case '"':
			end = strings.IndexByte(s[i+1:], '"')
		case '{':
			end = strings.IndexByte(s[i+1:], '}')
		}
		if end < 0 {
			out = append(out, mark{s[i], false})
			continue
		}
		for _, b := range []byte(s[i+1 : i+1+end]) {
			out = append(out, mark{b, true})
		}
		i += end + 1
	}
	return out
}

// plain is the text of marks.
func plain(ms []mark) string {
	text := make([]byte, len(ms))
	for i, m := range ms {
		text[i] = m.b
	}
	return string(text)
}

func special(ms []mark, s string) bool {
	if len(ms) < len(s) {
		return false
	}
	for i := range len(s) {
		if ms[i].literal || ms[i].b != s[i] {
			return false
		}
	}
	return true
}

// split cuts marks at every special b.
func split(ms []mark, b byte) [][]mark {
	var out [][]mark
	for {
		i := slices.Index(ms, mark{b, false})
		if i < 0 {
			return append(out, ms)
		}
		out = append(out, ms[:i])
		ms = ms[i+1:]
	}
}

// parseMatcher reads the value of a filter. Every value is a filter: there is no error.
func parseMatcher(s string) matcher {
	ms := marks(s)
	var m matcher
	if special(ms, "!") {
		m.not, ms = true, ms[1:]
	}
	for _, alt := range split(ms, '|') {
		m.any = append(m.any, parseAlternative(alt))
	}
	return m
}

func parseAlternative(ms []mark) alternative {
	var a alternative
	if special(ms, "!") {
		a.not, ms = true, ms[1:]
	}
	for _, op := range []string{"<=", ">=", "<", ">"} {
		if special(ms, op) {
			a.op, a.text = op, plain(ms[len(op):])
			return a
		}
	}
	if len(ms) == 4 && special(ms, "null") {
		a.op = "null"
		return a
	}
	for i := 1; i+2 < len(ms); i++ {
		if special(ms[i:], "..") {
			a.op, a.text, a.upper = "..", plain(ms[:i]), plain(ms[i+2:])
			return a
		}
	}
	a.text = plain(ms)
	if parts := split(ms, '*'); len(parts) > 1 {
		a.isGlob = true
		for _, p := range parts {
			a.glob = append(a.glob, plain(p))
		}
	}
	return a
}

// operands are the values an alternative compares with.
func (a alternative) operands() []string {
	switch {
	case a.op == "null" || a.isGlob:
		return nil
	case a.op == "..":
		return []string{a.text, a.upper}
	}
	return []string{a.text}
}

// valid tells whether a value can be one of the field's.
func (f *field) valid(s string) bool {
	switch f.typ {
	case integer:
		_, err := strconv.ParseInt(s, 10, 64)
		return err == nil
	case boolean:
		return strings.EqualFold(s, "true") || strings.EqualFold(s, "false")
	}
	return true
}

// newFilter makes the filter of one parameter. A name that is not a field is refused.
func (n *node) newFilter(name, value string) (filter, *apiError) {
	k := n.at(name)
	if k == nil || k.leaf == nil {
		return filter{}, errUnexpected(name)
	}
	if k.leaf.on&readable == 0 {
		if k.leaf.typ == secret {
			return filter{}, errInURL(name)
		}
		return filter{}, problem(http.StatusBadRequest, 262250, name, "Field "+quoted(name)+" cannot be queried.")
	}
	m := parseMatcher(value)
	for _, a := range m.any {
		for _, s := range a.operands() {
			if !k.leaf.valid(s) {
				return filter{}, errInvalid(s, name)
			}
		}
	}
	return filter{k, strings.Split(name, "."), m}, nil
}

// accepts tells whether a record matches.
func (f filter) accepts(o object) bool {
	var values []any
	o.values(f.path, func(v any) { values = append(values, v) })
	return f.match.accepts(f.node.leaf, values)
}

func (m matcher) accepts(f *field, values []any) bool {
	hit := slices.ContainsFunc(m.any, func(a alternative) bool { return a.accepts(f, values) != a.not })
	return hit != m.not
}

func (a alternative) accepts(f *field, values []any) bool {
	if a.op == "null" {
		return len(values) == 0
	}
	return slices.ContainsFunc(values, func(v any) bool { return a.acceptsValue(f, v) })
}

func (a alternative) acceptsValue(f *field, v any) bool {
	switch a.op {
	case "<":
		return f.compare(v, a.text) < 0
	case ">":
		return f.compare(v, a.text) > 0
	case "<=":
		return f.compare(v, a.text) <= 0
	case ">=":
		return f.compare(v, a.text) >= 0
	case "..":
		return f.compare(v, a.text) >= 0 && f.compare(v, a.upper) <= 0
	}
	if a.isGlob {
		return globMatch(a.glob, scalar(v))
	}
	return f.compare(v, a.text) == 0
}

// compare orders a value of the field and an operand. Numbers and times are compared as
// such, everything else as text.
func (f *field) compare(v any, operand string) int {
	switch f.typ {
	case integer:
		have, ok := v.(int64)
		want, err := strconv.ParseInt(operand, 10, 64)
		if ok && err == nil {
			return cmp.Compare(have, want)
		}
	case boolean:
		operand = strings.ToLower(operand)
	case moment:
		have, err1 := time.Parse(time.RFC3339, scalar(v))
		want, err2 := time.Parse(time.RFC3339, operand)
		if err1 == nil && err2 == nil {
			return have.Compare(want)
		}
	}
	return cmp.Compare(scalar(v), operand)
}

// scalar is a value as a filter spells it.
func scalar(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}

// globMatch matches text against the parts between stars: the first is a prefix, the last a
// suffix, the others follow each other somewhere between.
func globMatch(parts []string, s string) bool {
	last := len(parts) - 1
	s, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1:last] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[last])
}

// prune leaves of the arrays on the filter's path only the elements that match.
func (f filter) prune(o object) object {
	return f.pruneAt(o, f.path)
}

func (f filter) pruneAt(o object, path []string) object {
	out := slices.Clone(o)
	for i, m := range out {
		if m.name != path[0] || len(path) == 1 {
			continue
		}
		switch v := m.value.(type) {
		case object:
			out[i].value = f.pruneAt(v, path[1:])
		case []any:
			out[i].value = f.pruneList(v, path[1:])
		}
	}
	return out
}

func (f filter) pruneList(list []any, path []string) []any {
	var out []any
	for _, e := range list {
		o, ok := e.(object)
		if !ok {
			continue
		}
		var values []any
		o.values(path, func(v any) { values = append(values, v) })
		if f.match.accepts(f.node.leaf, values) {
			out = append(out, f.pruneAt(o, path))
		}
	}
	return out
}

// An ordering is one element of an order_by parameter.
type ordering struct {
	node *node
	path []string
	desc bool
}

// parseOrder reads an order_by parameter: "field [asc|desc]", with commas between.
func (n *node) parseOrder(s string) ([]ordering, *apiError) {
	var out []ordering
	for item := range strings.SplitSeq(s, ",") {
		words := strings.Fields(item)
		if len(words) == 0 {
			continue
		}
		k := n.at(words[0])
		known := k != nil && k.leaf != nil && k.leaf.on&readable != 0
		if !known || len(words) > 2 || len(words) == 2 && words[1] != "asc" && words[1] != "desc" {
			return nil, problem(http.StatusBadRequest, 262268, "order_by", "The value "+quoted(item)+` is invalid for field "order_by".`)
		}
		out = append(out, ordering{k, strings.Split(words[0], "."), len(words) == 2 && words[1] == "desc"})
	}
	return out, nil
}

// compare orders two records. One without a value comes first.
func (o ordering) compare(a, b object) int {
	c := o.compareUp(a, b)
	if o.desc {
		return -c
	}
	return c
}

func (o ordering) compareUp(a, b object) int {
	var x, y []any
	a.values(o.path, func(v any) { x = append(x, v) })
	b.values(o.path, func(v any) { y = append(y, v) })
	if len(x) == 0 || len(y) == 0 {
		return cmp.Compare(len(x), len(y))
	}
	return o.node.leaf.compare(x[0], scalar(y[0]))
}
