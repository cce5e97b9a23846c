package diff

import (
	"fmt"
	"slices"
	"strings"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

// hazards is KM061: it warns of what is on, or is about to be, while ONTAP may make data
// unavailable by itself (ONTAP REST reference, hazards of key-manager-configs). Where the
// field beside it turns the whole of it off, nothing can happen.
func (d *decider) hazards(want, have *resource.Object) {
	if slices.Contains(d.Ignored, rules.KM061) {
		return
	}
	var on []string
	at, field := resource.Pos{}, ""
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if !f.Flags.Has(resource.Hazard) || !soon(want, have, i).Bool() {
			continue
		}
		prefix := strings.TrimSuffix(f.Name, f.Key())
		if j := want.Kind.Index(prefix + "enabled"); j >= 0 && soon(want, have, j).IsSet() && !soon(want, have, j).Bool() {
			continue
		}
		if at.Line == 0 {
			at = want.Place(i)
		}
		words := strings.Split(f.Name, ".")
		on, field = append(on, words[max(len(words)-2, 0)]), f.Key()
	}
	if len(on) == 0 {
		return
	}
	d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: at, Rule: string(rules.KM061), Loud: true,
		Text: fmt.Sprintf("%s is on for %s: ONTAP takes encrypted volumes offline when their key manager stays unreachable", field, list(on))})
}

// soon is what field i will hold once the plan is carried out.
func soon(want, have *resource.Object, i int) resource.Value {
	if want.Values[i].IsSet() {
		return want.Values[i]
	}
	return have.Values[i]
}

// turnOn looks at a boolean that a step is about to turn on: whether the cluster can have it
// (KM022), and whether the file has what must stand beside it. What the account may not read
// is left to ONTAP.
func (d *decider) turnOn(s *plan.Step, want *resource.Object, i int) {
	f, metro := &want.Kind.Fields[i], d.Have.Metro
	if !want.Values[i].Bool() {
		return
	}
	switch {
	case !f.Flags.Has(resource.NoMetro):
	case metro.There():
		d.block(s, want.Place(i), plan.Refused, plan.Immutable, fmt.Sprintf("%s cannot be turned on in a MetroCluster (%s): leave it out", f.Name, plan.Safe(metro.State)))
		s.Rule = string(rules.KM022)
	case !metro.Known():
		d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: want.Place(i), Rule: string(rules.KM022),
			Text: f.Name + ": whether the cluster is a MetroCluster could not be read; ONTAP refuses it in one"})
	}
	if f.Needs != "" && !want.Value(f.Needs).IsSet() {
		d.block(s, want.Place(i), plan.Refused, plan.Missing, fmt.Sprintf("%s: true needs %s beside it", f.Name, f.Needs))
	}
}

// openable holds a step whose body has secrets of which nobody has asked yet whether they can
// be read: those that only say how a change is to be made.
func (d *decider) openable(s *plan.Step, want *resource.Object, body map[string]any) {
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if f.Type != resource.Secret || !holds(body, f.Name) {
			continue
		}
		if err := d.Secrets[plan.SecretAt{Addr: want.Addr, Field: f.Name}].Err; err != nil {
			d.block(s, want.Place(i), plan.Held, plan.Secret, err.Error())
		}
	}
}
