package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"kmagent/internal/agent"
	"kmagent/internal/apply"
	"kmagent/internal/desired"
	"kmagent/internal/live"
	"kmagent/internal/ontap"
	"kmagent/internal/ontapsim"
	"kmagent/internal/resolve"
	"kmagent/internal/state"
)

// An answer that ends anywhere before its end is an error of that pass. Nothing is planned
// from what was read of it, and nothing of it stays: the next whole answer is as good as ever.
func TestTruncated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := ontapsim.New(ontapsim.Config{})
		loop := newLoop(t, sim)
		if p := loop.Once(t.Context(), agent.Orders{}); p.Failure() != nil || p.Report == nil {
			t.Fatalf("first pass: %v", p.Failure())
		}
		for _, path := range []string{"/api/cluster?*", "/api/cluster/nodes?*", "/api/svm/svms?*", "/api/security/certificates?*", "/api/security/key-managers?*"} {
			cut := 0
			for ; truncate(t, loop, sim, path, cut); cut++ {
			}
			if cut < 50 {
				t.Errorf("%s: only %d places to cut", path, cut)
			}
		}
	})
}

// truncate looks at a cluster whose answers at path are cut after so many bytes. It returns
// false when they are not that long.
func truncate(t *testing.T, loop *agent.Loop, sim *ontapsim.Cluster, path string, cut int) bool {
	t.Helper()
	length := 0
	meter := metered{sim, func(n int64) { length = int(n) }, strings.TrimSuffix(path, "?*")}
	loop.Edges.Reader = live.NewReader("a", newClient(t, meter), 1)
	if p := loop.Look(t.Context(), agent.Orders{}); p.Err != nil || p.Plan.Counts().Pending() {
		t.Fatalf("%s, cut at %d and whole again: %v, %s", path, cut-1, p.Err, p.Plan.Counts())
	}
	if cut >= length {
		return false
	}
	if err := sim.Fault(fmt.Sprintf(`{"method":"GET","path":%q,"times":-1,"action":{"truncate":%d}}`, path, cut)); err != nil {
		t.Fatal(err)
	}
	if p := loop.Once(t.Context(), agent.Orders{}); p.Err == nil || len(p.Plan.Steps) > 0 || p.Report != nil {
		t.Errorf("%s, cut at %d: error %v, %d steps", path, cut, p.Err, len(p.Plan.Steps))
	}
	control(t, sim, http.MethodDelete, "/sim/faults")
	return true
}

// A metered transport tells the length of the answers at a path.
type metered struct {
	http.RoundTripper
	tell func(int64)
	path string
}

func (m metered) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := m.RoundTripper.RoundTrip(r)
	if err == nil && r.URL.Path == m.path {
		m.tell(resp.ContentLength)
	}
	return resp, err
}

func control(t *testing.T, sim *ontapsim.Cluster, method, path string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://a.example.net"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := sim.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}

func newClient(t *testing.T, transport http.RoundTripper) *ontap.Client {
	t.Helper()
	client, err := ontap.New(ontap.Config{
		Endpoint: "https://a.example.net", Transport: transport,
		Credentials: func(context.Context) (ontap.Credential, error) { return ontap.Basic("admin", []byte("netapp1!")) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newLoop returns the loop of a simulated cluster, wired as the commands wire theirs.
func newLoop(t *testing.T, sim *ontapsim.Cluster) *agent.Loop {
	t.Helper()
	text := strings.NewReplacer("$ENDPOINT", "https://a.example.net", "$CA", "/ca.pem", "SERVERS", "[{server: ks1}, {server: ks2}]").Replace(entry)
	want, err := desired.Parse("desired.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(t.TempDir() + "/state")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	book, err := store.Book("a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { book.Close() })
	client := newClient(t, sim)
	runner := &apply.Runner{Writer: client, Secrets: &resolve.Resolver{}, Key: store.Key(), Journal: book}
	return &agent.Loop{Spec: want.Clusters[0], Edges: agent.Edges{
		Reader: live.NewReader("a", client, 1), Actor: actor{runner}, Memory: book,
	}}
}
