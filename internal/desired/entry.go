package desired

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

// An entry is one object of the file while it is read: what the object will hold, and the
// places it came from.
type entry struct {
	place
	object   *resource.Object
	fields   []place        // in the order of Kind.Fields; a zero place is a field that is not written
	lines    map[string]int // of each dotted name that is written, in whichever spelling, the line of its key
	children []*entry
}

// The keys that every entry of a section may have beside the fields of its kind.
const (
	svmKey   = "svm"
	stateKey = "state"
	absent   = "absent"
)

// sections reads the lists of objects of a cluster, and the mappings of those that it has
// exactly one of, in file order. Kept says whether key backups are.
func (d *decoder) sections(cluster string, keys map[string]place, kept bool) []*resource.Object {
	seen := map[resource.Addr]*entry{}
	var entries []*entry
	for _, section := range resource.Sections() {
		p, ok := keys[section]
		if !ok {
			continue
		}
		kinds := resource.InSection(section)
		if kinds[0].Singleton {
			if e, ok := d.single(p, cluster, kinds[0]); ok {
				entries = append(entries, e)
			}
			continue
		}
		if !d.is(p, list) {
			continue
		}
		for i := range p.items {
			e, ok := d.entry(p.at(i), cluster, kinds)
			if !ok {
				continue
			}
			if first, ok := seen[e.object.Addr]; ok {
				d.sameObject(e, first)
				continue
			}
			seen[e.object.Addr] = e
			entries = append(entries, e)
		}
	}
	slices.SortStableFunc(entries, func(a, b *entry) int { return comparePos(a.object.Source, b.object.Source) })
	d.scopeRules(entries)
	var objects []*resource.Object
	for _, e := range entries {
		if i := e.object.Kind.Index(resource.KeyBackup); !kept && i >= 0 && e.fields[i].node != nil && !e.object.Absent {
			d.wrong(e.fields[i], "needs backup.recipients in the cluster or under defaults: whom key backups are encrypted for")
		}
		objects = append(objects, e.object)
	}
	return objects
}

// entry reads one member of a section.
func (d *decoder) entry(p place, cluster string, kinds []*resource.Kind) (*entry, bool) {
	if !d.is(p, mapping) {
		return nil, false
	}
	k, ok := d.kindOf(p, kinds)
	if !ok {
		return nil, false
	}
	common := map[string]place{}
	e := d.collect(p, k, common)
	e.object.Addr = resource.Addr{Cluster: cluster, Kind: k.Name}
	if state, ok := common[stateKey]; ok {
		_, e.object.Absent = d.word(state, absent)
	}
	ok = d.scope(e, common)
	ok = d.fill(e) && ok
	d.objectRules(e)
	return e, ok
}

// single reads the section of a kind that a cluster has exactly one of: its fields, without
// what tells one object from another or says whether it is there.
func (d *decoder) single(p place, cluster string, k *resource.Kind) (*entry, bool) {
	if p.kind == list {
		d.wrong(p, "must be a mapping, not a list: a cluster has one %s; write its fields without a dash before them", k.Name)
		return nil, false
	}
	if !d.is(p, mapping) {
		return nil, false
	}
	e := d.collect(p, k, nil)
	e.object.Addr = resource.Addr{Cluster: cluster, Kind: k.Name}
	ok := d.fill(e)
	d.objectRules(e)
	return e, ok
}

// kindOf tells which of the kinds of a section an entry is of.
func (d *decoder) kindOf(p place, kinds []*resource.Kind) (*resource.Kind, bool) {
	if len(kinds) == 1 && kinds[0].Selector == "" {
		return kinds[0], true
	}
	var found, choices []string
	var kind *resource.Kind
	for _, k := range kinds {
		choices = append(choices, k.Selector)
		if slices.ContainsFunc(p.pairs, func(kv pair) bool {
			return kv.key == k.Selector || strings.HasPrefix(kv.key, k.Selector+".")
		}) {
			found, kind = append(found, k.Selector), k
		}
	}
	switch len(found) {
	case 1:
		return kind, true
	case 0:
		// A tombstone needs no more than what tells which object it is. One that does not say
		// what it is of never means the onboard key manager: it is of the first kind.
		if hasKey(p, stateKey) {
			return kinds[0], true
		}
		d.noKind(p, choices)
	default:
		d.wrong(p, "has %s; an entry has exactly one of [%s]", strings.Join(found, " and "), strings.Join(choices, " "))
	}
	return nil, false
}

