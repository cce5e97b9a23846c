package dump

import (
	"fmt"
	"strings"

	"kmagent/internal/resource"
)

// An entry is an object as a member of its section's list.
type entry struct {
	lines []line
	why   string // why it is a comment; empty if it is an entry
}

// A line is one line of the file. A field is one line, but for children.
type line struct {
	depth int    // how deep below the keys of the entry it stands
	dash  bool   // it begins a member of a list
	text  string // without its indentation
	note  string // a comment at its end
	loose bool   // the entry may do without it
	why   string // why it is a comment; empty if it is none
}

// A writer lays out the objects of one cluster.
type writer struct {
	links links
	refs  references
}

func (w *writer) entry(o *resource.Object) *entry {
	e := &entry{}
	if o.Kind.Tagged && o.Addr.Name == "" {
		e.lines = []line{{dash: true, text: o.Kind.ID + ": " + quote(o.ID)}}
		e.why = fmt.Sprintf("%d without a %s, by which a file could name it", len(o.Twins)+1, o.Kind.Identity)
		return e
	}
	if o.Addr.SVM != "" {
		e.lines = append(e.lines, line{text: "svm: " + quote(o.Addr.SVM)})
	}
	key := o.Kind.Selector
	below := func(f *resource.Field) bool { return key != "" && strings.HasPrefix(f.Name, key+".") }
	if key != "" {
		e.lines = append(e.lines, line{text: key + ":"})
		at := len(e.lines)
		w.fields(e, o, 1, below)
		if len(e.lines) == at {
			e.lines[at-1].text = key + ": {}"
		}
	}
	w.fields(e, o, 0, func(f *resource.Field) bool { return !below(f) })
	if o.Kind.Singleton {
		return e
	}
	e.begin(0, 0)
	if o.Kind.Identity == "" && o.Addr.Name != "" {
		e.why = "a configuration in store beside the one in use, which is the one that a file declares"
	}
	return e
}

// begin makes the lines from at on a member of a list. Nothing can do without the first of
// them; a member without any is an empty one.
func (e *entry) begin(at, depth int) {
	if at == len(e.lines) {
		e.lines = append(e.lines, line{depth: depth, text: "{}"})
	}
	l := &e.lines[at]
	l.dash, l.loose = true, false
	if l.why != "" {
		e.why, l.why = l.why, ""
	}
}

// fields lays out those fields of an object that belong.
func (w *writer) fields(e *entry, o *resource.Object, depth int, belongs func(*resource.Field) bool) {
	for i := range o.Kind.Fields {
		f := &o.Kind.Fields[i]
		if !belongs(f) || f.ReadOnly() || f.Flags.Has(resource.Modifier) || f.Flags.Has(resource.Next) {
			continue
		}
		if f.Type == resource.Children {
			w.children(e, o, f, depth)
			continue
		}
		if l, ok := w.field(e, o, i); ok {
			l.depth, l.loose = depth, !f.Flags.Has(resource.Required)
			l.text = key(o.Kind, f) + ": " + l.text
			e.lines = append(e.lines, l)
		}
	}
}

// key is the field's name below the entry's selector.
func key(k *resource.Kind, f *resource.Field) string {
	return strings.TrimPrefix(f.Name, k.Selector+".")
}

func (w *writer) children(e *entry, o *resource.Object, f *resource.Field, depth int) {
	if len(o.Children) == 0 {
		e.lines = append(e.lines, line{depth: depth, text: key(o.Kind, f) + ": []"})
		return
	}
	e.lines = append(e.lines, line{depth: depth, text: key(o.Kind, f) + ":"})
	for _, c := range o.Children {
		at := len(e.lines)
		w.fields(e, c, depth+2, func(*resource.Field) bool { return true })
		e.begin(at, depth+2)
	}
}

// field writes the value of field i; ok is false if there is nothing to say of it.
func (w *writer) field(e *entry, o *resource.Object, i int) (l line, ok bool) {
	f, v := &o.Kind.Fields[i], o.Values[i]
	switch {
	case f.Type == resource.Secret:
		return w.secret(o, f)
	case f.Flags.Has(resource.Hazard) && v.Bool():
		return line{text: v.Text(), why: "as ONTAP has it: it takes volumes offline whose keys stay unreachable; false keeps it from that"}, true
	case !v.IsSet() || f.Default.IsSet() && f.Equal(f.Default, v) || f.Name == o.Kind.Identity && unnamed(o, v):
		return line{}, false
	}
	switch f.Type {
	case resource.String:
		l := line{text: quote(v.Str())}
		if n := len(o.Twins); n > 0 && f.Name == o.Kind.Identity {
			l.note = fmt.Sprintf("one of %d with this %s", n+1, f.Name)
		}
		return l, v.Str() != ""
	case resource.Integer, resource.Boolean:
		return line{text: v.Text()}, true
	case resource.Strings:
		var items []string
		for _, s := range v.Strings() {
			items = append(items, quote(s))
		}
		return line{text: list(items)}, len(items) > 0
	case resource.Link:
		text, found := w.links.text(f, o.Addr.SVM, v.Link())
		return w.link(e, f, text, found), true
	case resource.Links:
		text, found := w.links.texts(f, o.Addr.SVM, v.Links())
		return w.link(e, f, text, found), true
	default:
		return line{}, false
	}
}

// unnamed says whether an identity is the one that a configuration has when nobody named
// it, and needs no mention: one in store is told from the one in use by it.
func unnamed(o *resource.Object, identity resource.Value) bool {
	in := o.Value("enabled")
	return o.Kind.Named(identity.Str()) == "" && (!in.IsSet() || in.Bool())
}

func (w *writer) secret(o *resource.Object, f *resource.Field) (line, bool) {
	switch {
	case inPlace(o, f):
		return line{text: w.refs.of(o, ""), note: "to fill in: ONTAP does not tell it"}, true
	case !f.Flags.Has(resource.Patch):
		return line{text: w.refs.of(o, ""), note: "to fill in, or to leave out: ONTAP does not tell it"}, true
	case mayBe(o, f):
		return line{text: w.refs.of(o, f.Name), why: "if there is one: ONTAP does not tell"}, true
	default:
		return line{}, false
	}
}

// link is a line that names other objects. One that no plan would find stands for all of
// the entry, if that needs it.
func (w *writer) link(e *entry, f *resource.Field, text string, found bool) line {
	l := line{text: text}
	if found {
		return l
	}
	why := fmt.Sprintf("ONTAP lists no such %s of type %s, here or at the cluster", f.To.Name, f.Where)
	if f.Flags.Has(resource.Required) {
		e.why = why
	} else {
		l.why = why
	}
	return l
}
