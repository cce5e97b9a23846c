package dump

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/desired"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

func keyOf(t testing.TB, b byte) secret.Key {
	t.Helper()
	k, err := secret.NewKey(bytes.Repeat([]byte{b}, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The golden shows what is left: the same objects, and nothing that anybody named.
func TestSanitize(t *testing.T) {
	clean := Sanitize(everything(), keyOf(t, 1))
	text := file(t, clean)
	golden(t, "sanitized.golden", text)
	plansToNothing(t, clean, text)
	for _, chosen := range []string{"prod-a", "example.net", "vs_", "kmip", "ks1", "5697]", "fd00", "hr.vault", "spare", "arn:", "eu-central", "AK", clusterID, clientID, "/a.pem"} {
		if strings.Contains(text, chosen) {
			t.Errorf("%q is still there:\n%s", chosen, text)
		}
	}
	if got := file(t, Sanitize(everything(), keyOf(t, 1))); got != text {
		t.Errorf("other pseudonyms under the same key:\n%s", cmp.Diff(text, got))
	}
	if got := file(t, Sanitize(everything(), keyOf(t, 2))); got == text {
		t.Error("the same pseudonyms under another key")
	}
}

// One thing has one pseudonym, wherever it stands and however it is spelled.
func TestPseudonyms(t *testing.T) {
	p := pseudonyms{keyOf(t, 1)}
	ks, vs := p.name("ks1.example.net"), p.name("vs1")
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"a word", "vs1", vs},
		{"a word of other letters is another word", "VS1", p.name("VS1")},
		{"a host", "ks1.example.net", ks},
		{"spelled otherwise", "KS1.Example.NET.", ks},
		{"with a port", "ks1.example.net:5697", ks + ":5697"},
		{"a short one with a port", "vs1:5696", vs + ":5696"},
		{"an address", "[FD00:0::1]:5696", p.name("fd00::1") + ":5696"},
		{"an address without a port", "fd00::1", p.name("fd00::1")},
		{"a URL", "https://KS1.example.net/keys/a/v1", "https://" + ks + "/keys/" + p.name("a") + "/v1"},
		{"with a port and a slash", "https://ks1.example.net:8443/", "https://" + ks + ":8443/"},
		{"with a user and a query", "https://u:canary@ks1.example.net/?q=canary#canary", "https://" + ks + "/"},
		{"a URL that is none", "https://[", p.name("https://[")},
		{"neither host nor URL", "arn:aws:kms:x:1:key/y", p.name("arn:aws:kms:x:1:key/y")},
		{"a UUID", clientID, p.uuid(clientID)},
		{"in capitals", strings.ToUpper("abcdef00-0000-4000-8000-000000000001"), p.uuid("abcdef00-0000-4000-8000-000000000001")},
	}
	for _, tt := range tests {
		if got := p.text(tt.text); got != tt.want {
			t.Errorf("%s: text(%q) = %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
	if !uuidForm.MatchString(p.uuid(clientID)) {
		t.Errorf("%q is not a UUID", p.uuid(clientID))
	}
}

// What the file says of a cluster is chosen by somebody too, whichever way it is reached.
func TestSanitizeSettings(t *testing.T) {
	ref, err := secret.ParseRef("file:/etc/canary")
	if err != nil {
		t.Fatal(err)
	}
	for _, auth := range []desired.Auth{
		desired.Basic{Username: "canary", Password: ref},
		desired.Bearer{Token: ref},
		desired.Certificate{CertFile: "/etc/canary.crt", KeyFile: "/etc/canary.key"},
	} {
		s := source()
		s.Spec.Auth = auth
		s.Spec.TLS = desired.TLS{CAFile: "/etc/canary.pem", ServerName: "canary"}
		s.Spec.Name, s.Spec.Endpoint = "canary", "https://canary:8443"
		s = Sanitize(s, keyOf(t, 1))
		text := file(t, s)
		if strings.Contains(text, "canary") {
			t.Errorf("%T:\n%s", auth, text)
		}
		if got := plansToNothing(t, s, text).Clusters[0].Endpoint; !strings.HasSuffix(got, ":8443") {
			t.Errorf("%T: endpoint %s, want its port", auth, got)
		}
	}
}

// No text field of any kind is forgotten, in this release or the next.
func TestSanitizeEveryField(t *testing.T) {
	p := pseudonyms{keyOf(t, 1)}
	for _, k := range append(resource.All(), resource.KeyServer) {
		o := resource.NewObject(k, resource.Addr{})
		for i := range k.Fields {
			switch k.Fields[i].Type {
			case resource.String:
				o.Values[i] = resource.Str("canary")
			case resource.Strings:
				o.Values[i] = resource.StrList([]string{"canary"})
			case resource.Link:
				o.Values[i] = resource.LinkValue(resource.LinkTo{Name: "canary", UUID: "canary"})
			case resource.Links:
				o.Values[i] = resource.LinkList([]resource.LinkTo{{Name: "canary", UUID: "canary"}})
			}
		}
		n := p.object(o)
		for i := range k.Fields {
			f := &k.Fields[i]
			if !f.ReadOnly() && len(f.Enum) == 0 && strings.Contains(n.Values[i].Text(), "canary") {
				t.Errorf("%s.%s is as it was", k.Name, f.Name)
			}
		}
	}
}

// A source is shared with whoever read it, and stays as it is.
func TestSanitizeChangesNothing(t *testing.T) {
	s := everything()
	before := file(t, s)
	addrs := slices.SortedFunc(maps.Keys(s.Have.Objects), resource.Addr.Compare)
	Sanitize(s, keyOf(t, 1))
	if after := file(t, s); after != before {
		t.Errorf("the source was changed:\n%s", cmp.Diff(before, after))
	}
	if diff := cmp.Diff(addrs, slices.SortedFunc(maps.Keys(s.Have.Objects), resource.Addr.Compare)); diff != "" {
		t.Errorf("its addresses were changed:\n%s", diff)
	}
}
