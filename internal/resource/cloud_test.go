package resource

import (
	"slices"
	"testing"
)

func TestSpellings(t *testing.T) {
	for _, c := range []struct {
		norm          func(string) (string, error)
		in, want, why string
	}{
		{normHTTPS, "https://K.Example.NET:443/v3/", "https://k.example.net/v3", "case, default port and last slash say nothing"},
		{normHTTPS, "https://k:5000/v3", "https://k:5000/v3", "another port does"},
		{normHTTPS, "https://[2001:DB8::1]:5000", "https://[2001:db8::1]:5000", "an address keeps its brackets"},
		{normHTTPS, "http://k/v3", "", "secrets go there"},
		{normHTTPS, "https://u:p@k/v3", "", "a password in a URL is shown in plans"},
		{normHTTPS, "https://k/v3?x=1", "", "a query is no part of it"},
		{normHTTPS, "https:///v3", "", "no host"},
		{normHTTPS, "https:://k", "", "as one of the reference's examples has it"},

		{normVault, "https://V.vault.azure.net", "https://v.vault.azure.net/", "the examples have the slash"},
		{normVault, "https://v.vault.azure.net/", "https://v.vault.azure.net/", "so this is normal"},
		{normVault, "https://v.vault.azure.net/keys/k/1", "", "the URL of a key"},

		{normVaultKey, "https://V.vault.azure.net/keys/K/1/", "https://v.vault.azure.net/keys/K/1", "names of keys keep their case"},
		{normVaultKey, "https://v.vault.azure.net/keys/k", "", "65537523: no version"},
		{normVaultKey, "https://v.vault.azure.net/secrets/k/1", "", "not a key"},
		{normVaultKey, "https://v.vault.azure.net/keys//1", "", "no name"},

		{noSlash, "k", "k", ""},
		{noSlash, "projects/p/k", "", "65537753: the resource name is not the key's"},
	} {
		got, err := c.norm(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q becomes %q, %v; want %q: %s", c.in, got, err, c.want, c.why)
		}
	}
}

// What a table says of one field by the name of another must hold of both.
func TestTablesAgree(t *testing.T) {
	for _, k := range All() {
		names := func(f *Field, what, name string) *Field {
			i := k.Index(name)
			if i < 0 {
				t.Errorf("%s.%s: %s names %q, which is no field", k.Name, f.Name, what, name)
				return &Field{}
			}
			return &k.Fields[i]
		}
		for i := range k.Fields {
			f := &k.Fields[i]
			if f.With != "" && !names(f, "With", f.With).Flags.Has(Patch) {
				t.Errorf("%s.%s: no PATCH takes what goes with it", k.Name, f.Name)
			}
			if f.Flags.Has(Modifier) && f.With == "" {
				t.Errorf("%s.%s goes along with nothing", k.Name, f.Name)
			}
			if f.For != "" && (f.Type != Secret || names(f, "For", f.For).Type != Secret) {
				t.Errorf("%s.%s stands for another field, and they are not both secrets", k.Name, f.Name)
			}
			if f.Told != (Told{}) && (f.Type != Secret || !names(f, "Told", f.Told.Field).ReadOnly()) {
				t.Errorf("%s.%s: only of a secret, and by a field that nobody sets, can it be told whether it is in use", k.Name, f.Name)
			}
			if f.Via == "" {
				continue
			}
			if a, ok := k.Action(f.Via); !ok || !slices.Contains(a.Body, Part{Field: f.Name}) || f.Flags.Has(Patch) {
				t.Errorf("%s.%s: %q does not send it, or a PATCH does too", k.Name, f.Name, f.Via)
			}
		}
	}
}
