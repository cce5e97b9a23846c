package ontapsim

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// states are the key stores of the cluster, by type and name: their state when they are
// enabled, "-" when not.
func (k *caller) states() string {
	k.t.Helper()
	o := k.must("GET", security+"key-stores?fields=*", "")
	list, _ := o.list("records")
	var out []string
	for _, v := range list {
		typ, _ := v.(object).text("type")
		name, _ := v.(object).text("configuration.name")
		state, ok := v.(object).text("state")
		if !ok {
			state = "-"
		}
		out = append(out, typ+" "+name+" "+state)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// The admin SVM switches from the onboard key manager to an external one: both are there,
// the job decides when.
func TestSwitchOfTheAdminSVM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		made := map[string]string{}
		having("onboard", "inactive external")(k, made)
		k.must("GET", made["{i}"], "") // so that its text is kept
		k.world(`{"jobs":{"duration":"10s"}}`)
		if got := k.code("PATCH", made["{store of i}"], on); got != "202" {
			t.Fatalf("got %s, want 202", got)
		}
		if got, want := k.states(), "kmip two -, okm default switching"; got != want {
			t.Errorf("while the job runs: got %s, want %s", got, want)
		}
		time.Sleep(10 * time.Second)
		if got, want := k.states(), "kmip two active, okm default -"; got != want {
			t.Errorf("after the job: got %s, want %s", got, want)
		}
		if enabled, _ := k.must("GET", made["{i}"]+"?fields=enabled", "").truth("enabled"); !enabled {
			t.Error("key-managers shows the external key manager as inactive")
		}
		if got := k.code("DELETE", made["{store of o}"], ""); got != "200" {
			t.Errorf("removing what is inactive now: got %s, want 200", got)
		}
	})
}

