package diff_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// wanted reads the key managers of one cluster from a few lines of a file.
func wanted(t *testing.T, managers string) []*resource.Object {
	t.Helper()
	text := "version: 1\nclusters:\n  - name: a\n    endpoint: https://a.example.net\n    auth: {basic: {username: u, password: env:P}}\n    key_managers:\n" +
		strings.ReplaceAll("\n"+strings.Trim(managers, "\n"), "\n", "\n      ") + "\n"
	s, err := desired.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return s.Clusters[0].Objects
}

// A server is a key server as a cluster has it. Down lists the nodes that do not reach it.
type server struct {
	name      string
	timeout   int64
	username  string
	secondary []string
	down      []string
	state     string // of the nodes in down; not_responding unless said otherwise
}

// found is a cluster of 9.16.1 with two nodes and SVMs vs and other, on which vs has an
// external key manager with the servers; none if there are none.
func found(servers ...server) *resource.Cluster {
	v := resource.Version{Generation: 9, Major: 16, Minor: 1}
	c := &resource.Cluster{
		Name: "A", UUID: "u", Version: v, Health: true, At: now,
		Nodes:   []resource.Node{{Name: "n1", State: "up", Member: true, Version: v}, {Name: "n2", State: "up", Member: true, Version: v}},
		SVMs:    map[string]resource.SVM{"vs": {Name: "vs"}, "other": {Name: "other"}},
		Objects: map[resource.Addr]*resource.Object{}, Keys: &resource.KeyReport{}, Begun: &[]resource.Job{},
		Links: []*resource.Object{
			certificate("client", "kmip-client", "vs", "c-vs"), certificate("client", "kmip-client", "", "c-cluster"),
			certificate("client", "client-2", "", "c-2"),
			certificate("server_ca", "kmip-ca", "", "ca-1"), certificate("server_ca", "ca-2", "", "ca-2"),
		},
	}
	if len(servers) > 0 {
		m := resource.NewObject(resource.External, resource.Addr{Cluster: "a", Kind: "key_manager", SVM: "vs"})
		m.ID = "km-1"
		set(m, "external.client_certificate", resource.LinkValue(resource.LinkTo{UUID: "c-vs"}))
		set(m, "external.server_ca_certificates", resource.LinkList([]resource.LinkTo{{UUID: "ca-1", Name: "kmip-ca"}}))
		for _, s := range servers {
			m.Children = append(m.Children, s.object(c.Nodes))
		}
		c.Objects[m.Addr] = m
	}
	return c
}

func set(o *resource.Object, field string, v resource.Value) {
	o.Values[o.Kind.Index(field)] = v
}

func certificate(typ, name, svm, uuid string) *resource.Object {
	o := resource.NewObject(resource.Certificate, resource.Addr{Cluster: "a", Kind: "certificate", SVM: svm, Name: name})
	o.ID = uuid
	set(o, "name", resource.Str(name))
	set(o, "type", resource.Str(typ))
	return o
}

func (s server) object(nodes []resource.Node) *resource.Object {
	o := resource.NewObject(resource.KeyServer, resource.Addr{Cluster: "a", Kind: "key_server", SVM: "vs", Name: s.name + ":5696"})
	o.ID = s.name + ":5696"
	set(o, "server", resource.Str(o.ID))
	if s.timeout != 0 {
		set(o, "timeout", resource.Int(s.timeout))
	}
	if s.username != "" {
		set(o, "username", resource.Str(s.username))
	}
	if s.secondary != nil {
		set(o, "secondary_key_servers", resource.StrList(s.secondary))
	}
	var states []resource.NodeState
	for _, n := range nodes {
		state := "available"
		for _, d := range s.down {
			if d == n.Name {
				if state = "not_responding"; s.state != "" {
					state = s.state
				}
			}
		}
		states = append(states, resource.NodeState{Node: n.Name, State: state})
	}
	set(o, "connectivity", resource.NodeStateList(states))
	return o
}

