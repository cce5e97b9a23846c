package diff

import (
	"fmt"
	"slices"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// askedFor adds the steps that somebody has asked for now. One whose slot has come anyway is
// what was asked for.
func (d *decider) askedFor(want, have *resource.Object) {
	for i := range d.Standing.Asks {
		a := &d.Standing.Asks[i]
		if !d.stands(a, want) {
			continue
		}
		if due, slotted := d.backups[want.Addr]; a.Action == resource.KeyBackup && want.Kind.Backup != "" {
			if !slotted {
				due.source = want.Source
			}
			due.lifted = append(due.lifted, a.ID)
			d.answer(want, a, d.dueBackup(want, due))
			continue
		}
		j := slices.IndexFunc(d.plan.Steps, func(s plan.Step) bool { return s.Owner() == want.Addr && s.Action == a.Action })
		if j < 0 {
			s, why := d.turnStep(want, have, a.Action, d.handSlot(want, a.Action))
			if why != "" {
				d.answer(want, a, why)
				continue
			}
			d.add(s)
			j = len(d.plan.Steps) - 1
		}
		if s := &d.plan.Steps[j]; !slices.Contains(s.Lifted, a.ID) {
			s.Lifted, s.Asked = append(s.Lifted, a.ID), true
			d.answer(want, a, "")
		}
	}
}

// stands says whether an order is about an object, and neither used up nor too old.
func (d *decider) stands(a *plan.Ask, want *resource.Object) bool {
	return !a.Used && d.Now.Before(a.Until) && a.Object == want.Addr.String()
}

// askedNow says whether somebody has asked for an action of an object.
func (d *decider) askedNow(want *resource.Object, action string) bool {
	for i := range d.Standing.Asks {
		if a := &d.Standing.Asks[i]; a.Action == action && d.stands(a, want) {
			return true
		}
	}
	return false
}

// answer notes what comes of what somebody has asked for.
func (d *decider) answer(want *resource.Object, a *plan.Ask, why schedule.Reason) {
	if why != "" {
		d.note(want.Addr, fmt.Sprintf("%s is asked for by %s (%s), and has nothing to do: %s", plan.Safe(a.Action), a.By, a.ID, why.Text()))
		return
	}
	d.note(want.Addr, fmt.Sprintf("%s is asked for by %s: %s (%s); the order is used up by it", a.Action, a.By, a.Reason, a.ID))
}

// handSlot is what a slot would be called that were now, for an action that names what it makes
// by its slot.
func (d *decider) handSlot(want *resource.Object, action string) schedule.Slot {
	i := want.Timing(action)
	if action != resource.RotateKey || i < 0 {
		return schedule.Slot{}
	}
	if s := d.schedule(want.Values[i].Timing()); s != nil {
		return s.At(d.Now)
	}
	return schedule.Slot{}
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
	if why := d.byHand(want, have, action); why == schedule.Unchanged {
		d.note(addr, action+" has nothing to do: "+why.Text())
	} else if why != "" {
		return plan.Plan{}, fmt.Errorf("%s of %s cannot be taken: %s", action, addr, why.Text())
	}
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

// byHand adds the step of an action; why says that there is none.
func (d *decider) byHand(want, have *resource.Object, action string) (why schedule.Reason) {
	if action == resource.KeyBackup {
		if why = d.dueBackup(want, turned{source: want.Source}); why == "" {
			d.backup(want)
		}
		return why
	}
	if action == resource.RotateKey && want.Timing(action) < 0 {
		return schedule.NoSchedule
	}
	s, why := d.turnStep(want, have, action, d.handSlot(want, action))
	if why == "" {
		d.add(s)
	}
	return why
}
