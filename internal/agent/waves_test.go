package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/state"
)

// vaults is a file of clusters c1, c2, … that are rekeyed at the same slot.
func vaults(clusters int, policy string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\ndefaults: {auth: {basic: {username: admin, password: cred:login}}, policy: {%s}}\nclusters:\n", policy)
	for i := range clusters {
		fmt.Fprintf(&b, "  - {name: c%[1]d, endpoint: https://c%[1]d, azure_key_vaults: [{svm: vs1, name: 'https://v.vault.azure.net/', key_id: 'https://v.vault.azure.net/keys/k/1', client_id: a, tenant_id: d, client_secret: cred:kmip, rekey_internal: {schedule: '0 1 * * *', window: 3h}}]}\n", i+1)
	}
	return b.String()
}

// A fleet is the agent of so many clusters, which have their vaults, and whose slot comes at one.
func (w *world) vaults(clusters, atOnce int, policy string) {
	w.fleet.Rekeys = NewRekeys(atOnce)
	w.fleet.Known = func(name string) (plan.Ledger, error) { return state.Read(w.dir, name) }
	w.start(stateDir(w.t.(*testing.T)))
	w.src.set(vaults(clusters, policy), nil)
	after(30 * time.Minute)
	for i := range clusters {
		w.call(fmt.Sprintf("c%d", i+1), "PATCH", "/sim/world", `{"jobs":{"duration":"4m"}}`)
	}
}

// rekeyed returns when each cluster began a rekey, in order, from the hour of the slot on.
func (w *world) rekeyed(clusters int) []time.Duration {
	w.t.Helper()
	slot := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
	var out []time.Duration
	for i := range clusters {
		list, _ := w.requests(fmt.Sprintf("c%d", i+1), 0)
		for _, r := range list {
			if strings.HasSuffix(r.Path, "/rekey-internal") {
				out = append(out, r.At.Sub(slot))
			}
		}
	}
	slices.Sort(out)
	return out
}

// sizes groups beginnings that lie close together.
func sizes(begun []time.Duration) []int {
	var out []int
	for i, at := range begun {
		if i > 0 && at-begun[i-1] < time.Minute {
			out[len(out)-1]++
			continue
		}
		out = append(out, 1)
	}
	return out
}

// A slot that a fleet shares is taken by a canary, and then by ever more, each wave once the one
// before has succeeded.
func TestWaves(t *testing.T) {
	for _, tt := range []struct {
		name, policy string
		clusters     int
		atOnce       int
		want         []int
		why          string
	}{
		{"as documented", "waves: [1, 5%, 25%, 100%]", 40, 100, []int{1, 1, 8, 30}, "1, 5%, 25%, 100%"},
		{"of two", "waves: [1, 5%, 25%, 100%]", 2, 100, []int{1, 1}, "the second waits for the first"},
		{"without", "", 6, 100, []int{6}, "all at once"},
		{"all at once", "waves: [100%]", 6, 100, []int{6}, ""},
		{"few at a time", "", 6, 4, []int{4, 2}, "whoever waits for room is woken when there is some"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, tt.clusters, func(t *testing.T, w *world) {
				w.vaults(tt.clusters, tt.atOnce, tt.policy)
				after(90 * time.Minute)
				begun := w.rekeyed(tt.clusters)
				if got := sizes(begun); !slices.Equal(got, tt.want) {
					t.Errorf("waves of %v, want %v: %s\n%v", got, tt.want, tt.why, begun)
				}
				w.stop()
			})
		})
	}
}

