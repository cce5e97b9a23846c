package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"kmagent/internal/disk"
)

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
	if err := disk.Dir(filepath.Dir(dir)).Sync(); err != nil {
		return fmt.Errorf("sync state directory: %w", err)
	}
	return nil
}
