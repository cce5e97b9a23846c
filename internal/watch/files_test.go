package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Tests with real files and events take real time; shorter times keep them short.
const (
	testPoll   = 50 * time.Millisecond
	testSettle = 30 * time.Millisecond
)

// begin runs a Watcher of path until the test ends.
func begin(t *testing.T, cfg Config, change ...func(*Watcher)) *Watcher {
	t.Helper()
	w := New(cfg)
	for _, f := range change {
		f(w)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

// await waits for a state that fits, for as long as a change may take at most.
func await(t *testing.T, w *Watcher, what string, fits func(State) bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for !fits(w.Latest()) {
		select {
		case <-w.Changed():
		case <-deadline:
			st := w.Latest()
			t.Fatalf("no %s within 5 s: %q, %v", what, st.Good.Text, st.Err)
		}
	}
}

func awaitText(t *testing.T, w *Watcher, want string) {
	t.Helper()
	await(t, w, want, func(st State) bool { return string(st.Good.Text) == want && st.Err == nil })
}

func awaitErr(t *testing.T, w *Watcher, want error) {
	t.Helper()
	await(t, w, want.Error(), func(st State) bool { return errors.Is(st.Err, want) })
}

// must reports the first of some steps that failed.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func put(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// relink points a symbolic link elsewhere in one step.
func relink(link, target string) error {
	return errors.Join(os.Symlink(target, link+".new"), os.Rename(link+".new", link))
}

// replacements are the ways in which people and their tools replace a file. Each sets one
// up in an empty directory and returns the path to watch, and a function that replaces its
// content.
var replacements = []struct {
	name  string
	setUp func(t *testing.T, dir string) (path string, replace func(text string) error)
}{
	{"rewritten in place", func(t *testing.T, dir string) (string, func(string) error) {
		path := filepath.Join(dir, "f")
		return path, func(text string) error { return put(path, text) }
	}},
	{"renamed over", func(t *testing.T, dir string) (string, func(string) error) {
		path := filepath.Join(dir, "f")
		return path, func(text string) error {
			return errors.Join(put(path+".new", text), os.Rename(path+".new", path))
		}
	}},
	{"renamed over from elsewhere", func(t *testing.T, dir string) (string, func(string) error) {
		path := filepath.Join(dir, "f")
		elsewhere := filepath.Join(t.TempDir(), "f")
		return path, func(text string) error {
			return errors.Join(put(elsewhere, text), os.Rename(elsewhere, path))
		}
	}},
	{"deleted and created", func(t *testing.T, dir string) (string, func(string) error) {
		path := filepath.Join(dir, "f")
		must(t, put(path, ""))
		return path, func(text string) error { return errors.Join(os.Remove(path), put(path, text)) }
	}},
	{"moved away as a backup and created", func(t *testing.T, dir string) (string, func(string) error) {
		path := filepath.Join(dir, "f")
		must(t, put(path, ""))
		return path, func(text string) error { return errors.Join(os.Rename(path, path+"~"), put(path, text)) }
	}},
	{"hard link swapped", func(t *testing.T, dir string) (string, func(string) error) {
		path := filepath.Join(dir, "f")
		must(t, put(path, ""))
		n := 0
		return path, func(text string) error {
			n++
			version := filepath.Join(dir, fmt.Sprint("v", n))
			return errors.Join(put(version, text), os.Remove(path), os.Link(version, path))
		}
	}},
	{"symbolic link swapped", func(t *testing.T, dir string) (string, func(string) error) {
		path := filepath.Join(dir, "f")
		n := 0
		return path, func(text string) error {
			n++
			version := filepath.Join(dir, fmt.Sprint("v", n))
			return errors.Join(put(version, text), relink(path, filepath.Base(version)))
		}
	}},
	{"target of a symbolic link rewritten in another directory", func(t *testing.T, dir string) (string, func(string) error) {
		path, target := filepath.Join(dir, "f"), filepath.Join(t.TempDir(), "f")
		must(t, os.Symlink(target, path))
		return path, func(text string) error { return put(target, text) }
	}},
	{"..data swapped, as Kubernetes does", func(t *testing.T, dir string) (string, func(string) error) {
		path, data := filepath.Join(dir, "f"), filepath.Join(dir, "..data")
		must(t, os.Symlink("..data/f", path))
		n, old := 0, ""
		return path, func(text string) error {
			n++
			version := filepath.Join(dir, fmt.Sprint("..v", n))
			err := errors.Join(os.Mkdir(version, 0o700), put(filepath.Join(version, "f"), text), relink(data, filepath.Base(version)))
			if old != "" {
				err = errors.Join(err, os.RemoveAll(old))
			}
			old = version
			return err
		}
	}},
	{"link to its directory swapped, as release tools do", func(t *testing.T, dir string) (string, func(string) error) {
		current := filepath.Join(dir, "current")
		n := 0
		return filepath.Join(current, "f"), func(text string) error {
			n++
			version := filepath.Join(dir, fmt.Sprint("r", n))
			return errors.Join(os.Mkdir(version, 0o700), put(filepath.Join(version, "f"), text), relink(current, filepath.Base(version)))
		}
	}},
	{"directory swapped", func(t *testing.T, dir string) (string, func(string) error) {
		current := filepath.Join(dir, "current")
		must(t, os.Mkdir(current, 0o700))
		n := 0
		return filepath.Join(current, "f"), func(text string) error {
			n++
			next, old := filepath.Join(dir, "next"), filepath.Join(dir, fmt.Sprint("old", n))
			return errors.Join(os.Mkdir(next, 0o700), put(filepath.Join(next, "f"), text), os.Rename(current, old), os.Rename(next, current))
		}
	}},
	{"directory deleted and created", func(t *testing.T, dir string) (string, func(string) error) {
		current := filepath.Join(dir, "current")
		return filepath.Join(current, "f"), func(text string) error {
			return errors.Join(os.RemoveAll(current), os.Mkdir(current, 0o700), put(filepath.Join(current, "f"), text))
		}
	}},
	{"directory swapped and the old one deleted at once", func(t *testing.T, dir string) (string, func(string) error) {
		current := filepath.Join(dir, "current")
		must(t, os.Mkdir(current, 0o700))
		return filepath.Join(current, "f"), func(text string) error {
			next, old := filepath.Join(dir, "next"), filepath.Join(dir, "old")
			return errors.Join(os.Mkdir(next, 0o700), put(filepath.Join(next, "f"), text),
				os.Rename(current, old), os.Rename(next, current), os.RemoveAll(old))
		}
	}},
}

// withoutEvents leaves the watcher with nothing but its poll.
func withoutEvents(w *Watcher) {
	w.notify = func() (*fsnotify.Watcher, error) { return nil, errNoEvents }
}

func withEvents(*Watcher) {}

func TestEveryReplacementIsNoticed(t *testing.T) {
	for _, c := range replacements {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for name, how := range map[string]func(*Watcher){"events": withEvents, "poll alone": withoutEvents} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					path, replace := c.setUp(t, t.TempDir())
					w := begin(t, Config{Path: path, Poll: testPoll, Settle: testSettle}, how)
					for n := range 4 { // an event watch that works once proves little
						text := fmt.Sprint("version ", n)
						must(t, replace(text))
						awaitText(t, w, text)
					}
				})
			}
		})
	}
}

