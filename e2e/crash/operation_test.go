package crash

import (
	"strings"
	"time"

	"kmagent/internal/resource"
)

// An operation is something that the agent does to a cluster, in one pass or several.
type operation struct {
	name    string
	first   string            // of the file: what was there before that
	before  string            // what is there already
	after   string            // what is wanted then; the same if it is empty
	changed map[string]string // those that are others with after
	world   string            // of the cluster, from the beginning
	then    string            // and what happens to it before the operation
	given   [][]string        // commands that people give before it
	ask     []string          // the command that does it; apply if there is none
	forget  bool              // the state is lost before it: what is there was there before us
	jobs    bool              // those of what was there are of a moment ago
	lapse   bool              // the cluster has forgotten its jobs when the program comes back
	human   bool              // a human has to say what came of it, if no answer did
	slot    string            // the action whose slot comes then
	lasting bool              // it may wait for an hour, if no answer came
}

// The actions that rekey.
const (
	rekeyInternal = "rekey_internal"
	rekeyExternal = "rekey_external"
)

const (
	passphrase1 = "canary 1 that is long enough for a passphrase"
	passphrase2 = "canary 2 that is long enough for a passphrase"

	keepers = "backup: {recipients: [age1zq9zg8lgpc8jd2k4my4l67ezf83tluf6htd4wk47c8vdfyke5seqhzzsh9]}\n"
)

// external is an external key manager of svm1 with these servers.
func external(servers string) string { return externalOf("svm1", "kmip-ca", servers) }

func externalOf(svm, cas, servers string) string {
	scope := "svm: " + svm + "\n    "
	if svm == "" {
		scope = ""
	}
	return "key_managers:\n  - " + scope + "external:\n      client_certificate: kmip-client\n      server_ca_certificates: [" + cas + "]\n      servers: [" + servers + "]\n"
}

func azure(version, more string) string {
	return "azure_key_vaults:\n  - {svm: svm1, name: 'https://v.vault.azure.net/', key_id: 'https://v.vault.azure.net/keys/k/" + version +
		"', client_id: app1, tenant_id: dir1, client_secret: cred:azure" + more + "}\n"
}

// azurePair are the vault in use and another one beside it.
func azurePair(enabled string) string {
	return azure("1", "") +
		"  - {svm: svm1, configuration: {name: blue}, enabled: " + enabled + ", name: 'https://b.vault.azure.net/', key_id: 'https://b.vault.azure.net/keys/k/1'" +
		", client_id: app2, tenant_id: dir1, client_secret: cred:azure}\n"
}

func awsOf(svm string) string {
	return "aws_kms:\n  - {svm: " + svm + ", region: eu-central-1, key_id: alias/KEY, access_key_id: AKIA1, secret_access_key: cred:secret, timeout: 20}\n"
}

func gcpOf(svm string) string {
	return "gcp_kms:\n  - {svm: " + svm + ", project_id: p1, key_ring_location: global, key_ring_name: ring1, key_name: key1, application_credentials: cred:gcp}\n"
}

const (
	barbican = "barbican_kms:\n  - {svm: svm1, configuration: {name: one}, enabled: true, key_id: 'https://b.example.net/v1/secrets/1'," +
		" keystone_url: 'https://k.example.net:5000/v3', application_cred_id: app1, application_cred_secret: cred:secret}\n"
	barbicanInStore = "barbican_kms:\n  - {svm: svm1, configuration: {name: one}, key_id: 'https://b.example.net/v1/secrets/1'," +
		" keystone_url: 'https://k.example.net:5000/v3', application_cred_id: app1, application_cred_secret: cred:secret}\n"

	onboard        = "key_managers: [{onboard: {passphrase: cred:okm}}]\n"
	onboardChanged = "key_managers: [{onboard: {passphrase: cred:okm, existing_passphrase: cred:okm-old}}]\n"
)

// secrets are those that the files name, at first.
func secrets() map[string]string {
	return map[string]string{"ks": "canary-ks-1", "azure": "canary-azure-1", "secret": "canary-secret-1", "nse": "canary-nse-1-long-enough",
		"gcp": `{"client_email": "kms@example.net", "private_key": "canary-1"}`, "okm": passphrase1, "okm-old": passphrase1, "okm-next": passphrase2}
}

