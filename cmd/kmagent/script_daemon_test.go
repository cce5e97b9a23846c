package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A running is a kmagent run under way. What it says is in daemon.log.
type running struct {
	cmd     *exec.Cmd
	stderr  *os.File // the end we read from
	address string   // of its metrics
	done    chan struct{}
}

const daemonLog = "daemon.log"

// startDaemon is daemon [FLAG...]: it starts kmagent run, waits until metrics are served, and
// sets $WEB to where.
func (s *script) startDaemon(args []string) error {
	s.killDaemon()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	log, err := os.OpenFile(filepath.Join(s.work, daemonLog), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command("kmagent", append([]string{"run", "--web.listen-address", "127.0.0.1:0"}, args...)...)
	cmd.Stderr, cmd.Dir, cmd.Env = w, s.work, s.environment()
	if err := cmd.Start(); err != nil {
		return err
	}
	d := &running{cmd: cmd, stderr: r, done: make(chan struct{})}
	s.daemon = d
	copied := make(chan struct{})
	go func() {
		io.Copy(log, r) // ends when the daemon does, or when it is deafened
		log.Close()
		close(copied)
	}()
	go func() {
		cmd.Wait()
		<-copied // whoever sees that it has ended sees all that it said
		close(d.done)
	}()
	if err := d.awaitAddress(filepath.Join(s.work, daemonLog)); err != nil {
		return err
	}
	s.Setenv("WEB", d.address)
	return nil
}

// environment is the script's, as far as kmagent looks at it.
func (s *script) environment() []string {
	env := os.Environ()
	for _, name := range []string{"KMAGENT_FILE", "KMAGENT_STATE_DIR", "KMAGENT_CREDENTIALS_DIR", "KMAGENT_LOG_LEVEL", "GORACE", "NOTIFY_SOCKET"} {
		if v := s.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

var listening = regexp.MustCompile(`event=web\.listen address=(\S+)`)

func (d *running) awaitAddress(log string) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		text, err := os.ReadFile(log)
		if m := listening.FindSubmatch(text); m != nil {
			d.address = string(m[1])
			return nil
		}
		select {
		case <-d.done:
			return fmt.Errorf("the daemon ended: %s\n%s", d.cmd.ProcessState, text)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the daemon serves no metrics:\n%s", text), err)
		}
	}
}

// killDaemon ends what a script left running.
func (s *script) killDaemon() {
	if d := s.daemon; d != nil {
		d.cmd.Process.Kill()
		<-d.done
		d.stderr.Close()
	}
}

// signal NAME sends the daemon a signal: HUP, TERM, KILL.
func (s *script) signal(args []string) error {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	if len(args) != 1 || signals[args[0]] == 0 || s.daemon == nil {
		return errors.New("usage, with a daemon running: signal HUP|TERM|KILL")
	}
	return s.daemon.cmd.Process.Signal(signals[args[0]])
}

// deafen closes the end of the daemon's error stream that we read from.
func (s *script) deafen([]string) error {
	if s.daemon == nil {
		return errNoDaemon
	}
	return s.daemon.stderr.Close()
}

var errNoDaemon = errors.New("no daemon was started")

// ended CODE checks that the daemon has ended so; -1 is by a signal.
func (s *script) ended(args []string) error {
	if len(args) != 1 || s.daemon == nil {
		return errors.New("usage, after daemon: ended CODE")
	}
	select {
	case <-s.daemon.done:
	default:
		return errors.New("the daemon is running")
	}
	if code := strconv.Itoa(s.daemon.cmd.ProcessState.ExitCode()); code != args[0] {
		return fmt.Errorf("the daemon ended with %s, want %s", code, args[0])
	}
	return nil
}

// logged PATTERN [COUNT] checks the daemon's log.
func (s *script) logged(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: logged PATTERN [COUNT]")
	}
	text, err := os.ReadFile(filepath.Join(s.work, daemonLog))
	if err != nil {
		return err
	}
	return find(args[0], string(text), strings.Join(args[1:], ""))
}

// metric PATTERN [COUNT] checks the lines of the daemon's metrics, each as a whole.
func (s *script) metric(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: metric PATTERN [COUNT]")
	}
	_, text, err := s.ask(http.MethodGet, "/metrics")
	if err != nil {
		return err
	}
	if err := find("^"+args[0]+"$", text, strings.Join(args[1:], "")); err != nil {
		name := regexp.MustCompile(`\w+`).FindString(args[0])
		var near []string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, name) {
				near = append(near, line)
			}
		}
		return fmt.Errorf("no metric %s among:\n%s", args[0], strings.Join(near, ""))
	}
	return nil
}

// http METHOD PATH STATUS [PATTERN] asks the daemon, and checks its answer.
func (s *script) http(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: http METHOD PATH STATUS [PATTERN]")
	}
	status, text, err := s.ask(args[0], args[1])
	if err != nil {
		return err
	}
	if strconv.Itoa(status) != args[2] {
		return fmt.Errorf("%s %s: HTTP %d, want %s\n%s", args[0], args[1], status, args[2], text)
	}
	if len(args) > 3 {
		return find(args[3], text, "")
	}
	return nil
}

func (s *script) ask(method, path string) (status int, text string, err error) {
	if s.daemon == nil {
		return 0, "", errNoDaemon
	}
	req, err := http.NewRequest(method, "http://"+s.daemon.address+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
