package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A stage is everything that the demo has running.
type stage struct {
	dir, file string   // temporary directory, and the desired file in it
	clusters  []string // names, in the order of the file
	endpoints []string // of the simulated clusters, likewise
	svms      []string
	agentURL  string
	agent     *process
	sim       *process
	began     time.Time
}

func newStage(example string) (*stage, error) {
	dir, err := os.MkdirTemp("", "kmagent-demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, file: filepath.Join(dir, "desired.yaml"), began: time.Now()}
	if err := s.read(example); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

var (
	clusterName = regexp.MustCompile(`(?m)^  - name: (\S+)`)
	svmName     = regexp.MustCompile(`(?m)^ +- svm: (\S+)`)
	credential  = regexp.MustCompile(`cred:([A-Za-z0-9._-]+)`)
	endpoint    = regexp.MustCompile(`endpoint: \S+`)
	caFile      = regexp.MustCompile(`ca_file: \S+`)
	userName    = regexp.MustCompile(`username: kmagent`)
	interval    = regexp.MustCompile(`interval: 1m`)
)

// read learns from the example which clusters, SVMs and credentials to simulate.
func (s *stage) read(example string) error {
	text, err := os.ReadFile(example)
	if err != nil {
		return err
	}
	for _, m := range clusterName.FindAllStringSubmatch(string(text), -1) {
		s.clusters = append(s.clusters, m[1])
	}
	for _, m := range svmName.FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(s.svms, m[1]) {
			s.svms = append(s.svms, m[1])
		}
	}
	if err := os.Mkdir(s.path("credentials"), 0o700); err != nil {
		return err
	}
	for _, m := range credential.FindAllStringSubmatch(string(text), -1) {
		if err := os.WriteFile(filepath.Join(s.path("credentials"), m[1]), []byte(password+"\n"), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(s.file, text, 0o600)
}

// password is that of the simulator's account, and serves for every other credential too.
const password = "netapp1!"

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// aim points the clusters of the file at the simulated ones. Nothing else of it changes but
// the account's name and the pace.
func (s *stage) aim() error {
	text, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	i := 0
	out := endpoint.ReplaceAllStringFunc(string(text), func(string) string {
		i++
		return "endpoint: " + s.endpoints[i-1]
	})
	out = caFile.ReplaceAllString(out, "ca_file: "+s.path("tls/ca.pem"))
	out = userName.ReplaceAllString(out, "username: admin")
	out = interval.ReplaceAllString(out, "interval: 2s")
	return os.WriteFile(s.file, []byte(out), 0o600)
}

func (s *stage) close() {
	for _, p := range []*process{s.agent, s.sim} {
		if p != nil {
			p.stop()
		}
	}
	os.RemoveAll(s.dir)
}

func (s *stage) build(ctx context.Context) error {
	for _, name := range []string{"kmagent", "ontapsim"} {
		fmt.Println("$ go build ./cmd/" + name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", s.path(name), "./cmd/"+name)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	return nil
}

func (s *stage) startClusters(ctx context.Context) error {
	args := []string{"--clusters", fmt.Sprint(len(s.clusters)), "--svms", strings.Join(s.svms, ","),
		"--tls-dir", s.path("tls"), "--ready-file", s.path("ready")}
	var err error
	if s.sim, err = start(s.path("ontapsim"), args, io.Discard, nil); err != nil {
		return err
	}
	var ready struct {
		Clusters []struct{ Endpoint string }
	}
	if err := until(ctx, "the simulator listens", func() (bool, error) {
		b, err := os.ReadFile(s.path("ready"))
		if err != nil {
			return false, nil
		}
		return json.Unmarshal(b, &ready) == nil && len(ready.Clusters) == len(s.clusters), nil
	}); err != nil {
		return err
	}
	for i, c := range ready.Clusters {
		s.endpoints = append(s.endpoints, c.Endpoint)
		fmt.Printf("%-8s %s\n", s.clusters[i], c.Endpoint)
	}
	return s.aim()
}

// kmagent runs one command to its end and returns its exit code.
func (s *stage) kmagent(ctx context.Context, args ...string) (int, error) {
	fmt.Println("$ kmagent " + strings.Join(args, " ") + " -f " + s.file)
	cmd := exec.CommandContext(ctx, s.path("kmagent"), append(args, s.flags()...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return cmd.ProcessState.ExitCode(), nil
	}
	return 0, err
}

func (s *stage) flags() []string {
	return []string{"-f", s.file, "--state-dir", s.path("state"), "--credentials-dir", s.path("credentials")}
}

// startAgent starts the service and prints its log as it comes.
func (s *stage) startAgent(ctx context.Context) error {
	address := make(chan string, 1)
	args := append([]string{"run", "--web.listen-address", "127.0.0.1:0", "--health-interval", "10s"}, s.flags()...)
	fmt.Println("$ kmagent run …")
	var err error
	s.agent, err = start(s.path("kmagent"), args, os.Stdout, func(line string) {
		if _, after, ok := strings.Cut(line, "event=web.listen address="); ok {
			select {
			case address <- strings.TrimSpace(after):
			default:
			}
		}
	})
	if err != nil {
		return err
	}
	select {
	case a := <-address:
		s.agentURL = "http://" + a
		return nil
	case <-time.After(deadline):
		return errors.New("the service did not start to serve metrics")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stage) linger(ctx context.Context, total time.Duration) error {
	end := make(<-chan time.Time)
	if total > 0 {
		end = time.After(max(0, total-time.Since(s.began)))
		fmt.Printf("The demo ends %s after its start.\n", total)
	} else {
		fmt.Println("Ctrl-C ends the demo.")
	}
	select {
	case <-end:
	case <-ctx.Done():
	case <-s.agent.done:
		return errors.New("the service ended by itself")
	}
	fmt.Print("\n== Stop the service\n\n")
	code := s.agent.stop()
	fmt.Printf("kmagent run: exit %d\n", code)
	if code != 0 {
		return fmt.Errorf("the service ended with exit %d", code)
	}
	return nil
}

// until polls for something that is expected to happen.
func until(ctx context.Context, what string, f func() (bool, error)) error {
	for end := time.Now().Add(deadline); time.Now().Before(end); {
		ok, err := f()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("waited %s in vain until %s", deadline, what)
}

// A process is a program that runs beside the demo.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	once sync.Once
}

// start starts a program. Its error stream goes to w, line by line, and to each.
func start(path string, args []string, w io.Writer, each func(string)) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	// A Ctrl-C is for us; we stop the others in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			fmt.Fprintln(w, lines.Text())
			if each != nil {
				each(lines.Text())
			}
		}
		p.cmd.Wait() // its code is what stop returns
	}()
	return p, nil
}

// stop asks a program to end, and ends it if it does not. It returns its exit code.
func (p *process) stop() int {
	p.once.Do(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(15 * time.Second):
			p.cmd.Process.Kill()
			<-p.done
		}
	})
	return p.cmd.ProcessState.ExitCode()
}
