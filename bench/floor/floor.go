// Package floor is the least that a client of ONTAP can do: the fewest GETs, over TLS, into
// structs. What kmagent takes is measured as a multiple of it. It checks nothing beyond the
// status, remembers nothing but hashes, never writes, and is of no use to anybody but a
// benchmark.
package floor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Config says how a cluster is read.
type Config struct {
	Endpoint, CAFile, User, Password string

	Conns int  // collections that are read side by side, each over a connection of its own
	Hash  bool // hash bodies, and decode only those whose hash is not the one before
}

// A Client reads one cluster, again and again. Its calls must not overlap.
type Client struct {
	cfg       Config
	transport *http.Transport
	seed      maphash.Seed
	buffers   sync.Pool
	gets      atomic.Int64

	mu   sync.Mutex
	kept map[string]kept // by path and query
}

type kept struct {
	sum   uint64
	value any // a pointer to what the body was decoded to
}

// New returns a client. It connects to nothing.
func New(cfg Config) (*Client, error) {
	pem, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the CA file: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &Client{
		cfg:  cfg,
		seed: maphash.MakeSeed(),
		kept: map[string]kept{},
		transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
			MaxConnsPerHost:     cfg.Conns,
			MaxIdleConnsPerHost: cfg.Conns,
		},
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}, nil
}

// CloseIdle closes the connections.
func (c *Client) CloseIdle() { c.transport.CloseIdleConnections() }

// GETs returns how many there have been.
func (c *Client) GETs() int64 { return c.gets.Load() }

// A Ref is how one object names another.
type Ref struct{ Name, UUID string }

// A Release is ONTAP's.
type Release struct{ Generation, Major, Minor int }

// A Node is a node of a cluster.
type Node struct {
	Name, UUID, State, Membership string
	Version                       Release
}

// A SVM is an SVM, data or not.
type SVM struct{ Name, UUID, State string }

// A Certificate is an installed certificate.
type Certificate struct {
	UUID, Scope, Name, Type string
	CommonName              string `json:"common_name"`
	ExpiryTime              string `json:"expiry_time"`
	SVM                     Ref
}

// A Server is a primary key server.
type Server struct {
	Server, Username string
	Timeout          int
	Secondary        []string `json:"secondary_key_servers"`
}

// A Manager is a key manager.
type Manager struct {
	UUID, Scope, Policy    string
	SVM                    Ref
	Enabled                bool
	Configuration, Onboard struct {
		Name    string
		Enabled bool
	}
	External struct {
		ClientCertificate Ref   `json:"client_certificate"`
		ServerCAs         []Ref `json:"server_ca_certificates"`
		Servers           []Server
	}
}

// What kmagent reads of a cluster of 9.16.1 in a regular pass, each collection in pages of
// the size that ONTAP itself would choose.
const (
	clusterPath      = "/api/cluster?fields=name,uuid,version"
	nodesPath        = "/api/cluster/nodes?max_records=10000&fields=name,uuid,state,membership,version"
	svmsPath         = "/api/svm/svms?max_records=10000&fields=name,uuid,state"
	certificatesPath = "/api/security/certificates?max_records=10000&type=client%7Cserver_ca&fields=uuid,scope,svm.name,name,type,common_name,expiry_time"
	managersPath     = "/api/security/key-managers?max_records=10000&fields=uuid,scope,svm.name,external.client_certificate,external.server_ca_certificates,external.servers.server,external.servers.timeout,external.servers.username,external.servers.secondary_key_servers,policy,enabled,configuration.name,onboard.enabled"
)

// Collections is how many of them Full reads.
const Collections = 5

// Full reads every collection that kmagent reads.
func (c *Client) Full(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.cfg.Conns)
	// The longest first, so that the others are read beside it.
	group.Go(func() error { _, err := collect[Manager](ctx, c, managersPath); return err })
	group.Go(func() error { _, err := collect[Certificate](ctx, c, certificatesPath); return err })
	group.Go(func() error { _, err := collect[SVM](ctx, c, svmsPath); return err })
	group.Go(func() error { _, err := collect[Node](ctx, c, nodesPath); return err })
	group.Go(func() error { _, err := fetch[Node](ctx, c, clusterPath); return err })
	return group.Wait()
}

// Managers reads the key managers alone.
func (c *Client) Managers(ctx context.Context) ([]Manager, error) {
	pages, err := collect[Manager](ctx, c, managersPath)
	var all []Manager
	for _, p := range pages {
		all = append(all, p.Records...)
	}
	return all, err
}

type page[T any] struct {
	Records []T
	Links   struct{ Next struct{ Href string } } `json:"_links"`
}

// collect reads a collection, page after page.
func collect[T any](ctx context.Context, c *Client, path string) ([]*page[T], error) {
	var pages []*page[T]
	for path != "" {
		p, err := fetch[page[T]](ctx, c, path)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
		path = p.Links.Next.Href
	}
	return pages, nil
}

// fetch makes one GET and decodes its body, unless the hash says that this was done.
func fetch[V any](ctx context.Context, c *Client, path string) (*V, error) {
	b := c.buffers.Get().(*bytes.Buffer)
	defer c.buffers.Put(b)
	if err := c.get(ctx, path, b); err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	var sum uint64
	if c.cfg.Hash {
		sum = maphash.Bytes(c.seed, b.Bytes())
		c.mu.Lock()
		k := c.kept[path]
		c.mu.Unlock()
		if v, ok := k.value.(*V); ok && k.sum == sum {
			return v, nil
		}
	}
	v := new(V)
	if err := json.Unmarshal(b.Bytes(), v); err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if c.cfg.Hash {
		c.mu.Lock()
		c.kept[path] = kept{sum, v}
		c.mu.Unlock()
	}
	return v, nil
}

func (c *Client) get(ctx context.Context, path string, into *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Endpoint+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	c.gets.Add(1)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	into.Reset()
	_, err = into.ReadFrom(resp.Body)
	return err
}
