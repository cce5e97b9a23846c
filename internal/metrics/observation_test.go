package metrics

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/resource"
)

func TestManagerState(t *testing.T) {
	stored := func(o *resource.Object) *resource.Object {
		return set(set(o, "enabled", resource.Bool(false)), "status.code", resource.Value{})
	}
	tests := []struct {
		name   string
		obj    *resource.Object
		health bool
		before string // what was known; empty for nothing
		want   string // empty for no series
	}{
		{"complete", external("vs_db", "u", 0), true, "", managerAvailable},
		{"no action needed at this time", external("vs_db", "u", 65537200), true, managerDegraded, managerAvailable},
		{"the MetroCluster partner lacks the key servers", external("vs_db", "u", 65537204), true, managerAvailable, managerDegraded},
		{"a code that nobody has documented", external("vs_db", "u", 1), true, "", managerDegraded},
		{"asked for, and not in the answer", set(external("vs_db", "u", 0), "status.code", resource.Value{}), true, managerAvailable, managerUnknown},
		{"not asked for yet", external("vs_db", "u", 0), false, "", managerUnknown},
		{"not asked for this time", external("vs_db", "u", 0), false, managerDegraded, managerDegraded},
		{"kept in store", stored(external("vs_db", "u", 0)), true, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var prev *observation
			if tt.before != "" {
				prev = &observation{
					managers: []manager{{svm: "vs_db", kind: "external", state: tt.before}},
					inUse:    map[managerKey]int{{"vs_db", "external"}: 0},
				}
			}
			c := observed("PROD_A", tt.obj)
			c.Health = tt.health
			got := observe(prev, c)
			if len(got.managers) != 1 || got.managers[0].state != tt.want {
				t.Errorf("got %v, want one with state %q", got.managers, tt.want)
			}
		})
	}
}

