// Package ontap speaks to one cluster's REST API: TLS, credentials, errors, paging, jobs,
// and what may be sent twice. It knows no kinds of objects and decides nothing. It never
// follows a redirect, never uses a proxy, never skips the check of a certificate, never
// repeats a change that may have been made, and never takes an answer that is incomplete or
// implausible for "nothing there".
package ontap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A Config says how to reach one cluster. Endpoint and Credentials are required; the zero
// value of everything else is a default.
type Config struct {
	// Endpoint is https://host or https://host:port, without user, path or query.
	Endpoint string
	// CAFiles hold the certificates, in PEM, of the CAs that may sign the cluster's. They are
	// read for every new connection, so that a new CA needs no restart. None: the system's.
	CAFiles []string
	// ServerName is the name the cluster's certificate must have; empty: the endpoint's host.
	ServerName string
	// Credentials is asked before every exchange, so that a rotated secret is seen. It may be
	// called by several goroutines at a time. What its error says is passed on.
	Credentials func(context.Context) (Credential, error)

	// Dial is called before each attempt to connect, for a limit on attempts across clusters;
	// an error ends the attempt.
	Dial func(context.Context) error
	// Observe is told of each exchange when it has ended, by the goroutine that made it.
	Observe func(Exchange)
	// Retried is told of the error of a GET that is about to be sent again.
	Retried func(error)

	UserAgent   string        // default "kmagent"
	Timeout     time.Duration // of a whole exchange, with its body; default 30 s
	JobWait     time.Duration // for a job that Send started; default 10 min
	IdleTimeout time.Duration // of a connection that is kept for the next exchange; default 90 s
	MaxConns    int           // connections at a time; default 4

	// Random returns a time of at least 0 and below n, for pauses; default: anything.
	Random func(n time.Duration) time.Duration

	// Transport takes the place of the network, for simulations: no TLS, no Dial.
	Transport http.RoundTripper
}

// An Exchange is one request and what became of it.
type Exchange struct {
	Method string
	Path   string // below /api, with the names and UUIDs in it: a label needs a template
	Status int    // 0: no answer
	Reason Reason // why there was none, or no whole one; else empty
	Took   time.Duration
	Bytes  int64 // of the answer's body, decompressed, as far as it was read
}

// A Client makes the requests to one cluster. Its methods may be called side by side. Paths
// are below /api, with or without that prefix, and escaped as [Path] does it.
type Client struct {
	cfg       Config
	base      string // https://host:port/api/
	transport http.RoundTripper
	network   *network // nil: Config.Transport
	gate      *gate
	memory    memory
}

// New returns a client. It reads the CA files, to fail early, and connects to nothing.
func New(cfg Config) (*Client, error) {
	host, err := checkEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	if cfg.Credentials == nil {
		return nil, errors.New("no credentials are configured")
	}
	cfg.setDefaults(host)
	c := &Client{cfg: cfg, base: cfg.Endpoint + apiPrefix, transport: cfg.Transport, gate: newGate(cfg.Credentials)}
	if c.transport == nil {
		if c.network, err = newNetwork(cfg, c.gate); err != nil {
			return nil, err
		}
		c.transport = c.network.http
	}
	return c, nil
}

func (cfg *Config) setDefaults(host string) {
	cfg.ServerName = cmp.Or(cfg.ServerName, host)
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "kmagent")
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second)
	cfg.JobWait = cmp.Or(cfg.JobWait, 10*time.Minute)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, 90*time.Second)
	cfg.MaxConns = cmp.Or(cfg.MaxConns, 4)
	if cfg.Random == nil {
		cfg.Random = rand.N[time.Duration]
	}
	if cfg.Dial == nil {
		cfg.Dial = func(context.Context) error { return nil }
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Exchange) {}
	}
	if cfg.Retried == nil {
		cfg.Retried = func(error) {}
	}
}

// checkEndpoint returns the host of an endpoint. What is wrong with one is said without
// repeating it: somebody may have typed a password there.
func checkEndpoint(s string) (host string, err error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("not a URL")
	case u.Scheme != "https":
		return "", errors.New("the scheme must be https")
	case u.User != nil:
		return "", errors.New("no user or password may be in it")
	case u.Hostname() == "":
		return "", errors.New("no host")
	case s != "https://"+u.Host:
		return "", errors.New("nothing may follow host and port")
	case strings.HasSuffix(u.Host, ":"):
		return "", errors.New("a colon without a port")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return "", errors.New("the port must be between 1 and 65535")
		}
	}
	return u.Hostname(), nil
}

// ResetCredentials forgets that the cluster refused the credentials, so that the next
// request tries them again: for when a human says that the account is in order now.
func (c *Client) ResetCredentials() { c.gate.reset() }

// CloseIdle closes the connections that no exchange is using. The client stays usable.
func (c *Client) CloseIdle() {
	if c.network != nil {
		c.network.http.CloseIdleConnections()
	}
}
