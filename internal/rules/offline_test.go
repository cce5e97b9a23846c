package rules_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/desired"
	"kmagent/internal/rules"
)

// file returns a desired-state file whose only cluster has these lines, from line 6 on.
func file(lines string) []byte {
	return []byte("version: 1\nclusters:\n- name: a\n  endpoint: https://a\n  auth: {bearer: {token: cred:t}}\n" +
		"  " + strings.ReplaceAll(lines, "\n", "\n  ") + "\n")
}

// servers returns the entry of an external key manager with these servers, from line 7 on.
func servers(list string) string {
	return "key_managers:\n- {svm: vs, external: {client_certificate: c, server_ca_certificates: [ca], servers: [\n" + list + "]}}"
}

// azure returns an Azure Key Vault with more keys, at line 8.
func azure(keys string) string {
	return "azure_key_vaults:\n- {svm: vs, tenant_id: t, client_id: c, name: https://v.net/, key_id: https://v.net/keys/k/1,\n" + keys + "}"
}

// gcp returns a key of Google Cloud KMS with more keys, at line 8.
func gcp(keys string) string {
	return "gcp_kms:\n- {svm: vs, project_id: p, key_ring_location: l, key_ring_name: r, key_name: k,\n" + keys + "}"
}

const (
	withSecret = "client_secret: cred:a"
	two        = "{server: ks1}, {server: ks2}"
	aws        = "aws_kms:\n- {svm: vs, region: r, key_id: k, access_key_id: a, secret_access_key: cred:s}"
	barbican   = "barbican_kms:\n- {svm: vs, configuration.name: b, key_id: https://b/1, keystone_url: https://k, application_cred_id: a, application_cred_secret: cred:b, enabled: true}"
)

// An offlineCase is a file that breaks a rule and one that just does not.
type offlineCase struct {
	rule   rules.ID
	breaks string
	want   string // the faults and the warnings of it, all of them
	holds  string
	why    string
}

