package live

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/resource"
)

// shown is what a value says, to compare with; nothing for an unset one.
func shown(v resource.Value) any {
	switch {
	case !v.IsSet():
		return nil
	case v.Plain() != nil:
		return v.Plain()
	case v.NodeStates() != nil:
		return v.NodeStates()
	case v.Links() != nil:
		return v.Links()
	default:
		return v.Link()
	}
}

func TestServerFields(t *testing.T) {
	states := func(pairs ...string) []resource.NodeState {
		out := []resource.NodeState{}
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, resource.NodeState{Node: pairs[i], State: pairs[i+1]})
		}
		return out
	}
	tests := []struct {
		name   string
		server string // beside its identity
		field  string
		want   any
		why    string
	}{
		{"number", `"timeout":30`, "timeout", int64(30), "as documented"},
		{"number in a string", `"timeout":"30"`, "timeout", int64(30), "some releases quote numbers"},
		{"negative", `"timeout":-1`, "timeout", int64(-1), "-1 waits for ever"},
		{"left out", ``, "timeout", nil, "ONTAP leaves out what is unset"},
		{"null", `"timeout":null`, "timeout", nil, "as good as left out"},
		{"secondaries", `"secondary_key_servers":["b","c"]`, "secondary_key_servers", []string{"b", "c"}, "as documented"},
		{"secondaries in a string", `"secondary_key_servers":"b, c,"`, "secondary_key_servers", []string{"b", "c"}, "as older releases answer"},
		{"no secondaries", `"secondary_key_servers":""`, "secondary_key_servers", []string(nil), "an empty string has no members"},
		{"text", `"username":"db"`, "username", "db", "as documented"},
		{"a password", `"password":"leaked"`, "password", nil, "what a GET must not return is not kept either"},
		{"node states", `"connectivity":{"cluster_availability":false,"node_states":[{"node":{"name":"n1"},"state":"available"},{"node":{"name":"n2"},"state":"not_responding"}]}`,
			"connectivity", states("n1", "available", "n2", "not_responding"), "since 9.13 every node is listed"},
		{"node states, flag true", `"connectivity":{"cluster_availability":true,"node_states":[{"node":{"name":"n1"},"state":"available"}]}`,
			"connectivity", states("n1", "available"), "where all are listed the flag says nothing of those that are not"},
		{"records", `"connectivity":{"cluster_availability":true,"records":[{"node":{"name":"n2"},"state":"not_responding"}]}`,
			"connectivity", states("n2", "not_responding", "*", "available"), "before 9.13 only the nodes that do not reach it are listed"},
		{"records, not all known", `"connectivity":{"cluster_availability":false,"records":[{"node":{"name":"n2"},"state":"not_responding"}]}`,
			"connectivity", states("n2", "not_responding"), "of the others nothing is known"},
		{"no records", `"connectivity":{"cluster_availability":true}`,
			"connectivity", states("*", "available"), "an empty list is left out"},
		{"nothing known", `"connectivity":{"cluster_availability":false}`,
			"connectivity", states(), "nothing is said of any node"},
		{"a new word", `"connectivity":{"node_states":[{"node":{"name":"n1"},"state":"AVAILABLE"},{"node":{"name":"n2"}}]}`,
			"connectivity", states("n1", "unknown", "n2", "unknown"), "only one word means available"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			more := tt.server
			if more != "" {
				more = "," + more
			}
			c := plain().with(external(`[{"server":"KS1.example.net"` + more + `}]`))
			got := read(t, NewReader("c1", c, 4), true)
			s := got.Objects[managerAt("vs1")].Children[0]
			if s.ID != "KS1.example.net" || s.Addr.Name != "ks1.example.net:5696" || s.Addr.SVM != "vs1" {
				t.Errorf("the server is %v with id %q", s.Addr, s.ID)
			}
			if d := cmp.Diff(tt.want, shown(s.Value(tt.field))); d != "" {
				t.Errorf("%s: %s (-want +got)\n%s", tt.field, tt.why, d)
			}
		})
	}
}

