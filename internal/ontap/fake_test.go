package ontap

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A fake is a cluster without a network, so that fake time can jump.
type fake struct {
	mu       sync.Mutex
	requests []string // method, path and query
	answer   func(n int, r *http.Request) (*http.Response, error)
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	f.mu.Lock()
	n := len(f.requests)
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	f.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return f.answer(n, r)
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// says makes an answer in JSON.
func says(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body))}
}

// always answers the same.
func always(status int, body string) *fake {
	return &fake{answer: func(int, *http.Request) (*http.Response, error) { return says(status, body), nil }}
}

// script gives one answer after another, and the last for ever.
func script(answers ...func() (*http.Response, error)) *fake {
	return &fake{answer: func(n int, _ *http.Request) (*http.Response, error) {
		return answers[min(n, len(answers)-1)]()
	}}
}

func answer(status int, body string, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		r := says(status, body)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r, nil
	}
}

func fails(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

func password(t testing.TB, p string) Credential {
	t.Helper()
	c, err := Basic("admin", []byte(p))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newFake returns a client of a fake, with a password that does not change.
func newFake(t testing.TB, f *fake) *Client {
	t.Helper()
	cred := password(t, "pass-word")
	c, err := New(Config{Endpoint: "https://cluster", Transport: f,
		Credentials: func(context.Context) (Credential, error) { return cred, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
