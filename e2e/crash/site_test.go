package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kmagent/internal/audit"
	"kmagent/internal/plan"
	"kmagent/internal/state"
)

// A site is an installation: a file, its secrets, its state, and the cluster that it is for.
type site struct {
	dir string
	*cluster
}

func (s *site) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}
func (s *site) state() string { return s.path("state") }

// newSite makes an empty installation.
func newSite(dir string, c *cluster) (*site, error) {
	s := &site{dir, c}
	err := errors.Join(os.MkdirAll(s.path("cred"), 0o700), s.secrets(map[string]string{"cluster": "netapp1!"}))
	return s, err
}

func (s *site) secrets(list map[string]string) error {
	for name, text := range list {
		if err := os.WriteFile(s.path("cred", name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// want writes the file, with these lines for the cluster.
func (s *site) want(lines string) error {
	var b strings.Builder
	fmt.Fprintf(&b, `version: 1
defaults:
  tls: {ca_file: %s}
  auth: {basic: {username: admin, password: cred:cluster}}
clusters:
  - name: a
    endpoint: %s
`, s.ca, s.endpoint)
	for line := range strings.Lines(strings.TrimSpace(lines) + "\n") {
		b.WriteString("    " + line)
	}
	return os.WriteFile(s.path("desired.yaml"), []byte(b.String()), 0o600)
}

func (s *site) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, append(args, "-f", "desired.yaml", "--state-dir", "state", "--credentials-dir", "cred")...)
	cmd.Dir = s.dir
	return cmd
}

// A run is how a command ended.
type run struct {
	code int // -1: by a signal
	out  string
}

// quietly says whether a run found nothing to do.
func (r run) quietly() bool { return r.code == 0 && strings.Contains(r.out, "a: no changes") }

// execute runs a command to its end.
func execute(cmd *exec.Cmd) (run, error) { return executeFor(cmd, 0) }

// executeFor runs a command and kills it after a time, unless that is 0.
func executeFor(cmd *exec.Cmd, limit time.Duration) (run, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Start()
	if err != nil {
		return run{}, err
	}
	if limit > 0 {
		defer time.AfterFunc(limit, func() { cmd.Process.Kill() }).Stop()
	}
	err = cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return run{}, err
	}
	return run{cmd.ProcessState.ExitCode(), out.String()}, nil
}

func (s *site) apply(flags ...string) (run, error) {
	return execute(s.command(kmagent, append([]string{"apply", "--yes"}, flags...)...))
}

// applyKilled applies, or does what is asked, and is killed at boundary k; at none if k is 0.
func (s *site) applyKilled(k int, ask []string) (run, error) {
	cmd := s.command(killable, orApply(ask)...)
	cmd.Env = append(os.Environ(), "KMAGENT_CRASH_AT="+strconv.Itoa(k))
	return execute(cmd)
}

func orApply(ask []string) []string {
	if ask == nil {
		return []string{"apply", "--yes"}
	}
	return ask
}

// boundaries applies, or does what is asked, to the end, and returns the boundaries that were
// passed.
func (s *site) boundaries(ask []string) (run, []string, error) {
	file := s.path("boundaries")
	os.Remove(file)
	cmd := s.command(killable, orApply(ask)...)
	cmd.Env = append(os.Environ(), "KMAGENT_CRASH_COUNT="+file)
	r, err := execute(cmd)
	if err != nil {
		return r, nil, err
	}
	text, err := os.ReadFile(file)
	return r, strings.Split(strings.TrimSpace(string(text)), "\n"), err
}

// A snapshot is the files of a directory.
type snapshot map[string]string

// keep reads the state of a site.
func (s *site) keep() (snapshot, error) {
	out := snapshot{}
	err := filepath.WalkDir(s.state(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(s.state(), path)
		out[name] = string(text)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	return out, err
}

// put makes the state of a site that of a snapshot.
func (s *site) put(files snapshot) error {
	if err := os.RemoveAll(s.state()); err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(s.state(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) ledger() (plan.Ledger, error) { return state.Read(s.state(), "a") }

// readable says what of the state cannot be read: that must never be.
func (s *site) readable() error {
	_, err := s.ledger()
	_, orders := state.ReadOrders(s.state())
	_, baseline := state.ReadBaseline(s.state())
	report, log := audit.Verify(s.state())
	if errors.Is(log, fs.ErrNotExist) {
		log = nil
	}
	if log == nil && !report.OK() {
		log = report.Damage
	}
	return errors.Join(err, orders, baseline, log)
}

// intents are the requests that the audit log says were to leave.
func (s *site) intents() (map[string]int, error) {
	out := map[string]int{}
	err := audit.Read(s.state(), func(e audit.Entry) error {
		if e.Event == audit.Intent {
			path, _, _ := strings.Cut(e.Path, "?")
			if plain, err := url.PathUnescape(path); err == nil {
				path = plain // as the simulator tells it
			}
			out[e.Method+" "+path]++
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return out, err
}

// age sets every time in the journal back, but in members of these names: so long has passed since.
func (s *site) age(d time.Duration, but ...string) error {
	path := filepath.Join(s.state(), "clusters", "a.journal")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		_, body, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		var doc map[string]any
		if err := json.Unmarshal(body, &doc); err != nil {
			return err
		}
		aged, err := json.Marshal(older(doc, d, but))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%08x %s\n", crc32.Checksum(aged, crc32.MakeTable(crc32.Castagnoli)), aged)
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

func older(v any, d time.Duration, but []string) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			if !slices.Contains(but, name) {
				v[name] = older(v[name], d, but)
			}
		}
	case []any:
		for i := range v {
			v[i] = older(v[i], d, but)
		}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return at.Add(-d).Format(time.RFC3339Nano)
		}
	}
	return v
}

// leftovers lists what a crash left and nobody took away. The audit log does that when it is
// next written to.
func (s *site) leftovers() ([]string, error) {
	var out []string
	for _, dir := range []string{"", "clusters", "backups"} {
		entries, err := os.ReadDir(filepath.Join(s.state(), dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
