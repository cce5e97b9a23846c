package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
)

// A key backup is asked for once after each change of the onboard key manager, and is nowhere
// but in a file that only the recipient can read. What could not be saved is owed.
func TestKeyBackup(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	b.passphrase("okm", "one")
	b.file(filepath.Join("taken", "backups"), "")

	// Without a place to put it the key manager is set up all the same, and the backup is owed.
	b.fixture("taken", "a file")
	b.run(exitFailed, "apply", "--yes")
	b.wants("set up, and no place for the backup", 0, 0)
	b.run(exitPending, "plan")
	b.run(exitFailed, "apply", "--yes")
	b.wants("no place still", 0, 0)
	if err := os.Remove(filepath.Join(b.dir, "taken")); err != nil {
		t.Fatal(err)
	}
	b.run(exitOK, "apply", "--yes")
	b.wants("the place is there", 1, 1)
	b.run(exitOK, "apply", "--yes")
	b.run(exitOK, "plan")
	b.wants("nothing has changed", 0, 1)

	b.passphrase("okm-old", "one")
	b.passphrase("okm", "two")
	b.file(filepath.Join("taken", "backups"), ", existing_passphrase: cred:okm-old")
	b.run(exitOK, "apply", "--yes")
	b.wants("a changed passphrase", 1, 2)

	b.call(http.MethodPatch, "/sim/world", `{"nodes":{"node3":{"membership":"member"}}}`)
	b.run(exitOK, "apply", "--yes")
	b.wants("a node has come", 1, 3)

	// The service does the same.
	b.passphrase("okm-old", "two")
	b.passphrase("okm", "three")
	s := b.serve("--log-level", "debug", "--interval", "1s")
	s.until("the backup is there", func() bool { return b.count() == 4 })
	s.stop()
	b.wants("the service has changed the passphrase", 1, 4)

	// And it knows the time of the newest one when it has just started.
	s = b.serve("--log-level", "debug", "--interval", "1h")
	s.until("the time of the newest backup", func() bool {
		return strings.Contains(s.get("/metrics"), `kmagent_key_backup_last_timestamp_seconds{cluster="a"} `)
	})
	b.hunt.in("the metrics", s.get("/metrics"))
	s.stop()
	b.wants("nothing was to be done", 0, 4)
	if b.hunt.seen < 10_000 {
		t.Errorf("only %d bytes were looked through", b.hunt.seen)
	}
}

// Backups are an installation that keeps key backups, and who may read them.
type backups struct {
	installation
	*simulated
	id    *age.X25519Identity
	hunt  *hunt
	asked int // requests that were looked at
}