// With a poll that never comes, what is told is told by an event. Only the swap of a whole
// directory is left to the poll: its parent is not watched.
func TestEventsAreSoonerThanThePoll(t *testing.T) {
	for _, c := range replacements {
		if strings.Contains(c.name, "directory swapped") || strings.Contains(c.name, "directory deleted") {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, replace := c.setUp(t, t.TempDir())
			must(t, replace("version 0"))
			w := begin(t, Config{Path: path, Poll: time.Hour, Settle: testSettle})
			awaitText(t, w, "version 0")
			for n := 1; n < 5; n++ {
				text := fmt.Sprint("version ", n)
				must(t, replace(text))
				awaitText(t, w, text)
			}
		})
	}
}

func TestWhatIsNoFileIsAState(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "f")
	w := begin(t, Config{Path: path, Poll: testPoll, Settle: testSettle})
	awaitErr(t, w, fs.ErrNotExist)
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700), put(path, "good"))
	awaitText(t, w, "good")
	must(t, os.Truncate(path, 1<<30))
	awaitErr(t, w, ErrTooLarge)
	must(t, os.Remove(path), os.Mkdir(path, 0o700))
	awaitErr(t, w, ErrNotRegular)
	if got := string(w.Latest().Good.Text); got != "good" {
		t.Errorf("the last good content has become %q", got)
	}
	must(t, os.Remove(path), put(path, "good"))
	awaitText(t, w, "good")
}

