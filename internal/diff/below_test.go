package diff_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// lines reads the objects of one cluster from lines of its entry.
func lines(t *testing.T, text string) []*resource.Object {
	t.Helper()
	s, err := desired.Parse("f.yaml", []byte("version: 1\nclusters:\n  - name: a\n    endpoint: https://a.example.net\n    auth: {basic: {username: u, password: env:P}}\n    "+
		strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")+"\n"))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return s.Clusters[0].Objects
}

const (
	atCluster = "key_managers: [{external: {client_certificate: kmip-client, server_ca_certificates: [kmip-ca], servers: [{server: ks1}]}}]"
	oneKey    = "auth_keys: [{key_tag: t, passphrase: env:P}]"
	noKey     = "auth_keys: [{key_tag: t, state: absent}]"
)

var keyAddr = resource.Addr{Cluster: "a", Kind: "auth_key", Name: "t"}

// keyed is a cluster whose own external key manager has that server, and the keys t of these
// ids; down lists the nodes that the server does not reach.
func keyed(down []string, ids ...string) *resource.Cluster {
	c := found(server{name: "ks1", down: down})
	for a, m := range c.Objects {
		delete(c.Objects, a)
		m.Addr.SVM = ""
		m.Children[0].Addr.SVM = ""
		set(m, "external.client_certificate", resource.LinkValue(resource.LinkTo{UUID: "c-cluster"}))
		c.Objects[m.Addr] = m
	}
	if len(ids) > 0 {
		k := resource.NewObject(resource.AuthKey, keyAddr)
		k.ID, k.Twins = ids[0], ids[1:]
		set(k, "key_tag", resource.Str("t"))
		c.Objects[k.Addr] = k
	}
	return c
}

func TestAuthKeys(t *testing.T) {
	const create = "ready create auth_key/@cluster/t\n  key_tag: \"\" -> \"t\"\n  passphrase: \"\" -> \"[secret]\"\n  POST /km-1/auth-keys map[key_tag:t passphrase:env:P]\n"
	const waits = "  key_tag: \"\" -> \"t\"\n  passphrase: \"\" -> \"[secret]\"\n"
	blind := func(in *diff.Input) { in.Have.Health = false }
	for _, c := range []struct {
		name, file string
		have       *resource.Cluster
		tune       func(*diff.Input)
		want, why  string
	}{
		{"create", atCluster + "\n" + oneKey, keyed(nil), nil, create, ""},
		{"create beside a manager that the file does not have", oneKey, keyed(nil), nil,
			create + "note key_manager/@cluster is not in the file: left alone\n", "it is there all the same"},
		{"a server does not answer", atCluster + "\n" + oneKey, keyed([]string{"n2"}), nil,
			"held create auth_key/@cluster/t [reachability] ks1:5696 is not_responding on n2; a new auth_key goes to every one\n" + waits, "65536987 is foreseen"},
		{"reachability was not read", atCluster + "\n" + oneKey, keyed(nil), blind,
			"held create auth_key/@cluster/t [reachability] reachability was not read in this pass\n" + waits, "the pass reads once more"},
		{"no manager yet", strings.Replace(atCluster, "kmip-client", "nope", 1) + "\n" + oneKey, found(), nil,
			"held create auth_key/@cluster/t [order] a/key_manager/@cluster must be there first\n" + waits +
				"refused create key_manager/@cluster [missing] no certificate of type client called nope is installed at the cluster; install it, or correct external.client_certificate\n" +
				"  external.client_certificate: \"\" -> \"nope\"\n  external.server_ca_certificates: \"\" -> \"[kmip-ca]\"\n  external.servers: \"\" -> \"[ks1:5696]\"\n", ""},
		{"no manager at all", oneKey, found(), nil,
			"refused create auth_key/@cluster/t [missing] the cluster has no key_manager of type external, and this lives in one: declare it in key_managers, or take this out\n" + waits, "65538800 is foreseen"},
		{"a manager that is to go", "key_managers: [{external: {}, state: absent}]\n" + oneKey, found(), nil,
			"refused create auth_key/@cluster/t [missing] the cluster has no key_manager of type external, and this lives in one: declare it in key_managers, or take this out\n" + waits, "a tombstone makes nothing"},
		{"an SVM's manager", oneKey, found(server{name: "ks1"}), nil,
			"refused create auth_key/@cluster/t [missing] the cluster has no key_manager of type external, and this lives in one: declare it in key_managers, or take this out\n" + waits +
				"note key_manager/vs is not in the file: left alone\n", "65538802: drives are the cluster's"},
		{"tombstone", atCluster + "\n" + noKey, keyed(nil, "0a"), nil, "ready delete auth_key/@cluster/t\n  DELETE /km-1/auth-keys/0a map[]\n", "by its id"},
		{"tombstone of what is not there", atCluster + "\n" + noKey, keyed(nil), nil, "", ""},
		{"tombstone beyond the limit", atCluster + "\n" + noKey, keyed(nil, "0a"), func(in *diff.Input) { in.Policy.MaxDeletes = 0 },
			"held delete auth_key/@cluster/t [max_deletes] policy.max_deletes is 0: nothing is removed\n", "keys count too"},
		{"tombstone of one of two", atCluster + "\n" + noKey, keyed(nil, "0a", "0b"), nil,
			"refused delete auth_key/@cluster/t [ambiguous] 2 have this key_tag: 0a, 0b; delete by hand, by key_id, the one that nothing uses\n", "ONTAP may not see that the wrong one is in use"},
		{"tombstone of one of four", atCluster + "\n" + noKey, keyed(nil, "0a", "0b", "0c", "0d"), nil,
			"refused delete auth_key/@cluster/t [ambiguous] 4 have this key_tag: 0a, 0b and 2 more; delete by hand, by key_id, the one that nothing uses\n", "a line has room for two ids"},
		{"left out of the file", atCluster, keyed(nil, "0a"), nil, "note auth_key/@cluster/t is not in the file: left alone\n", "absence never deletes"},
		{"several left out of the file", atCluster, keyed(nil, "0a", "0b"), nil, "note auth_key/@cluster/t is not in the file, 2 times: left alone\n", ""},
		{"too old", oneKey, keyed(nil), func(in *diff.Input) { in.Have.Version = resource.Version{Generation: 9, Major: 11, Minor: 1} },
			"refused create auth_key/@cluster/t [version] needs ONTAP 9.12; the cluster runs 9.11.1\nnote key_manager/@cluster is not in the file: left alone\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := input(lines(t, c.file), c.have)
			for i := range in.Have.Nodes {
				in.Have.Nodes[i].Version = in.Have.Version
			}
			if c.tune != nil {
				c.tune(&in)
			}
			in.Secrets = plan.Secrets{{Addr: keyAddr, Field: "passphrase"}: {Digest: "now"}}
			p := diff.Compute(in)
			if d := cmp.Diff(c.want, short(p)); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
			if blind := !c.have.Health; p.WantsHealth != blind {
				t.Errorf("wants health: %v, want %v", p.WantsHealth, blind)
			}
		})
	}
}

// A passphrase goes out with the key and never again.
func TestAuthKeyPassphrase(t *testing.T) {
	const adopted = "note auth_key/@cluster/t passphrase is taken to be the one that the object was made with: nothing reads it, and nothing changes it\n"
	const refused = "refused update auth_key/@cluster/t [immutable] passphrase cannot be changed in place: make a key with another key_tag, have the drives use it (storage encryption disk modify -data-key-id), then give this one state: absent\n" +
		"  passphrase: \"[secret]\" -> \"[secret]\"\n"
	for _, c := range []struct {
		name      string
		known     plan.Remembered
		state     plan.SecretState
		again     bool
		ids       []string
		want, why string
	}{
		{"first contact", plan.Remembered{}, plan.SecretState{Digest: "d1"}, false, []string{"0a"}, adopted, "it was there before us"},
		{"one of two", plan.Remembered{}, plan.SecretState{Digest: "d1"}, false, []string{"0a", "0b"}, adopted, "there is one, so none is made"},
		{"the same", plan.Remembered{Secrets: map[string]string{"passphrase": "d1"}}, plan.SecretState{Digest: "d1"}, false, []string{"0a"}, "", ""},
		{"another", plan.Remembered{Secrets: map[string]string{"passphrase": "d0"}}, plan.SecretState{Digest: "d1"}, false, []string{"0a"}, refused, "no PATCH takes it"},
		{"the answer to the create was lost", plan.Remembered{Created: true}, plan.SecretState{Digest: "d1"}, false, []string{"0a"}, adopted,
			"what was sent is what the file had: refusing it for ever would help nobody"},
		{"sent again on demand", plan.Remembered{Secrets: map[string]string{"passphrase": "d1"}}, plan.SecretState{Digest: "d1"}, true, []string{"0a"}, "", "nothing takes it"},
		{"sent again on demand at first contact", plan.Remembered{}, plan.SecretState{Digest: "d1"}, true, []string{"0a"}, adopted, "nor then"},
		{"cannot be read", plan.Remembered{Secrets: map[string]string{"passphrase": "d1"}}, plan.SecretState{Err: errors.New("env:P is not set")}, false, []string{"0a"},
			"held update auth_key/@cluster/t [secret] env:P is not set\n  passphrase: \"[secret]\" -> \"[secret]\"\n", "whether it is another cannot be told"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := input(lines(t, atCluster+"\n"+oneKey), keyed(nil, c.ids...))
			in.Ledger.Objects = map[resource.Addr]plan.Remembered{keyAddr: c.known}
			in.Secrets = plan.Secrets{{Addr: keyAddr, Field: "passphrase"}: c.state}
			in.Resend = c.again
			p := diff.Compute(in)
			if d := cmp.Diff(c.want, short(p)); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
			if adopts := c.want == adopted; len(p.Adopted) == 1 != adopts {
				t.Errorf("adopted: %v", p.Adopted)
			}
		})
	}
}

