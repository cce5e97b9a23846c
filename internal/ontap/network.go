package ontap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 10 * time.Second
	keepAlive        = 15 * time.Second
	maxHeader        = 64 << 10
	maxCAFile        = 1 << 20
)

// A network makes the connections to one cluster. It has a transport of its own, since what
// is trusted, and how many connections may be, is this cluster's affair.
type network struct {
	http       *http.Transport
	dialer     net.Dialer
	limit      func(context.Context) error
	caFiles    []string
	serverName string
	gate       *gate

	mu     sync.Mutex
	pem    []byte            // what config was made of
	shown  [sha256.Size]byte // and for which credentials
	config *tls.Config       // nil: not made yet
}

func newNetwork(cfg Config, g *gate) (*network, error) {
	n := &network{
		dialer: net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive},
		limit:  cfg.Dial, caFiles: cfg.CAFiles, serverName: cfg.ServerName, gate: g,
	}
	if _, err := n.trust(); err != nil {
		return nil, err
	}
	var http1 http.Protocols
	http1.SetHTTP1(true)
	n.http = &http.Transport{
		Proxy:                  nil, // the environment has no say in where credentials go
		DialTLSContext:         n.dialTLS,
		Protocols:              &http1,
		MaxConnsPerHost:        cfg.MaxConns,
		MaxIdleConnsPerHost:    cfg.MaxConns,
		IdleConnTimeout:        cfg.IdleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}
	return n, nil
}

// dialTLS connects and shakes hands. Whatever fails in here, no request has been written.
func (n *network) dialTLS(ctx context.Context, protocol, addr string) (net.Conn, error) {
	if err := n.limit(ctx); err != nil {
		return nil, &dialError{fallback: Timeout, err: err}
	}
	config, err := n.trust()
	if err != nil {
		return nil, &dialError{fallback: TLSUntrusted, detail: err.Error(), err: err}
	}
	raw, err := n.dialer.DialContext(ctx, protocol, addr)
	if err != nil {
		return nil, &dialError{fallback: Unreachable, err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &dialError{fallback: TLSOther, err: err}
	}
	return conn, nil
}

// trust returns the TLS configuration for a new connection. While CA files and credentials
// are the same it is the same one, whose session cache lets reconnects resume; when they
// change, so does the cache: a resumed session has the trust and the client certificate of
// the one before it.
func (n *network) trust() (*tls.Config, error) {
	pem, err := readAll(n.caFiles)
	if err != nil {
		return nil, err
	}
	latest := n.gate.shown()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.config != nil && bytes.Equal(pem, n.pem) && latest.sum == n.shown {
		return n.config, nil
	}
	var roots *x509.CertPool // nil: the system's
	if len(n.caFiles) > 0 {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("no certificate in the CA files")
		}
	}
	n.pem, n.shown = pem, latest.sum
	n.config = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		ServerName:         n.serverName,
		ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}
	if latest.certificate != nil {
		n.config.Certificates = []tls.Certificate{*latest.certificate}
	}
	return n.config, nil
}

// readAll joins the files. Each must be a regular one: a FIFO would never end.
func readAll(names []string) ([]byte, error) {
	var all []byte
	for _, name := range names {
		b, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		all = append(append(all, b...), '\n')
	}
	return all, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	if err == nil && len(b) > maxCAFile {
		err = fmt.Errorf("%s: larger than %d bytes", name, maxCAFile)
	}
	return b, err
}
