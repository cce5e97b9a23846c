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
	turn, note, ok := d.turn(want, i)
	if !ok {
		return // the file was checked; a schedule that cannot be followed is not followed
	}
	if turn.Due {
		if why := d.takeTurn(want, have, i, turn.Next.Slot); why != "" {
			note.Records = append(note.Records, schedule.Record{Slot: turn.Next.Slot, Outcome: schedule.Skipped, Reason: why})
			note.State.Last, note.State.Seen = turn.Next.Slot, schedule.Slot{}
			turn.Due = false
		}
	}
	d.plan.Turns = append(d.plan.Turns, turn)
	if turn.Slots.Line != note.Line || turn.Slots.State != note.State || len(note.Records) > 0 {
		d.plan.Slots = append(d.plan.Slots, note)
	}
}

// turn decides about the slots of one schedule, whatever the cluster is like.
func (d *decider) turn(want *resource.Object, i int) (turn plan.Turn, note plan.SlotNote, ok bool) {
	f, timing := &want.Kind.Fields[i], want.Values[i].Timing()
	s := d.schedule(timing)
	if s == nil {
		return turn, note, false
	}
	known := d.Ledger.Objects[want.Addr].Slots[f.Runs]
	state := known.State
	if known.Line != s.String() {
		state = schedule.State{LastStart: state.LastStart, Baseline: d.Now}
	}
	dec := s.Decide(schedule.Input{State: state, Now: d.Now, Running: d.running(want.Addr), Seed: want.Addr.String() + " " + f.Runs,
		Tolerance: cmp.Or(d.Tolerance, defaultTolerance)})
	turn = plan.Turn{Addr: want.Addr, Source: want.Place(i), Action: f.Runs, Next: dec.Next, Timing: timing, Slots: known, Back: dec.Back}
	if !dec.Due.IsZero() {
		turn.Due, turn.Next = true, dec.Due
	}
	return turn, plan.SlotNote{Addr: want.Addr, Action: f.Runs, Line: s.String(), Records: dec.Records, State: dec.State}, true
}

