package diff_test

import (
	"strings"
	"testing"
	"time"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// What became of an operation without an answer is told by its job, by the object or by a
// human, and by nothing else. What is not known holds its scope, and is not sent again.
func TestSettle(t *testing.T) {
	vault := resource.Addr{Cluster: "a", Kind: "azure_key_vault", SVM: "vs"}
	okm := resource.Addr{Cluster: "a", Kind: "key_manager"}
	server := resource.Addr{Cluster: "a", Kind: "key_server", SVM: "vs", Name: "ks1:5696"}
	keyID := resource.Str("https://v.vault.azure.net/keys/k/2")
	rekey := plan.Operation{Op: plan.Act, Action: "rekey_external", Addr: vault, Repeat: resource.Converges, Request: "POST /api/x",
		Wishes: []plan.Wish{{Field: "key_id", Value: diff.WishOf(keyID)}}, Lost: true}
	passphrase := plan.Operation{Op: plan.Update, Addr: okm, Repeat: resource.Never, Lost: true, Request: "PATCH /api/okm",
		Wishes: []plan.Wish{{Field: "onboard.passphrase", Value: "d2"}}, Offered: map[string]string{"onboard.passphrase": "d2"}}
	cutOff := passphrase
	cutOff.Lost = false
	enable := plan.Operation{Op: plan.Act, Action: "enable", Addr: vault, Repeat: resource.Never, Lost: true,
		Wishes: []plan.Wish{{Field: "enabled", Value: diff.WishOf(resource.Bool(true))}}}
	at := func(o plan.Operation, age time.Duration) plan.Operation { o.ID, o.At = "7", now.Add(-age); return o }
	withJob := func(o plan.Operation) plan.Operation { o.Job = "j1"; return o }
	doubted := func(o plan.Operation, why string) plan.Operation { o.Lost, o.Doubt = true, why; return o }
	halfway := func(code string) string { return "unknown: " + plan.HalfwayWhy(code) }
	internal := plan.Operation{Op: plan.Act, Action: "rekey_internal", Addr: vault, Repeat: resource.Never, Timed: true, Before: []string{"k1"}}
	half := doubted(withJob(internal), plan.HalfwayWhy("65539856"))
	half.Code = "65539856"
	lostRekey := rekey
	lostRekey.Timed = true
	job := func(state, code string) func(*resource.Cluster) {
		return func(c *resource.Cluster) { c.Jobs = []resource.Job{{UUID: "j1", State: state, Code: code}} }
	}
	byWork := func(state string, start time.Duration) func(*resource.Cluster) {
		return func(c *resource.Cluster) {
			c.Jobs = []resource.Job{{UUID: "j2", Description: "POST /api/x", State: state, Start: now.Add(start)}}
		}
	}
	byWorks := func(states ...string) func(*resource.Cluster) {
		return func(c *resource.Cluster) {
			var works []resource.Job
			for _, state := range states {
				byWork(state, 0)(c)
				works = append(works, c.Jobs...)
			}
			c.Jobs = works
		}
	}
	create := plan.Operation{Op: plan.Create, Addr: vault, Request: "POST /api/x"}
	follows := func(c *resource.Cluster) {
		c.Objects[vault] = resource.NewObject(resource.Azure, vault)
		c.Jobs = []resource.Job{{UUID: "j1", State: "success"}, {UUID: "j3", Description: "PATCH /api/x/x-1", State: "running", Start: now.Add(-time.Minute)}}
	}
	patch := plan.Operation{Op: plan.Update, Addr: vault, Request: "POST /api/x"}
	has := func(a resource.Addr, k *resource.Kind, field string, v resource.Value) func(*resource.Cluster) {
		return func(c *resource.Cluster) {
			o := resource.NewObject(k, a)
			o.ID = "x-1"
			if field != "" {
				set(o, field, v)
			}
			c.Objects[a] = o
		}
	}
	for _, tt := range []struct {
		name  string
		op    plan.Operation
		world func(*resource.Cluster)
		want  string // how it was settled; empty: it stays open
		why   string
	}{
		{"sender cut off", at(cutOff, 2*time.Minute), nil, "unknown: ", "whoever sent it would know by now"},
		{"sender at it", at(cutOff, 10*time.Second), nil, "", "it may be the service, seen from beside it"},
		{"a create that is there", at(plan.Operation{Op: plan.Create, Addr: vault}, time.Second), has(vault, resource.Azure, "", resource.Value{}), "applied", "a complete read shows it"},
		{"a create that is not there", at(plan.Operation{Op: plan.Create, Addr: vault}, time.Second), nil, "failed", "a duplicate would be refused, so it may be sent again"},
		{"a removal that is done", at(plan.Operation{Op: plan.Delete, Addr: server}, time.Second), nil, "applied", "it is not in a complete list"},
		{"a PATCH of fields", at(plan.Operation{Op: plan.Update, Addr: server}, time.Second), nil, "failed", "it is declarative: the plan compares"},
		{"a rekey that is seen", at(rekey, time.Second), has(vault, resource.Azure, "key_id", keyID), "applied", "the key is the wanted one"},
		{"a rekey, seen in another spelling", at(rekey, time.Second), has(vault, resource.Azure, "key_id", resource.Str("https://V.vault.azure.net:443/keys/k/2")), "applied", "two spellings, one key"},
		{"a rekey that is not seen", at(rekey, 59*time.Minute), has(vault, resource.Azure, "key_id", resource.Str("https://v.vault.azure.net/keys/k/1")), "", "it may be under way"},
		{"a rekey that is not seen for an hour", at(rekey, time.Hour), has(vault, resource.Azure, "key_id", resource.Str("https://v.vault.azure.net/keys/k/1")), "failed", "it converges, and nothing takes so long"},
		{"a job that runs", at(withJob(rekey), 3*time.Hour), job("running", ""), "", "whatever the hour"},
		{"a job that is paused", at(withJob(rekey), time.Minute), job("paused", ""), "", "paused is no end"},
		{"a job with another word", at(withJob(rekey), time.Minute), job("done", ""), "", "only success is success"},
		{"a job that succeeded", at(withJob(passphrase), time.Minute), job("success", ""), "applied", "it owned the change"},
		{"a job that failed", at(withJob(rekey), time.Minute), job("failure", "65537556"), "failed 65537556", "with its code"},
		{"a job that is forgotten", at(withJob(rekey), time.Hour), nil, "unknown: the cluster does not know its job any more", "gone says nothing, and it converges only where no job took it on"},
		{"a job that is forgotten, and was said to be", at(doubted(withJob(rekey), "the cluster does not know its job any more"), 2*time.Hour), nil, "", "it is told once"},
		{"a job that is forgotten, its work seen", at(doubted(withJob(rekey), "the cluster does not know its job any more"), time.Hour), has(vault, resource.Azure, "key_id", keyID), "applied", "evidence counts whenever it comes"},
		{"a job that is not listed yet", at(withJob(rekey), time.Second), nil, "", "the cluster has just taken it on"},
		{"a job that does not end", at(withJob(rekey), 12*time.Hour), job("running", ""), "unknown: its job has not ended within 12 hours", "a human has to look"},
		{"a job that does not end, and was said so", at(doubted(withJob(rekey), "its job has not ended within 12 hours"), 13*time.Hour), job("running", ""), "", "it is told once"},
		{"a job that ends after all", at(doubted(withJob(rekey), "its job has not ended within 12 hours"), 13*time.Hour), job("success", ""), "applied", "it owned the change"},
		{"a job that fails after all", at(doubted(withJob(rekey), "its job has not ended within 12 hours"), 13*time.Hour), job("failure", "65537556"), "failed 65537556", "with its code"},
		{"a job paused for ever", at(withJob(internal), 12*time.Hour), job("paused", ""), "unknown: its job has not ended within 12 hours", "paused is no end, nor is it under way"},
		{"a job without a state", at(withJob(internal), 12*time.Hour), job("", ""), "unknown: its job has not ended within 12 hours", "nothing is no end"},
		{"an external rekey of some nodes", at(withJob(internal), time.Minute), job("failure", "65537729"), halfway("65537729"), "F84: nothing goes on top of it"},
		{"an internal rekey of some nodes", at(withJob(internal), time.Minute), job("failure", "65539856"), halfway("65539856"), ""},
		{"the same, later", at(half, 1000*time.Hour), job("failure", "65539856"), "", "neither time nor the job"},
		{"the same, later, with other keys", at(half, 1000*time.Hour), has(vault, resource.Azure, "key_id", keyID), "", "nor the object: only a human"},
		{"a half rekey found by what it does", at(lostRekey, time.Minute), func(c *resource.Cluster) {
			byWork("failure", 0)(c)
			c.Jobs[0].Code = "65537919"
		}, halfway("65537919"), "the answer with its UUID was lost"},
		{"a restore of some nodes", at(withJob(plan.Operation{Op: plan.Act, Action: "restore", Addr: vault}), time.Minute), job("failure", "65537515"), "failed 65537515", "it may be repeated"},
		{"a job found by what it does", at(rekey, time.Minute), byWork("success", -59*time.Second), "applied", "the answer with its UUID was lost"},
		{"a job of another day", at(rekey, time.Minute), byWork("success", -time.Hour), "", "it is not ours"},
		{"a create whose job succeeded", at(withJob(plan.Operation{Op: plan.Create, Addr: vault}), time.Minute), job("success", ""), "failed", "success without the object is none"},
		{"a create under way as a job", at(create, time.Second), byWork("running", -time.Second), "", "the answer with its UUID was lost: another POST would be a second one"},
		{"a create under way, one like it done", at(create, time.Second), byWorks("success", "queued"), "", "that one may be another SVM's"},
		{"a create whose job is done", at(create, time.Second), byWork("success", -time.Second), "failed", "what was read since shows no object"},
		{"a create, the job of another day", at(create, time.Second), byWork("running", -time.Hour), "failed", "it is not ours"},
		{"a create under way with what follows it", at(create, 10*time.Minute), follows, "", "the fields that a POST does not take are on their way"},
		{"the same, its own job known", at(withJob(create), 10*time.Minute), follows, "", "that was the one of the POST"},
		{"a PATCH under way as a job", at(patch, time.Second), byWork("running", -time.Second), "", "it would be sent a second time beside it"},
		{"a PATCH whose job is done", at(patch, time.Second), byWork("success", -time.Second), "failed", "the job may be of the PATCH before, and the plan compares"},
		{"a passphrase", at(passphrase, 1000*time.Hour), has(okm, resource.Onboard, "", resource.Value{}), "", "nothing shows it, however long ago"},
		{"a switch that is seen", at(enable, time.Minute), has(vault, resource.Azure, "enabled", resource.Bool(true)), "applied", "it is in use"},
		{"a switch that is not seen", at(enable, 1000*time.Hour), has(vault, resource.Azure, "enabled", resource.Bool(false)), "", "a human has to look"},
	} {
		have := found()
		if tt.world != nil {
			tt.world(have)
		}
		in := input(nil, have)
		in.Ledger.Open = []plan.Operation{tt.op}
		p := diff.Compute(in)
		got := ""
		if len(p.Settled) > 0 {
			got = strings.TrimSpace(p.Settled[0].Outcome.String() + " " + p.Settled[0].Code)
			if p.Settled[0].Outcome == plan.Unknown {
				got = "unknown: " + p.Settled[0].Why
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q: %s", tt.name, got, tt.want, tt.why)
		}
	}
}

// A human is believed, about an operation that set out before he spoke.
func TestResolved(t *testing.T) {
	okm := resource.Addr{Cluster: "a", Kind: "key_manager"}
	op := plan.Operation{ID: "7", Op: plan.Update, Addr: okm, Repeat: resource.Never, At: now.Add(-time.Hour), Lost: true,
		Offered: map[string]string{"onboard.passphrase": "d2"}}
	for _, tt := range []struct {
		name string
		said plan.Resolution
		want string // the digest that is known afterwards; "open" if the operation is still
		why  string
	}{
		{"succeeded", plan.Resolution{Given: plan.Given{At: now}, Operation: "a/7", Outcome: "applied"}, "d2", "what was offered is in place"},
		{"failed", plan.Resolution{Given: plan.Given{At: now}, Operation: "a/7", Outcome: "failed"}, "d1", "what was before still is"},
		{"another one", plan.Resolution{Given: plan.Given{At: now}, Operation: "a/8", Outcome: "applied"}, "open", ""},
		{"said before it set out", plan.Resolution{Given: plan.Given{At: now.Add(-2 * time.Hour)}, Operation: "a/7", Outcome: "applied"}, "open", "a journal that begins anew gives numbers again"},
	} {
		in := input(nil, found())
		in.Ledger = plan.Ledger{Open: []plan.Operation{op}, Objects: map[resource.Addr]plan.Remembered{okm: {Secrets: map[string]string{"onboard.passphrase": "d1"}}}}
		in.Standing.Resolved = []plan.Resolution{tt.said}
		p := diff.Compute(in)
		led := in.Ledger.Clone()
		for _, s := range p.Settled {
			led.End(s.Op.ID, s.End)
		}
		got := led.Objects[okm].Secrets["onboard.passphrase"]
		if len(led.Open) > 0 {
			got = "open"
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q: %s", tt.name, got, tt.want, tt.why)
		}
		if in.Ledger.Objects[okm].Secrets["onboard.passphrase"] != "d1" || len(in.Ledger.Open) != 1 {
			t.Errorf("%s: the decision changed the ledger that it was given", tt.name)
		}
	}
}

// An operation of which no end is known holds its scope, and no other.
func TestUnsettledHoldsItsScope(t *testing.T) {
	op := plan.Operation{ID: "7", Op: plan.Act, Action: "enable", Addr: resource.Addr{Cluster: "a", Kind: "azure_key_vault", SVM: "other"},
		Repeat: resource.Never, At: now.Add(-time.Hour), Lost: true}
	file := manager("{server: ks1, timeout: 30}", "{server: ks2}")
	for _, tt := range []struct{ svm, want string }{
		{"vs", "held"}, {"other", "ready"}, {"", "ready"},
	} {
		in := input(wanted(t, file), found(server{name: "ks1"}, server{name: "ks2"}))
		op.Addr.SVM = tt.svm
		in.Ledger.Open = []plan.Operation{op}
		p := diff.Compute(in)
		if len(p.Steps) != 1 || p.Steps[0].Status.String() != tt.want {
			t.Errorf("unknown in %q: %s", tt.svm, short(p))
		}
		if tt.want == "held" && !strings.Contains(p.Steps[0].Reason, "kmagent operations resolve a/7 --outcome succeeded|failed") {
			t.Errorf("the reason has no way out: %s", p.Steps[0].Reason)
		}
	}
}
