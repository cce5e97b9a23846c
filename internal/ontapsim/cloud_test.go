package ontapsim

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// The world of the contract is taken literally, volumes and all.
func TestWorldOfClouds(t *testing.T) {
	k := newCaller(t, Config{SVMs: []string{"vs_hr"}})
	k.world(`{"azure":{"vs_hr":{"reachable":false}},"jobs":{"duration":"3s","outcome":"stuck"},"volumes":{"vs_hr":{"encrypted":3}}}`)
	if m, ok := k.c.state.World.Azure["vs_hr"]; !ok || m.Reachable == nil || *m.Reachable {
		t.Error("the vault is reachable")
	}
	for world, want := range map[string]string{
		`{"azure":{"s":{"kek":"lost"}}}`:              `azure: s: kek: "lost" is not one of available, not_created, disabled, missing`,
		`{"gcp":{"s":{"failing":{"node1":["all"]}}}}`: `gcp: s: failing: node1: "all" is not one of service, ekmip, kek, rekey, restore`,
		`{"azure":{"s":{"state_flag":"cluster"}}}`:    `azure: s: state_flag: "cluster" is not one of available, cluster_state`,
		`{"key_stores":{"s":"gone"}}`:                 `key_stores: s: "gone" is not one of active, mixed, svm_kek_rekey, blocked, switching, initializing, disabling`,
		`{"aws":{"s":{"reached":true}}}`:              `world: json: unknown field "reached"`,
	} {
		if err := k.c.Set(world); err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", world, err, want)
		}
	}
}

// A job changes nothing before it succeeds, and nothing when it does not.
func TestCloudJobs(t *testing.T) {
	tests := []struct {
		outcome  string
		state    string
		internal int
		keyID    string
		why      string
	}{
		{"success", "success", 1, "https://v.vault.azure.net/keys/k/2", "both rekeys are done"},
		{"failure", "failure", 0, "https://v.vault.azure.net/keys/k/1", "a job that fails has no effect"},
		{"stuck", "running", 0, "https://v.vault.azure.net/keys/k/1", "a job that never ends has none"},
	}
	for _, tt := range tests {
		t.Run(tt.outcome, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newCaller(t, Config{})
				azure := k.post(security+"azure-key-vaults", azureSVM)
				k.world(`{"jobs":{"duration":"3s","outcome":"` + tt.outcome + `"}}`)
				var jobs []string
				for path, body := range map[string]string{"/rekey-internal": "", "/rekey-external": nextKey} {
					status, o := k.call("POST", azure+path, body)
					if status != 202 {
						t.Fatalf("%s: got %d, want 202", path, status)
					}
					uuid, _ := o.text("job.uuid")
					jobs = append(jobs, uuid)
					o = k.must("GET", "/api/cluster/jobs/"+uuid, "")
					if got, _ := o.text("description"); got != "POST "+azure+path {
						t.Errorf("the job is %q", got)
					}
				}
				time.Sleep(2 * time.Second)
				if m := k.c.state.CloudKMS[0]; m.RekeyedInternal+m.RekeyedExternal > 0 {
					t.Error("rekeyed before the jobs ended")
				}
				time.Sleep(2 * time.Second)
				for _, uuid := range jobs {
					if got, _ := k.must("GET", "/api/cluster/jobs/"+uuid, "").text("state"); got != tt.state {
						t.Errorf("the job is %s, want %s", got, tt.state)
					}
				}
				m := k.c.state.CloudKMS[0]
				if got, _ := m.Fields.text("key_id"); got != tt.keyID || m.RekeyedInternal != tt.internal || m.RekeyedExternal != tt.internal {
					t.Errorf("got %d, %d, %s: %s", m.RekeyedInternal, m.RekeyedExternal, got, tt.why)
				}
			})
		})
	}
}

// The record is at its Location when the job has made it, and nowhere before.
func TestCloudLocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		resp, err := k.c.RoundTrip(k.request("POST", security+"azure-key-vaults", azureSVM))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		location := resp.Header.Get("Location")
		if resp.StatusCode != 202 || !strings.HasPrefix(location, security+"azure-key-vaults/") {
			t.Fatalf("got %d with the Location %q", resp.StatusCode, location)
		}
		if got := k.code("GET", location, ""); got != "404 4" {
			t.Errorf("before the job ended: got %s, want 404 4", got)
		}
		time.Sleep(time.Second)
		if got := k.code("GET", location, ""); got != "200" {
			t.Errorf("after the job ended: got %s, want 200", got)
		}
		if got := k.code("GET", store(location), ""); got != "200" {
			t.Errorf("key-stores does not have it under the same UUID: %s", got)
		}
	})
}

