//go:build crashpoint

package crashpoint

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// On says whether the program was built to be killed.
const On = true

var passed atomic.Int64

// orders are what the environment says.
var orders = sync.OnceValue(func() (o struct {
	at    int64
	count *os.File
}) {
	o.at, _ = strconv.ParseInt(os.Getenv("KMAGENT_CRASH_AT"), 10, 64)
	if name := os.Getenv("KMAGENT_CRASH_COUNT"); name != "" {
		var err error
		if o.count, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			panic(err)
		}
	}
	return o
})

// Pass is a boundary: when (before, after), what and on which object or file.
func Pass(when, what, where string) {
	n := passed.Add(1)
	o := orders()
	if o.count != nil {
		fmt.Fprintf(o.count, "%d %s %s %s\n", n, when, what, where)
	}
	if n == o.at {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
}
