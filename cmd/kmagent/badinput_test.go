package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entry is a file that is good but for what stands in place of SERVERS.
const entry = `version: 1
clusters:
  - name: a
    endpoint: $ENDPOINT
    tls: {ca_file: $CA}
    auth: {basic: {username: admin, password: env:KMAGENT_TEST_PASSWORD}}
    key_managers:
      - svm: svm1
        external:
          client_certificate: kmip-client
          server_ca_certificates: [kmip-ca]
          servers: SERVERS
`

// A file with a fault ends every command with 3 and the place of the fault, and no cluster
// hears of it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	sim := startSimulation(t)
	servers := func(list string) string { return strings.Replace(entry, "SERVERS", list, 1) }
	with := func(old, new string) string {
		return strings.Replace(servers("[{server: ks1}]"), old, new, 1)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", with("svm:", "svmm:"),
			`desired.yaml:8:9: clusters[0].key_managers[0]: unknown key "svmm"; did you mean svm?`},
		{"wrong type", servers("ks1"),
			`desired.yaml:12:20: clusters[0].key_managers[0].external.servers: must be a list ([a, b]), not a single value`},
		{"number for a list", with("[kmip-ca]", "7"),
			`desired.yaml:11:35: clusters[0].key_managers[0].external.server_ca_certificates: must be a list ([a, b]), not a single value`},
		{"duplicate key", with("version: 1", "version: 1\nversion: 1"),
			`desired.yaml:2:1: version: already set at line 1`},
		{"second document", with("version: 1", "version: 1\n---\nversion: 1"),
			`desired.yaml:1:1: clusters: missing: the list of the clusters to manage` + "\n" +
				`desired.yaml:2:1: a second document; a file holds one: remove --- and ... and what follows`},
		{"cyclic anchor", servers("&a [*a]"),
			`desired.yaml:12:24: the alias stands inside what it repeats; remove it`},
		{"merge key", servers("[&a {server: ks1}, {<<: *a, timeout: 5}]"),
			`desired.yaml:12:39: clusters[0].key_managers[0].external.servers[1].server: missing: Host and port; the port is 5696 unless it is given.` + "\n" +
				`desired.yaml:12:40: merge keys (<<) are not used: they hide which value counts; write the keys out, or use defaults`},
		{"on is no mode", with("name: a", "name: a\n    mode: on"),
			`desired.yaml:4:11: clusters[0].mode: "on" is not one of [enforce observe]`},
		{"octal", servers("[{server: ks1, timeout: 0777}]"),
			`desired.yaml:12:44: clusters[0].key_managers[0].external.servers[0].timeout: "0777" is not a decimal integer; write digits alone, such as 30`},
		{"invalid UTF-8", with("name: a", "name: a\xff"),
			`desired.yaml:3:12: not UTF-8; save the file as UTF-8`},
		{"over 1 MiB", servers("[{server: ks1}]") + "#" + strings.Repeat("x", 1<<20),
			`desired.yaml:1:1: file: larger than 1 MiB; split the fleet over several agents`},
		{"empty", "",
			`desired.yaml:1:1: the file declares nothing: an empty file never means "remove everything"; write version: 1 and clusters, or state: absent in the entries to remove`},
		{"50,000 keys", "version: 1\n" + manyKeys(50_000),
			`desired.yaml:1:1: the file has 50001 keys, list items and commas; the limit is 40000`},
		{"10,000 levels", "version: " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
			`desired.yaml:1:74: more than 64 levels of nesting`},
		{"same server by case", servers("[{server: ks1}, {server: KS1}]"),
			`desired.yaml:12:45: clusters[0].key_managers[0].external.servers[1].server: same server as line 12 (ks1:5696) [KM004]`},
		{"same server by default port", servers("[{server: ks1}, {server: 'ks1:5696'}]"),
			`desired.yaml:12:45: clusters[0].key_managers[0].external.servers[1].server: same server as line 12 (ks1:5696) [KM004]`},
		{"same server by IPv6 spelling", servers("[{server: '[2001:db8::1]'}, {server: '2001:DB8:0:0::1'}]"),
			`desired.yaml:12:57: clusters[0].key_managers[0].external.servers[1].server: same server as line 12 ([2001:db8::1]:5696) [KM004]`},
		{"same server by trailing dot", servers("[{server: ks1}, {server: ks1.}]"),
			`desired.yaml:12:45: clusters[0].key_managers[0].external.servers[1].server: same server as line 12 (ks1:5696) [KM004]`},
		{"five primaries", servers("[{server: a}, {server: b}, {server: c}, {server: d}, {server: e}]"),
			`desired.yaml:12:20: clusters[0].key_managers[0].external.servers: has 5 members; write 1 to 4 [KM001]`},
		{"four secondaries", servers("[{server: ks1, secondary_key_servers: [a, b, c, d]}]"),
			`desired.yaml:12:58: clusters[0].key_managers[0].external.servers[0].secondary_key_servers: has 4 members; write 0 to 3 [KM002]`},
		{"port on a secondary", servers("[{server: ks1, secondary_key_servers: ['ks2:5696']}]"),
			`desired.yaml:12:59: clusters[0].key_managers[0].external.servers[0].secondary_key_servers[0]: "ks2:5696": a secondary key server has no port: it uses its primary's [KM003]`},
		{"primary and secondary", servers("[{server: ks1, secondary_key_servers: [ks2]}, {server: ks2}]"),
			`desired.yaml:12:59: clusters[0].key_managers[0].external.servers[0].secondary_key_servers[0]: is a primary at line 12; a server is a primary or a secondary, not both [KM006]`},
		{"literal secret", servers("[{server: ks1, username: db, password: canary}]"),
			`desired.yaml:12:59: clusters[0].key_managers[0].external.servers[0].password: not a secret reference; write cred:NAME, file:/PATH or env:NAME, never the secret itself [KM070]`},
		{"two faults at once", servers("[{server: ks1, timeout: 99, username: 7}]"),
			`desired.yaml:12:44: clusters[0].key_managers[0].external.servers[0].timeout: "99" is out of range; write -1 to 60` + "\n" +
				`desired.yaml:12:58: clusters[0].key_managers[0].external.servers[0].username: a username needs a password beside it [KM007]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "desired.yaml")
			text := os.Expand(tt.text, sim.variable)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, file, tt.want)
		})
	}
	t.Run("not a regular file", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "dir")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, "dir:1:1: file: not a regular file")
	})
	if list, err := sim.clusters[0].since(0); err != nil || len(list) > 0 {
		t.Errorf("the cluster got requests: %v (%v)", list, err)
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

// refused checks that every command that reads the file ends with 3 and these faults.
func refused(t *testing.T, file, want string) {
	t.Helper()
	for _, args := range [][]string{{"validate"}, {"plan"}, {"apply", "--yes"}} {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command("kmagent", append(args, "-f", filepath.Base(file), "--state-dir", filepath.Join(t.TempDir(), "state"))...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(file), &stdout, &stderr
		e, ok := errors.AsType[*exec.ExitError](cmd.Run())
		if !ok || e.ExitCode() != exitInvalid || stdout.Len() > 0 {
			t.Errorf("%s: %v, want exit %d; stdout: %s", args[0], cmd.ProcessState, exitInvalid, stdout.String())
		}
		if strings.Contains(stderr.String(), "canary") {
			t.Errorf("%s shows a secret: %s", args[0], stderr.String())
		}
		if diff := cmp.Diff(want, strings.TrimSuffix(stderr.String(), "\n")); diff != "" {
			t.Errorf("%s: faults (-want +got):\n%s", args[0], diff)
		}
	}
}