// What only the service can tell fails the job; what ONTAP knows is refused at once.
func TestCloudErrorsAtOnceAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		if got := k.code("POST", security+"azure-key-vaults", strings.Replace(azureSVM, "/keys/k/1", "", 1)); got != "400 65537523" {
			t.Errorf("a wrong key: got %s, want 400 65537523", got)
		}
		k.world(`{"azure":{"svm1":{"accepts":["good"]}}}`)
		status, o := k.call("POST", security+"azure-key-vaults", azureSVM)
		if status != 202 {
			t.Fatalf("a secret that is not accepted: got %d, want 202", status)
		}
		uuid, _ := o.text("job.uuid")
		time.Sleep(time.Second)
		o = k.must("GET", "/api/cluster/jobs/"+uuid, "")
		if code, _ := o.text("error.code"); code != "65537540" {
			t.Errorf("the job failed with %q, want 65537540", code)
		}
		if len(k.c.state.CloudKMS) != 0 || len(k.c.state.Received) != 0 {
			t.Error("the failed job left something")
		}
	})
}

// ONTAP takes volumes offline an hour after it lost the cloud key, and they come back.
func TestLostCloudKey(t *testing.T) {
	losses := []struct{ name, lost, found string }{
		{"unreachable", `{"azure":{"svm1":{"reachable":false}}}`, `{"azure":{"svm1":{"reachable":true}}}`},
		{"no node reaches it", `{"azure":{"svm1":{"failing":{"node1":["service"],"node2":["service"]}}}}`, `{"azure":{"svm1":{"failing":{"node1":[]}}}}`},
		{"secret expired", `{"azure":{"svm1":{"accepts":["other"]}}}`, `{"azure":{"svm1":{"accepts":["other","s"]}}}`},
		{"key disabled", `{"azure":{"svm1":{"kek":"disabled"}}}`, `{"azure":null}`},
	}
	for _, loss := range losses {
		t.Run(loss.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newCaller(t, Config{})
				k.world(`{"volumes":{"svm1":{"encrypted":2}}}`)
				azure := k.post(security+"azure-key-vaults", azureSVM)
				offline := func() int {
					k.must("GET", azure, "")
					return k.c.state.CloudKMS[0].VolumesOffline
				}
				k.world(loss.lost)
				if got, _ := k.must("GET", store(azure), "").text("state"); got != "blocked" {
					t.Errorf("the key store is %s, want blocked", got)
				}
				time.Sleep(time.Hour - time.Second)
				if got := offline(); got != 0 {
					t.Errorf("%d volumes offline within the hour", got)
				}
				time.Sleep(time.Second)
				if got := offline(); got != 2 {
					t.Errorf("%d volumes offline after an hour, want 2", got)
				}
				k.world(loss.found)
				if got := offline(); got != 0 {
					t.Errorf("%d volumes offline though the key is back", got)
				}
				k.world(loss.lost)
				time.Sleep(59 * time.Minute)
				if got := offline(); got != 0 {
					t.Errorf("%d volumes offline: the hour did not begin anew", got)
				}
			})
		})
	}
}

// Without its health policy ONTAP leaves the volumes alone.
func TestVolumesStayOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		k.world(`{"volumes":{"svm1":{"encrypted":2}}}`)
		azure := k.post(security+"azure-key-vaults", azureSVM)
		k.must("PATCH", security+"key-manager-configs", `{"health_monitor_policy":{"akv":{"manage_volume_offline":false}}}`)
		k.world(`{"azure":{"svm1":{"kek":"missing"}}}`)
		time.Sleep(2 * time.Hour)
		k.must("GET", azure, "")
		if m := k.c.state.CloudKMS[0]; m.VolumesOffline != 0 || m.KeyLost == nil {
			t.Errorf("%d volumes offline, lost at %v", m.VolumesOffline, m.KeyLost)
		}
	})
}

