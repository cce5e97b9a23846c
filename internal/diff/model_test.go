package diff_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/gen"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// passes are more than any case needs: additions, one removal after the other, a switch.
const passes = 24

// converge makes passes until a plan has nothing ready, and returns that plan with how many
// requests were sent.
func converge(t *rapid.T, m *gen.Model) (last plan.Plan, requests int) {
	t.Helper()
	for range passes {
		p := m.Pass(time.Minute)
		if p.Counts().Ready() == 0 {
			return p, requests
		}
		for i := range p.Steps {
			if p.Steps[i].Status == plan.Ready {
				requests += len(p.Steps[i].Requests)
			}
		}
		last = p
	}
	t.Fatalf("after %d passes there is still something to do:\n%s", passes, told(t, last))
	return last, requests
}

// M1 and L2: on a calm cluster what is sent is all that there was to do, and nothing is sent
// twice.
func TestConvergesAndRests(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		c := gen.Calm(t)
		p, _ := converge(t, &c.Model)
		for i := range p.Steps {
			if s := &p.Steps[i]; !gen.Excused(s, c.In.Have.Version) {
				t.Fatalf("at rest %s is %s by %s: %s; the whole:\n%s", sent(t, s), s.Status, s.Guard, s.Reason, told(t, p))
			}
		}
		for range 3 {
			c.Pass(20 * time.Minute) // what was adopted is remembered; the notes of the first look go
		}
		quiet := told(t, c.Pass(20*time.Minute))
		if again := told(t, c.Pass(20*time.Minute)); again != quiet {
			t.Fatalf("at rest\n%s\nand then\n%s", quiet, again)
		}
	})
}

// A cluster that is as the file has it needs nothing at all.
func TestSameNeedsNothing(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		c := gen.Calm(t)
		converge(t, &c.Model)
		c.In.Want = slices.DeleteFunc(slices.Clone(c.In.Want), func(w *resource.Object) bool {
			return slices.ContainsFunc(diff.Compute(c.In).Steps, func(s plan.Step) bool { return s.Addr.SVM == w.Addr.SVM })
		})
		if p := diff.Compute(c.In); p.Counts().Pending() {
			t.Fatalf("%s", told(t, p))
		}
	})
}

// M8: there are no more requests than there are differences, but for the documented detours: a
// PATCH after the POST that does not take a field, CAs that grow before they shrink, a rekey
// and a switch of their own, a backup after a change.
func TestShortestWay(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		c := gen.Calm(t)
		before := objects(c.In.Have)
		backups := 0
		in := c.In
		_, requests := converge(t, &c.Model)
		after := objects(c.In.Have)
		differences := 0
		for a := range union(before, after) {
			was, is := before[a], after[a]
			switch {
			case was == nil:
				differences += 2 // POST, and PATCH of what it does not take
			case is == nil:
				differences++
			default:
				differences += between(was, is)
			}
			if a.Kind == "key_manager" && (was == nil || is == nil || was.Kind == resource.Onboard) {
				backups++
			}
		}
		differences += secretDifferences(in, before)
		if requests > differences+backups {
			t.Fatalf("%d requests for %d differences and %d backups", requests, differences, backups)
		}
	})
}

// between counts the requests that the differences of two states of an object are worth.
func between(was, is *resource.Object) int {
	n, plain := 0, false
	for i := range was.Kind.Fields {
		f := &was.Kind.Fields[i]
		if f.Equal(was.Values[i], is.Values[i]) || f.Flags.Has(resource.Advanced) {
			continue
		}
		switch {
		case f.Flags.Has(resource.GrowFirst):
			n++ // and the other half with the other fields
			plain = true
		case f.Flags.Has(resource.Switch):
			n++
		case f.Via != "":
			n++
		case f.Type != resource.Children:
			plain = true
		}
	}
	if plain {
		n++
	}
	return n
}

// secretDifferences counts the objects of which a secret has to be sent.
func secretDifferences(in diff.Input, before map[resource.Addr]*resource.Object) int {
	n := 0
	for _, w := range in.Want {
		for _, o := range append([]*resource.Object{w}, w.Children...) {
			due := false
			for i := range o.Kind.Fields {
				at := plan.SecretAt{Addr: o.Addr, Field: o.Kind.Fields[i].Name}
				if s, ok := in.Secrets[at]; ok && in.Ledger.Objects[o.Addr].Secrets[at.Field] != s.Digest {
					due = true
				}
			}
			if due && before[o.Addr] != nil {
				n++
			}
		}
	}
	return n
}

