package diff_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

var vault = resource.Addr{Cluster: "a", Kind: "azure_key_vault", SVM: "vs"}

// vaultWanted reads an Azure Key Vault of SVM vs, with these lines beside what it must have.
func vaultWanted(t *testing.T, lines string) []*resource.Object {
	t.Helper()
	text := `version: 1
clusters:
  - name: a
    endpoint: https://a.example.net
    auth: {basic: {username: u, password: env:P}}
    azure_key_vaults:
      - svm: vs
        name: https://v.vault.azure.net/
        key_id: https://v.vault.azure.net/keys/k/1
        tenant_id: t
        ` + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n        ") + "\n"
	s, err := desired.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return s.Clusters[0].Objects
}

// vaultFound is a cluster of 9.18.1 that has the vault of vaultWanted, with client_id c and
// a client secret that we set, changed as the caller likes.
func vaultFound(changes map[string]resource.Value) *resource.Cluster {
	c := found()
	c.Version = resource.Version{Generation: 9, Major: 18, Minor: 1}
	for i := range c.Nodes {
		c.Nodes[i].Version = c.Version
	}
	o := resource.NewObject(resource.Azure, vault)
	o.ID = "akv-1"
	set(o, "name", resource.Str("https://v.vault.azure.net/"))
	set(o, "key_id", resource.Str("https://v.vault.azure.net/keys/k/1"))
	set(o, "tenant_id", resource.Str("t"))
	set(o, "client_id", resource.Str("c"))
	set(o, "enabled", resource.Bool(true))
	set(o, "configuration.name", resource.Str("default"))
	set(o, "authentication_method", resource.Str("client_secret"))
	for name, v := range changes {
		set(o, name, v)
	}
	o.Addr.Name = resource.Azure.Named(o.Value("configuration.name").Str())
	c.Objects[o.Addr] = o
	return c
}

// What proves who ONTAP is goes with every change of who it is (ONTAP REST reference,
// azure-key-vaults, code 65537517), and is sent when another one is seen to be in use.
func TestVaultCredentials(t *testing.T) {
	for _, c := range []struct {
		name, file string
		have       map[string]resource.Value
		sent       map[string]string // what the ledger knows
		want, why  string
	}{
		{"client_id, by secret", "client_id: d\nclient_secret: env:P", nil, map[string]string{"client_secret": "now"},
			"ready update azure_key_vault/vs\n  client_id: \"c\" -> \"d\"\n  PATCH /api/security/azure-key-vaults/akv-1 map[client_id:d client_secret:env:P]\n",
			"a secret is the application's"},
		{"client_id, by certificate", "client_id: d\nclient_certificate: env:P",
			map[string]resource.Value{"authentication_method": resource.Str("certificate")}, map[string]string{"client_certificate": "now"},
			"ready update azure_key_vault/vs\n  client_id: \"c\" -> \"d\"\n  PATCH /api/security/azure-key-vaults/akv-1 map[client_certificate:env:P client_id:d]\n",
			"and so is a certificate"},
		{"back to a secret that was sent once", "client_id: c\nclient_secret: env:P",
			map[string]resource.Value{"authentication_method": resource.Str("certificate")}, map[string]string{"client_secret": "now", "client_certificate": "d2"},
			"ready update azure_key_vault/vs\n  client_secret: \"[secret]\" -> \"[secret]\"\n  PATCH /api/security/azure-key-vaults/akv-1 map[client_secret:env:P]\n",
			"ONTAP forgot it when it got the certificate"},
		{"a certificate where a secret is in use, and we never sent either", "client_id: c\nclient_certificate: env:P", nil, nil,
			"ready update azure_key_vault/vs\n  client_certificate: \"[secret]\" -> \"[secret]\"\n  PATCH /api/security/azure-key-vaults/akv-1 map[client_certificate:env:P]\n",
			"it cannot be the current one"},
		{"a release that does not tell", "client_id: c\nclient_secret: env:P",
			map[string]resource.Value{"authentication_method": {}}, map[string]string{"client_secret": "now"}, "", "what was sent is there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := input(vaultWanted(t, c.file), vaultFound(c.have))
			in.Ledger.Objects = map[resource.Addr]plan.Remembered{vault: {Secrets: c.sent}}
			in.Secrets = plan.Secrets{{Addr: vault, Field: "client_secret"}: {Digest: "now"}, {Addr: vault, Field: "client_certificate"}: {Digest: "now"}}
			if d := cmp.Diff(c.want, short(diff.Compute(in))); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
		})
	}
}

