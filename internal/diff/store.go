package diff

import (
	"cmp"
	"fmt"
	"slices"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// act takes the actions that are due: one that changes what a PATCH cannot, all its fields in
// one request, and one that gives an object to nodes that came.
func (d *decider) act(want, have *resource.Object) {
	for _, a := range want.Kind.Actions {
		s := plan.Step{Op: plan.Act, Addr: want.Addr, Source: want.Source, Action: a.Name, Repeat: a.Repeat, Timed: a.Due == resource.OnDifference}
		switch a.Due {
		case resource.OnDifference:
			if d.inPlan(want.Addr, a.Name) {
				continue // its slot has come
			}
			d.differences(&s, want, have, a)
			if len(s.Changes) == 0 {
				continue
			}
			if want.Timing(a.Name) >= 0 {
				d.waitForSlot(&s)
			}
		case resource.OnNewNode:
			if !d.newNodes(&s, want, have, a) {
				continue
			}
		default:
			continue
		}
		s.Requests = []plan.Request{d.request(want, have, a)}
		d.add(s)
	}
}

// inPlan says whether the plan has a step that takes the action already.
func (d *decider) inPlan(a resource.Addr, action string) bool {
	return slices.ContainsFunc(d.plan.Steps, func(s plan.Step) bool { return s.Addr == a && s.Action == action })
}

// differences puts into a step the fields that the action changes.
func (d *decider) differences(s *plan.Step, want, have *resource.Object, a resource.Action) {
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if f.Via != a.Name || !want.Values[i].IsSet() || f.Equal(want.Values[i], have.Values[i]) {
			continue
		}
		d.set(s, want, i, have.Values[i], want.Values[i], map[string]any{})
		if reason, status, g := inStoreStill(want, have, f); status != plan.Ready {
			d.block(s, want.Place(i), status, g, reason)
		}
		if since := later(a.Since, f.PatchSince); d.Have.Version.Before(since) {
			d.block(s, want.Place(i), plan.Refused, plan.Version, fmt.Sprintf("changing %s needs ONTAP %s; the cluster runs %s", f.Name, since, d.Have.Version))
		}
	}
}

// request is what takes an action.
func (d *decider) request(want, have *resource.Object, a resource.Action) plan.Request {
	if a.Path == "" {
		return plan.Request{Method: "PATCH", Path: d.path(have), Body: d.actionBody(want, a)}
	}
	return plan.Request{Method: "POST", Path: d.path(have) + "/" + a.Path, Body: d.actionBody(want, a)}
}

// inStoreStill says why an action on a configuration that is not in use cannot be taken, if so
// (ONTAP REST reference, azure-key-vaults, code 65537120).
func inStoreStill(want, have *resource.Object, f *resource.Field) (reason string, status plan.Status, g plan.Guard) {
	i := switchOf(have.Kind)
	switch {
	case i < 0 || !have.Values[i].IsSet() || have.Values[i].Bool():
		return "", plan.Ready, plan.NoGuard
	case want.Values[i].Bool():
		return "it is rekeyed once it is in use", plan.Held, plan.Order
	default:
		return f.Name + " cannot be changed while the configuration is in store: enable it first, or delete it and create it anew", plan.Refused, plan.Immutable
	}
}

func later(a, b resource.Version) resource.Version {
	if a.Before(b) {
		return b
	}
	return a
}

// actionBody has every field that the action's table names, so far as the file has it and
// the release takes it; nil if the action sends nothing.
func (d *decider) actionBody(want *resource.Object, a resource.Action) map[string]any {
	if len(a.Body) == 0 {
		return nil
	}
	body := map[string]any{}
	for _, p := range a.Body {
		if p.Field == "" {
			assign(body, p.As, p.Const.Plain())
			continue
		}
		i := want.Kind.Index(p.Field)
		f := &want.Kind.Fields[i]
		if !want.Values[i].IsSet() || d.Have.Version.Before(f.PatchSince) {
			continue
		}
		v := wire(f, want.Values[i])
		if f.Type == resource.Secret && d.succeeded(want, i) {
			v = wire(f, want.Values[nextOf(want.Kind, f.Name)])
		}
		if sealed, ok := v.(plan.Sealed); ok && p.As != "" {
			sealed.Field, sealed.As = p.As, f.Name
			v = sealed
		}
		assign(body, cmp.Or(p.As, p.Field), v)
	}
	return body
}

