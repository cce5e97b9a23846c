package ontap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A keeper gives the credential that it holds.
type keeper struct {
	mu    sync.Mutex
	cred  Credential
	asked int
	then  func(asked int) (Credential, error) // if set
}

func (k *keeper) ask(context.Context) (Credential, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked++; k.then != nil {
		return k.then(k.asked)
	}
	return k.cred, nil
}

func (k *keeper) set(c Credential) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cred = c
}

// accepts is a cluster that takes one password.
func accepts(password string) *fake {
	return &fake{answer: func(_ int, r *http.Request) (*http.Response, error) {
		if _, p, _ := r.BasicAuth(); p != password {
			return says(401, `{"error":{"code":"6691623","message":"User is not authorized"}}`), nil
		}
		return says(200, `{"uuid":"a"}`), nil
	}}
}

func gated(t *testing.T, f *fake, k *keeper) *Client {
	t.Helper()
	c, err := New(Config{Endpoint: "https://cluster", Transport: f, Credentials: k.ask})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRefusedCredentialsAreNotRepeated(t *testing.T) {
	f, k := accepts("right"), &keeper{cred: password(t, "wrong")}
	c := gated(t, f, k)
	_, err := c.Get(t.Context(), "cluster", nil)
	if want := "GET cluster: the cluster refused the credentials (HTTP 401)"; err == nil || err.Error() != want || !errors.Is(err, ErrAuth) {
		t.Errorf("got %v, want %s", err, want)
	}
	for range 10 {
		_, err := c.Send(t.Context(), "POST", collection, nil, nil)
		want := "POST security/key-managers: not sent: the cluster refused these credentials before"
		if err == nil || err.Error() != want || !errors.Is(err, ErrAuth) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if f.count() != 1 {
		t.Fatalf("%d requests with a refused password", f.count())
	}
	c.ResetCredentials()
	if _, err := c.Get(t.Context(), "cluster", nil); !errors.Is(err, ErrAuth) || f.count() != 2 {
		t.Errorf("after a reset: %v, %d requests", err, f.count())
	}
	k.set(password(t, "right"))
	if _, err := c.Get(t.Context(), "cluster", nil); err != nil || f.count() != 3 {
		t.Errorf("with another password: %v, %d requests", err, f.count())
	}
}

// Who goes back to the old password, and then again to the new one, has set it meanwhile.
func TestRefusedCredentialsComeBack(t *testing.T) {
	old, new := password(t, "old"), password(t, "new")
	k := &keeper{}
	taken := "old"
	f := &fake{answer: func(n int, r *http.Request) (*http.Response, error) { return accepts(taken).answer(n, r) }}
	c := gated(t, f, k)
	for _, s := range []struct {
		cred  Credential
		taken string
		ok    bool
		count int
	}{
		{old, "old", true, 1},
		{new, "old", false, 2},
		{new, "old", false, 2},
		{old, "old", true, 3},
		{new, "new", true, 4},
		{old, "new", false, 5},
		{new, "new", true, 6},
	} {
		k.set(s.cred)
		taken = s.taken
		if _, err := c.Get(t.Context(), "cluster", nil); (err == nil) != s.ok || f.count() != s.count {
			t.Errorf("%v after %d requests, want %d", err, f.count(), s.count)
		}
	}
}

func TestRefusalByCode(t *testing.T) {
	f := always(400, `{"error":{"code":"6691623","message":"User is not authorized"}}`)
	c := newFake(t, f)
	for range 3 {
		if _, err := c.Get(t.Context(), "cluster", nil); !errors.Is(err, ErrAuth) {
			t.Errorf("%v is not ErrAuth", err)
		}
	}
	if f.count() != 1 {
		t.Errorf("%d requests", f.count())
	}
}

func TestRotatedWhileRefused(t *testing.T) {
	right, wrong, worse := password(t, "right"), password(t, "wrong"), password(t, "worse")
	for _, c := range []struct {
		then  []Credential // what the first, second, … call gets
		ok    bool
		count int
		why   string
	}{
		{[]Credential{wrong, right}, true, 2, "rotated between asking and sending: the request, which had no effect, goes again"},
		{[]Credential{wrong, worse, right}, false, 2, "twice is enough for one request"},
		{[]Credential{wrong, wrong, right}, false, 1, "asked again at once, not later"},
	} {
		f := accepts("right")
		k := &keeper{then: func(n int) (Credential, error) { return c.then[min(n, len(c.then))-1], nil }}
		_, err := gated(t, f, k).Send(t.Context(), "POST", collection, map[string]any{"a": "b"}, nil)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrAuth) || f.count() != c.count {
			t.Errorf("%s: %v after %d requests", c.why, err, f.count())
		}
	}
}

// A wrong password costs one failed login, however many requests are waiting.
func TestFirstRequestGoesAlone(t *testing.T) {
	for _, c := range []struct {
		given string
		count int
	}{{"wrong", 1}, {"right", 20}} {
		synctest.Test(t, func(t *testing.T) {
			f := accepts("right")
			inner := f.answer
			f.answer = func(n int, r *http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				return inner(n, r)
			}
			cl := gated(t, f, &keeper{cred: password(t, c.given)})
			start := time.Now()
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if _, err := cl.Get(t.Context(), "cluster", nil); errors.Is(err, ErrAuth) != (c.given == "wrong") {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if f.count() != c.count || time.Since(start) > 2*time.Second {
				t.Errorf("%s: %d requests in %s", c.given, f.count(), time.Since(start))
			}
		})
	}
}

// A first request that says nothing of the credentials lets the next one try.
func TestNoVerdict(t *testing.T) {
	f := script(fails(errors.New("x")), answer(503, "", "Retry-After", "60"), answer(302, ""), answer(403, "<html>"), answer(401, ""), answer(401, ""))
	c := newFake(t, f)
	for range 8 {
		c.Get(t.Context(), "cluster", nil)
	}
	if f.count() != 5 {
		t.Errorf("%d requests", f.count())
	}
}

func TestCanceledWhileWaitingForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		c := newFake(t, f)
		go c.Get(t.Context(), "cluster", nil)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Send(ctx, "POST", collection, nil, nil)
		if e, ok := errors.AsType[*TransportError](err); !ok || e.Reason != Timeout || errors.Is(err, ErrOutcomeUnknown) || f.count() != 1 {
			t.Errorf("%v after %d requests", err, f.count())
		}
	})
}

