package diff

import (
	"fmt"
	"slices"
	"strings"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// generate is the step that makes the key of a slot; ok is false if there is nothing for it to do.
// Its tag tells the key from every other: one that is there is never made again.
func (d *decider) generate(want *resource.Object, i int, slot schedule.Slot) (s plan.Step, ok bool) {
	tag := resource.GenerationTag(want.Addr.Name, want.Values[i].Timing(), slot)
	next := resource.NewObject(want.Kind, want.Addr)
	next.Addr.Name, next.Source = tag, want.Place(i)
	if d.Have.Objects[next.Addr] != nil || d.wanted()(next.Addr) != nil || d.above(next) == nil {
		return s, false
	}
	identity := want.Kind.Index(want.Kind.Identity)
	next.Values[identity] = resource.Str(tag)
	s = plan.Step{Op: plan.Create, Addr: next.Addr, Source: next.Source, Action: resource.RotateKey, For: want.Addr, Timed: true, Wishes: []plan.Wish{there}}
	d.mayStart(&s, next)
	body := map[string]any{}
	d.fill(&s, next, body, resource.Create)
	s.Requests = []plan.Request{{Method: "POST", Path: d.collection(next), Body: body}}
	return s, true
}

// retire removes the generations of a key beyond the newest that are to stay. Drives may use one,
// which only ONTAP knows: each is tried once between two slots, and not in the pass that makes a
// new one.
func (d *decider) retire(want *resource.Object) {
	i := want.Timing(resource.RotateKey)
	if i < 0 || d.inPlanFor(want.Addr) {
		return
	}
	last := d.Ledger.Objects[want.Addr].Slots[resource.RotateKey].State.Last
	if last.IsZero() {
		return
	}
	old := d.generations(want)
	old = old[:max(0, len(old)-want.Values[i].Timing().Keep)]
	for _, o := range old {
		tried := d.Ledger.Objects[o.Addr].Slots[resource.RetireKey].State.Last
		if tried.ID() == last.ID() {
			continue
		}
		if len(o.Twins) > 0 {
			d.note(o.Addr, fmt.Sprintf("%d have this %s, and nothing tells which is meant: it stays", len(o.Twins)+1, o.Kind.Identity))
			continue
		}
		s := d.deletion(want.Place(i), o, d.path(o))
		s.Action, s.Slot, s.Timed = resource.RetireKey, last, true
		d.add(s)
	}
}

// generations lists those of a key that the cluster has, oldest first. What the file declares
// is not among them.
func (d *decider) generations(want *resource.Object) []*resource.Object {
	var out []*resource.Object
	declared := d.wanted()
	for _, o := range d.Have.Objects {
		if o.Kind == want.Kind && o.Addr.SVM == want.Addr.SVM && resource.IsGeneration(o.Addr.Name, want.Addr.Name) && declared(o.Addr) == nil {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *resource.Object) int { return strings.Compare(a.Addr.Name, b.Addr.Name) })
	return out
}

// generated says whether an object is a generation of a key that the file rotates.
func (d *decider) generated(o *resource.Object) bool {
	return o.Kind.Tagged && slices.ContainsFunc(d.Want, func(w *resource.Object) bool {
		return w.Kind == o.Kind && w.Addr.SVM == o.Addr.SVM && w.Timing(resource.RotateKey) >= 0 && resource.IsGeneration(o.Addr.Name, w.Addr.Name)
	})
}

// inPlanFor says whether the plan has a step for a slot of an object's schedule.
func (d *decider) inPlanFor(a resource.Addr) bool {
	return slices.ContainsFunc(d.plan.Steps, func(s plan.Step) bool { return s.For == a })
}
