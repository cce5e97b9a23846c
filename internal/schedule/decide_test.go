package schedule_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kmagent/internal/schedule"
)

// told is a decision as text: records, what is due, what comes next, and what is to be remembered.
func told(d schedule.Decision) string {
	const form = "02T15:04"
	var out []string
	for _, r := range d.Records {
		out = append(out, string(r.Outcome)+" "+r.Local[8:]+" "+string(r.Reason))
	}
	if !d.Due.IsZero() {
		out = append(out, "due "+d.Due.Local[8:]+" until "+d.Due.End.Format(form))
	}
	if d.Back {
		out = append(out, "back")
	}
	out = append(out, "next "+d.Next.Local[8:]+" at "+d.Next.Begin.Format(form))
	return strings.Join(out, ", ")
}

// daily is at 03:00 UTC with a window of 4h, unless the case says otherwise. Times are of
// March 2026.
func TestDecide(t *testing.T) {
	march := func(text string) time.Time {
		t.Helper()
		if text == "" {
			return time.Time{}
		}
		return at(t, "2026-03-"+text+"Z")
	}
	slot := func(text string) schedule.Slot {
		if text == "" {
			return schedule.Slot{}
		}
		return schedule.Slot{Local: "2026-03-" + text, Zone: "UTC", At: march(text)}
	}
	type spec = schedule.Spec
	once, hourly := spec{CatchUp: schedule.Once}, spec{Schedule: "@hourly", MinInterval: hour}
	berlin := spec{Schedule: "*/30 * * * *", Timezone: "Europe/Berlin", MinInterval: 30 * time.Minute}
	for _, tt := range []struct {
		why        string
		spec       spec
		base, last string // "" for base: 01T00:00; "-": none
		start      string
		seen       string
		running    bool
		now        string
		want       string
	}{
		{why: "nothing has come", now: "01T02:59", want: "next 01T03:00 at 01T03:00"},
		{why: "on the minute", now: "01T03:00", want: "due 01T03:00 until 01T07:00, next 02T03:00 at 02T03:00"},
		{why: "within the tolerance", now: "01T03:05", want: "due 01T03:00 until 01T07:00, next 02T03:00 at 02T03:00"},
		{why: "after it, and nobody saw it come", now: "01T03:06", want: "missed 01T03:00 late, next 02T03:00 at 02T03:00"},
		{why: "after it, seen and held since", seen: "01T03:00", now: "01T06:00", want: "due 01T03:00 until 01T07:00, next 02T03:00 at 02T03:00"},
		{why: "at the end of the window", seen: "01T03:00", now: "01T07:00", want: "due 01T03:00 until 01T07:00, next 02T03:00 at 02T03:00"},
		{why: "held for longer than the window", seen: "01T03:00", now: "01T07:01", want: "missed 01T03:00 held, next 02T03:00 at 02T03:00"},
		{why: "another one was seen", seen: "01T02:00", now: "01T05:00", want: "missed 01T03:00 late, next 02T03:00 at 02T03:00"},
		{why: "it is on record", last: "01T03:00", now: "01T03:01", want: "next 02T03:00 at 02T03:00"},
		{why: "catch up within the window", spec: once, now: "01T06:59", want: "due 01T03:00 until 01T07:00, next 02T03:00 at 02T03:00"},
		{why: "no catch-up after it", spec: once, now: "01T07:01", want: "missed 01T03:00 closed, next 02T03:00 at 02T03:00"},
		{why: "down for days: one catch-up, and no burst", spec: once, now: "04T05:00",
			want: "missed 01T03:00 closed, missed 02T03:00 closed, missed 03T03:00 closed, due 04T03:00 until 04T07:00, next 05T03:00 at 05T03:00"},
		{why: "down for days, no catch-up", now: "03T05:00", want: "missed 01T03:00 closed, missed 02T03:00 closed, missed 03T03:00 late, next 04T03:00 at 04T03:00"},
		{why: "a newer one has come while the window of the older is open", spec: hourly, base: "01T01:30", now: "01T03:01",
			want: "missed 01T02:00 superseded, due 01T03:00 until 01T07:00, next 01T04:00 at 01T04:00"},
		{why: "the older was seen and held", spec: hourly, base: "01T01:30", seen: "01T02:00", now: "01T03:01",
			want: "missed 01T02:00 held, due 01T03:00 until 01T07:00, next 01T04:00 at 01T04:00"},
		{why: "an action is under way", running: true, now: "01T03:01", want: "skipped 01T03:00 overlap, next 02T03:00 at 02T03:00"},
		{why: "under way, and nobody looked meanwhile", running: true, now: "01T04:00", want: "skipped 01T03:00 overlap, next 02T03:00 at 02T03:00"},
		{why: "under way until the window closed", running: true, now: "01T08:00", want: "missed 01T03:00 closed, next 02T03:00 at 02T03:00"},
		{why: "by hand shortly before", start: "01T02:00", now: "01T03:00", want: "skipped 01T03:00 min_interval, next 02T03:00 at 02T03:00"},
		{why: "by hand while it was held", start: "01T04:00", seen: "01T03:00", now: "01T04:30", want: "skipped 01T03:00 min_interval, next 02T03:00 at 02T03:00"},
		{why: "the interval is over within the window: it waits", spec: spec{MinInterval: day}, last: "01T03:00", start: "01T03:04", now: "02T03:00", want: "next 02T03:00 at 02T03:04"},
		{why: "an action by hand is under way, and the slot waits for the interval", spec: hourly, base: "01T02:30", start: "01T02:50", running: true, now: "01T03:01", want: "next 01T03:00 at 01T03:50"},
		{why: "it waited, and nobody need see it come again", spec: spec{MinInterval: day}, last: "01T03:00", start: "01T04:04", seen: "02T03:00", now: "02T04:04",
			want: "due 02T03:00 until 02T07:00, next 03T03:00 at 03T03:00"},
		{why: "the interval is not over at the end of the window", spec: spec{MinInterval: day}, last: "01T03:00", start: "01T07:01", now: "02T03:00", want: "skipped 02T03:00 min_interval, next 03T03:00 at 03T03:00"},
		{why: "by hand the day after: that makes nothing of what was missed", start: "02T12:00", now: "02T13:00", want: "missed 01T03:00 closed, missed 02T03:00 closed, next 03T03:00 at 03T03:00"},
		{why: "first contact: what has come does not count", base: "-", now: "01T03:01", want: "next 02T03:00 at 02T03:00"},
		{why: "at the baseline", base: "01T03:00", now: "01T03:01", want: "next 02T03:00 at 02T03:00"},
		{why: "another schedule since: slots between do not count", base: "05T12:00", last: "01T03:00", now: "05T13:00", want: "next 06T03:00 at 06T03:00"},
		{why: "before the baseline", spec: once, base: "02T00:00", now: "01T03:01", want: "back, next 02T03:00 at 02T03:00"},
		{why: "set back to before the last slot", spec: once, last: "03T03:00", now: "01T03:01", want: "back, next 04T03:00 at 04T03:00"},
		{why: "set back to before the last start", spec: once, last: "03T03:00", start: "04T04:00", now: "04T03:30", want: "back, next 05T03:00 at 05T03:00"},
		{why: "set back by a little, to before a slot that waits", seen: "01T03:00", now: "01T02:58", want: "next 01T03:00 at 01T03:00"},
		{why: "on record in another zone: only the instant tells", spec: spec{Timezone: "Asia/Tokyo"}, last: "01T17:00", now: "01T18:00", want: "due 02T03:00 until 01T22:00, next 03T03:00 at 02T18:00"},
		{why: "clocks went forward over two of three", spec: berlin, base: "29T00:30", now: "29T01:02",
			want: "skipped 29T02:00 gap, skipped 29T02:30 gap, due 29T03:00 until 29T05:00, next 29T03:30 at 29T01:30"},
	} {
		if tt.spec.Schedule == "" {
			tt.spec.Schedule = "0 3 * * *"
		}
		s := must(t, tt.spec)
		st := schedule.State{Last: slot(tt.last), LastStart: march(tt.start), Seen: slot(tt.seen)}
		if tt.base == "" {
			tt.base = "01T00:00"
		}
		if tt.base != "-" {
			st.Baseline = march(tt.base)
		}
		in := schedule.Input{State: st, Now: march(tt.now), Running: tt.running, Tolerance: 5 * time.Minute}
		d := s.Decide(in)
		if got := told(d); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.why, got, tt.want)
		}
		// The same again, with what was remembered, records nothing twice and changes nothing.
		in.State = d.State
		again := s.Decide(in)
		if len(again.Records) > 0 || again.Due != d.Due || again.Next != d.Next || again.State != d.State {
			t.Errorf("%s, again: got %s", tt.why, told(again))
		}
		for _, r := range d.Records {
			if r.Reason.Text() == "" || !slices.Contains(schedule.Outcomes(), r.Outcome) {
				t.Errorf("%s: the reason %q has no text, or the outcome %q is not listed", tt.why, r.Reason, r.Outcome)
			}
		}
	}
}

