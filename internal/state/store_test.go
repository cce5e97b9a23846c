package state

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/secret"
)

// hold takes a state directory, says so and keeps it until it is killed.
func hold(dir string) error {
	if _, err := Open(dir); err != nil {
		return err
	}
	fmt.Println("held")
	time.Sleep(time.Hour)
	return nil
}

// A process is this test binary in another role.
type process struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startRole(t *testing.T, role, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p := &process{cmd, bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

// kill ends it as kill -9 does, and waits until the kernel has freed what it had.
func (p *process) kill() {
	p.cmd.Process.Kill()
	for p.out.Scan() {
	}
	p.cmd.Wait()
}

func TestOneWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	other := startRole(t, "hold", dir)
	if !other.out.Scan() || other.out.Text() != "held" {
		t.Fatalf("the other process says %q", other.out.Text())
	}

	_, err := Open(dir)
	locked, ok := errors.AsType[*LockedError](err)
	if !ok {
		t.Fatalf("error %v, want a LockedError", err)
	}
	form := fmt.Sprintf(`^%s is in use by another kmagent \(pid %d on \S+ since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\)$`,
		regexp.QuoteMeta(dir), other.cmd.Process.Pid)
	if !regexp.MustCompile(form).MatchString(locked.Error()) {
		t.Errorf("the message is %q, want one like %s", locked.Error(), form)
	}

	other.kill()
	s, err := Open(dir)
	if err != nil {
		t.Fatalf("after the holder was killed: %v", err)
	}
	must(t, s.Close())
	if s, err = Open(dir); err != nil {
		t.Fatalf("after it was closed: %v", err)
	}
	must(t, s.Close())
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, dir string)
		want string // DIR is the directory
		why  string
	}{
		{"open to others", func(t *testing.T, dir string) { must(t, os.Mkdir(dir, 0o700)); must(t, os.Chmod(dir, 0o750)) },
			"state directory DIR has mode 0750, which lets others in; run: chmod 0700 DIR", "digests are for nobody else"},
		{"clusters open to others", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(dir+"/clusters", 0o700))
			must(t, os.Chmod(dir+"/clusters", 0o777))
		}, "state directory DIR/clusters has mode 0777, which lets others in; run: chmod 0700 DIR/clusters", "nor the journals"},
		{"a file", func(t *testing.T, dir string) { must(t, os.WriteFile(dir, nil, 0o600)) },
			"make state directory: mkdir DIR: not a directory", "nothing can be kept in a file"},
		{"a link", func(t *testing.T, dir string) { must(t, os.Symlink(t.TempDir(), dir)) },
			"state directory DIR is not a directory", "who can set a link can move the state away"},
		{"lock is a link", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), dir+"/lock"))
		}, "open lock: open DIR/lock: too many levels of symbolic links", "two names of a lock are two locks"},
		{"key is empty", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(dir+"/key", nil, 0o600))
		}, "DIR/key: digest key has 0 bytes, not 32", "a new key would make every secret look changed"},
		{"somebody else's", func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Chown(dir, 65534, -1))
		}, fmt.Sprintf("state directory DIR belongs to uid 65534, not to %d", os.Geteuid()), "its owner can read and change it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			tt.make(t, dir)
			s, err := Open(dir)
			if err == nil {
				s.Close()
				t.Fatalf("no error: %s", tt.why)
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != tt.want {
				t.Errorf("error %q, want %q: %s", got, tt.want, tt.why)
			}
		})
	}
}

// A refused directory is not kept locked by who refused it.
func TestRefusalFreesLock(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	must(t, os.WriteFile(dir+"/key", []byte("short"), 0o600))
	if _, err := Open(dir); err == nil {
		t.Fatal("a short key was accepted")
	}
	must(t, os.Remove(dir+"/key"))
	openStore(t, dir)
}

func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "state")
	b := openBook(t, openStore(t, dir))
	must(t, b.Pin("uuid-1", epoch))
	b.records = compactAfter
	must(t, b.Pin("uuid-2", epoch))

	var names []string
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = fs.ModeDir | 0o700
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		name, _ := filepath.Rel(dir, path)
		names = append(names, name)
		return nil
	}))
	if got, want := strings.Join(names, " "), ". clusters clusters/c1.journal key lock"; got != want {
		t.Errorf("the directory has %s, want %s", got, want)
	}
}

func TestKeyStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	digest := func(k secret.Key) string { return secret.Digest(k, secret.New([]byte("x")), "place") }

	before, err := ReadKey(dir)
	must(t, err)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking made the directory (%v)", err)
	}
	if _, err := OwnKey(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key of no installation: %v", err)
	}
	s := openStore(t, dir)
	first := digest(s.Key())
	if digest(before) == first {
		t.Error("the key of no state is the key of the state that came later")
	}
	must(t, s.Close())
	if again := openStore(t, dir); digest(again.Key()) != first {
		t.Error("the key is another after a restart: every secret would look changed")
	}
	read, err := ReadKey(dir)
	must(t, err)
	if digest(read) != first {
		t.Error("who only looks has another key")
	}
	own, err := OwnKey(dir)
	must(t, err)
	if digest(own) != first {
		t.Error("the installation's own key is another")
	}
}

// What a kill between write and rename leaves is removed, and nothing else is.
func TestLeftovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openStore(t, dir)
	b := openBook(t, s)
	must(t, b.Pin("uuid-1", epoch))
	hidden, err := s.Book(".dotted")
	must(t, err)
	must(t, hidden.Pin("uuid-2", epoch))
	must(t, errors.Join(b.Close(), hidden.Close(), s.Close()))
	left := []string{dir + "/.key4711", dir + "/clusters/.c1.journal4711"}
	for _, name := range left {
		must(t, os.WriteFile(name, []byte("half of what"), 0o600))
	}

	openStore(t, dir)
	for _, name := range left {
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", name, err)
		}
	}
	for cluster, uuid := range map[string]string{"c1": "uuid-1", ".dotted": "uuid-2"} {
		led, err := Read(dir, cluster)
		if d := diffLedgers(plan.Ledger{UUID: uuid}, led); d != "" || err != nil {
			t.Errorf("%s: error %v (-want +got)\n%s", cluster, err, d)
		}
	}
}
