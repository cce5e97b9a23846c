//go:build unix

package resolve

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedWell says whether only we, or who can do everything anyway, can have written a file.
func ownedWell(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Geteuid())
}
