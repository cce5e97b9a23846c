package metrics

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLabel(t *testing.T) {
	tests := []struct{ text, want, why string }{
		{"", "", "nothing is nothing"},
		{"vs_db", "vs_db", "plain text stays"},
		{"Schlüssel 鍵", "Schlüssel 鍵", "so does text of any script"},
		{"a\xffb", "a\uFFFDb", "invalid UTF-8 makes the client library panic"},
		{"a\nb\x00c\x7f", "a\uFFFDb\uFFFDc\uFFFD", "control characters"},
		{"a\u202eb\u200b\u2028", "a\uFFFDb\uFFFD\uFFFD", "what turns, hides or breaks a line"},
		{`"quoted\"`, `"quoted\"`, "the exposition escapes quotes itself"},
		{strings.Repeat("x", 129), strings.Repeat("x", 128), "too long"},
		{strings.Repeat("x", 127) + "鍵", strings.Repeat("x", 127), "cut between characters"},
		{strings.Repeat("\xff", 128), strings.Repeat("\uFFFD", 42), "a replacement is longer than what it replaces"},
	}
	for _, tt := range tests {
		if got := label(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q: %s", tt.text, got, tt.want, tt.why)
		}
	}
}

func FuzzLabel(f *testing.F) {
	for _, s := range []string{"", "vs_db", "a\xffb", "a\nb", strings.Repeat("鍵", 50)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := label(s)
		if !utf8.ValidString(got) || len(got) > maxLabel {
			t.Errorf("%q: got %q", s, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: got %q, which does not print", s, got)
		}
		if label(got) != got {
			t.Errorf("%q: %q is not its own label", s, got)
		}
	})
}

func TestEndpoint(t *testing.T) {
	tests := []struct{ path, want string }{
		{"/api/cluster", "/cluster"},
		{"/api/cluster?fields=name,uuid", "/cluster"},
		{"/api/cluster/nodes", "/cluster/nodes"},
		{"/api/cluster/jobs/1cd8a442-86d1-11e0-ae1c-123478563412?fields=state", "/cluster/jobs/{uuid}"},
		{"/api/svm/svms", "/svm/svms"},
		{"/api/security/certificates", "/security/certificates"},
		{"/api/security/key-managers", "/security/key-managers"},
		{"security/key-managers/", "/security/key-managers"},
		{"/api/security/key-managers/1cd8", "/security/key-managers/{uuid}"},
		{"/api/security/azure-key-vaults/1cd8/rekey-external", "/security/azure-key-vaults/{uuid}/rekey-external"},
		{"/api/security/key-stores/1cd8", "/security/key-stores/{uuid}"},
		{"/api/security/key-managers/1cd8/key-servers", "/security/key-managers/{uuid}/key-servers"},
		{"/api/security/key-managers/1cd8/key-servers/ks1%3A5696", "/security/key-managers/{uuid}/key-servers/{server}"},
		{"/api/security/key-managers/1cd8/auth-keys", "/security/key-managers/{uuid}/auth-keys"},
		{"/api/security/key-managers/1cd8/auth-keys/00ab", "/security/key-managers/{uuid}/auth-keys/{key_id}"},
		{"/api/security/key-manager-configs", "/security/key-manager-configs"},
		{"/api/security/key-manager-configs/1", other},
		{"/api/cluster/metrocluster", "/cluster/metrocluster"},
		{"/api/security/key-managers//key-servers", other},
		{"/api/security/key-managers/1cd8/key-servers/ks1/more", other},
		{"/api/security", other},
		{"/api", other},
		{"", other},
	}
	for _, tt := range tests {
		if got := endpoint(tt.path); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.path, got, tt.want)
		}
	}
}

func TestClosedSets(t *testing.T) {
	for code, want := range map[int]string{0: "0", 200: "200", 429: "429", 503: "503", 299: other, 999: other, -1: other} {
		if got := codeLabel(code); got != want {
			t.Errorf("code %d: got %s, want %s", code, got, want)
		}
	}
	for method, want := range map[string]string{"GET": "GET", "PATCH": "PATCH", "get": other, "BREW": other} {
		if got := methodLabel(method); got != want {
			t.Errorf("method %s: got %s, want %s", method, got, want)
		}
	}
}
