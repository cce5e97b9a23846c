package diff_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kmagent/internal/diff"
	"kmagent/internal/gen"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// cases is how many of each property are tried when nobody asks for more; see package gen.
const cases = 400

// told is everything that a plan says and sends, for comparison.
func told(t *rapid.T, p plan.Plan) string {
	var b bytes.Buffer
	if err := plan.JSON(&b, []plan.Plan{p}); err != nil {
		t.Fatal(err)
	}
	for i := range p.Steps {
		b.WriteString(sent(t, &p.Steps[i]) + "\n")
	}
	fmt.Fprintln(&b, p.Adopted, p.Settled, p.WantsHealth, p.WantsKeys)
	return b.String()
}

// sent identifies a step by what it does.
func sent(t *rapid.T, s *plan.Step) string {
	text, err := json.Marshal(s.Requests)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %s %s %s", s.Op, s.Addr, s.Action, text)
}

// ready lists the steps that would be sent, and says of each whether it was.
func ready(t *rapid.T, p plan.Plan) map[string]bool {
	out := map[string]bool{}
	for i := range p.Steps {
		if p.Steps[i].Status == plan.Ready {
			out[sent(t, &p.Steps[i])] = true
		}
	}
	return out
}

// eachRequest calls f with the requests of a step, and with those that may be sent instead.
func eachRequest(s *plan.Step, f func(q *plan.Request)) {
	for i := range s.Requests {
		f(&s.Requests[i])
		if s.Requests[i].Instead != nil {
			f(s.Requests[i].Instead)
		}
	}
}

// marked says whether the file says of an address that it is to be gone.
func marked(in diff.Input, a resource.Addr) bool {
	return slices.ContainsFunc(in.Want, func(w *resource.Object) bool { return w.Addr == a && w.Absent })
}

// left says whether a key server has left the list of a manager that the file wants.
func left(in diff.Input, a resource.Addr) bool {
	return slices.ContainsFunc(in.Want, func(w *resource.Object) bool {
		return !w.Absent && w.Kind == resource.External && w.Addr.SVM == a.SVM &&
			!slices.ContainsFunc(w.Children, func(c *resource.Object) bool { return c.Addr == a })
	})
}

// S1: what removes anything is about what the file says is to be gone, or about a member that
// left a list that the file has.
func TestRemovesOnlyWhatTheFileTakesOut(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		in := gen.Stormy(t).In
		p := diff.Compute(in)
		for i := range p.Steps {
			s := &p.Steps[i]
			server := s.Addr.Kind == resource.KeyServer.Name
			if s.Op == plan.Delete && !(server && left(in, s.Addr) || !server && marked(in, s.Addr)) {
				t.Fatalf("%s, which the file neither marks nor takes out of a list", sent(t, s))
			}
			eachRequest(s, func(q *plan.Request) {
				if (q.Method == "DELETE") != (s.Op == plan.Delete) {
					t.Fatalf("a step that is a %s has %s %s", s.Op, q.Method, q.Path)
				}
				empties(q.Body, func(field string) {
					if w := find(in.Want, s.Addr); w == nil || !w.Value(field).IsSet() || len(w.Value(field).Strings()) > 0 {
						t.Fatalf("%s empties %s, which the file does not", sent(t, s), field)
					}
				})
			})
		}
	})
}

// empties calls f with each list of a body that has no member, and each number of a nested one.
func empties(body map[string]any, f func(field string)) {
	for name, v := range body {
		switch v := v.(type) {
		case map[string]any:
			empties(v, func(inner string) { f(name + "." + inner) })
		case []any:
			if len(v) == 0 {
				f(name)
			}
		case []string:
			if len(v) == 0 {
				f(name)
			}
		}
	}
}

func find(list []*resource.Object, a resource.Addr) *resource.Object {
	for _, o := range list {
		if o.Addr == a {
			return o
		}
		if c := childOf(o, a); c != nil {
			return c
		}
	}
	return nil
}

