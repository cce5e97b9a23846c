package diff_test

import (
	"testing"
	"time"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// After a rekey has succeeded a look says whether all is well with it, once, and as long as
// somebody may wait for that.
func TestVerify(t *testing.T) {
	const line = "30 2 * * * UTC"
	done := func(s *plan.Slots) {
		s.State.Last = slotAt(line, now.Add(-30*time.Minute))
		s.State.LastStart, s.Ended, s.Succeeded, s.Outcome = now.Add(-20*time.Minute), now.Add(-10*time.Minute), now.Add(-10*time.Minute), "applied"
		s.KeysAt = now
	}
	held := func(restored bool) *resource.KeyReport {
		return &resource.KeyReport{Keys: []resource.HeldKey{{Store: "akv-1", Node: "n1", ID: "k1", Type: "svm_kek", User: "vs", Restored: restored}}}
	}
	for _, tt := range []struct {
		name   string
		action string
		change func(*plan.Slots)
		tune   func(*diff.Input)
		want   string // the flaw, or "verified"
		wants  bool   // something is to be read
		why    string
	}{
		{"well", "rekey_internal", nil, nil, "verified", false, ""},
		{"before", "rekey_internal", func(s *plan.Slots) { s.Verified = now.Add(-time.Minute) }, nil, "", false, "once is enough"},
		{"failed", "rekey_internal", func(s *plan.Slots) { s.Succeeded = time.Time{} }, nil, "", false, "there is nothing to verify"},
		{"long ago", "rekey_internal", nil, func(in *diff.Input) {
			in.Now, in.Have.At, in.Have.Health = now.Add(2*time.Hour), now.Add(2*time.Hour), false
		}, "", false, "the window is over: nobody waits"},
		{"long ago, with a flaw", "rekey_internal", func(s *plan.Slots) { s.Flaw = "n2 is away" }, func(in *diff.Input) {
			in.Now, in.Have.At, in.Have.Health = now.Add(2*time.Hour), now.Add(2*time.Hour), false
		}, "n2 is away", false, "what was found last stays"},
		{"long ago, and read anyway", "rekey_internal", func(s *plan.Slots) { s.Flaw = "n2 is away" }, func(in *diff.Input) {
			in.Now, in.Have.At = now.Add(2*time.Hour), now.Add(2*time.Hour)
		}, "verified", false, ""},
		{"seen before", "rekey_internal", func(s *plan.Slots) { s.Succeeded = now.Add(time.Second) }, nil, "", false, "the look is of before its end"},
		{"health unread", "rekey_internal", nil, func(in *diff.Input) { in.Have.Health = false }, "", true, ""},
		{"keys unread", "rekey_internal", nil, func(in *diff.Input) { in.Have.Keys = nil }, "", true, ""},
		{"other keys read", "rekey_internal", nil, func(in *diff.Input) { in.Have.Keys.Stores = []string{"another"} }, "", true, "of another SVM"},
		{"keys unreadable", "rekey_internal", nil, func(in *diff.Input) { in.Have.Keys = &resource.KeyReport{Err: "no"} }, "which keys the nodes have could not be read", false, ""},
		{"keys there", "rekey_internal", nil, func(in *diff.Input) { in.Have.Keys = held(true) }, "verified", false, ""},
		{"keys missing", "rekey_internal", nil, func(in *diff.Input) { in.Have.Keys = held(false) }, "n1 lacks 1 keys of this scope", false, ""},
		{"other keys than before", "rekey_internal", func(s *plan.Slots) { s.Replaced = []string{"k0"} }, func(in *diff.Input) { in.Have.Keys = held(true) }, "verified", false, ""},
		{"the same keys as before", "rekey_internal", func(s *plan.Slots) { s.Replaced = []string{"k1"} }, func(in *diff.Input) { in.Have.Keys = held(true) },
			"the SVM has the keys that it had before", false, "its job succeeded all the same"},
		{"service away", "rekey_internal", nil, func(in *diff.Input) {
			set(in.Have.Find(vault), "azure_reachability", resource.ReachValue(resource.Reach{}))
		}, "the key service is not reachable from the cluster", false, ""},
		{"node away", "rekey_internal", nil, func(in *diff.Input) { in.Have.Nodes[1].State = "down" }, "n2 is away", false, "nobody knows what it has"},
		{"as asked", "rekey_external", func(s *plan.Slots) { made(s, "https://v.vault.azure.net/keys/k/1"); done(s) }, nil, "verified", false, ""},
		{"not as asked", "rekey_external", func(s *plan.Slots) { made(s, "https://v.vault.azure.net/keys/k/1"); done(s) }, func(in *diff.Input) {
			set(in.Have.Find(vault), "key_id", resource.Str("https://v.vault.azure.net/keys/k/0"))
		}, "key_id is not what was asked for", false, "its job succeeded all the same"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(vaultWanted(t, app+tt.action+`: {schedule: "30 2 * * *", window: 2h, min_interval: 1h}`), vaultFound(nil))
			in.Ledger = slots(tt.action, line, func(s *plan.Slots) {
				if done(s); tt.change != nil {
					tt.change(s)
				}
			})
			if tt.tune != nil {
				tt.tune(&in)
			}
			p := diff.Compute(in)
			got := p.Turns[0].Flaw
			for _, n := range p.Slots {
				if !n.Verified.IsZero() {
					got += "verified"
				}
			}
			if wants := p.WantsHealth || len(p.WantsKeys) > 0; got != tt.want || wants != tt.wants {
				t.Errorf("%q, wants more: %v; want %q, %v: %s", got, wants, tt.want, tt.wants, tt.why)
			}
		})
	}
}

// What has failed, and is there all the same, is done: nobody has to take it again.
func TestMended(t *testing.T) {
	const line = "30 2 * * * UTC"
	for _, tt := range []struct {
		name, action, key string // on the cluster
		want              bool
		why               string
	}{
		{"as it was to be", "rekey_external", "https://v.vault.azure.net/keys/k/1", true, "somebody did it by hand"},
		{"not yet", "rekey_external", "https://v.vault.azure.net/keys/k/0", false, ""},
		{"does not show", "rekey_internal", "https://v.vault.azure.net/keys/k/1", false, "no key tells"},
	} {
		in := input(vaultWanted(t, app+tt.action+`: {schedule: "30 2 * * *", window: 2h, min_interval: 1h}`), vaultFound(map[string]resource.Value{"key_id": resource.Str(tt.key)}))
		in.Ledger = slots(tt.action, line, func(s *plan.Slots) {
			if tt.action == "rekey_external" {
				made(s, "https://v.vault.azure.net/keys/k/1")
			}
			s.State.Last, s.State.LastStart = slotAt(line, now.Add(-30*time.Minute)), now.Add(-20*time.Minute)
			s.Ended, s.Outcome, s.Succeeded = now.Add(-10*time.Minute), "failed", time.Time{}
		})
		mended := false
		for _, n := range diff.Compute(in).Slots {
			mended = mended || !n.Mended.IsZero()
		}
		if mended != tt.want {
			t.Errorf("%s: %v, want %v: %s", tt.name, mended, tt.want, tt.why)
		}
	}
}
