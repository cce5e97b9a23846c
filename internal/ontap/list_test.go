package ontap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const collection = "security/key-managers"

func list(t testing.TB, c *Client) (string, bool, error) {
	records, unchanged, err := c.List(t.Context(), collection, url.Values{"fields": {"uuid"}}, "uuid")
	var text []string
	for _, r := range records {
		text = append(text, string(r))
	}
	return strings.Join(text, " "), unchanged, err
}

// Anything but a whole and plausible collection is an error: that it had no records would be
// the most dangerous thing to conclude.
func TestImplausiblePage(t *testing.T) {
	const prefix = "GET security/key-managers: unusable answer (HTTP 200): "
	for _, c := range []struct{ body, want, why string }{
		{``, "not an object", "no body"},
		{`null`, "not an object", "null"},
		{`[]`, "not an object", "a list"},
		{`"records"`, "not an object", "a string"},
		{`{}`, "no records, and it is not said that there are none", "an empty object"},
		{`{"records":null}`, "records is not a list", "null is no list"},
		{`{"records":null,"num_records":0}`, "records is not a list", "not even with a count"},
		{`{"records":null,"num_records":3}`, "records is not a list", "least of all with this one"},
		{`{"records":{}}`, "records is not a list", "nor is an object"},
		{`{"num_records":3}`, "no records, and it is not said that there are none", "where are the three"},
		{`{"RECORDS":[],"num_records":1}`, "no records, and it is not said that there are none", "case counts"},
		{`{"records":[{"uuid":"a"}],"num_records":2}`, "1 records where num_records says 2", "one is missing"},
		{`{"records":[],"num_records":1}`, "0 records where num_records says 1", "so is this one"},
		{`{"records":[],"num_records":-1}`, "num_records is not a count", "negative"},
		{`{"records":[],"num_records":"0"}`, "num_records is not a count", "a string"},
		{`{"records":[],"num_records":0.0}`, "num_records is not a count", "a fraction"},
		{`{"records":[],"records":[{"uuid":"a"}]}`, "records is given twice", "which one"},
		{`{"records":[],"num_records":0,"num_records":0}`, "num_records is given twice", "even if equal"},
		{`{"records":[],"rec\u006frds":[]}`, "records is given twice", "an escape hides nothing"},
		{`{"records":[1]}`, "a record is not an object", "a number"},
		{`{"records":[null]}`, "a record is not an object", "null"},
		{`{"records":[{}]}`, "a record without uuid", "no identity"},
		{`{"records":[{"uuid":""}]}`, "a record without uuid", "an empty one"},
		{`{"records":[{"uuid":null}]}`, "a record without uuid", "null"},
		{`{"records":[{"uuid":7}]}`, "a record without uuid", "a number"},
		{`{"records":[{"UUID":"a"}]}`, "a record without uuid", "case counts"},
		{`{"records":[{"x":{"uuid":"a"}}]}`, "a record without uuid", "at another place"},
		{`{"records":[{"uuid":"a","uuid":"b"}]}`, "a record with two of uuid", "two identities"},
		{`{"records":[{"uuid":"a"}],"error":{"code":"4"}}`, "an error inside a success", "an error envelope"},
		{`{"error":null,"records":[]}`, "an error inside a success", "even an empty one"},
		{`{"records":[]} {}`, "not JSON", "a second value"},
		{`{"records":[]}x`, "not JSON", "something after the end"},
		{`{"records":[` + strings.Repeat("[", 100), "a record is not an object", "a deep hole"},
		{`{"records":[],"x":` + strings.Repeat("[", 100), errDeep.Error(), "a deep hole elsewhere"},
		{`<html>`, "not an object", "a page for humans"},
		{`{"records":[],"_links":[]}`, "not JSON", "links that are a list"},
		{`{"records":[],"_links":{"next":null}}`, "the link to the next page is not an object", "a link to nowhere"},
		{`{"records":[],"_links":{"next":{}}}`, "the link to the next page leads elsewhere", "without address"},
		{`{"records":[],"_links":{"next":{"href":"/api/cluster?x=y"}}}`, "the link to the next page leads elsewhere", "another collection"},
		{`{"records":[],"_links":{"next":{"href":"https://evil/api/security/key-managers?x=y"}}}`, "the link to the next page leads elsewhere", "another host"},
		{`{"records":[],"_links":{"next":{"href":"//evil/api/security/key-managers?x=y"}}}`, "the link to the next page leads elsewhere", "another host, without scheme"},
		{`{"records":[],"_links":{"next":{"href":"/api/security/key-managers/../key-managers?x=y"}}}`, "the link to the next page leads elsewhere", "dot segments"},
		{`{"records":[],"_links":{"next":{"href":"/api/security/key-managers"}}}`, "the link to the next page leads elsewhere", "the first page for ever"},
		{`{"records":[],"_links":{"next":{"href":"/api/security/key-managers?a b"}}}`, "the link to the next page leads elsewhere", "a second line in the request"},
		{`{"records":[],"_links":{"next":{"href":"/api/security/key-managers?a\r\nb"}}}`, "the link to the next page leads elsewhere", "a second header"},
		{`{"records":[],"_links":{"next":{"href":"/api/security/key-managers?` + strings.Repeat("x", maxLink) + `"}}}`, "the link to the next page leads elsewhere", "too long"},
		{`{"records":[],"_links":{"next":{"href":"/api/security/key-managers?fields=uuid"}}}`, "its pages have no end", "the page itself"},
		{`{"records":[{"uuid":"a"},{"uuid":"a"}]}`, "the collection changed while it was read", "one record twice"},
	} {
		got, _, err := list(t, newFake(t, always(200, c.body)))
		if got != "" || err == nil || err.Error() != prefix+c.want {
			t.Errorf("%.80s\n got %q, %v\nwant %s: %s", c.body, got, err, c.want, c.why)
		}
		if errors.Is(err, ErrInconsistent) != (c.want == ErrInconsistent.Error()) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%.80s: wrong class of %v", c.body, err)
		}
	}
}

