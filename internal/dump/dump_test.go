package dump

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/desired"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// everything has an object of every kind, and of everything that a file cannot say one.
func everything() Source {
	str, num := resource.Str, resource.Int
	s := source(
		external("", server("", "KS1.example.net:5696", values{
			"timeout": num(25), "create_remove_timeout": num(20), "username": str("db"),
			"secondary_key_servers": resource.StrList([]string{"ks1b", "fd00::2"}),
		}), server("", "[fd00::1]:5697", nil)),
		found(resource.Onboard, "", "onboard-1", values{"onboard.enabled": resource.Bool(true)}),
		external("vs_db", server("vs_db", "ks1:5696", nil), server("vs_db", "ks2:5696", values{"timeout": num(30)})),
		found(resource.External, "vs_db", "old", values{"enabled": resource.Bool(false)}),
		external("1st", server("1st", "ks1:5696", nil)),
		found(resource.Azure, "vs_hr", "", values{
			"configuration.name": str("default"), "enabled": resource.Bool(true), "authentication_method": str("certificate"),
			"name": str("https://hr.vault.azure.net/"), "key_id": str("https://hr.vault.azure.net/keys/k/1"),
			"client_id": str("c: #1"), "tenant_id": str("null"), "port": num(443), "verify_host": resource.Bool(false),
			"proxy_port": num(0), "proxy_username": str("p"),
		}),
		found(resource.Azure, "vs_hr", "spare", values{
			"configuration.name": str("spare"), "enabled": resource.Bool(false), "authentication_method": str("client_secret"),
			"name": str("https://spare.vault.azure.net"), "key_id": str("https://spare.vault.azure.net/keys/k/1"),
			"client_id": str("c"), "tenant_id": str("t"), "proxy_port": num(70000), "proxy_host": str(""),
		}),
		found(resource.AWS, "vs_logs", "", values{
			"region": str("eu-central-1"), "key_id": str("arn:aws:kms:eu-central-1:1:key/x"), "access_key_id": str("AK"), "polling_period": num(60),
		}),
		found(resource.GCP, "vs_g", "", values{
			"project_id": str("p"), "key_ring_location": str("global"), "key_ring_name": str("r"), "key_name": str("k"),
			"authentication_method": str("application_credentials_key"),
		}),
		found(resource.GCP, "vs_h", "", values{
			"project_id": str("p"), "key_ring_location": str("global"), "key_ring_name": str("r"), "key_name": str("k"),
			"authentication_method": str("sa_credentials_attachment"),
		}),
		found(resource.Barbican, "vs_os", "b1", values{
			"configuration.name": str("b1"), "enabled": resource.Bool(true), "key_id": str("https://barbican:9311/v1/secrets/1"),
			"keystone_url": str("https://keystone/v3"), "application_cred_id": str("id"), "timeout": num(10), "verify": resource.Bool(true),
		}),
		found(resource.AuthKey, "", "nse-2026", values{"key_tag": str("nse-2026")}),
		twins(found(resource.AuthKey, "", "twice", values{"key_tag": str("twice")})),
		twins(found(resource.AuthKey, "", "", nil)),
		found(resource.AuthKey, "", "a b", values{"key_tag": str("a b")}),
		found(resource.Config, "", "", values{
			"health_monitor_polling_interval": num(20), "cloud_kms_retry_count": num(3), "cc_mode_enabled": resource.Bool(true),
			"health_monitor_policy.akv.enabled": resource.Bool(false), "health_monitor_policy.akv.manage_volume_offline": resource.Bool(false),
			"health_monitor_policy.ikp.enabled": resource.Bool(true), "health_monitor_policy.ikp.manage_volume_offline": resource.Bool(true),
		}),
	)
	s.Spec.TLS = desired.TLS{CAFile: "/etc/kmagent/a.pem", ServerName: "a.example.net"}
	s.Spec.Interval, s.Spec.HealthInterval = 5*time.Minute, 90*time.Second
	s.Spec.Mode = desired.Observe
	s.Spec.Policy = desired.Policy{MaxDeletes: 0, MinReachableServers: 2}
	return s
}

// twins makes an object one of two with the same tag.
func twins(o *resource.Object) *resource.Object {
	o.Twins = []string{"22222222-0000-4000-8000-000000000002"}
	return o
}

