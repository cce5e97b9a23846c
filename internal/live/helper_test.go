package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"kmagent/internal/ontap"
	"kmagent/internal/ontapsim"
	"kmagent/internal/resource"
)

// A cluster is a Getter that answers what it was given, and says unchanged where that is so.
type cluster struct {
	mu    sync.Mutex
	self  string
	ones  map[string]string   // other single objects, by path
	lists map[string][]string // records, by path
	errs  map[string]error    // by path
	calls []string            // "path?query", in the order of arrival
	last  map[string][]json.RawMessage
	panic string // the path whose reading panics
}

// plain is a cluster of one node with an SVM, two certificates and no key manager.
func plain() *cluster {
	return &cluster{
		self: `{"name":"c1","uuid":"u-1","version":{"generation":9,"major":16,"minor":1}}`,
		lists: map[string][]string{
			"cluster/nodes":         {node("node1", "9.16.1")},
			"svm/svms":              {`{"uuid":"s-1","name":"vs1","state":"running"}`},
			"security/certificates": {`{"uuid":"c-1","scope":"cluster","name":"kmip-client","type":"client"}`},
		},
		last: map[string][]json.RawMessage{},
	}
}

func node(name, version string) string {
	v := strings.Split(version, ".")
	return fmt.Sprintf(`{"uuid":"n-%s","name":%q,"state":"up","membership":"member","version":{"generation":%s,"major":%s,"minor":%s}}`, name, name, v[0], v[1], v[2])
}

// external is a record of an external key manager of vs1; servers is a JSON array.
func external(servers string) string {
	return fmt.Sprintf(`{"uuid":"k-1","scope":"svm","svm":{"name":"vs1"},"external":{"client_certificate":{"uuid":"c-1","name":"kmip-client"},"server_ca_certificates":[{"uuid":"c-2"}],"servers":%s}}`, servers)
}

func (c *cluster) with(managers ...string) *cluster {
	c.lists["security/key-managers"] = managers
	return c
}

func (c *cluster) note(path string, query url.Values) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, path+"?"+query.Encode())
	if c.panic == path {
		panic("a bug, with a secret in it")
	}
	return c.errs[path]
}

func (c *cluster) Get(_ context.Context, path string, query url.Values) (json.RawMessage, error) {
	if err := c.note(path, query); err != nil {
		return nil, err
	}
	if one, ok := c.ones[path]; ok {
		return json.RawMessage(one), nil
	}
	return json.RawMessage(c.self), nil
}

func (c *cluster) List(_ context.Context, path string, query url.Values, identity string) ([]json.RawMessage, bool, error) {
	if err := c.note(path, query); err != nil {
		return nil, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	records := make([]json.RawMessage, len(c.lists[path]))
	for i, s := range c.lists[path] {
		records[i] = json.RawMessage(s)
	}
	key := path + "?" + query.Encode() + "#" + identity
	if last, ok := c.last[key]; ok && slices.EqualFunc(last, records, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
		return last, true, nil
	}
	c.last[key] = records
	return records, false, nil
}

// asked returns the calls since the last time, sorted, as paths.
func (c *cluster) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var paths []string
	for _, call := range c.calls {
		path, _, _ := strings.Cut(call, "?")
		paths = append(paths, path)
	}
	c.calls = nil
	slices.Sort(paths)
	return paths
}

func read(t testing.TB, r *Reader, health bool, wanted ...*resource.Object) *resource.Cluster {
	t.Helper()
	c, err := r.Read(t.Context(), health, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func managerAt(svm string) resource.Addr {
	return resource.Addr{Cluster: "c1", Kind: "key_manager", SVM: svm}
}

// A wire is a transport that counts GETs and may cut answers short.
type wire struct {
	http.RoundTripper
	mu   sync.Mutex
	gets int
	cut  func(path string, body []byte) []byte // nil: as it is
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.gets++
	cut := w.cut
	w.mu.Unlock()
	if cut != nil {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		body = cut(r.URL.Path, body)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
	}
	return resp, nil
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.gets
	w.gets = 0
	return n
}

// simulated returns a real client of a simulated cluster, and the wire between them.
func simulated(t testing.TB, sim http.RoundTripper) (*ontap.Client, *wire) {
	t.Helper()
	w := &wire{RoundTripper: sim}
	cred, err := ontap.Basic("admin", []byte("netapp1!"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := ontap.New(ontap.Config{Endpoint: "https://c1", Transport: w,
		Credentials: func(context.Context) (ontap.Credential, error) { return cred, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return client, w
}

// simulation is a cluster of that release with so many key managers.
func simulation(t testing.TB, release string, managers int) *ontapsim.Cluster {
	t.Helper()
	cfg := ontapsim.Config{Name: "c1", ONTAP: release, Managers: managers}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return ontapsim.New(cfg)
}
