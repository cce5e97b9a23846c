// Package state remembers what no GET can tell: which cluster an endpoint belonged to, what
// was sent and when, and keyed digests of the secrets that went with it. It survives a kill
// at any instant, has one writer, and holds no secret but the key of its own digests.
//
// A state directory (0700) has three things in it, all 0600:
//
//	lock           flock of the writer; its text names the holder, for people
//	key            32 random bytes, made once: the key of all digests, and of saved plans
//	clusters/NAME.journal  what happened, one checked JSON line for each event
//
// A journal is readable beside its writer, so plan and status work while the daemon runs,
// and by eye when nothing else works.
package state

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"kmagent/internal/disk"
	"kmagent/internal/secret"
)

// A LockedError says that another instance writes to the directory.
type LockedError struct{ Dir, Holder string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is in use by another kmagent (%s)", e.Dir, e.Holder)
}

// A Store is a state directory that this process alone writes to. Its methods may be called
// from several goroutines; each [Book] belongs to one.
type Store struct {
	// HighWater returns the highest number of an operation of a cluster that is known to have
	// been sent, from elsewhere than its journal; 0 for none. A journal that ends before it is
	// [ErrRolledBack]. It may be nil, and is set before the first [Store.Book].
	HighWater func(cluster string) (uint64, error)

	dir  string
	lock *os.File
	key  secret.Key
}

// Open takes the directory for writing, and makes it if it is not there. If another
// process has it, the error is a *[LockedError]. The kernel frees the lock when the process
// ends, however it ends.
func Open(dir string) (*Store, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	clusters := journals(dir)
	if err := makeDir(clusters); err != nil {
		return nil, err
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	// Whoever made the directories may have been killed before this. Where the outer one is may
	// be closed to us: then it was there before us.
	disk.Dir(filepath.Dir(filepath.Clean(dir))).Sync()
	if err := disk.Dir(dir).Sync(); err != nil {
		return nil, errors.Join(fmt.Errorf("sync state directory: %w", err), lock.Close())
	}
	key, err := loadKey(dir)
	if err = errors.Join(err, sweep(dir), sweep(clusters)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Store{dir: dir, lock: lock, key: key}, nil
}

// Key is the key of this installation's digests.
func (s *Store) Key() secret.Key { return s.key }

// Close frees the directory. Books must be closed before.
func (s *Store) Close() error { return s.lock.Close() }

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at state directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("state directory %s is not a directory", dir)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("state directory %s has mode %04o, which lets others in; run: chmod 0700 %s", dir, mode, dir)
	}
	if own, ok := info.Sys().(*syscall.Stat_t); ok && int(own.Uid) != os.Geteuid() {
		return fmt.Errorf("state directory %s belongs to uid %d, not to %d", dir, own.Uid, os.Geteuid())
	}
	return nil
}

func takeLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		holder, _ := io.ReadAll(io.LimitReader(f, 256))
		return nil, &LockedError{dir, strings.TrimSpace(string(holder))}
	}
	if err := sign(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("write lock: %w", err)
	}
	return f, nil
}

// sign writes who holds the lock; it is for people, the lock itself is the kernel's.
func sign(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "pid %d on %s since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339)), 0)
	return err
}

// ReadKey returns the key of an installation's digests, for one who only looks. Where there
// is no state yet it returns a random one: then there are no digests to compare with.
func ReadKey(dir string) (secret.Key, error) {
	k, err := OwnKey(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.NewKey(randomKey())
	}
	return k, err
}

// OwnKey returns the key of an installation's digests. Where there is no state yet the error
// is [fs.ErrNotExist].
func OwnKey(dir string) (secret.Key, error) {
	b, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		return secret.Key{}, fmt.Errorf("digest key: %w", err)
	}
	return secret.NewKey(b)
}

func randomKey() []byte {
	b := make([]byte, secret.KeySize)
	rand.Read(b) // never fails
	return b
}

func loadKey(dir string) (secret.Key, error) {
	path := filepath.Join(dir, "key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b = randomKey()
		err = disk.Write(disk.Dir(dir), "key", b)
	}
	if err != nil {
		return secret.Key{}, fmt.Errorf("digest key: %w", err)
	}
	key, err := secret.NewKey(b)
	if err != nil {
		return secret.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}
