package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"kmagent/bench/floor"
	"kmagent/internal/agent"
	"kmagent/internal/apply"
	"kmagent/internal/desired"
	"kmagent/internal/live"
	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resolve"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
	"kmagent/internal/state"
)

// managersPerText keeps a desired state below the limits of a file.
const managersPerText = 2000

// document is a desired state that wants, of the clusters from the first to before the last,
// the managers likewise, as the simulator has them. With a timeout it wants that of every
// server.
func document(s *sim, clusters, managers [2]int, timeout int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "version: 1\ndefaults:\n  tls: {ca_file: %s}\n  auth: {basic: {username: %s, password: env:%s}}\nclusters:\n", s.CAFile, user, passwordVar)
	for i := clusters[0]; i < clusters[1]; i++ {
		fmt.Fprintf(&b, "  - name: %s\n    endpoint: %s\n    key_managers:\n", s.Clusters[i].Name, s.Clusters[i].Endpoint)
		for j := managers[0]; j < managers[1]; j++ {
			fmt.Fprintf(&b, "      - svm: km%05d\n        external:\n          client_certificate: kmip-client\n          server_ca_certificates: [kmip-ca]\n          servers:\n", j+1)
			for k := range 2 {
				fmt.Fprintf(&b, "            - server: ks%d.example.net\n", k+1)
				if timeout != 0 {
					fmt.Fprintf(&b, "              timeout: %d\n", timeout)
				}
			}
		}
	}
	return b.Bytes()
}

// specify reads what the file says of one cluster, in parts if it is too much for one file.
func specify(s *sim, cluster, managers, timeout int) (desired.Cluster, error) {
	var spec desired.Cluster
	for from := 0; from < managers; from += managersPerText {
		text := document(s, [2]int{cluster, cluster + 1}, [2]int{from, min(from+managersPerText, managers)}, timeout)
		part, err := desired.Parse("bench.yaml", text)
		if err != nil {
			return spec, err
		}
		objects := append(spec.Objects, part.Clusters[0].Objects...)
		spec = part.Clusters[0]
		spec.Objects = objects
	}
	return spec, nil
}

// A subject is the loop of one cluster, as the commands wire it, and what was seen of it.
type subject struct {
	loop   agent.Loop
	client *ontap.Client
	book   *state.Book

	dials, writes atomic.Int64
	mu            sync.Mutex
	spans         []span          // of GETs
	collections   map[string]bool // that were read
}

// newSubject returns a subject that has met the cluster never before, except for what the
// store remembers. With a health interval of 0 every pass reads Advanced fields.
func newSubject(store *state.Store, spec desired.Cluster, conns int, health time.Duration) (*subject, error) {
	s := &subject{collections: map[string]bool{}}
	secrets := &resolve.Resolver{Env: func(string) (string, bool) { return password, true }}
	basic := spec.Auth.(desired.Basic)
	var err error
	s.client, err = ontap.New(ontap.Config{
		Endpoint: spec.Endpoint,
		CAFiles:  []string{spec.TLS.CAFile},
		Credentials: func(ctx context.Context) (ontap.Credential, error) {
			v, err := secrets.Resolve(ctx, basic.Password)
			if err != nil {
				return ontap.Credential{}, err
			}
			return ontap.Basic(basic.Username, v.Expose())
		},
		Dial:     func(context.Context) error { s.dials.Add(1); return nil },
		Observe:  s.observe,
		MaxConns: conns,
	})
	if err != nil {
		return nil, err
	}
	if s.book, err = store.Book(spec.Name); err != nil {
		return nil, err
	}
	runner := &apply.Runner{Writer: s.client, Secrets: secrets, Key: store.Key(), Journal: s.book}
	s.loop = agent.Loop{Spec: spec, Health: health, Edges: agent.Edges{
		Reader: live.NewReader(spec.Name, s.client, conns),
		Actor:  actor{runner, secrets, store.Key()},
		Memory: s.book,
	}}
	return s, nil
}

// An actor is a runner in the form that a loop knows.
type actor struct {
	*apply.Runner
	secrets *resolve.Resolver
	key     secret.Key
}

func (a actor) Digests(ctx context.Context, want []*resource.Object) plan.Secrets {
	return apply.Digests(ctx, a.secrets, a.key, want)
}

func (s *subject) observe(x ontap.Exchange) {
	if x.Method != "GET" {
		s.writes.Add(1)
		return
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans = append(s.spans, span{now.Add(-x.Took), now})
	s.collections[x.Path] = true
}

// forget begins to count anew.
func (s *subject) forget() {
	s.writes.Store(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans, s.collections = nil, map[string]bool{}
}

// pass makes a pass that must find nothing to do.
func (s *subject) pass(ctx context.Context) error {
	p := s.loop.Once(ctx, agent.Orders{})
	if err := p.Failure(); err != nil {
		return err
	}
	if n := p.Plan.Counts(); n.Pending() {
		return fmt.Errorf("a pass that should have nothing to do has %s", n)
	}
	return nil
}

// steady makes the passes after which nothing is read for the first time.
func (s *subject) steady(ctx context.Context) error {
	return errors.Join(s.pass(ctx), s.pass(ctx), s.pass(ctx))
}

func (s *subject) close() error {
	s.client.CloseIdle()
	return s.book.Close()
}

// An editor changes key servers behind everybody's back.
type editor struct {
	client   *ontap.Client
	managers []floor.Manager
	timeout  int
}

func newEditor(ctx context.Context, spec desired.Cluster) (*editor, error) {
	bare, err := floor.New(floorOf(spec, 1, false))
	if err != nil {
		return nil, err
	}
	defer bare.CloseIdle()
	e := &editor{timeout: 30}
	if e.managers, err = bare.Managers(ctx); err != nil {
		return nil, err
	}
	e.client, err = ontap.New(ontap.Config{Endpoint: spec.Endpoint, CAFiles: []string{spec.TLS.CAFile},
		Credentials: func(context.Context) (ontap.Credential, error) { return ontap.Basic(user, []byte(password)) }})
	return e, err
}

func floorOf(spec desired.Cluster, conns int, hash bool) floor.Config {
	return floor.Config{Endpoint: spec.Endpoint, CAFile: spec.TLS.CAFile, User: user, Password: password, Conns: conns, Hash: hash}
}

// change gives the first server of n managers, spread over all, a timeout it did not have.
func (e *editor) change(ctx context.Context, n int) error {
	e.timeout = 31 + (e.timeout-30)%29
	for i := range n {
		m := e.managers[i*len(e.managers)/n]
		path, err := ontap.Path("security", "key-managers", m.UUID, "key-servers", m.External.Servers[0].Server)
		if err != nil {
			return err
		}
		if _, err := e.client.Send(ctx, "PATCH", path, map[string]any{"timeout": e.timeout}, nil); err != nil {
			return err
		}
	}
	return nil
}
