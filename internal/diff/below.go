package diff

import (
	"cmp"
	"fmt"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// above returns the object of the cluster that o lives under, or would; nil if it is not
// there, or o's kind lives under none.
func (d *decider) above(o *resource.Object) *resource.Object {
	k := o.Kind.Under
	if k == nil {
		return nil
	}
	above := d.Have.Objects[resource.Addr{Cluster: o.Addr.Cluster, Kind: k.Name, SVM: o.Addr.SVM}]
	if above == nil || above.Kind != k {
		return nil
	}
	return above
}

// mayStart says whether what a new object lives under is there. If not, it holds the create
// until it is, or refuses it where nobody wants it to be. One that all children of what it
// lives under must take is held until they can (ONTAP REST reference, auth-keys, codes
// 65536987 and 65536076).
func (d *decider) mayStart(s *plan.Step, want *resource.Object) bool {
	k := want.Kind.Under
	if k == nil {
		return true
	}
	above := d.above(want)
	if above != nil {
		if !want.Kind.NeedsAll {
			return true
		}
		if c, bad := d.allAvailable(above, "a new "+want.Kind.Name+" goes to every one"); bad {
			d.heed(s, want.Source, c)
		}
		return true
	}
	addr := resource.Addr{Cluster: want.Addr.Cluster, Kind: k.Name, SVM: want.Addr.SVM}
	if d.declared(k, addr) {
		d.block(s, want.Source, plan.Held, plan.Order, addr.String()+" must be there first")
	} else {
		d.block(s, want.Source, plan.Refused, plan.Missing, fmt.Sprintf("%s has no %s of type %s, and this lives in one: declare it in %s, or take this out",
			cmp.Or(want.Addr.SVM, "the cluster"), k.Name, k.Type, k.Section))
	}
	d.fill(s, want, map[string]any{}, resource.Create)
	d.add(*s)
	return false
}

// declared says whether the file wants an object of the kind there.
func (d *decider) declared(k *resource.Kind, addr resource.Addr) bool {
	for _, w := range d.Want {
		if w.Kind == k && w.Addr == addr && !w.Absent {
			return true
		}
	}
	return false
}

// ambiguous refuses to remove one of several objects with the same tag: nothing tells which
// of them is meant, and the wrong one may be in use where ONTAP does not see it.
func (d *decider) ambiguous(want, have *resource.Object) {
	ids := append([]string{have.ID}, have.Twins...)
	more := ""
	if n := len(ids) - 2; n > 0 {
		more = fmt.Sprintf(" and %d more", n) // two is what a line of a plan has room for
	}
	d.refuse(plan.Delete, want, want.Source, plan.Ambiguous, fmt.Sprintf("%d have this %s: %s%s; delete by hand, by %s, the one that nothing uses",
		len(ids), have.Kind.Identity, list(ids[:2]), more, have.Kind.ID))
}