// objects lists all objects of a cluster, children too.
func objects(c *resource.Cluster) map[resource.Addr]*resource.Object {
	out := maps.Clone(c.Objects)
	for _, o := range c.Objects {
		for _, x := range o.Children {
			out[x.Addr] = x
		}
	}
	return out
}

func union(a, b map[resource.Addr]*resource.Object) map[resource.Addr]bool {
	out := map[resource.Addr]bool{}
	for x := range a {
		out[x] = true
	}
	for x := range b {
		out[x] = true
	}
	return out
}

// M6: two changes of the file, one after the other, end where both at once do.
func TestChangesAddUp(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		c := gen.Calm(t)
		converge(t, &c.Model)
		one := c.File.Clone()
		if len(one.Entries) < 2 {
			t.SkipNow()
		}
		i := rapid.IntRange(0, len(one.Entries)-2).Draw(t, "first")
		j := rapid.IntRange(i+1, len(one.Entries)-1).Draw(t, "second")
		one.Entries[i] = one.Entries[i].Changed(t)
		both := one.Clone()
		both.Entries[j] = both.Entries[j].Changed(t)
		a, b := c.Model, c.Model
		for _, f := range []*gen.File{one, both} {
			a.In.Want = f.Spec(t).Objects
			a.In.Secrets = gen.Secrets(a.In.Want)
			converge(t, &a)
			a.In.Now = a.In.Now.Add(2 * time.Hour)
		}
		b.In.Want, b.In.Secrets = a.In.Want, a.In.Secrets
		converge(t, &b)
		if x, y := shown(a.In.Have), shown(b.In.Have); x != y {
			t.Fatalf("one after the other\n%s\nat once\n%s", x, y)
		}
	})
}

