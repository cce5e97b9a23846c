package ontap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const vault = "security/azure-key-vaults/1cd8a442"

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
		why        string
	}{
		{404, `{"error":{"message":"entry doesn't exist","code":"4","target":"uuid"}}`,
			"PATCH " + vault + ": entry doesn't exist (ONTAP error 4, HTTP 404)", "as ONTAP says it"},
		{400, `{"error":{"message":"The value \"x\" is invalid for field \"fields\"","code":"262197","target":"fields"}}`,
			"PATCH " + vault + `: The value "x" is invalid for field "fields" (ONTAP error 262197, HTTP 400)`, "with quotes"},
		{400, `{"error":{"message":"no","code":65536700}}`,
			"PATCH " + vault + ": no (ONTAP error 65536700, HTTP 400)", "a code that is a number"},
		{400, "{\"error\":{\"message\":\"a\nb\",\"code\":\"1\"}}",
			"PATCH " + vault + ": a b (ONTAP error 1, HTTP 400)", "a raw control character"},
		{400, `{"error":{"message":"a\nb\u001b[2J","code":"1\n2"}}`,
			"PATCH " + vault + `: a\nb\x1b[2J (ONTAP error 1\n2, HTTP 400)`, "escaped ones"},
		{403, `{"error":{}}`, "PATCH " + vault + ": refused (HTTP 403)", "says nothing"},
		{409, `{"error":"x"}`, "PATCH " + vault + ": refused (HTTP 409)", "another shape"},
		{500, `<html>`, "PATCH " + vault + ": failed (HTTP 500)", "not JSON"},
		{502, ``, "PATCH " + vault + ": failed (HTTP 502)", "no body"},
		{400, `{"error":{"message":"` + strings.Repeat("x", 10000) + `"}}`,
			"PATCH " + vault + ": " + strings.Repeat("x", 253) + "… (HTTP 400)", "far too long"},
	} {
		_, err := newFake(t, always(c.status, c.body)).Send(t.Context(), "PATCH", vault, map[string]any{}, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.why, err, c.want)
		}
	}
}

// What became of a request, for every status that may come.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		status                                       int
		code                                         string
		unknown, temporary, notFound, conflict, rbac bool
	}{
		{status: 400, code: "2"},
		{status: 403, code: "6", rbac: true},
		{status: 404, code: "4", notFound: true},
		{status: 404, code: "3"},
		{status: 405, code: "3"},
		{status: 408, unknown: true},
		{status: 409, code: "1", conflict: true},
		{status: 429, code: "262160", temporary: true},
		{status: 500, code: "262145", unknown: true},
		{status: 502, unknown: true, temporary: true},
		{status: 503, unknown: true, temporary: true},
		{status: 504, unknown: true, temporary: true},
	} {
		_, err := newFake(t, always(c.status, fmt.Sprintf(`{"error":{"code":%q}}`, c.code))).Send(t.Context(), "POST", collection, nil, nil)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("HTTP %d: %v", c.status, err)
			continue
		}
		got := []bool{errors.Is(err, ErrOutcomeUnknown), e.Temporary(), e.NotFound(), e.Conflict(), e.Denied()}
		want := []bool{c.unknown, c.temporary, c.notFound, c.conflict, c.rbac}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("HTTP %d: %v, want %v", c.status, got, want)
		}
		read := &Error{Method: "GET", Status: c.status}
		if errors.Is(read, ErrOutcomeUnknown) || read.Temporary() != (c.temporary || c.status == 500) {
			t.Errorf("GET, HTTP %d: wrong class", c.status)
		}
	}
}

