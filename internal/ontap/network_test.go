package ontap

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A server is a cluster on a real connection. It counts the requests that reach it.
type server struct {
	*httptest.Server
	requests atomic.Int64
	conns    atomic.Int64
}

func serve(t testing.TB, config *tls.Config, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		w.Header().Set("Content-Type", "application/hal+json")
		h(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	s.TLS = config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func object(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"uuid":"a"}`) }

// dialTo returns a client of a server whose CA it trusts; change may change that.
func dialTo(t testing.TB, s *server, ca *authority, change func(*Config)) *Client {
	t.Helper()
	cred := password(t, "pass-word")
	cfg := Config{Endpoint: s.URL, CAFiles: []string{ca.file(t)},
		Credentials: func(context.Context) (Credential, error) { return cred, nil }}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// No credentials, nor anything else, reach a server that is not who it should be.
func TestTLSMatrix(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	one := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	for _, c := range []struct {
		why    string
		server *tls.Config
		change func(*Config)
		want   Reason // empty: it is who it should be
	}{
		{"by address", one(ca.pair(t, nil)), nil, ""},
		{"by name", one(ca.pair(t, nil)), func(c *Config) { c.ServerName = "cluster.test" }, ""},
		{"several CAs", one(ca.pair(t, nil)), func(c *Config) { c.CAFiles = append(c.CAFiles, other.file(t)) }, ""},
		{"expired", one(ca.pair(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })), nil, TLSExpired},
		{"not valid yet", one(ca.pair(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })), nil, TLSExpired},
		{"another CA", one(other.pair(t, nil)), nil, TLSUntrusted},
		{"signed by itself", one((*authority)(nil).pair(t, nil)), nil, TLSUntrusted},
		{"the system's CAs do not know it", one(ca.pair(t, nil)), func(c *Config) { c.CAFiles = nil }, TLSUntrusted},
		{"another address", one(ca.pair(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 2)} })), nil, TLSName},
		{"another name", one(ca.pair(t, nil)), func(c *Config) { c.ServerName = "prod.test" }, TLSName},
		{"no name but the common one", one(ca.pair(t, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil })),
			func(c *Config) { c.ServerName = "cluster" }, TLSName},
		{"a certificate for clients", one(ca.pair(t, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})), nil, TLSUntrusted},
		{"TLS 1.1 at most", &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, nil, TLSOther},
		{"TLS 1.2", &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}, MaxVersion: tls.VersionTLS12}, nil, ""},
	} {
		t.Run(strings.ReplaceAll(c.why, " ", "_"), func(t *testing.T) {
			s := serve(t, c.server, object)
			cl := dialTo(t, s, ca, c.change)
			_, err := cl.Get(t.Context(), "cluster", nil)
			_, changeErr := cl.Send(t.Context(), "POST", collection, map[string]any{"a": "b"}, nil)
			if c.want == "" {
				if err != nil || changeErr != nil {
					t.Errorf("%v, %v", err, changeErr)
				}
				return
			}
			e, _ := errors.AsType[*TransportError](err)
			if e == nil || e.Reason != c.want || e.Temporary() || errors.Is(changeErr, ErrOutcomeUnknown) || changeErr == nil {
				t.Errorf("%v, %v, want %s", err, changeErr, c.want)
			}
			if n := s.requests.Load(); n != 0 {
				t.Errorf("%d requests reached it", n)
			}
		})
	}
}

func TestPlaintextServer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request in the clear") }))
	defer s.Close()
	ca := newAuthority(t)
	c := dialTo(t, serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}, object), ca,
		func(c *Config) { c.Endpoint = strings.Replace(s.URL, "http:", "https:", 1) })
	_, err := c.Get(t.Context(), "cluster", nil)
	if e, ok := errors.AsType[*TransportError](err); !ok || e.Reason != TLSOther {
		t.Error(err)
	}
}

func TestCAFileIsReadAgain(t *testing.T) {
	old, ca := newAuthority(t), newAuthority(t)
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}, object)
	name := old.file(t)
	c := dialTo(t, s, old, func(c *Config) { c.CAFiles = []string{name} })
	get := func() Reason {
		_, err := c.Get(t.Context(), "cluster", nil)
		e, ok := errors.AsType[*TransportError](err)
		if err == nil {
			return ""
		}
		if !ok {
			t.Fatal(err)
		}
		return e.Reason
	}
	if got := get(); got != TLSUntrusted {
		t.Fatalf("with the old CA: %q", got)
	}
	if err := os.WriteFile(name, slices.Concat(old.pem, ca.pem), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != "" {
		t.Fatalf("with the new CA: %q", got)
	}
	// A session of the old trust must not outlive it.
	if err := os.WriteFile(name, old.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	c.CloseIdle()
	if got := get(); got != TLSUntrusted {
		t.Errorf("without the new CA: %q", got)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	_, err := c.Get(t.Context(), "cluster", nil)
	if want := "GET cluster: TLS: no trusted CA signed the certificate: read CA file: open " + name + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestBadCAFile(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(dir+"/text", []byte("no certificate"), 0o600), os.WriteFile(dir+"/huge", make([]byte, maxCAFile+1), 0o600),
		syscall.Mkfifo(dir+"/fifo", 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"text": "no certificate in the CA files",
		"none": "read CA file: open " + dir + "/none: no such file or directory",
		"huge": "read CA file: " + dir + "/huge: larger than 1048576 bytes",
		"fifo": "read CA file: " + dir + "/fifo: not a regular file",
		"":     "read CA file: " + dir + "/: not a regular file",
	} {
		_, err := New(Config{Endpoint: "https://cluster", CAFiles: []string{dir + "/" + name},
			Credentials: func(context.Context) (Credential, error) { return Credential{}, nil }})
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
		func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				t.Error("an Authorization header beside the certificate")
			}
			fmt.Fprintf(w, `{"uuid":%q}`, r.TLS.PeerCertificates[0].Subject.CommonName)
		})
	k := &keeper{}
	show := func(name string) {
		cred, err := ClientCertificate(ca.issue(t, func(c *x509.Certificate) { c.Subject.CommonName = name }))
		if err != nil {
			t.Fatal(err)
		}
		k.set(cred)
	}
	c := dialTo(t, s, ca, func(c *Config) { c.Credentials = k.ask })
	for _, name := range []string{"one", "one", "two"} {
		show(name)
		got, err := c.Get(t.Context(), "cluster", nil)
		if want := fmt.Sprintf(`{"uuid":%q}`, name); string(got) != want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	k.set(password(t, "x"))
	if _, err := c.Get(t.Context(), "cluster", nil); err == nil {
		t.Error("the certificate was shown after it was taken away")
	} else if e, ok := errors.AsType[*TransportError](err); !ok || e.Reason != TLSOther && e.Reason != Reset {
		t.Error(err)
	}
}

func TestRedirectNeverFollowed(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}
	other := serve(t, config, object)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request in the clear") }))
	defer plain.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, target := range []string{"/api/cluster", other.URL + "/api/cluster", plain.URL + "/api/cluster",
			strings.Replace(other.URL, "127.0.0.1", "localhost", 1)} {
			s := serve(t, config, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", target)
				w.Header().Set("Set-Cookie", "a=b")
				w.WriteHeader(status)
			})
			c := dialTo(t, s, ca, nil)
			_, err := c.Get(t.Context(), "cluster", nil)
			_, sendErr := c.Send(t.Context(), "POST", collection, map[string]any{"a": "b"}, nil)
			for _, err := range []error{err, sendErr} {
				if e, ok := errors.AsType[*AnswerError](err); !ok || e.Status != status {
					t.Errorf("%d to %s: %v", status, target, err)
				}
			}
			if n := s.requests.Load(); n != 2 {
				t.Errorf("%d to %s: %d requests", status, target, n)
			}
		}
	}
	if n := other.requests.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestEnvProxyIgnored(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	t.Setenv("NO_PROXY", "")
	ca := newAuthority(t)
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}, object)
	c := dialTo(t, s, ca, nil)
	if _, err := c.Get(t.Context(), "cluster", nil); err != nil {
		t.Error(err)
	}
	if c.network.http.Proxy != nil { // net/http never uses a proxy for 127.0.0.1
		t.Error("a proxy is configured")
	}
}

func TestHostileBodies(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}
	spaces := []byte(strings.Repeat(" ", 1<<20))
	for _, c := range []struct {
		why  string
		h    http.HandlerFunc
		want string
	}{
		{"huge", func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := w.Write(spaces); err != nil {
					return
				}
			}
		}, "GET cluster: unusable answer (HTTP 200): larger than 16777216 bytes"},
		{"gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 100 {
				if _, err := z.Write(spaces); err != nil {
					return
				}
			}
			z.Close()
		}, "GET cluster: unusable answer (HTTP 200): larger than 16777216 bytes"},
		{"deep", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"a":`+strings.Repeat("[", 1<<20))
		}, "GET cluster: unusable answer (HTTP 200): JSON nested too deeply"},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, `{"uuid":"a"}`)
		}, "GET cluster: unusable answer (HTTP 200): not JSON by its content type"},
		{"slow", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
				select {
				case <-time.After(10 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
			panic(http.ErrAbortHandler) // an answer that ends is whole, however slow it was
		}, "GET cluster: no whole answer in time"},
		{"silent", func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // or it would end with an empty answer, which may be seen in time
		}, "GET cluster: no whole answer in time"},
		{"endless headers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", maxHeader))
		}, "GET cluster: not an HTTP answer"},
	} {
		t.Run(strings.ReplaceAll(c.why, " ", "_"), func(t *testing.T) {
			s := serve(t, config, c.h)
			cl := dialTo(t, s, ca, func(cfg *Config) {
				if strings.HasSuffix(c.want, "in time") {
					cfg.Timeout = 300 * time.Millisecond
				}
			})
			if _, err := cl.Get(t.Context(), "cluster", nil); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// Cut at any byte, by length or by the end of the connection, an answer is an error.
func TestTruncatedAtEveryByte(t *testing.T) {
	const body = `{"records":[{"uuid":"a"},{"uuid":"b"}],"num_records":2}`
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	answers := []string{
		head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
		head + "Connection: close\r\n\r\n" + body,
		head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
	}
	synctest.Test(t, func(t *testing.T) {
		for _, whole := range answers {
			for n := range len(whole) + 1 {
				c := newFake(t, nil)
				c.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					return http.ReadResponse(bufio.NewReader(strings.NewReader(whole[:n])), r)
				})
				records, _, err := list(t, c)
				if err == nil && records != `{"uuid":"a"} {"uuid":"b"}` || err != nil && (records != "" || n == len(whole)) {
					t.Errorf("after %q: %q, %v", whole[:n], records, err)
				}
				if _, err := c.Send(t.Context(), "POST", collection, nil, nil); err != nil && (n == len(whole) || !errors.Is(err, ErrOutcomeUnknown)) {
					t.Errorf("a change, after %q: %v", whole[:n], err)
				}
			}
		}
	})
}

// A change whose connection breaks may have been made, unless it broke before there was one.
func TestConnectionBreaks(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}
	hijack := func(write string, reset bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, write)
			if reset {
				conn.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
				conn.(*tls.Conn).NetConn().Close()
				return
			}
			conn.Close()
		}
	}
	for _, c := range []struct {
		why  string
		h    http.HandlerFunc
		want []Reason
	}{
		{"closed", hijack("", false), []Reason{EOF}},
		{"reset", hijack("", true), []Reason{Reset}},
		{"half a header", hijack("HTTP/1.1 200 O", false), []Reason{EOF}},
		{"half a body", hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", false), []Reason{EOF}},
		{"something else", hijack("220 mail ready\r\n\r\n", false), []Reason{Protocol}},
	} {
		s := serve(t, config, c.h)
		cl := dialTo(t, s, ca, nil)
		_, err := cl.Send(t.Context(), "POST", collection, map[string]any{"a": "b"}, nil)
		e, ok := errors.AsType[*TransportError](err)
		if !ok || !slices.Contains(c.want, e.Reason) || !errors.Is(err, ErrOutcomeUnknown) || s.requests.Load() != 1 {
			t.Errorf("%s: %v, %d requests, want %s", c.why, err, s.requests.Load(), c.want)
		}
	}
	s := serve(t, config, object)
	cl := dialTo(t, s, ca, nil)
	s.Close()
	_, err := cl.Send(t.Context(), "POST", collection, nil, nil)
	if e, ok := errors.AsType[*TransportError](err); !ok || e.Reason != Refused || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("nobody there: %v", err)
	}
}

