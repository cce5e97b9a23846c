package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kmagent/internal/disk"
)

func TestFirstContact(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for range 2 { // without a state directory, and with one that has no log
		if _, err := Verify(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Verify: error %v, want that there is none", err)
		}
		if err := Read(dir, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Read: error %v, want that there is none", err)
		}
		if _, err := os.Stat(dir + "/audit"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("looking made it (%v)", err)
		}
		must(t, os.MkdirAll(dir, 0o700))
	}
	l, err := Open(dir)
	must(t, err)
	if rep, err := Verify(dir); err != nil || !rep.OK() || rep.Entries != 0 || rep.Sum != zeros {
		t.Errorf("an empty log: %+v, error %v", rep, err)
	}
	must(t, l.Close())
	l, err = Open(dir)
	must(t, err)
	fill(t, l, 0, 1)
	must(t, l.Close())
	if err := l.Append(sample(2)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Append after Close: error %v", err)
	}
}

// What was appended is read again, over the ends of segments and restarts.
func TestReadBack(t *testing.T) {
	m := newMemory()
	var want []Entry
	for n := 1; n <= 20; n++ {
		if n%7 == 1 {
			l := openMemory(t, m) // each restart of three
			fill(t, l, n-1, min(7, 21-n))
			must(t, l.Close())
		}
		want = append(want, sample(n))
	}
	var got []Entry
	prev := zeros
	must(t, read(m, func(e Entry) error {
		if e.Seq != uint64(len(got)+1) || e.Prev != prev || !strings.HasSuffix(string(e.Line()), e.Sum+`"}`) {
			t.Errorf("entry %d of %d, prev %s, line %s", e.Seq, len(got)+1, e.Prev, e.Line())
		}
		prev = e.Sum
		got = append(got, e)
		return nil
	}))
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Entry{}), cmpopts.IgnoreFields(Entry{}, "Seq", "Prev", "Sum")); d != "" {
		t.Errorf("(-appended +read)\n%s", d)
	}
	rep := whole(t, m, 20)
	if rep.Segments != 3 || !rep.First.Equal(sample(1).Time) || !rep.Last.Equal(sample(20).Time) || rep.Sum != prev || rep.Torn {
		t.Errorf("report %+v", rep)
	}
	seq, sum := openMemory(t, m).Head()
	if seq != 20 || sum != prev {
		t.Errorf("head %d %s, want 20 %s", seq, sum, prev)
	}
	stop := errors.New("enough")
	if err := read(m, func(Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want that of the caller", err)
	}
}

// An entry without a time gets one: when is the first question.
func TestTimeIsSet(t *testing.T) {
	m := newMemory()
	must(t, openMemory(t, m).Append(Entry{Event: Command}))
	if rep := whole(t, m, 1); rep.First.IsZero() {
		t.Error("the entry has no time")
	}
}

// Durable means two syncs: one of the line, one of the head. A segment's first line needs its
// name as well.
func TestSyncs(t *testing.T) {
	m := newMemory()
	l := openMemory(t, m)
	for n := 1; n <= 20; n++ {
		before, segment := m.syncs, l.segment
		fill(t, l, n-1, 1)
		want := 2
		if l.segment != segment {
			want = 3
		}
		if got := m.syncs - before; got != want {
			t.Errorf("entry %d: %d syncs, want %d", n, got, want)
		}
	}
}

