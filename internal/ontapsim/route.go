package ontapsim

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A kind is one resource of the API: its path, its field table and what its verbs do. A
// verb that is nil is not supported. The functions are called with the cluster locked.
type kind struct {
	path   string // below /api; {…} stands for a path parameter
	since  version
	id     string // the field that names a record in a path
	fields []field
	flags  map[string]map[string]version // by method: boolean query parameters, and their release

	one    func(c *Cluster, at []string) (record, *apiError)   // of a resource that is a single object
	list   func(c *Cluster, at []string) ([]record, *apiError) // sorted by id
	create func(c *Cluster, w *write) (effect, *apiError)
	change func(c *Cluster, w *write, r record) (effect, *apiError)
	remove func(c *Cluster, w *write, r record) (effect, *apiError)
	act    func(c *Cluster, w *write, r record) (effect, *apiError) // PATCH with ?action=

	guard func(c *Cluster, r record, asked *reading) *apiError // may refuse the GET of one record; nil: never
	reads func(c *Cluster, at []string) *apiError              // may refuse every GET; nil: never

	absent     func(c *Cluster, t target, method string) *apiError         // nil: code 4
	async      func(c *Cluster, method string, flags map[string]bool) bool // nil: never a job
	manyInside bool                                                        // create takes `records` itself

	segments []string
	schema   *node
}

// newKinds is every resource a release has. A new kind is one file and one line here.
func newKinds(v version) []*kind {
	all := []*kind{
		clusterKind(),
		nodeKind(),
		jobKind(),
		svmKind(),
		certificateKind(),
		keyManagerKind(),
		keyServerKind(),
		keyStoreKind(),
		olderKeyStoreKind(),
		authKeyKind(),
		keyIDKind(),
		restoreKind(),
		migrationKind(),
		configsKind(),
		securityKind(),
		metroClusterKind(),
	}
	all = append(all, cloudKinds()...)
	all = slices.DeleteFunc(all, func(k *kind) bool { return v.before(k.since) })
	for _, k := range all {
		k.segments = strings.Split(k.path, "/")
		k.schema = newSchema(k.fields, v)
	}
	return all
}

// A record is one object of a kind.
type record interface {
	id() string
	owner() string // UUID of the SVM it belongs to, "" for the cluster
	hidden() bool  // exists, but no GET returns it
	memo() *memo   // nil: do not keep its text
	object(c *Cluster, expensive bool) object
}

// A request is one call of the API.
type request struct {
	method   string
	path     string // escaped, with /api
	rawQuery string
	header   http.Header
	body     []byte
	peer     *x509.Certificate // the client certificate of the connection, verified
}

func newRequest(r *http.Request, path string, body []byte) *request {
	q := &request{method: r.Method, path: path, rawQuery: r.URL.RawQuery, header: r.Header, body: body}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		q.peer = r.TLS.VerifiedChains[0][0]
	}
	return q
}

// hal tells whether the answer carries links: unless the client asks for plain JSON.
func (q *request) hal() bool {
	accept := strings.Join(q.header.Values("Accept"), ",")
	return strings.Contains(accept, "application/hal+json") || !strings.Contains(accept, "application/json")
}

// A target is what a path names.
type target struct {
	kind *kind
	at   []string // path parameters
	id   string   // of the record; "" for the collection or a single object
}

// collection is the unescaped path of the target's collection, with /api.
func (t target) collection() string {
	at := t.at
	out := "/api"
	for _, s := range t.kind.segments {
		if strings.HasPrefix(s, "{") {
			s, at = escapeID(at[0]), at[1:]
		}
		out += "/" + s
	}
	return out
}

// escapeID writes an identifier as ONTAP writes it in a link: a colon is escaped.
func escapeID(s string) string {
	return strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
}

