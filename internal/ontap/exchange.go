package ontap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"kmagent/internal/crashpoint"
)

// Limits of one answer. The records of 10,000 key managers, each with two servers, have 7 MB.
const (
	maxBody       = 16 << 20
	maxRetries    = 2
	firstPause    = 100 * time.Millisecond
	pauseGrowth   = 4
	maxRetryAfter = 5 * time.Minute
	maxWait       = 5 * time.Second // for a Retry-After, inside a pass
)

type request struct {
	method  string
	path    string // below /api
	query   string // encoded
	body    []byte // nil: none
	secrets []string
}

type reply struct {
	status int
	header http.Header
	body   []byte // the kept one itself, if it is equal
}

// newRequest refuses a path that would not reach what it names.
func newRequest(method, path string, query url.Values) (request, error) {
	p, err := cleanPath(path)
	if err != nil {
		return request{}, fmt.Errorf("%s: %w", method, err)
	}
	return request{method: method, path: p, query: query.Encode()}, nil
}

// read sends a GET, and again where that is safe and may help: after a lost connection, or
// when the cluster is too busy and says so.
func (c *Client) read(ctx context.Context, r request, kept []byte) (reply, error) {
	pause := firstPause
	for try := 0; ; try++ {
		rep, err := c.attempt(ctx, r, kept)
		wait, again := retryAfter(err)
		if !again || try == maxRetries {
			return rep, err
		}
		wait = max(wait, pause/2+c.cfg.Random(pause))
		pause *= pauseGrowth
		if sleep(ctx, wait) != nil {
			return rep, err
		}
		c.cfg.Retried(err)
	}
}

// retryAfter says whether a GET that ended so should be sent again in this pass, and the
// least time to wait for it.
func retryAfter(err error) (wait time.Duration, again bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		busy := e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
		return e.RetryAfter, busy && e.RetryAfter <= maxWait
	}
	e, ok := errors.AsType[*TransportError](err)
	return 0, ok && (e.Reason == Reset || e.Reason == EOF)
}

// sleep waits; it does not begin to if the caller would be gone before the end.
func sleep(ctx context.Context, d time.Duration) error {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return context.DeadlineExceeded
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt makes one exchange with credentials that may be tried. Credentials that the cluster
// refuses are asked for once more, as they may just have been rotated: if they are others,
// the request, which had no effect, is sent with those.
func (c *Client) attempt(ctx context.Context, r request, kept []byte) (reply, error) {
	refused := &AuthError{Method: r.method, Path: r.path}
	for {
		p, err := c.gate.enter(ctx)
		if errors.Is(err, errRefused) {
			return reply{}, refused
		}
		if err != nil && ctx.Err() != nil {
			return reply{}, transportError(r, ctx.Err(), false)
		}
		if err != nil {
			return reply{}, fmt.Errorf("%s %s: obtain credentials: %w", r.method, r.path, err)
		}
		if p.moved {
			c.CloseIdle() // connections that show the old client certificate
		}
		rep, err := c.exchange(ctx, r, p.credential, kept)
		v := judge(rep, err)
		c.gate.leave(p, v)
		if v != refuse {
			return rep, err
		}
		if refused.Status != 0 {
			return reply{}, refused // twice is enough
		}
		refused.Status = rep.status
	}
}

// userNotAuthorized is a failed login that does not always come with HTTP 401 (ONTAP REST
// reference, error codes, 6691623).
const userNotAuthorized = "6691623"

// judge says what an answer means for the credentials. Only one that is ONTAP's own can
// accept them; one that says "too busy" may come from before the login.
func judge(rep reply, err error) verdict {
	e, no := errors.AsType[*Error](err)
	switch {
	case rep.status == http.StatusUnauthorized, no && e.Code == userNotAuthorized:
		return refuse
	case rep.status != 0 && err == nil, no && e.Code != "" && e.Status < 500 && !e.Temporary():
		return accept
	}
	return noVerdict
}

// exchange sends one request once, and reads the whole answer, all inside one deadline. The
// reply has the status whenever one came, beside an error too.
func (c *Client) exchange(ctx context.Context, r request, cred credential, kept []byte) (rep reply, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	start := time.Now()
	var size int64
	defer func() {
		seen := Exchange{Method: r.method, Path: r.path, Status: rep.status, Took: time.Since(start), Bytes: size}
		if e, ok := errors.AsType[*TransportError](err); ok {
			seen.Reason = e.Reason
		}
		c.cfg.Observe(seen)
		boundary("after", r)
	}()
	boundary("before", r)

	sent := c.network == nil // what a simulation does with a request is not known
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { connected.Store(true) },
		WroteRequest: func(httptrace.WroteRequestInfo) { boundary("written", r) },
	})
	req, err := c.httpRequest(ctx, r, cred)
	if err != nil {
		return rep, err
	}
	// RoundTrip and not Client.Do: no redirect is followed and no cookie kept, by construction.
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return rep, transportError(r, err, sent || connected.Load())
	}
	defer resp.Body.Close()
	rep.status, rep.header = resp.StatusCode, resp.Header
	rep.body, size, err = readBody(resp.Body, kept)
	return rep, check(r, rep, err)
}