// A writer that cuts the file and fills it again in pieces, for ever, beside a reader.
func TestInPlaceWriterIsNeverBelievedTorn(t *testing.T) {
	const settle = 300 * time.Millisecond
	path := filepath.Join(t.TempDir(), "f")
	whole := func(n int) string { return strings.Repeat(fmt.Sprintf("line of version %d\n", n), 2000) + "end\n" }
	must(t, put(path, whole(0)))
	w := begin(t, Config{Path: path, Poll: 20 * time.Millisecond, Settle: settle})
	awaitText(t, w, whole(0))

	const versions = 300
	var longest time.Duration // that the writer has paused with the file half written
	for n := 1; n <= versions; n++ {
		f, err := os.Create(path)
		must(t, err)
		last := time.Now()
		for text := whole(n); text != ""; text = text[min(len(text), 4096):] {
			_, err := f.WriteString(text[:min(len(text), 4096)])
			must(t, err)
			runtime.Gosched()
			longest, last = max(longest, time.Since(last)), time.Now()
		}
		must(t, f.Close())
		if text := string(w.Latest().Good.Text); !strings.HasSuffix(text, "end\n") && longest < settle/2 {
			t.Fatalf("%d bytes counted that do not end in the end", len(text))
		}
	}
	awaitText(t, w, whole(versions))
}

func TestSwapsLeakNothing(t *testing.T) {
	const swaps = 300 // each way: a few thousand in all
	for _, c := range replacements {
		t.Run(c.name, func(t *testing.T) {
			path, replace := c.setUp(t, t.TempDir())
			must(t, replace("before"))
			var watcher *fsnotify.Watcher
			w := begin(t, Config{Path: path, Poll: 5 * time.Millisecond, Settle: 10 * time.Millisecond}, func(w *Watcher) {
				var err error
				watcher, err = fsnotify.NewWatcher()
				must(t, err)
				w.notify = func() (*fsnotify.Watcher, error) { return watcher, nil }
			})
			awaitText(t, w, "before")
			files, goroutines := openFiles(t), runtime.NumGoroutine()
			for n := range swaps {
				must(t, replace(fmt.Sprint("version ", n)))
			}
			awaitText(t, w, fmt.Sprint("version ", swaps-1))
			if n := len(watcher.WatchList()); n > 2 {
				t.Errorf("%d directories watched", n)
			}
			deadline := time.Now().Add(5 * time.Second) // a look may be under way
			for openFiles(t) > files || runtime.NumGoroutine() > goroutines {
				if time.Now().After(deadline) {
					t.Fatalf("%d files and %d goroutines, before the swaps %d and %d",
						openFiles(t), runtime.NumGoroutine(), files, goroutines)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("open files cannot be counted: ", err)
	}
	return len(list)
}

func TestOverflowLeavesThePoll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, put(path, "one"))
	watcher, err := fsnotify.NewWatcher()
	must(t, err)
	var log lockedBuffer
	w := begin(t, Config{Path: path, Poll: testPoll, Settle: testSettle, Log: slog.New(slog.NewTextHandler(&log, nil))},
		func(w *Watcher) { w.notify = func() (*fsnotify.Watcher, error) { return watcher, nil } })
	awaitText(t, w, "one")
	watcher.Errors <- fsnotify.ErrEventOverflow
	for n := range 3 {
		text := fmt.Sprint("version ", n)
		must(t, put(path, text))
		awaitText(t, w, text)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "event=watch.degraded") {
		t.Errorf("log: %s", got)
	}
}

// A lockedBuffer may be written and read at the same time.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