func TestOnboard(t *testing.T) {
	o := resource.NewObject(resource.Onboard, addr("key_manager", "", ""))
	o.ID = "u"
	got := observe(nil, observed("PROD_A", set(o, "status.code", resource.Int(0))))
	want := []manager{{scope: "cluster", kind: "onboard", uuid: "u", state: managerAvailable}}
	if diff := cmp.Diff(want, got.managers, cmp.AllowUnexported(manager{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReach(t *testing.T) {
	const ks1, ks2 = "ks1.example.net:5696", "ks2.example.net:5696"
	silent := func(name string) *resource.Object {
		return set(keyServer("vs_db", name), "connectivity", resource.Value{})
	}
	available := func(at time.Time) reach { return reach{serverAvailable, at} }
	var (
		earlier = start.Add(-time.Hour)
		never   time.Time
		down    = reach{serverNotResponding, never}
		unknown = reach{serverUnknown, never}
	)
	before := []reach{available(earlier), down}
	tests := []struct {
		name    string
		before  []reach // of ks1
		servers []*resource.Object
		health  bool
		want    [][]reach // by server
	}{
		{"first sight", nil, []*resource.Object{keyServer("vs_db", ks1, "available", "not_responding")}, true,
			[][]reach{{available(start), down}}},
		{"lost by one node and found by another", before, []*resource.Object{keyServer("vs_db", ks1, "not_responding", "available")}, true,
			[][]reach{{{serverNotResponding, earlier}, available(start)}}},
		{"a node that is left out is unknown", nil, []*resource.Object{keyServer("vs_db", ks1, "available")}, true,
			[][]reach{{available(start), unknown}}},
		{"a word of its own is unknown", nil, []*resource.Object{keyServer("vs_db", ks1, "AVAILABLE", "")}, true,
			[][]reach{{unknown, unknown}}},
		{"a node that the cluster does not have says nothing", nil, []*resource.Object{keyServer("vs_db", ks1, "available", "available", "available")}, true,
			[][]reach{{available(start), available(start)}}},
		{"nothing was said of the server", before, []*resource.Object{silent(ks1)}, true,
			[][]reach{nil}},
		{"not read yet", nil, []*resource.Object{silent(ks1)}, false,
			[][]reach{nil}},
		{"not read this time", before, []*resource.Object{silent(ks2), silent(ks1)}, false,
			[][]reach{nil, before}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := observed("PROD_A", external("vs_db", "u", 0, tt.servers...))
			c.Health = tt.health
			prev := &observation{
				nodes: []string{"node1", "node2"},
				managers: []manager{{svm: "vs_db", kind: "external", servers: []server{
					{name: ks1, role: "secondary"}, {name: ks1, role: "primary", reach: tt.before},
				}}},
				inUse: map[managerKey]int{{"vs_db", "external"}: 0},
			}
			got := observe(prev, c)
			var seen [][]reach
			for _, s := range got.managers[0].servers {
				seen = append(seen, s.reach)
			}
			if diff := cmp.Diff(tt.want, seen, cmp.AllowUnexported(reach{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.dropped != 0 {
				t.Errorf("dropped %d", got.dropped)
			}
		})
	}
}

// What a node saw stays with the node when nodes come and go, and goes with it.
func TestReachFollowsNodes(t *testing.T) {
	look := func(prev *observation, health bool, nodes ...string) *observation {
		ks1 := keyServer("vs_db", "ks1.example.net:5696", "not_responding", "available", "available")
		c := observed("PROD_A", external("vs_db", "u", 0, ks1))
		c.Health, c.Nodes = health, nil
		for _, n := range nodes {
			c.Nodes = append(c.Nodes, resource.Node{Name: n})
		}
		return observe(prev, c)
	}
	first := look(nil, true, "node3", "node2")
	second := look(first, false, "node1", "node2")
	want := []reach{{}, {serverAvailable, start}}
	if diff := cmp.Diff(want, second.managers[0].servers[0].reach, cmp.AllowUnexported(reach{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Two samples of one series would spoil the whole scrape, so what looks like another object
// is left out, and so is what is beyond a limit. Both are told.
func TestDropped(t *testing.T) {
	long := strings.Repeat("x", 200)
	twin := keyServer("vs_db", "ks1.example.net:5696", "available", "available")
	many := make([]*resource.Object, maxServersOfOne+3)
	for i := range many {
		many[i] = keyServer("vs_db", "ks"+strconv.Itoa(i), "available", "available")
	}
	full := make([]*resource.Object, maxServers/maxServersOfOne+2)
	for i := range full {
		full[i] = external("vs"+strconv.Itoa(i), "u", 0, many[:maxServersOfOne]...)
	}
	tests := []struct {
		name     string
		managers []*resource.Object
		servers  int
		dropped  int
	}{
		{"as it should be", []*resource.Object{external("vs_db", "u", 0, keyServer("vs_db", "ks1"), keyServer("vs_db", "ks2"))}, 2, 0},
		{"one server twice", []*resource.Object{external("vs_db", "u", 0, twin, twin)}, 1, 1},
		{"names that differ where nothing prints", []*resource.Object{external("vs_db", "u", 0, keyServer("vs_db", "ks\x00"), keyServer("vs_db", "ks\x01"))}, 1, 1},
		{"names that differ where they are cut", []*resource.Object{external("vs_db", "u", 0, keyServer("vs_db", long+"1"), keyServer("vs_db", long+"2"))}, 1, 1},
		{"one secondary twice under one primary has two places", []*resource.Object{external("vs_db", "u", 0,
			set(keyServer("vs_db", "ks1"), "secondary_key_servers", resource.StrList([]string{"b", "b"})))}, 3, 0},
		{"too many under one key manager", []*resource.Object{external("vs_db", "u", 0, many...)}, maxServersOfOne, 3},
		{"too many in all", full, maxServers, 2 * maxServersOfOne},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := observe(nil, observed("PROD_A", tt.managers...))
			servers := 0
			for _, m := range got.managers {
				servers += len(m.servers)
			}
			if servers != tt.servers || got.dropped != tt.dropped {
				t.Errorf("servers %d, dropped %d; want %d, %d", servers, got.dropped, tt.servers, tt.dropped)
			}
		})
	}
}

func TestParseExpiry(t *testing.T) {
	end := time.Date(2030, 1, 25, 11, 20, 13, 0, time.UTC)
	tests := []struct {
		text string
		want time.Time // zero: no series
	}{
		{"2030-01-25T11:20:13+00:00", end},
		{"2030-01-25 11:20:13+00:00", end},
		{"2030-01-25T11:20:13Z", end},
		{"2030-01-25T06:20:13-05:00", end},
		{"2030-01-25T11:20:13", time.Time{}}, // without an offset it is anybody's guess
		{"P365DT", time.Time{}},
		{"", time.Time{}},
	}
	for _, tt := range tests {
		got, ok := parseExpiry(tt.text)
		if !got.Equal(tt.want) || ok != !tt.want.IsZero() {
			t.Errorf("%q: got %v %t, want %v", tt.text, got, ok, tt.want)
		}
	}
}
