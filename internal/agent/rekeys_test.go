package agent

import (
	"fmt"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// following is a bound of clusters with those waves, whose vaults and keys are rekeyed by the line "l".
func following(limit int, waves schedule.Waves, clusters ...string) *Rekeys {
	r := NewRekeys(limit)
	for _, name := range clusters {
		r.known[name] = &clusterTurns{waves: waves}
		for _, a := range []resource.Addr{{Cluster: name, Kind: "azure_key_vault", SVM: "vs"}, {Cluster: name, Kind: "aws_kms", SVM: "other"}} {
			r.lines[turning{a, "rekey_internal"}] = "l"
			r.sharing[round{"rekey_internal", "l"}]++
		}
	}
	return r
}

// What a cluster is known to work on takes a place from the others; what somebody has to look at
// does not, however long that takes.
func TestUnknownRekeysTakeNoPlace(t *testing.T) {
	rekey := func(o plan.Operation) plan.Operation {
		o.Action, o.Timed, o.Addr = "rekey_internal", true, resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "vs"}
		return o
	}
	for _, c := range []struct {
		name string
		open plan.Operation
		want plan.Status // of a rekey of another cluster, where one may run
	}{
		{"under way", rekey(plan.Operation{Job: "j1", Lost: true}), plan.Held},
		{"just sent", rekey(plan.Operation{}), plan.Held},
		{"its answer lost", rekey(plan.Operation{Lost: true}), plan.Ready},
		{"its job stuck", rekey(plan.Operation{Job: "j1", Lost: true, Doubt: "its job has not ended within 12 hours"}), plan.Ready},
	} {
		r := following(1, schedule.Waves{}, "a", "b")
		r.done("a", &plan.Ledger{Open: []plan.Operation{c.open}})
		p := plan.Plan{Cluster: "b", Steps: []plan.Step{{Op: plan.Act, Action: "rekey_internal", Timed: true}}}
		r.reserve(&p, &plan.Ledger{}, nil)
		if got := p.Steps[0].Status; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A rekey whose end a later look has shown gives its place back then, and not when its cluster has
// something to send again, which may be in a month.
func TestSettledRekeysGiveTheirPlaceBack(t *testing.T) {
	open := plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_internal", Timed: true, Job: "j1", Lost: true}
	m := &ended{led: plan.Ledger{UUID: "u", Open: []plan.Operation{open}}}
	r := following(1, schedule.Waves{}, "a", "b")
	l := &Loop{Rekeys: r, Edges: Edges{Memory: m}}
	pass := func(settled ...plan.Settlement) {
		p := Pass{Cluster: "a", Observed: &resource.Cluster{UUID: "u"}, Plan: plan.Plan{Cluster: "a", Settled: settled}}
		if l.Act(t.Context(), &p); p.Err != nil {
			t.Fatal(p.Err)
		}
	}
	other := func() plan.Status {
		p := plan.Plan{Cluster: "b", Steps: []plan.Step{{Op: plan.Act, Action: "rekey_internal", Timed: true}}}
		r.reserve(&p, &plan.Ledger{}, nil)
		r.done("b", &plan.Ledger{})
		return p.Steps[0].Status
	}
	if pass(); other() != plan.Held {
		t.Error("two run where one may")
	}
	if pass(plan.Settlement{Op: open, End: plan.End{Outcome: plan.Applied}}); other() != plan.Ready {
		t.Error("what has ended keeps its place")
	}
}

// An ended is a [Memory] that keeps nothing but the ends of operations.
type ended struct{ led plan.Ledger }

func (m *ended) Ledger() plan.Ledger                        { return m.led }
func (m *ended) Pin(string, time.Time) error                { return nil }
func (m *ended) See([]plan.Sighting, time.Time) error       { return nil }
func (m *ended) Adopt([]plan.Adoption, time.Time) error     { return nil }
func (m *ended) End(id string, e plan.End) error            { m.led.End(id, e); return nil }
func (m *ended) NoteSlots([]plan.SlotNote, time.Time) error { return nil }

// What has failed at a slot, or is half done, keeps the others of its cluster from that slot; with
// waves those of other clusters, too.
func TestFailureEndsTheSlot(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	slot := schedule.Slot{Local: "2026-11-22T02:30", Zone: "UTC", At: at}
	waves, err := schedule.ParseWaves([]string{"100%"})
	if err != nil {
		t.Fatal(err)
	}
	begun := func(cluster string) plan.Ledger {
		var l plan.Ledger
		l.NoteSlots(plan.SlotNote{Addr: resource.Addr{Cluster: cluster, Kind: "aws_kms", SVM: "other"}, Action: "rekey_internal", Line: "l"})
		l.Begin(plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_internal", Addr: resource.Addr{Cluster: cluster, Kind: "aws_kms", SVM: "other"}, Slot: slot, Timed: true, At: at})
		return l
	}
	for _, tt := range []struct {
		name    string
		cluster string // of the one before
		waves   bool
		end     plan.End
		want    plan.Status
	}{
		{"failed", "a", false, plan.End{Outcome: plan.Failed, At: at.Add(time.Minute)}, plan.Held},
		{"half done", "a", false, plan.End{Outcome: plan.Unknown, Code: "65539856", Why: "half", At: at.Add(time.Minute)}, plan.Held},
		{"nobody knows", "a", false, plan.End{Outcome: plan.Unknown, At: at.Add(time.Minute)}, plan.Ready},
		{"failed elsewhere", "b", false, plan.End{Outcome: plan.Failed, At: at.Add(time.Minute)}, plan.Ready},
		{"failed in the fleet", "b", true, plan.End{Outcome: plan.Failed, At: at.Add(time.Minute)}, plan.Held},
		{"half done in the fleet", "b", true, plan.End{Outcome: plan.Unknown, Code: "65537729", Why: "half", At: at.Add(time.Minute)}, plan.Held},
	} {
		all := schedule.Waves{}
		if tt.waves {
			all = waves
		}
		r := following(100, all, "a", "b")
		l := begun(tt.cluster)
		l.End("1", tt.end)
		own := plan.Ledger{}
		if tt.cluster == "a" {
			own = l
		} else {
			r.done("b", &l)
		}
		vault := resource.Addr{Cluster: "a", Kind: "azure_key_vault", SVM: "vs"}
		p := plan.Plan{Cluster: "a",
			Steps: []plan.Step{{Op: plan.Act, Action: "rekey_internal", Addr: vault, Slot: slot, Timed: true}}}
		r.reserve(&p, &own, nil)
		if s := p.Steps[0]; s.Status != tt.want {
			t.Errorf("%s: %s %s, want %s", tt.name, s.Status, s.Reason, tt.want)
		}
	}
}

// One end lets one in, however many wait; who waits for others of its slot is woken when those have
// come on, and for nothing else.
func TestWakesWhomThereIsRoomFor(t *testing.T) {
	waves, err := schedule.ParseWaves([]string{"1", "100%"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	slot := schedule.Slot{Local: "2026-11-22T02:30", Zone: "UTC", At: at}
	for _, tt := range []struct {
		name  string
		limit int
		waves schedule.Waves
		want  [2]int // woken when the first ends, and when it is verified
	}{
		{"room for one", 1, schedule.Waves{}, [2]int{1, 1}}, // the first has not come for it yet
		{"a canary", 100, waves, [2]int{0, 19}},
	} {
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("c%02d", i))
		}
		r := following(tt.limit, tt.waves, names...)
		woken := 0
		var l plan.Ledger
		vault := func(name string) resource.Addr {
			return resource.Addr{Cluster: name, Kind: "azure_key_vault", SVM: "vs"}
		}
		for _, name := range names {
			p := plan.Plan{Cluster: name, Steps: []plan.Step{{Op: plan.Act, Action: "rekey_internal", Addr: vault(name), Slot: slot, Timed: true}}}
			r.reserve(&p, &plan.Ledger{}, func() { woken++ })
		}
		l.NoteSlots(plan.SlotNote{Addr: vault("c00"), Action: "rekey_internal", Line: "l"})
		l.Begin(plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_internal", Addr: vault("c00"), Slot: slot, Timed: true, At: at})
		l.End("1", plan.End{Outcome: plan.Applied, At: at.Add(time.Minute)})
		r.done("c00", &l)
		ended := woken
		l.NoteSlots(plan.SlotNote{Addr: vault("c00"), Action: "rekey_internal", Line: "l", Verified: at.Add(2 * time.Minute)})
		r.done("c00", &l)
		if got := [2]int{ended, woken - ended}; got != tt.want {
			t.Errorf("%s: %v were woken, want %v", tt.name, got, tt.want)
		}
	}
}

// A cluster that does not answer, or has left the file, has no place that others wait for; a step
// after one that is held is held.
func TestPlacesComeBack(t *testing.T) {
	running := plan.Ledger{Open: []plan.Operation{{ID: "1", Op: plan.Act, Action: "rekey_internal", Timed: true, Job: "j1", Lost: true}}}
	steps := func() *plan.Plan {
		a := resource.Addr{Cluster: "b", Kind: "azure_key_vault", SVM: "vs"}
		return &plan.Plan{Cluster: "b", Steps: []plan.Step{{Op: plan.Act, Action: "rekey_internal", Addr: a, Timed: true}, {Op: plan.Act, Action: "key_backup", Addr: a, After: true}}}
	}
	for _, tt := range []struct {
		name string
		then func(r *Rekeys)
		want plan.Status
	}{
		{"under way", func(*Rekeys) {}, plan.Held},
		{"does not answer", func(r *Rekeys) { r.away("a") }, plan.Ready},
		{"has left", func(r *Rekeys) { r.Forget("a") }, plan.Ready},
		{"has left, and a pass ends late", func(r *Rekeys) { r.Forget("a"); r.done("a", &running) }, plan.Ready},
	} {
		r := following(1, schedule.Waves{}, "a", "b")
		r.done("a", &running)
		tt.then(r)
		p := steps()
		if r.reserve(p, &plan.Ledger{}, nil); p.Steps[0].Status != tt.want || p.Steps[1].Status != tt.want {
			t.Errorf("%s: %s and %s, want %s", tt.name, p.Steps[0].Status, p.Steps[1].Status, tt.want)
		}
	}
}
