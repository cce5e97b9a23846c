// Package ontapsim is a simulated ONTAP cluster, as far as the management of encryption
// keys needs one: a stateful REST API under /api with ONTAP's own conventions and codes,
// and a control surface under /sim through which a test sets what no client can, injects
// faults and reads what was sent. It is transcribed from ONTAP's REST API reference, never
// from the program that it tests, and imports nothing of it. It keeps everything in
// memory, starts no goroutine and asks for the time with time.Now, so that it runs in a
// testing/synctest bubble. It never contacts a key server: whether one answers is part of
// the simulated world.
package ontapsim

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config describes a cluster. The zero Config is a cluster "cluster1" of ONTAP 9.16.1 with
// the nodes node1 and node2 and the SVM svm1, for the account admin/netapp1!.
type Config struct {
	Name     string
	ONTAP    string        // the release, 9.8.1 to 9.18.1
	Seed     uint64        // equal seeds and equal requests give equal UUIDs
	Nodes    int           // their number; they are named node1, node2, …
	SVMs     []string      // data SVMs
	Managers int           // this many more SVMs km00001, …, each with an external key manager of two servers
	User     string        // of HTTP basic authentication
	Password string        //
	Token    string        // a bearer token that is accepted too; "" for none
	Role     []Privilege   // what every account may do; nil for everything
	Latency  time.Duration // added to every answer under /api
	Fixture  []byte        // JSON text, see [Fixture]; nil for none
}

var (
	oldest = version{9, 8, 0}
	newest = version{9, 18, 999}
)

// withDefaults fills what is left out.
func (cfg Config) withDefaults() Config {
	cfg.Name = cmp.Or(cfg.Name, "cluster1")
	cfg.ONTAP = cmp.Or(cfg.ONTAP, "9.16.1")
	cfg.Nodes = cmp.Or(cfg.Nodes, 2)
	cfg.User = cmp.Or(cfg.User, "admin")
	cfg.Password = cmp.Or(cfg.Password, "netapp1!")
	if cfg.SVMs == nil {
		cfg.SVMs = []string{"svm1"}
	}
	return cfg
}

// Validate tells what of the configuration no cluster can be made of.
func (cfg Config) Validate() error {
	_, err := newCluster(cfg)
	return err
}

// A Cluster is one simulated cluster. It is an [http.Handler] and an [http.RoundTripper]:
// a client may talk to it through a server or, with no socket between, as the transport of
// its http.Client. All methods may be called at the same time.
type Cluster struct {
	cfg     Config
	version version
	kinds   []*kind

	mu       sync.Mutex
	state    *state
	epoch    uint64 // counts the changes that can show in records other than the changed one
	faults   []*fault
	requests requestLog
}

// New makes a cluster. It panics when the configuration is not valid.
func New(cfg Config) *Cluster {
	c, err := newCluster(cfg)
	if err != nil {
		panic("ontapsim: " + err.Error())
	}
	return c
}

// NewFleet makes n independent clusters from one configuration, named cluster1 to clusterN
// unless n is 1 and the configuration has a name.
func NewFleet(n int, cfg Config) ([]*Cluster, error) {
	fleet := make([]*Cluster, n)
	for i := range fleet {
		one := cfg
		if n > 1 || cfg.Name == "" {
			one.Name = "cluster" + strconv.Itoa(i+1)
		}
		var err error
		if fleet[i], err = newCluster(one); err != nil {
			return nil, err
		}
	}
	return fleet, nil
}

func newCluster(cfg Config) (*Cluster, error) {
	cfg = cfg.withDefaults()
	v, err := parseVersion(cfg.ONTAP)
	if err != nil {
		return nil, err
	}
	if v.before(oldest) || newest.before(v) {
		return nil, fmt.Errorf("ONTAP %s is not simulated; 9.8 to 9.18 are", v)
	}
	if cfg.Nodes < 1 || cfg.Nodes > 24 {
		return nil, fmt.Errorf("a cluster has 1 to 24 nodes, not %d", cfg.Nodes)
	}
	c := &Cluster{cfg: cfg, version: v, state: newState(cfg, v)}
	c.kinds = newKinds(v)
	if cfg.Fixture != nil {
		if err := c.load(cfg.Fixture); err != nil {
			return nil, fmt.Errorf("fixture: %w", err)
		}
	}
	return c, nil
}

