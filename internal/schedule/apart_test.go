package schedule_test

import (
	"testing"
	"time"

	"kmagent/internal/schedule"
)

// Two agents begin a slot apart, inside its window and before the next one; whoever has been
// second once comes after the other for certain. An agent without a state is alone.
func TestApart(t *testing.T) {
	for _, spec := range []schedule.Spec{
		{Schedule: "0 3 * * *", Window: time.Minute},
		{Schedule: "0 3 * * *", Jitter: 3 * hour},
		{Schedule: "*/3 * * * * *"},
		{Schedule: "* * * * * *", Window: time.Second},
	} {
		s, err := schedule.Parse(spec, schedule.Options{Seconds: true})
		if err != nil {
			t.Fatal(err)
		}
		state := schedule.State{Baseline: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
		together := 0
		for day := range 300 {
			begin := func(instance string, second bool) time.Time {
				st := state
				st.Second = second
				d := s.Decide(schedule.Input{State: st, Now: state.Baseline, Seed: "a", Instance: instance})
				begin := d.Next.Begin.Add(d.Next.Apart)
				if begin.After(d.Next.End) {
					t.Fatalf("%+v begins at %v, after %v", spec, begin, d.Next.End)
				}
				return begin
			}
			alone, a, b := begin("", false), begin("a", false), begin("b", false)
			if a.Before(alone) || a.Sub(alone) > 5*time.Second {
				t.Errorf("%+v: %v after the slot", spec, a.Sub(alone))
			}
			if a.Equal(b) {
				together++
			}
			if second := begin("a", true); !second.After(b) || second.Sub(alone) > 15*time.Second {
				t.Errorf("%+v: the second begins at %v, the first at %v", spec, second, b)
			}
			state.Baseline = state.Baseline.Add(time.Duration(day) * 24 * time.Hour)
		}
		if together > 3 {
			t.Errorf("%+v: %d of 300 times together", spec, together)
		}
	}
}
