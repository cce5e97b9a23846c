package watch

import (
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// hints says when it may be worth to look before the next poll is due. Nothing depends on
// it: events get lost with a directory that is swapped, a queue that runs over or a file
// system of another host. Once it fails, the poll does without it.
type hints struct {
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil: none
	dirs    []string          // watched

	event  chan struct{} // one slot
	failed chan error    // one slot; the first failure
	done   chan struct{} // closed when drain has ended
}

// newHints takes what fsnotify.NewWatcher returned.
func newHints(watcher *fsnotify.Watcher, err error, log *slog.Logger) *hints {
	h := &hints{
		log:    log,
		event:  make(chan struct{}, 1),
		failed: make(chan error, 1),
		done:   make(chan struct{}),
	}
	if err != nil {
		h.degrade(err)
		return h
	}
	h.watcher = watcher
	go h.drain(watcher)
	return h
}

// drain takes everything that the watcher has to say, at once: the watcher may hold a lock
// while it waits for a reader of its errors, and watch needs that lock.
func (h *hints) drain(w *fsnotify.Watcher) {
	defer close(h.done)
	events, errs := w.Events, w.Errors
	for events != nil || errs != nil {
		select {
		case _, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			select {
			case h.event <- struct{}{}:
			default: // a look is already owed
			}
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			select {
			case h.failed <- err:
			default: // the first failure is enough
			}
		}
	}
}

// watch sees to it that the directories are watched in which a replacement of path would
// show: its own, and that of the file its symbolic links lead to. Directories go by their
// real names, for a watch that was set through a link stays behind when the link moves.
func (h *hints) watch(path string) {
	if h.watcher == nil {
		return
	}
	var dirs []string
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		dirs = append(dirs, dir)
	}
	if file, err := filepath.EvalSymlinks(path); err == nil && !slices.Contains(dirs, filepath.Dir(file)) {
		dirs = append(dirs, filepath.Dir(file))
	}
	for _, dir := range h.dirs {
		if !slices.Contains(dirs, dir) {
			_ = h.watcher.Remove(dir) // it may have gone by itself
		}
	}
	h.dirs = dirs
	for _, dir := range dirs {
		// Also when it was added before: it may be another directory by now.
		if err := h.watcher.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.degrade(err)
			return
		}
	}
}

// degrade gives up, with one line in the log.
func (h *hints) degrade(err error) {
	h.close()
	h.failed = nil // a second failure is no news
	h.log.Warn("file events are not to be had, polling alone", "event", "watch.degraded", "err", err)
}

// close ends the watcher and waits for it.
func (h *hints) close() {
	if h.watcher == nil {
		return
	}
	h.watcher.Close()
	<-h.done
	h.watcher = nil
}