// The first that fails ends the slot for all who have not begun, over a restart too; what it was
// is told. Once somebody has taken it by hand, the others go on.
func TestWavesEnd(t *testing.T) {
	const clusters = 8
	simulate(t, clusters, func(t *testing.T, w *world) {
		w.vaults(clusters, 100, "waves: [1, 50%, 100%]")
		for i := range clusters {
			w.call(fmt.Sprintf("c%d", i+1), "PATCH", "/sim/world", `{"jobs":{"duration":"4m","outcome":"failure","code":"65537551"}}`)
		}
		after(31 * time.Minute) // one minute into the slot
		if n := len(w.rekeyed(clusters)); n != 1 {
			t.Fatalf("%d canaries", n)
		}
		for i := range clusters {
			w.call(fmt.Sprintf("c%d", i+1), "PATCH", "/sim/world", `{"jobs":{"duration":"4m","outcome":"success"}}`)
		}
		after(20 * time.Minute)
		if n := len(w.rekeyed(clusters)); n != 1 {
			t.Errorf("after the canary has failed %d have begun", n)
		}
		w.stop()
		w.fleet = w.agent()
		w.fleet.Rekeys, w.fleet.Known = NewRekeys(100), func(name string) (plan.Ledger, error) { return state.Read(w.dir, name) }
		w.start(w.dir)
		w.src.set(vaults(clusters, "waves: [1, 50%, 100%]"), nil)
		after(20 * time.Minute)
		if n := len(w.rekeyed(clusters)); n != 1 {
			t.Errorf("after a restart %d have begun", n)
		}
		canary, held := "", 0
		for i := range clusters {
			p := w.passesOf(fmt.Sprintf("c%d", i+1))
			last := p[len(p)-1]
			if s := last.Ledger.Objects[w.vault(i)].Slots["rekey_internal"]; s.Outcome == "failed" {
				canary = last.Cluster
			}
			for _, s := range last.Plan.Steps {
				if strings.HasPrefix(s.Reason, "at this slot it has failed for c") && s.Status == plan.Held {
					held++
				}
			}
		}
		if canary == "" || held != clusters-1 {
			t.Fatalf("the canary is %q, and %d are held", canary, held)
		}
		orders := state.Orders{Dir: w.dir}
		now := time.Now()
		if _, err := orders.Ask(plan.Ask{Given: plan.Given{At: now, Until: now.Add(time.Hour), By: "test", Reason: "it is seen to"}, Object: canary + "/azure_key_vault/vs1", Action: "rekey_internal"}); err != nil {
			t.Fatal(err)
		}
		w.fleet.Wake()
		after(90 * time.Minute)
		if begun := w.rekeyed(clusters); len(begun) != clusters+1 {
			t.Errorf("once it was seen to, %d have begun: %v", len(begun), begun)
		}
		w.stop()
	})
}

func (w *world) vault(i int) resource.Addr {
	return resource.Addr{Cluster: fmt.Sprintf("c%d", i+1), SVM: "vs1", Kind: "azure_key_vault"}
}

// A rekey has succeeded once it was looked at: while a node lacks keys or is away the others wait.
func TestWavesVerify(t *testing.T) {
	const clusters = 4
	for _, tt := range []struct{ name, bad, good, flaw string }{
		{"keys", `{"volumes":{"vs1":{"encrypted":1}},"missing_keys":{"node2":["*"]}}`, `{"missing_keys":{"node2":[]}}`, "node2 lacks "},
		{"node", `{"nodes":{"node2":{"state":"down"}}}`, `{"nodes":{"node2":{"state":"up"}}}`, "node2 is away"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, clusters, func(t *testing.T, w *world) {
				w.vaults(clusters, 100, "waves: [1, 100%]")
				after(32 * time.Minute) // the canary is under way
				canary := -1
				for i := range clusters {
					if list, _ := w.requests(fmt.Sprintf("c%d", i+1), 0); slices.ContainsFunc(list, func(r request) bool { return strings.HasSuffix(r.Path, "/rekey-internal") }) {
						canary = i
					}
				}
				name := fmt.Sprintf("c%d", canary+1)
				w.call(name, "PATCH", "/sim/world", tt.bad)
				after(40 * time.Minute)
				if n := len(w.rekeyed(clusters)); n != 1 {
					t.Fatalf("%d have begun", n)
				}
				p := w.passesOf(name)
				last := p[len(p)-1]
				if s := last.Ledger.Objects[w.vault(canary)].Slots["rekey_internal"]; s.Outcome != "applied" || !s.Unverified("rekey_internal") || !strings.Contains(last.Plan.Turns[0].Flaw, tt.flaw) {
					t.Errorf("the canary is %q, %q", s.Outcome, last.Plan.Turns[0].Flaw)
				}
				if n := w.log.count("event=slot.unverified"); n != 1 {
					t.Errorf("told %d times", n)
				}
				w.call(name, "PATCH", "/sim/world", tt.good)
				after(time.Hour)
				if begun := w.rekeyed(clusters); len(begun) != clusters {
					t.Errorf("once all is well %d have begun", len(begun))
				}
				w.stop()
			})
		})
	}
}