// split cuts an escaped path below /api into unescaped segments. Dot segments are resolved
// first; one trailing slash is nothing; an empty segment is malformed.
func splitPath(path string) ([]string, bool) {
	rest := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(path, "/api"), "/"), "/")
	if rest == "" {
		return nil, true
	}
	var out []string
	for s := range strings.SplitSeq(rest, "/") {
		switch s {
		case ".":
			continue
		case "..":
			out = out[:max(0, len(out)-1)]
			continue
		}
		s, err := url.PathUnescape(s)
		if err != nil || s == "" {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// route finds what a path names.
func (c *Cluster) route(path string) (target, *apiError) {
	segments, ok := splitPath(path)
	if !ok {
		return target{}, errMalformedURL()
	}
	for _, k := range c.kinds {
		if t, ok := k.matches(segments); ok {
			return t, nil
		}
	}
	return target{}, errNoAPI()
}

func (k *kind) matches(segments []string) (target, bool) {
	extra := len(segments) - len(k.segments)
	if extra < 0 || extra > 1 || extra == 1 && (k.one != nil || k.list == nil) {
		return target{}, false
	}
	t := target{kind: k}
	for i, s := range k.segments {
		switch {
		case strings.HasPrefix(s, "{"):
			t.at = append(t.at, segments[i])
		case s != segments[i]:
			return target{}, false
		}
	}
	if extra == 1 {
		t.id = segments[len(segments)-1]
	}
	return t, true
}

// methods are the verbs a target supports, for the Allow header.
func (t target) methods() []string {
	k := t.kind
	instance := t.id != ""
	out := []string{http.MethodOptions}
	if k.list != nil || k.one != nil {
		out = append(out, http.MethodGet, http.MethodHead)
	}
	if k.create != nil && !instance {
		out = append(out, http.MethodPost)
	}
	if k.change != nil || k.act != nil && instance {
		out = append(out, http.MethodPatch)
	}
	if k.remove != nil {
		out = append(out, http.MethodDelete)
	}
	return out
}

// api answers a call. Its error is the end of the context.
func (c *Cluster) api(ctx context.Context, q *request) (answer, error) {
	c.mu.Lock()
	a, pending := c.dispatch(q)
	c.mu.Unlock()
	if pending != nil {
		return c.await(ctx, q, pending)
	}
	return a, nil
}

// dispatch checks who calls and what, and lets the verb answer. A job that the client
// wants to wait for comes back as pending instead.
func (c *Cluster) dispatch(q *request) (answer, *pending) {
	c.settle()
	if err := c.authenticate(q); err != nil {
		return q.fail(err), nil
	}
	t, err := c.route(q.path)
	if err != nil {
		return q.fail(err), nil
	}
	if err := c.authorize(q.method, q.path); err != nil {
		return q.fail(err), nil
	}
	if !slices.Contains(t.methods(), q.method) {
		a := q.fail(errMethod(q.method))
		a.header.Set("Allow", strings.Join(t.methods(), ", "))
		return a, nil
	}
	query, bad := url.ParseQuery(q.rawQuery)
	if bad != nil {
		return q.fail(errMalformedURL()), nil
	}
	tunnel, err := c.tunnel(q.header)
	if err != nil {
		return q.fail(err), nil
	}
	switch q.method {
	case http.MethodOptions:
		a := q.answer(http.StatusOK, object{})
		a.header.Set("Allow", strings.Join(t.methods(), ", "))
		return a, nil
	case http.MethodGet, http.MethodHead:
		return c.get(q, t, query, tunnel), nil
	}
	return c.write(q, t, query, tunnel)
}

// tunnel is the SVM that the X-Dot-SVM headers confine a call to; nil for none.
func (c *Cluster) tunnel(h http.Header) (*svm, *apiError) {
	name, uuid := h.Get("X-Dot-SVM-Name"), h.Get("X-Dot-SVM-UUID")
	if name == "" && uuid == "" {
		return nil, nil
	}
	return c.svmNamed(name, uuid)
}

// emptyBody is how ONTAP writes an answer without content.
var emptyBody = []byte("{\n}")

// answer makes a response with ONTAP's headers.
func (q *request) answer(status int, body object) answer {
	text := emptyBody
	if len(body) > 0 {
		text = append(appendJSON(nil, body), '\n')
	}
	return q.raw(status, text)
}

func (q *request) raw(status int, text []byte) answer {
	a := newAnswer(status, text)
	a.header.Set("Server", "libzapid-httpd")
	a.header.Set("X-Content-Type-Options", "nosniff")
	a.header.Set("Cache-Control", "no-cache,no-store,must-revalidate")
	a.header.Set("Content-Type", "application/json")
	if q.hal() {
		a.header.Set("Content-Type", "application/hal+json")
	}
	return a
}

func (q *request) fail(err *apiError) answer { return q.answer(err.status, err.body()) }

// link is a _links object with a self link.
func link(href string) object { return object{{"self", object{{"href", href}}}} }