// S2: an entry that goes from the file takes its steps with it, and brings none.
func TestAbsenceDeletesNothing(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		in := gen.Stormy(t).In
		if len(in.Want) == 0 {
			t.SkipNow()
		}
		i := rapid.IntRange(0, len(in.Want)-1).Draw(t, "dropped")
		dropped := in.Want[i]
		in.Want = slices.Delete(slices.Clone(in.Want), i, i+1)
		p := diff.Compute(in)
		for i := range p.Steps {
			if a := p.Steps[i].Addr; a == dropped.Addr || a.Kind == resource.KeyServer.Name && dropped.Kind == resource.External && a.SVM == dropped.Addr.SVM {
				t.Fatalf("%s left the file, and there is %s", dropped.Addr, sent(t, &p.Steps[i]))
			}
		}
		in.Want = nil
		if p := diff.Compute(in); len(p.Steps) > 0 {
			t.Fatalf("a file without entries gives %s", sent(t, &p.Steps[0]))
		}
	})
}

// S12: what was not read lets nothing go that rests on it.
func TestUnreadRemovesNothing(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		in := gen.Stormy(t).In
		blind := *in.Have
		blind.Health = false
		in.Have = &blind
		p := diff.Compute(in)
		for i := range p.Steps {
			s := &p.Steps[i]
			if s.Status == plan.Ready && (s.Op == plan.Delete && s.Addr.Kind == resource.KeyServer.Name || strings.HasPrefix(s.Action, "rekey")) {
				t.Fatalf("reachability was not read, and there is %s", sent(t, s))
			}
		}
		keyless := *in.Have
		keyless.Keys, keyless.Health = nil, true
		in.Have = &keyless
		p = diff.Compute(in)
		for i := range p.Steps {
			s := &p.Steps[i]
			inUse := slices.ContainsFunc(keyless.Stores, func(k resource.KeyStore) bool { return k.SVM == s.Addr.SVM && k.Enabled })
			if s.Status == plan.Ready && inUse && (s.Op == plan.Delete && s.Addr.Kind != resource.AuthKey.Name || s.Op == plan.Act && s.Action != "synchronize" && s.Action != "key_backup") {
				t.Fatalf("keys were not read, and there is %s", sent(t, s))
			}
			if s.Guard == plan.Keys && s.Status == plan.Held && len(p.WantsKeys) == 0 {
				t.Fatalf("%s is held for keys that nobody is asked to read", sent(t, s))
			}
		}
	})
}

// A worse is something that makes a situation worse, or a permission smaller. It returns the
// server that it hurts, if any.
type worse struct {
	name string
	do   func(t *rapid.T, c *gen.Case) (hurt string)
}

var worsening = []worse{
	{"a secret cannot be read", func(t *rapid.T, c *gen.Case) string {
		next := maps.Clone(c.In.Secrets)
		for at := range next {
			if rapid.Bool().Draw(t, "this one") {
				next[at] = plan.SecretState{Err: fmt.Errorf("%s: gone", at.Field)}
			}
		}
		c.In.Secrets = next
		return ""
	}},
	{"fewer removals are allowed", func(t *rapid.T, c *gen.Case) string {
		c.In.Policy.MaxDeletes = max(c.In.Policy.MaxDeletes-1, 0)
		return ""
	}},
	{"more servers must stay", func(t *rapid.T, c *gen.Case) string {
		c.In.Policy.MinReachable = max(c.In.Policy.MinReachable, 2) + 1
		return ""
	}},
	{"orders to pass are taken back", func(t *rapid.T, c *gen.Case) string {
		c.In.Standing.Overrides = nil
		return ""
	}},
	{"a rest is ordered", func(t *rapid.T, c *gen.Case) string {
		svm := rapid.SampledFrom([]string{resource.ClusterWord, "vs1", "vs2", "vs3", ""}).Draw(t, "svm")
		g := plan.Given{ID: "p", Until: c.In.Now.Add(1e9), By: "x"}
		c.In.Standing.Pauses = append(slices.Clone(c.In.Standing.Pauses), plan.Pause{Given: g, Cluster: "a", SVM: svm})
		return ""
	}},
	{"a node is away", func(t *rapid.T, c *gen.Case) string {
		have := *c.In.Have
		have.Nodes = slices.Clone(have.Nodes)
		n := &have.Nodes[rapid.IntRange(0, len(have.Nodes)-1).Draw(t, "node")]
		switch {
		case !n.Member || n.State != "up": // it is away already
		case rapid.Bool().Draw(t, "member"):
			n.Member = false
		default:
			n.State = "down"
		}
		c.In.Have = &have
		return ""
	}},
	{"a key store is busy", func(t *rapid.T, c *gen.Case) string {
		have := *c.In.Have
		have.Stores = slices.Clone(have.Stores)
		for i := range have.Stores {
			if have.Stores[i].State == "active" {
				have.Stores[i].State = "switching"
			}
		}
		c.In.Have = &have
		return ""
	}},
	{"a node lacks keys", func(t *rapid.T, c *gen.Case) string {
		if c.In.Have.Keys == nil {
			return ""
		}
		have, report := *c.In.Have, *c.In.Have.Keys
		report.Keys = slices.Clone(report.Keys)
		for i := range report.Keys {
			report.Keys[i].Restored = false
		}
		have.Keys = &report
		c.In.Have = &have
		return ""
	}},
	{"reachability is not read", func(t *rapid.T, c *gen.Case) string {
		have := *c.In.Have
		have.Health = false
		c.In.Have = &have
		return ""
	}},
	{"a server is not reached", func(t *rapid.T, c *gen.Case) string {
		s := rapid.SampledFrom(gen.Servers()).Draw(t, "server")
		if c.States == nil {
			c.States = map[string][]string{}
		}
		c.States = maps.Clone(c.States)
		c.States[s] = slices.Repeat([]string{"not_responding"}, len(c.In.Have.Nodes))
		health, at := c.In.Have.Health, c.In.Have.At
		c.Look()
		c.In.Have.Health, c.In.Have.At = health, at
		return s
	}},
	{"nobody keeps backups", func(t *rapid.T, c *gen.Case) string { c.In.Keepers = 0; return "" }},
}