// aDay is how long what was there before a slot has been there: since then the schedule of
// anHourAgo has had one slot, and has no other for as long as the test may take.
const aDay = 25 * time.Hour

// anHourAgo is a timing with a slot an hour before now, and one on every other day.
func anHourAgo(now time.Time, more string) string {
	return now.UTC().Add(-time.Hour).Format(`{schedule: "4 15 * * *", window: 20h, catch_up: once`) + more + "}"
}

// with is an object with one more field.
func with(object, name, value string) string {
	return strings.Replace(object, "}\n", ", "+name+": "+value+"}\n", 1)
}

// duration is how long jobs take: the agent asks for them at once, after 200 ms and after 600.
const duration = "250ms"

const (
	slowJobs  = `{"jobs":{"duration":"` + duration + `"}}`
	asyncJobs = `{"jobs":{"duration":"` + duration + `","key_managers":"async"}}`
	otherCA   = `{"certificates":[{"name":"kmip-ca-2","svm":"*","type":"server_ca","expiry_time":"2035-01-01T00:00:00Z"}],"jobs":{"duration":"` + duration + `"}}`
)

// operations are those that the agent knows (read-back table of ambiguous operations).
func operations() []operation {
	password := "{server: ks1, username: db, password: cred:ks}, {server: ks2}"
	others := strings.TrimPrefix(externalOf("svm2", "kmip-ca", "{server: ks1}, {server: ks2}, {server: ks3}"), "key_managers:\n") // most of the file stays
	servers := externalOf("", "kmip-ca", "{server: ks1}, {server: ks2}")
	nse := func(more string) string {
		return servers + "auth_keys: [" + more + "]\n"
	}
	slot, keepOne := anHourAgo(time.Now(), ""), anHourAgo(time.Now(), ", keep: 1")
	scheduled := func(onboard, action string) string {
		return keepers + "key_managers:\n  - onboard: {" + onboard + "}\n    " + action + ": " + slot + "\n"
	}
	return []operation{
		{name: "create external", after: external(password)},
		{name: "create external, as a job", after: external(password), world: asyncJobs},
		{name: "create onboard", after: keepers + onboard},
		{name: "create azure", after: azure("1", ", verify_ip: true")},
		{name: "create aws", after: awsOf("svm1")},
		{name: "create gcp", after: gcpOf("svm1")},
		{name: "create and enable barbican", after: barbican, human: true},
		{name: "create an authentication key", before: nse(""), after: nse("{key_tag: nse-1, passphrase: cred:nse}")},
		{name: "change options", before: "key_manager_configs: {}\n", after: "key_manager_configs: {cloud_kms_retry_count: 7, health_monitor_policy.akv.enabled: false}\n"},

		{name: "change plain fields", before: azure("1", ", verify_ip: true, port: 443"), after: azure("1", ", verify_ip: false, port: 8443")},
		{name: "change a secret", before: azure("1", ""), after: azure("1", ""), changed: map[string]string{"azure": "canary-azure-2"}},
		{name: "change a password", before: external(password), after: external(password), changed: map[string]string{"ks": "canary-ks-2"}},
		{name: "change a passphrase", before: keepers + onboard, after: keepers + onboardChanged, changed: map[string]string{"okm": passphrase2}, human: true},
		{name: "change a passphrase, as a job", world: asyncJobs, before: onboard, after: onboardChanged, changed: map[string]string{"okm": passphrase2}, human: true},
		{name: "synchronize", before: onboard, after: onboard, then: `{"nodes":{"node3":{"membership":"member"}}}`},
		{name: "synchronize, as a job", world: asyncJobs, before: onboard, after: onboard, then: `{"nodes":{"node3":{"membership":"member"}}}`},

		{name: "add servers", before: external("{server: ks1}"), after: external("{server: ks1}, {server: ks2, timeout: 30}, {server: ks3, username: db, password: cred:ks}")},
		{name: "remove a server", before: external("{server: ks1}, {server: ks2}, {server: ks3}"), after: external("{server: ks1}, {server: ks2}")},
		{name: "replace servers", before: external("{server: ks1}, {server: ks2}"), after: external("{server: ks2}, {server: ks3}")},
		{name: "swap a CA", world: otherCA, before: externalOf("svm1", "kmip-ca", "{server: ks1}, {server: ks2}"), after: externalOf("svm1", "kmip-ca-2", "{server: ks1}, {server: ks2}")},

		{name: "delete external", before: external(password) + others, after: "key_managers:\n  - {svm: svm1, external: {}, state: absent}\n" + others},
		{name: "delete onboard", before: onboard, after: "key_managers: [{onboard: {}, state: absent}]\n"},
		{name: "delete azure", before: azure("1", ""), after: "azure_key_vaults: [{svm: svm1, state: absent}]\n"},
		{name: "delete barbican in store", before: barbicanInStore, after: "barbican_kms: [{svm: svm1, configuration: {name: one}, state: absent}]\n"},
		{name: "delete an authentication key", before: nse("{key_tag: nse-1, passphrase: cred:nse}"), after: nse("{key_tag: nse-1, state: absent}")},

		{name: "switch key stores", before: azurePair("false"), after: azurePair("true"), human: true},
		{name: "rekey azure", before: azure("1", ""), after: azure("2", ""), lasting: true},
		{name: "rekey azure, just rekeyed", first: azure("1", ""), before: azure("2", ""), after: azure("3", ""), lasting: true, jobs: true},
		{name: "change a secret, just changed", first: azure("1", ""), before: azure("1", ", port: 443"), after: azure("1", ", port: 443"), changed: map[string]string{"azure": "canary-azure-2"}, jobs: true},
		{name: "rekey azure internally", before: azure("1", ""), after: azure("1", ""), then: `{"volumes":{"svm1":{"encrypted":2}}}`,
			ask: []string{"rekey", "run", "a/azure_key_vault/svm1", rekeyInternal, "--yes"}},
		{name: "migrate keys", before: servers + azure("1", ""), after: servers + azure("1", ""), then: `{"volumes":{"svm1":{"encrypted":2,"keys_in":"cluster"}}}`,
			ask: []string{"key", "migrate", "--yes", "--cluster", "a", "--svm", "svm1", "--to", "svm"}, human: true},
		{name: "restore keys", before: external(password), after: external(password), then: `{"volumes":{"svm1":{"encrypted":3}},"missing_keys":{"node2":["*"]}}`,
			ask: []string{"key", "restore", "--yes", "--cluster", "a", "--svm", "svm1"}},
		{name: "use an override", before: "policy: {min_reachable_servers: 2}\n" + external("{server: ks1}, {server: ks2}"), after: "policy: {min_reachable_servers: 2}\n" + external("{server: ks1}"),
			given: [][]string{{"override", "add", "--rule", "floor", "--object", "a/key_server/svm1/ks2:5696", "--reason", "a test"}}},
		{name: "first contact", before: external(password) + "  - onboard: {passphrase: cred:okm}\n", after: external(password) + "  - onboard: {passphrase: cred:okm}\n", forget: true},

		{name: "slot: rekey azure internally", before: with(azure("1", ""), rekeyInternal, slot), slot: rekeyInternal},
		{name: "slot: rekey gcp, jobs forgotten", before: with(gcpOf("svm1"), rekeyInternal, slot), slot: rekeyInternal, lapse: true},
		{name: "slot: rekey azure", before: with(azure("1", ""), rekeyExternal, slot), after: with(azure("2", ""), rekeyExternal, slot), slot: rekeyExternal, lasting: true},
		{name: "slot: change a passphrase", before: scheduled("passphrase: cred:okm, passphrase_next: cred:okm-next", resource.RotatePassphrase),
			slot: resource.RotatePassphrase, human: true},
		{name: "slot: make a key, retire one", first: nse("{key_tag: nse-2026-01-01, passphrase: cred:nse}"),
			before: nse("{key_tag: nse, rotate: " + keepOne + "}"), slot: resource.RotateKey},
		{name: "slot: save a key backup", before: scheduled("passphrase: cred:okm", resource.KeyBackup), slot: resource.KeyBackup},
	}
}
