// Package watch tells that a file changed and hands out its content, once the file is at
// rest. It survives every way in which files get replaced: rename, rewriting in place, a
// moved symbolic link, a swapped directory, deletion. It never looks into the content,
// never writes, and never gives up: a missing or unreadable file is a state to be told.
//
// The truth is a poll that compares contents; file system events only make it sooner. With
// the default times a change is told within three seconds of the last write, or twelve
// where the file system dates the change as it did the previous one.
package watch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Config says what to watch and how closely.
type Config struct {
	Path   string        // of the file; links in it are followed afresh with every look
	Poll   time.Duration // from one look to the next; default 1 s
	Settle time.Duration // a content counts when it was seen twice at least this far apart; default 1 s
	Log    *slog.Logger  // default: none
}

// A State is what is known of the file.
type State struct {
	// Good is the last content that counted; zero while none has.
	Good Snapshot

	// Err is nil while Good is what the file holds. Otherwise it says why it may not be:
	// an error of [Read] that persists, or [ErrUnstable] before anything counted and
	// after the file has been changing for a minute on end.
	Err error
}

// A Watcher watches one file. Its methods may be called from any goroutine.
type Watcher struct {
	cfg     Config
	changed chan struct{}
	reread  chan struct{}

	// What a look is made with.
	read   func(path string) reading
	glance func(path string) (stamp, bool)
	notify func() (*fsnotify.Watcher, error)

	// Run's own.
	settler settler
	looked  time.Time // end of the latest look
	glances int       // looks since the content was last read
	hinted  bool      // something happened since

	mu    sync.Mutex
	state State
}

// New returns a Watcher that does nothing until it is [Watcher.Run].
func New(cfg Config) *Watcher {
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.Settle <= 0 {
		cfg.Settle = time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	initial := State{Err: ErrUnstable}
	return &Watcher{
		cfg:     cfg,
		changed: make(chan struct{}, 1),
		reread:  make(chan struct{}, 1),
		read:    read,
		glance:  glance,
		notify:  fsnotify.NewWatcher,
		settler: settler{settle: cfg.Settle, state: initial},
		state:   initial,
	}
}

// Changed receives when [Watcher.Latest] has something new, the first content included.
// What was not received in time is not lost but merged. However often the file is replaced,
// no two contents are told within Config.Settle.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Latest returns what counts now.
func (w *Watcher) Latest() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// Reread asks for the file to be read again from scratch, and returns at once. As ever it
// takes two equal looks; the outcome is told through [Watcher.Changed] even if it is no
// news, so that the caller knows when its request has been met.
func (w *Watcher) Reread() { poke(w.reread) }

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // already owed
	}
}

// Run watches until ctx ends, and has let go of everything when it returns. It is to be
// called once. A look that the file system itself does not answer, as with a dead network
// share, holds it up.
func (w *Watcher) Run(ctx context.Context) {
	watcher, err := w.notify()
	h := newHints(watcher, err, w.cfg.Log)
	defer h.close()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			w.look(h)
		case <-h.event:
			w.hinted = true
		case err := <-h.failed:
			h.degrade(err)
			w.hinted = true // events got lost
		case <-w.reread:
			w.settler.restart(time.Now())
		}
		next.Reset(time.Until(w.due()))
	}
}

const (
	// gap is the least time between two looks, so that a storm of events costs little.
	gap = 100 * time.Millisecond

	// rehash is the number of polls after which the content is read although the stamp
	// stayed as it was: the clock of a file system may be too coarse to show a change, and
	// writes through a memory map or another host may show late.
	rehash = 10
)

// due is when to look next.
func (w *Watcher) due() time.Time {
	wait := w.cfg.Poll
	if w.hinted {
		wait = min(wait, gap)
	}
	due := w.looked.Add(wait)
	if !w.settler.settled() && w.settler.due().Before(due) {
		due = w.settler.due()
	}
	return due
}

// look compares the file with what was last seen, by its stamp when that will do.
func (w *Watcher) look(h *hints) {
	from := time.Now()
	if w.unchanged() {
		w.glances++
		w.looked = from
		return
	}
	w.glances, w.hinted = 0, false
	h.watch(w.cfg.Path) // first, lest a change between the two goes unseen
	r := w.read(w.cfg.Path)
	w.looked = time.Now()
	if !w.settler.observe(r, from, w.looked) {
		return
	}
	w.mu.Lock()
	w.state = w.settler.state
	w.mu.Unlock()
	poke(w.changed)
}

// unchanged reports whether a glance is enough to say that nothing happened.
func (w *Watcher) unchanged() bool {
	if w.hinted || !w.settler.settled() || w.settler.candidate.err != nil || w.glances+1 >= rehash {
		return false
	}
	s, ok := w.glance(w.cfg.Path)
	return ok && s == w.settler.candidate.stamp
}
