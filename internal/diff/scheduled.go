package diff

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// defaultTolerance is how late a slot may be looked at for the first time and still count as
// seen to come.
const defaultTolerance = 5 * time.Minute

// unchanged is why a slot is skipped whose action has nothing to change, or nothing to make that
// is not there.
const unchanged schedule.Reason = "unchanged"

// scheduled decides about the schedules of an object: which slots will not begin their action,
// and the step of the one that is due.
func (d *decider) scheduled(want, have *resource.Object) {
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if f.Type != resource.Timed || !want.Values[i].IsSet() {
			continue
		}
		d.slot(want, have, i)
	}
}

func (d *decider) slot(want, have *resource.Object, i int) {
	f, timing := &want.Kind.Fields[i], want.Values[i].Timing()
	s := d.schedule(timing)
	if s == nil {
		return // the file was checked; a schedule that cannot be followed is not followed
	}
	known := d.Ledger.Objects[want.Addr].Slots[f.Runs]
	if known.Line != s.String() {
		known.State = schedule.State{LastStart: known.State.LastStart, Baseline: d.Now}
	}
	dec := s.Decide(schedule.Input{State: known.State, Now: d.Now, Running: d.running(want.Addr), Seed: want.Addr.String() + " " + f.Runs,
		Tolerance: cmp.Or(d.Tolerance, defaultTolerance)})
	turn := plan.Turn{Addr: want.Addr, Source: want.Place(i), Action: f.Runs, Next: dec.Next, Timing: timing, Slots: known}
	note := plan.SlotNote{Addr: want.Addr, Action: f.Runs, Line: s.String(), Records: dec.Records, State: dec.State}
	if !dec.Due.IsZero() {
		if why := d.takeTurn(want, have, i, dec.Due.Slot); why == "" {
			turn.Due, turn.Next = true, dec.Due
		} else {
			note.Records = append(note.Records, schedule.Record{Slot: dec.Due.Slot, Outcome: schedule.Skipped, Reason: why})
			note.State.Last, note.State.Seen = dec.Due.Slot, schedule.Slot{}
		}
	}
	d.plan.Turns = append(d.plan.Turns, turn)
	if known.Line != note.Line || known.State != note.State || len(note.Records) > 0 {
		d.plan.Slots = append(d.plan.Slots, note)
	}
}

// schedule returns the schedule of a timing; those of many objects are one.
func (d *decider) schedule(t resource.Timing) *schedule.Schedule {
	if d.schedules == nil {
		d.schedules = map[resource.Timing]*schedule.Schedule{}
	}
	s, ok := d.schedules[t]
	if !ok {
		s, _ = schedule.Parse(t.Spec, schedule.Options{Seconds: d.Seconds})
		d.schedules[t] = s
	}
	return s
}

// running says whether an operation of which no end is known is under way in the object's scope.
func (d *decider) running(a resource.Addr) bool {
	return slices.ContainsFunc(d.open, func(o plan.Operation) bool { return o.Addr.SVM == a.SVM })
}

// timed says whether the file has a schedule for an action of the object: then it is taken at
// its slots, and at no other time.
func timed(want *resource.Object, action string) bool {
	return slices.ContainsFunc(want.Kind.Fields, func(f resource.Field) bool {
		return f.Type == resource.Timed && f.Runs == action && want.Value(f.Name).IsSet()
	})
}

// A turned is a slot that has come, and where its schedule stands.
type turned struct {
	slot   schedule.Slot
	source resource.Pos
}

// takeTurn adds the step of a slot that has come; why says that there is none.
func (d *decider) takeTurn(want, have *resource.Object, i int, slot schedule.Slot) (why schedule.Reason) {
	f, at := &want.Kind.Fields[i], want.Place(i)
	switch {
	case f.Runs == resource.KeyBackup && d.Keepers == 0:
		return schedule.NoRecipients
	case f.Runs == resource.KeyBackup:
		if d.backups == nil {
			d.backups = map[resource.Addr]turned{}
		}
		d.backups[want.Addr] = turned{slot, at} // the step comes after those that a backup is owed for
		return ""
	case f.Runs == resource.RotatePassphrase && !want.Value(resource.PassphraseNext).IsSet():
		return schedule.NoNext
	}
	var s plan.Step
	var ok bool
	if f.Runs == resource.RotateKey {
		s, ok = d.generate(want, i, slot)
	} else {
		s, ok = d.turnStep(want, have, f.Runs)
	}
	if !ok {
		return unchanged
	}
	s.Source, s.Slot = at, slot
	d.add(s)
	return ""
}

// turnStep is the step of an action whose slot has come; ok is false if there is nothing for it
// to do.
func (d *decider) turnStep(want, have *resource.Object, action string) (s plan.Step, ok bool) {
	if action == resource.RotatePassphrase {
		return d.rotate(want, have)
	}
	a, found := want.Kind.Action(action)
	if !found {
		return plan.Step{}, false
	}
	s = plan.Step{Op: plan.Act, Addr: want.Addr, Source: want.Source, Action: a.Name, Repeat: a.Repeat, Timed: true}
	if a.Due == resource.OnDifference {
		d.differences(&s, want, have, a)
		if len(s.Changes) == 0 && !a.Again {
			return plan.Step{}, false
		}
	}
	if d.Have.Version.Before(a.Since) {
		d.block(&s, s.Source, plan.Refused, plan.Version, fmt.Sprintf("%s needs ONTAP %s; the cluster runs %s", a.Name, a.Since, d.Have.Version))
	}
	if i := switchOf(have.Kind); i >= 0 && have.Values[i].IsSet() && !have.Values[i].Bool() {
		d.block(&s, s.Source, plan.Held, plan.Order, "it is rekeyed once it is in use")
	}
	if a.Name == rekeyInternal {
		s.Before = d.keyIDs(have.ID, svmKey)
	}
	s.Requests = []plan.Request{d.request(want, have, a)}
	return s, true
}

// The action whose only evidence is the set of keys that it replaces, and their type.
const (
	rekeyInternal = "rekey_internal"
	svmKey        = "svm_kek"
)

// keyIDs lists the ids of the keys of a type that a key store holds, in order; nil if they were
// not read.
func (d *decider) keyIDs(store, keyType string) []string {
	if d.Have.Keys == nil || d.Have.Keys.Err != "" {
		return nil
	}
	out := []string{}
	for _, k := range d.Have.Keys.Keys {
		if k.Store == store && k.Type == keyType && !slices.Contains(out, k.ID) {
			out = append(out, k.ID)
		}
	}
	slices.Sort(out)
	return out
}

// waitForSlot holds an action that changes what the file has changed until the slot of its
// schedule.
func (d *decider) waitForSlot(s *plan.Step) {
	i := slices.IndexFunc(d.plan.Turns, func(t plan.Turn) bool { return t.Addr == s.Addr && t.Action == s.Action })
	if i < 0 || d.plan.Turns[i].Next.IsZero() {
		d.block(s, s.Source, plan.Held, plan.Window, "it waits for the slot of its schedule")
		return
	}
	next := d.plan.Turns[i].Next
	d.block(s, s.Source, plan.Held, plan.Window, fmt.Sprintf("it waits for the slot of its schedule: %s %s", next.Local, next.Zone))
}
