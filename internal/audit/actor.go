package audit

import (
	"math"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// Self returns this process as an actor of that kind. What the system does not tell stays
// empty.
func Self(kind, version string) Actor {
	a := Actor{Kind: kind, UID: os.Getuid(), PID: os.Getpid(), Version: version}
	if u, err := user.LookupId(strconv.Itoa(a.UID)); err == nil {
		a.User = u.Username
	}
	a.Host, _ = os.Hostname() // an entry without it is better than none
	if text, err := os.ReadFile("/proc/self/loginuid"); err == nil {
		a.LoginUID = loginUID(string(text))
	}
	if tty, err := os.Readlink("/proc/self/fd/0"); err == nil && (strings.HasPrefix(tty, "/dev/pts/") || strings.HasPrefix(tty, "/dev/tty")) {
		a.TTY = strings.TrimPrefix(tty, "/dev/")
	}
	return a
}

// loginUID reads what the kernel says of who logged in; its highest number stands for nobody.
func loginUID(text string) *uint32 {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil || n == math.MaxUint32 {
		return nil
	}
	uid := uint32(n)
	return &uid
}
