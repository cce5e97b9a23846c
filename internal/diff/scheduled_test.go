package diff_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

const app = "client_id: c\nclient_secret: cred:s\n"

const nightly = app + `rekey_internal: {schedule: "30 2 * * *", window: 2h, min_interval: 1h}`

// slots is a memory of a schedule that first saw the file long ago.
func slots(action, line string, change func(*plan.Slots)) plan.Ledger {
	s := plan.Slots{Line: line, State: schedule.State{Baseline: now.Add(-48 * time.Hour), Last: slotAt(line, now.Add(-24*time.Hour-30*time.Minute))}}
	if change != nil {
		change(&s)
	}
	return plan.Ledger{Objects: map[resource.Addr]plan.Remembered{vault: {Secrets: map[string]string{"client_secret": "d"}, Slots: map[string]plan.Slots{action: s}}}}
}

func slotAt(line string, at time.Time) schedule.Slot {
	return schedule.Slot{Local: at.Format("2006-01-02T15:04"), Zone: "UTC", At: at}
}

// A rekey is taken once at its slot, with everything that holds a rekey at any time, and what
// will not be is on record.
func TestScheduled(t *testing.T) {
	const line = "30 2 * * * UTC"
	early := func(s *plan.Slots) { s.State.Seen = slotAt(line, now.Add(-30*time.Minute)) }
	kek := func(store, user string, ids ...string) *resource.KeyReport {
		r := &resource.KeyReport{}
		for _, id := range ids {
			r.Keys = append(r.Keys, resource.HeldKey{Store: store, Node: "n1", ID: id, Type: "svm_kek", User: user, Restored: true})
		}
		return r
	}
	job := func(start time.Time) *[]resource.Job {
		return &[]resource.Job{{UUID: "job-1", Description: "POST /api/security/azure-key-vaults/akv-1/rekey-internal", State: "success", Start: start}}
	}
	for _, tt := range []struct {
		name   string
		ledger plan.Ledger
		tune   func(*diff.Input)
		step   string // status, guard and slot of the rekey; empty: none
		note   string // what is put on record
		next   string // of the turn
		why    string
	}{
		{"first contact", plan.Ledger{}, nil, "", "", "2026-11-23T02:30", "a slot of before is never made up for"},
		{"seen to come", slots("rekey_internal", line, early), nil, "ready  2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "inside its window"},
		{"nobody saw it come", slots("rekey_internal", line, nil), nil, "", "missed late", "2026-11-23T02:30", "catch_up is none"},
		{"another line", slots("rekey_internal", "0 2 * * * UTC", early), nil, "", "", "2026-11-23T02:30", "a changed schedule begins anew"},
		{"window over", slots("rekey_internal", line, early), func(in *diff.Input) { in.Now = now.Add(2 * time.Hour) }, "", "missed held", "2026-11-23T02:30", ""},
		{"after a long sleep", slots("rekey_internal", line, early), func(in *diff.Input) { in.Now = now.Add(72*time.Hour + 5*time.Hour) }, "",
			"missed held, missed closed, missed closed, missed closed", "2026-11-26T02:30", "never a burst"},
		{"by hand a moment ago", slots("rekey_internal", line, func(s *plan.Slots) { early(s); s.State.LastStart = now.Add(-time.Minute) }), nil, "", "", "2026-11-22T02:30", "min_interval ends inside the window"},
		{"clock set back", slots("rekey_internal", line, func(s *plan.Slots) { s.State.LastStart = now.Add(time.Hour) }), nil, "", "", "2026-11-23T02:30", "nothing is due before what is on record"},
		{"key service away", slots("rekey_internal", line, early), func(in *diff.Input) {
			set(in.Have.Find(vault), "azure_reachability", resource.ReachValue(resource.Reach{}))
		}, "held reachability 2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "KM051"},
		{"node away", slots("rekey_internal", line, early), func(in *diff.Input) { in.Have.Nodes[1].State = "down" },
			"held nodes 2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", ""},
		{"node joining", slots("rekey_internal", line, early), func(in *diff.Input) { in.Have.Nodes[1].Member = false },
			"held nodes 2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "it has no keys yet"},
		{"store at work", slots("rekey_internal", line, early), func(in *diff.Input) {
			in.Have.Stores = []resource.KeyStore{{UUID: "akv-1", SVM: "vs", Enabled: true, State: "switching"}}
		}, "held key_store 2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", ""},
		{"store being rekeyed", slots("rekey_internal", line, early), func(in *diff.Input) {
			in.Have.Stores = []resource.KeyStore{{UUID: "akv-1", SVM: "vs", Enabled: true, State: "svm_kek_rekey"}}
		}, "", "skipped elsewhere", "2026-11-22T02:30", "and not by us: nothing of ours is open"},
		{"jobs unread", slots("rekey_internal", line, early), func(in *diff.Input) { in.Have.Begun = nil },
			"held window 2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "they tell whether somebody else has begun it"},
		{"jobs of others", slots("rekey_internal", line, early), func(in *diff.Input) { in.Have.Begun = job(now.Add(-time.Minute)) },
			"", "skipped elsewhere", "2026-11-22T02:30", "another agent was first"},
		{"jobs of others, by a slow clock", slots("rekey_internal", line, early), func(in *diff.Input) { in.Have.Begun = job(now.Add(-31 * time.Minute)) },
			"", "skipped elsewhere", "2026-11-22T02:30", "the slot was 30 minutes ago, and clocks differ"},
		{"jobs of before", slots("rekey_internal", line, early), func(in *diff.Input) { in.Have.Begun = job(now.Add(-33 * time.Minute)) },
			"ready  2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "before the slot"},
		{"jobs of ours", slots("rekey_internal", line, early), func(in *diff.Input) {
			in.Have.Begun, in.Ledger.Jobs = job(now.Add(-time.Minute)), []string{"job-1"}
		}, "ready  2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "known by its UUID"},
		{"keys of others", slots("rekey_internal", line, func(s *plan.Slots) { early(s); s.Keys, s.KeysAt = []string{"k1"}, now.Add(-time.Hour) }), func(in *diff.Input) {
			in.Have.Keys = kek("akv-1", "vs", "k2")
		}, "", "skipped elsewhere", "2026-11-22T02:30", "its job is forgotten, the keys are not"},
		{"keys of others, perhaps of long ago", slots("rekey_internal", line, func(s *plan.Slots) { early(s); s.Keys, s.KeysAt = []string{"k1"}, now.Add(-21*time.Hour) }), func(in *diff.Input) {
			in.Have.Keys = kek("akv-1", "vs", "k2")
		}, "ready  2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "nobody has looked for a day"},
		{"the same keys", slots("rekey_internal", line, func(s *plan.Slots) { early(s); s.Keys, s.KeysAt = []string{"k1"}, now.Add(-time.Hour) }), func(in *diff.Input) {
			in.Have.Keys = kek("akv-1", "vs", "k1")
		}, "ready  2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", ""},
		{"keys unread", slots("rekey_internal", line, early), func(in *diff.Input) { in.Have.Keys = nil },
			"held keys 2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "they are evidence afterwards"},
		{"keys with the cluster", slots("rekey_internal", line, early), func(in *diff.Input) {
			m := resource.NewObject(resource.Onboard, resource.Addr{Cluster: "a", Kind: "key_manager"})
			m.ID = "okm"
			in.Have.Objects[m.Addr], in.Have.Keys = m, kek("okm", "vs", "k1")
		}, "held keys 2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", "KM050, 65537547"},
		{"paused", slots("rekey_internal", line, early), func(in *diff.Input) { in.Standing = paused("vs") },
			"held paused 2026-11-22T02:30[UTC]", "", "2026-11-22T02:30", ""},
		{"another operation", slots("rekey_internal", line, early), func(in *diff.Input) { in.Ledger.Open = open("vs").Open },
			"", "skipped overlap", "2026-11-23T02:30", "one at a time, and none is made up for"},
		{"asked for", slots("rekey_internal", line, nil), func(in *diff.Input) {
			in.Standing.Asks = []plan.Ask{{Given: plan.Given{ID: "o7", Until: now.Add(time.Hour), By: "ops"}, Object: "a/azure_key_vault/vs", Action: "rekey_internal"}}
		}, "ready  [] o7", "missed late", "2026-11-23T02:30", "by hand is no slot"},
		{"asked for once", slots("rekey_internal", line, nil), func(in *diff.Input) {
			in.Standing.Asks = []plan.Ask{{Given: plan.Given{ID: "o7", Until: now.Add(time.Hour)}, Object: "a/azure_key_vault/vs", Action: "rekey_internal", Used: true}}
		}, "", "missed late", "2026-11-23T02:30", ""},
		{"asked for at its slot", slots("rekey_internal", line, early), func(in *diff.Input) {
			in.Standing.Asks = []plan.Ask{{Given: plan.Given{ID: "o7", Until: now.Add(time.Hour)}, Object: "a/azure_key_vault/vs", Action: "rekey_internal"}}
		}, "ready  2026-11-22T02:30[UTC] o7", "", "2026-11-22T02:30", "one rekey is both"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(vaultWanted(t, nightly), vaultFound(nil))
			in.Ledger = tt.ledger
			if tt.tune != nil {
				tt.tune(&in)
			}
			p := diff.Compute(in)
			step := ""
			for _, s := range p.Steps {
				if s.Action == "rekey_internal" {
					step = strings.TrimRight(fmt.Sprintf("%s %s %s %s", s.Status, s.Guard, s.Slot.ID(), strings.Join(s.Lifted, " ")), " ")
				}
			}
			var records []string
			for _, n := range p.Slots {
				for _, r := range n.Records {
					records = append(records, string(r.Outcome)+" "+string(r.Reason))
				}
			}
			if len(p.Turns) != 1 {
				t.Fatalf("%d turns", len(p.Turns))
			}
			if next := p.Turns[0].Next.Local; step != tt.step || strings.Join(records, ", ") != tt.note || next != tt.next {
				t.Errorf("got %q, %q, %q, want %q, %q, %q: %s", step, strings.Join(records, ", "), next, tt.step, tt.note, tt.next, tt.why)
			}
		})
	}
}

// made is what a rekey_external leaves of which ONTAP has said that it succeeded.
func made(s *plan.Slots, key string) {
	s.Ended, s.Succeeded, s.Outcome = now.Add(-24*time.Hour), now.Add(-24*time.Hour), "applied"
	s.Made = []plan.Wish{{Field: "key_id", Value: diff.WishOf(resource.Str(key))}}
}

// While half a rekey is open, keys are given to the nodes that lack them all the same.
func TestHalfARekey(t *testing.T) {
	const line = "30 2 * * * UTC"
	slot := slotAt(line, now.Add(-30*time.Minute))
	half := plan.Operation{ID: "7", Op: plan.Act, Action: "rekey_internal", Addr: resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "other"}, Slot: slot,
		Timed: true, Repeat: resource.Never, At: now.Add(-20 * time.Minute), Job: "j1", Lost: true, Doubt: plan.HalfwayWhy("65539856"), Code: "65539856"}
	in := input(vaultWanted(t, nightly), vaultFound(nil))
	in.Ledger = slots("rekey_internal", line, func(s *plan.Slots) { s.State.Seen = slot })
	in.Ledger.Open = []plan.Operation{half}
	half.Addr = vault
	in.Ledger.Open = []plan.Operation{half}
	if p, err := diff.Restore(in, diff.Restoring{SVM: "vs"}); err != nil || len(p.Steps) != 1 || p.Steps[0].Status != plan.Ready {
		t.Errorf("%v\n%s\nwant it ready", err, short(p))
	}
	half.Code, half.Doubt = "", "the cluster does not know its job any more"
	in.Ledger.Open = []plan.Operation{half}
	if p, _ := diff.Restore(in, diff.Restoring{SVM: "vs"}); p.Steps[0].Guard != plan.Unsettled {
		t.Errorf("%s\nwant it held", short(p))
	}
}

// Another key waits for the slot of its schedule, and a slot without one is skipped.
func TestScheduledExternal(t *testing.T) {
	const line = "30 2 * * * UTC"
	early := func(s *plan.Slots) { s.State.Seen = slotAt(line, now.Add(-30*time.Minute)) }
	for _, tt := range []struct {
		name   string
		key    string // on the cluster
		ledger plan.Ledger
		want   string
		record string
	}{
		{"not yet", "https://v.vault.azure.net/keys/k/0", plan.Ledger{}, "held window", ""},
		{"its slot", "https://v.vault.azure.net/keys/k/0", slots("rekey_external", line, early), "ready ", ""},
		{"nothing new", "https://v.vault.azure.net/keys/k/1", slots("rekey_external", line, early), "", "unchanged"},
		{"a success that changed nothing", "https://v.vault.azure.net/keys/k/0", slots("rekey_external", line, func(s *plan.Slots) {
			early(s)
			made(s, "https://v.vault.azure.net/keys/k/1")
		}), "held flap", ""},
		{"the same, between slots", "https://v.vault.azure.net/keys/k/0", slots("rekey_external", line, func(s *plan.Slots) {
			s.State.Last = slotAt(line, now.Add(-30*time.Minute))
			made(s, "https://v.vault.azure.net/keys/k/1")
		}), "held flap", ""},
		{"a success of another key", "https://v.vault.azure.net/keys/k/0", slots("rekey_external", line, func(s *plan.Slots) {
			early(s)
			made(s, "https://v.vault.azure.net/keys/k/0")
		}), "ready ", ""},
	} {
		have := vaultFound(map[string]resource.Value{"key_id": resource.Str(tt.key)})
		in := input(vaultWanted(t, app+`rekey_external: {schedule: "30 2 * * *", window: 2h, min_interval: 1h}`), have)
		in.Ledger = tt.ledger
		p := diff.Compute(in)
		step, record := "", ""
		for _, s := range p.Steps {
			if s.Action == "rekey_external" {
				step += fmt.Sprintf("%s %s", s.Status, s.Guard)
			}
		}
		for _, n := range p.Slots {
			for _, r := range n.Records {
				record += string(r.Reason)
			}
		}
		if step != tt.want || record != tt.record {
			t.Errorf("%s: %q, %q, want %q, %q", tt.name, step, record, tt.want, tt.record)
		}
	}
}

// What became of an internal rekey shows in the keys of the SVM alone.
func TestRekeySettled(t *testing.T) {
	keys := func(ids ...string) *resource.KeyReport {
		r := &resource.KeyReport{}
		for _, id := range ids {
			for _, n := range []string{"n1", "n2"} {
				r.Keys = append(r.Keys, resource.HeldKey{Store: "akv-1", Node: n, ID: id, Type: "svm_kek", Restored: true})
			}
		}
		return r
	}
	for _, tt := range []struct {
		name   string
		before []string
		after  *resource.KeyReport
		age    time.Duration
		state  string
		want   string
		why    string
	}{
		{"others", []string{"k1"}, keys("k2"), time.Hour, "active", "applied", ""},
		{"one more", []string{"k1"}, keys("k1", "k2"), time.Hour, "active", "applied", "something has happened: it is not sent again"},
		{"the same", []string{"k1"}, keys("k1"), time.Hour, "active", "failed", "nothing has"},
		{"the same, at work", []string{"k1"}, keys("k1"), time.Hour, "svm_kek_rekey", "", "it may come"},
		{"the same, too soon", []string{"k1"}, keys("k1"), 30 * time.Second, "active", "", "the request may be on its way"},
		{"unread", []string{"k1"}, nil, time.Hour, "active", "", ""},
		{"unreadable", []string{"k1"}, &resource.KeyReport{Err: "no"}, time.Hour, "active", "", ""},
		{"unknown before", nil, keys("k2"), 1000 * time.Hour, "active", "", "a human has to look"},
		{"none ever", []string{}, keys(), 1000 * time.Hour, "active", "", "this release lists none"},
	} {
		in := input(nil, vaultFound(nil))
		in.Have.Rekeyed = tt.after
		in.Have.Stores = []resource.KeyStore{{UUID: "akv-1", SVM: "vs", Enabled: true, State: tt.state}}
		in.Ledger.Open = []plan.Operation{{ID: "7", Op: plan.Act, Action: "rekey_internal", Addr: vault, Repeat: resource.Never, Lost: true, Timed: true,
			At: now.Add(-tt.age), Before: tt.before}}
		p, got := diff.Compute(in), ""
		if len(p.Settled) > 0 {
			got = p.Settled[0].Outcome.String()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q: %s", tt.name, got, tt.want, tt.why)
		}
	}
}

// As many rekeys run in a cluster as its policy says; one that somebody has to see to counts, and is
// named.
func TestLimitRekeys(t *testing.T) {
	const line = "30 2 * * * UTC"
	other := func(o plan.Operation) plan.Operation {
		o.ID, o.Op, o.Action, o.Timed, o.At = "7", plan.Act, "rekey_internal", true, now.Add(-10*time.Minute)
		o.Addr, o.Repeat = resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "other"}, resource.Never
		return o
	}
	running := func(in *diff.Input) {
		in.Have.Jobs = []resource.Job{{UUID: "j1", State: "running"}}
	}
	for _, tt := range []struct {
		name string
		open plan.Operation
		max  int
		tune func(*diff.Input)
		want string
	}{
		{"one runs", other(plan.Operation{Job: "j1", Lost: true}), 0, running, "held window 1 may run at a time (policy.max_concurrent_rekeys): it waits for its turn"},
		{"two may", other(plan.Operation{Job: "j1", Lost: true}), 2, running, "ready  "},
		{"one is unknown", other(plan.Operation{Lost: true}), 0, nil,
			"held unsettled 1 may run at a time (policy.max_concurrent_rekeys), and what became of operation a/7 (rekey_internal of a/aws_kms/other, 2026-11-22T02:50:00Z) is not known; look at the cluster, then: kmagent operations resolve a/7 --outcome succeeded|failed"},
	} {
		in := input(vaultWanted(t, nightly), vaultFound(nil))
		in.Ledger = slots("rekey_internal", line, func(s *plan.Slots) { s.State.Seen = slotAt(line, now.Add(-30*time.Minute)) })
		in.Ledger.Open, in.Policy.MaxRekeys = []plan.Operation{tt.open}, tt.max
		if tt.tune != nil {
			tt.tune(&in)
		}
		p := diff.Compute(in)
		s := p.Steps[len(p.Steps)-1]
		if got := fmt.Sprintf("%s %s %s", s.Status, s.Guard, s.Reason); s.Action != "rekey_internal" || got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