// Options that nobody set make no section, and what takes volumes offline is never declared:
// whoever turns it off by hand, in an outage, must not have it turned on again.
func TestOptions(t *testing.T) {
	on := resource.Bool(true)
	for _, c := range []struct {
		have      values
		want, why string
	}{
		{values{"health_monitor_polling_interval": resource.Int(15), "cc_mode_enabled": resource.Bool(false)}, "", "all of it is as ONTAP makes it"},
		{values{"health_monitor_policy.akv.manage_volume_offline": on, "health_monitor_policy.okm.manage_volume_offline": on},
			"    # key_manager_configs:\n" +
				"      # health_monitor_policy.akv.manage_volume_offline: true  # as ONTAP has it: it takes volumes offline whose keys stay unreachable; false keeps it from that\n" +
				"      # health_monitor_policy.okm.manage_volume_offline: true  # as ONTAP has it: it takes volumes offline whose keys stay unreachable; false keeps it from that\n",
			"comments alone are no mapping"},
		{values{"health_monitor_policy.akv.manage_volume_offline": on, "cloud_kms_retry_count": resource.Int(99)},
			"    # key_manager_configs:\n" +
				"      # cloud_kms_retry_count: 99  # \"99\" is out of range; write 0 to 10\n" +
				"      # health_monitor_policy.akv.manage_volume_offline: true  # as ONTAP has it: it takes volumes offline whose keys stay unreachable; false keeps it from that\n",
			"nor is one whose only field no file can have"},
		{values{"health_monitor_policy.akv.manage_volume_offline": resource.Bool(false)},
			"    key_manager_configs:\n      health_monitor_policy.akv.manage_volume_offline: false\n", "that is worth keeping"},
	} {
		s := source(found(resource.Config, "", "", c.have))
		text := file(t, s)
		_, got, _ := strings.Cut(text, "    # The options of key management of a cluster.\n")
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.why, d)
		}
		plansToNothing(t, s, text)
	}
}