// An interrupted switch leaves the key store switching, and the same PATCH again finishes it.
func TestInterruptedSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		made := map[string]string{}
		having("azure", "second")(k, made)
		k.world(`{"jobs":{"outcome":"stuck"}}`)
		k.must("PATCH", made["{store of second}"], on)
		time.Sleep(time.Minute)
		if got, want := k.states(), "akv default switching, akv two -"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := k.code("POST", made["{azure}"]+"/rekey-internal", ""); got != "400 65537610" {
			t.Errorf("a rekey meanwhile: got %s, want 400 65537610", got)
		}
		if got := k.code("DELETE", made["{store of second}"], ""); got != "400 65539593" {
			t.Errorf("a removal meanwhile: got %s, want 400 65539593", got)
		}
		k.world(`{"jobs":{"outcome":"success"}}`)
		if got := k.code("PATCH", made["{store of second}"]+waiting, on); got != "200" {
			t.Errorf("the same again: got %s, want 200", got)
		}
		if got, want := k.states(), "akv default -, akv two active"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestFailedSwitchChangesNothing(t *testing.T) {
	k := newCaller(t, Config{})
	made := map[string]string{}
	having("azure", "second")(k, made)
	k.world(`{"azure":{"svm1/two":{"reachable":false}}}`)
	if got := k.code("PATCH", made["{store of second}"]+waiting, on); got != "400 65537605" {
		t.Errorf("got %s, want 400 65537605", got)
	}
	if got, want := k.states(), "akv default active, akv two -"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// While an internal rekey runs, the key store says so.
func TestRekeyShowsInTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		azure := k.post(security+"azure-key-vaults", azureSVM)
		k.must("POST", azure+"/rekey-internal", "")
		if got, want := k.states(), "akv default svm_kek_rekey"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		time.Sleep(time.Second)
		if got, want := k.states(), "akv default active"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// kek is the IDs of the SVM's keys that key-ids lists below a configuration, in one word.
func (k *caller) kek(path string) string {
	k.t.Helper()
	ids := k.column(managersPath+path[strings.LastIndexByte(path, '/'):]+"/keys/*/key-ids?key_type=svm_kek&node.name=node1", "key_id")
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// The evidence that a rekey leaves behind when its answer is lost: an internal one that has
// come to its end makes another key of the SVM, and nothing else does.
func TestRekeyMakesAnotherKey(t *testing.T) {
	const (
		unnamed   = `{}`
		encrypted = `{"volumes":{"svm1":{"encrypted":2}}}`
		azureNext = `{"key_id":"https://v.vault.azure.net/keys/k/2"}`
	)
	for _, tt := range []struct {
		why, made, world, call, body string
		during                       string // what the world is while the call is made
		changes                      bool
	}{
		{"the world says nothing of volumes: there is a key", "azure", unnamed, "rekey-internal", "", unnamed, true},
		{"the key of encrypted volumes", "azure", encrypted, "rekey-internal", "", unnamed, true},
		{"AWS", "aws", encrypted, "rekey-internal", "", unnamed, true},
		{"Google", "gcp", encrypted, "rekey-internal", "", unnamed, true},
		{"Barbican", "stack on", encrypted, "rekey-internal", "", unnamed, true},
		{"a vault of the cluster", "admin", unnamed, "rekey-internal", "", unnamed, true},
		{"the cluster's own volumes", "admin", `{"volumes":{"cluster":{"encrypted":1}}}`, "rekey-internal", "", unnamed, true},
		{"the same key under another one", "azure", encrypted, "rekey-external", azureNext, unnamed, false},
		{"restored, not made", "azure", encrypted, "restore", "", unnamed, false},
		{"the job fails", "azure", encrypted, "rekey-internal", "", `{"jobs":{"outcome":"failure"}}`, false},
		{"the job never ends", "azure", encrypted, "rekey-internal", "", `{"jobs":{"outcome":"stuck"}}`, false},
		{"65539856: the new key is in force, though not on every node", "azure", encrypted, "rekey-internal", "", `{"azure":{"svm1":{"failing":{"node2":["restore"]}}}}`, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newCaller(t, Config{ONTAP: "9.17.1"})
			made := map[string]string{}
			having(tt.made)(k, made)
			path := made["{"+strings.Fields(strings.ReplaceAll(tt.made, "admin", "azure"))[0]+"}"]
			k.world(tt.world)
			k.world(`{"jobs":{"duration":"10s"}}`)
			k.world(tt.during)
			veks := func() int {
				return distinct(k.column(managersPath+path[strings.LastIndexByte(path, '/'):]+"/keys/*/key-ids?key_type=vek", "key_id"))
			}
			before, volumes := k.kek(path), veks()
			if len(strings.Fields(before)) != 1 {
				t.Fatalf("%s: the SVM has the keys %q, want one", tt.why, before)
			}
			if got := k.code("POST", path+"/"+tt.call, tt.body); got != "202" {
				t.Fatalf("%s: got %s, want 202", tt.why, got)
			}
			if got := k.kek(path); got != before {
				t.Errorf("%s: the key has changed before the job ended", tt.why)
			}
			if got, want := strings.Contains(k.states(), "svm_kek_rekey"), tt.call == "rekey-internal"; got != want {
				t.Errorf("%s: key stores are %s", tt.why, k.states())
			}
			time.Sleep(time.Minute)
			after := k.kek(path)
			if changed := after != before; changed != tt.changes || len(strings.Fields(after)) != 1 {
				t.Errorf("%s: the key was %s and is %s", tt.why, before, after)
			}
			if got := veks(); got != volumes {
				t.Errorf("%s: there were %d keys of volumes, and are %d", tt.why, volumes, got)
			}
			if got, want := strings.Contains(k.states(), "svm_kek_rekey"), strings.Contains(tt.during, "stuck"); got != want {
				t.Errorf("%s: after the job key stores are %s", tt.why, k.states())
			}
		})
	}
}

// Each rekey makes a key that was not there before, with the other configuration of the SVM too.
func TestNoKeyComesBack(t *testing.T) {
	k := newCaller(t, Config{})
	made := map[string]string{}
	having("azure", "second")(k, made)
	seen := map[string]bool{k.kek(made["{azure}"]): true}
	rekey := func(path string) {
		t.Helper()
		k.must("POST", path+"/rekey-internal"+waiting, "")
		id := k.kek(path)
		if seen[id] {
			t.Errorf("the key %s was there before", id)
		}
		seen[id] = true
	}
	rekey(made["{azure}"])
	rekey(made["{azure}"])
	k.must("PATCH", made["{store of second}"]+"?return_timeout=60", on)
	rekey(made["{second}"])
	if got := k.kek(made["{azure}"]); got != "" {
		t.Errorf("a configuration that is not enabled has the key %s", got)
	}
}

// There is a key exactly where there is something to rekey.
func TestNoKeyNoRekey(t *testing.T) {
	for _, tt := range []struct{ why, world, want string }{
		{"some volumes, for all that is known", `{}`, "201"},
		{"an encrypted volume", `{"volumes":{"svm1":{"encrypted":1}}}`, "201"},
		{"no encrypted volume", `{"volumes":{"svm1":{}}}`, "400 65537559"},
		{"no volume yet", `{"azure":{"svm1":{"kek":"not_created"}}}`, "400 65537559"},
		{"its keys are with the cluster", `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`, "400 65537547"},
	} {
		k := newCaller(t, Config{})
		made := map[string]string{}
		having("azure")(k, made)
		k.world(tt.world)
		before := k.kek(made["{azure}"])
		got := k.code("POST", made["{azure}"]+"/rekey-internal"+waiting, "")
		if got != tt.want || (before != "") != (tt.want == "201") {
			t.Errorf("%s: got %s with the key %q, want %s", tt.why, got, before, tt.want)
		}
	}
}

// An SVM has one enabled key manager, of whatever kind.
func TestOneKeyManagerPerSVM(t *testing.T) {
	tests := []struct{ first, path, body, want, why string }{
		{"azure", "key-managers", svmExternal, "400 65536823", "the vault manages the keys"},
		{"azure", "aws-kms", awsSVM, "400 65537910", "the vault manages the keys"},
		{"aws", "gcp-kms", gcpSVM, "400 65537720", "AWS manages the keys"},
		{"gcp", "azure-key-vaults", azureSVM, "400 65537500", "Google manages the keys"},
		{"policy", "azure-key-vaults", azureSVM, "400 65537500", "key servers manage the keys"},
		{"admin", "key-managers", newOnboard, "400 65539216", "the vault manages the keys of the cluster"},
		{"onboard", "azure-key-vaults", `{` + newAzure + `,"client_secret":"s"}`, "400 65537500", "the cluster has the onboard key manager"},
		{"onboard", "azure-key-vaults", azureSVM, "202", "an SVM beside the cluster"},
		{"admin", "aws-kms", awsSVM, "202", "an SVM beside the cluster"},
		{"stack", "aws-kms", awsSVM, "202", "an inactive configuration manages nothing"},
	}
	for _, tt := range tests {
		k := newCaller(t, Config{ONTAP: "9.17.1"})
		having(tt.first)(k, map[string]string{})
		if got := k.code("POST", security+tt.path, tt.body); got != tt.want {
			t.Errorf("%s, then %s: got %s, want %s: %s", tt.first, tt.path, got, tt.want, tt.why)
		}
	}
}

// Two jobs that make the key manager of one SVM: the second finds it taken.
func TestRaceForAnSVM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		k.must("POST", security+"azure-key-vaults", azureSVM)
		_, o := k.call("POST", security+"aws-kms", awsSVM)
		uuid, _ := o.text("job.uuid")
		time.Sleep(time.Second)
		o = k.must("GET", "/api/cluster/jobs/"+uuid, "")
		if code, _ := o.text("error.code"); code != "65537910" {
			t.Errorf("the second job ended with %q, want 65537910", code)
		}
	})
}

// An external key manager that has lost its servers is in key-stores, though not in
// key-managers.
func TestForgottenManagerIsAKeyStore(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("svm1", "ks1")
	k.must("DELETE", m+"/key-servers/ks1:5696", "")
	if got, want := k.states(), "kmip default active"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Up to 9.13 the list has another shape, and no record can be named.
func TestOlderKeyStores(t *testing.T) {
	k := newCaller(t, Config{ONTAP: "9.12.1"})
	azure := k.post(security+"azure-key-vaults", azureSVM)
	uuid := azure[strings.LastIndexByte(azure, '/')+1:]
	_, got := k.text("GET", security+"key-stores?fields=*", "")
	want := `{"records":[{"uuid":"` + uuid + `","keystore":{"type":"akv"},"location":"external","svm":{"uuid":"` + k.c.state.SVMs[0].UUID + `","name":"svm1"}}],"num_records":1}`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := k.code("GET", store(azure), ""); got != "404 3" {
		t.Errorf("got %s, want 404 3", got)
	}
}