// S15: what makes a situation worse adds nothing that is sent. Two things are meant: a removal
// that waited for its turn has it when another one is held, and of servers that are to go the
// one that is not reached goes first.
func TestWorseAddsNothing(t *testing.T) {
	for _, w := range worsening {
		t.Run(w.name, func(t *testing.T) {
			gen.Check(t, cases/4, func(t *rapid.T) {
				c := gen.Stormy(t)
				before := diff.Compute(c.In)
				was := ready(t, before)
				waits := map[string]bool{}
				for i := range before.Steps {
					if s := &before.Steps[i]; s.Guard == plan.MaxDeletes {
						waits[sent(t, s)] = true
					}
				}
				hurt := w.do(t, c)
				after := diff.Compute(c.In)
				is := ready(t, after)
				if len(is) > len(was) && hurt == "" {
					t.Fatalf("%d steps would be sent, and %d were; before:\n%safter:\n%s", len(is), len(was), told(t, before), told(t, after))
				}
				for i := range after.Steps {
					s := &after.Steps[i]
					id := sent(t, s)
					if s.Status != plan.Ready || was[id] || waits[id] {
						continue
					}
					if s.Op == plan.Delete && s.Addr.Name == hurt && hurt != "" {
						continue
					}
					t.Fatalf("%s is sent now; before:\n%safter:\n%s", id, told(t, before), told(t, after))
				}
			})
		})
	}
}

var (
	collections = `/api/security/(key-managers|azure-key-vaults|aws-kms|gcp-kms|barbican-kms)`
	segment     = `/([^/?{}]+|\{uuid\})`
	posts       = regexp.MustCompile(`^` + collections + `(\?create_inactive=true|` + segment + `/(key-servers|auth-keys|rekey-external))?$`)
	patches     = regexp.MustCompile(`^(` + collections + segment + `(/key-servers` + segment + `)?|/api/security/key-stores` + segment + `|/api/security/key-manager-configs)$`)
	deletes     = regexp.MustCompile(`^(` + collections + segment + `(/(key-servers|auth-keys)` + segment + `)?|/api/security/key-stores` + segment + `)$`)
	gets        = regexp.MustCompile(`^` + collections + segment + `\?fields=onboard\.key_backup$`)
)

// S8: each request goes to one object, by its whole path, or makes one in a collection; none
// has force in it.
func TestPathsNameOneObject(t *testing.T) {
	forms := map[string]*regexp.Regexp{"POST": posts, "PATCH": patches, "DELETE": deletes, "GET": gets}
	gen.Check(t, cases, func(t *rapid.T) {
		p := diff.Compute(gen.Stormy(t).In)
		for i := range p.Steps {
			s := &p.Steps[i]
			if s.Status == plan.Ready && len(s.Requests) == 0 {
				t.Fatalf("a step without a request is ready: %s", sent(t, s))
			}
			eachRequest(s, func(q *plan.Request) {
				if form := forms[q.Method]; form == nil || !form.MatchString(q.Path) {
					t.Fatalf("%s %s", q.Method, q.Path)
				}
				if strings.Contains(sent(t, s), "force") {
					t.Fatalf("%s", sent(t, s))
				}
			})
		}
	})
}

