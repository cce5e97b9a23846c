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
