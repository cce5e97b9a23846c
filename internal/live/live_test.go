package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/ontap"
	"kmagent/internal/resource"
)

func TestRead(t *testing.T) {
	for _, release := range []string{"9.8.1", "9.12.1", "9.13.1", "9.16.1", "9.18.1"} {
		t.Run(release, func(t *testing.T) {
			sim := simulation(t, release, 1)
			if err := sim.Set(`{"key_servers":{"ks2.example.net":{"node2":"not_responding"}}}`); err != nil {
				t.Fatal(err)
			}
			client, _ := simulated(t, sim)
			r := NewReader("prod", client, 4)
			got := read(t, r, true)
			if got.Name != "c1" || got.Version.String() != release || len(got.Nodes) != 2 || got.SVMs["svm1"].UUID == "" {
				t.Errorf("the cluster is %q of %s with nodes %v and SVMs %v", got.Name, got.Version, got.Nodes, got.SVMs)
			}
			o := got.Objects[resource.Addr{Cluster: "prod", Kind: "key_manager", SVM: "km00001"}]
			if o == nil || len(o.Children) != 2 {
				t.Fatalf("the key manager is not there with two servers: %v", got.Objects)
			}
			for _, c := range o.Children {
				// Before 9.13, of the nodes that are not listed nothing may be known.
				bad := got.Unavailable(c.Value("connectivity").NodeStates())
				down := slices.Contains(bad, resource.NodeState{Node: "node2", State: "not_responding"})
				if second := c.Addr.Name == "ks2.example.net:5696"; down != second || !second && len(bad) > 0 {
					t.Errorf("%s is unavailable on %v", c.Addr.Name, bad)
				}
			}
			cheap := read(t, r, false)
			if cheap.Objects[o.Addr].Children[0].Value("connectivity").IsSet() || cheap.Health {
				t.Error("a cheap pass has reachability")
			}
		})
	}
}

// What has not changed is not decoded again: the objects of two passes are the same ones.
func TestUnchanged(t *testing.T) {
	client, _ := simulated(t, simulation(t, "9.16.1", 20))
	r := NewReader("c1", client, 4)
	first := read(t, r, false)
	second := read(t, r, false)
	for a, o := range first.Objects {
		if second.Objects[a] != o {
			t.Errorf("%s was decoded again", a)
		}
	}
	if &first.Nodes[0] != &second.Nodes[0] || &first.Links[0] != &second.Links[0] {
		t.Error("nodes or certificates were decoded again")
	}
	if !second.At.After(first.At) {
		t.Error("the time of an unchanged observation is not that of its reading")
	}
}

// Of a collection that changed only the changed records are decoded.
func TestOneChanged(t *testing.T) {
	second := strings.NewReplacer("vs1", "vs2", "k-1", "k-2").Replace(external(`[{"server":"ks1"}]`))
	c := plain().with(external(`[{"server":"ks1"}]`), second)
	r := NewReader("c1", c, 4)
	before := read(t, r, false)
	c.with(external(`[{"server":"ks9"}]`), second)
	after := read(t, r, false)
	if before.Objects[managerAt("vs2")] != after.Objects[managerAt("vs2")] {
		t.Error("vs2 did not change and was decoded again")
	}
	if got := after.Objects[managerAt("vs1")].Children[0].Addr.Name; got != "ks9:5696" {
		t.Errorf("vs1 has %s, want ks9:5696", got)
	}
	c.with(second)
	if got := read(t, r, false); got.Objects[managerAt("vs1")] != nil || got.Objects[managerAt("vs2")] == nil {
		t.Errorf("after vs1 went there are %v", got.Objects)
	}
}

// Cheap passes and those with health share everything but the key managers, and none of
// them shows what another has seen outdated.
func TestHealthAndCheapAgree(t *testing.T) {
	c := plain().with(external(`[{"server":"ks1"}]`))
	r := NewReader("c1", c, 4)
	read(t, r, false)
	read(t, r, true)
	c.with(external(`[{"server":"ks2"}]`))
	for i, health := range []bool{true, false, true} {
		got := read(t, r, health)
		if name := got.Objects[managerAt("vs1")].Children[0].Addr.Name; name != "ks2:5696" || got.Health != health {
			t.Errorf("pass %d: %s with health %v, want ks2:5696 with %v", i, name, got.Health, health)
		}
	}
	c.lists["cluster/nodes"] = append(c.lists["cluster/nodes"], node("node2", "9.16.1"))
	for i, health := range []bool{false, true} {
		if got := read(t, r, health); len(got.Nodes) != 2 {
			t.Errorf("pass %d: nodes %v, want two", i, got.Nodes)
		}
	}
}