// S14: an operation of which nobody knows the end keeps away from its scope and from no other.
func TestUnknownBlocksItsScope(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		in := gen.Calm(t).In
		before := diff.Compute(in)
		svm := rapid.SampledFrom(append(gen.SVMs(), "")).Draw(t, "svm")
		in.Ledger = in.Ledger.Clone()
		in.Ledger.Open = append(in.Ledger.Open, plan.Operation{ID: "9", Op: plan.Act, Action: "rekey_internal", Repeat: resource.Never, Lost: true,
			Addr: resource.Addr{Cluster: "a", Kind: "azure_key_vault", SVM: svm}, At: in.Now.Add(-1e9), Request: "POST /x"})
		in.Policy.MaxDeletes = 100 // or a removal that is held here lets another one have its turn
		was := in
		was.Ledger.Open = nil
		before = diff.Compute(was)
		after := diff.Compute(in)
		is := ready(t, after)
		for i := range before.Steps {
			s := &before.Steps[i]
			if s.Status == plan.Ready && is[sent(t, s)] != (s.Addr.SVM != svm) {
				t.Fatalf("an operation in %q is open, and of %q %s is sent: %t", svm, s.Addr.SVM, sent(t, s), is[sent(t, s)])
			}
		}
	})
}

// M2: equal inputs give equal plans, whatever the order of entries, members and objects.
func TestAnyOrderGivesOnePlan(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		in := gen.Stormy(t).In
		first := told(t, diff.Compute(in))
		if again := told(t, diff.Compute(in)); again != first {
			t.Fatalf("once\n%s\nand again\n%s", first, again)
		}
		shuffled := in
		shuffled.Want = rapid.Permutation(in.Want).Draw(t, "want")
		for i, w := range shuffled.Want {
			if len(w.Children) > 1 {
				next := *w
				next.Children = rapid.Permutation(w.Children).Draw(t, "children")
				shuffled.Want[i] = &next
			}
		}
		have := *in.Have
		have.Objects = map[resource.Addr]*resource.Object{}
		for a, o := range in.Have.Objects {
			have.Objects[a] = o
		}
		have.Links = rapid.Permutation(have.Links).Draw(t, "links")
		have.Stores = rapid.Permutation(have.Stores).Draw(t, "stores")
		shuffled.Have = &have
		// What a POST lists of members is in the order of the file: that is compared as a set.
		if got := told(t, diff.Compute(shuffled)); sorted(got) != sorted(first) {
			t.Fatalf("in another order\n%s\nbefore\n%s", got, first)
		}
	})
}

var word = regexp.MustCompile(`[^\s\[\]{},]+`)

// sorted puts the words of each line in an order.
func sorted(s string) string {
	words := word.FindAllString(s, -1)
	slices.Sort(words)
	return strings.Join(words, "\n")
}

// M7: the plan of one SVM is what the plan of all says of it.
func TestScopesStandAlone(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		in := gen.Stormy(t).In
		in.Policy.MaxDeletes = 100
		all := diff.Compute(in)
		svm := rapid.SampledFrom(append(gen.SVMs(), "")).Draw(t, "svm")
		in.Want = slices.DeleteFunc(slices.Clone(in.Want), func(w *resource.Object) bool { return w.Addr.SVM != svm })
		alone := diff.Compute(in)
		all.Steps = slices.DeleteFunc(all.Steps, func(s plan.Step) bool { return s.Addr.SVM != svm })
		all.Notes, alone.Notes, all.Adopted, alone.Adopted, all.WantsHealth, alone.WantsHealth, all.WantsKeys, alone.WantsKeys = nil, nil, nil, nil, false, false, nil, nil
		if a, b := told(t, all), told(t, alone); a != b {
			t.Fatalf("of the whole\n%s\nalone\n%s", a, b)
		}
	})
}