// Keys that are still with the cluster: until 9.17 no vault can be set up, since then it
// can, to migrate them to it.
func TestVaultForKeysOfTheCluster(t *testing.T) {
	for ontap, want := range map[string]string{"9.17.1": "400 65537505", "9.18.1": "202"} {
		k := newCaller(t, Config{ONTAP: ontap})
		k.world(`{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`)
		if got := k.code("POST", security+"azure-key-vaults", azureSVM); got != want {
			t.Errorf("%s: got %s, want %s", ontap, got, want)
		}
	}
}

// A new secret brings the key back, and with skip_verification a wrong one loses it.
func TestSecretOfAVault(t *testing.T) {
	k := newCaller(t, Config{})
	having("azure")(k, map[string]string{})
	m := k.c.state.CloudKMS[0]
	azure := security + "azure-key-vaults/" + m.UUID
	k.world(`{"azure":{"svm1":{"accepts":["new"]}}}`)
	steps := []struct{ body, want, state, why string }{
		{`{"client_secret":"wrong"}`, "400 65537540", "blocked", "the service does not accept it"},
		{`{"oauth_host":"login.example.net"}`, "400 65537540", "blocked", "the old secret is tried at the new host"},
		{`{"proxy_host":"p","proxy_port":8080}`, "200", "blocked", "nothing that needs the service"},
		{`{"client_secret":"new"}`, "200", "active", "the new secret is accepted"},
		{`{"client_secret":"wrong","skip_verification":true}`, "200", "blocked", "not verified, so the key is lost"},
		{`{"client_certificate":"new"}`, "200", "active", "a certificate takes the place of the secret"},
	}
	for _, s := range steps {
		if got := k.code("PATCH", azure+waiting, s.body); got != s.want {
			t.Errorf("%s: got %s, want %s: %s", s.body, got, s.want, s.why)
		}
		if got, _ := k.must("GET", store(azure), "").text("state"); got != s.state {
			t.Errorf("%s: the key store is %s, want %s: %s", s.body, got, s.state, s.why)
		}
	}
	if diff := gocmp.Diff(map[string]string{"client_certificate": "new"}, m.Secrets); diff != "" {
		t.Error(diff)
	}
	if got, _ := k.must("GET", azure, "").text("authentication_method"); got != "certificate" {
		t.Errorf("authenticates with %s, want certificate", got)
	}
}

// Some nodes may be left out of what a job does.
func TestCloudWorkInPart(t *testing.T) {
	tests := []struct {
		made, failing, action, body string
		code                        string
		keyDone, again              bool
		why                         string
	}{
		{"azure", "restore", "/rekey-external", nextKey, "65539855", true, true, "the last step fails after the key has changed"},
		{"aws", "rekey", "/rekey-external", `{"key_id":"new"}`, "65537919", false, true, "the old key stays in force"},
		{"gcp", "rekey", "/rekey-external", `{"key_name":"new"}`, "65537729", false, true, "the old key stays in force"},
		{"azure", "restore", "/restore", "", "65537515", false, true, "one node misses the keys"},
	}
	for _, tt := range tests {
		k := newCaller(t, Config{})
		made := map[string]string{}
		having(tt.made)(k, made)
		path := made["{"+tt.made+"}"]
		k.world(`{"` + tt.made + `":{"svm1":{"failing":{"node2":["` + tt.failing + `"]}}}}`)
		if got := k.code("POST", path+tt.action+waiting, tt.body); got != "400 "+tt.code {
			t.Errorf("%s%s: got %s, want 400 %s", tt.made, tt.action, got, tt.code)
		}
		m := k.c.state.CloudKMS[0]
		if done := m.RekeyedExternal == 1; done != tt.keyDone || m.DoneInPart != 1 {
			t.Errorf("%s%s: rekeyed %d, in part %d: %s", tt.made, tt.action, m.RekeyedExternal, m.DoneInPart, tt.why)
		}
		k.world(`{"` + tt.made + `":null}`)
		if got := k.code("POST", path+tt.action+waiting, tt.body); got != "201" {
			t.Errorf("%s%s: the repetition got %s, want 201", tt.made, tt.action, got)
		}
	}
}

