package ontapsim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var restoreDocumented = map[string][]int{"POST restore": {65536083, 65536843, 65536855, 65538500}}

const waited = "/restore?return_timeout=120"

var restoreProvocations = []provocation{
	{table: "POST restore", code: 65536083, setup: "m", more: authKeySetup, world: `{"missing_keys":{"node2":["*"]},"key_servers":{"ks1":{"node2":"not_responding"},"ks2":{"*":"refusing"}}}`, path: "{m}" + waited},
	{table: "POST restore", code: 65536843, setup: "m", path: "{m}/restore", body: `{"key_server":"ks9"}`},
	{table: "POST restore", code: 65536855, setup: "s", world: `{"volumes":{"svm1":{"encrypted":1}},"missing_keys":{"node1":["vek"]},"key_servers":{"ks1":{"*":"not_responding"},"ks2":{"*":"not_responding"}}}`, path: "{s}" + waited},
	{table: "POST restore", code: 65538500, setup: "m secondary", path: "{m}/restore", body: `{"key_server":"second:5696"}`},
}

func TestCodesOfRestore(t *testing.T) {
	checkCodes(t, restoreDocumented, nil, restoreProvocations)
}

// A restoration is a job without a Location, and has no effect before its end.
func TestRestoreIsAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		m := k.external("svm1", "ks1")
		k.world(`{"jobs":{"duration":"10s"},"volumes":{"svm1":{"encrypted":2}},"missing_keys":{"node2":["*"]}}`)
		missing := func() int { return len(k.column(m+"/keys/*/key-ids?restored=false", "key_id")) }
		resp, err := k.c.RoundTrip(k.request("POST", m+"/restore", ""))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 202 || resp.Header.Get("Location") != "" {
			t.Errorf("got %d with the location %q, want 202 without one", resp.StatusCode, resp.Header.Get("Location"))
		}
		if got := missing(); got != 3 {
			t.Errorf("before the end of the job: %d keys are missing, want 3", got)
		}
		time.Sleep(10 * time.Second)
		if got := missing(); got != 0 {
			t.Errorf("after it: %d keys are missing, want none", got)
		}
		if got := k.column("/api/cluster/jobs?fields=description,state", "description"); len(got) != 1 || got[0] != "POST "+m+"/restore" {
			t.Errorf("the job is described as %q", got)
		}
		if got := k.c.state.KeyManagers[0].Restores; got != 1 {
			t.Errorf("got %d restorations, want 1", got)
		}
	})
}

// What is chosen is restored, from where it can be reached; the rest stays missing.
func TestWhatIsRestored(t *testing.T) {
	cases := []struct {
		why, world, body string
		want             string
		left             int // records of keys that are still missing
	}{
		{"everything", `{}`, ``, "201", 0},
		{"one node", `{}`, `{"node":{"uuid":"N2"}}`, "201", 6},
		{"one key", `{}`, `{"key_id":"K"}`, "201", 8},
		{"one tag", `{}`, `{"key_tag":"T"}`, "201", 8},
		{"a tag that no key has", `{}`, `{"key_tag":"none"}`, "201", 12},
		{"one server, without its port", `{}`, `{"key_server":"ks1"}`, "201", 0},
		{"another server does as well", `{"key_servers":{"ks1":{"*":"not_responding"}}}`, ``, "201", 0},
		{"but not when one is named", `{"key_servers":{"ks1":{"*":"not_responding"}}}`, `{"key_server":"ks1:5696"}`, "400 65536855", 12},
		{"one node reaches no server: the other gets its keys", `{"key_servers":{"ks1":{"node2":"not_responding"},"ks2":{"node2":"not_responding"}}}`, ``, "400 65536855", 6},
		{"a job that fails restores nothing", `{"jobs":{"outcome":"failure","code":"65536855"}}`, ``, "400 65536855", 12},
		{"a node that does not exist", `{}`, `{"node":{"uuid":"00000000-0000-0000-0000-00000000dead"}}`, "404 4", 12},
		{"not a UUID", `{}`, `{"node":{"uuid":"node1"}}`, "400 262247", 12},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			k := newCaller(t, Config{})
			s := k.external("svm1", "ks1", "ks2")
			k.world(`{"volumes":{"svm1":{"encrypted":2}},"missing_keys":{"node1":["vek","svm_kek"],"node2":["*"]}}`)
			k.world(c.world)
			keys := k.c.keysOf(k.c.keyStore(k.c.state.KeyManagers[0].UUID))
			body := strings.NewReplacer("N2", k.c.state.Nodes[1].UUID, `"K"`, `"`+keys[0].id+`"`, `"T"`, `"`+keys[0].tag+`"`).Replace(c.body)
			if got := k.code("POST", s+waited, body); got != c.want {
				t.Errorf("%s: got %s, want %s", c.why, got, c.want)
			}
			if got := len(k.column(s+"/keys/*/key-ids?restored=false", "key_id")); got != c.left {
				t.Errorf("%s: %d records are missing, want %d", c.why, got, c.left)
			}
		})
	}
}

// What one manager restores does not hide what another still misses.
func TestRestoreLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{SVMs: []string{"a", "b"}})
		a, b := k.external("a", "ks1"), k.external("b", "ks1")
		k.world(`{"volumes":{"a":{"encrypted":1},"b":{"encrypted":1}},"missing_keys":{"node1":["vek"]}}`)
		k.must("POST", a+waited, "")
		for path, want := range map[string]int{a: 0, b: 1} {
			if got := len(k.column(path+"/keys/*/key-ids?restored=false", "key_id")); got != want {
				t.Errorf("%d keys are missing, want %d", got, want)
			}
		}
		if got := k.code("POST", managersPath+"/x/restore", ""); got != "404 4" {
			t.Errorf("no such manager: got %s, want 404 4", got)
		}
	})
}
