package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Recover moves a log that is broken or cannot be read aside, as it is, and begins a new one
// whose first entry names the place, and the last good entry with its sum. It returns where
// the old log is now, if it got that far; one that is whole is left alone, with an error. The
// caller holds the lock of the state directory and has no Log open.
func Recover(dir string) (moved string, err error) {
	path := filepath.Join(dir, subdir)
	report, err := Verify(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("recover audit log: there is none: %w", err)
	}
	if err == nil && report.OK() {
		return "", errors.New("recover audit log: it is whole; there is nothing to recover")
	}
	now := time.Now().UTC()
	moved = path + now.Format(".broken-20060102T150405.000Z")
	if err := os.Rename(path, moved); err != nil {
		return "", fmt.Errorf("recover audit log: %w", err)
	}
	l, err := Open(dir) // it syncs the new names
	if err != nil {
		return moved, err
	}
	return moved, errors.Join(l.Append(Entry{
		Event: Recovered, Time: now, Actor: Self("operator", ""),
		Detail: fmt.Sprintf("the log until here is in %s; its last good entry is %d, sum %s", filepath.Base(moved), report.Entries, report.Sum),
	}), l.Close())
}
