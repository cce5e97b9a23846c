package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Killed at any moment and started again, kmagent comes to what the file says: it adds no
// server twice, it forgets no removal and no password.
func TestKilled(t *testing.T) {
	t.Parallel()
	sim := startSimulation(t, "--latency", "4ms")
	random := rand.New(rand.NewPCG(1, 2))
	lists := []string{"ks1", "ks2 ks3", "ks3 ks4 ks5", "ks1 ks5"}
	c := newInstallation(t, sim)
	c.want(lists[0])
	for range 30 {
		if random.IntN(2) == 0 {
			c.want(lists[random.IntN(len(lists))])
		}
		moment := time.Duration(random.IntN(150)) * time.Millisecond
		if random.IntN(3) == 0 {
			moment += time.Second // into the second pass
		}
		c.killAfter(moment)
	}
	c.want("ks1 ks4")
	if out, err := c.command("apply", "--yes", "--wait", "60s").CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
	if out, err := c.command("plan").CombinedOutput(); err != nil {
		t.Errorf("plan: %v\n%s", err, out)
	}
	list, err := sim.clusters[0].since(0)
	if err != nil {
		t.Fatal(err)
	}
	have, err := retrace(list)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"ks1:5696", "ks4:5696"}, have); diff != "" {
		t.Errorf("servers, all with their password (-want +got):\n%s", diff)
	}
}

// retrace goes through what was sent, and returns the servers that are there in the end and
// have got their password since they were added.
func retrace(list []request) ([]string, error) {
	servers, ready := map[string]bool{}, map[string]bool{}
	for _, r := range list {
		if r.Method == http.MethodGet || r.Status == 0 {
			continue
		}
		body, _ := r.Body.(map[string]any)
		if server, ok := body["server"].(string); ok && servers[server] {
			return nil, fmt.Errorf("request %d adds %s, which is there", r.N, server)
		}
		if r.Status >= 300 {
			return nil, fmt.Errorf("request %d, %s %s, is refused with %d", r.N, r.Method, r.Path, r.Status)
		}
		follow(servers, r)
		name := path.Base(r.Path)
		switch {
		case r.Method == http.MethodPatch && body["password"] != nil:
			ready[name] = true
		case r.Method == http.MethodDelete:
			delete(ready, name)
		}
	}
	var have []string
	for server := range servers {
		if ready[server] {
			have = append(have, server)
		}
	}
	slices.Sort(have)
	return have, nil
}

// An installation is a file, its secrets and its state.
type installation struct {
	t   *testing.T
	sim *simulation
	dir string
}

func newInstallation(t *testing.T, sim *simulation) installation {
	t.Helper()
	c := installation{t, sim, t.TempDir()}
	if err := os.Mkdir(filepath.Join(c.dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cluster": "netapp1!", "ks": "kmip-secret"} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// want writes the file with these servers.
func (c installation) want(names string) {
	c.t.Helper()
	var servers []string
	for name := range strings.FieldsSeq(names) {
		servers = append(servers, fmt.Sprintf("{server: %s, username: db, password: cred:ks}", name))
	}
	text := strings.Replace(entry, "SERVERS", "["+strings.Join(servers, ", ")+"]", 1)
	text = strings.Replace(text, "env:KMAGENT_TEST_PASSWORD", "cred:cluster", 1)
	text = os.Expand(text, c.sim.variable)
	if err := os.WriteFile(filepath.Join(c.dir, "desired.yaml"), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c installation) command(args ...string) *exec.Cmd {
	cmd := exec.Command("kmagent", append(args, "-f", "desired.yaml", "--state-dir", filepath.Join(c.dir, "state"), "--credentials-dir", c.dir)...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(c.dir, "tmp"))
	return cmd
}

// killAfter starts an apply and kills it, unless it has ended by itself.
func (c installation) killAfter(moment time.Duration) {
	c.t.Helper()
	var said bytes.Buffer
	cmd := c.command("apply", "--yes", "--wait", "20s")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	kill := time.AfterFunc(moment, func() { cmd.Process.Kill() })
	cmd.Wait()
	kill.Stop()
	if code := cmd.ProcessState.ExitCode(); code > exitOK && code != exitHeld {
		c.t.Errorf("apply ended with %d:\n%s", code, said.String())
	}
}