// manager is the entry of vs with a list of servers.
func manager(servers ...string) string {
	s := "- svm: vs\n  external:\n    client_certificate: kmip-client\n    server_ca_certificates: [kmip-ca]\n    servers:"
	for _, x := range servers {
		s += "\n      - " + x
	}
	return s
}

// short renders a plan for comparison: one line a step, then what it changes and sends.
func short(p plan.Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%s %s %s", s.Status, s.Op, strings.TrimPrefix(s.Addr.String(), "a/"))
		if s.Status != plan.Ready {
			fmt.Fprintf(&b, " [%s] %s", s.Guard, s.Reason)
		}
		b.WriteString("\n")
		for _, c := range s.Changes {
			fmt.Fprintf(&b, "  %s: %q -> %q\n", c.Field, c.Old.Text(), c.New.Text())
		}
		if s.Status == plan.Ready {
			for _, r := range s.Requests {
				fmt.Fprintf(&b, "  %s %s %v\n", r.Method, strings.TrimPrefix(r.Path, "/api/security/key-managers"), r.Body)
			}
		}
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note %s %s\n", strings.TrimPrefix(n.Addr.String(), "a/"), n.Text)
	}
	return b.String()
}

func input(want []*resource.Object, have *resource.Cluster) diff.Input {
	return diff.Input{Cluster: "a", Want: want, Have: have, Policy: diff.Policy{MaxDeletes: 1}, Now: now}
}

