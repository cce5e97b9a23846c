package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Systemd hears that the daemon is ready, alive, reading its file anew, and at its end.
func TestNotify(t *testing.T) {
	t.Parallel()
	sim := startSimulation(t)
	c := newInstallation(t, sim)
	c.want("ks1")
	path := filepath.Join(c.dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	cmd := c.command("run", "--web.listen-address", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=3000000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	heard := &notices{t: t, socket: socket}
	heard.await("READY=1")
	heard.await("WATCHDOG=1")
	heard.await("WATCHDOG=1") // not only at the start
	cmd.Process.Signal(syscall.SIGHUP)
	heard.await("RELOADING=1", "MONOTONIC_USEC=")
	heard.await("READY=1")
	cmd.Process.Signal(syscall.SIGTERM)
	heard.await("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("run: %v", err)
	}
	if !slices.ContainsFunc(heard.lines, func(s string) bool { return strings.HasPrefix(s, "STATUS=") }) {
		t.Errorf("no status among %q", heard.lines)
	}
}

type notices struct {
	t      *testing.T
	socket *net.UnixConn
	lines  []string // all that were heard
}

// await waits for a notice with lines that begin so.
func (n *notices) await(lines ...string) {
	n.t.Helper()
	n.socket.SetReadDeadline(time.Now().Add(15 * time.Second))
	for {
		b := make([]byte, 4096)
		size, err := n.socket.Read(b)
		if err != nil {
			n.t.Fatalf("no %v among %q: %v", lines, n.lines, err)
		}
		notice := strings.Split(string(b[:size]), "\n")
		n.lines = append(n.lines, notice...)
		missing := func(line string) bool {
			return !slices.ContainsFunc(notice, func(s string) bool { return strings.HasPrefix(s, line) })
		}
		if !slices.ContainsFunc(lines, missing) {
			return
		}
	}
}