func TestManagers(t *testing.T) {
	onboard := `{"uuid":"k-9","scope":"cluster","onboard":{"enabled":true},"enabled":true}`
	tests := []struct {
		name     string
		managers []string
		want     []string // address, type and id
		why      string
	}{
		{"none", nil, nil, "an empty collection is none"},
		{"external", []string{external(`[]`)}, []string{"c1/key_manager/vs1 external k-1"}, "as documented"},
		{"onboard", []string{onboard}, []string{"c1/key_manager/@cluster onboard k-9"}, "it has to be known to be left alone"},
		{"no servers", []string{`{"uuid":"k-1","scope":"svm","svm":{"name":"vs1"},"external":{}}`}, []string{"c1/key_manager/vs1 external k-1"},
			"ONTAP leaves out empty lists"},
		{"in store", []string{external(`[]`), `{"uuid":"k-2","scope":"svm","svm":{"name":"vs1"},"enabled":false,"configuration":{"name":"spare"},"external":{}}`},
			[]string{"c1/key_manager/vs1 external k-1", "c1/key_manager/vs1/spare external k-2"},
			"a configuration that is not in use stands beside the one that is"},
		{"in store, without a name", []string{external(`[]`), `{"uuid":"k-2","scope":"svm","svm":{"name":"vs1"},"enabled":false,"external":{}}`},
			[]string{"c1/key_manager/vs1 external k-1", "c1/key_manager/vs1/k-2 external k-2"}, "its id tells it apart"},
		{"unknown kind", []string{`{"uuid":"k-1","scope":"svm","svm":{"name":"vs1"},"quantum":{}}`}, nil, "what no table describes is not ours"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, NewReader("c1", plain().with(tt.managers...), 4), false)
			var have []string
			for _, o := range got.Objects {
				have = append(have, o.Addr.String()+" "+o.Kind.Type+" "+o.ID)
			}
			slices.Sort(have)
			if d := cmp.Diff(tt.want, have); d != "" {
				t.Errorf("%s (-want +got)\n%s", tt.why, d)
			}
		})
	}
}