// The expensive groups are shown when they are named, and never of what is not enabled.
func TestCloudHealth(t *testing.T) {
	k := newCaller(t, Config{ONTAP: "9.17.1"})
	made := map[string]string{}
	having("azure", "second", "stack")(k, made)
	const node = `{"node":{"uuid":"%s","name":"%s"},"reachable":%t,"message":"%s","code":"%s"}`
	n := k.c.state.Nodes
	k.world(`{"azure":{"svm1/default":{"failing":{"node2":["service","ekmip"]},"state_flag":"cluster_state"}}}`)
	_, text := k.text("GET", made["{azure}"]+"?fields=state,azure_reachability,ekmip_reachability", "")
	want := `{"uuid":"` + made["{uuid of azure}"] + `","configuration":{"name":"default","uuid":"` + made["{uuid of azure}"] + `"},` +
		`"state":{"cluster_state":true,"message":"","code":"0"},` +
		`"azure_reachability":{"reachable":false,"message":"The key management service is not reachable from all nodes - node2.","code":"65537549"},` +
		`"ekmip_reachability":[` + fmt.Sprintf(node, n[0].UUID, "node1", true, "", "0") + `,` +
		fmt.Sprintf(node, n[1].UUID, "node2", false, "The status of the embedded KMIP server is not available on the node.", "65537552") + `]}`
	if text != want {
		t.Error(gocmp.Diff(want, text))
	}
	for _, what := range []string{"{azure}", "{second}", "{stack}"} {
		_, plain := k.text("GET", made[what], "")
		if strings.Contains(plain, "reachab") || strings.Contains(plain, `"state"`) {
			t.Errorf("%s shows expensive fields unasked: %s", what, plain)
		}
	}
	for _, what := range []string{"{second}", "{stack}"} {
		if _, all := k.text("GET", made[what]+"?fields=**", ""); strings.Contains(all, "reachab") {
			t.Errorf("%s is inactive and shows its health: %s", what, all)
		}
	}
}

// No secret is returned, and /sim/state has them all.
func TestCloudSecretsAreNeverReturned(t *testing.T) {
	k := newCaller(t, Config{ONTAP: "9.17.1", SVMs: []string{"svm1", "svm2", "svm3", "svm4"}})
	k.world(`{"jobs":{"duration":"0s"}}`)
	secrets := map[string]string{
		"azure-key-vaults": `{"svm":{"name":"svm1"},` + newAzure + `,"client_secret":"hush","proxy_password":"hush"}`,
		"aws-kms":          `{"svm":{"name":"svm2"},` + strings.Replace(newAWS, `"s"`, `"hush","proxy_password":"hush"`, 1),
		"gcp-kms":          `{"svm":{"name":"svm3"},` + newGCP + `,"application_credentials":"{\"client_email\":\"a@b.c\",\"private_key\":\"hush\"}","proxy_password":"hush"}`,
		"barbican-kms":     `{"svm":{"name":"svm4"},"configuration":{"name":"one"},` + strings.Replace(newStack, `"s"`, `"hush","proxy_password":"hush"`, 1),
	}
	for resource, body := range secrets {
		path := k.post(security+resource, body)
		for _, p := range []string{path + "?fields=**", security + resource + "?fields=**", store(path) + "?fields=**", "/api/cluster/jobs?fields=**"} {
			if _, text := k.text("GET", p, ""); strings.Contains(text, "hush") {
				t.Errorf("GET %s shows a secret: %s", p, text)
			}
		}
	}
	if n := len(k.c.state.Received); n != 8 {
		t.Errorf("%d secrets received, want 8", n)
	}
	for _, m := range k.c.state.CloudKMS {
		if len(m.Secrets) != 2 {
			t.Errorf("%s holds %d secrets, want 2", m.Service, len(m.Secrets))
		}
	}
}

