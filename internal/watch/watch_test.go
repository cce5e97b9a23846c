package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A fakeFile is a file that changes without a file system, so that time can be fake. It
// counts how often it is looked at.
type fakeFile struct {
	mu      sync.Mutex
	text    string
	stamp   stamp
	err     error
	reads   int
	glances int
}

// write replaces the content, as a rename does.
func (f *fakeFile) write(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.err = text, nil
	f.stamp.ino++
}

// writeUnseen replaces the content with the stamp left as it was.
func (f *fakeFile) writeUnseen(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = text
}

func (f *fakeFile) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeFile) read(string) reading {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.err != nil {
		return reading{err: f.err}
	}
	return reading{Snapshot: Snapshot{Text: []byte(f.text), Digest: "digest of " + f.text}, stamp: f.stamp}
}

func (f *fakeFile) glance(string) (stamp, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.glances++
	return f.stamp, f.err == nil
}

// looks returns the reads and glances since the last call.
func (f *fakeFile) looks() (reads, glances int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reads, glances = f.reads, f.glances
	f.reads, f.glances = 0, 0
	return reads, glances
}

var errNoEvents = errors.New("no file events in fake time")

// start runs a Watcher of f in a synctest bubble until the test ends.
func (f *fakeFile) start(t *testing.T, cfg Config) *Watcher {
	t.Helper()
	w := New(cfg)
	w.read, w.glance = f.read, f.glance
	w.notify = func() (*fsnotify.Watcher, error) { return nil, errNoEvents }
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

// after lets time pass and tells what happened in it, as "<content> <error>" or "quiet".
func after(d time.Duration, w *Watcher) string {
	time.Sleep(d)
	synctest.Wait()
	select {
	case <-w.Changed():
	default:
		return "quiet"
	}
	st := w.Latest()
	if st.Err != nil {
		return fmt.Sprintf("%s: %v", st.Good.Text, st.Err)
	}
	return string(st.Good.Text)
}

func expect(t *testing.T, got, want, why string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q: %s", got, want, why)
	}
}

func TestWatchLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		f.write("one")
		w := f.start(t, Config{})
		synctest.Wait()
		if err := w.Latest().Err; !errors.Is(err, ErrUnstable) {
			t.Errorf("before anything counted: %v", err)
		}
		expect(t, after(999*time.Millisecond, w), "quiet", "seen once")
		expect(t, after(time.Millisecond, w), "one", "the first content is news")
		expect(t, after(time.Hour, w), "quiet", "nothing happened")
		f.write("two")
		expect(t, after(2*time.Second, w), "two", "a poll and a settle time later")
		f.fail(fs.ErrNotExist)
		expect(t, after(2*time.Second, w), "two: file does not exist", "the last good one stays at hand")
		expect(t, after(time.Hour, w), "quiet", "told once")
		f.fail(fs.ErrPermission)
		expect(t, after(2*time.Second, w), "two: permission denied", "another error is news")
		f.write("two")
		expect(t, after(2*time.Second, w), "two", "the same again, but in force")
		f.write("two")
		expect(t, after(time.Minute, w), "quiet", "a new file with the same content is no news")
	})
}

func TestWatchMerges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		f.write("one")
		w := f.start(t, Config{})
		time.Sleep(time.Minute)
		f.write("two")
		time.Sleep(time.Minute)
		expect(t, after(0, w), "two", "nobody listened to one; it is history")
		expect(t, after(0, w), "quiet", "one slot")
	})
}

func TestWatchReread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		f.write("one")
		w := f.start(t, Config{})
		expect(t, after(time.Minute, w), "one", "")
		f.writeUnseen("two") // where only reading shows it
		w.Reread()
		w.Reread() // while one is under way
		expect(t, after(999*time.Millisecond, w), "quiet", "it takes two looks")
		expect(t, after(time.Millisecond, w), "two", "")
		w.Reread()
		expect(t, after(time.Second, w), "two", "no news, yet it was asked for")
		expect(t, after(time.Minute, w), "quiet", "told once")
		f.fail(fs.ErrNotExist)
		w.Reread()
		expect(t, after(time.Second, w), "two: file does not exist", "")
	})
}

