package agent

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kmagent/internal/gen"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A booklet is a memory and a journal that live as long as their test.
type booklet struct {
	led plan.Ledger
	n   int
}

func (b *booklet) Ledger() plan.Ledger                { return b.led.Clone() }
func (b *booklet) Pin(uuid string, _ time.Time) error { b.led.UUID = uuid; return nil }
func (b *booklet) See(list []plan.Sighting, _ time.Time) error {
	for _, s := range list {
		b.led.See(s)
	}
	return nil
}
func (b *booklet) Adopt(list []plan.Adoption, _ time.Time) error {
	for _, a := range list {
		b.led.Adopt(a)
	}
	return nil
}
func (b *booklet) Begin(o plan.Operation) (string, error) {
	b.n++
	o.ID = strconv.Itoa(b.n)
	b.led.Begin(o)
	return o.ID, nil
}
func (b *booklet) NoteSlots(list []plan.SlotNote, _ time.Time) error {
	for _, n := range list {
		b.led.NoteSlots(n)
	}
	return nil
}
func (b *booklet) Sending(string, plan.Sending) error       { return nil }
func (b *booklet) Accept(id, job string, _ time.Time) error { b.led.Accept(id, job); return nil }
func (b *booklet) End(id string, e plan.End) error          { b.led.End(id, e); return nil }

// drawn are dice that rapid throws.
type drawn struct{ t *rapid.T }

func (d drawn) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "dice") }
func (d drawn) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, d.IntN(i+1))
	}
}

// What may come between two requests of a pass. Drawn before the pass, since nothing may be
// drawn in another goroutine.
type event struct {
	kind   int    // 0 to 9: nothing
	server string // whose state changes
	state  [2]string
}

const (
	changes = 10 + iota // a server dies or comes back
	refused             // the connection is refused
	lost                // the connection is lost after the request has had its effect
	failing             // an error without effect
	kinds
)

func (g *game) events() []event {
	words := []string{"available", "not_responding", "unknown"}
	out := make([]event, 40)
	for i := range out {
		out[i].kind = g.rnd.IntN(kinds)
		if out[i].kind == changes {
			out[i].server = universe[g.rnd.IntN(len(universe))]
			out[i].state = [2]string{words[g.rnd.IntN(3)], words[g.rnd.IntN(3)]}
		}
	}
	return out
}

// A rough game is one in which anything may come between two requests.
type rough struct {
	*game
	left   []event
	sight  map[string]bool // which servers were available in the newest look
	faults []string
}

// come is what comes between; it looks at each removal as it leaves.
func (g *rough) come(r *http.Request) error {
	var e event
	if len(g.left) > 0 {
		e, g.left = g.left[0], g.left[1:]
	}
	if e.kind == changes {
		g.states[e.server] = e.state
		g.tell()
	}
	if strings.Contains(r.URL.RawQuery, "connectivity") {
		g.sight = map[string]bool{}
		for s, of := range g.states {
			g.sight[s] = of == [2]string{"available", "available"}
		}
	}
	if r.Method == http.MethodDelete {
		g.check(r)
	}
	switch e.kind {
	case refused:
		return errRefused
	case lost, failing:
		action := `{"drop": "after"}`
		if e.kind == failing {
			action = `{"status": 500, "code": "1", "message": "internal"}`
		}
		if err := g.w.net.hosts["c1"].Fault(`{"path": "*", "action": ` + action + `}`); err != nil {
			g.faults = append(g.faults, err.Error())
		}
	}
	return nil
}

// check looks at a removal that is about to leave: what stays must do without what goes, as
// far as the newest look could tell.
func (g *rough) check(r *http.Request) {
	s, err := stateOf(g.w.net.hosts["c1"])
	if err != nil || len(s.KeyManagers) != 1 {
		g.faults = append(g.faults, fmt.Sprintf("%v of %d key managers", err, len(s.KeyManagers)))
		return
	}
	goes := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	reached := 0
	for _, k := range s.KeyManagers[0].External.Servers {
		switch {
		case k.Server == goes:
		case g.sight[k.Server]:
			reached++
		case slices.Contains(g.want, k.Server):
			g.faults = append(g.faults, fmt.Sprintf("DELETE %s, while %s stays and was not available", goes, k.Server))
		}
	}
	if slices.Contains(g.want, goes) {
		g.faults = append(g.faults, fmt.Sprintf("DELETE %s, which the file wants", goes))
	}
	if reached < max(g.floor, 1) {
		g.faults = append(g.faults, fmt.Sprintf("DELETE %s leaves %d servers that every node reached, and the floor is %d; %v", goes, reached, g.floor, g.sight))
	}
}

// TestSwap: a list of key servers becomes another one, and another, while servers die and
// come back and connections are lost between any two requests. At each request that removes
// one, enough remain; and when all is well again the list is the file's.
func TestSwap(t *testing.T) {
	gen.Check(t, 400, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			g := &rough{game: newGame(rt, 1, drawn{rt}, &booklet{})}
			g.playRough()
		})
	})
}

func (g *rough) playRough() {
	g.t.Helper()
	g.steady()
	g.ask()
	g.loop.Once(context.Background(), Orders{})
	g.w.net.comeBetween(g.come)
	for range 1 + g.rnd.IntN(6) {
		if g.rnd.IntN(3) == 0 {
			g.ask()
		}
		if g.rnd.IntN(2) == 0 {
			g.shake()
		}
		g.left = g.events()
		g.loop.Once(context.Background(), Orders{})
		if len(g.faults) > 0 {
			g.t.Fatal(strings.Join(g.faults, "\n"))
		}
		time.Sleep(time.Duration(1+g.rnd.IntN(10)) * time.Minute)
	}
	g.left = nil
	g.steady()
	g.w.call("c1", "DELETE", "/sim/faults", "")
	time.Sleep(2 * plan.FlapWindow)
	var last Pass
	for range 12 {
		last = g.loop.Once(context.Background(), Orders{})
		if err := last.Failure(); err != nil {
			g.t.Fatal(err)
		}
		if !last.Plan.Counts().Pending() {
			break
		}
		time.Sleep(5 * time.Minute)
	}
	if len(g.faults) > 0 {
		g.t.Fatal(strings.Join(g.faults, "\n"))
	}
	for i := range last.Plan.Steps {
		if s := &last.Plan.Steps[i]; !gen.Excused(s, resource.Version{Generation: 9, Major: 16, Minor: 1}) {
			g.t.Fatalf("at rest %s of %s is %s by %s: %s", s.Op, s.Addr, s.Status, s.Guard, s.Reason)
		}
	}
	have, _ := g.w.managers("c1")
	if got, want := slices.Sorted(slices.Values(have["vs1"])), slices.Sorted(slices.Values(g.want)); !last.Plan.Counts().Pending() && !slices.Equal(got, want) {
		g.t.Fatalf("there are %v, wanted are %v, and the plan has nothing", got, want)
	}
}
