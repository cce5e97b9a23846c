package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The account of every simulated cluster. It is worth nothing anywhere else.
const (
	user        = "admin"
	password    = "netapp1!"
	passwordVar = "BENCH_PASSWORD"
)

// programs are built afresh for each run, with what go.mod says.
var programs = []string{"./cmd/kmagent", "./cmd/ontapsim", "./bench/bare"}

func (b *bench) build(ctx context.Context) error {
	root, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", b.dir + string(filepath.Separator)}, programs...)...)
	cmd.Dir = filepath.Dir(strings.TrimSpace(string(root)))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// command is one of the programs, with the password in its environment alone.
func (b *bench) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, program), args...)
	cmd.Env = append(os.Environ(), passwordVar+"="+password)
	return cmd
}

// A process is one that was started and must be stopped.
type process struct {
	*exec.Cmd
	done chan struct{} // closed when it has ended
}

func start(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd, make(chan struct{})}
	go func() {
		cmd.Wait() // how it ended is nobody's concern
		close(p.done)
	}()
	return p, nil
}

// stop ends the process, whatever it does.
func (p *process) stop() {
	p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.Process.Kill()
		<-p.done
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// A sim is a simulator that runs beside us.
type sim struct {
	*process `json:"-"`
	Clusters []struct{ Name, Endpoint string }
	CAFile   string `json:"ca_file"`
}

// simulate starts clusters of which each has so many SVMs with a key manager.
func (b *bench) simulate(ctx context.Context, clusters, managers int, latency time.Duration) (*sim, error) {
	dir, err := os.MkdirTemp(b.dir, "sim-")
	if err != nil {
		return nil, err
	}
	ready := filepath.Join(dir, "ready.json")
	p, err := start(b.command(ctx, "ontapsim", "-clusters", strconv.Itoa(clusters), "-managers", strconv.Itoa(managers),
		"-svms", "", "-latency", latency.String(), "-tls-dir", dir, "-ready-file", ready))
	if err != nil {
		return nil, err
	}
	s := &sim{process: p}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(ready)
		if err == nil {
			return s, json.Unmarshal(text, s)
		}
		if p.ended() || time.Now().After(deadline) || ctx.Err() != nil {
			p.stop()
			return nil, fmt.Errorf("the simulator does not get ready: %w", errors.Join(err, ctx.Err()))
		}
	}
}

// rss returns the resident memory of a process in MiB: now, and at its peak.
func rss(pid int) (now, peak float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		var kib float64
		fmt.Sscan(value, &kib)
		switch name {
		case "VmRSS":
			now = kib / 1024
		case "VmHWM":
			peak = kib / 1024
		}
	}
	return now, peak, nil
}

// cpu returns the time that the threads of a process have had, to the nanosecond: the ticks
// of /proc/PID/stat are too coarse for one that sleeps.
func cpu(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return 0, fmt.Errorf("no schedstat of process %d", pid)
	}
	var total time.Duration
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// load returns the machine's load average over the last minute. Well above its cores,
// somebody else was measured too.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}
