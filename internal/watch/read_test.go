package watch

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestReadReturnsTheContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "desired.yaml")
	write(t, path, "version: 1\n")
	link := path + ".link"
	if err := os.Symlink(filepath.Base(path), link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		got, err := Read(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Text) != "version: 1\n" || !got.ModTime.Equal(info.ModTime()) {
			t.Errorf("Read(%s) = %q of %v", name, got.Text, got.ModTime)
		}
		if want := "09bfcc6a14b83e2192b8673677725c84883ee9cd0c70e45c9ec09daa8f2b2847"; got.Digest != want {
			t.Errorf("Read(%s).Digest = %s, want %s", name, got.Digest, want)
		}
	}
}

func TestReadLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, c := range []struct {
		size int64
		want error
		why  string
	}{
		{0, nil, "an empty file is for the reader of its content to refuse"},
		{MaxBytes, nil, "exactly the limit"},
		{MaxBytes + 1, ErrTooLarge, "one byte more"},
		{1 << 30, ErrTooLarge, "sparse, so that it costs the one who made it nothing"},
	} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, c.size); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		if !errors.Is(err, c.want) {
			t.Errorf("%d bytes: %v, want %v: %s", c.size, err, c.want, c.why)
		}
		if err == nil && int64(len(got.Text)) != c.size {
			t.Errorf("%d bytes: read %d", c.size, len(got.Text))
		}
	}
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		want error
		why  string
	}{
		{fifo, ErrNotRegular, "nobody writes into it: an ordinary open would hang"},
		{dir, ErrNotRegular, "a directory"},
		{socket.Addr().String(), ErrNotRegular, "cannot even be opened"},
		{"/dev/zero", ErrNotRegular, "a device without end"},
		{filepath.Join(dir, "none"), fs.ErrNotExist, "not there"},
		{filepath.Join(dir, "none", "none"), fs.ErrNotExist, "nor its directory"},
		{loop, syscall.ELOOP, "a link to itself"},
	} {
		got, err := Read(c.path)
		if !errors.Is(err, c.want) {
			t.Errorf("Read(%s): %v, want %v: %s", c.path, err, c.want, c.why)
		}
		if e, ok := errors.AsType[*fs.PathError](err); !ok || e.Path != c.path {
			t.Errorf("Read(%s): %#v is no PathError of it", c.path, err)
		}
		if got.Text != nil || got.Digest != "" {
			t.Errorf("Read(%s): content beside an error", c.path)
		}
	}
}

func TestReadErrorText(t *testing.T) {
	_, err := Read("/dev/null")
	if got, want := err.Error(), "read /dev/null: not a regular file"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is refused is refused before it is read, so that nobody can fill the memory.
func TestReadOfHugeFileAllocatesNothingMuch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge")
	write(t, path, "x")
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Read(path); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
		t.Errorf("allocated %d bytes", got)
	}
}

func TestSame(t *testing.T) {
	a := reading{Snapshot: Snapshot{Digest: "a"}, stamp: stamp{ino: 1}}
	touched := a
	touched.stamp.ctime = 5
	rewritten := a
	rewritten.Digest = "b"
	missing := reading{err: &fs.PathError{Op: "stat", Path: "p", Err: fs.ErrNotExist}}
	missingToo := reading{err: &fs.PathError{Op: "stat", Path: "p", Err: fs.ErrNotExist}}
	unstable := reading{err: pathError("p", ErrUnstable)}
	for _, c := range []struct {
		r, s reading
		want bool
		why  string
	}{
		{a, a, true, "nothing happened"},
		{a, touched, false, "somebody is at work, although both looks saw the same bytes"},
		{a, rewritten, false, "the clock of the file system is too coarse to show it"},
		{a, missing, false, "gone"},
		{missing, missingToo, true, "still gone"},
		{missing, reading{err: errors.New("else")}, false, "another error"},
		{unstable, unstable, false, "twice in the middle of a write is no rest"},
		{a, reading{}, false, "the first look has nothing to be equal to"},
	} {
		if c.r.same(c.s) != c.want || c.s.same(c.r) != c.want {
			t.Errorf("same is not %v: %s", c.want, c.why)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 4096)), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Read(path); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGlance(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, ok := glance(path); !ok {
			b.Fatal("gone")
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