func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir, l := openDir(t)
	l.limit = 1500
	fill(t, l, 0, 4)
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
	if got, want := strings.Join(names, " "), ". audit audit/audit-00000001.jsonl audit/audit-00000002.jsonl audit/head"; got != want {
		t.Errorf("the directory has %s, want %s", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	begun := func(t *testing.T, dir string) {
		l, err := Open(filepath.Dir(dir))
		must(t, err)
		fill(t, l, 0, 1)
		must(t, l.Close())
	}
	replace := func(name string, make func(path string) error) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			begun(t, dir)
			must(t, os.Rename(dir+"/"+name, dir+"/other"))
			must(t, make(dir+"/"+name))
		}
	}
	toOther := func(path string) error { return os.Symlink("other", path) }
	fifo := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir string)
		want string // DIR is the log's directory
		why  string
	}{
		{"open to others", func(t *testing.T, dir string) { must(t, os.Mkdir(dir, 0o700)); must(t, os.Chmod(dir, 0o750)) },
			"audit directory DIR has mode 0750, which lets others in; run: chmod 0700 DIR", "who may write there can make a chain of his own"},
		{"a link", func(t *testing.T, dir string) { must(t, os.Symlink(t.TempDir(), dir)) },
			"audit directory DIR is not a directory", "who can set a link can move the log away"},
		{"a file", func(t *testing.T, dir string) { must(t, os.WriteFile(dir, nil, 0o600)) },
			"audit directory DIR is not a directory", "nothing can be kept in a file"},
		{"no state directory", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Dir(dir))) },
			"make audit directory: mkdir DIR: no such file or directory", "the state comes first"},
		{"segment is a link", replace("audit-00000001.jsonl", toOther),
			"open audit log: open DIR/audit-00000001.jsonl: too many levels of symbolic links", "a link can be turned elsewhere"},
		{"head is a link", replace("head", toOther),
			"open audit log: open DIR/head: too many levels of symbolic links", "likewise"},
		{"segment is a FIFO", replace("audit-00000001.jsonl", fifo),
			"open audit log: DIR/audit-00000001.jsonl is not a regular file", "nothing waits for whoever made it"},
		{"head is a FIFO", replace("head", fifo),
			"open audit log: DIR/head is not a regular file", "likewise"},
		{"somebody else's", func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Chown(dir, 65534, -1))
		}, fmt.Sprintf("audit directory DIR belongs to uid 65534, not to %d", os.Geteuid()), "its owner can change it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state", "audit")
			must(t, os.Mkdir(filepath.Dir(dir), 0o700))
			tt.make(t, dir)
			l, err := Open(filepath.Dir(dir))
			if err == nil {
				l.Close()
				t.Fatalf("no error: %s", tt.why)
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != tt.want {
				t.Errorf("error %q, want %q: %s", got, tt.want, tt.why)
			}
		})
	}
}

// With a full disk every Append fails; the first one that finds room goes on in a segment
// of its own.
func TestDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("DISK FULL IS NOT TESTED: %v", err)
	}
	defer full.Close()
	dir, l := openDir(t)
	fill(t, l, 0, 3)
	l.f = full
	if err := l.Append(sample(4)); !errors.Is(err, syscall.ENOSPC) || err.Error() != "append to audit log: write /dev/full: no space left on device" {
		t.Errorf("error %v", err)
	}
	fill(t, l, 4, 2)
	d := disk.Dir(dir + "/audit")
	if rep := whole(t, d, 5); rep.Segments != 2 {
		t.Errorf("%d segments, want 2: the old one is suspect", rep.Segments)
	}
	if got, want := strings.Join(ops(t, d), " "), "op1 op2 op3 op5 op6"; got != want {
		t.Errorf("the log has %s, want %s", got, want)
	}
}

// Each operation fails in turn, once or until somebody makes room. Then every Append
// succeeds again, nothing that was acknowledged is gone, and nothing is there twice.
func TestEveryFailure(t *testing.T) {
	t.Parallel()
	for _, lasting := range []bool{false, true} {
		for at := 1; ; at++ {
			m := newMemory()
			l := openMemory(t, m)
			start, failed := m.ops, 0
			m.fail = func(string) error {
				if m.ops == start+at || lasting && m.ops > start+at {
					failed++
					return syscall.ENOSPC
				}
				return nil
			}
			var acked []string
			refused := 0
			for n := 1; n <= 12; n++ {
				if refused == 3 {
					m.fail = nil
				}
				if err := l.Append(sample(n)); err == nil {
					acked = append(acked, sample(n).Op)
				} else if refused++; !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("operation %d: error %v", at, err)
				} else if rep, err := verify(m); err != nil || !rep.OK() {
					t.Fatalf("operation %d, after entry %d was refused: damage %v, error %v", at, n, rep.Damage, err)
				}
			}
			if failed == 0 {
				break
			}
			if want := map[bool]int{false: 1, true: 3}[lasting]; refused > want {
				t.Fatalf("operation %d: %d entries were refused, want %d: it did not recover", at, refused, want)
			}
			holds(t, fmt.Sprintf("operation %d", at), m, acked, 12)
			m.fail = nil
			fill(t, openMemory(t, m), 12, 1)
			holds(t, fmt.Sprintf("operation %d, opened again", at), m, append(acked, "op13"), 13)
		}
	}
}

