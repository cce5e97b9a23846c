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
	for i := range want.Timings() {
		d.slot(want, have, i)
	}
}

func (d *decider) slot(want, have *resource.Object, i int) {
	turn, note, ok := d.turn(want, i)
	if !ok {
		return // the file was checked; a schedule that cannot be followed is not followed
	}
	if turn.Due {
		if why := d.takeTurn(want, have, i, &turn); why != "" {
			note.Records = append(note.Records, schedule.Record{Slot: turn.Next.Slot, Outcome: schedule.Skipped, Reason: why})
			note.State.Last, note.State.Seen = turn.Next.Slot, schedule.Slot{}
			note.State.Second = note.State.Second || why == schedule.Elsewhere
			turn.Due = false
		}
	}
	d.noteKeys(&note, have, &turn.Slots)
	d.verify(&note, &turn, want, have)
	d.plan.Turns = append(d.plan.Turns, turn)
	if note.IsNews(&turn.Slots) {
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
	dec := s.Decide(schedule.Input{State: state, Now: d.Now, Running: d.running(want.Addr), Seed: want.Addr.String() + " " + f.Runs, Instance: d.Instance,
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
		for i := range want.Timings() {
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

// A turned is a backup that is due: at a slot, or since somebody has asked for it.
type turned struct {
	slot   schedule.Slot // the zero Slot if it was asked for alone
	source resource.Pos
	lifted []string // ids of the orders
}

// takeTurn adds the step of a slot that has come; why says that there is none.
func (d *decider) takeTurn(want, have *resource.Object, i int, turn *plan.Turn) (why schedule.Reason) {
	f, at, slot := &want.Kind.Fields[i], want.Place(i), turn.Next.Slot
	if f.Runs == resource.KeyBackup {
		return d.dueBackup(want, turned{slot: slot, source: at})
	}
	s, why := d.turnStep(want, have, f.Runs, slot)
	if why != "" {
		return why
	}
	s.Source, s.Slot = at, slot
	if d.elsewhere(&s, turn) {
		return schedule.Elsewhere
	}
	if why := d.undone(&s); why != "" && !d.askedNow(want, f.Runs) {
		d.block(&s, at, plan.Held, plan.Flap, why)
	}
	d.add(s)
	return ""
}

// dueBackup has a backup saved: the step comes after those that a backup is owed for.
func (d *decider) dueBackup(want *resource.Object, t turned) (why schedule.Reason) {
	if d.Keepers == 0 {
		return schedule.NoRecipients
	}
	if d.backups == nil {
		d.backups = map[resource.Addr]turned{}
	}
	d.backups[want.Addr] = t
	return ""
}

// turnStep is the step of an action, at a slot or by hand; why says that there is nothing for it
// to do. What it makes is named by the slot.
func (d *decider) turnStep(want, have *resource.Object, action string, slot schedule.Slot) (s plan.Step, why schedule.Reason) {
	var ok bool
	switch action {
	case resource.RotatePassphrase:
		if !want.Value(resource.PassphraseNext).IsSet() {
			return s, schedule.NoNext
		}
		s, ok = d.rotate(want, have)
	case resource.RotateKey:
		s, ok = d.generate(want, want.Timing(action), slot)
	default:
		s, ok = d.actionStep(want, have, action)
	}
	if !ok {
		return s, schedule.Unchanged
	}
	return s, ""
}

// actionStep is the step of an action that the kind's table has.
func (d *decider) actionStep(want, have *resource.Object, action string) (s plan.Step, ok bool) {
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
	if a.Name == resource.RekeyInternal {
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
	return fmt.Sprintf("ONTAP told of its success at %s, and %s is not as it was to be: it is not taken again by itself; see to it, then kmagent rekey run", last.Succeeded.UTC().Format(time.RFC3339), s.Changes[0].Field)
}

// svmKey is the type of the keys that resource.RekeyInternal replaces.
const svmKey = "svm_kek"

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
	if why := d.undone(s); why != "" {
		d.block(s, s.Source, plan.Held, plan.Flap, why)
		return
	}
	next := d.plan.Turns[i].Next
	d.block(s, s.Source, plan.Held, plan.Window, fmt.Sprintf("it waits for the slot of its schedule: %s %s", next.Local, next.Zone))
}

// limitRekeys lets no more rekeys of a cluster run at a time than the policy says.
func (d *decider) limitRekeys() {
	limit := max(d.Policy.MaxRekeys, 1)
	running := 0
	var unknown *plan.Operation
	for i := range d.open {
		if o := &d.open[i]; o.Rekeys() {
			running++
			if o.Standing() == "unknown" {
				unknown = o
			}
		}
	}
	for _, s := range askedFirst(d.plan.Steps) {
		switch {
		case !s.Rekeys() || s.Status != plan.Ready:
		case running < limit:
			running++
		case unknown != nil:
			d.block(s, s.Source, plan.Held, plan.Unsettled, fmt.Sprintf("%d may run at a time (policy.max_concurrent_rekeys), and %s", limit, d.openReason(unknown)))
		default:
			d.block(s, s.Source, plan.Held, plan.Window, fmt.Sprintf("%d may run at a time (policy.max_concurrent_rekeys): it waits for its turn", limit))
		}
	}
}

// askedFirst lists steps, those first that somebody has ordered: a schedule that comes again and
// again would have them wait for ever.
func askedFirst(steps []plan.Step) []*plan.Step {
	var asked, rest []*plan.Step
	for i := range steps {
		if s := &steps[i]; s.Asked {
			asked = append(asked, s)
		} else {
			rest = append(rest, s)
		}
	}
	return append(asked, rest...)
}