func TestCalls(t *testing.T) {
	c := plain().with(external(`[{"server":"ks1"}]`))
	r := NewReader("c1", c, 4)
	everything := []string{"cluster", "cluster/nodes", "security/certificates", "security/key-managers", "svm/svms"}
	for _, health := range []bool{true, false, false} {
		read(t, r, health)
		if d := cmp.Diff(everything, c.asked()); d != "" {
			t.Errorf("health %v: each collection is asked for once (-want +got)\n%s", health, d)
		}
	}
}

// What a pass costs does not depend on how many key managers there are.
func TestRequestsAreConstant(t *testing.T) {
	for _, managers := range []int{10, 500} {
		client, w := simulated(t, simulation(t, "9.16.1", managers))
		r := NewReader("c1", client, 4)
		for pass, health := range []bool{true, false, false, true} {
			got := read(t, r, health)
			if n := w.count(); n != 5 {
				t.Errorf("%d managers, pass %d: %d requests, want 5", managers, pass, n)
			}
			if len(got.Objects) != managers {
				t.Errorf("%d of %d managers", len(got.Objects), managers)
			}
		}
	}
}

// Where a key manager of another type stands than the file wants, there are no key servers to
// be read: the plan says so, and the rest of the cluster is managed as before.
func TestDetachedOfAnotherType(t *testing.T) {
	want := resource.NewObject(resource.External, managerAt(""))
	s := resource.NewObject(resource.KeyServer, resource.Addr{Cluster: "c1", Kind: "key_server", Name: "ks1:5696"})
	s.Values[s.Kind.Index("create_remove_timeout")] = resource.Int(20)
	want.Children = append(want.Children, s)
	r := NewReader("c1", plain().with(`{"uuid":"k-1","scope":"cluster","onboard":{"enabled":true}}`), 4)
	if got := read(t, r, false, want).Objects[managerAt("")]; got == nil || got.Kind != resource.Onboard {
		t.Errorf("there is %v, want the onboard key manager", got)
	}
}

func TestDetached(t *testing.T) {
	own := func(uuid string) string { return "security/key-managers/" + uuid + "/key-servers" }
	wants := func(svm string, set func(*resource.Object)) *resource.Object {
		m := resource.NewObject(resource.External, managerAt(svm))
		s := resource.NewObject(resource.KeyServer, resource.Addr{Cluster: "c1", Kind: "key_server", SVM: svm, Name: "ks1:5696"})
		set(s)
		m.Children = append(m.Children, s)
		return m
	}
	value := func(name string, v resource.Value) func(*resource.Object) {
		return func(s *resource.Object) { s.Values[s.Kind.Index(name)] = v }
	}
	second := strings.NewReplacer("vs1", "vs2", "k-1", "k-2").Replace(external(`[{"server":"ks1"}]`))
	tests := []struct {
		name    string
		release string
		wanted  *resource.Object
		asked   []string // beyond what every pass asks for
		want    any      // create_remove_timeout of ks1 of vs1
		why     string
	}{
		{"wanted", "9.16.1", wants("vs1", value("create_remove_timeout", resource.Int(20))), []string{own("k-1")}, int64(15),
			"the managers' own collection does not return it"},
		{"something else wanted", "9.16.1", wants("vs1", value("timeout", resource.Int(20))), nil, nil, "nobody else pays for it"},
		{"too new", "9.13.1", wants("vs1", value("create_remove_timeout", resource.Int(20))), nil, nil, "9.13 does not know the field"},
		{"not there", "9.16.1", wants("vs3", value("create_remove_timeout", resource.Int(20))), nil, nil, "a manager that is not there has no servers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := plain().with(external(`[{"server":"ks1","timeout":25}]`), second)
			v := strings.Split(tt.release, ".")
			c.self = fmt.Sprintf(`{"name":"c1","uuid":"u-1","version":{"generation":%s,"major":%s,"minor":%s}}`, v[0], v[1], v[2])
			c.lists["cluster/nodes"] = []string{node("node1", tt.release)}
			c.lists[own("k-1")] = []string{`{"server":"ks1","create_remove_timeout":15}`, `{"server":"new","create_remove_timeout":9}`}
			r := NewReader("c1", c, 4)
			read(t, r, false)
			c.asked()
			got := read(t, r, false, tt.wanted)
			var more []string
			for _, path := range c.asked() {
				if strings.HasSuffix(path, "/key-servers") {
					more = append(more, path)
				}
			}
			if d := cmp.Diff(tt.asked, more); d != "" {
				t.Errorf("%s (-want +got)\n%s", tt.why, d)
			}
			server := got.Objects[managerAt("vs1")].Children[0]
			if d := cmp.Diff(tt.want, shown(server.Value("create_remove_timeout"))); d != "" {
				t.Errorf("%s (-want +got)\n%s", tt.why, d)
			}
			if server.Value("timeout").Int() != 25 || len(got.Objects[managerAt("vs1")].Children) != 1 {
				t.Error("the rest of the servers is not as the parent has it")
			}
			if later := read(t, r, false); later.Objects[managerAt("vs1")].Children[0].Value("create_remove_timeout").IsSet() {
				t.Error("what was read for one caller is in the shared objects now")
			}
		})
	}
	t.Run("fails", func(t *testing.T) {
		c := plain().with(external(`[{"server":"ks1"}]`))
		c.errs = map[string]error{own("k-1"): errors.New("down")}
		_, err := NewReader("c1", c, 4).Read(t.Context(), false, []*resource.Object{wants("vs1", value("create_remove_timeout", resource.Int(20)))})
		if want := "read key-servers of c1/key_manager/vs1: down"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	})
}