func TestCompute(t *testing.T) {
	ks := func(name string, down ...string) server { return server{name: name, timeout: 25, down: down} }
	for _, c := range []struct {
		name string
		file string
		have *resource.Cluster
		tune func(*diff.Input)
		want string
		why  string
	}{
		{"in sync", manager("{server: KS1.}", "{server: 'ks2:5696'}"), found(ks("ks2"), ks("ks1")), nil, "",
			"case, dot, port and order say nothing"},
		{"create", manager("{server: ks1}"), found(), nil,
			`ready create key_manager/vs
  external.client_certificate: "" -> "kmip-client"
  external.server_ca_certificates: "" -> "[kmip-ca]"
  external.servers: "" -> "[ks1:5696]"
  POST  map[external:map[client_certificate:map[uuid:c-vs] server_ca_certificates:[map[uuid:ca-1]] servers:[map[server:ks1:5696]]] svm:map[name:vs]]
`, "the SVM's own certificate comes before the cluster's of the same name"},
		{"create with more", manager("{server: ks1, timeout: 30, secondary_key_servers: [b]}"), found(), nil,
			`ready create key_manager/vs
  external.client_certificate: "" -> "kmip-client"
  external.server_ca_certificates: "" -> "[kmip-ca]"
  external.servers: "" -> "[ks1:5696]"
  POST  map[external:map[client_certificate:map[uuid:c-vs] server_ca_certificates:[map[uuid:ca-1]] servers:[map[server:ks1:5696]]] svm:map[name:vs]]
ready update key_server/vs/ks1:5696
  timeout: "" -> "30"
  secondary_key_servers: "" -> "[b]"
  PATCH /{uuid}/key-servers/ks1%3A5696 map[secondary_key_servers:[b] timeout:30]
`, "POST takes the server's name alone"},
		{"add", manager("{server: ks1}", "{server: ks2, timeout: 30}"), found(ks("ks1")), nil,
			`ready create key_server/vs/ks2:5696
  server: "" -> "ks2:5696"
  timeout: "" -> "30"
  POST /km-1/key-servers map[server:ks2:5696]
  PATCH /km-1/key-servers/ks2%3A5696 map[timeout:30]
`, "an added server is a POST and then a PATCH"},
		{"change one field", manager("{server: ks1, timeout: 30}"), found(ks("ks1")), nil,
			`ready update key_server/vs/ks1:5696
  timeout: "25" -> "30"
  PATCH /km-1/key-servers/ks1%3A5696 map[timeout:30]
`, "exactly the field that differs"},
		{"unset is unmanaged", manager("{server: ks1}"), found(server{name: "ks1", timeout: 59, username: "x", secondary: []string{"s"}}), nil, "",
			"a field that the file leaves out is neither compared nor sent"},
		{"default", manager("{server: ks1, timeout: 25}"), found(server{name: "ks1"}), nil, "",
			"what ONTAP left out of the answer has its default"},
		{"secondaries are ordered", manager("{server: ks1, secondary_key_servers: [a, b]}"), found(server{name: "ks1", secondary: []string{"b", "a"}}), nil,
			`ready update key_server/vs/ks1:5696
  secondary_key_servers: "[b a]" -> "[a b]"
  PATCH /km-1/key-servers/ks1%3A5696 map[secondary_key_servers:[a b]]
`, "their order is the order of access"},
		{"secondaries cleared", manager("{server: ks1, secondary_key_servers: []}"), found(server{name: "ks1", secondary: []string{"b"}}), nil,
			`ready update key_server/vs/ks1:5696
  secondary_key_servers: "[b]" -> "[]"
  PATCH /km-1/key-servers/ks1%3A5696 map[secondary_key_servers:[]]
`, "an empty list is a wish, not an absence"},
		{"certificate", strings.Replace(manager("{server: ks1}"), "kmip-client", "client-2", 1), found(ks("ks1")), nil,
			`ready update key_manager/vs
  external.client_certificate: "kmip-client" -> "client-2"
  PATCH /km-1 map[external:map[client_certificate:map[uuid:c-2]]]
`, "by PATCH on the manager"},
		{"certificate missing", strings.Replace(manager("{server: ks1}"), "kmip-client", "nope", 1), found(ks("ks1")), nil,
			`refused update key_manager/vs [missing] no certificate of type client called nope is installed at SVM vs or the cluster; install it, or correct external.client_certificate
  external.client_certificate: "kmip-client" -> "nope"
`, "65536821 is foreseen"},
		{"CAs grow first", strings.Replace(manager("{server: ks1}"), "[kmip-ca]", "[ca-2]", 1), found(ks("ks1")), nil,
			`ready update key_manager/vs
  external.server_ca_certificates: "[kmip-ca]" -> "[ca-2 kmip-ca]"
  PATCH /km-1 map[external:map[server_ca_certificates:[map[uuid:ca-2] map[uuid:ca-1]]]]
`, "a server whose CA is dropped before the new one is trusted is locked out"},
		{"SVM missing", strings.Replace(manager("{server: ks1}"), "svm: vs", "svm: gone", 1), found(), nil,
			"refused create key_manager/gone [missing] the cluster has no SVM named gone\n", "13434893 is foreseen"},
		{"left out of the file", "- svm: other\n  state: absent\n  external: {}", found(ks("ks1")), nil,
			"note key_manager/vs is not in the file: left alone\n", "absence never deletes"},
		{"tombstone", "- svm: vs\n  state: absent\n  external: {}", found(ks("ks1")), nil,
			"ready delete key_manager/vs\n  DELETE /km-1 map[]\n", "only an entry that says so deletes"},
		{"tombstones beyond the limit", "- svm: vs\n  state: absent\n  external: {}", found(ks("ks1")), func(in *diff.Input) { in.Policy.MaxDeletes = 0 },
			"held delete key_manager/vs [max_deletes] policy.max_deletes is 0: nothing is removed\n", ""},
		{"remove", manager("{server: ks1}"), found(ks("ks1"), ks("ks2")), nil,
			"ready delete key_server/vs/ks2:5696\n  DELETE /km-1/key-servers/ks2%3A5696 map[]\n", "the rest is available on every node"},
		{"remove, the rest is down on one node", manager("{server: ks1}"), found(ks("ks1", "n2"), ks("ks2")), nil,
			"held delete key_server/vs/ks2:5696 [reachability] ks1:5696 stays and is not_responding on n2\n",
			"ks2 may be what n2 still reaches"},
		{"remove, nothing is known of a node", manager("{server: ks1}"), found(server{name: "ks1", down: []string{"n1"}, state: "unknown"}, ks("ks2")), nil,
			"held delete key_server/vs/ks2:5696 [reachability] ks1:5696 stays and is unknown on n1\n", "unknown counts as not reachable"},
		{"remove, reachability not read", manager("{server: ks1}"), found(ks("ks1"), ks("ks2")), func(in *diff.Input) { in.Have.Health = false },
			"held delete key_server/vs/ks2:5696 [reachability] reachability was not read in this pass\n", ""},
		{"remove below the floor", manager("{server: ks1}"), found(ks("ks1"), ks("ks2")), func(in *diff.Input) { in.Policy.MinReachable = 2 },
			"held delete key_server/vs/ks2:5696 [floor] 1 would stay available on every node, and policy.min_reachable_servers is 2\n", ""},
		{"replace both, first pass", manager("{server: ks3}", "{server: ks4}"), found(ks("ks1"), ks("ks2")), nil,
			`ready create key_server/vs/ks3:5696
  server: "" -> "ks3:5696"
  POST /km-1/key-servers map[server:ks3:5696]
ready create key_server/vs/ks4:5696
  server: "" -> "ks4:5696"
  POST /km-1/key-servers map[server:ks4:5696]
held delete key_server/vs/ks1:5696 [order] first ks3:5696, ks4:5696 must be added and seen available on every node
held delete key_server/vs/ks2:5696 [order] first ks3:5696, ks4:5696 must be added and seen available on every node
`, "add before remove"},
		{"replace both, second pass", manager("{server: ks3}", "{server: ks4}"), found(ks("ks1"), ks("ks2"), ks("ks3"), ks("ks4")), nil,
			`ready delete key_server/vs/ks1:5696
  DELETE /km-1/key-servers/ks1%3A5696 map[]
held delete key_server/vs/ks2:5696 [max_deletes] policy.max_deletes lets 1 go in one pass: the next one continues
`, "one at a time"},
		{"the least reachable goes first", manager("{server: ks3}", "{server: ks4}"), found(ks("ks1"), ks("ks2", "n1"), ks("ks3"), ks("ks4")), nil,
			`ready delete key_server/vs/ks2:5696
  DELETE /km-1/key-servers/ks2%3A5696 map[]
held delete key_server/vs/ks1:5696 [max_deletes] policy.max_deletes lets 1 go in one pass: the next one continues
`, "it is missed least"},
		{"no room, none is dead", manager("{server: ks1}", "{server: ks2}", "{server: ks3}", "{server: ks5}"),
			found(ks("ks1"), ks("ks2"), ks("ks3"), ks("ks4", "n1")), nil,
			`held create key_server/vs/ks5:5696 [order] there are 4 of at most 4 already: one must go first
  server: "" -> "ks5:5696"
held delete key_server/vs/ks4:5696 [order] all 4 places are taken and some node may still reach this one; leave ks5:5696 out of the list until this one is gone
`, "n2 still reaches ks4"},
		{"no room, one is dead", manager("{server: ks1}", "{server: ks2}", "{server: ks3}", "{server: ks5}"),
			found(ks("ks1"), ks("ks2"), ks("ks3"), ks("ks4", "n1", "n2")), nil,
			`held create key_server/vs/ks5:5696 [order] there are 4 of at most 4 already: one must go first
  server: "" -> "ks5:5696"
ready delete key_server/vs/ks4:5696
  DELETE /km-1/key-servers/ks4%3A5696 map[]
`, "the documented exception"},
		{"too new", manager("{server: ks1, create_remove_timeout: 20}"), found(ks("ks1")), func(in *diff.Input) {
			in.Have.Version = resource.Version{Generation: 9, Major: 13, Minor: 1}
		}, "refused update key_server/vs/ks1:5696 [version] create_remove_timeout needs ONTAP 9.14; the cluster runs 9.13.1\n", "nothing else of the object is sent"},
		{"too new to change", manager("{server: ks1, timeout: 30, secondary_key_servers: [b]}"), found(ks("ks1")), func(in *diff.Input) {
			in.Have.Version = resource.Version{Generation: 9, Major: 10, Minor: 1}
		}, `refused update key_server/vs/ks1:5696 [version] changing secondary_key_servers needs ONTAP 9.11.1; the cluster runs 9.10.1
ready update key_server/vs/ks1:5696
  timeout: "25" -> "30"
  PATCH /km-1/key-servers/ks1%3A5696 map[timeout:30]
`, "readable from 9.8, patchable from 9.11.1"},
		{"immutable", strings.Replace(manager("{server: ks1}"), "  external:", "  policy: IBM_Key_Lore\n  external:", 1), found(ks("ks1")), nil,
			`refused update key_manager/vs [immutable] policy cannot be changed in place: a policy is chosen when the key manager is made; delete it (state: absent) and create it anew while no data is encrypted
  policy: "" -> "IBM_Key_Lore"
`, "recreating a key manager can lose keys, so it is never implied"},
		{"mixed releases", manager("{server: ks1, timeout: 30}"), found(ks("ks1")), func(in *diff.Input) {
			in.Have.Nodes[1].Version = resource.Version{Generation: 9, Major: 17, Minor: 1}
		}, `held update key_server/vs/ks1:5696 [nodes] n1 runs ONTAP 9.16.1 and n2 runs 9.17.1: an upgrade is under way
  timeout: "25" -> "30"
`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := input(wanted(t, c.file), c.have)
			if c.tune != nil {
				c.tune(&in)
			}
			if d := cmp.Diff(c.want, short(diff.Compute(in))); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
		})
	}
}