// Turns lists what is scheduled, as far as the file, the memory and the time tell, without a look
// at the cluster: something may hold what is due.
func Turns(in Input) []plan.Turn {
	d := &decider{Input: in, open: in.Ledger.Open}
	for _, want := range in.Want {
		for i := range want.Kind.Fields {
			if want.Absent || want.Kind.Fields[i].Type != resource.Timed || !want.Values[i].IsSet() {
				continue
			}
			if t, _, ok := d.turn(want, i); ok {
				d.plan.Turns = append(d.plan.Turns, t)
			}
		}
	}
	return d.plan.Turns
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
func timed(want *resource.Object, action string) bool { return timingOf(want, action) >= 0 }

// timingOf returns the index of the field by which the file schedules an action; -1 if none does.
func timingOf(want *resource.Object, action string) int {
	return slices.IndexFunc(want.Kind.Fields, func(f resource.Field) bool {
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
		return schedule.Unchanged
	}
	s.Source, s.Slot = at, slot
	if why := d.undone(&s); why != "" {
		d.block(&s, at, plan.Held, plan.Flap, why+": it is not taken again by itself; see to it, then kmagent rekey run")
	}
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
		s.Before = keyIDs(d.Have.Keys, have.ID, svmKey)
	}
	s.Requests = []plan.Request{d.request(want, have, a)}
	return s, true
}

// undone says, of an action that has to change once more what it has succeeded in changing, that
// its success was none, or that somebody took it back: again at every slot would not help.
func (d *decider) undone(s *plan.Step) string {
	last := d.Ledger.Objects[s.Addr].Slots[s.Action]
	if len(s.Changes) == 0 || last.Outcome != plan.Applied.String() || !slices.Equal(last.Made, s.Wishes) {
		return ""
	}
	return fmt.Sprintf("ONTAP told of its success at %s, and %s is not as it was to be", last.Succeeded.UTC().Format(time.RFC3339), s.Changes[0].Field)
}

// The action whose only evidence is the set of keys that it replaces, and their type.
const (
	rekeyInternal = "rekey_internal"
	svmKey        = "svm_kek"
)

// keyIDs lists the ids of the keys of a type that a key store holds, in order; nil if they were
// not read.
func keyIDs(report *resource.KeyReport, store, keyType string) []string {
	if report == nil || report.Err != "" {
		return nil
	}
	out := []string{}
	for _, k := range report.Keys {
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
	if why := d.undone(s); why != "" {
		d.block(s, s.Source, plan.Held, plan.Flap, why+": it is not taken again by itself; see to it, then kmagent rekey run")
		return
	}
	d.block(s, s.Source, plan.Held, plan.Window, fmt.Sprintf("it waits for the slot of its schedule: %s %s", next.Local, next.Zone))
}

// askedFor adds the steps that somebody has asked for now. One whose slot has come anyway is
// what was asked for.
func (d *decider) askedFor(want, have *resource.Object) {
	for i := range d.Standing.Asks {
		a := &d.Standing.Asks[i]
		if a.Used || !d.Now.Before(a.Until) || a.Object != want.Addr.String() {
			continue
		}
		j := slices.IndexFunc(d.plan.Steps, func(s plan.Step) bool { return s.Addr == want.Addr && s.Action == a.Action })
		if j < 0 {
			s, ok := d.turnStep(want, have, a.Action)
			if !ok {
				d.note(want.Addr, fmt.Sprintf("%s is asked for by %s (%s), and has nothing to do", plan.Safe(a.Action), a.By, a.ID))
				continue
			}
			d.add(s)
			j = len(d.plan.Steps) - 1
		}
		if s := &d.plan.Steps[j]; !slices.Contains(s.Lifted, a.ID) {
			s.Lifted = append(s.Lifted, a.ID)
			d.note(want.Addr, fmt.Sprintf("%s is asked for by %s: %s (%s); the order is used up by it", a.Action, a.By, a.Reason, a.ID))
		}
	}
}

// Rekey returns the plan that takes an action of one object now: the one that a schedule would
// take at its slot, with all that would hold it there. An error says that it cannot be asked for.
func Rekey(in Input, addr resource.Addr, action string) (plan.Plan, error) {
	d := newDecider(in)
	d.settle()
	i := slices.IndexFunc(in.Want, func(o *resource.Object) bool { return o.Addr == addr })
	if i < 0 {
		return plan.Plan{}, fmt.Errorf("the file has no %s", addr)
	}
	want, have := in.Want[i], in.Have.Objects[addr]
	if have == nil || have.Kind != want.Kind {
		return plan.Plan{}, fmt.Errorf("%s is in the file, and not on the cluster: apply comes first", addr)
	}
	s, ok := d.turnStep(want, have, action)
	if !ok {
		return plan.Plan{}, fmt.Errorf("%s of %s has nothing to do: what it would change is as the file says", action, addr)
	}
	d.add(s)
	d.holdMixedReleases()
	d.holdBusyStores()
	d.holdSwitchover()
	d.holdPaused()
	d.holdUnsettled()
	d.holdQuorum()
	d.holdRekeys()
	d.holdKeys()
	d.limitRekeys()
	d.cite()
	d.bind()
	return d.plan, nil
}

// limitRekeys lets no more rekeys of a cluster run at a time than the policy says, and none at a
// slot at which another object's has failed: what is wrong there may be wrong everywhere.
func (d *decider) limitRekeys() {
	limit := max(d.Policy.MaxRekeys, 1)
	running := 0
	for _, o := range d.open {
		if o.Rekeys() {
			running++
		}
	}
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if !s.Rekeys() || s.Status != plan.Ready {
			continue
		}
		if other, bad := d.failedAt(s.Slot, s.Action); bad {
			d.block(s, s.Source, plan.Held, plan.Window, fmt.Sprintf("at this slot it has failed for %s: see to that one, and have this one taken by kmagent rekey run", other))
			continue
		}
		if running >= limit {
			d.block(s, s.Source, plan.Held, plan.Window, fmt.Sprintf("%d may run at a time (policy.max_concurrent_rekeys): it waits for its turn", limit))
			continue
		}
		running++
	}
}

// failedAt returns an object whose action did not succeed at a slot.
func (d *decider) failedAt(slot schedule.Slot, action string) (other resource.Addr, bad bool) {
	if slot.IsZero() {
		return other, false
	}
	for i := range d.open {
		if o := &d.open[i]; o.Halfway() && o.Action == action && o.Slot.ID() == slot.ID() {
			return o.Owner(), true
		}
	}
	for a, m := range d.Ledger.Objects {
		s, ok := m.Slots[action]
		if ok && s.State.Last.ID() == slot.ID() && !s.State.LastStart.IsZero() && !s.Ended.Before(s.State.LastStart) && s.Outcome == plan.Failed.String() &&
			(!bad || a.Compare(other) < 0) {
			other, bad = a, true
		}
	}
	return other, bad
}