// Name is the cluster's name.
func (c *Cluster) Name() string { return c.cfg.Name }

// An answer is a response before it meets a connection.
type answer struct {
	status int
	header http.Header
	body   []byte

	drop     bool // close the connection instead
	truncate int  // close it after so many bytes of the body; -1: do not
}

func newAnswer(status int, body []byte) answer {
	return answer{status: status, header: http.Header{}, body: body, truncate: -1}
}

// maxBody bounds what is read of a request.
const maxBody = 16 << 20

// serve answers a request, be it to the API or to the control surface.
func (c *Cluster) serve(r *http.Request) (answer, error) {
	body, err := io.ReadAll(io.LimitReader(body(r), maxBody))
	if err != nil {
		return answer{}, fmt.Errorf("read the request: %w", err)
	}
	path := r.URL.EscapedPath()
	switch {
	case path == "/api" || strings.HasPrefix(path, "/api/"):
		return c.exchange(r, path, body)
	case strings.HasPrefix(path, "/sim/"):
		return c.control(r.Method, path, r.URL.Query(), body), nil
	}
	return newAnswer(http.StatusNotFound, []byte("{}\n")), nil
}

func body(r *http.Request) io.Reader {
	if r.Body == nil {
		return bytes.NewReader(nil)
	}
	return r.Body
}

// exchange carries out one request to the API: it logs it, meets the faults that are set
// for it, and waits for what takes time.
func (c *Cluster) exchange(r *http.Request, path string, body []byte) (answer, error) {
	ctx := r.Context()
	c.mu.Lock()
	n := c.requests.add(r, path, body)
	act := c.fault(r.Method, path, r.URL.RawQuery)
	c.mu.Unlock()

	if err := wait(ctx, c.cfg.Latency+act.delay()); err != nil {
		return answer{}, err
	}
	if act.Drop == dropBefore {
		return answer{drop: true}, nil
	}
	a := act.answer()
	if a.status == 0 {
		var err error
		if a, err = c.api(ctx, newRequest(r, path, body)); err != nil {
			return answer{}, err
		}
	}
	c.mu.Lock()
	c.requests.finish(n, a.status)
	c.mu.Unlock()
	a.drop = act.Drop == dropAfter
	if act.Truncate != nil {
		a.truncate = min(*act.Truncate, len(a.body))
	}
	return a, nil
}

// wait waits for a time or for the end of the context.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ServeHTTP answers over a connection.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := c.serve(r)
	if err != nil || a.drop {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if a.truncate >= 0 {
		w.Write(a.body[:a.truncate])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if r.Method != http.MethodHead {
		w.Write(a.body)
	}
}

// RoundTrip answers without a connection. A dropped one is an error that wraps
// io.ErrUnexpectedEOF, and so ends the body of an answer that is cut.
func (c *Cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	a, err := c.serve(r)
	if err != nil {
		return nil, err
	}
	if a.drop {
		return nil, fmt.Errorf("connection closed: %w", io.ErrUnexpectedEOF)
	}
	content := io.Reader(bytes.NewReader(a.body))
	if a.truncate >= 0 {
		content = io.MultiReader(bytes.NewReader(a.body[:a.truncate]), cut{})
	}
	if r.Method == http.MethodHead {
		content = bytes.NewReader(nil)
	}
	return &http.Response{
		Status:        strconv.Itoa(a.status) + " " + http.StatusText(a.status),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.header,
		ContentLength: int64(len(a.body)),
		Body:          io.NopCloser(content),
		Request:       r,
	}, nil
}

// cut is the end of a body whose connection is gone.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Hosts sends each request to the cluster of its URL's host (with the port, if the URL has
// one), so that one http.Client reaches many clusters without sockets. Another host is
// refused as a connection would be.
type Hosts map[string]*Cluster

// RoundTrip implements [http.RoundTripper].
func (h Hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	c, ok := h[r.URL.Host]
	if !ok {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fmt.Errorf("connect to %s: connection refused", quoted(r.URL.Host))
	}
	return c.RoundTrip(r)
}