func TestPlausiblePage(t *testing.T) {
	for _, c := range []struct{ body, want, why string }{
		{`{"records":[],"num_records":0}`, "", "nothing there, and said so"},
		{`{"num_records":0}`, "", "ONTAP leaves empty lists out"},
		{`{"records":[]}`, "", "the list says it"},
		{` {"x":[1,{"records":7}],"records": [ {"uuid":"a" , "b":[{}]} ]} ` + "\n", `{"uuid":"a" , "b":[{}]}`, "white space and other members"},
		{`{"records":[{"UUID":"x","uuid":"a"},{"uuid":"b"}],"num_records":2,"_links":{"self":{"href":"/api/x"}}}`,
			`{"UUID":"x","uuid":"a"} {"uuid":"b"}`, "in order"},
	} {
		got, unchanged, err := list(t, newFake(t, always(200, c.body)))
		if got != c.want || unchanged || err != nil {
			t.Errorf("%s\n got %q, %t, %v\nwant %q: %s", c.body, got, unchanged, err, c.want, c.why)
		}
	}
}

func TestNestedIdentity(t *testing.T) {
	for _, c := range []struct {
		body string
		ok   bool
	}{
		{`{"records":[{"node":{"uuid":"a"}},{"node":{"uuid":"b"}}]}`, true},
		{`{"records":[{"node":"a"}]}`, false},
		{`{"records":[{"node":{"name":"a"}}]}`, false},
		{`{"records":[{"node":{"uuid":{"uuid":"a"}}}]}`, false},
		{`{"records":[{"node.uuid":"a"}]}`, false},
	} {
		_, _, err := newFake(t, always(200, c.body)).List(t.Context(), collection, nil, "node.uuid")
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.body, err)
		}
	}
}

// next is a page that has another after it.
func next(records, query string) string {
	return fmt.Sprintf(`{"records":[%s],"_links":{"next":{"href":"/api/%s?%s"}}}`, records, collection, query)
}

