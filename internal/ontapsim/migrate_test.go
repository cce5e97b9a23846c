package ontapsim

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var migrateDocumented = map[string][]int{
	"POST migrate": {
		65536886, 65536959, 65536968, 65537117, 65537551, 65537552, 65537564, 65537611, 65537720, 65537736,
		65538107, 65539434, 65539435,
	},
}

var migrateUnreachable = map[string]string{
	"POST migrate 65537720": "an SVM has one enabled key store, and a configuration of Google Cloud KMS is always enabled",
}

const (
	moved   = "/migrate?return_timeout=120"
	toSVM   = `{"uuid":"{s}"}`
	toCloud = `{"uuid":"{c}"}`
)

// cloudSetup makes the configuration {c} of a cloud service for svm1.
func cloudSetup(path, body string) func(k *caller, made map[string]string) {
	return func(k *caller, made map[string]string) {
		o := k.must("POST", "/api/security/"+path+"?return_records=true&return_timeout=120", body)
		list, _ := o.list("records")
		uuid, _ := list[0].(object).text("uuid")
		made["{c}"] = "/api/security/" + path + "/" + uuid
	}
}

var (
	azureSetup = cloudSetup("azure-key-vaults", `{"svm":{"name":"svm1"},"name":"https://v.vault.azure.net/","tenant_id":"t","client_id":"c",`+
		`"client_secret":"s","key_id":"https://v.vault.azure.net/keys/k/1"}`)
	googleSetup = cloudSetup("gcp-kms", `{"svm":{"name":"svm1"},"project_id":"p","key_ring_location":"global","key_ring_name":"r","key_name":"k",`+
		`"application_credentials":"{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"k\"}"}`)
	policySetup = func(k *caller, made map[string]string) {
		o := k.must("POST", managersPath+"?return_records=true", strings.Replace(svmExternal, `{"svm"`, `{"policy":"IBM_Key_Lore","svm"`, 1))
		list, _ := o.list("records")
		uuid, _ := list[0].(object).text("uuid")
		made["{s}"] = managersPath + "/" + uuid
	}
)

func TestCodesOfMigrate(t *testing.T) {
	const keys = `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}`
	cases := []provocation{
		{code: 65536886, setup: "o s", world: `{"effective_version":"9.6.1"}`, body: toSVM},
		{code: 65536959, setup: "o", body: `{"uuid":"{o}"}`},
		{code: 65536968, setup: "o s", world: `{"nodes":{"node2":{"state":"down"}}}`, body: toSVM},
		{code: 65537117, setup: "o", body: `{"uuid":"00000000-0000-0000-0000-00000000dead"}`},
		{code: 65537551, setup: "o s", world: keys + `,"missing_keys":{"node2":["svm_kek"]}}`, body: toSVM},
		{code: 65537552, setup: "o", more: azureSetup, world: `{"azure":{"svm1":{"failing":{"node2":["ekmip"]}}}}`, body: toCloud},
		{code: 65537564, setup: "o", more: azureSetup, world: `{"azure":{"svm1":{"reachable":false}}}`, body: toCloud},
		{code: 65537611, setup: "o s", world: `{"key_stores":{"svm1":"switching"}}`, body: toSVM},
		{code: 65537736, setup: "o", more: googleSetup, world: `{"gcp":{"svm1":{"kek":"disabled"}}}`, body: toCloud},
		{code: 65538107, setup: "o", more: policySetup, body: toSVM},
		{code: 65539434, setup: "o s", world: `{"key_stores":{"cluster":"initializing"}}`, body: toSVM},
		{code: 65539435, setup: "o s", world: `{"key_stores":{"svm1":"disabling"}}`, body: toSVM},
	}
	for i := range cases {
		cases[i].table, cases[i].path = "POST migrate", "{o}"+moved
	}
	checkCodes(t, migrateDocumented, migrateUnreachable, cases)
}

