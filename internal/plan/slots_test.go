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
		{"ended twice", []plan.Outcome{plan.Applied, plan.Failed}, counts{done: 1}, "the second is of nothing"},
	} {
		var l plan.Ledger
		a := resource.Addr{Cluster: "prod-a", Kind: "azure_key_vault", SVM: "vs_hr"}
		l.Begin(plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_external", Addr: a, Timed: true, At: at})
		for _, o := range tt.ends {
			l.End("1", plan.End{Outcome: o, At: at.Add(time.Minute)})
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
	check("by hand is for no slot, and whoever has failed is seen to")
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
