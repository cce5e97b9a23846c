// Package audit keeps the log of who had what sent to which cluster. It says what was done
// and never with which values; it holds no secret and reads no other file of kmagent.
//
// The log is in the directory audit (0700) of the state directory, in files of mode 0600:
//
//	audit-00000001.jsonl, ...  segments: one JSON object a line, an entry each
//	head                       number and sum of the newest entry, by a rename
//
// Each line ends in its sum, the SHA-256 of all of its bytes before it, among which is the
// sum of the line before ("prev"), over the ends of segments. So the lines are a chain in
// which no byte changes and no line goes missing unseen, and the head tells when its end was
// cut off. [Verify] checks it beside its writer, jq reads it without more ado.
//
// What is promised:
//
//   - When [Log.Append] returns nil, the line was written and synced, then the head was
//     written, synced and renamed: two syncs, and a third for the first line of a segment.
//     An entry whose Append failed may stand in the log all the same, as after a crash:
//     nothing was done on its account.
//   - The head is never ahead of what is durable. After a kill it is behind by one entry at
//     most. After a loss of power too, on file systems that make a rename durable no later
//     than the next sync of another file, as ext4, XFS, btrfs and ZFS do; on others the head
//     may be older, and Open then refuses a log that has lost nothing. So no entry that was
//     acknowledged can be cut off unseen, but for the last one before power was lost.
//   - A last line without its end that the head does not name was cut short by a crash: Open
//     drops it and [Log.Torn] says so. All other damage is [ErrBroken], and nothing is
//     written any more; [Recover] is the way out.
//   - After a write or sync failed nothing more is put behind it, since the kernel may have
//     dropped what it holds of that file. The next entry begins a segment, which says from
//     where on the one before is void. Until there is room for that, every Append fails. After
//     a restart a last line that the head does not name is written again before it counts.
//
// What is not: the chain has no key. Who may write to the files can make all sums anew, or
// take the directory away, and a new log begins. Against that keep what [Log.Head] returns on
// another machine: the entry of that number must have that sum for ever. What is void is
// under no sum; it is no part of the log.
package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kmagent/internal/disk"
)

// ErrBroken says that a log is damaged other than by a write that a crash cut short. The
// error that wraps it is a [*Damage].
var ErrBroken = errors.New("audit log is broken")

// segmentSize is how large a segment may grow before the next one begins.
const segmentSize = 64 << 20

// subdir is the log's place in the state directory.
const subdir = "audit"

// A Log is one open for writing. Its methods may be called from several goroutines; the
// caller holds the lock of the state directory, so that no other process has it too.
type Log struct {
	disk  disk.Writer
	limit int64
	torn  bool

	mu      sync.Mutex
	f       disk.File // the newest segment; nil before the first
	segment int       // its number
	size    int64
	suspect bool // it gets no more entries: a write to it failed, or the next segment was begun
	last    mark // the newest entry
	head    mark // the entry that the head names
	closed  bool
}

// Open opens the log of a state directory, after a look at every byte of it, or begins one
// where there is none. An error that is not [ErrBroken] may pass: the caller can try again.
func Open(dir string) (*Log, error) {
	path := filepath.Join(dir, subdir)
	if err := makeDir(path); err != nil {
		return nil, err
	}
	return open(disk.Dir(path), segmentSize)
}

func open(d disk.Writer, limit int64) (*Log, error) {
	l := &Log{disk: d, limit: limit, last: mark{Sum: zeros}}
	s, err := scan(d, nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = l.begin()
	case err == nil && s.Damage != nil:
		err = s.Damage
	case err == nil:
		err = l.resume(s)
	}
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	return l, nil
}

// begin makes the head, before there is anything it could name: a log without a head is then
// damaged and not new.
func (l *Log) begin() error {
	if err := writeHead(l.disk, l.last); err != nil {
		return err
	}
	l.head = l.last
	return l.disk.Sync()
}