// Keys go from the cluster's key manager to the SVM's and back, at the end of a job.
func TestMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		o, s := k.onboard(), k.external("svm1", "ks1")
		k.world(`{"jobs":{"duration":"5m"},"volumes":{"svm1":{"encrypted":3,"keys_in":"cluster"}}}`)
		where := func() [2]int {
			const all = "/keys/*/key-ids?key_user=svm1"
			return [2]int{distinct(k.column(o+all, "key_id")), distinct(k.column(s+all, "key_id"))}
		}
		steps := []struct {
			from, to string
			want     [2]int
		}{{o, s, [2]int{0, 4}}, {s, o, [2]int{4, 0}}}
		for _, step := range steps {
			before := where()
			status, answer := k.call("POST", step.from+"/migrate", `{"uuid":"`+strings.TrimPrefix(step.to, managersPath+"/")+`"}`)
			if status != 202 || !answer.has("job.uuid") {
				t.Fatalf("got %d %s, want a job", status, appendJSON(nil, answer))
			}
			if got := where(); got != before {
				t.Errorf("before the end of the job: keys are at %v, want %v", got, before)
			}
			time.Sleep(5 * time.Minute)
			if got := where(); got != step.want {
				t.Errorf("after it: keys are at %v, want %v", got, step.want)
			}
		}
		if got := k.c.state.SVMs[0].Migrations; got != 2 {
			t.Errorf("got %d migrations, want 2", got)
		}
	})
}

// What cannot be a migration, and that one which fails moves nothing.
func TestMigrationsThatFail(t *testing.T) {
	cases := []struct{ why, world, from, to, want string }{
		{"no destination", `{}`, "O", "", "400 262278"},
		{"no source", `{}`, "x", "S", "400 65537117"},
		{"both are SVMs'", `{}`, "R", "S", "400 65537117"},
		{"the job fails", `{"jobs":{"outcome":"failure","code":"65536968"}}`, "O", "S", "400 65536968"},
		{"the job is stuck", `{"jobs":{"outcome":"stuck"}}`, "O", "S", "202"},
		{"a node is out of quorum", `{"nodes":{"node1":{"quorum":false}}}`, "O", "S", "400 65536968"},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			k := newCaller(t, Config{SVMs: []string{"r", "s"}})
			uuid := func(path string) string { return strings.TrimPrefix(path, managersPath+"/") }
			ids := strings.NewReplacer("O", uuid(k.onboard()), "R", uuid(k.external("r", "ks1")), "S", uuid(k.external("s", "ks1")))
			k.world(`{"volumes":{"s":{"encrypted":1,"keys_in":"cluster"}}}`)
			k.world(c.world)
			body := `{}`
			if c.to != "" {
				body = `{"uuid":"` + ids.Replace(c.to) + `"}`
			}
			if got := k.code("POST", managersPath+"/"+ids.Replace(c.from)+moved, body); got != c.want {
				t.Errorf("%s: got %s, want %s", c.why, got, c.want)
			}
			if got := k.c.state.World.Volumes["s"].KeysIn; got != "cluster" {
				t.Errorf("%s: the keys went to %q", c.why, got)
			}
		})
	}
}

// A configuration of a cloud service holds keys as a key manager does.
func TestKeysInTheCloud(t *testing.T) {
	k := newCaller(t, Config{})
	made := map[string]string{}
	azureSetup(k, made)
	uuid := strings.TrimPrefix(made["{c}"], "/api/security/azure-key-vaults/")
	k.world(`{"volumes":{"svm1":{"encrypted":1}},"azure":{"svm1":{"failing":{"node2":["kek"]}}}}`)
	keys := managersPath + "/" + uuid + "/keys/*/key-ids?key_store_type=akv&key_store=external"
	if got := distinct(k.column(keys, "key_id")); got != 2 {
		t.Errorf("got %d keys, want that of the SVM and that of the volume", got)
	}
	if got := k.column(keys+"&restored=false&fields=key_type,node.name", "key_type"); len(got) != 1 || got[0] != "svm_kek" {
		t.Errorf("keys %q are missing, want that of the SVM on one node", got)
	}
}

// The restoration of a cloud service's keys gives nodes what they miss, where it works.
func TestKeysFromTheCloudAreRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		made := map[string]string{}
		azureSetup(k, made)
		keys := strings.Replace(made["{c}"], "azure-key-vaults", "key-managers", 1) + "/keys/*/key-ids?restored=false"
		k.world(`{"volumes":{"svm1":{"encrypted":1}},"missing_keys":{"node1":["*"],"node2":["*"]},"azure":{"svm1":{"failing":{"node2":["restore"]}}}}`)
		k.code("POST", made["{c}"]+waited, "")
		if got := k.column(keys+"&fields=node.name", "node.name"); !slices.Equal(got, []string{"node2", "node2"}) {
			t.Errorf("keys are missing on %q, want two on node2", got)
		}
		k.world(`{"azure":{"svm1":null}}`)
		k.must("POST", made["{c}"]+waited, "")
		if got := k.column(keys, "key_id"); len(got) != 0 {
			t.Errorf("%d keys are missing, want none", len(got))
		}
	})
}
