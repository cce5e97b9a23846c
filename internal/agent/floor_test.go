package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kmagent/internal/apply"
	"kmagent/internal/desired"
	"kmagent/internal/live"
	"kmagent/internal/ontap"
	"kmagent/internal/ontapsim"
	"kmagent/internal/plan"
	"kmagent/internal/secret"
)

// A notebook is a memory and a journal that forget everything but the cluster.
type notebook struct{ uuid string }

func (n *notebook) Ledger() plan.Ledger                        { return plan.Ledger{UUID: n.uuid} }
func (n *notebook) Pin(uuid string, _ time.Time) error         { n.uuid = uuid; return nil }
func (n *notebook) See([]plan.Sighting, time.Time) error       { return nil }
func (n *notebook) Adopt([]plan.Adoption, time.Time) error     { return nil }
func (n *notebook) Begin(plan.Operation) (string, error)       { return "1", nil }
func (n *notebook) Sending(string, plan.Sending) error         { return nil }
func (n *notebook) Accept(_, _ string, _ time.Time) error      { return nil }
func (n *notebook) NoteSlots([]plan.SlotNote, time.Time) error { return nil }
func (n *notebook) End(string, plan.End) error                 { return nil }

// A game is one cluster of two nodes with one key manager, and a loop that keeps it.
type game struct {
	t       *testing.T
	w       *world
	rnd     *rand.Rand
	states  map[string][2]string // of each server as each node sees it
	want    []string
	floor   int
	read    int // requests seen
	servers map[string]bool
	loop    *Loop
}

var universe = []string{"ks1:5696", "ks2:5696", "ks3:5696", "ks4:5696", "ks5:5696", "ks6:5696"}

// some returns 1 to 4 servers, the most that a key manager has.
func (g *game) some() []string {
	out := slices.Clone(universe)
	g.rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:1+g.rnd.IntN(4)]
}

// shake gives every server a new state on each node; steady makes all available.
func (g *game) shake() {
	words := []string{"available", "available", "available", "not_responding", "unknown"}
	for _, s := range universe {
		g.states[s] = [2]string{words[g.rnd.IntN(len(words))], words[g.rnd.IntN(len(words))]}
		if g.rnd.IntN(4) == 0 {
			g.states[s] = [2]string{"not_responding", "not_responding"}
		}
	}
	g.tell()
}

func (g *game) steady() {
	for _, s := range universe {
		g.states[s] = [2]string{"available", "available"}
	}
	g.tell()
}

func (g *game) tell() {
	servers := map[string]map[string]string{}
	for s, of := range g.states {
		servers[s] = map[string]string{"node1": of[0], "node2": of[1]}
	}
	text, err := json.Marshal(map[string]any{"key_servers": servers})
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.w.net.hosts["c1"].Set(string(text)); err != nil {
		g.t.Fatal(err)
	}
}

// ask makes the file want something else.
func (g *game) ask() {
	g.want = g.some()
	g.floor = g.rnd.IntN(5)
	policy := fmt.Sprintf("policy: {max_deletes: %d, min_reachable_servers: %d}", 1+g.rnd.IntN(3), g.floor)
	if g.floor == 0 {
		policy = fmt.Sprintf("policy: {max_deletes: %d}", 1+g.rnd.IntN(3))
		g.floor = min(2, len(g.want))
	}
	c := one("c1", g.want...).set(policy)
	s, err := desired.Parse("keys.yaml", []byte(file(c)))
	if err != nil {
		g.t.Fatal(err)
	}
	g.loop.Spec = s.Clusters[0]
}

// pass makes one pass and follows its writes: each removal must leave the floor, and every
// wanted server that is there must be available.
func (g *game) pass() Pass {
	g.t.Helper()
	p := g.loop.Once(g.t.Context(), Orders{})
	if p.Err != nil {
		g.t.Fatalf("the pass failed: %v", p.Err)
	}
	requests, next := g.w.requests("c1", g.read)
	g.read = next
	for _, r := range requests {
		before := len(g.servers)
		replay(g.t, g.servers, r)
		if len(g.servers) < before {
			g.checkRemoval(r)
		}
	}
	return p
}