// inStore says how a configuration that is not to be in use at once is created: one with a
// name of its own goes into store first (ONTAP REST reference, azure-key-vaults, codes
// 65537594 and 65537595), and is enabled once it is seen there.
func (d *decider) inStore(s *plan.Step, want *resource.Object) string {
	store := want.Kind.Store
	if store == nil || store.Born || want.Addr.Name == "" {
		return ""
	}
	if store.Inactive.IsZero() || d.Have.Version.Before(store.Inactive) {
		d.block(s, s.Source, plan.Refused, plan.Version, fmt.Sprintf("a configuration beside the one in use needs ONTAP %s; the cluster runs %s", store.Inactive, d.Have.Version))
	}
	return "?create_inactive=true"
}

// enableAction is what a switch to another configuration is called; it belongs to all kinds
// that are key stores, and so to no table.
const enableAction = "enable"

// enable puts a configuration to use that is in store. The other way round nothing can be
// done: one is put out of use by enabling another (65538910).
func (d *decider) enable(want, have *resource.Object) {
	i := switchOf(want.Kind)
	if i < 0 || !want.Values[i].IsSet() {
		return
	}
	wants, is := want.Values[i], have.Values[i]
	if !is.IsSet() || wants.Bool() == is.Bool() {
		return
	}
	f := &want.Kind.Fields[i]
	s := plan.Step{Op: plan.Act, Addr: want.Addr, Source: want.Place(i), Action: enableAction, Repeat: resource.Never}
	d.set(&s, want, i, is, wants, map[string]any{})
	s.Requests = []plan.Request{{Method: "PATCH", Path: "/api/security/key-stores/" + resource.Segment(have.ID), Body: map[string]any{"enabled": true}}}
	if !wants.Bool() {
		s.Op, s.Action = plan.Update, ""
		d.block(&s, s.Source, plan.Refused, plan.Immutable, f.Name+" cannot be turned off: enable the configuration that is to take its place")
	}
	d.add(s)
}

func switchOf(k *resource.Kind) int {
	for i := range k.Fields {
		if k.Fields[i].Flags.Has(resource.Switch) {
			return i
		}
	}
	return -1
}

// remove deletes what the file says is to be gone. A configuration in store is deleted as a
// key store, and one in use only where its resource has a DELETE: never before another one
// has taken its place, if the file wants that.
func (d *decider) remove(want, have *resource.Object) {
	if len(have.Twins) > 0 {
		d.ambiguous(want, have)
		return
	}
	if i := switchOf(have.Kind); i >= 0 && have.Values[i].IsSet() && !have.Values[i].Bool() {
		d.add(d.deletion(want.Source, have, "/api/security/key-stores/"+resource.Segment(have.ID)))
		return
	}
	s := d.deletion(want.Source, have, d.path(have))
	if next := d.successor(have); next != nil {
		d.block(&s, s.Source, plan.Held, plan.Order, fmt.Sprintf("it is in use: it goes once %s has taken its place", next.Addr))
	} else if have.Kind.Store != nil && have.Kind.Store.NoDelete {
		d.block(&s, s.Source, plan.Refused, plan.Immutable, "it is in use and cannot be deleted: enable the configuration that is to take its place first")
	}
	d.add(s)
}

// successor returns the other configuration that the file wants in use in the scope of have;
// nil if there is none.
func (d *decider) successor(have *resource.Object) *resource.Object {
	i := switchOf(have.Kind)
	for _, w := range d.Want {
		if i >= 0 && w.Kind == have.Kind && w.Addr.SVM == have.Addr.SVM && w.Addr != have.Addr && !w.Absent && w.Values[i].Bool() {
			return w
		}
	}
	return nil
}

// holdBusyStores keeps away from SVMs whose key store is not in a state for it (ONTAP REST
// reference, key-stores, states). Credentials may be mended, and keys restored, while it is
// blocked or mixed: that may be what mends it.
func (d *decider) holdBusyStores() {
	busy := map[string]string{}
	for _, k := range d.Have.Stores {
		if k.State != "" && k.State != "active" {
			busy[k.SVM] = k.State
		}
	}
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		for _, svm := range s.Scopes() {
			state, ok := busy[svm]
			mends := s.Op == plan.Update || s.Action == resource.Restore
			if ok && s.Status == plan.Ready && !(mends && (state == "blocked" || state == "mixed")) {
				d.block(s, s.Source, plan.Held, plan.KeyStore, fmt.Sprintf("the key store of %s is %s, not active", orCluster(svm), state))
			}
		}
	}
}