var offline = []offlineCase{
	{rules.KM001, servers("{server: a}, {server: b}, {server: c}, {server: d}, {server: e}"),
		"f:7:88: clusters[0].key_managers[0].external.servers: has 5 members; write 1 to 4 [KM001]",
		servers("{server: a}, {server: b}, {server: c}, {server: d}"), "the fifth is one too many"},
	{rules.KM002, servers("{server: a, secondary_key_servers: [b, c, d, e]}"),
		"f:8:38: clusters[0].key_managers[0].external.servers[0].secondary_key_servers: has 4 members; write 0 to 3 [KM002]",
		servers("{server: a, secondary_key_servers: [b, c, d]}"), "the fourth secondary is one too many"},
	{rules.KM003, servers("{server: a, secondary_key_servers: ['b:5696']}"),
		`f:8:39: clusters[0].key_managers[0].external.servers[0].secondary_key_servers[0]: "b:5696": a secondary key server has no port: it uses its primary's [KM003]`,
		servers("{server: a, secondary_key_servers: ['2001:db8::1']}"), "a colon makes no port of an IPv6 address"},
	{rules.KM004, servers("{server: ks1}, {server: 'KS1.:5696'}"),
		"f:8:27: clusters[0].key_managers[0].external.servers[1].server: same server as line 8 (ks1:5696) [KM004]",
		servers("{server: ks1}, {server: 'ks1:5697'}"), "another port is another server"},
	{rules.KM004, servers("{server: a, secondary_key_servers: ['2001:db8::1', '2001:DB8:0::1']}, {server: b}"),
		"f:8:54: clusters[0].key_managers[0].external.servers[0].secondary_key_servers[1]: same as line 8; write it once [KM004]",
		servers("{server: a, secondary_key_servers: [c]}, {server: b, secondary_key_servers: [c]}"), "two primaries may share a replica"},
	{rules.KM005, servers("{server: ks1}"),
		"f:7:88: clusters[0].key_managers[0].external.servers: warning: one key server is no redundancy: a node that boots while it is away gets no keys; add a second, or a secondary [KM005]",
		servers("{server: ks1, secondary_key_servers: [ks2]}"), "a secondary answers too"},
	{rules.KM006, servers("{server: ks1, secondary_key_servers: [ks1]}, {server: ks2}"),
		"f:8:41: clusters[0].key_managers[0].external.servers[0].secondary_key_servers[0]: the server is its own secondary; take it out [KM006]",
		servers("{server: ks1, secondary_key_servers: [ks3]}, {server: ks2}"), "its own secondary"},
	{rules.KM006, servers("{server: ks1, secondary_key_servers: [KS2]}, {server: 'ks2:5697'}"),
		"f:8:41: clusters[0].key_managers[0].external.servers[0].secondary_key_servers[0]: is a primary at line 8; a server is a primary or a secondary, not both [KM006]",
		servers("{server: ks1, secondary_key_servers: [ks21]}, {server: 'ks2:5697'}"), "a host is one server at whichever port"},
	{rules.KM007, servers("{server: ks1, username: u}, {server: ks2, password: cred:p}"),
		"f:8:27: clusters[0].key_managers[0].external.servers[0].username: a username needs a password beside it [KM007]\n" +
			"f:8:55: clusters[0].key_managers[0].external.servers[1].password: a password needs a username beside it [KM007]",
		servers("{server: ks1, username: u, password: cred:p}, {server: ks2}"), "both or neither"},
	{rules.KM008, "key_managers: [{external: {client_certificate: c, server_ca_certificates: [ca], servers: [" + two + "]}, policy: p}]",
		"f:6:133: clusters[0].key_managers[0].policy: only the key manager of an SVM has a policy; name the svm, or leave it out [KM008]",
		"key_managers: [{svm: vs, external: {client_certificate: c, server_ca_certificates: [ca], servers: [" + two + "]}, policy: p}]", "the cluster's has none"},
	{rules.KM010, "key_managers:\n- {onboard: {passphrase: cred:p}}\n- {external: {client_certificate: c, server_ca_certificates: [ca], servers: [" + two + "]}}",
		"f:8:5: clusters[0].key_managers[1]: line 7 has the other sort already: the cluster has an external or an onboard key manager, not both [KM010]",
		"key_managers:\n- {onboard: {passphrase: cred:p}}\n- {svm: vs, external: {client_certificate: c, server_ca_certificates: [ca], servers: [" + two + "]}}", "an SVM may have its own beside the cluster's"},
	{rules.KM011, strings.Replace(aws, "svm: vs, ", "", 1),
		"f:7:5: clusters[0].aws_kms[0].svm: missing: an object of this kind belongs to an SVM [KM011]",
		aws, "only Azure may be the cluster's"},
	{rules.KM012, aws + "\n" + gcp("application_credentials: cred:g"),
		"f:9:5: clusters[0].gcp_kms[0]: vs uses the aws_kms at line 7 already; a scope has one key manager in use [KM012]",
		aws + "\n" + strings.Replace(gcp("application_credentials: cred:g"), "svm: vs", "svm: other", 1), "another SVM has one of its own"},
	{rules.KM012, servers(two) + "\n" + azure(withSecret),
		"f:10:5: clusters[0].azure_key_vaults[0]: vs uses the key_manager at line 7 already; a scope has one key manager in use [KM012]",
		servers(two) + "\n" + azure(withSecret+", configuration.name: n, enabled: false"), "one in store is not in use"},
	{rules.KM012, azure(withSecret+", configuration.name: n, enabled: true") + "\n" + barbican,
		"f:10:150: clusters[0].barbican_kms[0].enabled: vs uses the azure_key_vault at line 7 already; a scope has one key manager in use [KM012]",
		azure(withSecret) + "\n" + barbican, "the unnamed one does not say that it stays in use"},
	{rules.KM013, azure("port: 443"),
		"f:7:5: clusters[0].azure_key_vaults[0]: needs a client_secret or a client_certificate [KM013]",
		azure(withSecret), "neither"},
	{rules.KM013, azure(withSecret + ", client_certificate: cred:c"),
		"f:8:46: clusters[0].azure_key_vaults[0].client_certificate: client_secret at line 8 is there too; write one of them [KM013]",
		azure("client_certificate: cred:c"), "both"},
	{rules.KM014, azure(withSecret + ", enabled: false"),
		"f:8:35: clusters[0].azure_key_vaults[0].enabled: warning: a configuration without a name is created in use; give it a configuration.name, or leave enabled out [KM014]",
		azure(withSecret + ", enabled: false, configuration.name: n"), "one with a name is created in store"},
	{rules.KM015, strings.Replace(azure(withSecret), "name: https://v.net/", "name: https://w.net/", 1),
		"f:7:73: clusters[0].azure_key_vaults[0].key_id: warning: is a key of another vault than name at line 7; correct one of them [KM015]",
		strings.Replace(azure(withSecret), "name: https://v.net/", "name: https://V.net:443", 1), "one vault has several spellings"},
	{rules.KM016, gcp("port: 443"),
		"f:7:5: clusters[0].gcp_kms[0]: needs application_credentials, or authentication_method: sa_credentials_attachment [KM016]",
		gcp("authentication_method: sa_credentials_attachment"), "an attached account needs none"},
	{rules.KM016, gcp("application_credentials: cred:g, gce_metadata_server: http://m"),
		"f:8:57: clusters[0].gcp_kms[0].gce_metadata_server: is used with authentication_method: sa_credentials_attachment alone; leave it out, or write that [KM016]",
		gcp("authentication_method: sa_credentials_attachment, gce_metadata_server: http://m"), "the metadata server is for attached accounts"},
	{rules.KM021, "key_managers:\n- {onboard: {passphrase: cred:p, existing_passphrase: cred:p}}",
		"f:7:57: clusters[0].key_managers[0].onboard.existing_passphrase: is the reference of onboard.passphrase; keep the one in use until now under a name of its own [KM021]",
		"key_managers:\n- {onboard: {passphrase: cred:p, existing_passphrase: cred:q}}", "then the old one is lost as soon as the secret changes"},
	{rules.KM070, servers("{server: ks1, username: u, password: hunter2}, {server: ks2}"),
		"f:8:40: clusters[0].key_managers[0].external.servers[0].password: not a secret reference; write cred:NAME, file:/PATH or env:NAME, never the secret itself [KM070]",
		servers("{server: ks1, username: u, password: 'env:hunter2'}, {server: ks2}"), "and what stands there is not repeated"},
	{rules.KM052, azure(withSecret + ", rekey_internal: {schedule: '* 3 1 * *'}"),
		"f:8:53: clusters[0].azure_key_vaults[0].rekey_internal.schedule: 2024-01-01T03:00 and 2024-01-01T03:01 are 1m apart, nearer than min_interval 20h; write fewer slots, or a min_interval of 1m or less [KM052]",
		azure(withSecret + ", rekey_internal: {schedule: '0 3 1 * *'}"), "a star in the wrong field is every minute"},
}

