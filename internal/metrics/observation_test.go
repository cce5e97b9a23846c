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
	key := managerKey{"vs_db", "external"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			prev := &observation{states: map[managerKey]string{}}
			if tt.before != "" {
				prev.states[key] = tt.before
			}
			c := observed("PROD_A", tt.obj)
			c.Health = tt.health
			got := observe(prev, c)
			if got.states[key] != tt.want {
				t.Errorf("got %q, want %q", got.states[key], tt.want)
			}
			if want := []manager{{"vs_db", "svm", "external", "u"}}; !cmp.Equal(want, got.managers, cmp.AllowUnexported(manager{})) {
				t.Errorf("managers: got %v, want %v", got.managers, want)
			}
		})
	}
}

func TestOnboard(t *testing.T) {
	o := resource.NewObject(resource.Onboard, addr("key_manager", "", ""))
	o.ID = "u"
	got := observe(nil, observed("PROD_A", set(o, "status.code", resource.Int(0))))
	if got.states[managerKey{"", "onboard"}] != managerAvailable || len(got.managers) != 1 || got.managers[0].scope != "cluster" {
		t.Errorf("got %v, %v", got.managers, got.states)
	}
}

func TestReach(t *testing.T) {
	const ks1, ks2 = "ks1.example.net:5696", "ks2.example.net:5696"
	earlier := start.Add(-time.Hour)
	node := func(n, s string) reachKey { return reachKey{"vs_db", "node" + n, s} }
	silent := func(name string) *resource.Object {
		return set(keyServer("vs_db", name), "connectivity", resource.Value{})
	}
	prev := map[reachKey]reach{
		node("1", ks1): {serverAvailable, earlier},
		node("2", ks1): {serverNotResponding, time.Time{}},
	}
	tests := []struct {
		name    string
		prev    map[reachKey]reach
		servers []*resource.Object
		health  bool
		want    map[reachKey]reach
	}{
		{"first sight", nil, []*resource.Object{keyServer("vs_db", ks1, "available", "not_responding")}, true,
			map[reachKey]reach{node("1", ks1): {serverAvailable, start}, node("2", ks1): {serverNotResponding, time.Time{}}}},
		{"a server went away from a node and came to another", prev, []*resource.Object{keyServer("vs_db", ks1, "not_responding", "available")}, true,
			map[reachKey]reach{node("1", ks1): {serverNotResponding, earlier}, node("2", ks1): {serverAvailable, start}}},
		{"a node that is left out is unknown", nil, []*resource.Object{keyServer("vs_db", ks1, "available")}, true,
			map[reachKey]reach{node("1", ks1): {serverAvailable, start}, node("2", ks1): {serverUnknown, time.Time{}}}},
		{"a word of its own is unknown", nil, []*resource.Object{keyServer("vs_db", ks1, "AVAILABLE", "")}, true,
			map[reachKey]reach{node("1", ks1): {serverUnknown, time.Time{}}, node("2", ks1): {serverUnknown, time.Time{}}}},
		{"a node that the cluster does not have says nothing", nil, []*resource.Object{keyServer("vs_db", ks1, "available", "available", "available")}, true,
			map[reachKey]reach{node("1", ks1): {serverAvailable, start}, node("2", ks1): {serverAvailable, start}}},
		{"nothing was said of the server", prev, []*resource.Object{silent(ks1)}, true, map[reachKey]reach{}},
		{"not read this time", prev, []*resource.Object{silent(ks1), silent(ks2)}, false, prev},
		{"not read this time, and the server is gone", prev, []*resource.Object{silent(ks2)}, false, map[reachKey]reach{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := observed("PROD_A", external("vs_db", "u", 0, tt.servers...))
			c.Health = tt.health
			got := observe(&observation{reach: tt.prev}, c)
			if diff := cmp.Diff(tt.want, got.reach, cmp.AllowUnexported(reachKey{}, reach{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.dropped != 0 {
				t.Errorf("dropped %d", got.dropped)
			}
		})
	}
}

// Two samples of one series would spoil the whole scrape, so what looks like another object
// is left out, and so is what is beyond a limit. Both are told.
func TestDropped(t *testing.T) {
	long := strings.Repeat("x", 200)
	twin := keyServer("vs_db", "ks1.example.net:5696", "available", "available")
	many := make([]*resource.Object, maxServers+3)
	for i := range many {
		many[i] = set(keyServer("vs_db", "ks"+strconv.Itoa(i)), "connectivity", resource.Value{})
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
		{"too many", []*resource.Object{external("vs_db", "u", 0, many...)}, maxServers, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := observe(nil, observed("PROD_A", tt.managers...))
			if len(got.servers) != tt.servers || got.dropped != tt.dropped {
				t.Errorf("servers %d, dropped %d; want %d, %d", len(got.servers), got.dropped, tt.servers, tt.dropped)
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