// An object waits for its jitter; whoever sees the slot meanwhile has seen it come.
func TestDecideWithJitter(t *testing.T) {
	s := must(t, schedule.Spec{Schedule: "0 3 * * *", Jitter: hour})
	in := schedule.Input{State: schedule.State{Baseline: at(t, "2026-03-01T00:00Z")}, Seed: "prod-a/azure_key_vault/vs1 rekey_internal", Tolerance: 5 * time.Minute}
	for _, tt := range []struct {
		why, now string
		running  bool
		want     string
	}{
		{"before", "01T02:00", false, "next 01T03:00 at 01T03:55"},
		{"it has come", "01T03:20", false, "next 01T03:00 at 01T03:55"},
		{"what is under way may be over by then", "01T03:20", true, "next 01T03:00 at 01T03:55"},
		{"it begins", "01T03:56", false, "due 01T03:00 until 01T07:00, next 02T03:00 at 02T03:55"},
		{"within the tolerance", "01T04:00", false, "due 01T03:00 until 01T07:00, next 02T03:00 at 02T03:55"},
		{"too late to have seen it come", "01T04:01", false, "missed 01T03:00 late, next 02T03:00 at 02T03:55"},
	} {
		in.Now, in.Running = at(t, "2026-03-"+tt.now+"Z"), tt.running
		if got := told(s.Decide(in)); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.why, got, tt.want)
		}
	}
}