// The cluster closes idle connections when it likes. A change that meets such a one takes
// another connection, or has an unknown outcome, and reaches the cluster at most once.
func TestStaleConnection(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}, object)
	c := dialTo(t, s, ca, nil)
	for range 20 {
		if _, err := c.Get(t.Context(), "cluster", nil); err != nil {
			t.Fatal(err)
		}
		before := s.requests.Load()
		s.CloseClientConnections()
		_, err := c.Send(t.Context(), "POST", collection, map[string]any{"a": "b"}, nil)
		if n := s.requests.Load() - before; n > 1 || err == nil && n != 1 || err != nil && !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%v after %d requests", err, n)
		}
	}
}

func TestDialIsLimited(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}, object)
	var dials atomic.Int64
	limit := errors.New("canary")
	c := dialTo(t, s, ca, func(c *Config) {
		c.Dial = func(context.Context) error {
			if dials.Add(1) > 2 {
				return limit
			}
			return nil
		}
	})
	for range 5 {
		if _, err := c.Get(t.Context(), "cluster", nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d attempts to connect for 5 requests", n)
	}
	c.CloseIdle()
	if _, err := c.Get(t.Context(), "cluster", nil); err != nil {
		t.Fatal(err)
	}
	c.CloseIdle()
	_, err := c.Send(t.Context(), "POST", collection, nil, nil)
	if want := "POST security/key-managers: no whole answer in time"; err == nil || err.Error() != want || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestConnections(t *testing.T) {
	ca := newAuthority(t)
	var busy, most atomic.Int64
	var resumed atomic.Int64
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}, func(w http.ResponseWriter, r *http.Request) {
		n := busy.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if r.TLS.DidResume {
			resumed.Add(1)
		}
		if r.ProtoMajor != 1 || r.TLS.NegotiatedProtocol != "" {
			t.Error("HTTP/2")
		}
		time.Sleep(5 * time.Millisecond)
		busy.Add(-1)
		object(w, r)
	})
	c := dialTo(t, s, ca, nil)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := c.Get(t.Context(), "cluster", nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.conns.Load(); n > 4 || most.Load() > 4 {
		t.Errorf("%d connections, %d requests at a time", n, most.Load())
	}
	c.CloseIdle()
	before := resumed.Load()
	if _, err := c.Get(t.Context(), "cluster", nil); err != nil {
		t.Fatal(err)
	}
	if resumed.Load() != before+1 {
		t.Error("a reconnect did not resume its session")
	}
}

