package ontap

import (
	"net/url"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	for _, c := range []struct {
		in   []string
		want string
		why  string
	}{
		{[]string{"security", "key-managers", "1cd8a442-86d1"}, "security/key-managers/1cd8a442-86d1", "nothing to escape"},
		{[]string{"a", "ks1.example.net:5696"}, "a/ks1%2Eexample%2Enet%3A5696", "dots and colons of a name"},
		{[]string{"a/b"}, "a%2Fb", "one segment stays one"},
		{[]string{"a?force=true#x"}, "a%3Fforce%3Dtrue%23x", "and has no query"},
		{[]string{"*"}, "%2A", "nor an operator of ONTAP's queries"},
		{[]string{"ü%"}, "%C3%BC%25", "bytes of UTF-8"},
		{[]string{"..."}, "%2E%2E%2E", "three dots mean nothing"},
		{[]string{""}, "", "empty: the collection"},
		{[]string{"a", ".", "b"}, "", "a dot segment"},
		{[]string{"a", ".."}, "", "its parent"},
		{nil, "", "no path at all"},
	} {
		got, err := Path(c.in...)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Path(%q) = %q, %v, want %q: %s", c.in, got, err, c.want, c.why)
		}
	}
}

func TestCleanPath(t *testing.T) {
	for _, c := range []struct {
		in, want, why string
	}{
		{"security/key-managers", "security/key-managers", "below /api"},
		{"/api/security/key-managers/x", "security/key-managers/x", "as links and plans have it"},
		{"a/ks1.example.net%3A5696", "a/ks1.example.net%3A5696", "escaped by somebody else"},
		{"a/ks1:5696", "a/ks1:5696", "a colon is harmless after the first segment"},
		{"security//key-managers", "", "an empty segment"},
		{"security/key-managers/", "", "an identity that is empty"},
		{"/security/key-managers", "", "not below /api"},
		{"a/../b", "", "a dot segment"},
		{"a/%2e%2E/b", "", "an escaped dot segment"},
		{"a/%2e", "", "another"},
		{"a?force=true", "", "a query"},
		{"a#b", "", "a fragment"},
		{"a b", "", "a space"},
		{"a/%zz", "", "no escape"},
		{"a\nb", "", "a control character"},
		{"", "", "nothing"},
	} {
		got, err := cleanPath(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("cleanPath(%q) = %q, %v, want %q: %s", c.in, got, err, c.want, c.why)
		}
	}
}

// One segment more is one segment more, and reads back as it was.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"a", "..", "%2e%2e", "a/b", "a?b", "ks1:5696", "\x00", "\xff", "*|!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Path("security", s)
		if err != nil {
			if s != "" && s != "." && s != ".." {
				t.Errorf("Path refuses %q", s)
			}
			return
		}
		u, err := url.Parse("https://cluster/api/" + p + "?x=y")
		if err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		if u.Path != "/api/security/"+s || u.RawQuery != "x=y" || strings.Count(u.EscapedPath(), "/") != 3 {
			t.Errorf("%q became path %q, query %q", s, u.Path, u.RawQuery)
		}
		if c, err := cleanPath(p); c != p || err != nil {
			t.Errorf("cleanPath(%q) = %q, %v", p, c, err)
		}
	})
}

func TestEndpoint(t *testing.T) {
	for _, c := range []struct{ in, want, why string }{
		{"https://cluster", "", "a host"},
		{"https://cluster.example.net:8443", "", "and a port"},
		{"https://[2001:db8::1]:443", "", "IPv6"},
		{"http://cluster", "endpoint: the scheme must be https", "credentials in the clear"},
		{"cluster", "endpoint: the scheme must be https", "no scheme"},
		{"https://u:canary@cluster", "endpoint: no user or password may be in it", "and it is not repeated"},
		{"https://cluster/api", "endpoint: nothing may follow host and port", "a path"},
		{"https://cluster/", "endpoint: nothing may follow host and port", "even the shortest"},
		{"https://cluster?x", "endpoint: nothing may follow host and port", "a query"},
		{"https://cluster#x", "endpoint: nothing may follow host and port", "a fragment"},
		{"HTTPS://cluster", "endpoint: nothing may follow host and port", "one spelling"},
		{"https://:443", "endpoint: no host", "a port alone"},
		{"https://", "endpoint: no host", "nothing"},
		{"https://cluster:", "endpoint: a colon without a port", "half a port"},
		{"https://cluster:0", "endpoint: the port must be between 1 and 65535", "too small"},
		{"https://cluster:65536", "endpoint: the port must be between 1 and 65535", "too large"},
		{"https://canary%zz", "endpoint: not a URL", "and it is not repeated"},
	} {
		_, err := New(Config{Endpoint: c.in, Credentials: newFake(t, always(200, "{}")).cfg.Credentials})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("New(%q): %q, want %q: %s", c.in, got, c.want, c.why)
		}
	}
}