func TestReasons(t *testing.T) {
	dial := func(err error) error { return &dialError{fallback: Unreachable, err: err} }
	op := func(op string, err error) error { return &net.OpError{Op: op, Err: err} }
	bad := func(err error) error { return dial(&tls.CertificateVerificationError{Err: err}) }
	long := &x509.Certificate{DNSNames: []string{strings.Repeat("canary.", 100_000)}}
	for _, c := range []struct {
		err  error
		want Reason
		sent bool // a change may have reached the cluster
	}{
		{dial(&net.DNSError{IsTimeout: true}), DNS, false},
		{&net.DNSError{IsNotFound: true}, DNS, false},
		{dial(op("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED))), Refused, false},
		{op("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)), Refused, false},
		{op("dial", os.NewSyscallError("connect", syscall.EHOSTUNREACH)), Unreachable, false},
		{dial(os.ErrDeadlineExceeded), Timeout, false},
		{dial(io.EOF), EOF, false},
		{bad(x509.HostnameError{Certificate: long, Host: "cluster"}), TLSName, false},
		{bad(x509.UnknownAuthorityError{Cert: long}), TLSUntrusted, false},
		{bad(x509.CertificateInvalidError{Cert: long, Reason: x509.Expired}), TLSExpired, false},
		{bad(x509.CertificateInvalidError{Cert: long, Reason: x509.TooManyIntermediates}), TLSUntrusted, false},
		{bad(errors.New("canary")), TLSOther, false},
		{op("remote error", errors.New("canary")), TLSOther, true},
		{context.DeadlineExceeded, Timeout, true},
		{context.Canceled, Canceled, true},
		{op("read", os.NewSyscallError("read", syscall.ECONNRESET)), Reset, true},
		{op("write", os.NewSyscallError("write", syscall.EPIPE)), Reset, true},
		{io.ErrUnexpectedEOF, EOF, true},
		{errors.New("malformed HTTP response canary"), Protocol, true},
	} {
		_, err := newFake(t, script(fails(c.err))).Send(t.Context(), "POST", collection, nil, nil)
		e, ok := errors.AsType[*TransportError](err)
		if !ok || e.Reason != c.want || e.Sent != c.sent || errors.Is(err, ErrOutcomeUnknown) != c.sent {
			t.Errorf("%.80s: got %v, want %s, sent %t", c.err, err, c.want, c.sent)
			continue
		}
		if strings.Contains(err.Error(), "canary") || len(err.Error()) > 200 {
			t.Errorf("%s passes on what the other side said: %.200s", c.want, err)
		}
		if read := (&TransportError{Method: "GET", Sent: true}); errors.Is(read, ErrOutcomeUnknown) {
			t.Error("a GET has an unknown outcome")
		}
	}
}

func TestTransportErrorText(t *testing.T) {
	for _, c := range []struct {
		err  TransportError
		want string
	}{
		{TransportError{"GET", "cluster", DNS, false, ""}, "GET cluster: the host name does not resolve"},
		{TransportError{"POST", "x", Reset, true, ""}, "POST x: connection reset; what became of it is unknown"},
		{TransportError{"GET", "x", TLSUntrusted, false, "no certificate in the CA files"},
			"GET x: TLS: no trusted CA signed the certificate: no certificate in the CA files"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if err := (&TransportError{Reason: Timeout}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("a timeout is not a deadline that was exceeded")
	}
}

func TestRedirectIsAnError(t *testing.T) {
	for location, want := range map[string]string{
		"":                        "no place at all",
		"/login":                  "this host",
		"http://cluster/canary":   "a host without TLS",
		"https://canary.evil/api": "a named host",
		"%zz\x00canary":           "no place at all",
	} {
		f := script(answer(307, "", "Location", location))
		_, err := newFake(t, f).Send(t.Context(), "POST", collection, nil, nil)
		text := "POST security/key-managers: unusable answer (HTTP 307): redirects are not followed; this one goes to " + want
		if err == nil || err.Error() != text || !errors.Is(err, ErrOutcomeUnknown) || f.count() != 1 {
			t.Errorf("%q: %v after %d requests, want %s", location, err, f.count(), text)
		}
	}
}

// A GET is repeated where that may help, and nothing else ever is.
func TestRetries(t *testing.T) {
	good := answer(200, `{"uuid":"a"}`)
	busy := answer(503, ``)
	reset := fails(syscall.ECONNRESET)
	type script = []func() (*http.Response, error)
	for _, c := range []struct {
		script script
		limit  time.Duration // of the caller; 0: none
		ok     bool
		count  int
		least  time.Duration
		most   time.Duration
		why    string
	}{
		{script{good}, 0, true, 1, 0, 0, "at once"},
		{script{reset, good}, 0, true, 2, 50 * time.Millisecond, 150 * time.Millisecond, "one lost connection"},
		{script{busy, fails(io.ErrUnexpectedEOF), good}, 0, true, 3, 250 * time.Millisecond, 750 * time.Millisecond, "two accidents"},
		{script{busy}, 0, false, 3, 250 * time.Millisecond, 750 * time.Millisecond, "enough is enough"},
		{script{answer(429, ``, "Retry-After", "3"), good}, 0, true, 2, 3 * time.Second, 3 * time.Second, "the cluster says when"},
		{script{answer(429, ``, "Retry-After", "6"), good}, 0, false, 1, 0, 0, "too long for one pass"},
		{script{answer(429, ``, "Retry-After", "-1"), good}, 0, true, 2, 50 * time.Millisecond, 150 * time.Millisecond, "nonsense"},
		{script{answer(429, ``, "Retry-After", "3"), good}, 2 * time.Second, false, 1, 0, 0, "the caller would be gone"},
		{script{answer(500, ``), good}, 0, false, 1, 0, 0, "an error of the cluster's own may be one for long"},
		{script{answer(404, ``), good}, 0, false, 1, 0, 0, "an answer"},
		{script{answer(200, `{}`), good}, 0, false, 1, 0, 0, "an answer that cannot be used"},
		{script{fails(syscall.ECONNREFUSED), good}, 0, false, 1, 0, 0, "nobody there"},
		{script{fails(os.ErrDeadlineExceeded), good}, 0, false, 1, 0, 0, "it has had its time"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if c.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.limit)
				defer cancel()
			}
			f := &fake{answer: func(n int, _ *http.Request) (*http.Response, error) { return c.script[min(n, len(c.script)-1)]() }}
			start := time.Now()
			_, err := newFake(t, f).Get(ctx, "cluster", nil)
			took := time.Since(start)
			if (err == nil) != c.ok || f.count() != c.count || took < c.least || took > c.most {
				t.Errorf("%s: %v after %d requests and %s", c.why, err, f.count(), took)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			for _, method := range []string{"POST", "PATCH", "DELETE"} {
				f := &fake{answer: func(n int, _ *http.Request) (*http.Response, error) { return c.script[min(n, len(c.script)-1)]() }}
				newFake(t, f).Send(t.Context(), method, collection, nil, nil)
				if f.count() != 1 {
					t.Errorf("%s was sent %d times: %s", method, f.count(), c.why)
				}
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for header, want := range map[string]time.Duration{
			"":                     0,
			"0":                    0,
			"-5":                   0,
			"x":                    0,
			"7":                    7 * time.Second,
			"1e9":                  0,
			"86400":                maxRetryAfter,
			"99999999999999999999": 0,
			time.Now().Add(time.Minute).UTC().Format(http.TimeFormat):  time.Minute,
			time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat): 0,
			time.Now().Add(time.Hour).UTC().Format(http.TimeFormat):    maxRetryAfter,
		} {
			if got := parseRetryAfter(http.Header{"Retry-After": {header}}); got != want {
				t.Errorf("Retry-After %q is %s, want %s", header, got, want)
			}
		}
	})
}

func TestWholeExchangeHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen Exchange
		f := &fake{answer: func(_ int, r *http.Request) (*http.Response, error) {
			resp := says(200, "")
			resp.Body = io.NopCloser(trickle{r.Context()})
			return resp, nil
		}}
		c := newFake(t, f)
		c.cfg.Observe = func(e Exchange) { seen = e }
		start := time.Now()
		_, err := c.Get(t.Context(), "cluster", nil)
		if e, ok := errors.AsType[*TransportError](err); !ok || e.Reason != Timeout || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if want := (Exchange{"GET", "cluster", 200, Timeout, 30 * time.Second, 4}); seen != want {
			t.Errorf("observed %v, want %v", seen, want)
		}
	})
}

// A trickle gives a byte every seven seconds.
type trickle struct{ ctx context.Context }

func (t trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(7 * time.Second):
		p[0] = ' '
		return 1, nil
	case <-t.ctx.Done():
		return 0, t.ctx.Err()
	}
}