func (g *game) checkRemoval(r request) {
	g.t.Helper()
	reached := 0
	for s := range g.servers {
		if g.states[s] == [2]string{"available", "available"} {
			reached++
		} else if slices.Contains(g.want, s) {
			g.t.Fatalf("%s, while %s stays and is %v", r, s, g.states[s])
		}
	}
	if reached < g.floor {
		g.t.Fatalf("%s leaves %d servers reachable from every node, and the floor is %d; %v", r, reached, g.floor, g.states)
	}
}

// settled says whether the servers are those that the file wants.
func (g *game) settled() bool {
	return slices.Equal(slices.Sorted(maps.Keys(g.servers)), slices.Sorted(slices.Values(g.want)))
}

// Whatever is wanted, whatever is there and whatever is reachable: no removal goes below the
// floor, and once every server is available, what can be reached is reached.
func TestFloor(t *testing.T) {
	cases := uint64(2000)
	if raceDetector || testing.Short() {
		cases = 100 // each is one goroutine after the other: there is no race to find in more
	}
	synctest.Test(t, func(t *testing.T) {
		for seed := range cases {
			g := newGame(t, seed)
			g.play()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	})
}

func newGame(t *testing.T, seed uint64) *game {
	w := &world{t: t, net: &network{hosts: ontapsim.Hosts{}}}
	w.net.hosts["c1"] = ontapsim.New(ontapsim.Config{Name: "c1", Seed: seed, SVMs: []string{"vs1"}})
	cred, err := ontap.Basic("admin", []byte("netapp1!"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := ontap.New(ontap.Config{Endpoint: "https://c1", Transport: w.net,
		Credentials: func(context.Context) (ontap.Credential, error) { return cred, nil }})
	if err != nil {
		t.Fatal(err)
	}
	key, err := secret.NewKey(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	book := &notebook{}
	return &game{t: t, w: w, rnd: rand.New(rand.NewPCG(seed, 42)), states: map[string][2]string{}, servers: map[string]bool{},
		loop: &Loop{Edges: Edges{Reader: live.NewReader("c1", client, 1), Memory: book,
			Actor: actor{&apply.Runner{Writer: client, Secrets: &w.secrets, Key: key, Journal: book}}}}}
}

func (g *game) play() {
	t := g.t
	t.Helper()
	g.steady()
	g.ask()
	first := g.loop.Once(t.Context(), Orders{}) // makes the key manager
	if err := first.Failure(); err != nil {
		t.Fatal(err)
	}
	have, _ := g.w.managers("c1")
	for _, s := range have["vs1"] {
		g.servers[s] = true
	}
	_, g.read = g.w.requests("c1", 0)

	for range 3 {
		if g.rnd.IntN(2) == 0 {
			g.ask()
		}
		g.shake()
		time.Sleep(time.Minute)
		g.pass()
	}

	g.steady()
	union := map[string]bool{}
	maps.Copy(union, g.servers)
	for _, s := range g.want {
		union[s] = true
	}
	var last Pass
	for range 8 {
		time.Sleep(5 * time.Minute)
		last = g.pass()
		if !last.Plan.Counts().Pending() {
			break
		}
	}
	have, _ = g.w.managers("c1")
	if got := slices.Sorted(maps.Keys(g.servers)); !slices.Equal(got, slices.Sorted(slices.Values(have["vs1"]))) {
		t.Fatalf("the write log gives %v, and there are %v", got, have["vs1"])
	}
	switch {
	case g.settled():
	case g.floor > len(g.want) && strings.Contains(shown(last), "held by floor"):
		// The file wants more to be reachable than it wants to be there.
	case len(union) <= 4:
		t.Fatalf("there are %v, wanted are %v, and the plan is %v", slices.Sorted(maps.Keys(g.servers)), g.want, shown(last))
	case strings.Contains(shown(last), "held by order"):
		// More than four would be needed for a moment: a human has to say which goes first.
	default:
		t.Fatalf("there are %v, wanted are %v, and nothing says why: %v", slices.Sorted(maps.Keys(g.servers)), g.want, shown(last))
	}
}

// shown is what a pass says of its steps.
func shown(p Pass) string {
	var out []string
	for _, s := range p.Plan.Steps {
		out = append(out, fmt.Sprintf("%s %s %s by %s: %s", s.Op, s.Addr.Name, s.Status, s.Guard, s.Reason))
	}
	return strings.Join(out, "; ")
}
