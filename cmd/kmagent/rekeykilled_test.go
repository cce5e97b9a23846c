package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A service with a rekey every few seconds, killed at any moment and started again, rekeys no
// slot twice and loses no operation.
func TestRekeyKilled(t *testing.T) {
	t.Parallel()
	const kills = 12
	sim := startSimulation(t, "--ontap", "9.18.1", "--latency", "4ms", "--svms", "s1,s2")
	c := newInstallation(t, sim)
	c.schedules("*/4 * * * * *")
	random := rand.New(rand.NewPCG(3, 4))
	began := time.Now()
	for range kills {
		c.serveFor(time.Duration(500+random.IntN(4000)) * time.Millisecond)
	}
	list := c.untilRekeyed()
	slots := int(time.Since(began)/(4*time.Second)) + 2
	sent, err := rekeysSent(sim)
	if err != nil {
		t.Fatal(err)
	}
	var fired []int
	for _, r := range list {
		if r.Operation != "" || r.Fired == 0 || r.Fired > slots {
			t.Errorf("%s is %s (%s) after %d of %d slots", r.Object, r.State, r.Operation, r.Fired, slots)
		}
		fired = append(fired, r.Fired)
	}
	slices.Sort(fired)
	if len(fired) != 2 || len(sent) != 2 || sent[0] > fired[0] || sent[1] > fired[1] {
		t.Errorf("requests that the cluster took: %v, slots begun: %v", sent, fired)
	}
	t.Logf("%d kills, %d slots, %v begun, %v taken by the cluster", kills, slots, fired, sent)
}

// untilRekeyed lets the service run until each schedule has had a turn and nothing is open, stops
// it, and returns what is known then.
func (c installation) untilRekeyed() []rekeyJSON {
	c.t.Helper()
	service := c.command("run", "--test-seconds", "--interval", "1s", "--web.listen-address", "127.0.0.1:0")
	if err := service.Start(); err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if list := c.rekeys(); len(list) == 2 && list[0].Fired > 0 && list[1].Fired > 0 || time.Now().After(deadline) {
			break
		}
	}
	service.Process.Signal(syscall.SIGTERM)
	if err := service.Wait(); err != nil {
		c.t.Errorf("the service: %v", err)
	}
	// What was under way when it ended is settled by a look.
	c.schedules("0 0 0 1 1 *")
	for deadline := time.Now().Add(time.Minute); ; {
		if out, err := c.command("apply", "--yes", "--test-seconds").CombinedOutput(); err != nil && time.Now().After(deadline) {
			c.t.Fatalf("apply: %v\n%s", err, out)
		}
		list := c.rekeys()
		if !slices.ContainsFunc(list, func(r rekeyJSON) bool { return r.Operation != "" }) || time.Now().After(deadline) {
			return list
		}
	}
}

// rekeys is what the command tells of the schedules.
func (c installation) rekeys() []rekeyJSON {
	c.t.Helper()
	var list struct {
		Rekeys []rekeyJSON `json:"rekeys"`
	}
	out, err := c.command("rekey", "list", "--test-seconds", "-o", "json").Output()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(out, &list); err != nil {
		c.t.Fatal(err)
	}
	return list.Rekeys
}

// rekeysSent counts, in order, the rekeys of each object that the cluster began.
func rekeysSent(sim *simulation) ([]int, error) {
	list, err := sim.clusters[0].since(0)
	if err != nil {
		return nil, err
	}
	byPath := map[string]int{}
	for _, r := range list {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/rekey-internal") && r.Status < 400 {
			byPath[r.Path]++
		}
	}
	return slices.Sorted(maps.Values(byPath)), nil
}

// schedules writes a file with two vaults that are rekeyed by that line.
func (c installation) schedules(line string) {
	c.t.Helper()
	const text = `version: 1
defaults: {tls: {ca_file: $CA}, auth: {basic: {username: admin, password: cred:cluster}}}
clusters:
  - name: a
    endpoint: $ENDPOINT
    policy: {max_concurrent_rekeys: 2}
    azure_key_vaults:
`
	var b strings.Builder
	b.WriteString(os.Expand(text, c.sim.variable))
	for _, svm := range []string{"s1", "s2"} {
		fmt.Fprintf(&b, "      - {svm: %s, name: 'https://v.vault.azure.net/', key_id: 'https://v.vault.azure.net/keys/k/1', client_id: a, tenant_id: d, client_secret: cred:ks, rekey_internal: {schedule: %q, window: 4s}}\n", svm, line)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "desired.yaml"), []byte(b.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// serveFor runs the service for a while and kills it.
func (c installation) serveFor(d time.Duration) {
	c.t.Helper()
	var said bytes.Buffer
	cmd := c.command("run", "--test-seconds", "--interval", "1s", "--web.listen-address", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	kill := time.AfterFunc(d, func() { cmd.Process.Kill() })
	cmd.Wait()
	if kill.Stop() {
		c.t.Errorf("the service ended by itself with %d:\n%s", cmd.ProcessState.ExitCode(), said.String())
	}
}
