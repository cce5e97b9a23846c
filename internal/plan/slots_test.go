package plan_test

import (
	"slices"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// What came of a rekey is counted once, and an answer that was lost counts beside it.
func TestSlotsCountOutcomes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	type counts struct{ done, failed, unknown int }
	for _, tt := range []struct {
		name string
		ends []plan.Outcome // of one operation
		want counts
		why  string
	}{
		{"done", []plan.Outcome{plan.Applied}, counts{done: 1}, "it is"},
		{"failed", []plan.Outcome{plan.Failed}, counts{failed: 1}, "it is"},
		{"under way", []plan.Outcome{plan.Running}, counts{}, "a job tells of itself"},
		{"a job that ended", []plan.Outcome{plan.Running, plan.Applied}, counts{done: 1}, "once"},
		{"lost", []plan.Outcome{plan.Unknown, plan.Unknown}, counts{unknown: 1}, "it is lost once"},
		{"lost and found", []plan.Outcome{plan.Unknown, plan.Failed}, counts{failed: 1, unknown: 1}, "both are true, one after the other"},
		{"under way, then in doubt", []plan.Outcome{plan.Running, plan.Unknown, plan.Unknown}, counts{unknown: 1}, "nobody knows, from then on"},
		{"ended twice", []plan.Outcome{plan.Applied, plan.Failed}, counts{done: 1}, "the second is of nothing"},
	} {
		var l plan.Ledger
		a := resource.Addr{Cluster: "prod-a", Kind: "azure_key_vault", SVM: "vs_hr"}
		l.Begin(plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_external", Addr: a, Timed: true, At: at})
		for _, o := range tt.ends {
			e := plan.End{Outcome: o, At: at.Add(time.Minute)}
			if o == plan.Running {
				l.Accept("1", "job-1")
			} else if o == plan.Unknown && len(l.Open) > 0 && l.Open[0].Job != "" {
				e.Why = "its job is forgotten"
			}
			l.End("1", e)
		}
		s := l.Objects[a].Slots["rekey_external"]
		if got := (counts{s.Done, s.Failed, s.Unknown}); got != tt.want {
			t.Errorf("%s: %+v, want %+v: %s", tt.name, got, tt.want, tt.why)
		}
	}
}

// Which slot an object has last begun an action for, and what came of it, is what a fleet counts.
func TestTaken(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	slot := schedule.Slot{Local: "2026-01-02T03:00", Zone: "UTC", At: at.Truncate(time.Hour)}
	a := resource.Addr{Cluster: "prod-a", Kind: "azure_key_vault", SVM: "vs_hr"}
	var l plan.Ledger
	begin := func(id, action string, slot schedule.Slot) {
		l.Begin(plan.Operation{ID: id, Op: plan.Act, Action: action, Addr: a, Timed: true, Slot: slot, At: at})
	}
	check := func(why string, want ...plan.Outcome) {
		t.Helper()
		var got []plan.Outcome
		for _, x := range l.Taken() {
			got = append(got, x.Outcome)
			if x.Addr != a || x.Slot != slot || x.Action != "rekey_internal" {
				t.Errorf("%s: %+v", why, x)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", why, got, want)
		}
	}
	check("nothing has begun")
	begin("1", "rekey_internal", slot)
	check("it is under way", plan.NotAttempted)
	l.End("1", plan.End{Outcome: plan.Unknown, At: at.Add(time.Minute)})
	check("its answer was lost", plan.NotAttempted)
	l.End("1", plan.End{Outcome: plan.Failed, At: at.Add(time.Minute)})
	check("it has failed", plan.Failed)
	at = at.Add(time.Hour)
	begin("2", "key_backup", slot)
	check("a backup changes no key", plan.Failed)
	begin("3", "rekey_internal", schedule.Slot{})
	check("by hand it makes up for the slot that has failed", plan.NotAttempted)
	l.End("3", plan.End{Outcome: plan.Applied, At: at.Add(time.Minute)})
	check("it has succeeded, and nobody has looked", plan.NotAttempted)
	l.NoteSlots(plan.SlotNote{Addr: a, Action: "rekey_internal", Line: "", Verified: at.Add(2 * time.Minute)})
	check("it was seen to", plan.Applied)
	l.NoteSlots(plan.SlotNote{Addr: a, Action: "rekey_internal", Line: "another"})
	check("another schedule")
}

// The keys that were seen are no evidence once a rekey has ended, or somebody else has made others.
func TestKeysSeen(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := resource.Addr{Cluster: "prod-a", Kind: "azure_key_vault", SVM: "vs_hr"}
	note := plan.SlotNote{Addr: a, Action: "rekey_internal", Line: "l", Keys: []string{"k1"}, KeysAt: at}
	for _, tt := range []struct {
		name string
		then func(l *plan.Ledger)
		want int
	}{
		{"nothing", func(*plan.Ledger) {}, 1},
		{"a note of no keys", func(l *plan.Ledger) { l.NoteSlots(plan.SlotNote{Addr: a, Action: "rekey_internal", Line: "l"}) }, 1},
		{"a rekey", func(l *plan.Ledger) {
			l.Begin(plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_internal", Addr: a, Timed: true, At: at})
			l.End("1", plan.End{Outcome: plan.Failed, At: at})
		}, 0},
		{"elsewhere", func(l *plan.Ledger) {
			l.NoteSlots(plan.SlotNote{Addr: a, Action: "rekey_internal", Line: "l", Records: []schedule.Record{{Outcome: schedule.Skipped, Reason: schedule.Elsewhere}}})
		}, 0},
	} {
		var l plan.Ledger
		l.NoteSlots(note)
		tt.then(&l)
		if s := l.Objects[a].Slots["rekey_internal"]; len(s.Keys) != tt.want || s.KeysAt.IsZero() != (tt.want == 0) {
			t.Errorf("%s: %v of %v", tt.name, s.Keys, s.KeysAt)
		}
	}
}

// What is remembered of a failure is what somebody needs who looks at it a week later.
func TestSlotsRememberWhy(t *testing.T) {
	a := resource.Addr{Cluster: "prod-a", Kind: "azure_key_vault", SVM: "vs_hr"}
	for _, c := range []struct {
		end  plan.End
		want string
	}{
		{plan.End{Outcome: plan.Failed, Code: "65537559"}, "ONTAP error 65537559"},
		{plan.End{Outcome: plan.Failed, Code: "65536600", Why: "its job failed"}, "its job failed: ONTAP error 65536600: " + resource.Remedy("65536600")},
		{plan.End{Outcome: plan.Failed, Why: "ops says so: \x1b[2J"}, `ops says so: \x1b[2J`},
		{plan.End{Outcome: plan.Failed}, ""},
		{plan.End{Outcome: plan.Applied, Why: "its job succeeded"}, ""},
	} {
		l := plan.Ledger{Objects: map[resource.Addr]plan.Remembered{a: {Slots: map[string]plan.Slots{"rekey_internal": {Why: "of last time"}}}}}
		l.Begin(plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_internal", Addr: a, Timed: true})
		l.End("1", c.end)
		if got := l.Objects[a].Slots["rekey_internal"].Why; got != c.want {
			t.Errorf("%+v: %q, want %q", c.end, got, c.want)
		}
	}
}

// A generation whose answer is lost counts with the key that the file rotates, which has the
// schedule, and not with one that may not be there.
func TestLostGenerationCounts(t *testing.T) {
	var l plan.Ledger
	key := resource.Addr{Cluster: "prod-a", Kind: "auth_key", Name: "nse"}
	made := resource.Addr{Cluster: "prod-a", Kind: "auth_key", Name: "nse-2026-11-01"}
	l.Begin(plan.Operation{ID: "1", Op: plan.Create, Action: resource.RotateKey, Addr: made, For: key, Timed: true})
	l.End("1", plan.End{Outcome: plan.Unknown})
	if n := l.Objects[key].Slots[resource.RotateKey].Unknown; n != 1 {
		t.Errorf("counted %d times with the key", n)
	}
	if s := l.Objects[made].Slots; s != nil {
		t.Errorf("the generation has a schedule: %v", s)
	}
}