// A clock that was in another century for a moment makes neither a burst nor one long record.
func TestDecideInPortions(t *testing.T) {
	s := must(t, schedule.Spec{Schedule: "0 3 * * *", CatchUp: schedule.Once})
	in := schedule.Input{State: schedule.State{Baseline: at(t, "2026-03-01T00:00Z")}, Now: at(t, "2036-03-01T04:00Z")}
	total, rounds := 0, 0
	for {
		d := s.Decide(in)
		total += len(d.Records)
		rounds++
		if len(d.Records) > 1000 || d.More == !d.Due.IsZero() {
			t.Fatalf("round %d: %d records, more: %v, due: %v", rounds, len(d.Records), d.More, d.Due)
		}
		in.State = d.State
		if !d.More {
			break
		}
	}
	if want := 10*365 + 3; total != want || rounds != 4 {
		t.Errorf("got %d records in %d rounds, want %d in 4: ten years and the last one due", total, rounds, want)
	}
	d := s.Decide(schedule.Input{State: in.State, Now: at(t, "2026-03-02T00:00Z")})
	if !d.Back || len(d.Records) > 0 || !d.Due.IsZero() {
		t.Errorf("when the clock is right again: %+v", d)
	}
}

// At the end of time there is nothing to come.
func TestDecideAtTheEnd(t *testing.T) {
	s := must(t, schedule.Spec{Schedule: "@yearly", CatchUp: schedule.Once})
	now := time.Date(9999, 1, 1, 1, 0, 0, 0, time.UTC)
	d := s.Decide(schedule.Input{State: schedule.State{Baseline: now.Add(-2 * hour)}, Now: now})
	if d.Due.Local != "9999-01-01T00:00" || d.Next != (schedule.Turn{}) {
		t.Errorf("got %+v", d)
	}
}

// What was remembered in a form that nobody writes is known by its instant.
func TestDecideWithAWordlessState(t *testing.T) {
	s := must(t, schedule.Spec{Schedule: "0 3 * * *", CatchUp: schedule.Once})
	last := schedule.Slot{Local: "yesterday", Zone: "UTC", At: at(t, "2026-03-01T03:00Z")}
	d := s.Decide(schedule.Input{State: schedule.State{Last: last}, Now: at(t, "2026-03-02T03:00Z")})
	if d.Due.Local != "2026-03-02T03:00" || len(d.Records) > 0 {
		t.Errorf("got %+v", d)
	}
}

func TestFired(t *testing.T) {
	s := must(t, schedule.Spec{Schedule: "0 3 * * *"})
	now := at(t, "2026-03-01T03:01Z")
	d := s.Decide(schedule.Input{State: schedule.State{Baseline: at(t, "2026-03-01T00:00Z")}, Now: now, Tolerance: 5 * time.Minute})
	if d.State.Seen != d.Due.Slot {
		t.Errorf("what is due is to be remembered as seen: got %+v", d.State)
	}
	st := d.State.Fired(d.Due.Slot, now)
	if st.Last != d.Due.Slot || st.LastStart != now || !st.Seen.IsZero() {
		t.Errorf("got %+v", st)
	}
	if d := s.Decide(schedule.Input{State: st, Now: now, Running: true}); len(d.Records) > 0 || !d.Due.IsZero() {
		t.Errorf("what has fired is not recorded again: got %s", told(d))
	}
}
