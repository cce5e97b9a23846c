// Package disk is a directory whose files must survive: a kill at any instant, power that
// goes, a write that fails. It does what it is told; what is written when, and what a crash
// may leave of it, is decided by those who keep something there.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"kmagent/internal/crashpoint"
)

// A Reader is what looking into a directory needs. Names are those of files in it; Where
// tells the whole path, for people.
type Reader interface {
	List() ([]string, error)
	Open(name string) (io.ReadCloser, error)
	Where(name string) string
}

// A Writer is a directory that may be changed.
type Writer interface {
	Reader
	// Create makes a file that must not be there yet.
	Create(name string) (File, error)
	// Reopen opens a file that is there for writing.
	Reopen(name string) (File, error)
	Rename(old, name string) error
	Remove(name string) error
	// Sync makes durable which names there are.
	Sync() error
}

// A File is one that is open for writing.
type File interface {
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// Replace puts a file of that text in the place of the one that has the name, if one has. It
// returns the new file, open, once it is durable: a crash leaves the one or the other, whole.
// What it may leave besides has a name that begins with a dot.
func Replace(d Writer, name string, text []byte) (File, error) {
	beside := "." + name + ".new"
	if err := d.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := d.Create(beside)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.Rename(beside, name)
	}
	if err != nil {
		d.Remove(beside) // it takes room that may be short; what matters is err
		return nil, errors.Join(err, f.Close())
	}
	if err := d.Sync(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Write is [Replace] for who does not go on writing.
func Write(d Writer, name string, text []byte) error {
	f, err := Replace(d, name, text)
	if err != nil {
		return err
	}
	return f.Close()
}

// A Dir is a directory of the operating system. It follows no link to a file.
type Dir string

// Where returns the path of a file.
func (d Dir) Where(name string) string { return filepath.Join(string(d), name) }

// List returns the names of the files.
func (d Dir) List() ([]string, error) {
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

// Open opens a regular file to read. O_NONBLOCK is for a FIFO, whose opening would wait for
// a writer.
func (d Dir) Open(name string) (io.ReadCloser, error) {
	f, err := os.OpenFile(d.Where(name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", d.Where(name)))
	}
	return f, nil
}

// Create makes a file that must not be there yet.
func (d Dir) Create(name string) (File, error) {
	crashpoint.Pass("before", "create", name)
	f, err := opened(os.OpenFile(d.Where(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600))
	crashpoint.Pass("after", "create", name)
	return f, err
}

// Reopen opens a file that is there for writing.
func (d Dir) Reopen(name string) (File, error) {
	return opened(os.OpenFile(d.Where(name), os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0))
}

// opened keeps a nil file a nil file.
func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// Rename gives a file the name of another one, or a new one.
func (d Dir) Rename(old, name string) error {
	crashpoint.Pass("before", "rename to", name)
	err := os.Rename(d.Where(old), d.Where(name))
	crashpoint.Pass("after", "rename to", name)
	return err
}

// Remove removes a file.
func (d Dir) Remove(name string) error {
	err := os.Remove(d.Where(name))
	crashpoint.Pass("after", "remove", name)
	return err
}

// Sync makes durable which names there are.
func (d Dir) Sync() error {
	dir, err := os.Open(string(d))
	if err != nil {
		return err
	}
	err = errors.Join(dir.Sync(), dir.Close())
	crashpoint.Pass("after", "sync of directory", string(d))
	return err
}

// A file is one of the operating system.
type file struct{ *os.File }

// WriteAt writes a file. One that is to be killed does it in two halves, as a kill may leave it.
func (f file) WriteAt(b []byte, at int64) (int, error) {
	half := 0
	if crashpoint.On {
		crashpoint.Pass("before", "write", f.Name())
		var err error
		if half, err = f.File.WriteAt(b[:len(b)/2], at); err != nil {
			return half, err
		}
		crashpoint.Pass("inside", "write", f.Name())
	}
	n, err := f.File.WriteAt(b[half:], at+int64(half))
	crashpoint.Pass("after", "write", f.Name())
	return half + n, err
}

// Sync makes the content durable.
func (f file) Sync() error {
	err := f.File.Sync()
	crashpoint.Pass("after", "sync", f.Name())
	return err
}

// Truncate cuts a file short.
func (f file) Truncate(size int64) error {
	err := f.File.Truncate(size)
	crashpoint.Pass("after", "truncate", f.Name())
	return err
}
