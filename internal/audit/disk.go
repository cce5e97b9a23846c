package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A disk is the directory of a log, as far as a log needs one. Names are those of files in
// it; where tells the whole path, for people.
type disk interface {
	reader
	// create makes a file that must not be there yet.
	create(name string) (file, error)
	// reopen opens a file that is there for writing.
	reopen(name string) (file, error)
	rename(old, name string) error
	remove(name string) error
	// sync makes durable which names there are.
	sync() error
}

// A reader is what looking at a log needs of a disk.
type reader interface {
	list() ([]string, error)
	open(name string) (io.ReadCloser, error)
	where(name string) string
}

// A file is one that is open for writing.
type file interface {
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// A directory is a disk of the operating system.
type directory string

func (d directory) where(name string) string { return filepath.Join(string(d), name) }

func (d directory) list() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// open opens a file to read. O_NONBLOCK is for a FIFO, whose opening would wait for a writer.
func (d directory) open(name string) (io.ReadCloser, error) {
	f, err := os.OpenFile(d.where(name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", d.where(name)))
	}
	return f, nil
}

func (d directory) create(name string) (file, error) {
	return opened(os.OpenFile(d.where(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600))
}

func (d directory) reopen(name string) (file, error) {
	return opened(os.OpenFile(d.where(name), os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0))
}

// opened keeps a nil file a nil file.
func opened(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d directory) rename(old, name string) error { return os.Rename(d.where(old), d.where(name)) }
func (d directory) remove(name string) error      { return os.Remove(d.where(name)) }
func (d directory) sync() error                   { return syncDir(string(d)) }

// syncDir makes a new name in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeDir makes the directory of a log in a state directory that is there, or checks that
// it is nobody else's.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make audit directory: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at audit directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("audit directory %s is not a directory", dir)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("audit directory %s has mode %04o, which lets others in; run: chmod 0700 %s", dir, mode, dir)
	}
	if own, ok := info.Sys().(*syscall.Stat_t); ok && int(own.Uid) != os.Geteuid() {
		return fmt.Errorf("audit directory %s belongs to uid %d, not to %d", dir, own.Uid, os.Geteuid())
	}
	// Whoever made it may have been killed before this.
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("sync state directory: %w", err)
	}
	return nil
}