func newBackups(t *testing.T) *backups {
	sim := startSimulation(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	b := &backups{newInstallation(t, sim), sim.clusters[0], id, newHunt(t), 0}
	b.fixture("identity", id.String()+"\n")
	if _, err := exec.LookPath("age"); err != nil {
		t.Log("AGE IS NOT INSTALLED: that its command decrypts key backups is not checked, its library alone is")
	}
	return b
}

func (b *backups) passphrase(name, text string) {
	text += " is the canary of a passphrase, long enough"
	b.fixture(name, text+"\n")
	b.hunt.add(canary{"passphrase", text})
}

// file writes the desired state with the directory of backups, and what stands beside the
// passphrase.
func (b *backups) file(dir, beside string) {
	b.fixture("desired.yaml", fmt.Sprintf(`version: 1
clusters:
  - name: a
    endpoint: $ENDPOINT
    tls: {ca_file: $CA}
    auth: {basic: {username: admin, password: cred:cluster}}
    backup: {recipients: [%s], dir: %s}
    key_managers:
      - onboard: {passphrase: cred:okm%s}
`, b.id.Recipient(), filepath.Join(b.dir, dir), beside))
}

func (b *backups) run(code int, args ...string) {
	b.t.Helper()
	b.hunt.in("kmagent "+args[0], b.says(code, args...))
}

func (b *backups) place() string { return filepath.Join(b.dir, "taken", "backups") }

func (b *backups) count() int {
	files, _ := filepath.Glob(filepath.Join(b.place(), "a-key_backup-*.age"))
	return len(files)
}

// wants says how often the backup was asked for since the last time, and how many there are. The
// newest is what the cluster holds now.
func (b *backups) wants(when string, asked, kept int) {
	b.t.Helper()
	list, err := b.since(b.asked)
	if err != nil {
		b.t.Fatal(err)
	}
	b.asked += len(list)
	n, at := 0, ""
	for _, r := range list {
		if strings.Contains(r.Query, "key_backup") {
			n, at = n+1, r.Path
			if r.Query != "fields=onboard.key_backup" {
				b.t.Errorf("%s: asked for %s", when, r.Query)
			}
		}
	}
	if n != asked || b.count() != kept {
		b.t.Errorf("%s: the backup was asked for %d times, and %d are kept; want %d and %d", when, n, b.count(), asked, kept)
	}
	if at != "" {
		text := b.held(at)
		b.hunt.add(canary{"key backup", text})
		if kept > 0 {
			b.newest(when, text)
		}
	}
	b.hunt.below(b.dir, b.path("okm"), b.path("okm-old"), b.path("identity"))
}

func (b *backups) path(name string) string { return filepath.Join(b.dir, name) }

// held is the backup that the cluster holds now, as somebody else asks for it.
func (b *backups) held(path string) string {
	b.t.Helper()
	answer, err := b.call(http.MethodGet, path+"?fields=onboard.key_backup", "")
	if err != nil {
		b.t.Fatal(err)
	}
	b.asked++
	var m struct {
		Onboard struct {
			KeyBackup string `json:"key_backup"`
		}
	}
	if err := json.Unmarshal([]byte(answer), &m); err != nil || m.Onboard.KeyBackup == "" {
		b.t.Fatalf("the cluster has no backup: %v", err)
	}
	return m.Onboard.KeyBackup
}

// newest checks the newest backup: who may read it, what is in it, and what its note says.
func (b *backups) newest(when, text string) {
	b.t.Helper()
	files, _ := filepath.Glob(filepath.Join(b.place(), "*.age"))
	slices.SortFunc(files, func(x, y string) int { // by time, then by number
		x, y = strings.TrimSuffix(x, ".age"), strings.TrimSuffix(y, ".age")
		return strings.Compare(x, y)
	})
	file := files[len(files)-1]
	for name, want := range map[string]os.FileMode{b.place(): 0o700, file: 0o600, strings.TrimSuffix(file, ".age") + ".json": 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			b.t.Errorf("%s: %s: %v, want mode %v", when, name, err, want)
		}
	}
	if got := b.decrypted(file); got != text {
		b.t.Errorf("%s: in %s is %q, want %q", when, file, got, text)
	}
	sealed, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	var note struct {
		Cluster string
		File    string
		SHA256  string `json:"sha256"`
		Text    string `json:"backup_sha256"`
	}
	about, err := os.ReadFile(strings.TrimSuffix(file, ".age") + ".json")
	if err != nil {
		b.t.Fatal(err)
	}
	if err := json.Unmarshal(about, &note); err != nil || note.Cluster != "a" || note.File != filepath.Base(file) || note.SHA256 != sum(sealed) || note.Text != sum([]byte(text)) {
		b.t.Errorf("%s: %v, the note says %+v", when, err, note)
	}
}

// decrypted is what is in a backup: by the age command, as its reader would have it, or by the
// library where that is not installed.
func (b *backups) decrypted(file string) string {
	b.t.Helper()
	if _, err := exec.LookPath("age"); err == nil {
		out, err := exec.Command("age", "--decrypt", "--identity", b.path("identity"), file).Output()
		if err != nil {
			b.t.Errorf("age: %v", err)
		}
		return string(out)
	}
	sealed, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), b.id)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
