package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kmagent/internal/apply"
	"kmagent/internal/desired"
	"kmagent/internal/live"
	"kmagent/internal/ontap"
	"kmagent/internal/ontapsim"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
	"kmagent/internal/state"
)

// A source is the desired state, as a test sets it.
type source struct {
	changed chan struct{}
	mu      sync.Mutex
	text    string
	err     error
}

func (s *source) Changed() <-chan struct{} { return s.changed }

func (s *source) Latest() ([]byte, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []byte(s.text), "digest", s.err
}

func (s *source) set(text string, err error) {
	s.mu.Lock()
	s.text, s.err = text, err
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// A network sends requests to simulated clusters by host, and lets a test come between.
type network struct {
	hosts   ontapsim.Hosts
	mu      sync.Mutex
	between func(*http.Request) error // before a request is sent; may panic or wait
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	between, host := n.between, n.hosts[r.URL.Host]
	n.mu.Unlock()
	if between != nil {
		if err := between(r); err != nil {
			return nil, err
		}
	}
	return host.RoundTrip(r)
}

// put lets that cluster answer at a host.
func (n *network) put(host string, c *ontapsim.Cluster) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = c
}

func (n *network) comeBetween(f func(*http.Request) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.between = f
}

// A tester is what the helpers need of a *testing.T, or a *rapid.T.
type tester interface {
	Helper()
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

// A world is an agent over simulated clusters, in fake time, with its state on disk.
type world struct {
	t       tester
	net     *network
	src     *source
	fleet   *Fleet
	store   *state.Store
	secrets passwords
	log     *logged
	// journal may come between an agent and its journal, and transport between it and the network.
	journal   func(cluster string, b *state.Book) journal
	transport http.RoundTripper
	random    func(cluster string, n time.Duration) time.Duration // of pauses; nil: anything
	dir       string                                              // of the state, and of the orders of people

	mu     sync.Mutex
	passes []Pass
	opened int
	cancel context.CancelFunc
	ended  chan struct{}
}

// A journal is what a book is to who writes steps, and to the loop.
type journal interface {
	Memory
	apply.Journal
}

type passwords struct {
	mu sync.Mutex
	of map[string]string
}

func (p *passwords) Resolve(_ context.Context, r secret.Ref) (secret.Value, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.of[r.String()]
	if !ok {
		return secret.Value{}, fmt.Errorf("%s: no such secret", r)
	}
	return secret.New([]byte(v)), nil
}

// logged is a log to look into.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

// simulate runs a test in fake time, in a world of clusters c1, c2, … with the SVMs vs1 to
// vs3, whose agent has not been started.
func simulate(t *testing.T, clusters int, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: &network{hosts: ontapsim.Hosts{}}, log: &logged{},
			src:     &source{changed: make(chan struct{}, 1)},
			secrets: passwords{of: map[string]string{"cred:login": "netapp1!", "cred:kmip": "kmip secret"}}}
		for i := range clusters {
			name := fmt.Sprintf("c%d", i+1)
			w.net.hosts[name] = ontapsim.New(ontapsim.Config{Name: name, Seed: uint64(i), SVMs: []string{"vs1", "vs2", "vs3"}})
		}
		w.fleet = w.agent()
		f(t, w)
	})
}

// agent is one that looks after all that its world's file has.
func (w *world) agent() *Fleet {
	return &Fleet{Name: "keys.yaml", Open: w.open, Interval: 5 * time.Minute, Health: 30 * time.Minute, Passes: 8, Random: w.random,
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Done: w.done, Loaded: func(Revision) {}}
}

// start starts the agent over a state directory; stop stops it and returns how long that took.
func (w *world) start(dir string) {
	w.t.Helper()
	var err error
	w.dir = dir
	if w.store, err = state.Open(dir); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.ended = cancel, make(chan struct{})
	go func() {
		w.fleet.Run(ctx, w.src)
		close(w.ended)
	}()
}

func (w *world) stop() time.Duration {
	w.t.Helper()
	began := time.Now()
	w.cancel()
	<-w.ended
	took := time.Since(began)
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
	return took
}

func (w *world) open(spec desired.Cluster) (Edges, error) {
	w.mu.Lock()
	w.opened++
	w.mu.Unlock()
	basic := spec.Auth.(desired.Basic)
	cfg := ontap.Config{Endpoint: spec.Endpoint, Transport: w.net,
		Credentials: func(ctx context.Context) (ontap.Credential, error) {
			v, err := w.secrets.Resolve(ctx, basic.Password)
			if err != nil {
				return ontap.Credential{}, err
			}
			return ontap.Basic(basic.Username, v.Expose())
		}}
	parallel := 2
	if w.transport != nil {
		cfg.Transport = w.transport
	}
	if w.random != nil {
		parallel = 1 // which of two requests comes first is nobody's choice
		cfg.Random = func(n time.Duration) time.Duration { return w.random(spec.Name, n) }
	}
	client, err := ontap.New(cfg)
	if err != nil {
		return Edges{}, err
	}
	orders := state.Orders{Dir: w.dir}
	e := Edges{Reader: live.NewReader(spec.Name, client, parallel), Again: client.ResetCredentials,
		Standing: func() (plan.Standing, error) { return state.ReadOrders(w.dir) }}
	runner := &apply.Runner{Writer: client, Secrets: &w.secrets, Key: w.store.Key(), Use: orders.Use}
	e.Actor = actor{runner}
	book, err := w.store.Book(spec.Name)
	if err != nil {
		e.MemoryErr = err
		return e, nil
	}
	var j journal = book
	if w.journal != nil {
		j = w.journal(spec.Name, book)
	}
	runner.Journal, e.Memory, e.Close = j, j, book.Close
	return e, nil
}