// optioned is a cluster of 9.18.1 with these options, which a fresh one has but for those.
func optioned(options map[string]resource.Value) *resource.Cluster {
	c := found()
	c.Version = resource.Version{Generation: 9, Major: 18, Minor: 1}
	for i := range c.Nodes {
		c.Nodes[i].Version = c.Version
	}
	o := resource.NewObject(resource.Config, resource.Addr{Cluster: "a", Kind: "key_manager_config"})
	for name, v := range options {
		set(o, name, v)
	}
	c.Objects[o.Addr] = o
	return c
}

func TestConfigs(t *testing.T) {
	type options = map[string]resource.Value
	const patch = "  PATCH /api/security/key-manager-configs "
	for _, c := range []struct {
		name, file string
		have       options
		metro      string
		secret     error
		want, why  string
	}{
		{"nothing wanted", "{}", nil, "", nil, "", "unset is unmanaged"},
		{"defaults", "{health_monitor_polling_interval: 15, cloud_kms_retry_count: 3, cc_mode_enabled: false, health_monitor_policy.kmip.enabled: true}", nil, "", nil, "",
			"what ONTAP did not tell has its default"},
		{"one field", "{cloud_kms_retry_count: 0}", options{"cloud_kms_retry_count": resource.Int(5), "health_monitor_polling_interval": resource.Int(30)}, "", nil,
			"ready update key_manager_config/@cluster\n  cloud_kms_retry_count: \"5\" -> \"0\"\n" + patch + "map[cloud_kms_retry_count:0]\n", "exactly the field that differs, at the collection's own path"},
		{"nested", "{health_monitor_policy: {akv: {enabled: false, manage_volume_offline: false}}}", nil, "", nil,
			"ready update key_manager_config/@cluster\n  health_monitor_policy.akv.enabled: \"\" -> \"false\"\n  health_monitor_policy.akv.manage_volume_offline: \"\" -> \"false\"\n" +
				patch + "map[health_monitor_policy:map[akv:map[enabled:false manage_volume_offline:false]]]\n", "in one request"},
		{"strict", "{cc_mode_enabled: true, passphrase: env:P}", nil, "not_configured", nil,
			"ready update key_manager_config/@cluster\n  cc_mode_enabled: \"\" -> \"true\"\n" + patch + "map[cc_mode_enabled:true passphrase:env:P]\n", "65537302: the passphrase goes along"},
		{"strict already", "{cc_mode_enabled: true}", options{"cc_mode_enabled": resource.Bool(true)}, "", nil, "", "then nobody needs the passphrase"},
		{"not strict any more", "{cc_mode_enabled: false, passphrase: env:P}", options{"cc_mode_enabled": resource.Bool(true)}, "", nil,
			"ready update key_manager_config/@cluster\n  cc_mode_enabled: \"true\" -> \"false\"\n" + patch + "map[cc_mode_enabled:false passphrase:env:P]\n", ""},
		{"strict without the passphrase", "{cc_mode_enabled: true, cloud_kms_retry_count: 5}", nil, "not_configured", nil,
			"refused update key_manager_config/@cluster [missing] cc_mode_enabled: true needs passphrase beside it\n  cloud_kms_retry_count: \"\" -> \"5\"\n  cc_mode_enabled: \"\" -> \"true\"\n", "65537302 is foreseen"},
		{"a passphrase that cannot be read", "{cc_mode_enabled: true, passphrase: env:P}", nil, "not_configured", errors.New("env:P is not set"),
			"held update key_manager_config/@cluster [secret] env:P is not set\n  cc_mode_enabled: \"\" -> \"true\"\n", ""},
		{"one that nobody needs", "{cc_mode_enabled: true, passphrase: env:P, cloud_kms_retry_count: 5}", options{"cc_mode_enabled": resource.Bool(true)}, "", errors.New("env:P is not set"),
			"ready update key_manager_config/@cluster\n  cloud_kms_retry_count: \"\" -> \"5\"\n" + patch + "map[cloud_kms_retry_count:5]\n", "it is only asked for where it is sent"},
		{"strict, and who knows where", "{cc_mode_enabled: true, passphrase: env:P}", nil, "", nil,
			"ready update key_manager_config/@cluster\n  cc_mode_enabled: \"\" -> \"true\"\n" + patch + "map[cc_mode_enabled:true passphrase:env:P]\n" +
				"note key_manager_config/@cluster cc_mode_enabled: whether the cluster is a MetroCluster could not be read; ONTAP refuses it in one\n", "ONTAP has the last word"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := input(lines(t, "key_manager_configs: "+c.file), optioned(c.have))
			in.Have.Metro.State = c.metro
			in.Secrets = plan.Secrets{{Addr: resource.Addr{Cluster: "a", Kind: "key_manager_config"}, Field: "passphrase"}: {Digest: "d", Err: c.secret}}
			if d := cmp.Diff(c.want, short(diff.Compute(in))); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
		})
	}
}

// Options are never created, whatever the reader says; and come last, since some are about
// what the rest of the file makes (65537304).
func TestConfigsAreThere(t *testing.T) {
	want := lines(t, atCluster+"\nkey_manager_configs: {health_monitor_polling_interval: 20}")
	have := optioned(nil)
	if p := diff.Compute(input(want, have)); len(p.Steps) != 2 || p.Steps[0].Addr.Kind != "key_manager" {
		t.Errorf("the options come before what they are about:\n%s", short(p))
	}
	clear(have.Objects)
	p := diff.Compute(input(want[1:], have))
	if d := cmp.Diff("refused update key_manager_config/@cluster [missing] the cluster did not say what it has\n", short(p)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
