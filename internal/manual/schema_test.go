package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kmagent/internal/desired"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

// files returns the YAML files of a directory by name.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatal("no files in "+dir, err)
	}
	texts := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(name)] = text
	}
	return texts
}

// Whatever the project shows as valid is valid under the schema.
func TestValidFiles(t *testing.T) {
	s := compile(t, resource.All())
	for _, dir := range []string{"../../examples", "../desired/testdata/good"} {
		for name, text := range files(t, dir) {
			t.Run(name, func(t *testing.T) {
				if _, err := desired.Parse(name, text); err != nil {
					t.Error(err)
				}
				v, err := instance(text)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Validate(v); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// beyondSchema are the files of package desired that a schema cannot refuse.
var beyondSchema = map[string]string{
	"duplicates.yaml":    "an editor's YAML reports a key that stands twice; two spellings of one name are two keys to a schema",
	"syntax-alias.yaml":  "YAML itself",
	"syntax-colon.yaml":  "YAML itself",
	"syntax-flow.yaml":   "YAML itself",
	"syntax-quote.yaml":  "YAML itself",
	"syntax-tab.yaml":    "YAML itself",
	"syntax-indent.yaml": "YAML itself",
	"yaml.yaml":          "tags, merge keys, anchors and a second document: what is left of them in JSON is not what was written",
}

// Whatever package desired refuses for its shape is invalid under the schema.
func TestInvalidFiles(t *testing.T) {
	s := compile(t, resource.All())
	bad := files(t, "../desired/testdata/bad")
	for name, text := range bad {
		t.Run(name, func(t *testing.T) {
			v, err := instance(text)
			refused := err == nil && s.Validate(v) != nil
			reason, beyond := beyondSchema[name]
			switch {
			case !refused && !beyond:
				t.Errorf("valid under the schema (or no YAML: %v); if no schema can refuse it, say why in beyondSchema", err)
			case refused && beyond:
				t.Errorf("the schema does refuse it; it was listed because of: %s", reason)
			}
		})
	}
	for name := range beyondSchema {
		if bad[name] == nil {
			t.Errorf("beyondSchema has %s, which does not exist", name)
		}
	}
}

// An example that an editor opens finds its schema.
func TestModeline(t *testing.T) {
	const modeline = "# yaml-language-server: $schema="
	for name, text := range files(t, "../../examples") {
		first, _, _ := strings.Cut(string(text), "\n")
		path, ok := strings.CutPrefix(first, modeline)
		if !ok {
			t.Errorf("%s does not begin with %s", name, modeline)
			continue
		}
		if _, err := os.Stat(filepath.Join("../../examples", path)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// within puts the keys of a cluster, in flow style, into a file.
func within(cluster string) []byte {
	return fmt.Appendf(nil, "version: 1\ndefaults: {auth: {bearer: {token: cred:t}}}\nclusters: [{%s}]\n", cluster)
}

// ignoring puts an entry into the list of the rules that are ignored.
func ignoring(entry string) []byte {
	return append(within("name: a, endpoint: https://a"), "rules: {ignore: [{"+entry+"}]}\n"...)
}

// external puts the keys of an entry into such a file.
func external(entry string) []byte {
	return within("name: a, endpoint: https://a, key_managers: [{" + entry + "}]")
}

// server puts the keys of a key server into such a file.
func server(keys string) []byte {
	return external("svm: vs1, external: {client_certificate: c, server_ca_certificates: [ca], servers: [{" + keys + "}]}")
}

// What is written once, here and in package desired, is written alike: on both sides of
// each edge the schema and the decoder say the same.
func TestAgreement(t *testing.T) {
	const servers = "client_certificate: c, server_ca_certificates: [ca], servers: [{server: ks1}]"
	s := compile(t, resource.All())
	for _, tc := range []struct {
		reason string
		text   []byte
		valid  bool
	}{
		{"all of a cluster", within("name: a, endpoint: https://a"), true},
		{"the form has a version", []byte("version: 2\nclusters: [{name: a, endpoint: https://a, auth: {bearer: {token: cred:t}}}]"), false},
		{"a number is no text", []byte("version: \"1\"\nclusters: [{name: a, endpoint: https://a, auth: {bearer: {token: cred:t}}}]"), false},
		{"a version is not left out", []byte("clusters: [{name: a, endpoint: https://a, auth: {bearer: {token: cred:t}}}]"), false},
		{"clusters are not left out", []byte("version: 1"), false},
		{"no clusters are none to manage", []byte("version: 1\nclusters: []"), false},
		{"auth may stand under a cluster", []byte("version: 1\nclusters: [{name: a, endpoint: https://a, auth: {bearer: {token: cred:t}}}]"), true},
		{"auth is needed somewhere", []byte("version: 1\ndefaults: {}\nclusters: [{name: a, endpoint: https://a}]"), false},
		{"nothing is no value", []byte("version: 1\ndefaults:\nclusters: [{name: a, endpoint: https://a, auth: {bearer: {token: cred:t}}}]"), false},
		{"defaults have no name", []byte("version: 1\ndefaults: {name: a, auth: {bearer: {token: cred:t}}}\nclusters: [{name: a, endpoint: https://a}]"), false},
		{"a name is needed", within("endpoint: https://a"), false},
		{"an endpoint is needed", within("name: a"), false},
		{"a number is taken for a name", within("name: 7, endpoint: https://a"), true},
		{"the longest name", within("name: " + strings.Repeat("a", 63) + ", endpoint: https://a"), true},
		{"a longer name", within("name: " + strings.Repeat("a", 64) + ", endpoint: https://a"), false},
		{"a name without its characters", within("name: a/b, endpoint: https://a"), false},
		{"an endpoint with port and slash", within("name: a, endpoint: HTTPS://a:8443/"), true},
		{"an endpoint in the clear", within("name: a, endpoint: http://a"), false},
		{"an endpoint with a path", within("name: a, endpoint: https://a/api"), false},
		{"an endpoint with a user", within("name: a, endpoint: https://u@a"), false},
		{"a UUID in upper case", within("name: a, endpoint: https://a, uuid: 1CD8A442-86D1-11E0-AE1C-123478563412"), true},
		{"a UUID without dashes", within("name: a, endpoint: https://a, uuid: 1cd8a44286d111e0ae1c123478563412"), false},
		{"a path from the root", within("name: a, endpoint: https://a, tls: {ca_file: /a.pem, server_name: b}"), true},
		{"a path from anywhere", within("name: a, endpoint: https://a, tls: {ca_file: a.pem}"), false},
		{"a key that TLS has not", within("name: a, endpoint: https://a, tls: {verify: false}"), false},
		{"durations with all units", within("name: a, endpoint: https://a, interval: 1h30m1.5s, health_interval: 90000ms"), true},
		{"a duration without a unit", within("name: a, endpoint: https://a, interval: 300"), false},
		{"a duration in days", within("name: a, endpoint: https://a, interval: 1d"), false},
		{"a mode", within("name: a, endpoint: https://a, mode: observe"), true},
		{"no mode", within("name: a, endpoint: https://a, mode: Observe"), false},
		{"the least of a policy", within("name: a, endpoint: https://a, policy: {max_deletes: 0, min_reachable_servers: 1}"), true},
		{"the most of a policy", within("name: a, endpoint: https://a, policy: {max_deletes: 1000, min_reachable_servers: 100}"), true},
		{"fewer than no deletions", within("name: a, endpoint: https://a, policy: {max_deletes: -1}"), false},
		{"more deletions", within("name: a, endpoint: https://a, policy: {max_deletes: 1001}"), false},
		{"a floor of nothing", within("name: a, endpoint: https://a, policy: {min_reachable_servers: 0}"), false},
		{"a higher floor", within("name: a, endpoint: https://a, policy: {min_reachable_servers: 101}"), false},
		{"a password", within("name: a, endpoint: https://a, auth: {basic: {username: u, password: file:/p}}"), true},
		{"half a password", within("name: a, endpoint: https://a, auth: {basic: {username: u}}"), false},
		{"a certificate", within("name: a, endpoint: https://a, auth: {certificate: {cert_file: /c, key_file: /k}}"), true},
		{"half a certificate", within("name: a, endpoint: https://a, auth: {certificate: {cert_file: /c}}"), false},
		{"no token", within("name: a, endpoint: https://a, auth: {bearer: {}}"), false},
		{"no way to authenticate", within("name: a, endpoint: https://a, auth: {}"), false},
		{"two ways to authenticate", within("name: a, endpoint: https://a, auth: {bearer: {token: cred:t}, basic: {username: u, password: cred:p}}"), false},
		{"a secret itself", within("name: a, endpoint: https://a, auth: {bearer: {token: hunter2}}"), false},

		{"a rule that is ignored", ignoring("id: KM005, reason: lab, until: 2027-01-01"), true},
		{"no rule", ignoring("id: KM999, reason: lab, until: 2027-01-01"), false},
		{"a rule that does more than warn", ignoring("id: KM006, reason: lab, until: 2027-01-01"), false},
		{"no reason", ignoring("id: KM005, until: 2027-01-01"), false},
		{"an empty reason", ignoring("id: KM005, reason: \"\", until: 2027-01-01"), false},
		{"for ever", ignoring("id: KM005, reason: lab"), false},
		{"no date", ignoring("id: KM005, reason: lab, until: 2027"), false},
		{"nothing but rules to ignore", append(within("name: a, endpoint: https://a"), "rules: {only: []}\n"...), false},

		{"nested", external("external: {" + servers + "}"), true},
		{"dotted", external("external.client_certificate: c, external.server_ca_certificates: [ca], external.servers: [{server: ks1}]"), true},
		{"some of both", external("external.client_certificate: c, external: {server_ca_certificates: [ca], servers: [{server: ks1}]}"), true},
		{"neither", external("external: {server_ca_certificates: [ca], servers: [{server: ks1}]}"), false},
		{"a dotted name at the wrong depth", external("external: {" + servers + ", external.servers: []}"), false},
		{"a tombstone", external("svm: vs1, state: absent"), true},
		{"a tombstone with more than it needs", external("state: absent, external: {servers: [{server: ks1}]}"), true},
		{"a tombstone is not ill-formed", external("state: absent, external: {servers: [{}]}"), false},
		{"there is one state", external("state: present, external: {" + servers + "}"), false},
		{"the longest SVM", external("svm: " + strings.Repeat("a", 47) + ", external: {" + servers + "}"), true},
		{"a longer SVM", external("svm: " + strings.Repeat("a", 48) + ", external: {" + servers + "}"), false},
		{"an SVM that begins with a digit", external("svm: 1a, external: {" + servers + "}"), false},
		{"a link by UUID", external("external: {client_certificate: {uuid: 1cd8a442-86d1-11e0-ae1c-123478563412}, server_ca_certificates: [{name: ca}], servers: [{server: ks1}]}"), true},
		{"a link by both", external("external: {client_certificate: {name: c, uuid: 1cd8a442-86d1-11e0-ae1c-123478563412}, server_ca_certificates: [ca], servers: [{server: ks1}]}"), false},
		{"a link by nothing", external("external: {client_certificate: {}, server_ca_certificates: [ca], servers: [{server: ks1}]}"), false},
		{"a link whose name is a UUID", external("external: {client_certificate: 1cd8a442-86d1-11e0-ae1c-123478563412, server_ca_certificates: [ca], servers: [{server: ks1}]}"), false},
		{"a link twice", external("external: {client_certificate: c, server_ca_certificates: [ca, ca], servers: [{server: ks1}]}"), false},
		{"a field that is read only", external("enabled: true, external: {" + servers + "}"), false},
		{"a field of what is read only", external("status: {code: 0}, external: {" + servers + "}"), false},

		{"four servers", server("server: a}, {server: b}, {server: c}, {server: d"), true},
		{"five servers", server("server: a}, {server: b}, {server: c}, {server: d}, {server: e"), false},
		{"a server without a name", server("timeout: 1"), false},
		{"a server has no state", server("server: a, state: absent"), false},
		{"the shortest timeout", server("server: a, timeout: -1"), true},
		{"a shorter timeout", server("server: a, timeout: -2"), false},
		{"the longest timeout", server("server: a, timeout: 60"), true},
		{"a longer timeout", server("server: a, timeout: 61"), false},
		{"a timeout in quotes", server("server: a, timeout: \"30\""), false},
		{"a user with a password", server("server: a, username: u, password: env:P"), true},
		{"a user without a password", server("server: a, username: u"), false},
		{"a password without a user", server("server: a, password: env:P"), false},
		{"keys with tags", within("name: a, endpoint: https://a, auth_keys: [{key_tag: t}, {key_tag: u, state: absent}]"), true},
		{"a key without a tag", within("name: a, endpoint: https://a, auth_keys: [{passphrase: cred:p}]"), false},
		{"a key of an SVM", within("name: a, endpoint: https://a, auth_keys: [{svm: vs1, key_tag: t}]"), false},
		{"no options", within("name: a, endpoint: https://a, key_manager_configs: {}"), true},
		{"options, nested and dotted", within("name: a, endpoint: https://a, key_manager_configs: {health_monitor_policy: {akv.enabled: true}, health_monitor_policy.okm: {enabled: false}}"), true},
		{"a list of options", within("name: a, endpoint: https://a, key_manager_configs: [{cloud_kms_retry_count: 3}]"), false},
		{"options that are absent", within("name: a, endpoint: https://a, key_manager_configs: {state: absent}"), false},
		{"options of an SVM", within("name: a, endpoint: https://a, key_manager_configs: {svm: vs1}"), false},
		{"an option with another type of key manager", within("name: a, endpoint: https://a, key_manager_configs: {health_monitor_policy: {kms: {enabled: true}}}"), false},
		{"three secondaries", server("server: a, secondary_key_servers: [x, y, z]"), true},
		{"four secondaries", server("server: a, secondary_key_servers: [w, x, y, z]"), false},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			_, err := desired.Parse("f", tc.text)
			if valid := err == nil; valid != tc.valid {
				t.Errorf("%s\nthe decoder says valid = %t, want %t: %v", tc.text, valid, tc.valid, err)
			}
			v, err := instance(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Validate(v)
			if valid := err == nil; valid != tc.valid {
				t.Errorf("%s\nthe schema says valid = %t, want %t: %v", tc.text, valid, tc.valid, err)
			}
		})
	}
}

// What only package desired refuses, and why no schema can.
func TestBeyondSchema(t *testing.T) {
	const servers = "client_certificate: c, server_ca_certificates: [ca], servers: [{server: ks1}]"
	s := compile(t, resource.All())
	for _, tc := range []struct {
		reason string
		text   []byte
	}{
		{"two values side by side", within("name: a, endpoint: https://a}, {name: a, endpoint: https://b")},
		{"the same thing in two spellings", server("server: a}, {server: A.:5696")},
		{"one name written twice, nested and dotted", external("external: {" + servers + "}, external.servers: [{server: ks2}]")},
		{"a rule that is ignored twice", ignoring("id: KM005, reason: lab, until: 2027-01-01}, {id: KM005, reason: lab, until: 2028-01-01")},
		{"the days of a month", ignoring("id: KM005, reason: lab, until: 2027-02-30")},
		{"the range of a duration", within("name: a, endpoint: https://a, interval: 25h")},
		{"the characters of a tag", within("name: a, endpoint: https://a, auth_keys: [{key_tag: a b}]")},
		{"a host's own rules", server("server: \"a:0\"")},
		{"what goes together with the SVM's absence", external("policy: p, external: {" + servers + "}")},
		{"a credential that is a directory", within("name: a, endpoint: https://a, auth: {bearer: {token: cred:..}}")},
	} {
		if _, err := desired.Parse("f", tc.text); err == nil {
			t.Errorf("%s: the decoder takes it too", tc.reason)
		}
		v, err := instance(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: the schema refuses it too; say so in TestAgreement: %v", tc.reason, err)
		}
	}
}

// What the schema refuses, package desired refuses: an editor never complains of a file
// that works. A text that reads true or false is left out: unlike a number, it is a
// mistake more often than a name, and the schema wants quotes around it.
func FuzzSound(f *testing.F) {
	for _, dir := range []string{"../../examples", "../desired/testdata/good", "../desired/testdata/bad"} {
		for _, text := range files(f, dir) {
			f.Add(text)
		}
	}
	s := compile(f, resource.All())
	f.Fuzz(func(t *testing.T, text []byte) {
		if low := strings.ToLower(string(text)); strings.Contains(low, "true") || strings.Contains(low, "false") {
			t.Skip()
		}
		if _, err := desired.Parse("f", text); err != nil {
			return
		}
		v, err := instance(text)
		if err != nil {
			t.Fatalf("the decoder reads what the test cannot: %v", err)
		}
		if err := s.Validate(v); err != nil {
			t.Error(err)
		}
	})
}

// The form of a reference is that of secret.ParseRef, but for names of no file.
func FuzzSecretPattern(f *testing.F) {
	for _, s := range []string{
		"cred:prod-a", "cred:a b", "cred:a/b", "cred:a:b", "cred:", "cred:" + strings.Repeat("a", 256),
		"file:/p", "file:p", "file:/", "file:/a\tb", "file:/ä", "env:A_1", "env:1A", "env:", "vault:a", "hunter2", "",
	} {
		f.Add(s)
	}
	s := compile(f, resource.All())
	f.Fuzz(func(t *testing.T, ref string) {
		if ref == "cred:." || ref == "cred:.." || len(ref) > 4096 || strings.ToValidUTF8(ref, "") != ref {
			t.Skip() // names of directories, what is longer than a path, and what no file can hold
		}
		_, err := secret.ParseRef(ref)
		invalid := s.Validate(map[string]any{
			"version": 1, "clusters": []any{map[string]any{
				"name": "a", "endpoint": "https://a", "auth": map[string]any{"bearer": map[string]any{"token": ref}},
			}},
		})
		if (err == nil) != (invalid == nil) {
			t.Errorf("%q: ParseRef says %v, the schema says %v", ref, err, invalid)
		}
	})
}

// A way to keep a secret that package secret learns is to be learnt here too.
func TestSecretSchemes(t *testing.T) {
	for word := range strings.FieldsSeq(secret.ErrNotRef.Error()) {
		scheme, _, ok := strings.Cut(word, ":")
		if ok && !strings.Contains(secretPattern, scheme+":") {
			t.Errorf("secretPattern does not know %s:", scheme)
		}
	}
}
