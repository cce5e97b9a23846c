package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"kmagent/internal/schedule"
)

// A life is one object and its agent for 400 days: the agent is down at times, guards hold what
// is due, actions take hours, people begin some by hand, and the clock jumps both ways.
type life struct {
	t     *testing.T
	s     *schedule.Schedule
	name  string
	rnd   *rand.Rand
	state schedule.State
	every time.Duration // between passes

	skew          time.Duration // of the clock
	latest        time.Time     // that the clock has shown
	ends          time.Time     // of the action under way, in truth
	fate          map[string]schedule.Outcome
	looks         map[string]bool // slots that somebody saw come in time
	fired, missed int
	skipped       int
}

func (l *life) live(from time.Time) {
	for now := from; now.Before(from.Add(400 * day)); {
		quiet := l.pass(now)
		step := l.every
		if quiet > 2*hour && l.rnd.IntN(4) > 0 { // most passes where nothing can come are left out
			step = quiet - time.Duration(l.rnd.Int64N(int64(hour)))
		}
		switch l.rnd.IntN(500) {
		case 0: // down
			step = time.Duration(l.rnd.Int64N(int64(10 * day)))
		case 1: // suspended
			step = time.Duration(l.rnd.Int64N(int64(6 * hour)))
		case 2: // the clock is set, most often by little
			l.skew += time.Duration(l.rnd.Int64N(int64(4*hour))) - 2*hour
		case 3:
			if l.rnd.IntN(10) == 0 {
				l.skew += time.Duration(l.rnd.Int64N(int64(40*day))) - 20*day
			}
		case 4: // and set right
			l.skew = 0
		case 5: // by hand
			if now.After(l.ends) && !now.Add(l.skew).Before(l.state.LastStart) {
				l.state.LastStart, l.ends = now.Add(l.skew), now.Add(hour)
			}
		}
		now = now.Add(step)
	}
}

// pass is one look of the agent. It returns how long nothing comes.
func (l *life) pass(truth time.Time) time.Duration {
	now := truth.Add(l.skew)
	in := schedule.Input{State: l.state, Now: now, Running: truth.Before(l.ends), Seed: l.name, Instance: l.name, Tolerance: max(2*l.every, 5*time.Minute)}
	in.State.Second = l.rnd.IntN(20) == 0 || in.State.Second
	if in.State.Baseline.IsZero() {
		l.latest = now
	}
	d := l.s.Decide(in)
	spec := l.s.Spec()
	for _, r := range d.Records {
		l.settle(r.Slot, r.Outcome)
		if r.At.After(now) {
			l.t.Errorf("%s: %v is %s before it has come, at %v", l.name, r.ID(), r.Outcome, now)
		}
	}
	l.state = d.State
	if now.After(l.latest) {
		l.latest = now
	}
	jitter := schedule.JitterOf(l.name, spec.Jitter)
	if spec.CatchUp == schedule.None {
		for slot := range l.s.Slots(now.Add(-jitter-in.Tolerance-1), now) {
			l.looks[slot.ID()] = true
		}
	}
	if d.Back && (len(d.Records) > 0 || !d.Due.IsZero()) {
		l.t.Errorf("%s: decided %+v while the clock is back", l.name, d)
	}
	if d.Due.IsZero() {
		return d.Next.At.Sub(now)
	}
	if l.rnd.IntN(3) > 0 { // a guard holds it
		return 0
	}
	begin := now
	if begin.Before(d.Due.At.Add(jitter)) || begin.After(d.Due.At.Add(spec.Window)) || begin.Before(d.Due.Begin) || begin.After(d.Due.End) {
		l.t.Errorf("%s: %v fires at %v, outside its window", l.name, d.Due.ID(), begin)
	}
	if !l.state.LastStart.IsZero() && begin.Sub(l.state.LastStart) < spec.MinInterval {
		l.t.Errorf("%s: %v fires %v after the last", l.name, d.Due.ID(), begin.Sub(l.state.LastStart))
	}
	if in.Running {
		l.t.Errorf("%s: %v fires while an action is under way", l.name, d.Due.ID())
	}
	if spec.CatchUp == schedule.None && !l.looks[d.Due.ID()] {
		l.t.Errorf("%s: %v fires and nobody saw it come", l.name, d.Due.ID())
	}
	l.settle(d.Due.Slot, schedule.Fired)
	l.state = l.state.Fired(d.Due.Slot, now)
	l.ends = truth.Add(time.Duration(l.rnd.Int64N(int64(3 * hour))))
	return 0
}

func (l *life) settle(slot schedule.Slot, o schedule.Outcome) {
	if before, ok := l.fate[slot.ID()]; ok {
		l.t.Errorf("%s: %v is %s, and was %s", l.name, slot.ID(), o, before)
	}
	l.fate[slot.ID()] = o
	switch o {
	case schedule.Fired:
		l.fired++
	case schedule.Missed:
		l.missed++
	case schedule.Skipped:
		l.skipped++
	}
}

// Every slot is fired, missed or skipped, once, and never outside its window.
func TestEverySlotIsSettledOnce(t *testing.T) {
	specs := []schedule.Spec{
		{Schedule: "30 2 * * *"},
		{Schedule: "0 0 * * *", Jitter: 2 * hour},
		{Schedule: "0 3 * * SUN", Window: 3 * day},
		{Schedule: "0 3 1 * *", Window: 12 * hour, Jitter: 6 * hour},
		{Schedule: "30 1,2 * * *", MinInterval: hour},
		{Schedule: "@hourly", MinInterval: hour},
		{Schedule: "@daily", MinInterval: day, Window: 6 * hour},
	}
	zones := []string{"UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Africa/Casablanca"}
	from := time.Date(2026, 2, 1, 7, 0, 0, 0, time.UTC)
	var slots, fired, missed, skipped int
	for n := range 50 {
		spec := specs[n%len(specs)]
		spec.Timezone, spec.CatchUp = zones[n/len(specs)%len(zones)], []schedule.CatchUp{schedule.None, schedule.Once}[n%2]
		l := &life{
			t: t, s: must(t, spec), name: fmt.Sprintf("%d %s %s catch_up %s", n, spec.Schedule, spec.Timezone, spec.CatchUp),
			rnd: rand.New(rand.NewPCG(uint64(n), 7)), every: []time.Duration{10, 20, 60}[n%3] * time.Minute,
			fate: map[string]schedule.Outcome{}, looks: map[string]bool{},
		}
		l.live(from)
		d := l.s.Decide(schedule.Input{State: l.state, Now: l.latest, Seed: l.name, Instance: l.name})
		for _, r := range d.Records {
			l.settle(r.Slot, r.Outcome)
		}
		waits := d.Due.Slot
		if waits.IsZero() && !d.Next.At.After(l.latest) {
			waits = d.Next.Slot
		}
		if !waits.IsZero() {
			l.settle(waits, "waiting")
		}
		count := 0
		for slot := range l.s.Slots(l.state.Baseline, l.latest) {
			count++
			if l.fate[slot.ID()] == "" {
				t.Errorf("%s: nobody knows what became of %s", l.name, slot.ID())
			}
		}
		if count != len(l.fate) {
			t.Errorf("%s: %d slots, and %d outcomes", l.name, count, len(l.fate))
		}
		if l.fired == 0 {
			t.Errorf("%s: none of %d slots has fired", l.name, count)
		}
		slots, fired, missed, skipped = slots+count, fired+l.fired, missed+l.missed, skipped+l.skipped
	}
	t.Logf("%d slots of 50 objects in 400 days: %d fired, %d missed, %d skipped", slots, fired, missed, skipped)
}