// A parent is made before what is said of its children, what is missing of a list is added
// before anything of it is removed, and both never in one plan while there is room.
func TestStepsStandInOrder(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		in := gen.Stormy(t).In
		in.Standing.Overrides = nil // who orders it may have it otherwise
		p := diff.Compute(in)
		made := map[resource.Addr]bool{}
		removed := map[string]bool{}
		added := map[string]bool{}
		for i := range p.Steps {
			s := &p.Steps[i]
			server := s.Addr.Kind == resource.KeyServer.Name
			if s.Parent != (resource.Addr{}) && !made[s.Parent] {
				t.Fatalf("%s comes before %s is made", sent(t, s), s.Parent)
			}
			switch {
			case s.Op == plan.Create:
				made[s.Addr] = true
				if server && removed[s.Addr.SVM] {
					t.Fatalf("%s comes after a removal", sent(t, s))
				}
				added[s.Addr.SVM] = added[s.Addr.SVM] || server
			case s.Op == plan.Delete && server:
				removed[s.Addr.SVM] = true
				if m := in.Have.Objects[resource.Addr{Cluster: "a", Kind: "key_manager", SVM: s.Addr.SVM}]; s.Status == plan.Ready && added[s.Addr.SVM] && len(m.Children) < resource.KeyServer.Limit {
					t.Fatalf("%s, while others are still to be added and there is room", sent(t, s))
				}
			}
			if m := in.Have.Objects[resource.Addr{Cluster: "a", Kind: "key_manager", SVM: s.Addr.SVM}]; s.Status == plan.Ready && s.Op == plan.Update && s.Parent == (resource.Addr{}) && server && childOf(m, s.Addr) == nil {
				t.Fatalf("%s of a server that is not there", sent(t, s))
			}
		}
	})
}

func childOf(m *resource.Object, a resource.Addr) *resource.Object {
	if m == nil {
		return nil
	}
	for _, c := range m.Children {
		if c.Addr == a {
			return c
		}
	}
	return nil
}

// Where a rest is ordered nothing is sent, and where none is the order changes nothing.
func TestRestIsRest(t *testing.T) {
	gen.Check(t, cases, func(t *rapid.T) {
		in := gen.Stormy(t).In
		in.Policy.MaxDeletes = 100
		in.Standing.Pauses = nil
		before := ready(t, diff.Compute(in))
		svm := rapid.SampledFrom(append(gen.SVMs(), resource.ClusterWord, "")).Draw(t, "svm")
		in.Standing.Pauses = []plan.Pause{{Given: plan.Given{ID: "p", Until: in.Now.Add(1e9), By: "x", Reason: "y"}, Cluster: "a", SVM: svm}}
		p := diff.Compute(in)
		for i := range p.Steps {
			s := &p.Steps[i]
			paused := svm == "" || svm == s.Addr.SVM || svm == resource.ClusterWord && s.Addr.SVM == ""
			if s.Status == plan.Ready && (paused || !before[sent(t, s)]) {
				t.Fatalf("%s is sent, and %q rests", sent(t, s), svm)
			}
		}
	})
}

// A list that grows before it shrinks loses a member only in a request that adds none, and
// only while every server is available on every node.
func TestGrowsFirst(t *testing.T) {
	const field = "external.server_ca_certificates"
	gen.Check(t, cases, func(t *rapid.T) {
		c := gen.Stormy(t)
		c.In.Standing.Overrides = nil
		p := diff.Compute(c.In)
		for i := range p.Steps {
			s := &p.Steps[i]
			for _, x := range s.Changes {
				if x.Field != field || s.Op != plan.Update || s.Status != plan.Ready {
					continue
				}
				lost := slices.ContainsFunc(x.Old.Links(), func(l resource.LinkTo) bool { return !has(x.New.Links(), l) })
				added := slices.ContainsFunc(x.New.Links(), func(l resource.LinkTo) bool { return !has(x.Old.Links(), l) })
				if lost && added {
					t.Fatalf("%v becomes %v at once", x.Old.Links(), x.New.Links())
				}
				for _, k := range c.In.Have.Objects[s.Addr].Children {
					if lost && (!c.In.Have.Health || !c.Available(k.Addr.Name)) {
						t.Fatalf("%v becomes %v, while %s is %v", x.Old.Links(), x.New.Links(), k.Addr.Name, c.States[k.Addr.Name])
					}
				}
			}
		}
	})
}

func has(list []resource.LinkTo, l resource.LinkTo) bool {
	return slices.ContainsFunc(list, func(x resource.LinkTo) bool { return x.UUID == l.UUID })
}
