package gen

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A Model is a cluster that does what a step says, at once and nothing else, and the ledger
// of whoever sent it. Its parts are replaced and never changed, so that an input that was
// taken from it stays as it was.
type Model struct {
	In     diff.Input          // what a decision is made from; States counts for reachability
	States map[string][]string // of key servers, node by node; one that is not named is available everywhere
}

// Digest is the digest of what a reference names, in the place of a field.
func Digest(a resource.Addr, f *resource.Field, ref string) string {
	return short(a.String(), cmp.Or(f.As, f.Name), ref)
}

// ID is the id under which a cluster knows an object.
func ID(a resource.Addr) string {
	if a.Kind == resource.KeyServer.Name {
		return a.Name
	}
	h := short("id", a.String())
	return h[:8] + "-" + h[8:12] + "-4000-8000-" + h[12:24]
}

func short(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// Secrets are the states of the secrets that the file wants, all of which can be read.
func Secrets(want []*resource.Object) plan.Secrets {
	out := plan.Secrets{}
	eachSecret(want, func(o *resource.Object, i int) {
		f := &o.Kind.Fields[i]
		out[plan.SecretAt{Addr: o.Addr, Field: f.Name}] = plan.SecretState{Digest: Digest(o.Addr, f, o.Values[i].Secret().String())}
	})
	return out
}

// eachSecret calls f with each secret of the objects and their children.
func eachSecret(want []*resource.Object, f func(o *resource.Object, i int)) {
	for _, w := range want {
		if w.Absent {
			continue
		}
		for _, o := range append([]*resource.Object{w}, w.Children...) {
			for i := range o.Kind.Fields {
				if o.Kind.Fields[i].Type == resource.Secret && o.Values[i].IsSet() {
					f(o, i)
				}
			}
		}
	}
}

// Look is what a decision is made from now: reachability as it is at this moment.
func (m *Model) Look() diff.Input {
	have := *m.In.Have
	have.Objects = maps.Clone(have.Objects)
	for a, o := range have.Objects {
		if len(o.Children) == 0 {
			continue
		}
		next := *o
		next.Children = make([]*resource.Object, len(o.Children))
		for i, c := range o.Children {
			next.Children[i] = m.seen(c)
		}
		have.Objects[a] = &next
	}
	have.At = m.In.Now
	m.In.Have = &have
	return m.In
}

// seen is a key server as the nodes see it.
func (m *Model) seen(c *resource.Object) *resource.Object {
	next := copied(c)
	states := make([]resource.NodeState, len(m.In.Have.Nodes))
	for i, n := range m.In.Have.Nodes {
		states[i] = resource.NodeState{Node: n.Name, State: "available"}
		if of := m.States[c.Addr.Name]; i < len(of) {
			states[i].State = of[i]
		}
	}
	put(next, "connectivity", resource.NodeStateList(states))
	return next
}

// Available says whether every node reaches a server.
func (m *Model) Available(server string) bool {
	return !slices.ContainsFunc(m.States[server], func(s string) bool { return s != "available" })
}

// Pass waits, decides, carries out every step that is ready and returns the plan. Settled
// operations and what was adopted are remembered, as by the loop.
func (m *Model) Pass(after time.Duration) plan.Plan {
	m.In.Now = m.In.Now.Add(after)
	p := diff.Compute(m.Look())
	m.Remember(&p)
	for i := range p.Steps {
		if p.Steps[i].Status == plan.Ready {
			m.Do(&p.Steps[i])
		}
	}
	return p
}

// Remember notes in the ledger what a look found.
func (m *Model) Remember(p *plan.Plan) {
	led := m.In.Ledger.Clone()
	for _, s := range p.Settled {
		led.End(s.Op.ID, s.End)
	}
	for _, a := range p.Adopted {
		led.Adopt(a)
	}
	for a, o := range m.In.Have.Objects {
		if o.Kind.Hidden {
			led.See(plan.Sighting{Addr: a, ID: o.ID})
		}
	}
	m.In.Ledger = led
}

// Do carries one step out, and notes it in the ledger as [apply.Runner] would.
func (m *Model) Do(s *plan.Step) {
	op := Operation(&m.In, s)
	led := m.In.Ledger.Clone()
	led.Begin(op)
	end := plan.End{Outcome: plan.Applied, At: m.In.Now, Secrets: map[string]string{}}
	for i := range s.Requests {
		maps.Copy(end.Secrets, sealed(&m.In, s.Addr, s.Requests[i].Body))
	}
	if s.Action == "key_backup" {
		end.Backup = plan.Backup{At: m.In.Now, File: "f"}
	}
	led.End(op.ID, end)
	m.In.Ledger = led

	have := *m.In.Have
	have.Objects = maps.Clone(have.Objects)
	m.In.Have = &have
	switch s.Op {
	case plan.Create:
		m.create(s)
	case plan.Delete:
		m.replace(s.Addr, nil)
	default:
		m.change(s)
	}
}

// Operation is a step as it is remembered before it leaves.
func Operation(in *diff.Input, s *plan.Step) plan.Operation {
	op := plan.Operation{ID: "op", Op: s.Op, Action: s.Action, Addr: s.Addr, Brings: s.Brings, Wishes: s.Wishes,
		Repeat: s.Repeat, Nodes: s.Nodes, Backup: s.Backup, At: in.Now}
	if len(s.Requests) > 0 {
		path, _, _ := strings.Cut(s.Requests[0].Path, "?")
		op.Request, op.Offered = s.Requests[0].Method+" "+path, sealed(in, s.Addr, s.Requests[0].Body)
	}
	return op
}

// sealed are the digests of the secrets in a body.
func sealed(in *diff.Input, a resource.Addr, body map[string]any) map[string]string {
	out := map[string]string{}
	for _, v := range body {
		switch v := v.(type) {
		case map[string]any:
			maps.Copy(out, sealed(in, a, v))
		case plan.Sealed:
			// Of a proof, Field is the name that it goes by and As the field that it is compared with.
			f := resource.Field{Name: v.Field, As: v.As}
			out[v.Field] = Digest(a, &f, v.Ref.String())
		}
	}
	return out
}

// wanted finds what the file wants at an address, be it a child.
func (m *Model) wanted(a resource.Addr) *resource.Object {
	for _, w := range m.In.Want {
		if w.Addr == a {
			return w
		}
		for _, c := range w.Children {
			if c.Addr == a {
				return c
			}
		}
	}
	return nil
}

func (m *Model) create(s *plan.Step) {
	want := m.wanted(s.Addr)
	o := resource.NewObject(want.Kind, s.Addr)
	o.ID = ID(s.Addr)
	take(o, s.Changes)
	if i := o.Kind.Index("enabled"); i >= 0 && !m.In.Have.Version.Before(o.Kind.Fields[i].Since) {
		o.Values[i] = resource.Bool(bornInUse(o))
	}
	for _, a := range s.Brings {
		c := resource.NewObject(resource.KeyServer, a)
		c.ID = a.Name
		put(c, "server", resource.Str(a.Name))
		o.Children = append(o.Children, c)
	}
	if want.Kind == resource.KeyServer {
		parent := resource.Addr{Cluster: s.Addr.Cluster, Kind: resource.External.Name, SVM: s.Addr.SVM}
		next := copied(m.In.Have.Objects[parent])
		next.Children = append(slices.Clone(next.Children), o)
		m.In.Have.Objects[parent] = next
		return
	}
	m.In.Have.Objects[s.Addr] = o
	m.In.Have.Stores = storesOf(m.In.Have)
}

// bornInUse says whether a new configuration is in use.
func bornInUse(o *resource.Object) bool {
	return o.Kind.Store == nil || !o.Kind.Store.Born && o.Addr.Name == ""
}

func (m *Model) change(s *plan.Step) {
	o := m.In.Have.Find(s.Addr)
	if o == nil {
		return // of a parent that was not made
	}
	next := copied(o)
	take(next, s.Changes)
	m.replace(s.Addr, next)
	if s.Action != "enable" {
		return
	}
	for a, other := range m.In.Have.Objects {
		if a != s.Addr && a.SVM == s.Addr.SVM && other.Value("enabled").Bool() {
			next := copied(other)
			put(next, "enabled", resource.Bool(false))
			m.In.Have.Objects[a] = next
		}
	}
	m.In.Have.Stores = storesOf(m.In.Have)
}

// replace puts an object in the place of the one of that address; nil: there is none any more.
func (m *Model) replace(a resource.Addr, next *resource.Object) {
	objects := m.In.Have.Objects
	if objects[a] != nil {
		if objects[a] = next; next == nil {
			delete(objects, a)
			m.In.Have.Stores = storesOf(m.In.Have)
		}
		return
	}
	for at, o := range objects {
		i := slices.IndexFunc(o.Children, func(c *resource.Object) bool { return c.Addr == a })
		if i < 0 {
			continue
		}
		parent := copied(o)
		parent.Children = slices.Clone(o.Children)
		if next == nil {
			parent.Children = slices.Delete(parent.Children, i, i+1)
		} else {
			parent.Children[i] = next
		}
		objects[at] = parent
		if len(parent.Children) == 0 {
			delete(objects, at) // it hides
		}
		return
	}
}

// take gives an object the values that changes show; what cannot be read it does not show.
func take(o *resource.Object, changes []plan.Change) {
	for _, c := range changes {
		i := o.Kind.Index(c.Field)
		if i < 0 {
			continue
		}
		if f := &o.Kind.Fields[i]; f.Type != resource.Secret && f.Type != resource.Children && !f.Flags.Has(resource.Modifier) {
			o.Values[i] = c.New
		}
	}
}

func copied(o *resource.Object) *resource.Object {
	next := *o
	next.Values = slices.Clone(o.Values)
	return &next
}

func put(o *resource.Object, field string, v resource.Value) { o.Values[o.Kind.Index(field)] = v }

// storesOf lists the key stores that follow from the objects.
func storesOf(c *resource.Cluster) []resource.KeyStore {
	var out []resource.KeyStore
	states := map[string]string{}
	for _, s := range c.Stores {
		states[s.UUID] = s.State
	}
	for _, o := range c.Objects {
		if o.Kind.Store != nil || slices.Contains(resource.Managers(), o.Kind) {
			on := o.Value("enabled")
			s := resource.KeyStore{UUID: o.ID, SVM: o.Addr.SVM, Enabled: !on.IsSet() || on.Bool()}
			if s.Enabled {
				s.State = cmp.Or(states[o.ID], "active")
			}
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b resource.KeyStore) int { return cmp.Compare(a.UUID, b.UUID) })
	return out
}

// Excused says whether a cluster on which nothing is in the way may leave a step undone for
// good: what the file asks for cannot be, and the plan says why.
func Excused(s *plan.Step, v resource.Version) bool {
	switch s.Guard {
	case plan.Immutable, plan.Version, plan.Missing, plan.Passphrase, plan.Ambiguous:
		return true
	case plan.Floor: // more are to stay than the file has
		return true
	case plan.Order: // all places are taken, or it waits for what cannot be made
		for _, part := range []string{"places are taken", "of at most", "must be there first", "has taken its place", "once it is in use", "first the change of"} {
			if strings.Contains(s.Reason, part) {
				return true
			}
		}
		secondaries := resource.KeyServer.Fields[resource.KeyServer.Index("secondary_key_servers")]
		return strings.Contains(s.Reason, "must be added") && v.Before(secondaries.PatchSince) // it is refused for those
	}
	return false
}
