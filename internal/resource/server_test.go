package resource

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

func TestNormServer(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct{ in, want, why string }{
		{"ks1", "ks1:5696", "the default port is filled in"},
		{"ks1:5696", "ks1:5696", "or was written"},
		{"KS1.Example.NET.", "ks1.example.net:5696", "neither case nor the root's dot says anything"},
		{"ks1.:05696", "ks1:5696", "nor leading zeros of a port"},
		{"ks1:1", "ks1:1", "the lowest port"},
		{"ks1:65535", "ks1:65535", "the highest"},
		{"k_s-1", "k_s-1:5696", "underscores are in use, though not in names of hosts"},
		{"1.example", "1.example:5696", "a label may begin with a digit"},
		{"192.0.2.1", "192.0.2.1:5696", "IPv4"},
		{"192.0.2.1:9998", "192.0.2.1:9998", "IPv4 with a port"},
		{"2001:DB8:0::1", "[2001:db8::1]:5696", "IPv6 gets brackets and is compressed"},
		{"[2001:db8::1]", "[2001:db8::1]:5696", "or has the brackets"},
		{"[2001:db8::1]:9998", "[2001:db8::1]:9998", "and a port"},
		{"[::ffff:192.0.2.1]:1", "192.0.2.1:1", "an IPv4 address written as IPv6"},
		{long + ".a", long + ".a:5696", "the longest label"},

		{"", "", "nothing"},
		{".", "", "only the root"},
		{"a..b", "", "an empty label"},
		{"a..", "", "two dots at the end"},
		{"-a", "", "a dash begins a label"},
		{"a-.b", "", "or ends it"},
		{long + "a", "", "a label too long"},
		{strings.Repeat(long+".", 4) + "a", "", "a name too long"},
		{"a b", "", "a space"},
		{"\u212a.example", "", "the Kelvin sign becomes a k in lower case"},
		{"ä.example", "", "not ASCII: ONTAP takes the name as it is in DNS"},
		{"ks1:", "", "a colon without a port"},
		{"ks1:0", "", "no such port"},
		{"ks1:65536", "", "no such port"},
		{"ks1:+1", "", "no sign"},
		{"ks1:kmip", "", "no names of services"},
		{":5696", "", "no host"},
		{"192.0.2", "", "three numbers look like an address"},
		{"192.0.2.256", "", "and so does a number too large"},
		{"192.0.2.01", "", "octal to some"},
		{"[192.0.2.1]", "", "brackets are for IPv6"},
		{"[ks1]:1", "", "brackets are for IPv6"},
		{"[2001:db8::1", "", "an open bracket"},
		{"[2001:db8::1]5696", "", "no colon before the port"},
		{"2001:db8::1]:1", "", "a stray bracket"},
		{"fe80::1%e0a", "", "a zone means something else on every node"},
		{"a:b:c", "", "two colons without an address"},
		{"https://ks1", "", "not a URL"},
	} {
		got, err := NormServer(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("NormServer(%q) = %q, %v; want %q: %s", c.in, got, err, c.want, c.why)
		}
	}
}

func TestNormSecondary(t *testing.T) {
	for _, c := range []struct{ in, want, why string }{
		{"KS1.", "ks1", "as a primary's host"},
		{"192.0.2.1", "192.0.2.1", "IPv4"},
		{"2001:DB8::0:1", "2001:db8::1", "IPv6 stays without brackets"},
		{"[2001:db8::1]", "2001:db8::1", "and loses them"},
		{"ks1:5696", "", "it uses its primary's port"},
		{"[2001:db8::1]:5696", "", "it uses its primary's port"},
		{"[ks1", "", "an open bracket"},
		{"", "", "nothing"},
	} {
		got, err := NormSecondary(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("NormSecondary(%q) = %q, %v; want %q: %s", c.in, got, err, c.want, c.why)
		}
	}
}

// FuzzNormServer: a normal spelling is normal, is host and port in one form, and its host
// is what NormSecondary makes of the host.
func FuzzNormServer(f *testing.F) {
	for _, s := range []string{"ks1", "KS1.:5696", "192.0.2.1:1", "[2001:db8::1]:9998", "2001:DB8::1", "::ffff:1.2.3.4", "a..b", "fe80::1%a", "[a]:1", "1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		norm, err := NormServer(s)
		if err != nil {
			if norm != "" {
				t.Errorf("NormServer(%q) = %q beside %v", s, norm, err)
			}
			return
		}
		if again, err := NormServer(norm); err != nil || again != norm {
			t.Errorf("NormServer(%q) = %q, which becomes %q, %v", s, norm, again, err)
		}
		host := HostOf(norm)
		if second, err := NormSecondary(host); err != nil || second != host {
			t.Errorf("the host %q of %q becomes %q, %v", host, norm, second, err)
		}
		port, err := strconv.ParseUint(norm[strings.LastIndexByte(norm, ':')+1:], 10, 16)
		if err != nil || port == 0 {
			t.Errorf("the port of %q: %v", norm, err)
		}
		if _, err := netip.ParseAddrPort(norm); err != nil && strings.ContainsAny(host, ":") {
			t.Errorf("%q is not an address and a port: %v", norm, err)
		}
	})
}

// FuzzNormServerSame: two servers are spelled the same if and only if host and port are the
// same. The spellings are made from both, in every way that changes neither.
func FuzzNormServerSame(f *testing.F) {
	f.Add("ks1", uint16(5696), "ks2", uint16(5696))
	f.Add("ks1", uint16(1), "ks1", uint16(1))
	f.Add("2001:db8::1", uint16(5696), "2001:db8::2", uint16(9998))
	f.Add("192.0.2.1", uint16(5696), "192.0.2.1", uint16(5697))
	f.Fuzz(func(t *testing.T, hostA string, portA uint16, hostB string, portB uint16) {
		a, okA := spellings(t, hostA, portA)
		b, okB := spellings(t, hostB, portB)
		if !okA || !okB {
			return
		}
		same := HostOf(a) == HostOf(b) && portA == portB
		if (a == b) != same {
			t.Errorf("%q and %q, but same is %t", a, b, same)
		}
	})
}

// spellings returns the one spelling that every spelling of a host and a port must have.
func spellings(t *testing.T, host string, port uint16) (string, bool) {
	host, err := NormSecondary(host)
	if err != nil || port == 0 {
		return "", false
	}
	var written []string
	if strings.Contains(host, ":") {
		long := netip.MustParseAddr(host).StringExpanded()
		written = []string{fmt.Sprintf("[%s]:%d", host, port), fmt.Sprintf("[%s]:0%d", strings.ToUpper(long), port)}
		if port == DefaultKMIPPort {
			written = append(written, host, long, "["+long+"]")
		}
	} else {
		written = []string{fmt.Sprintf("%s:%d", host, port), fmt.Sprintf("%s:00%d", strings.ToUpper(host), port)}
		if _, err := netip.ParseAddr(host); err != nil {
			written = append(written, fmt.Sprintf("%s.:%d", host, port))
		}
		if port == DefaultKMIPPort {
			written = append(written, host)
		}
	}
	first, err := NormServer(written[0])
	if err != nil {
		t.Fatalf("NormServer(%q): %v", written[0], err)
	}
	for _, w := range written[1:] {
		if got, err := NormServer(w); got != first || err != nil {
			t.Errorf("NormServer(%q) = %q, %v; NormServer(%q) = %q", w, got, err, written[0], first)
		}
	}
	return first, true
}
