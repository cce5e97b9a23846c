package desired

import "testing"

func TestNormEndpoint(t *testing.T) {
	for _, c := range []struct{ in, want, why string }{
		{"https://a", "https://a", "as it is"},
		{"HTTPS://A.Example.NET./", "https://a.example.net", "case, dot and slash say nothing"},
		{"https://a:443", "https://a", "the port of https"},
		{"https://a:0443", "https://a", "however it is written"},
		{"https://a:8443/", "https://a:8443", "another port"},
		{"https://a:5696", "https://a:5696", "the port of KMIP is not left out"},
		{"https://192.0.2.1", "https://192.0.2.1", "IPv4"},
		{"https://[2001:DB8::0:1]", "https://[2001:db8::1]", "IPv6"},
		{"https://[2001:db8::1]:443", "https://[2001:db8::1]", "IPv6 and the port of https"},
		{"https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", "IPv6 and another port"},
		{"https://2001:db8::1", "", "IPv6 without brackets"},
		{"https://a:", "", "no port after the colon"},
		{"https://a:65536", "", "no such port"},
		{"https://", "", "no host"},
		{"https:a", "", "no slashes"},
		{"a.example.net", "", "no scheme"},
		{"http://a", "", "in the clear"},
		{"https://u@a", "", "a user"},
		{"https://u:p@a", "", "a password"},
		{"https://a/api", "", "a path"},
		{"https://a?", "", "an empty query"},
		{"https://a#", "", "an empty fragment"},
		{"https://a b", "", "a space"},
		{"https://[fe80::1%25eth0]", "", "a zone"},
		{"https://a%2f", "", "an escape"},
	} {
		got, err := normEndpoint(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("normEndpoint(%q) = %q, %v; want %q: %s", c.in, got, err, c.want, c.why)
		}
		if again, err := normEndpoint(got); c.want != "" && (err != nil || again != got) {
			t.Errorf("normEndpoint(%q) = %q, %v; it was normal", got, again, err)
		}
	}
}
