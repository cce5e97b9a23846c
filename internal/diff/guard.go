package diff

import (
	"fmt"
	"slices"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// children decides about the members of a list that the file declares completely: what is
// missing is added, what differs is changed, and what is left over goes, in that order.
func (d *decider) children(want, have *resource.Object, kind *resource.Kind) {
	l := members(want, have, kind)
	collection := d.path(have) + "/" + kind.Path
	room := len(l.kept) + len(l.left)
	for _, w := range l.missing {
		s := d.createChild(w, collection)
		if kind.Limit > 0 && room >= kind.Limit {
			d.block(&s, s.Source, plan.Held, plan.Order, fmt.Sprintf("there are %d of at most %d already: one must go first", room, kind.Limit))
		} else {
			room++
		}
		d.add(s)
	}
	for _, k := range l.kept {
		d.update(k.want, k.have, have)
	}
	for _, h := range d.byHealth(l.left) {
		s := d.deletion(want.Place(want.Kind.Children()), h, collection+"/"+resource.Segment(h.ID))
		for _, c := range d.mayGo(h, l, kind) {
			d.block(&s, s.Source, plan.Held, c.guard, c.reason)
		}
		if s.Status == plan.Ready {
			l.going = append(l.going, h)
		}
		d.add(s)
	}
}

// A pair is a member that is wanted and there.
type pair struct{ want, have *resource.Object }

// A membership is a list of the file against that of the cluster, each part by address.
type membership struct {
	wanted  int
	missing []*resource.Object // wanted, not there
	kept    []pair             // wanted and there
	left    []*resource.Object // there, not wanted
	going   []*resource.Object // of left, those whose removal is ready
}

func members(want, have *resource.Object, kind *resource.Kind) membership {
	l := membership{wanted: len(want.Children)}
	for _, w := range byName(want.Children) {
		if h := childNamed(have, w.Addr.Name); h != nil {
			l.kept = append(l.kept, pair{w, h})
		} else {
			l.missing = append(l.missing, w)
		}
	}
	for _, h := range byName(have.Children) {
		if h.Kind == kind && childNamed(want, h.Addr.Name) == nil {
			l.left = append(l.left, h)
		}
	}
	return l
}

func byName(list []*resource.Object) []*resource.Object {
	byAddr := func(a, b *resource.Object) int { return a.Addr.Compare(b.Addr) }
	if slices.IsSortedFunc(list, byAddr) {
		return list // as nearly every one is
	}
	return slices.SortedFunc(slices.Values(list), byAddr)
}

func childNamed(o *resource.Object, name string) *resource.Object {
	for _, c := range o.Children {
		if c.Addr.Name == name {
			return c
		}
	}
	return nil
}

// A complaint is a reason why something may not be done now.
type complaint struct {
	guard  plan.Guard
	reason string
}

// mayGo says what keeps a member from being removed now, if anything:
//
//	reachability not read               hold: nothing is known of those that stay
//	a wanted one is missing, room left  hold: it comes first, and is seen to work
//	a wanted one is missing, no room    only one that answers no node may go
//	a wanted one is not available       hold: this one may be what a node still reaches
//	too few would be available          hold: the floor
func (d *decider) mayGo(h *resource.Object, l membership, kind *resource.Kind) []complaint {
	if kind.Guard != resource.Reachable {
		return nil
	}
	if !d.Have.Health {
		d.plan.WantsHealth = true
		return []complaint{{plan.Reachability, "reachability was not read in this pass"}}
	}
	var out []complaint
	if len(l.missing) > 0 {
		if len(l.kept)+len(l.left) < kind.Limit {
			out = append(out, complaint{plan.Order, "first " + list(names(l.missing)) + " must be added and seen available on every node"})
		} else if !d.dead(h) {
			out = append(out, complaint{plan.Order, fmt.Sprintf("all %d places are taken and some node may still reach this one; leave %s out of the list until this one is gone",
				kind.Limit, list(names(l.missing)))})
		}
	}
	for _, k := range l.kept {
		if bad := d.unavailable(k.have); len(bad) > 0 {
			out = append(out, complaint{plan.Reachability, fmt.Sprintf("%s stays and is %s on %s", k.have.Addr.Name, bad[0].State, bad[0].Node)})
			break
		}
	}
	rest, floor := d.availableAfter(h, l), d.floor(l)
	if rest < floor {
		out = append(out, complaint{plan.Floor, fmt.Sprintf("%d would stay available on every node, and policy.min_reachable_servers is %d", rest, floor)})
	}
	return out
}

// availableAfter counts the members available on every node once h and what is already
// going are gone.
func (d *decider) availableAfter(h *resource.Object, l membership) int {
	n := 0
	for _, k := range l.kept {
		if len(d.unavailable(k.have)) == 0 {
			n++
		}
	}
	for _, o := range l.left {
		if o != h && !slices.Contains(l.going, o) && len(d.unavailable(o)) == 0 {
			n++
		}
	}
	return n
}

func (d *decider) floor(l membership) int {
	switch {
	case d.Policy.MinReachable > 0:
		return d.Policy.MinReachable
	case l.wanted >= 2:
		return 2
	default:
		return 1
	}
}

// unavailable lists the nodes that are not known to reach o.
func (d *decider) unavailable(o *resource.Object) []resource.NodeState {
	return d.Have.Unavailable(nodeStates(o))
}

// dead says whether every node reports that it does not reach o. Not knowing is not enough.
func (d *decider) dead(o *resource.Object) bool {
	bad := d.unavailable(o)
	return len(bad) == len(d.Have.Nodes) && !slices.ContainsFunc(bad, func(s resource.NodeState) bool {
		return s.State != "not_responding"
	})
}

func nodeStates(o *resource.Object) []resource.NodeState {
	for i := range o.Kind.Fields {
		if o.Kind.Fields[i].Type == resource.NodeStates {
			return o.Values[i].NodeStates()
		}
	}
	return nil
}

// byHealth puts the members that fewest nodes reach first: they are missed least.
func (d *decider) byHealth(list []*resource.Object) []*resource.Object {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b *resource.Object) int {
		return len(d.unavailable(b)) - len(d.unavailable(a))
	})
	return out
}