func TestPages(t *testing.T) {
	f := script(
		answer(200, next(`{"uuid":"a"}`, `start.uuid=a%7Cb&fields=uuid`)),
		answer(200, next(``, `start.uuid=b`)), // ONTAP's time was up
		answer(200, `{"records":[{"uuid":"b"}],"num_records":1}`))
	got, _, err := list(t, newFake(t, f))
	if want := `{"uuid":"a"} {"uuid":"b"}`; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	want := []string{
		"GET /api/security/key-managers?fields=uuid",
		"GET /api/security/key-managers?start.uuid=a%7Cb&fields=uuid",
		"GET /api/security/key-managers?start.uuid=b",
	}
	if diff := cmp.Diff(want, f.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestPagesThatGoWrong(t *testing.T) {
	for _, c := range []struct {
		answers []func() (*http.Response, error)
		want    string
		why     string
	}{
		{[]func() (*http.Response, error){answer(200, next(`{"uuid":"a"}`, "p=2")), answer(200, `{"records":[{"uuid":"a"}]}`)},
			"the collection changed while it was read", "a record moved between pages"},
		{[]func() (*http.Response, error){answer(200, next(`{"uuid":"a"}`, "p=2")), answer(200, next(`{"uuid":"b"}`, "p=3")), answer(200, next(`{"uuid":"c"}`, "p=2"))},
			"its pages have no end", "round and round"},
		{[]func() (*http.Response, error){answer(200, next(`{"uuid":"a"}`, "p=2")), answer(200, `{}`)},
			"no records, and it is not said that there are none", "half of it is not the whole"},
	} {
		got, _, err := list(t, newFake(t, script(c.answers...)))
		e, ok := errors.AsType[*AnswerError](err)
		if got != "" || !ok || e.Problem != c.want {
			t.Errorf("got %q, %v, want %s: %s", got, err, c.want, c.why)
		}
	}
}

func TestPagesWithoutEnd(t *testing.T) {
	f := &fake{answer: func(n int, _ *http.Request) (*http.Response, error) {
		return says(200, next("", fmt.Sprint("p=", n))), nil
	}}
	_, _, err := list(t, newFake(t, f))
	if e, ok := errors.AsType[*AnswerError](err); !ok || e.Problem != "its pages have no end" || f.count() != maxPages {
		t.Errorf("%v after %d requests", err, f.count())
	}
}

func TestTooManyRecords(t *testing.T) {
	var page strings.Builder
	for i := range maxRecords/2 + 1 {
		fmt.Fprintf(&page, `,{"uuid":"%%d-%d"}`, i)
	}
	records := func(p int) string { return strings.ReplaceAll(page.String()[1:], "%d", fmt.Sprint(p)) }
	_, _, err := list(t, newFake(t, script(answer(200, next(records(1), "p=2")), answer(200, `{"records":[`+records(2)+`]}`))))
	if e, ok := errors.AsType[*AnswerError](err); !ok || e.Problem != "more than 100000 records" {
		t.Errorf("over two pages: %v", err)
	}
	_, _, err = list(t, newFake(t, always(200, `{"records":[`+records(1)+","+records(2)+`]}`)))
	if e, ok := errors.AsType[*AnswerError](err); !ok || e.Problem != "more than 100000 records" {
		t.Errorf("on one page: %v", err)
	}
}

func TestUnchanged(t *testing.T) {
	first, second := next(`{"uuid":"a"}`, "p=2"), `{"records":[{"uuid":"b","n":1}]}`
	bodies := map[string]string{"fields=uuid": first, "p=2": second}
	f := &fake{answer: func(_ int, r *http.Request) (*http.Response, error) { return says(200, bodies[r.URL.RawQuery]), nil }}
	c := newFake(t, f)
	read := func() ([]json.RawMessage, bool) {
		t.Helper()
		r, unchanged, err := c.List(t.Context(), collection, url.Values{"fields": {"uuid"}}, "uuid")
		if err != nil {
			t.Fatal(err)
		}
		return r, unchanged
	}
	one, unchanged := read()
	if unchanged {
		t.Error("the first answer is unchanged")
	}
	two, unchanged := read()
	if !unchanged || &two[0] != &one[0] {
		t.Error("the second answer is not the first")
	}
	for _, c := range []struct{ query, body, why string }{
		{"p=2", `{"records":[{"uuid":"b","n":2}]}`, "a byte differs"},
		{"p=2", `{"records":[{"uuid":"b","n":2}]} `, "longer by a byte that says nothing"},
		{"p=2", `{"records":[{"uuid":"b","n":2}]}`, "shorter by it"},
		{"fields=uuid", `{"records":[{"uuid":"a"}]}`, "a page less"},
		{"fields=uuid", first, "a page more"},
	} {
		bodies[c.query] = c.body
		if _, unchanged := read(); unchanged {
			t.Errorf("unchanged: %s", c.why)
		}
		if _, unchanged := read(); !unchanged {
			t.Errorf("changed the second time: %s", c.why)
		}
	}
	bodies["p=2"] = `{}`
	if _, _, err := c.List(t.Context(), collection, url.Values{"fields": {"uuid"}}, "uuid"); err == nil {
		t.Error("no error")
	}
	bodies["p=2"] = `{"records":[{"uuid":"b","n":2}]}`
	if _, unchanged := read(); !unchanged {
		t.Error("an answer that could not be used replaced the one before it")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	f := always(200, `{"records":[{"uuid":"a"}]}`)
	c := newFake(t, f)
	for i := range 3 * maxKept {
		c.List(t.Context(), collection, url.Values{"q": {fmt.Sprint(i)}}, "uuid")
		c.List(t.Context(), collection, url.Values{"q": {"often"}}, "uuid")
	}
	if n := len(c.memory.known); n != maxKept {
		t.Errorf("%d collections are kept", n)
	}
	if _, unchanged, _ := c.List(t.Context(), collection, url.Values{"q": {"often"}}, "uuid"); !unchanged {
		t.Error("what was asked for last was forgotten")
	}
	for i := range 10 {
		c.memory.keep(fmt.Sprint(i), listing{pages: []*page{{body: make([]byte, maxKeptBytes/4)}}})
	}
	if n := c.memory.size(); n > maxKeptBytes {
		t.Errorf("%d bytes are kept", n)
	}
}

func TestGet(t *testing.T) {
	for _, c := range []struct{ body, want, why string }{
		{`{"uuid":"a","version":{"full":"x"}}`, "", "an object"},
		{`{}`, "an empty object", "says nothing"},
		{``, "not an object", "no body"},
		{`null`, "not an object", "null"},
		{`[{}]`, "not an object", "a list"},
		{`{"uuid":"a"}{}`, "not JSON", "two"},
		{`{"error":{"code":"4"}}`, "an error inside a success", "an error envelope"},
	} {
		got, err := newFake(t, always(200, c.body)).Get(t.Context(), "cluster", nil)
		e, _ := errors.AsType[*AnswerError](err)
		switch {
		case c.want == "" && (err != nil || string(got) != c.body):
			t.Errorf("%s: %s, %v: %s", c.body, got, err, c.why)
		case c.want != "" && (e == nil || e.Problem != c.want || got != nil):
			t.Errorf("%s: %s, %v, want %s: %s", c.body, got, err, c.want, c.why)
		}
	}
}

// However an answer is cut, or whatever it is: an error, or all of it.
func FuzzList(f *testing.F) {
	whole := `{"records":[{"uuid":"a","svm":{"name":"x"}},{"uuid":"b"}],"num_records":2,"_links":{"self":{"href":"/api/x"}}}`
	for i := range len(whole) + 1 {
		f.Add(200, "application/json", whole[:i])
	}
	f.Add(200, "text/html", whole)
	f.Add(200, "application/hal+json; charset=utf-8", `{"num_records":0}`)
	f.Add(404, "application/json", `{"error":{"message":"entry doesn't exist","code":"4"}}`)
	f.Add(302, "", "")
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		if status < 100 || status > 999 || status == 429 || status == 503 {
			return // the last two only take time
		}
		answers := &fake{answer: func(int, *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}, nil
		}}
		records, unchanged, err := newFake(t, answers).List(t.Context(), collection, nil, "uuid")
		if err != nil {
			if records != nil || unchanged {
				t.Errorf("records beside %v", err)
			}
			if len(err.Error()) > 1024 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("text %q", err)
			}
			return
		}
		var members map[string]json.RawMessage // encoding/json matches fields regardless of case
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatalf("%q was taken: %v", body, err)
		}
		var want []map[string]any
		if err := json.Unmarshal(members["records"], &want); members["records"] != nil && err != nil {
			t.Fatalf("%q was taken: %v", body, err)
		}
		count := string(bytes.TrimSpace(members["num_records"]))
		said := count == fmt.Sprint(len(records)) || count == "" && members["records"] != nil || count == "-0" && len(records) == 0
		if status < 200 || status > 202 || len(records) != len(want) || !said || members["error"] != nil {
			t.Errorf("HTTP %d, %q became %d records", status, body, len(records))
		}
		for i, r := range records {
			var rec map[string]any
			if json.Unmarshal(r, &rec) != nil || !cmp.Equal(rec, want[i]) || rec["uuid"] == "" {
				t.Errorf("record %d is %s", i, r)
			}
		}
	})
}