func TestNoCredentials(t *testing.T) {
	gone := errors.New("cred:prod-a: does not exist")
	f := always(200, `{"uuid":"a"}`)
	k := &keeper{then: func(int) (Credential, error) { return Credential{}, gone }}
	_, err := gated(t, f, k).Get(t.Context(), "cluster", nil)
	if want := "GET cluster: obtain credentials: cred:prod-a: does not exist"; err == nil || err.Error() != want || !errors.Is(err, gone) {
		t.Errorf("got %v, want %s", err, want)
	}
	k.then = func(int) (Credential, error) { return Credential{}, nil }
	if _, err := gated(t, f, k).Get(t.Context(), "cluster", nil); err == nil {
		t.Error("the zero credential was sent")
	}
	if f.count() != 0 {
		t.Errorf("%d requests", f.count())
	}
	if _, err := New(Config{Endpoint: "https://cluster"}); err == nil {
		t.Error("a client without credentials")
	}
}

func TestCredentials(t *testing.T) {
	make := func(c Credential, err error) string {
		if err != nil {
			return err.Error()
		}
		return c.expose().authorization
	}
	for _, c := range []struct{ got, want, why string }{
		{make(Basic("admin", []byte("pä:ss"))), "Basic YWRtaW46cMOkOnNz", "a colon may be in the password"},
		{make(Basic("a:b", []byte("canary"))), "basic credentials: need a user without a colon and a password", "and not in the user"},
		{make(Basic("", []byte("canary"))), "basic credentials: need a user without a colon and a password", "no user"},
		{make(Basic("a", nil)), "basic credentials: need a user without a colon and a password", "no password"},
		{make(Bearer([]byte("a.b-c"))), "Bearer a.b-c", "a token"},
		{make(Bearer([]byte("a\r\nX: y"))), "bearer token: must be printable ASCII without spaces", "a header of its own"},
		{make(Bearer(nil)), "bearer token: empty", "no token"},
		{make(ClientCertificate([]byte("canary"), []byte("canary"))), "client certificate: not a certificate and its key in PEM", "no PEM"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.why, c.got, c.want)
		}
	}
}

func TestCredentialCannotBePrinted(t *testing.T) {
	c := password(t, "canary-7")
	p := pass{credential: c.expose()}
	var text string
	for _, x := range []any{c, &c, struct{ c Credential }{c}, []Credential{c}} {
		text += fmt.Sprintf("%v %+v %#v", x, x, x)
	}
	if sum := fmt.Sprintf("%x", p.sum); strings.Contains(text, "canary") || strings.Contains(text, sum[:16]) || strings.Contains(text, "Basic") {
		t.Errorf("printed: %s", text)
	}
}