func TestOffline(t *testing.T) {
	for _, c := range offline {
		if diff := cmp.Diff(c.want, told(c.breaks)); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.rule, c.why, diff)
		}
		if got := told(c.holds); got != "" {
			t.Errorf("%s: %s: what holds is told off:\n%s", c.rule, c.why, got)
		}
	}
}

// told returns the faults of a file, or else its warnings.
func told(lines string) string {
	state, err := desired.Parse("f", file(lines))
	switch {
	case err != nil:
		return err.Error()
	case len(state.Warnings) > 0:
		return state.Warnings.Error()
	default:
		return ""
	}
}

// What a mistake leaves unknown breaks no second rule.
func TestOneMistakeIsOneFault(t *testing.T) {
	for _, c := range []struct{ lines, want, why string }{
		{azure("client_secret: hunter2"), "f:8:18: clusters[0].azure_key_vaults[0].client_secret: not a secret reference; write cred:NAME, file:/PATH or env:NAME, never the secret itself [KM070]", "a secret is there, if a wrong one"},
		{gcp("authentication_method: attached, gce_metadata_server: http://m"), `f:8:26: clusters[0].gcp_kms[0].authentication_method: "attached" is not one of [application_credentials_key sa_credentials_attachment]`, "which method was meant is not known"},
		{servers("{server: ks1}, {server: 'ks2:0'}"), `f:8:27: clusters[0].key_managers[0].external.servers[1].server: "ks2:0": the port must be a number from 1 to 65535`, "a second server is there"},
		{strings.Replace(servers(two), "svm: vs", "svm: 'vs/1', policy: p", 1), `f:7:11: clusters[0].key_managers[0].svm: "vs/1" is not an SVM name; write 1 to 47 letters, digits, dots, dashes and underscores, a letter or an underscore first`, "a scope is named"},
		{"azure_key_vaults: [{svm: vs, state: absent}]\n" + aws, "", "a tombstone is not in use, and needs no secret"},
		{"key_managers: [{svm: vs, external: {servers: [{server: ks1}]}, state: absent}]", "", "nobody adds a server to what goes"},
	} {
		if diff := cmp.Diff(c.want, told(c.lines)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, diff)
		}
	}
}
