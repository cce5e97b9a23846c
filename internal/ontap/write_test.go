package ontap

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A hidden is a secret as the caller has it.
type hidden string

func (h hidden) Expose() []byte             { return []byte(h) }
func (hidden) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

func TestSend(t *testing.T) {
	var got string
	f := &fake{}
	sent := &fake{answer: f.answer}
	sent.answer = func(int, *http.Request) (*http.Response, error) { return answer(201, `{}`)() }
	c := newFake(t, sent)
	c.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		got = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Content-Type") + " " + string(b)
		for _, h := range []string{"Idempotency-Key", "X-Idempotency-Key", "Cookie"} {
			if r.Header.Get(h) != "" {
				t.Errorf("header %s is set", h)
			}
		}
		return says(201, "{\n}"), nil
	})
	body := map[string]any{
		"svm":     map[string]any{"name": "vs1"},
		"servers": []any{map[string]any{"server": "ks1:5696"}},
		"records": []map[string]any{{"password": hidden("pä\"ss")}},
		"names":   []string{"a"},
		"n":       int64(7), "on": true, "gone": nil,
	}
	if _, err := c.Send(t.Context(), "POST", "/api/"+collection, body, nil); err != nil {
		t.Fatal(err)
	}
	want := `POST /api/security/key-managers application/json {"gone":null,"n":7,"names":["a"],"on":true,` +
		`"records":[{"password":"pä\"ss"}],"servers":[{"server":"ks1:5696"}],"svm":{"name":"vs1"}}`
	if got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNotSent(t *testing.T) {
	type ref struct{ s string }
	for _, c := range []struct {
		method, path string
		body         any
		want, why    string
	}{
		{"GET", collection, nil, "GET is no method of a change", "reading has methods of its own"},
		{"PUT\n", collection, nil, `PUT\n is no method of a change`, "ONTAP has none here"},
		{"DELETE", collection + "/", nil, "DELETE: not a path below /api whose segments are escaped", "an empty identity: the collection"},
		{"DELETE", collection + "/..", nil, "DELETE: not a path below /api whose segments are escaped", "its parent"},
		{"DELETE", collection + "?svm.name=*", nil, "DELETE: not a path below /api whose segments are escaped", "every object that matches"},
		{"POST", collection, map[string]any{"a": []any{map[string]any{"b": ref{"x"}}}}, "POST security/key-managers: a: b: a value of type ontap.ref cannot be sent", "a reference where the secret belongs"},
		{"POST", collection, map[string]any{"p": hidden("canary\xff")}, "POST security/key-managers: p: a secret is not UTF-8 and cannot be sent in JSON", "it would be sent as another secret"},
		{"POST", collection, []byte("x"), "POST security/key-managers: a value of type []uint8 cannot be sent", "bytes would go as base64"},
	} {
		f := always(200, `{}`)
		_, err := newFake(t, f).Send(t.Context(), c.method, c.path, c.body, nil)
		if err == nil || err.Error() != c.want || errors.Is(err, ErrOutcomeUnknown) || f.count() != 0 {
			t.Errorf("%s: %v after %d requests, want %s", c.why, err, f.count(), c.want)
		}
	}
}

// A change that got an answer nobody can use may have been made.
func TestUnusableAnswerToAChange(t *testing.T) {
	html := func() (*http.Response, error) {
		r := says(200, "<html>")
		r.Header.Set("Content-Type", "text/html")
		return r, nil
	}
	cut := func() (*http.Response, error) {
		r := says(200, "")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"job":`), broken{}))
		return r, nil
	}
	for _, c := range []struct {
		answer func() (*http.Response, error)
		want   string
		why    string
	}{
		{answer(200, ``), "", "no body"},
		{answer(200, "{\n}"), "", "the documented one"},
		{answer(201, `{"num_records":1,"records":[{}]}`), "", "a record"},
		{answer(200, `[]`), "not an object", "a list"},
		{answer(200, `{"job":`), "not JSON", "cut off"},
		{answer(200, `{"error":{"code":"4"}}`), "an error inside a success", "an error envelope"},
		{answer(202, `{}`), "a job without UUID", "what to wait for"},
		{answer(202, `{"job":{"uuid":7}}`), "a job without UUID", "a number"},
		{answer(202, ``), "a job without UUID", "nothing at all"},
		{answer(206, `{}`), "a status ONTAP does not use", "a part"},
		{answer(299, `{}`), "a status ONTAP does not use", "an unknown success"},
		{answer(304, ``), "redirects are not followed; this one goes to no place at all", "not modified"},
		{html, "not JSON by its content type", "a page for humans"},
		{cut, "connection closed before the end of the answer", "a lost end"},
	} {
		_, err := newFake(t, script(c.answer)).Send(t.Context(), "DELETE", collection+"/x", nil, nil)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.why, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s: %v, want %s and an unknown outcome", c.why, err, c.want)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAnswerID(t *testing.T) {
	for _, c := range []struct{ location, want, why string }{
		{"/api/security/key-managers/1cd8a442", "1cd8a442", "what was created"},
		{"/api/security/key-managers/1cd8a442/", "1cd8a442", "with a slash"},
		{"/api/security/key-managers/u/key-servers/ks1%2Eexample%3A5696", "ks1.example:5696", "escaped"},
		{"/api/security/azure-key-vaults?name=x", "", "a way to find it"},
		{"https://evil/api/x/y", "", "another host"},
		{"/login/x", "", "not the API"},
		{"/api/x/a\tb", "", "control characters"},
		{"/api/x/%zz", "", "no escape"},
		{"", "", "nothing"},
	} {
		a, err := newFake(t, script(answer(201, `{}`, "Location", c.location))).Send(t.Context(), "POST", collection, nil, nil)
		if got := a.ID(); got != c.want || err != nil {
			t.Errorf("Location %q: %q, %v, want %q: %s", c.location, got, err, c.want, c.why)
		}
	}
}

func TestSecretsAreMasked(t *testing.T) {
	body := map[string]any{"passphrase": hidden("canary-1"), "servers": []any{map[string]any{"password": hidden("canary-2")}}, "user": "open"}
	said := `{"error":{"code":"262247","message":"Invalid value canary-1 or canary-2 of open","target":"x.canary-1"}}`
	_, err := newFake(t, always(400, said)).Send(t.Context(), "POST", collection, body, nil)
	want := "POST security/key-managers: Invalid value [secret] or [secret] of open (ONTAP error 262247, HTTP 400)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Target != "x.[secret]" {
		t.Errorf("target of %#v", err)
	}
	_, err = newFake(t, script(answer(202, `{"job":{"uuid":"j"}}`), answer(200, `{"state":"failure","message":"canary-1 is bad","code":7}`))).
		Send(t.Context(), "POST", collection, body, nil)
	want = "POST security/key-managers: job j: [secret] is bad (ONTAP error 7)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