// boundary is where the agent may be killed for a test. What is only read changes nothing, so
// one place is enough for it.
func boundary(when string, r request) {
	if r.method != http.MethodGet || when == "before" {
		crashpoint.Pass(when, r.method, r.path)
	}
}

func transportError(r request, err error, sent bool) error {
	e := &TransportError{Method: r.method, Path: r.path, Reason: reasonOf(err), Sent: sent && !neverSent(err)}
	if d, ok := errors.AsType[*dialError](err); ok {
		e.Detail = d.detail
	}
	return e
}

// httpRequest makes the request. Its GetBody, which net/http sets for a body in memory, lets
// the transport take another connection when the idle one it took turns out to be dead before
// a single byte was written; after a byte it repeats only what is harmless, and a request
// with an Idempotency-Key, which must therefore never be set: ONTAP does not know it.
func (c *Client) httpRequest(ctx context.Context, r request, cred credential) (*http.Request, error) {
	target := c.base + r.path
	if r.query != "" {
		target += "?" + r.query
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: no request can be made of it", r.method, r.path)
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	// Not application/hal+json: links nobody follows would be half of every answer. The link
	// to the next page comes all the same.
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	cred.authorize(req.Header)
	return req, nil
}

// check turns every answer but a success in JSON into an error.
func check(r request, rep reply, readErr error) error {
	unusable := &AnswerError{Method: r.method, Path: r.path, Status: rep.status}
	switch {
	case rep.status >= 400:
		return refusal(r, rep, readErr) // even without a body that can be read
	case rep.status >= 300:
		unusable.Problem = "redirects are not followed; this one goes to " + whither(r, rep)
	case errors.Is(readErr, errTooLarge):
		unusable.Problem = fmt.Sprintf("larger than %d bytes", maxBody)
	case readErr != nil:
		return transportError(r, readErr, true)
	case rep.status != http.StatusOK && rep.status != http.StatusCreated && rep.status != http.StatusAccepted:
		unusable.Problem = "a status ONTAP does not use"
	case len(bytes.TrimSpace(rep.body)) > 0 && !isJSON(rep.header):
		unusable.Problem = "not JSON by its content type"
	default:
		return nil
	}
	return unusable
}

// whither says where a redirect goes, without a word of the other side's.
func whither(r request, rep reply) string {
	u, err := url.Parse(rep.header.Get("Location"))
	switch {
	case err != nil || rep.header.Get("Location") == "":
		return "no place at all"
	case u.Host == "":
		return "this host"
	case u.Scheme != "https":
		return "a host without TLS"
	default:
		return "a named host"
	}
}

func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (kind == "application/json" || kind == "application/hal+json")
}

// refusal reads ONTAP's error, where there is one.
func refusal(r request, rep reply, readErr error) error {
	e := &Error{Method: r.method, Path: r.path, Status: rep.status, RetryAfter: parseRetryAfter(rep.header)}
	if readErr != nil || !isJSON(rep.header) {
		return e
	}
	body, err := decodeObject(spaced(rep.body))
	if err != nil {
		return e
	}
	said, _ := body["error"].(map[string]any)
	e.Code = safe(text(said["code"]))
	e.Message = safe(mask(text(said["message"]), r.secrets))
	e.Target = safe(mask(text(said["target"]), r.secrets))
	return e
}

func parseRetryAfter(h http.Header) time.Duration {
	s := h.Get("Retry-After")
	if s == "" {
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil {
		return min(time.Duration(max(0, min(n, 1<<20)))*time.Second, maxRetryAfter)
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, min(time.Until(t), maxRetryAfter))
	}
	return 0
}
