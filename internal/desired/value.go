package desired

import (
	"math"
	"strings"
	"unicode/utf8"

	"kmagent/internal/resource"
)

// value reads field i of the entry as its type in the table says.
func (d *decoder) value(e *entry, i int) (resource.Value, bool) {
	f, p := &e.object.Kind.Fields[i], e.fields[i]
	if f.ReadOnly() {
		d.wrong(p, "read only: ONTAP sets it; leave it out")
		return resource.Value{}, false
	}
	switch f.Type {
	case resource.String:
		s, ok := d.text(p, f)
		return resource.Str(s), ok
	case resource.Integer:
		low, high := bounds(f)
		n, ok := d.integer(p, low, high)
		return resource.Int(n), ok
	case resource.Boolean:
		b, ok := d.boolean(p)
		return resource.Bool(b), ok
	case resource.Secret:
		r, ok := d.ref(p)
		return resource.SecretRef(r), ok
	case resource.Link:
		l, ok := d.link(p)
		return resource.LinkValue(l), ok
	case resource.Strings:
		l, ok := members(d, e, i, d.member)
		return resource.StrList(l), ok
	case resource.Links:
		l, ok := members(d, e, i, func(p place, _ *resource.Field) (resource.LinkTo, bool) { return d.link(p) })
		return resource.LinkList(l), ok
	case resource.Timed:
		t, ok := d.timing(p, f)
		return resource.TimingValue(t), ok
	case resource.Children:
		return resource.ChildrenListed(), d.is(p, list) && d.within(p, f, len(p.items), "members")
	}
	panic("no way to read the type of " + f.Name) // a mistake in the tables, which a test finds
}

// text reads a string and gives it its one spelling. An empty string is a value, "nothing",
// unless the table wants one.
func (d *decoder) text(p place, f *resource.Field) (string, bool) {
	if !d.is(p, scalar) {
		return "", false
	}
	if p.text == "" && f.Flags.Has(resource.Required) {
		return d.str(p)
	}
	if len(f.Enum) > 0 {
		return d.word(p, f.Enum...)
	}
	s, ok := d.norm(p, f, p.text)
	if !ok {
		return "", false
	}
	return s, d.within(p, f, utf8.RuneCountInString(s), "characters")
}

// member reads one string of a list.
func (d *decoder) member(p place, f *resource.Field) (string, bool) {
	s, ok := d.str(p)
	if !ok {
		return "", false
	}
	if len(f.Enum) > 0 {
		return d.word(p, f.Enum...)
	}
	return d.norm(p, f, s)
}

// bounds is the range of an integer.
func bounds(f *resource.Field) (low, high int64) {
	if f.Min == 0 && f.Max == 0 {
		return math.MinInt64, math.MaxInt64
	}
	return int64(f.Min), int64(f.Max)
}

// within checks the length of a string or a list.
func (d *decoder) within(p place, f *resource.Field, n int, what string) bool {
	low, high := bounds(f)
	if high == 0 {
		high = math.MaxInt64
	}
	low, many := max(low, 0), int64(n)
	switch {
	case many > high:
		d.breaks(ruleOfLength(f), p, "has %d %s; %s", n, what, span(low, high))
	case many < low:
		d.wrong(p, "has %d %s; %s", n, what, span(low, high))
	default:
		return true
	}
	return false
}

// members reads a list, each of whose members may stand in it once. Every member is read,
// so that the faults of all of them are found.
func members[T comparable](d *decoder, e *entry, i int, read func(place, *resource.Field) (T, bool)) ([]T, bool) {
	f, p := &e.object.Kind.Fields[i], e.fields[i]
	if !d.is(p, list) {
		return nil, false
	}
	ok := d.within(p, f, len(p.items), "members")
	out := make([]T, 0, len(p.items))
	lines := make(map[T]int, len(p.items))
	for n := range p.items {
		item := p.at(n)
		v, valid := read(item, f)
		switch {
		case !valid:
			ok = false
		case lines[v] != 0:
			d.breaks(ruleOfRepeat(f), item, "same as line %d; write it once", lines[v])
			ok = false
		default:
			out = append(out, v)
			lines[v] = item.pos.Line
		}
	}
	return out, ok
}

// link reads what names another object: its name, or a mapping with its name or UUID.
func (d *decoder) link(p place) (resource.LinkTo, bool) {
	if p.kind != mapping {
		name, ok := d.linkName(p)
		return resource.LinkTo{Name: name}, ok
	}
	keys, _ := d.keys(p, "name", "uuid")
	name, byName := keys["name"]
	uuid, byUUID := keys["uuid"]
	switch {
	case byName == byUUID:
		d.wrong(p, "must have exactly one of [name uuid]")
		return resource.LinkTo{}, false
	case byName:
		s, ok := d.linkName(name)
		return resource.LinkTo{Name: s}, ok
	default:
		s, ok := d.uuid(uuid)
		return resource.LinkTo{UUID: s}, ok
	}
}

// linkName reads a name. One that looks like a UUID is refused: people mean the object
// with that UUID, and the name would not be found.
func (d *decoder) linkName(p place) (string, bool) {
	s, ok := d.str(p)
	if ok && uuidForm.MatchString(strings.ToLower(s)) {
		d.wrong(p, "is a UUID; write {uuid: %s}", quote(s))
		return "", false
	}
	return s, ok
}