func TestObserve(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}, func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "kmagent" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("headers %v", r.Header)
		}
		if r.Method != "GET" {
			w.WriteHeader(409)
		}
		object(w, r)
	})
	var seen []Exchange
	c := dialTo(t, s, ca, func(c *Config) {
		c.Observe = func(e Exchange) {
			if e.Took <= 0 {
				t.Errorf("%+v took no time", e)
			}
			e.Took = 0
			seen = append(seen, e)
		}
	})
	c.Get(t.Context(), "/api/cluster", nil)
	c.Send(t.Context(), "DELETE", collection+"/x", nil, nil)
	s.Close()
	c.Get(t.Context(), "cluster", nil)
	want := []Exchange{
		{Method: "GET", Path: "cluster", Status: 200, Bytes: 12},
		{Method: "DELETE", Path: collection + "/x", Status: 409, Bytes: 12},
		{Method: "GET", Path: "cluster", Reason: Refused},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func TestDefaultsOfNetHTTPAreLeftAlone(t *testing.T) {
	before := fmt.Sprintf("%p %+v", http.DefaultTransport, *http.DefaultClient)
	ca := newAuthority(t)
	c := dialTo(t, serve(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, nil)}}, object), ca, nil)
	if c.transport == http.DefaultTransport || fmt.Sprintf("%p %+v", http.DefaultTransport, *http.DefaultClient) != before {
		t.Error("the default transport or client was used or changed")
	}
}