// A release has the resources, fields and flags that it has.
func TestCloudReleases(t *testing.T) {
	tests := []struct{ ontap, method, path, body, want, why string }{
		{"9.8.1", "GET", "azure-key-vaults", "", "200", "since 9.8"},
		{"9.8.1", "GET", "gcp-kms", "", "404 3", "since 9.9"},
		{"9.11.1", "GET", "aws-kms", "", "404 3", "since 9.12"},
		{"9.16.1", "GET", "barbican-kms", "", "404 3", "since 9.17"},
		{"9.13.1", "GET", "azure-key-vaults?fields=enabled", "", "400 262197", "since 9.14"},
		{"9.14.1", "GET", "azure-key-vaults?fields=enabled", "", "200", "since 9.14"},
		{"9.13.1", "POST", "azure-key-vaults?create_inactive=true", azureSVM, "400 262179", "since 9.14"},
		{"9.15.1", "POST", "azure-key-vaults", strings.Replace(azureSVM, "{", `{"skip_verification":true,`, 1), "400 262179", "since 9.16"},
		{"9.16.1", "GET", "gcp-kms?fields=authentication_method", "", "400 262197", "since 9.17"},
		{"9.9.1", "GET", "key-stores", "", "404 3", "since 9.10"},
		{"9.10.1", "GET", "key-stores?fields=keystore.type", "", "200", "until 9.13"},
		{"9.10.1", "PATCH", "key-stores/x", on, "405 3", "since 9.14"},
		{"9.14.1", "GET", "key-stores?fields=keystore.type", "", "400 262197", "until 9.13"},
		{"9.15.1", "GET", "key-stores?fields=state", "", "400 262197", "since 9.16"},
		{"9.16.1", "PATCH", "azure-key-vaults/x", `{"key_id":"https://a/keys/b/c"}`, "400 262196", "a key is changed by rekey-external"},
		{"9.16.1", "POST", "azure-key-vaults", strings.Replace(azureSVM, "{", `{"verify_ip":true,`, 1), "400 262196", "PATCH only"},
	}
	for _, tt := range tests {
		k := newCaller(t, Config{ONTAP: tt.ontap})
		if got := k.code(tt.method, security+tt.path, tt.body); got != tt.want {
			t.Errorf("%s: %s %s: got %s, want %s: %s", tt.ontap, tt.method, tt.path, got, tt.want, tt.why)
		}
	}
	for ontap, want := range map[string]string{"9.9.1": "404 3", "9.10.1": "202"} {
		k := newCaller(t, Config{ONTAP: ontap})
		azure := k.post(security+"azure-key-vaults", azureSVM)
		if got := k.code("POST", azure+"/rekey-internal", ""); got != want {
			t.Errorf("%s: rekey-internal: got %s, want %s", ontap, got, want)
		}
	}
	k := newCaller(t, Config{ONTAP: "9.17.1"})
	gcp := k.post(security+"gcp-kms", gcpSVM)
	if got := k.code("POST", gcp+"/rekey-external", `{"key_name":"k","project_id":"p"}`); got != "400 262179" {
		t.Errorf("9.17.1: a project in rekey-external: got %s, want 400 262179", got)
	}
}

// A field that a service has a default for is shown, and the account that Google knows.
func TestCloudFields(t *testing.T) {
	k := newCaller(t, Config{ONTAP: "9.17.1"})
	made := map[string]string{}
	having("gcp", "stack")(k, made)
	want := `{"uuid":"` + made["{uuid of gcp}"] + `","scope":"svm","svm":{"uuid":"` + k.c.state.SVMs[0].UUID + `","name":"svm1"},` +
		`"project_id":"p","key_ring_name":"r","key_ring_location":"global","key_name":"k",` +
		`"authentication_method":"application_credentials_key","gce_metadata_server":"http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",` +
		`"privileged_account":"","caller_account":"a@b.c","cloudkms_host":"cloudkms.googleapis.com","oauth_host":"oauth2.googleapis.com","oauth_url":"https://oauth2.googleapis.com/token",` +
		`"port":443,"verify_host":false,"verify_ip":false}`
	if _, got := k.text("GET", made["{gcp}"], ""); got != want {
		t.Error(gocmp.Diff(want, got))
	}
	k.must("PATCH", made["{stack}"]+waiting, `{"proxy_host":"p","proxy_port":3128,"verify":false,"timeout":20}`)
	want = `{"uuid":"` + made["{uuid of stack}"] + `","scope":"svm","svm":{"uuid":"` + k.c.state.SVMs[0].UUID + `","name":"svm1"},` +
		`"configuration":{"name":"one","uuid":"` + made["{uuid of stack}"] + `"},"enabled":false,` +
		`"key_id":"https://b/k","keystone_url":"https://b/v3","application_cred_id":"i","timeout":20,"verify":false,"verify_host":true,` +
		`"proxy_type":"https","proxy_host":"p","proxy_port":3128,"proxy_username":""}`
	if _, got := k.text("GET", made["{stack}"], ""); got != want {
		t.Error(gocmp.Diff(want, got))
	}
}