// An exchange lets another cluster answer.
type exchange struct{ http.RoundTripper }

// The fields that may be named depend on the release. A new one is read in full in the same
// pass; an old one, which refuses the names of a newer, in the pass after.
func TestReleaseChanges(t *testing.T) {
	old, new := simulation(t, "9.15.1", 1), simulation(t, "9.16.1", 1)
	wire := &exchange{old}
	client, w := simulated(t, wire)
	r := NewReader("c1", client, 4)
	addr := resource.Addr{Cluster: "c1", Kind: "key_manager", SVM: "km00001"}
	if got := read(t, r, false); got.Objects[addr].Value("enabled").IsSet() {
		t.Error("9.15 has a field of 9.16")
	}
	if n := w.count(); n != 5 {
		t.Errorf("first contact: %d requests, want 5", n)
	}
	wire.RoundTripper = new
	if got := read(t, r, false); !got.Objects[addr].Value("enabled").IsSet() || got.Version.String() != "9.16.1" {
		t.Errorf("after the upgrade the cluster has %s, and the field of 9.16 is missing", got.Version)
	}
	if n := w.count(); n != 6 {
		t.Errorf("upgrade: %d requests, want 6", n)
	}
	wire.RoundTripper = old
	if _, err := r.Read(t.Context(), false, nil); err == nil {
		t.Error("9.15 accepted the names of 9.16: the simulator is too kind to show anything")
	}
	if got := read(t, r, false); got.Version.String() != "9.15.1" {
		t.Errorf("after the revert: %s, want 9.15.1", got.Version)
	}
}

// The whole cluster has no more than its oldest node.
func TestOldestNode(t *testing.T) {
	c := plain()
	c.lists["cluster/nodes"] = []string{node("node1", "9.16.1"), node("node2", "9.15.1"), `{"uuid":"n-3","name":"node3"}`}
	got := read(t, NewReader("c1", c, 4), false)
	if got.Version.String() != "9.15.1" {
		t.Errorf("the version is %s, want 9.15.1", got.Version)
	}
	if last := c.calls[len(c.calls)-1]; !strings.HasPrefix(last, "security/key-managers") || strings.Contains(last, "configuration.name") {
		t.Errorf("the last call is %s, want the key managers without a field of 9.16", last)
	}
}

func TestErrors(t *testing.T) {
	down := errors.New("down")
	for path, want := range map[string]string{
		"cluster":               "read the cluster: down",
		"cluster/nodes":         "read nodes: down",
		"svm/svms":              "read SVMs: down",
		"security/certificates": "read certificates: down",
		"security/key-managers": "read key managers: down",
	} {
		t.Run(strings.ReplaceAll(path, "/", " "), func(t *testing.T) {
			c := plain().with(external(`[{"server":"ks1"}]`))
			r := NewReader("c1", c, 4)
			read(t, r, false)
			c.errs = map[string]error{path: down}
			c.with() // what changes while something else fails
			if got, err := r.Read(t.Context(), false, nil); got != nil || err == nil || err.Error() != want || !errors.Is(err, down) {
				t.Errorf("observation %v, error %v; want %s", got, err, want)
			}
			c.errs = nil
			if got := read(t, r, false); len(got.Objects) != 0 {
				t.Error("what changed in the failed pass is not seen in the next")
			}
		})
	}
}