// What is well formed and cannot be true is an error, and never "nothing there".
func TestImplausible(t *testing.T) {
	of := func(path string, records ...string) func(*cluster) {
		return func(c *cluster) { c.lists[path] = records }
	}
	servers := func(list string) func(*cluster) { return func(c *cluster) { c.with(external(list)) } }
	const managers = "security/key-managers"
	tests := []struct {
		name string
		with func(*cluster)
		want string
	}{
		{"cluster without UUID", func(c *cluster) { c.self = `{"name":"c1","version":{"generation":9,"major":16}}` },
			"read the cluster: implausible answer: a cluster without UUID or version"},
		{"cluster without version", func(c *cluster) { c.self = `{"name":"c1","uuid":"u"}` },
			"read the cluster: implausible answer: a cluster without UUID or version"},
		{"cluster is a list", func(c *cluster) { c.self = `[]` },
			"read the cluster: not what a cluster says of itself"},
		{"no nodes", of("cluster/nodes"), "implausible answer: a cluster without nodes"},
		{"node without name", of("cluster/nodes", `{"uuid":"n"}`), "read nodes: record 0: implausible answer: a node without a name"},
		{"SVM without name", of("svm/svms", `{"uuid":"s"}`), "read SVMs: record 0: implausible answer: an SVM without a name"},
		{"certificate of a nameless SVM", of("security/certificates", `{"uuid":"c","scope":"svm","name":"x"}`),
			"read certificates: record 0: implausible answer: an object of an SVM that has no name"},
		{"manager of a nameless SVM", of(managers, `{"uuid":"k","scope":"svm","external":{}}`),
			"read key managers: record 0: implausible answer: an object of an SVM that has no name"},
		{"manager of no scope", of(managers, `{"uuid":"k","external":{}}`),
			"read key managers: record 0: implausible answer: an object of an SVM that has no name"},
		{"external is text", of(managers, `{"uuid":"k","scope":"cluster","external":"yes"}`),
			"read key managers: record 0: external: not an object"},
		{"two at one address", of(managers, external(`[]`), strings.Replace(external(`[]`), "k-1", "k-2", 1)),
			"implausible answer: two of c1/key_manager/vs1"},
		{"manager is a number", of(managers, `7`), "read key managers: record 0: not an object"},
		{"servers are an object", servers(`{}`), "read key managers: record 0: external.servers: not a list of the expected sort"},
		{"server is a string", servers(`["ks1"]`), "read key managers: record 0: external.servers: not a list of the expected sort"},
		{"server without name", servers(`[{"timeout":3}]`), "read key managers: record 0: implausible answer: a key_server without its server"},
		{"fraction", servers(`[{"server":"ks1","timeout":2.5}]`), "read key managers: record 0: external.servers: timeout: not an integer"},
		{"number too large", servers(`[{"server":"ks1","timeout":1e300}]`), "read key managers: record 0: external.servers: timeout: not an integer"},
		{"name is a number", servers(`[{"server":"ks1","username":5}]`), "read key managers: record 0: external.servers: username: not a string"},
		{"secondaries are numbers", servers(`[{"server":"ks1","secondary_key_servers":[1]}]`), "read key managers: record 0: external.servers: secondary_key_servers: not a list of the expected sort"},
		{"connectivity is a list", servers(`[{"server":"ks1","connectivity":[]}]`), "read key managers: record 0: external.servers: connectivity: not a list of the expected sort"},
		{"states are a string", servers(`[{"server":"ks1","connectivity":{"cluster_availability":true,"records":"x"}}]`),
			"read key managers: record 0: external.servers: connectivity: not a list of the expected sort"},
		{"a state of no node", servers(`[{"server":"ks1","connectivity":{"cluster_availability":true,"records":[{"state":"not_responding"}]}}]`),
			"read key managers: record 0: external.servers: connectivity: implausible answer: a state of a node without a name"},
		{"link without UUID", of(managers, `{"uuid":"k","scope":"svm","svm":{"name":"vs1"},"external":{"client_certificate":{"name":"x"}}}`),
			"read key managers: record 0: external.client_certificate: not a reference with a UUID"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := plain().with(external(`[{"server":"ks1"}]`))
			r := NewReader("c1", c, 4)
			read(t, r, true)
			tt.with(c)
			for pass := range 2 { // the same answer does not become true by being repeated
				got, err := r.Read(t.Context(), true, nil)
				if err == nil || err.Error() != tt.want {
					t.Errorf("pass %d: error %v, want %s", pass, err, tt.want)
				}
				if got != nil {
					t.Errorf("pass %d: an observation beside an error", pass)
				}
			}
		})
	}
}

// Whatever a record holds, reading it is an observation or an error, and an observation has
// every server that the record lists.
func FuzzRecord(f *testing.F) {
	f.Add(external(`[{"server":"ks1","timeout":"5"},{"server":"ks2"}]`))
	f.Add(`{"uuid":"k","scope":"cluster","onboard":{"enabled":true}}`)
	f.Add(`{"scope":"svm","external":{"servers":[{"server":"x","connectivity":{"records":[null]}}]}}`)
	f.Fuzz(func(t *testing.T, record string) {
		c := plain().with(record)
		got, err := NewReader("c1", c, 1).Read(t.Context(), true, nil)
		if (got == nil) == (err == nil) {
			t.Fatalf("observation %v beside error %v", got, err)
		}
		var listed struct {
			External *struct{ Servers []json.RawMessage }
		}
		if err != nil || json.Unmarshal([]byte(record), &listed) != nil || listed.External == nil {
			return
		}
		for _, o := range got.Objects {
			if o.Kind == resource.External && len(o.Children) != len(listed.External.Servers) {
				t.Fatalf("%d servers of %d", len(o.Children), len(listed.External.Servers))
			}
		}
	})
}