// A signal that is repeated for ever must not keep the file from being read.
func TestWatchRereadStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		f.write("one")
		w := f.start(t, Config{})
		expect(t, after(time.Minute, w), "one", "")
		f.write("two")
		for range 150 {
			w.Reread()
			time.Sleep(10 * time.Millisecond)
		}
		expect(t, after(0, w), "two", "")
	})
}

func TestWatchCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		f.write("one")
		w := f.start(t, Config{})
		expect(t, after(time.Second, w), "one", "")
		f.looks()
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if reads, glances := f.looks(); reads != 10 || glances != 90 {
			t.Errorf("100 quiet polls: %d reads and %d glances, want 10 and 90", reads, glances)
		}
		f.writeUnseen("two")
		expect(t, after(12*time.Second, w), "two", "what the stamp does not show is read within ten polls")
	})
}

// Rewritten a thousand times a second for ten seconds: not told while it lasts, and soon
// after it ends, and looked at no more often than ever.
func TestWatchStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		f.write("before")
		w := f.start(t, Config{})
		expect(t, after(time.Second, w), "before", "")
		f.looks()
		for i := range 10_000 {
			f.write(fmt.Sprint("version ", i))
			time.Sleep(time.Millisecond)
		}
		expect(t, after(0, w), "quiet", "it never was at rest")
		if reads, glances := f.looks(); reads+glances > 22 {
			t.Errorf("%d reads and %d glances in ten seconds", reads, glances)
		}
		expect(t, after(2*time.Second, w), "version 9999", "the last one")
	})
}

func TestWatchRestless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		w := f.start(t, Config{})
		var news []string
		for i := range 300 { // four and a half minutes
			f.write(fmt.Sprint(i))
			if s := after(900*time.Millisecond, w); s != "quiet" {
				news = append(news, s)
			}
		}
		expect(t, strings.Join(news, "|"), ": still being written", "told once, lest somebody waits for ever")
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		w := New(Config{})
		w.read, w.glance = f.read, f.glance
		w.notify = func() (*fsnotify.Watcher, error) { return nil, errNoEvents }
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		time.Sleep(time.Minute)
		cancel()
		wg.Wait() // synctest fails when a goroutine stays
	})
}

func TestWatchWithoutEventsSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fakeFile
		f.write("one")
		var log bytes.Buffer
		w := f.start(t, Config{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		}))})
		expect(t, after(time.Hour, w), "one", "polling is enough")
		synctest.Wait()
		expect(t, log.String(), `level=WARN msg="file events are not to be had, polling alone" `+
			`event=watch.degraded err="no file events in fake time"`+"\n", "one line")
	})
}

// A writer that cuts the file and fills it piece by piece, pausing for less than the settle
// time between pieces, is never believed before it is done, whatever its rhythm.
func TestWatchNeverBelievesAHalf(t *testing.T) {
	for seed := range int64(50) {
		synctest.Test(t, func(t *testing.T) { tornWrites(t, seed) })
	}
}

func tornWrites(t *testing.T, seed int64) {
	rnd := rand.New(rand.NewPCG(uint64(seed), 0))
	var f fakeFile
	f.write("version 0;")
	w := f.start(t, Config{})
	step := func(text string) {
		f.write(text)
		time.Sleep(time.Duration(rnd.IntN(999)) * time.Millisecond)
		synctest.Wait()
		select {
		case <-w.Changed():
		default:
		}
		if text := string(w.Latest().Good.Text); text != "" && !strings.HasSuffix(text, ";") {
			t.Fatalf("seed %d: %q counted", seed, text)
		}
	}
	for version := range 20 {
		whole := fmt.Sprintf("version %d;", version)
		for n := 0; n < len(whole); n += 1 + rnd.IntN(4) {
			step(whole[:n])
		}
		step(whole)
		if rnd.IntN(2) == 0 {
			expect(t, after(2*time.Second, w), whole, "at rest")
		}
	}
}
