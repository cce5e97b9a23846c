// Kmagent keeps the key managers of NetApp ONTAP clusters as a committed file says.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	_ "time/tzdata" // schedules name time zones, and a host may lack them
)

func main() {
	// A reader of our output that goes away must not kill us in the middle of a change.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Once the first signal is under way, a second one ends us at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.LookupEnv))
}

// The streams of a process: answers go to out, everything else to err.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// Exit codes are a contract with scripts.
const (
	exitOK      = 0  // done, or nothing to do
	exitError   = 1  // unexpected
	exitPending = 2  // plan: there is something to do
	exitInvalid = 3  // the file is wrong; nothing was sent
	exitHeld    = 4  // something is held or refused; what was ready has been applied
	exitFailed  = 5  // some clusters failed
	exitStale   = 6  // what the plan rests on is too old
	exitLocked  = 7  // another instance holds the state
	exitState   = 8  // the state cannot be used
	exitAccess  = 9  // a secret, the authentication or TLS
	exitUsage   = 64 // wrong flags
)

// precedence orders the codes where several are true.
var precedence = []int{exitUsage, exitInvalid, exitState, exitLocked, exitAccess, exitFailed, exitStale, exitHeld, exitPending, exitError}

// worst returns the code that counts where several are true.
func worst(codes ...int) int {
	for _, p := range precedence {
		for _, c := range codes {
			if c == p {
				return c
			}
		}
	}
	return exitOK
}

// An exit is an outcome with its code. A nil Err has been told already.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// run is the program: arguments, streams and environment in, an exit code out.
func run(ctx context.Context, args []string, s streams, env func(string) (string, bool)) int {
	root := newRoot(s, env)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exit](err); ok {
		if e.err != nil {
			fmt.Fprintf(s.err, "kmagent: %v\n", e.err)
		}
		return e.code
	}
	// What cobra itself says is about words and flags.
	fmt.Fprintf(s.err, "kmagent: %v\n", err)
	return exitUsage
}
