package desired

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/resource"
)

// around returns a file with a cluster that has more lines, each a key of the cluster.
func around(lines string) string {
	return "version: 1\nclusters:\n  - name: a\n    endpoint: https://a\n    auth: {bearer: {token: cred:t}}\n" + lines
}

// server returns a file with a key server that has one more key, at line 6.
func server(key string) string {
	return around("    key_managers: [{external: {client_certificate: c, server_ca_certificates: [ca], servers: [{server: ks1,\n" + key + "}]}}]\n")
}

// plain drops what only the layout of a file says: places.
func plain(s *State) string {
	var b strings.Builder
	for line := range strings.Lines(dump(s)) {
		if i := strings.LastIndex(line, " ("); i >= 0 {
			line = line[:i] + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestSurprises(t *testing.T) {
	for _, c := range []struct{ text, want, why string }{
		{"", "f:1:1: " + declaresNothing, "an empty file"},
		{"# nothing\n", "f:1:1: " + declaresNothing, "only comments"},
		{"null", "f:1:1: " + declaresNothing, "null"},
		{"---\n...\n", "f:1:1: " + declaresNothing, "an empty document"},
		{"\ufeff", "f:1:1: " + declaresNothing, "only a byte order mark"},
		{"[]", "f:1:1: must be a mapping ({key: value}, or {} for none), not a list ([a, b])", "a list is not a file"},
		{"version: 1\nclusters: []", "f:2:11: clusters: has 0 clusters; write 1 to 5000", "no cluster is as good as an empty file"},
		{"version: 1.0\nclusters: []", "f:1:10: version: \"1.0\" is not a decimal integer; write digits alone, such as 30\nf:2:11: clusters: has 0 clusters; write 1 to 5000", "a float is not an integer"},
		{"a\x00b", "f:1:2: a character that editors do not show (U+0000); remove it", "NUL"},
		{"a: b\n\xff", "f:2:1: not UTF-8; save the file as UTF-8", "Latin-1"},
		{"# \u202e", "f:1:3: a character that editors do not show (U+202E); remove it", "a comment that turns the line round"},
		{"# x\u2028version: 1", "f:1:4: a character that editors do not show (U+2028); remove it", "a line break of YAML 1.1 that editors do not show"},
		{"a: b\rc: d", "f:1:5: a carriage return without a line feed; end lines with LF or CRLF", "terminals write over the line"},
		{"a: \ufeffb", "f:1:4: a character that editors do not show (U+FEFF); remove it", "a byte order mark in the middle"},
		{strings.Repeat(" ", MaxSize+1), "f:1:1: the file has 1048577 bytes; the limit is 1048576", "too large"},
		{around("...\nx"), "f:7:1: text after the end of the document; a file holds one", "what follows ... is text too"},
		{around("---\n"), "f:6:1: a second document; a file holds one: remove --- and ... and what follows", "an empty second document"},
		{around("    <<: {}\n"), "f:6:5: merge keys (<<) are not used: they hide which value counts; write the keys out, or use defaults", "merge keys"},
		{around("    uuid: *x\n"), "f:6:1: an alias (*name) without an anchor (&name) before it; put text that begins with * in quotes", "an alias to nothing"},
		{around("    uuid: &x [*x]\n"), "f:6:11: clusters[0].uuid: must be a single value, not a list ([a, b])\nf:6:15: the alias stands inside what it repeats; remove it", "a cycle"},

		{around("    interval: 90\n"), `f:6:15: clusters[0].interval: a duration has a unit; write "90s" for seconds`, "a number without a unit"},
		{around("    interval: 5 m\n"), `f:6:15: clusters[0].interval: "5 m" is not a duration; write a number and a unit, such as 90s, 5m or 1h30m`, "not as Go writes it"},
		{around("    interval: 24h1s\n"), `f:6:15: clusters[0].interval: "24h1s" is out of range; write 1s to 24h`, "longer than a day"},
		{around("    policy: {max_deletes: ~}\n"), `f:6:14: clusters[0].policy.max_deletes: has no value; write a single value, or leave it out`, "null is not a default"},
		{around("    policy: {waves: 5%}\n"), `f:6:21: clusters[0].policy.waves: must be a list ([a, b]), not a single value`, "one wave is a list of one"},
		{around("    policy: {waves: [1, 25%]}\n"), `f:6:21: clusters[0].policy.waves: ends with 25%; end with 100%, or some objects never take their turn`, "not all would come"},
		{around("    policy: {waves: [1, [2], 100%]}\n"), `f:6:25: clusters[0].policy.waves[1]: must be a single value, not a list ([a, b])`, "a wave is one number"},
		{around("    tls: {server_name: '*.x'}\n"), `f:6:24: clusters[0].tls.server_name: "*.x" is not a host name or an address without a port`, "a pattern is not a name"},

		{server("timeout: 0777"), `f:7:10: TIMEOUT: "0777" is not a decimal integer; write digits alone, such as 30`, "octal"},
		{server("timeout: 0x10"), `f:7:10: TIMEOUT: "0x10" is not a decimal integer; write digits alone, such as 30`, "hexadecimal"},
		{server("timeout: 1e1"), `f:7:10: TIMEOUT: "1e1" is not a decimal integer; write digits alone, such as 30`, "an exponent"},
		{server("timeout: 1_0"), `f:7:10: TIMEOUT: "1_0" is not a decimal integer; write digits alone, such as 30`, "an underscore"},
		{server("timeout: 12.0"), `f:7:10: TIMEOUT: "12.0" is not a decimal integer; write digits alone, such as 30`, "a float"},
		{server("timeout: +1"), `f:7:10: TIMEOUT: "+1" is not a decimal integer; write digits alone, such as 30`, "a plus"},
		{server("timeout: 1:30"), `f:7:10: TIMEOUT: "1:30" is not a decimal integer; write digits alone, such as 30`, "sixty's"},
		{server("timeout: '30'"), `f:7:10: TIMEOUT: "30" is a text; write the number without quotes`, "quotes make a text"},
		{server("timeout: 99999999999999999999"), `f:7:10: TIMEOUT: "99999999999999999999" is out of range; write -1 to 60`, "more than 64 bits"},
		{server("timeout: !!str 30"), "f:7:10: YAML tags (!!int, !name) are not used; write the value alone", "a tag"},
		{server("timeout: " + "x" + strings.Repeat("é", 60)), `f:7:10: TIMEOUT: "x` + strings.Repeat("é", 31) + `"… is not a decimal integer; write digits alone, such as 30`, "a quotation is cut between characters"},
		{server("secondary_key_servers: ks2"), "f:7:24: SECONDARY: must be a list ([a, b]), not a single value", "one is a list too"},
		{server("secondary_key_servers: ['ks2:5696']"), `f:7:25: SECONDARY[0]: "ks2:5696": a secondary key server has no port: it uses its primary's [KM003]`, "a port"},
		{server("secondary_key_servers: [~]"), `f:7:25: SECONDARY[0]: has no value; write a single value, or leave it out`, "nothing in a list"},
		{around("    key_managers: [{state: absent, external: {client_certificate: 1CD8A442-86d1-11e0-ae1c-123478563412}}]\n"), `f:6:67: clusters[0].key_managers[0].external.client_certificate: is a UUID; write {uuid: "1CD8A442-86d1-11e0-ae1c-123478563412"}`, "no certificate has such a name"},
		{around("    key_managers: [{state: absent, external: {client_certificate: {}}}]\n"), `f:6:67: clusters[0].key_managers[0].external.client_certificate: must have exactly one of [name uuid]`, "a link to nothing"},
		{server(`secondary_key_servers: ["a\nb"]`), `f:7:25: a value with a line break, a tab or a character that editors do not show; write it on one line without`, "an escape hides what the bytes do not"},
	} {
		c.want = strings.ReplaceAll(c.want, "TIMEOUT", "clusters[0].key_managers[0].external.servers[0].timeout")
		c.want = strings.ReplaceAll(c.want, "SECONDARY", "clusters[0].key_managers[0].external.servers[0].secondary_key_servers")
		state, err := Parse("f", []byte(c.text))
		if state != nil || err == nil {
			t.Errorf("%s: Parse = %v, %v", c.why, state, err)
			continue
		}
		if diff := cmp.Diff(c.want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, diff)
		}
	}
}

func TestTextStaysText(t *testing.T) {
	for _, word := range []string{"no", "on", "True", "0777", "1e3", "1.10", "2026-01-01", "0x10", "'~'", "'null'", "'-'"} {
		state, err := Parse("f", []byte(server("username: "+word+", password: cred:p")))
		if err != nil {
			t.Errorf("%s: %v", word, err)
			continue
		}
		got := state.Clusters[0].Objects[0].Children[0].Value("username").Str()
		if want := strings.Trim(word, "'"); got != want {
			t.Errorf("username: %s is read as %q", word, got)
		}
	}
}

// Metamorphic: what says the same is read the same.
func TestSameMeaning(t *testing.T) {
	const base = `version: 1
clusters:
  - name: a
    endpoint: https://a
    auth: {bearer: {token: cred:t}}
    key_managers:
      - svm: vs1
        external:
          client_certificate: c
          server_ca_certificates: [ca]
          servers: [{server: ks1, timeout: 30}]
`
	want := mustParse(t, base)
	for _, c := range []struct{ why, text string }{
		{"byte order mark", "\ufeff" + base},
		{"CRLF", strings.ReplaceAll(base, "\n", "\r\n")},
		{"comments", "# x\n" + strings.ReplaceAll(base, "\n", " # x\n# y\n")},
		{"document marks", "---\n" + base + "...\n"},
		{"order of keys", `
clusters:
- key_managers:
  - external:
      servers: [{timeout: 30, server: ks1}]
      server_ca_certificates: [ca]
      client_certificate: c
    svm: vs1
  auth: {bearer: {token: cred:t}}
  endpoint: https://a
  name: a
version: 1`},
		{"dotted names", `{version: 1, clusters: [{name: a, endpoint: https://a, auth: {bearer: {token: cred:t}}, key_managers: [
{svm: vs1, external.client_certificate: c, external: {server_ca_certificates: [ca]}, external.servers: [{server: ks1, timeout: 30}]}]}]}`},
		{"quotes", strings.NewReplacer(" c\n", " 'c'\n", "vs1", `"vs1"`, "name:", `"name":`).Replace(base)},
		{"names by mapping", strings.NewReplacer(" c\n", " {name: c}\n", "[ca]", "[{name: ca}]").Replace(base)},
		{"spelling of hosts", strings.NewReplacer("https://a", "https://A.:443/", "ks1", "'KS1.:5696'").Replace(base)},
		{"defaults", "defaults: {auth: {bearer: {token: cred:t}}}\n" + strings.Replace(base, "    auth: {bearer: {token: cred:t}}\n", "", 1)},
	} {
		got := mustParse(t, c.text)
		if diff := cmp.Diff(plain(want), plain(got)); diff != "" {
			t.Errorf("%s changes the meaning (-want +got):\n%s", c.why, diff)
		}
	}
}

func mustParse(t *testing.T, text string) *State {
	t.Helper()
	state, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return state
}

func TestLineEndsKeepPlaces(t *testing.T) {
	for name, text := range testdata(t, "good") {
		unix, err := Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		dos, err := Parse(name, append([]byte("\ufeff"), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(dump(unix), dump(dos)); diff != "" {
			t.Errorf("%s (-LF +CRLF with a byte order mark):\n%s", name, diff)
		}
	}
}

// A file that is cut off anywhere is refused, or is a file with less at its end: what
// remains is what it was, up to the value that was cut.
func TestPrefixes(t *testing.T) {
	for name, text := range testdata(t, "good") {
		full, err := Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		for n := range text {
			state, err := Parse(name, text[:n])
			if (state == nil) != (err != nil) {
				t.Fatalf("%s[:%d]: %v beside %v", name, n, state, err)
			}
			if err != nil {
				continue
			}
			if len(state.Clusters) > len(full.Clusters) {
				t.Errorf("%s[:%d] has more clusters than the whole", name, n)
			}
			for i, c := range state.Clusters[:len(state.Clusters)-1] {
				if diff := cmp.Diff(addresses(full.Clusters[i]), addresses(c)); diff != "" {
					t.Errorf("%s[:%d]: a cluster before the last differs:\n%s", name, n, diff)
				}
			}
		}
	}
}

func addresses(c Cluster) []resource.Addr {
	var all []resource.Addr
	for _, o := range c.Objects {
		all = append(all, o.Addr)
		for _, child := range o.Children {
			all = append(all, child.Addr)
		}
	}
	return all
}

func TestFaultsAreCapped(t *testing.T) {
	var b strings.Builder
	for i := range 12 {
		b.WriteString("- {")
		for j := range 100 {
			fmt.Fprintf(&b, "k%d_%d: 1, ", i, j)
		}
		b.WriteString("}\n")
	}
	_, err := Parse("f", []byte("version: 1\nclusters:\n"+b.String()))
	faults, ok := err.(Faults)
	if !ok || len(faults) != maxFaults+1 {
		t.Fatalf("%T of %d", err, len(faults))
	}
	// Each of 12 clusters has 100 unknown keys and lacks name, endpoint and auth.
	if got, want := faults[maxFaults].Message, "and 236 more faults"; got != want {
		t.Errorf("the last fault is %q, want %q", got, want)
	}
}

func TestDefaults(t *testing.T) {
	state := mustParse(t, `
version: 1
clusters:
  - {name: a, endpoint: https://a}
  - {name: b, endpoint: https://b, tls: {server_name: b}, policy: {max_deletes: 0}, mode: enforce, interval: 1m, auth: {basic: {username: u, password: env:P}}}
defaults:
  tls: {ca_file: /ca, server_name: x}
  auth: {bearer: {token: cred:t}}
  policy: {min_reachable_servers: 3}
  mode: observe
  interval: 2m
  health_interval: 3m
`)
	a, b := state.Clusters[0], state.Clusters[1]
	if a.TLS != (TLS{"/ca", "x"}) || a.Policy != (Policy{MaxDeletes: 1, MinReachableServers: 3}) || a.Mode != Observe || a.Interval != 2*time.Minute || a.HealthInterval != 3*time.Minute {
		t.Errorf("a has %+v", a)
	}
	if b.TLS != (TLS{"/ca", "b"}) || b.Policy != (Policy{MinReachableServers: 3}) || b.Mode != Enforce || b.Interval != time.Minute || b.HealthInterval != 3*time.Minute {
		t.Errorf("b has %+v", b)
	}
	if _, ok := a.Auth.(Bearer); !ok {
		t.Errorf("a authenticates by %T", a.Auth)
	}
	if basic, ok := b.Auth.(Basic); !ok || basic.Username != "u" || basic.Password.String() != "env:P" {
		t.Errorf("b authenticates by %T", b.Auth)
	}
}

// The decoder reads every type that a table gives to a field of the file.
func TestTypesOfFields(t *testing.T) {
	var check func(k *resource.Kind)
	check = func(k *resource.Kind) {
		for _, f := range k.Fields {
			if f.Type == resource.NodeStates && !f.ReadOnly() {
				t.Errorf("%s.%s is of a type that no file can hold", k.Name, f.Name)
			}
			if f.Type == resource.Children {
				check(f.To)
			}
		}
	}
	for _, k := range resource.All() {
		check(k)
	}
}