// A server that cannot be added takes no place from one that can.
func TestRefusedTakesNoPlace(t *testing.T) {
	have := found(server{name: "ks1"}, server{name: "ks2"}, server{name: "ks3"})
	have.Version = resource.Version{Generation: 9, Major: 10, Minor: 1}
	p := diff.Compute(diff.Input{Cluster: "a", Have: have, Now: now, Policy: diff.Policy{MaxDeletes: 1},
		Want: wanted(t, manager("server: ks1", "{server: ks4, secondary_key_servers: [ks4b]}", "server: ks5"))})
	got := map[string]plan.Status{}
	for _, s := range p.Steps {
		got[s.Op.String()+" "+s.Addr.Name] = s.Status
	}
	want := map[string]plan.Status{"create ks4:5696": plan.Refused, "create ks5:5696": plan.Ready, "delete ks2:5696": plan.Held, "delete ks3:5696": plan.Held}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// An order to pass a guard passes what was seen, and not that nobody has looked: what else
// speaks against a removal would not be seen either.
func TestUnreadIsNotLifted(t *testing.T) {
	have := found(server{name: "ks1"}, server{name: "ks2"})
	have.Health = false
	var orders []plan.Override
	for i, g := range plan.Overridable() {
		orders = append(orders, plan.Override{Given: plan.Given{ID: fmt.Sprint(i), Until: now.Add(time.Hour)}, Rule: string(g), Object: "a/key_server/vs/ks1:5696"})
	}
	p := diff.Compute(diff.Input{Cluster: "a", Have: have, Now: now, Policy: diff.Policy{MaxDeletes: 1}, Standing: plan.Standing{Overrides: orders},
		Want: wanted(t, manager("server: ks2", "server: ks3"))})
	s := p.Steps[len(p.Steps)-1]
	if s.Op != plan.Delete || s.Status != plan.Held || len(s.Lifted) > 0 || !p.WantsHealth {
		t.Errorf("%s of %s is %s (%s), by the orders %v; health is wanted: %t", s.Op, s.Addr, s.Status, s.Reason, s.Lifted, p.WantsHealth)
	}
}