// shown is what a cluster holds, in an order.
func shown(c *resource.Cluster) string {
	all := objects(c)
	addrs := slices.SortedFunc(maps.Keys(all), resource.Addr.Compare)
	var b strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&b, "%s %s", a, all[a].ID)
		for i, v := range all[a].Values {
			if f := &all[a].Kind.Fields[i]; v.IsSet() && f.Type != resource.NodeStates {
				fmt.Fprintf(&b, " %s=%s%v", f.Name, v.Text(), v.Links())
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// M2 and M3: the order of clusters, of entries and of their lists in the file changes nothing
// but places.
func TestOrderOfTheFile(t *testing.T) {
	gen.Check(t, cases/4, func(t *rapid.T) {
		c := gen.Stormy(t)
		other := gen.NewFile(t, "b")
		shuffled := c.File.Clone()
		shuffled.Entries = rapid.Permutation(shuffled.Entries).Draw(t, "entries")
		for _, e := range shuffled.Entries {
			if list, ok := e.Fields["external.servers"].([]any); ok {
				e.Fields["external.servers"] = rapid.Permutation(list).Draw(t, "servers")
			}
		}
		s, err := desired.Parse("f", gen.Text(other, shuffled))
		if err != nil {
			t.Fatal(err)
		}
		first := told(t, placeless(diff.Compute(c.In)))
		c.In.Want = s.Clusters[1].Objects
		if got := told(t, placeless(diff.Compute(c.In))); sorted(got) != sorted(first) {
			t.Fatalf("%s\nand in another order\n%s", first, got)
		}
	})
}

// placeless is a plan without the places of the file.
func placeless(p plan.Plan) plan.Plan {
	for i := range p.Steps {
		p.Steps[i].Source = resource.Pos{}
	}
	for i := range p.Notes {
		p.Notes[i].Source = resource.Pos{}
	}
	return p
}

// S3: a list of key servers becomes another one while servers die and come back between any
// two steps. At every prefix of what is sent enough servers remain that every node reaches,
// as of the look that the step rests on, and what the file keeps is never the one that goes;
// in the end, with every server back, the list is the file's wherever there is room for it.
func TestSwapKeepsTheFloor(t *testing.T) {
	gen.Check(t, 25*cases, func(t *rapid.T) {
		g := newSwap(t)
		for range rapid.IntRange(1, 6).Draw(t, "passes") {
			if rapid.IntRange(0, 3).Draw(t, "ask") == 3 {
				g.ask()
			}
			g.pass()
		}
		g.calm()
	})
}

// A swap is one key manager of a cluster of two nodes, and a file that wants servers of it.
type swap struct {
	*rapid.T
	gen.Model
	floor int
	died  map[string]bool // since the last look
}

func newSwap(t *rapid.T) *swap {
	g := &swap{T: t}
	f := &gen.File{Name: "a", Entries: []*gen.Entry{gen.Filled(t, &gen.Entry{Kind: resource.External, SVM: "vs1"})}}
	g.Model = gen.Of(f.Spec(t), 2)
	g.States = map[string][]string{}
	g.ask()
	return g
}

// ask has the file want other servers, and other bounds.
func (g *swap) ask() {
	f := &gen.File{Name: "a", Entries: []*gen.Entry{gen.Filled(g.T, &gen.Entry{Kind: resource.External, SVM: "vs1"})}}
	g.In.Want = f.Spec(g.T).Objects
	g.In.Secrets = gen.Secrets(g.In.Want)
	g.In.Policy = diff.Policy{MaxDeletes: rapid.IntRange(0, 4).Draw(g.T, "max deletes"), MinReachable: rapid.IntRange(0, 4).Draw(g.T, "floor")}
	g.floor = g.In.Policy.MinReachable
	if g.floor == 0 {
		g.floor = min(2, len(g.In.Want[0].Children))
	}
}

// shake may change how nodes see servers.
func (g *swap) shake(percent int) {
	words := []string{"available", "available", "not_responding", "unknown"}
	next := maps.Clone(g.States)
	for _, s := range gen.Servers() {
		if rapid.IntRange(0, 99).Draw(g.T, s) < 100-percent {
			continue
		}
		was := g.Available(s)
		next[s] = []string{rapid.SampledFrom(words).Draw(g.T, s), rapid.SampledFrom(words).Draw(g.T, s)}
		if rapid.IntRange(0, 3).Draw(g.T, s) == 3 {
			next[s] = []string{"not_responding", "not_responding"}
		}
		g.States, next = next, maps.Clone(next)
		if was && !g.Available(s) {
			g.died[s] = true
		}
	}
}

func (g *swap) manager() *resource.Object {
	return g.In.Have.Objects[resource.Addr{Cluster: "a", Kind: "key_manager", SVM: "vs1"}]
}

// pass looks, decides and sends, and checks after each removal what is left.
func (g *swap) pass() {
	g.Helper()
	g.In.Now = g.In.Now.Add(time.Minute)
	g.died = map[string]bool{}
	g.shake(40)
	g.died = map[string]bool{}
	p := diff.Compute(g.Look())
	g.Remember(&p)
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Status != plan.Ready {
			continue
		}
		g.shake(10)
		g.Do(s)
		if s.Op != plan.Delete {
			continue
		}
		m := g.manager()
		if m == nil {
			g.Fatalf("%s was the last server", s.Addr)
		}
		if find(g.In.Want, s.Addr) != nil {
			g.Fatalf("%s goes, and the file wants it", s.Addr)
		}
		reached := 0
		for _, c := range m.Children {
			if g.Available(c.Addr.Name) || g.died[c.Addr.Name] {
				reached++
			} else if find(g.In.Want, c.Addr) != nil {
				g.Fatalf("%s goes, while %s stays and is %v", s.Addr, c.Addr.Name, g.States[c.Addr.Name])
			}
		}
		if reached < g.floor {
			g.Fatalf("%s goes, %d servers are left that every node reached, and the floor is %d", s.Addr, reached, g.floor)
		}
	}
}

// calm makes every server available, and wants the file's list in the end.
func (g *swap) calm() {
	g.Helper()
	g.States = map[string][]string{}
	g.In.Policy.MaxDeletes = max(g.In.Policy.MaxDeletes, 1)
	g.In.Now = g.In.Now.Add(2 * plan.FlapWindow)
	last, _ := converge(g.T, &g.Model)
	for i := range last.Steps {
		if s := &last.Steps[i]; !gen.Excused(s, g.In.Have.Version) {
			g.Fatalf("at rest %s is %s by %s: %s", sent(g.T, s), s.Status, s.Guard, s.Reason)
		}
	}
	if m := g.manager(); m == nil || len(m.Children) == 0 {
		g.Fatalf("there is no server left")
	}
}