// The golden is the file as people get it; what it declares is read back and compared.
func TestFile(t *testing.T) {
	s := everything()
	s.Unread = []*resource.Kind{resource.Barbican}
	text := file(t, s)
	golden(t, "everything.golden", text)
	state := plansToNothing(t, s, text)
	got := state.Clusters[0]
	got.Objects, got.Source = nil, resource.Pos{}
	if diff := cmp.Diff(s.Spec, got, cmp.AllowUnexported(secret.Ref{})); diff != "" {
		t.Errorf("the settings, -want +got:\n%s", diff)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEqualBytes(t *testing.T) {
	want := file(t, everything())
	for range 20 {
		if got := file(t, everything()); got != want {
			t.Fatalf("another file for the same cluster:\n%s", cmp.Diff(want, got))
		}
	}
}

func TestEntries(t *testing.T) {
	str := resource.Str
	long := strings.Repeat("x", 9000)
	twin := external("vs1", server("vs1", "ks1:5696", nil), server("vs1", "KS1", nil))
	tests := []struct {
		name    string
		have    Source
		objects int
		want    []string // lines, without their indentation
		why     string
	}{
		{"a default", source(external("vs1", server("vs1", "ks1:5696", values{"timeout": resource.Int(25)}))), 1,
			[]string{"- server: ks1:5696"}, "what ONTAP makes of its own is not anybody's wish"},
		{"no user", source(external("vs1", server("vs1", "ks1:5696", values{"username": str("")}))), 1,
			[]string{"- server: ks1:5696"}, "an empty user is none, so there is no password either"},
		{"a certificate of the SVM hides the cluster's", with(source(external("vs1", server("vs1", "ks1:5696", nil))), certificate(clusterID, "vs1", "kmip-client", "client")), 1,
			[]string{"client_certificate: {uuid: " + clientID + "}", "server_ca_certificates: [kmip-ca]"}, "by its name a plan would find the other one"},
		{"two certificates of a name", with(source(external("vs1", server("vs1", "ks1:5696", nil))), certificate(clusterID, "", "kmip-ca", "server_ca")), 1,
			[]string{"server_ca_certificates: [{uuid: " + caID + "}]"}, "the name does not tell which"},
		{"of another type and the same name", with(source(external("vs1", server("vs1", "ks1:5696", nil))), certificate(clusterID, "vs1", "kmip-client", "server_ca")), 1,
			[]string{"client_certificate: kmip-client"}, "a plan looks among those of the type"},
		{"a certificate that is not listed", without(source(external("vs1", server("vs1", "ks1:5696", nil))), clientID), 0,
			[]string{"# - svm: vs1  # no entry: ONTAP lists no such certificate of type client, here or at the cluster", "#     client_certificate: {uuid: " + clientID + "}"}, "a plan would refuse it"},
		{"a certificate without a name", without(with(source(external("vs1", server("vs1", "ks1:5696", nil))), certificate(clientID, "", "", "client")), ""), 1,
			[]string{"client_certificate: {uuid: " + clientID + "}"}, "there is nothing to call it"},
		{"an SVM's name that no file takes", source(external("1st", server("1st", "ks1:5696", nil))), 0,
			[]string{"# key_managers:"}, "a list without members is a fault, so it goes too"},
		{"two servers that are one", source(twin, external("vs2", server("vs2", "ks1:5696", nil))), 1,
			[]string{"key_managers:", "- svm: vs2"}, "half a list of servers would be a wish to remove the other half"},
		{"a policy at cluster scope", source(having(external("", server("", "ks1:5696", nil)), "policy", str("p"))), 1,
			[]string{"# policy: p  # only the key manager of an SVM has a policy; name the svm, or leave it out [KM008]"}, "the entry may do without it"},
		{"a text that is too long", source(having(external("vs1", server("vs1", "ks1:5696", nil)), "policy", str(long))), 1,
			nil, "a comment shows the beginning alone"},
		{"a line break", source(having(external("vs1", server("vs1", "ks1:5696", nil)), "policy", str("a\nversion: 2"))), 1,
			[]string{`# policy: "a\nversion: 2"  # a value with a line break, a tab or a character that editors do not show; write it on one line without`}, "text of a cluster begins no line"},
		{"an old Azure", source(found(resource.Azure, "vs1", "", values{"name": str("https://v"), "key_id": str("https://v/keys/k/1"), "client_id": str("c"), "tenant_id": str("t")})), 1,
			[]string{"client_secret: cred:FILL_ME_azure_vs1  # to fill in: ONTAP does not tell it"}, "before 9.10 there was no other way"},
		{"nothing but a user", source(found(resource.Azure, "", "", values{"proxy_username": str("u")})), 0,
			[]string{"# - client_secret: cred:FILL_ME_azure_cluster  # no entry: client_id: missing: The application's id. Its secret or certificate goes along with a change (65537517)."}, "an entry without what it must have is none"},
		{"nothing at all", source(found(resource.Azure, "", "", nil)), 0,
			[]string{"# azure_key_vaults:"}, "an empty entry is none either"},
		{"a server without a name", source(external("vs1", found(resource.KeyServer, "vs1", "", nil))), 0,
			[]string{"#       - {}"}, "a list of servers is whole or not there"},
		{"a default configuration in store", source(found(resource.Azure, "vs1", "", values{"configuration.name": str("default"), "enabled": resource.Bool(false),
			"name": str("https://v"), "key_id": str("https://v/keys/k/1"), "client_id": str("c"), "tenant_id": str("t")})), 1,
			[]string{"configuration.name: default", "enabled: false"}, "without its name it would be created in use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := file(t, tt.have)
			state := plansToNothing(t, tt.have, text)
			if n := len(state.Clusters[0].Objects); n != tt.objects {
				t.Errorf("%d objects, want %d: %s\n%s", n, tt.objects, tt.why, text)
			}
			lines := map[string]bool{}
			for l := range strings.Lines(text) {
				lines[strings.TrimSpace(l)] = true
				if len(l) > 2000 {
					t.Errorf("a line of %d bytes", len(l))
				}
			}
			for _, w := range tt.want {
				if !lines[w] {
					t.Errorf("no line %q: %s\n%s", w, tt.why, text)
				}
			}
		})
	}
}

// with installs certificates.
func with(s Source, certificates ...*resource.Object) Source {
	s.Have.Links = append(s.Have.Links, certificates...)
	return s
}

// without takes the certificate of that id away; with no id, the first one.
func without(s Source, id string) Source {
	for i, o := range s.Have.Links {
		if o.ID == id || id == "" {
			s.Have.Links = append(s.Have.Links[:i:i], s.Have.Links[i+1:]...)
			break
		}
	}
	return s
}

// having gives one field of an object a value.
func having(o *resource.Object, field string, v resource.Value) *resource.Object {
	o.Values[o.Kind.Index(field)] = v
	return o
}

// Two secrets never get one reference, however alike their names are.
func TestReferences(t *testing.T) {
	refs := references{}
	azure := func(svm, name string) *resource.Object { return found(resource.Azure, svm, name, nil) }
	for _, tt := range []struct {
		o     *resource.Object
		field string
		want  string
	}{
		{azure("vs_hr", ""), "", "cred:FILL_ME_azure_vs_hr"},
		{azure("", ""), "", "cred:FILL_ME_azure_cluster"},
		{azure("a_b", ""), "", "cred:FILL_ME_azure_a_b"},
		{azure("a", "b"), "", "cred:FILL_ME_azure_a_b_2"},
		{azure("a", "b"), "proxy_password", "cred:FILL_ME_azure_a_b_proxy_password"},
		{azure("vs1", "ä/../:x"), "", "cred:FILL_ME_azure_vs1_..__x"},
		{server("", "[fd00::1]:5697", nil), "", "cred:FILL_ME_key_server_cluster_fd00__1__5697"},
		{azure("vs1", strings.Repeat("n", 300)), "", "cred:FILL_ME_azure_vs1_" + strings.Repeat("n", 182)},
		{azure("vs1", strings.Repeat("n", 300)), "", "cred:FILL_ME_azure_vs1_" + strings.Repeat("n", 182) + "_2"},
	} {
		got := refs.of(tt.o, tt.field)
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.o.Addr, got, tt.want)
		}
		if _, err := secret.ParseRef(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
}

func TestCheck(t *testing.T) {
	good := source().Spec
	for _, tt := range []struct {
		name   string
		change func(*desired.Cluster)
		want   string
	}{
		{"as it is", func(*desired.Cluster) {}, ""},
		{"http", func(c *desired.Cluster) { c.Endpoint = "http://a" }, "endpoint: must begin with https://: kmagent sends secrets"},
		{"a password in it", func(c *desired.Cluster) { c.Endpoint = "https://u:canary@a" }, "endpoint: must not hold a user or a password; write them under auth"},
		{"a relative path", func(c *desired.Cluster) { c.TLS.CAFile = "ca.pem" }, "tls.ca_file: must be an absolute path; begin it with /"},
		{"a line break", func(c *desired.Cluster) {
			c.Auth = desired.Basic{Username: "a\nb", Password: c.Auth.(desired.Basic).Password}
		},
			"a value with a line break, a tab or a character that editors do not show; write it on one line without"},
	} {
		spec := good
		tt.change(&spec)
		_, err := Check(spec)
		if got := message(err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	spec := good
	spec.Endpoint = "https://A.example.net:443/"
	if got, err := Check(spec); err != nil || got.Endpoint != "https://a.example.net" {
		t.Errorf("Check = %q, %v, want the one spelling", got.Endpoint, err)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestLabel(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"prod-a", "prod-a"},
		{"", "cluster"},
		{"prod a/1", "prod-a-1"},
		{"prüd", "pr-d"},
		{strings.Repeat("x", 64), strings.Repeat("x", 63)},
	} {
		if got := Label(tt.name); got != tt.want {
			t.Errorf("Label(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A fleet too large for a file is an error, and not a file that nothing can read.
func TestTooLarge(t *testing.T) {
	var all []*resource.Object
	for i := range 4000 {
		svm := "vs" + strings.Repeat("x", i%9) + "_" + strings.Repeat("y", i/9%9) + "_" + strings.Repeat("z", i/81)
		all = append(all, external(svm[:min(len(svm), 46)]+string(rune('a'+i%20)), server(svm, "ks1:5696", nil), server(svm, "ks2:5696", nil), server(svm, "ks3:5696", nil)))
	}
	_, err := File([]Source{source(all...)})
	if err == nil || !strings.Contains(err.Error(), "the limit is") {
		t.Errorf("File: %v, want the limit", err)
	}
}