func hasKey(p place, key string) bool {
	return slices.ContainsFunc(p.pairs, func(kv pair) bool { return kv.key == key })
}

// noKind reports an entry without the key that says what it is.
func (d *decoder) noKind(p place, choices []string) {
	for _, kv := range p.pairs {
		if near, ok := nearest(kv.key, choices); ok {
			d.fault(kv.at, p.path, "unknown key %s; did you mean %s?", quote(kv.key), near)
			return
		}
	}
	d.wrong(p, "must have exactly one of [%s], with {} if there is nothing to say of it", strings.Join(choices, " "))
}

var svmForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,46}$`)

// scope sets the SVM of the address. No svm is the scope of the cluster.
func (d *decoder) scope(e *entry, common map[string]place) bool {
	k := e.object.Kind
	p, ok := common[svmKey]
	if !ok {
		if k.Scopes&resource.ClusterScope == 0 {
			d.breaks(ruleOfScope(k), e.in(svmKey, e.node), "missing: an object of this kind belongs to an SVM")
			return false
		}
		return true
	}
	svm, ok := d.str(p)
	switch {
	case !ok:
		return false
	case k.Scopes&resource.SVMScope == 0:
		d.wrong(p, "an object of this kind belongs to the cluster; leave svm out")
		return false
	case !svmForm.MatchString(svm):
		d.wrong(p, "%s is not an SVM name; write 1 to 47 letters, digits, dots, dashes and underscores, a letter or an underscore first", p.echo())
		return false
	}
	e.object.Addr.SVM = svm
	return true
}

// collect makes the entry at p, a mapping, with the place of each of its fields, however
// deep or dotted they are written. Common is nil for a child; otherwise the common keys
// are put there.
func (d *decoder) collect(p place, k *resource.Kind, common map[string]place) *entry {
	o := resource.NewObject(k, resource.Addr{})
	o.Source = p.pos
	o.At = make([]resource.Pos, len(k.Fields))
	e := &entry{place: p, object: o, fields: make([]place, len(k.Fields)), lines: map[string]int{}}
	d.collectBelow(e, p, "", common)
	return e
}

// collectBelow takes the keys of a mapping whose fields' names begin with prefix.
func (d *decoder) collectBelow(e *entry, p place, prefix string, common map[string]place) {
	k := e.object.Kind
	for _, kv := range p.pairs {
		name := prefix + kv.key
		v := place{node: kv.value, path: join(e.path, name)}
		i := k.Index(name)
		isCommon := common != nil && prefix == "" && (kv.key == svmKey || kv.key == stateKey)
		isPrefix := slices.ContainsFunc(k.Fields, func(f resource.Field) bool { return strings.HasPrefix(f.Name, name+".") })
		if i < 0 && !isCommon && !isPrefix {
			d.unknownField(e, p, kv, prefix, common != nil)
			continue
		}
		if line := e.lines[name]; line != 0 {
			d.fault(kv.at, v.path, "already set at line %d", line)
			continue
		}
		e.lines[name] = kv.at.Line
		switch {
		case i >= 0:
			e.fields[i] = v
		case isCommon:
			common[kv.key] = v
		case d.is(v, mapping):
			d.collectBelow(e, v, name+".", nil)
		}
	}
}

// unknownField reports a key that the kind has no field for.
func (d *decoder) unknownField(e *entry, p place, kv pair, prefix string, withCommon bool) {
	if kv.key == stateKey && prefix == "" && !withCommon && e.object.Kind.Singleton {
		d.fault(kv.at, p.path, "unknown key %s: a cluster always has its %s; leave fields out to let them alone", quote(kv.key), e.object.Kind.Name)
		return
	}
	if kv.key == stateKey && prefix == "" && !withCommon {
		d.fault(kv.at, p.path, "a %s has no state of its own; take it out of the list to remove it", e.object.Kind.Name)
		return
	}
	var known, whole []string
	if withCommon {
		known = append(known, svmKey, stateKey)
	}
	for _, f := range e.object.Kind.Fields {
		rest, ok := strings.CutPrefix(f.Name, prefix)
		if !ok || f.ReadOnly() {
			continue
		}
		head, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(known, head) {
			known = append(known, head)
		}
		whole = append(whole, rest)
	}
	d.unknownKey(p, kv, known, whole)
}

// fill sets the values of the entry from its places and checks them. It says whether the
// address of the object is known.
func (d *decoder) fill(e *entry) bool {
	o := e.object
	ok := true
	for i := range o.Kind.Fields {
		f := &o.Kind.Fields[i]
		p := e.fields[i]
		isIdentity := f.Name == o.Kind.Identity
		if p.node == nil {
			if f.Flags.Has(resource.Required) && (!o.Absent || isIdentity) {
				d.missing(e.place, f.Name, f.Doc)
			}
			ok = ok && (!isIdentity || !f.Flags.Has(resource.Required))
			continue
		}
		o.At[i] = p.pos
		v, valid := d.value(e, i)
		if !valid {
			ok = ok && !isIdentity
			continue
		}
		o.Values[i] = v
		if isIdentity {
			o.Addr.Name = o.Kind.Named(v.Str())
		}
	}
	if i := o.Kind.Children(); i >= 0 && e.fields[i].node != nil {
		e.children = d.children(e, i)
		for _, c := range e.children {
			o.Children = append(o.Children, c.object)
		}
	}
	return ok
}

// children reads the members of the list in field i of the parent.
func (d *decoder) children(parent *entry, i int) []*entry {
	p := parent.fields[i]
	kind := parent.object.Kind.Fields[i].To
	seen := map[resource.Addr]*entry{}
	var entries []*entry
	for n := range p.items {
		item := p.at(n)
		if item.kind == scalar && kind.Identity != "" {
			d.wrong(item, "must be a mapping; write %s: before the value", kind.Identity)
			continue
		}
		if !d.is(item, mapping) {
			continue
		}
		e := d.collect(item, kind, nil)
		e.object.Addr = resource.Addr{Cluster: parent.object.Addr.Cluster, Kind: kind.Name, SVM: parent.object.Addr.SVM}
		if d.fill(e) {
			if first, ok := seen[e.object.Addr]; ok {
				d.sameObject(e, first)
				continue
			}
			seen[e.object.Addr] = e
		}
		entries = append(entries, e)
	}
	return entries
}

// identity returns the place of what tells the entry from its siblings.
func (e *entry) identity() place {
	if i := e.object.Kind.Index(e.object.Kind.Identity); i >= 0 {
		return e.fields[i]
	}
	return e.place
}

// sameObject reports an entry with the address of another: two wishes for one object.
func (d *decoder) sameObject(e, first *entry) {
	k := e.object.Kind
	if k.Identity != "" {
		d.breaks(ruleOfSame(k), e.identity(), "same %s as line %d (%s)", k.Identity, first.identity().pos.Line, e.object.Addr.Name)
		return
	}
	if k != first.object.Kind {
		d.breaks(rules.KM010, e.place, "line %d has the other sort already: the cluster has an external or an onboard key manager, not both", first.pos.Line)
		return
	}
	scope := "the cluster"
	if svm := e.object.Addr.SVM; svm != "" {
		scope = fmt.Sprintf("SVM %s", svm)
	}
	d.wrong(e.place, "same object as line %d: %s has one %s", first.pos.Line, scope, k.Name)
}