// regroup changes a list that must not shrink before it has grown: first the new members
// join the old ones; a later pass, which has seen every server work with the joint list,
// drops the old ones (a key server whose CA is dropped too early is locked out).
func (d *decider) regroup(s *plan.Step, want, have *resource.Object, i int, body map[string]any) {
	resolved, ok := d.resolve(s, want, i)
	if !ok {
		d.set(s, want, i, have.Values[i], want.Values[i], body)
		return
	}
	f := &want.Kind.Fields[i]
	old := d.named(f.To, have.Values[i])
	union, grows := joined(resolved.Links(), old.Links())
	if grows {
		s.Changes = append(s.Changes, plan.Change{Field: f.Name, Old: old, New: resource.LinkList(union)})
		s.Wishes = append(s.Wishes, plan.Wish{Field: f.Name, Value: wishOf(resource.LinkList(union))})
		assign(body, f.Name, wire(f, resource.LinkList(union)))
		return
	}
	shrink := plan.Step{Op: plan.Update, Addr: want.Addr, Source: want.Place(i)}
	only := map[string]any{}
	d.set(&shrink, want, i, have.Values[i], resolved, only)
	shrink.Requests = []plan.Request{{Method: "PATCH", Path: d.path(have), Body: only}}
	if g, reason := d.allAvailable(have, "it may need what is dropped"); g != plan.NoGuard {
		d.block(&shrink, shrink.Source, plan.Held, g, reason)
	}
	d.add(shrink)
}

// joined returns want and what have has beyond it, and whether want has anything new.
func joined(want, have []resource.LinkTo) (union []resource.LinkTo, grows bool) {
	union = slices.Clone(want)
	for _, h := range have {
		if !hasUUID(want, h.UUID) {
			union = append(union, h)
		}
	}
	return union, len(union) > len(have)
}

func hasUUID(links []resource.LinkTo, uuid string) bool {
	return slices.ContainsFunc(links, func(l resource.LinkTo) bool { return l.UUID == uuid })
}

// allAvailable says whether every child of o is available on every node, and if not, also
// why it should be.
func (d *decider) allAvailable(o *resource.Object, why string) (plan.Guard, string) {
	if !d.Have.Health {
		d.plan.WantsHealth = true
		return plan.Reachability, "reachability was not read in this pass"
	}
	for _, c := range byName(o.Children) {
		if bad := d.unavailable(c); len(bad) > 0 {
			return plan.Reachability, fmt.Sprintf("%s is %s on %s; %s", c.Addr.Name, bad[0].State, bad[0].Node, why)
		}
	}
	return plan.NoGuard, ""
}

func names(list []*resource.Object) []string {
	out := make([]string, len(list))
	for i, o := range list {
		out[i] = o.Addr.Name
	}
	return out
}
