package desired

import (
	"fmt"
	"slices"

	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

// breaks reports that the value at p breaks a rule.
func (d *decoder) breaks(rule rules.ID, p place, format string, args ...any) {
	d.add(Fault{Pos: p.pos, Path: p.path, Message: fmt.Sprintf(format, args...), Rule: rule})
}

// objectRules checks how the fields of an entry, and of its children, go together.
func (d *decoder) objectRules(e *entry) {
	for _, f := range rules.Object(e.object) {
		d.finding(f, e)
	}
}

// scopeRules checks how the entries of a cluster go together. Those whose address is not
// known are not among them.
func (d *decoder) scopeRules(entries []*entry) {
	objects := make([]*resource.Object, len(entries))
	of := make(map[*resource.Object]*entry, len(entries))
	for i, e := range entries {
		objects[i] = e.object
		of[e.object] = e
	}
	for _, f := range rules.Scopes(objects) {
		d.finding(f, of[f.Object])
	}
}

// finding reports a breach in the entry, or in a child of it, at its place.
func (d *decoder) finding(f rules.Finding, e *entry) {
	if i := slices.IndexFunc(e.children, func(c *entry) bool { return c.object == f.Object }); i >= 0 {
		e = e.children[i]
	}
	p := e.place
	if i := e.object.Kind.Index(f.Field); i >= 0 && e.fields[i].node != nil {
		p = e.fields[i]
	}
	if f.Item >= 0 {
		p = p.at(f.Item)
	}
	d.breaks(f.Rule, p, "%s", f.Message)
}

// The rules that a table says itself. They are known by the names of their fields.

// ruleOfLength is the rule that a list, or a text, with more members than the table lets it
// have breaks; empty if there is none.
func ruleOfLength(f *resource.Field) rules.ID {
	switch {
	case f.To == resource.KeyServer:
		return rules.KM001
	case f.Name == secondaries:
		return rules.KM002
	}
	return ""
}

// ruleOfForm is the rule that a value of another form than the table's breaks.
func ruleOfForm(f *resource.Field) rules.ID {
	if f.Name == secondaries {
		return rules.KM003
	}
	return ""
}

// ruleOfRepeat is the rule that a list with the same member twice breaks.
func ruleOfRepeat(f *resource.Field) rules.ID {
	if f.Name == secondaries {
		return rules.KM004
	}
	return ""
}

// ruleOfSame is the rule that two objects of that kind with one address break.
func ruleOfSame(k *resource.Kind) rules.ID {
	if k == resource.KeyServer {
		return rules.KM004
	}
	return ""
}

// ruleOfScope is the rule that an object of that kind without an SVM breaks.
func ruleOfScope(k *resource.Kind) rules.ID {
	if k.Section != "" && k.Scopes == resource.SVMScope {
		return rules.KM011
	}
	return ""
}

const secondaries = "secondary_key_servers"