// holds checks that a log has what was acknowledged, in its order, and besides nothing but
// entries that were refused, once each.
func holds(t *testing.T, when string, r disk.Reader, acked []string, appended int) {
	t.Helper()
	rep, err := verify(r)
	if err != nil || !rep.OK() {
		t.Fatalf("%s: damage %v, error %v", when, rep.Damage, err)
	}
	got := ops(t, r)
	last := 0
	for _, op := range got {
		var n int
		fmt.Sscanf(op, "op%d", &n)
		if n <= last || n > appended {
			t.Fatalf("%s: %s is out of order, or twice there: %v", when, op, got)
		}
		last = n
	}
	for _, op := range acked {
		if !slices.Contains(got, op) {
			t.Fatalf("%s: %s was acknowledged and is gone: %v", when, op, got)
		}
	}
}

// Whatever fails, and whenever the process is killed or power is lost, the log opens again
// and holds what was acknowledged. The seed is in the failure.
func TestCrashes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		m := newMemory()
		var acked []string
		for n := 1; n <= 60; {
			m.fail = nil
			l, err := open(m, 1500+rnd.Int64N(3000))
			if err != nil {
				t.Fatalf("seed %d, before entry %d: %v", seed, n, err)
			}
			holds(t, fmt.Sprintf("seed %d, before entry %d", seed, n), m, acked, n-1)
			rate := rnd.IntN(12)
			dies := n + rnd.IntN(20)
			m.fail = func(string) error {
				if rate > 0 && rnd.IntN(rate+2) == 0 {
					return syscall.EIO
				}
				return nil
			}
			for ; n <= dies; n++ {
				if l.Append(sample(n)) == nil {
					acked = append(acked, sample(n).Op)
				}
			}
			if rnd.IntN(2) == 0 {
				m = m.lose(rnd)
			}
		}
	}
}

// Opening fails half way, is tried again and loses nothing.
func TestOpenFails(t *testing.T) {
	whole, torn := filled(t), filled(t)
	lag := mark{19, sumAt(t, whole, 19)}.text() // so that there is something to do
	whole.put(headName, lag)
	torn.put(headName, lag)
	last := torn.names[segmentName(3)].seen
	torn.put(segmentName(3), last[:len(last)-5])
	for _, tt := range []struct {
		name    string
		disk    *memory
		entries int
	}{{"a whole one", whole, 20}, {"a torn one", torn, 19}, {"none", newMemory(), 0}} {
		for at := 1; ; at++ {
			m := tt.disk.clone()
			m.fail = func(string) error {
				if m.ops == at {
					return syscall.EIO
				}
				return nil
			}
			_, err := open(m, smallSegments)
			if err != nil && (!errors.Is(err, syscall.EIO) || errors.Is(err, ErrBroken)) {
				t.Fatalf("%s, operation %d: error %v", tt.name, at, err)
			}
			if m.ops < at {
				break
			}
			m.fail = nil
			l := openMemory(t, m)
			if seq, _ := l.Head(); seq != uint64(tt.entries) {
				t.Errorf("%s, operation %d: head %d, want %d", tt.name, at, seq, tt.entries)
			}
			fill(t, l, 20, 1)
			if rep, err := verify(m); err != nil || !rep.OK() || rep.Entries != uint64(tt.entries+1) {
				t.Errorf("%s, operation %d: %+v, error %v", tt.name, at, rep, err)
			}
		}
	}
}

func sumAt(t testing.TB, r disk.Reader, seq uint64) string {
	t.Helper()
	sum := zeros
	must(t, read(r, func(e Entry) error {
		if e.Seq == seq {
			sum = e.Sum
		}
		return nil
	}))
	return sum
}

// Many append at a time while others look; each sees a whole chain.
func TestSideBySide(t *testing.T) {
	dir, l := openDir(t)
	l.limit = 3000
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for range 2 {
		readers.Go(func() {
			for seen := uint64(0); !done.Load(); {
				rep, err := Verify(dir)
				if err != nil || !rep.OK() || rep.Entries < seen {
					t.Errorf("beside the writers: %+v, error %v, after %d entries", rep, err, seen)
					return
				}
				seen = rep.Entries
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for n := range 25 {
				if err := l.Append(sample(w*25 + n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	got := ops(t, disk.Dir(dir+"/audit"))
	slices.Sort(got)
	if len(slices.Compact(got)) != 100 {
		t.Errorf("%d entries are there, want 100", len(got))
	}
}