// Only the configuration in use is rekeyed (ONTAP REST reference, azure-key-vaults, code
// 65537120).
func TestRekeyInStore(t *testing.T) {
	const other = "configuration.name: blue\nclient_id: c\nclient_secret: env:P"
	in := func(file string) diff.Input {
		have := vaultFound(map[string]resource.Value{"configuration.name": resource.Str("blue"), "enabled": resource.Bool(false),
			"key_id": resource.Str("https://v.vault.azure.net/keys/k/0")})
		i := input(vaultWanted(t, file), have)
		i.Ledger.Objects = map[resource.Addr]plan.Remembered{{Cluster: "a", Kind: vault.Kind, SVM: "vs", Name: "blue"}: {Secrets: map[string]string{"client_secret": "now"}}}
		i.Secrets = plan.Secrets{{Addr: resource.Addr{Cluster: "a", Kind: vault.Kind, SVM: "vs", Name: "blue"}, Field: "client_secret"}: {Digest: "now"}}
		return i
	}
	for _, c := range []struct{ file, want, why string }{
		{other, "refused act azure_key_vault/vs/blue [immutable] key_id cannot be changed while the configuration is in store: enable it first, or delete it and create it anew\n" +
			"  key_id: \"https://v.vault.azure.net/keys/k/0\" -> \"https://v.vault.azure.net/keys/k/1\"\n", "nobody asked for it to be enabled"},
		{other + "\nenabled: true", "held act azure_key_vault/vs/blue [order] it is rekeyed once it is in use\n" +
			"  key_id: \"https://v.vault.azure.net/keys/k/0\" -> \"https://v.vault.azure.net/keys/k/1\"\n" +
			"ready act azure_key_vault/vs/blue\n  enabled: \"false\" -> \"true\"\n  PATCH /api/security/key-stores/akv-1 map[enabled:true]\n", "the next pass rekeys"},
	} {
		if d := cmp.Diff(c.want, short(diff.Compute(in(c.file)))); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.why, d)
		}
	}
}

// What says how a configuration is to be made goes along with its POST, where POST takes it.
func TestSkipVerificationOnCreate(t *testing.T) {
	have := vaultFound(nil)
	delete(have.Objects, vault)
	in := input(vaultWanted(t, "client_id: c\nclient_secret: env:P\nskip_verification: true\nverify_host: true"), have)
	in.Secrets = plan.Secrets{{Addr: vault, Field: "client_secret"}: {Digest: "now"}}
	p := diff.Compute(in)
	if got := p.Steps[0].Requests[0].Body["skip_verification"]; got != true {
		t.Errorf("POST has skip_verification %v", got)
	}
}

// The configuration in use goes only once another that the file wants in use has taken its
// place (ONTAP REST reference, hazards of removing a configuration and of switching).
func TestRemoveInUse(t *testing.T) {
	file := "client_id: c\nclient_secret: env:P\nconfiguration.name: blue\nenabled: true"
	blue := func(enabled bool) *resource.Object {
		o := vaultFound(map[string]resource.Value{"configuration.name": resource.Str("blue"), "enabled": resource.Bool(enabled)}).
			Objects[resource.Addr{Cluster: "a", Kind: vault.Kind, SVM: "vs", Name: "blue"}]
		o.ID = "akv-2"
		return o
	}
	const waits = "held delete azure_key_vault/vs [order] it is in use: it goes once a/azure_key_vault/vs/blue has taken its place\n"
	for _, c := range []struct {
		have      []*resource.Object
		want, why string
	}{
		{nil, waits + "ready create azure_key_vault/vs/blue\n", "the other is not even there"},
		{[]*resource.Object{blue(false)}, waits + "ready act azure_key_vault/vs/blue\n", "a removal that comes before the switch leaves the keys without a manager"},
		{[]*resource.Object{blue(true)}, "ready delete azure_key_vault/vs\n", "the switch is done"},
	} {
		have := vaultFound(map[string]resource.Value{"enabled": resource.Bool(true)})
		for _, o := range c.have {
			have.Objects[o.Addr] = o
			if o.Value("enabled").Bool() {
				set(have.Objects[vault], "enabled", resource.Bool(false))
			}
		}
		want := vaultWanted(t, file)
		gone := resource.NewObject(resource.Azure, vault)
		gone.Absent = true
		in := input(append(want, gone), have)
		in.Ledger.Objects = map[resource.Addr]plan.Remembered{want[0].Addr: {Secrets: map[string]string{"client_secret": "now"}}}
		in.Secrets = plan.Secrets{{Addr: want[0].Addr, Field: "client_secret"}: {Digest: "now"}}
		in.Policy.MaxDeletes = 1
		var got strings.Builder
		for _, line := range strings.SplitAfter(short(diff.Compute(in)), "\n") {
			if !strings.HasPrefix(line, "  ") {
				got.WriteString(line)
			}
		}
		if d := cmp.Diff(c.want, got.String()); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.why, d)
		}
	}
}