// A state with cloud services and jobs under way is restored exactly.
func TestCloudStateIsRestoredExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{ONTAP: "9.17.1"})
		azure := k.post(security+"azure-key-vaults", azureSVM)
		k.post(security+"barbican-kms", stackSVM)
		k.world(`{"jobs":{"duration":"1m"},"azure":{"svm1":{"kek":"disabled","accepts":["s"]}},"volumes":{"svm1":{"encrypted":1}}}`)
		k.must("POST", azure+"/rekey-external", nextKey)
		_, before := k.text("GET", "/sim/state", "")
		other := newCaller(t, Config{ONTAP: "9.17.1", Seed: 9})
		if status, text := other.text("PUT", "/sim/state", strings.Replace(before, `"akv"`, `"xyz"`, 1)); status != 400 || !strings.HasSuffix(text, `\"xyz\" is not a service"}`) {
			t.Errorf("a state with an unknown service: got %d %s", status, text)
		}
		if status, text := other.text("PUT", "/sim/state", before); status != 200 {
			t.Fatal(text)
		}
		if _, after := other.text("GET", "/sim/state", ""); before != after {
			t.Error(gocmp.Diff(before, after))
		}
		time.Sleep(time.Hour)
		other.must("GET", azure, "")
		if got := other.c.state.CloudKMS[0].VolumesOffline + other.c.state.CloudKMS[1].VolumesOffline; got != 1 {
			t.Errorf("%d volumes offline in the restored cluster, want 1", got)
		}
	})
}

// What /sim/state says of a configuration is what the manual names.
func TestCloudCounters(t *testing.T) {
	k := newCaller(t, Config{})
	made := map[string]string{}
	having("azure")(k, made)
	for range 2 {
		k.must("POST", made["{azure}"]+"/rekey-internal"+waiting, "")
	}
	k.must("POST", made["{azure}"]+"/rekey-external"+waiting, nextKey)
	k.must("POST", made["{azure}"]+"/restore"+waiting, "")
	_, text := k.text("GET", "/sim/state", "")
	var s struct {
		CloudKMS []map[string]any `json:"cloud_kms"`
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	got := s.CloudKMS[0]
	delete(got, "uuid")
	delete(got, "svm")
	delete(got, "fields")
	want := map[string]any{
		"service": "akv", "name": "default", "enabled": true, "secrets": map[string]any{"client_secret": "s"},
		"rekeyed_external": 1.0, "rekeyed_internal": 2.0, "restored": 1.0, "done_in_part": 0.0, "volumes_offline": 0.0,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzCloudBody sends any body: it is taken, and then shows nothing secret, or refused with a
// code, and then nothing has changed.
func FuzzCloudBody(f *testing.F) {
	for _, body := range []string{azureSVM, awsSVM, gcpSVM, stackSVM, nextKey, `{"client_secret":null}`, `{"proxy_password":"\u0000"}`, `{"svm":{}}`, `[]`} {
		for resource := range uint8(4) {
			f.Add(resource, "POST", body)
			f.Add(resource, "PATCH", body)
		}
	}
	f.Fuzz(func(t *testing.T, resource uint8, method, body string) {
		if method != "POST" && method != "PATCH" || body == "" {
			return
		}
		k := newCaller(t, Config{ONTAP: "9.17.1", SVMs: []string{"svm1", "svm2", "svm3", "svm4"}})
		k.world(`{"jobs":{"duration":"0s"}}`)
		bodies := []string{azureSVM, awsSVM, gcpSVM, stackSVM}
		s := services[resource%4]
		svm := fmt.Sprint("svm", resource%4+1)
		path := "/api/" + s.path
		if method == "PATCH" {
			path = k.post(path, strings.Replace(bodies[resource%4], "svm1", svm, 1))
		}
		before := k.c.state.CloudKMS
		want, _ := json.Marshal(before)
		status, o := k.call(method, path+waiting, body)
		if status < 300 {
			_, shown := k.text("GET", "/api/"+s.path+"?fields=**", "")
			for _, m := range k.c.state.CloudKMS {
				for name, secret := range m.Secrets {
					if len(secret) > 40 && strings.Contains(shown, secret) {
						t.Errorf("%s is shown", name)
					}
				}
			}
			return
		}
		if code, ok := o.text("error.code"); !ok || code == "" {
			t.Errorf("%d without a code", status)
		}
		if got, _ := json.Marshal(k.c.state.CloudKMS); string(got) != string(want) {
			t.Errorf("refused, and changed: %s", gocmp.Diff(string(want), string(got)))
		}
	})
}