type actor struct{ *apply.Runner }

func (a actor) Digests(ctx context.Context, want []*resource.Object) plan.Secrets {
	return apply.Digests(ctx, a.Secrets, a.Key, want)
}

func (w *world) done(p Pass) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passes = append(w.passes, p)
}

// passesOf returns the passes over a cluster since the last call of since.
func (w *world) passesOf(cluster string) []Pass {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Pass
	for _, p := range w.passes {
		if p.Cluster == cluster {
			out = append(out, p)
		}
	}
	return out
}

// since returns the passes over a cluster since its last call, and forgets all of them.
func (w *world) since(cluster string) []Pass {
	out := w.passesOf(cluster)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passes = nil
	return out
}

// after lets time pass until everything rests.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A request is one that a simulated cluster got.
type request struct {
	Method, Path, Query string
	Body                any
	Status              int
	At                  time.Time
}

func (r request) String() string { return r.Method + " " + r.Path }

// call makes a request to a simulated cluster, behind the agent's back.
func (w *world) call(cluster, method, path, body string) []byte {
	w.t.Helper()
	r, err := http.NewRequest(method, "https://"+cluster+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetBasicAuth("admin", "netapp1!")
	resp, err := w.net.hosts.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		w.t.Fatalf("%s %s: HTTP %d: %s (%v)", method, path, resp.StatusCode, text, err)
	}
	return text
}

// requests returns what a cluster was asked, from number n on, and the number after.
func (w *world) requests(cluster string, n int) ([]request, int) {
	w.t.Helper()
	var log struct {
		Next     int
		Requests []request
	}
	if err := json.Unmarshal(w.call(cluster, "GET", fmt.Sprintf("/sim/requests?since=%d", n), ""), &log); err != nil {
		w.t.Fatal(err)
	}
	return log.Requests, log.Next
}

// writes returns what would change a cluster, from number n on.
func (w *world) writes(cluster string, n int) []request {
	w.t.Helper()
	all, _ := w.requests(cluster, n)
	var out []request
	for _, r := range all {
		if r.Method != http.MethodGet {
			out = append(out, r)
		}
	}
	return out
}

// mark is the number of the next request to a cluster.
func (w *world) mark(cluster string) int {
	_, n := w.requests(cluster, 0)
	return n
}

// managers returns the servers of each SVM's key manager, and the managers' UUIDs.
func (w *world) managers(cluster string) (servers map[string][]string, uuids map[string]string) {
	w.t.Helper()
	var list struct {
		Records []struct {
			UUID     string
			SVM      struct{ Name string }
			External struct{ Servers []struct{ Server string } }
		}
	}
	text := w.call(cluster, "GET", "/api/security/key-managers?fields=svm.name,external", "")
	if err := json.Unmarshal(text, &list); err != nil {
		w.t.Fatal(err)
	}
	servers, uuids = map[string][]string{}, map[string]string{}
	for _, r := range list.Records {
		for _, s := range r.External.Servers {
			servers[r.SVM.Name] = append(servers[r.SVM.Name], s.Server)
		}
		uuids[r.SVM.Name] = r.UUID
	}
	return servers, uuids
}

// file is a desired state: of each cluster, SVM by SVM, the servers.
func file(clusters ...cluster) string {
	var b strings.Builder
	b.WriteString("version: 1\ndefaults:\n  auth: {basic: {username: admin, password: \"cred:login\"}}\nclusters:\n")
	for _, c := range clusters {
		fmt.Fprintf(&b, "- name: %s\n  endpoint: https://%s\n", c.name, c.name)
		for _, s := range c.settings {
			fmt.Fprintf(&b, "  %s\n", s)
		}
		b.WriteString("  key_managers:\n")
		for _, m := range c.managers {
			fmt.Fprintf(&b, "  - svm: %s\n    external:\n      client_certificate: kmip-client\n      server_ca_certificates: [kmip-ca]\n      servers:\n", m.svm)
			for _, s := range m.servers {
				if !strings.HasPrefix(s, "{") {
					s = "{server: " + s + "}"
				}
				fmt.Fprintf(&b, "      - %s\n", s)
			}
		}
	}
	return b.String()
}

type cluster struct {
	name     string
	settings []string
	managers []manager
}

type manager struct {
	svm     string
	servers []string // names, or flow mappings
}

// one is a cluster with a manager of vs1.
func one(name string, servers ...string) cluster {
	return cluster{name: name, managers: []manager{{"vs1", servers}}}
}

func (c cluster) set(lines ...string) cluster {
	c.settings = append(c.settings, lines...)
	return c
}

var errRefused = errors.New("connection refused")

var quietLog = slog.New(slog.DiscardHandler)

func damage(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("this was a journal\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