// resume makes ready for the next entry what a scan found whole.
func (l *Log) resume(s *survey) error {
	l.segment, l.size, l.last, l.head, l.torn = s.segment, s.size, s.last, s.head, s.Torn
	if s.stray {
		if err := l.disk.Remove(segmentName(s.segment + 1)); err != nil {
			return err
		}
	}
	// A segment that was taken back must not come back behind entries that are yet to come.
	if err := l.disk.Sync(); err != nil {
		return err
	}
	if s.segment == 0 {
		return nil
	}
	f, err := l.disk.Reopen(segmentName(s.segment))
	if err != nil {
		return err
	}
	if err := l.mend(f, s); err != nil {
		return errors.Join(err, f.Close())
	}
	l.f = f
	return nil
}

// mend cuts off a torn line, and makes sure of a line that the head does not name yet: if its
// sync had failed, the kernel would show it and never write it, unless it is written again.
func (l *Log) mend(f disk.File, s *survey) error {
	if s.Torn {
		if err := f.Truncate(s.size); err != nil {
			return fmt.Errorf("cut torn line: %w", err)
		}
	}
	if s.last == s.head {
		return nil
	}
	if _, err := f.WriteAt(s.line, s.size-int64(len(s.line))); err != nil {
		return fmt.Errorf("write last line again: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync last line: %w", err)
	}
	return l.moveHead()
}

// Torn says whether Open found a last line that a crash had cut short, and dropped it.
func (l *Log) Torn() bool { return l.torn }

// Head returns number and sum of the newest entry that is acknowledged. Kept elsewhere, they
// show later whether the log is still the one that it was.
func (l *Log) Head() (seq uint64, sum string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head.Seq, l.head.Sum
}

// Append returns when the entry is durable. If it fails, nothing may be done on the entry's
// account; a later Append can succeed, once there is room again.
func (l *Log) Append(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("append to audit log: %w", os.ErrClosed)
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if err := l.append(e); err != nil {
		return fmt.Errorf("append to audit log: %w", err)
	}
	return nil
}

func (l *Log) append(e Entry) error {
	if l.head != l.last {
		// The head may lag by one entry and no more.
		if err := l.moveHead(); err != nil {
			return err
		}
	}
	e.Seq, e.Prev, e.VoidAfter = l.last.Seq+1, l.last.Sum, 0
	if l.suspect {
		e.VoidAfter = l.size
	}
	line, sum, err := e.encode()
	if err != nil {
		return err
	}
	if l.f == nil || l.suspect || l.size+int64(len(line)) > l.limit {
		err = l.startSegment(line)
	} else {
		err = l.write(line)
	}
	if err != nil {
		return err
	}
	l.last = mark{e.Seq, sum}
	return l.moveHead()
}

// write adds a line to the newest segment.
func (l *Log) write(line []byte) error {
	_, err := l.f.WriteAt(line, l.size)
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		l.suspect = true
		l.f.Truncate(l.size) // for who reads without us; the next segment says what is void
		return err
	}
	l.size += int64(len(line))
	return nil
}

// startSegment begins a segment with a line. What an earlier try left of it goes: no entry
// in it was acknowledged.
func (l *Log) startSegment(line []byte) error {
	l.suspect = true // if this fails, the line may stay, so none of its number goes elsewhere
	name := segmentName(l.segment + 1)
	if err := l.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := l.disk.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(line, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.disk.Sync()
	}
	if err != nil {
		f.Close()
		l.disk.Remove(name) // or the next try does
		return err
	}
	if l.f != nil {
		l.f.Close() // what counts of it was synced
	}
	l.f, l.suspect = f, false
	l.segment++
	l.size = int64(len(line))
	return nil
}

func (l *Log) moveHead() error {
	if err := writeHead(l.disk, l.last); err != nil {
		return fmt.Errorf("write head: %w", err)
	}
	l.head = l.last
	return nil
}

// Close closes the log; every later Append fails.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}
