package watch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// MaxBytes is the size of the largest file that [Read] accepts: 1 MiB.
const MaxBytes = 1 << 20

// What may be wrong with a file that is there and may be opened. They come wrapped in an
// [fs.PathError].
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrTooLarge   = errors.New("larger than 1 MiB")
	ErrUnstable   = errors.New("still being written")
)

// A Snapshot is the content of a file at one moment. The zero Snapshot is of no file.
type Snapshot struct {
	Text    []byte    // at most MaxBytes; shared, so not to be changed
	Digest  string    // of Text: SHA-256, 64 lower-case hexadecimal digits
	ModTime time.Time // of the file, by the clock of whoever holds it
}

// Read returns the content of the regular file that path leads to, through symbolic links
// if there are any. It neither waits for the other end of a FIFO nor reads a device.
//
// The error is an [*fs.PathError] for [fs.ErrNotExist], [fs.ErrPermission],
// [ErrNotRegular], [ErrTooLarge], [ErrUnstable] (the file changed while it was read: try
// again) or whatever else the system says. One Read alone cannot tell a complete file from
// a writer's pause; a [Watcher] reads twice.
func Read(path string) (Snapshot, error) {
	r := read(path)
	return r.Snapshot, r.err
}

// A stamp is what the system says of a file without reading it. While it stays equal the
// content most likely does, but see rehash.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // Unix nanoseconds
}

// A reading is what one look at the file gave: a Snapshot with its stamp, or an error.
type reading struct {
	Snapshot
	stamp stamp
	err   error
}

// read looks at the file once. The first stat keeps it from opening what is no regular
// file, since to open some devices is to command them; the second is the truth, because it
// is of what was opened; the third tells whether somebody wrote meanwhile.
func read(path string) reading {
	info, err := os.Stat(path)
	if err != nil {
		return reading{err: err}
	}
	if err := acceptable(path, info); err != nil {
		return reading{err: err}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return reading{err: err}
	}
	defer f.Close()

	before, err := f.Stat()
	if err != nil {
		return reading{err: err}
	}
	if err := acceptable(path, before); err != nil {
		return reading{err: err}
	}
	var text bytes.Buffer
	text.Grow(int(before.Size()) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(f, MaxBytes+1)); err != nil {
		return reading{err: err}
	}
	if text.Len() > MaxBytes { // it has grown since, or lies about its size
		return reading{err: pathError(path, ErrTooLarge)}
	}
	after, err := f.Stat()
	if err != nil {
		return reading{err: err}
	}
	if stampOf(before) != stampOf(after) {
		return reading{err: pathError(path, ErrUnstable)}
	}

	sum := sha256.Sum256(text.Bytes())
	return reading{
		Snapshot: Snapshot{Text: text.Bytes(), Digest: hex.EncodeToString(sum[:]), ModTime: after.ModTime()},
		stamp:    stampOf(after),
	}
}

func acceptable(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return pathError(path, ErrNotRegular)
	case info.Size() > MaxBytes:
		return pathError(path, ErrTooLarge)
	}
	return nil
}

func pathError(path string, err error) error {
	return &fs.PathError{Op: "read", Path: path, Err: err}
}

// glance returns the stamp of the file; ok is false when there is none to be had.
func glance(path string) (s stamp, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, false
	}
	return stampOf(info), true
}

// same reports whether two looks saw the same: the same file, untouched, with the same
// content, or the same error. Equal content under another stamp is not the same, because
// the usual thing to see twice in a file that is rewritten in place is nothing at all.
func (r reading) same(s reading) bool {
	switch {
	case errors.Is(r.err, ErrUnstable) || errors.Is(s.err, ErrUnstable):
		return false
	case r.err != nil && s.err != nil:
		return r.err.Error() == s.err.Error()
	}
	return r.err == nil && s.err == nil && r.stamp == s.stamp && r.Digest == s.Digest
}
