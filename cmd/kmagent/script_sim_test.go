package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A simulated is one cluster of the simulator.
type simulated struct {
	endpoint string
	http     *http.Client
	told     int // number of the first request that no command has printed yet
}

// A request is a line of the simulator's log.
type request struct {
	N      int    `json:"n"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Query  string `json:"query"`
	Body   any    `json:"body"`
	Status int    `json:"status"`
}

// ontap [FLAG...] starts the simulator, in place of an earlier one, and sets $CA, $ENDPOINT,
// and $ENDPOINT2 and so on.
func (s *script) ontap(args []string) error {
	s.stopSimulator()
	sim, err := startSimulator(filepath.Join(s.work, "tls"), args...)
	if err != nil {
		return err
	}
	s.simulator = sim
	for i, c := range sim.clusters {
		name := "ENDPOINT"
		if i > 0 {
			name += strconv.Itoa(i + 1)
		}
		s.Setenv(name, c.endpoint)
	}
	s.Setenv("CA", sim.ca)
	return nil
}

func (s *script) stopSimulator() {
	if s.simulator != nil {
		s.simulator.stop()
	}
}

// A simulation is a simulator under way: its clusters and the file of their CA.
type simulation struct {
	clusters []*simulated
	ca       string
	stop     func()
}

// startSimulator starts the program with its certificates in dir, and waits until it
// listens: then its first line says where.
func startSimulator(dir string, args ...string) (*simulation, error) {
	cmd := exec.Command("ontapsim", append([]string{"--tls-dir", dir}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	sim := &simulation{stop: func() {
		cmd.Process.Kill()
		cmd.Wait()
	}}
	var ready struct {
		Clusters []struct{ Endpoint string }
		CAFile   string `json:"ca_file"`
	}
	if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
		sim.stop()
		return nil, fmt.Errorf("ontapsim does not listen: %w", err)
	}
	sim.ca = ready.CAFile
	pem, err := os.ReadFile(sim.ca)
	if err != nil {
		sim.stop()
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for _, c := range ready.Clusters {
		sim.clusters = append(sim.clusters, &simulated{endpoint: c.Endpoint, http: client})
	}
	return sim, nil
}

// startSimulation starts the simulator for a test.
func startSimulation(t *testing.T, args ...string) *simulation {
	t.Helper()
	sim, err := startSimulator(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.stop)
	return sim
}

// variable is what scripts know as $CA and $ENDPOINT.
func (s *simulation) variable(name string) string {
	values := map[string]string{"CA": s.ca, "ENDPOINT": s.clusters[0].endpoint}
	for i, c := range s.clusters[1:] {
		values["ENDPOINT"+strconv.Itoa(i+2)] = c.endpoint
	}
	return values[name]
}

// call makes a request, below /api as the account that kmagent uses.
func (c *simulated) call(method, path, body string) (string, error) {
	req, err := http.NewRequest(method, c.endpoint+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(path, "/api") {
		req.SetBasicAuth("admin", "netapp1!")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
	}
	return string(text), err
}

// since returns the requests to /api from number n on.
func (c *simulated) since(n int) ([]request, error) {
	text, err := c.call(http.MethodGet, "/sim/requests?since="+strconv.Itoa(n), "")
	if err != nil {
		return nil, err
	}
	var log struct{ Requests []request }
	err = json.Unmarshal([]byte(text), &log)
	return log.Requests, err
}

// cluster takes the cluster that a first argument like @2 names, or else the first one.
func (s *script) cluster(args []string) (*simulated, []string, error) {
	i := 1
	if len(args) > 0 && strings.HasPrefix(args[0], "@") {
		i, _ = strconv.Atoi(args[0][1:])
		args = args[1:]
	}
	if s.simulator == nil || i < 1 || i > len(s.simulator.clusters) {
		return nil, nil, errors.New("there is no such simulated cluster")
	}
	return s.simulator.clusters[i-1], args, nil
}

// sim [@N] METHOD PATH [JSON] calls a cluster as somebody else would, under /sim or /api,
// and prints the answer. UUIDs are short here too.
func (s *script) sim(args []string) error {
	c, args, err := s.cluster(args)
	if err != nil {
		return err
	}
	if len(args) != 2 && len(args) != 3 {
		return errors.New("usage: sim [@N] METHOD PATH [JSON]")
	}
	text, err := c.call(args[0], s.long(args[1]), s.long(strings.Join(args[2:], "")))
	fmt.Fprint(s.Stdout(), s.short(text))
	return err
}

// writes [@N] prints what was sent to change the cluster since it or requests were last
// asked, one request in a line.
func (s *script) writes(args []string) error { return s.tell(args, changes) }

// requests [@N] prints every request likewise.
func (s *script) requests(args []string) error { return s.tell(args, everything) }

func changes(r request) bool  { return r.Method != http.MethodGet }
func everything(request) bool { return true }

func (s *script) tell(args []string, which func(request) bool) error {
	c, _, err := s.cluster(args)
	if err != nil {
		return err
	}
	list, err := c.since(c.told)
	if err != nil {
		return err
	}
	fmt.Fprint(s.Stdout(), s.lines(list, which))
	c.told += len(list)
	return nil
}

// sent [@N] PATTERN [COUNT] checks the changes that writes would print.
func (s *script) sent(args []string) error {
	c, args, err := s.cluster(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return errors.New("usage: sent [@N] PATTERN [COUNT]")
	}
	list, err := c.since(c.told)
	if err != nil {
		return err
	}
	return find(args[0], s.lines(list, changes), strings.Join(args[1:], ""))
}

// walk [@N] MINIMUM [SERVER...] goes through all that was ever sent to change the only key
// manager of a cluster: after no request may it have fewer key servers than MINIMUM, not
// counting those named.
func (s *script) walk(args []string) error {
	c, args, err := s.cluster(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return errors.New("usage: walk [@N] MINIMUM [SERVER...]")
	}
	minimum, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	list, err := c.since(0)
	if err != nil {
		return err
	}
	servers := map[string]bool{}
	for _, r := range list {
		if r.Status < 200 || r.Status >= 300 || !follow(servers, r) {
			continue
		}
		n := len(servers)
		for _, gone := range args[1:] {
			if servers[gone] {
				n--
			}
		}
		if n < minimum {
			return fmt.Errorf("%d servers are left after %s %s", n, r.Method, r.Path)
		}
	}
	return nil
}

// follow changes a set of servers as a request does, and says whether it did.
func follow(servers map[string]bool, r request) bool {
	body, _ := r.Body.(map[string]any)
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/key-managers"):
		external, _ := body["external"].(map[string]any)
		list, _ := external["servers"].([]any)
		for _, member := range list {
			servers[member.(map[string]any)["server"].(string)] = true
		}
	case r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/key-servers"):
		servers[body["server"].(string)] = true
	case r.Method == http.MethodDelete && strings.Contains(r.Path, "/key-servers/"):
		delete(servers, path.Base(r.Path))
	default:
		return false
	}
	return true
}

// lines writes requests as METHOD PATH BODY STATUS.
func (s *script) lines(list []request, which func(request) bool) string {
	var b strings.Builder
	for _, r := range list {
		if !which(r) {
			continue
		}
		where := r.Path
		if r.Query != "" {
			where += "?" + r.Query
		}
		body := ""
		if r.Body != nil {
			text, _ := json.Marshal(r.Body) // it was JSON
			body = " " + string(text)
		}
		fmt.Fprintf(&b, "%s %s%s %d\n", r.Method, where, body, r.Status)
	}
	return s.short(b.String())
}

var (
	uuidForm  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	shortForm = regexp.MustCompile(`\buuid[1-9][0-9]*\b`)
)

// short writes each UUID as the number of its first appearance: uuid1, uuid2, and so on.
func (s *script) short(text string) string {
	return uuidForm.ReplaceAllStringFunc(text, func(id string) string {
		if s.uuids[id] == "" {
			s.uuids[id] = fmt.Sprintf("uuid%d", len(s.uuids)+1)
		}
		return s.uuids[id]
	})
}

// long is the inverse of short.
func (s *script) long(text string) string {
	return shortForm.ReplaceAllStringFunc(text, func(name string) string {
		for id, n := range s.uuids {
			if n == name {
				return id
			}
		}
		return name
	})
}