// A panic reaches the goroutine that called, which can contain it.
func TestPanicReachesCaller(t *testing.T) {
	c := plain()
	c.panic = "svm/svms"
	defer func() {
		p, ok := recover().(interface{ Stack() []byte })
		if !ok || !bytes.Contains(p.Stack(), []byte("(*cluster).note")) {
			t.Errorf("recovered %v, want a panic that knows where it happened", p)
		}
		if got := fmt.Sprint(p); strings.Contains(got, "secret") {
			t.Errorf("it prints as %q, with what was panicked with", got)
		}
	}()
	NewReader("c1", c, 4).Read(t.Context(), false, nil)
	t.Error("no panic")
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client, _ := simulated(t, simulation(t, "9.16.1", 1))
	if got, err := NewReader("c1", client, 4).Read(ctx, true, nil); got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("observation %v, error %v", got, err)
	}
}

// An answer that ends early, wherever, is an error and not a smaller cluster; the pass after
// sees the whole.
func TestCutAnswers(t *testing.T) {
	sim := simulation(t, "9.16.1", 2)
	client, w := simulated(t, sim)
	r := NewReader("c1", client, 1)
	want := read(t, r, true)
	sizes := map[string]int{}
	w.cut = func(path string, body []byte) []byte {
		sizes[path] = len(bytes.TrimSpace(body))
		return body
	}
	read(t, r, true)
	for path, size := range sizes {
		// Every byte of the short ones; of the long ones a prime number of steps, so that the
		// cuts fall on every sort of place.
		for n := 0; n < size; n += max(1, size/499) {
			w.cut = func(p string, body []byte) []byte {
				if p == path {
					return body[:n]
				}
				return body
			}
			got, err := r.Read(t.Context(), true, nil)
			if err == nil {
				t.Fatalf("%s cut after %d of %d bytes: %d objects, want an error", path, n, size, len(got.Objects))
			}
			if e, ok := errors.AsType[*ontap.AnswerError](err); !ok {
				t.Fatalf("%s cut after %d of %d bytes: error %v, want an AnswerError", path, n, size, e)
			}
		}
		w.cut = nil
		if got := read(t, r, true); len(got.Objects) != len(want.Objects) || len(got.Nodes) != len(want.Nodes) {
			t.Errorf("%s: after the cuts %d objects, want %d", path, len(got.Objects), len(want.Objects))
		}
	}
	if len(sizes) != 5 {
		t.Errorf("cut %d sorts of answers, want 5", len(sizes))
	}
}

// Whichever answer ends wherever, on whichever page: what is read is everything, or an error.
func FuzzCutAnswer(f *testing.F) {
	f.Add(uint8(0), uint16(0), uint8(0))
	f.Add(uint8(4), uint16(300), uint8(1))
	f.Add(uint8(9), uint16(40), uint8(2))
	f.Fuzz(func(t *testing.T, nth uint8, at uint16, page uint8) {
		sim := simulation(t, "9.16.1", 3)
		if err := sim.Set(fmt.Sprintf(`{"paging":{"limit":%d}}`, page%8)); err != nil {
			t.Fatal(err)
		}
		client, w := simulated(t, sim)
		n, cut := 0, false
		w.cut = func(_ string, body []byte) []byte {
			n++
			if n-1 != int(nth)%64 || int(at) >= len(bytes.TrimSpace(body)) {
				return body
			}
			cut = true
			return body[:at]
		}
		got, err := NewReader("c1", client, 1).Read(t.Context(), true, nil)
		if (err != nil) != cut {
			t.Fatalf("error %v, and an answer was cut: %v", err, cut)
		}
		if err == nil && (len(got.Objects) != 3 || len(got.SVMs) != 4) {
			t.Fatalf("%d managers of 3, %d SVMs of 4", len(got.Objects), len(got.SVMs))
		}
	})
}

// A kind that leaves the file and comes back while its collection stays as it was is seen
// again, and not taken for gone.
func TestKindsComeAndGo(t *testing.T) {
	vault := resource.NewObject(resource.Azure, resource.Addr{Cluster: "c1", Kind: resource.Azure.Name, SVM: "vs1"})
	c := plain()
	c.lists[resource.Azure.Path] = []string{`{"uuid":"v-1","scope":"svm","svm":{"name":"vs1"},"name":"https://hr.vault.azure.net/"}`}
	r := NewReader("c1", c, 4)
	vaults := func(wanted ...*resource.Object) int { return len(read(t, r, false, wanted...).Objects) }
	if n := vaults(vault); n != 1 {
		t.Fatalf("%d vaults, want 1", n)
	}
	c.lists["svm/svms"] = append(c.lists["svm/svms"], `{"uuid":"s-2","name":"vs2","state":"running"}`)
	if n := vaults(); n != 0 {
		t.Errorf("%d vaults though no entry of the file asks for them", n)
	}
	if n := vaults(vault); n != 1 {
		t.Errorf("%d vaults after the kind came back, want 1: it would be made anew", n)
	}
	if n := vaults(); n != 0 {
		t.Errorf("%d vaults of an earlier pass", n)
	}
}
