package gen

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// Start is the time at which every drawn world begins.
var start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// Releases are those that clusters are drawn with.
func releases() []resource.Version {
	v := func(major, minor int) resource.Version {
		return resource.Version{Generation: 9, Major: major, Minor: minor}
	}
	return []resource.Version{v(17, 1), v(17, 1), v(18, 1), v(16, 1), v(14, 1), v(11, 1), v(8, 0)}
}

// A Case is a world in which a decision is to be made.
type Case struct {
	File, Was *File // what the file says, and what it said when the cluster was last like it
	Model
}

// Calm draws a case in which nothing stands in the way: every node is up, every server is
// available, every secret can be read, every key is where it should be, nobody has ordered
// anything, and nothing is open.
func Calm(t *rapid.T) *Case {
	c := &Case{Was: NewFile(t, "a")}
	if often(t, "another file", 20) {
		c.File = NewFile(t, "a")
	} else {
		c.File = Edited(t, c.Was)
	}
	c.settle(t)
	return c
}

// Stormy draws a case in which anything may be in the way.
func Stormy(t *rapid.T) *Case {
	c := Calm(t)
	c.trouble(t)
	return c
}

// settle makes the cluster as the older file has it, and the input as the newer one does.
func (c *Case) settle(t *rapid.T) {
	v := one(t, "release", releases()...)
	have := &resource.Cluster{Name: "A", UUID: "cluster-uuid", Version: v, Health: true, At: start, Keys: &resource.KeyReport{},
		SVMs: map[string]resource.SVM{}, Objects: map[resource.Addr]*resource.Object{}, Links: certificates()}
	for i := range 1 + upTo(t, "nodes", 2) {
		n := fmt.Sprintf("node%d", i+1)
		have.Nodes = append(have.Nodes, resource.Node{Name: n, UUID: short("node", n), State: "up", Member: true, Version: v})
	}
	for _, s := range SVMs() {
		have.SVMs[s] = resource.SVM{Name: s, UUID: short("svm", s), State: "running"}
	}
	c.In = diff.Input{Cluster: "a", Want: c.File.Spec(t).Objects, Have: have, Now: start.Add(time.Second),
		Policy:  diff.Policy{MaxDeletes: 1 + upTo(t, "max deletes", 2)},
		Keepers: upTo(t, "keepers", 1)}
	c.In.Ledger = plan.Ledger{UUID: have.UUID, Objects: map[resource.Addr]plan.Remembered{}}
	for _, w := range c.Was.Spec(t).Objects {
		if o := c.found(w); o != nil {
			have.Objects[w.Addr] = o
			c.remember(t, w)
		}
	}
	for a, o := range have.Objects {
		if up := o.Kind.Under; up != nil {
			if m := have.Objects[resource.Addr{Cluster: "a", Kind: up.Name, SVM: a.SVM}]; m == nil || m.Kind != up {
				delete(have.Objects, a) // what lives below another object is not there without it
			}
		}
	}
	have.Stores = storesOf(have)
	c.In.Secrets = Secrets(c.In.Want)
	if !v.Before(resource.Config.Since) && have.Objects[configAddr] == nil {
		o := resource.NewObject(resource.Config, configAddr)
		have.Objects[o.Addr] = o
	}
	c.keys()
	c.Look()
}

var configAddr = resource.Addr{Cluster: "a", Kind: resource.Config.Name}

// certificates are installed in the cluster, some in an SVM too.
func certificates() []*resource.Object {
	var out []*resource.Object
	add := func(typ, svm, name string) {
		o := resource.NewObject(resource.Certificate, resource.Addr{Cluster: "a", Kind: resource.Certificate.Name, SVM: svm, Name: name})
		o.ID = short("certificate", typ, svm, name)
		put(o, "name", resource.Str(name))
		put(o, "type", resource.Str(typ))
		out = append(out, o)
	}
	for _, svm := range []string{"", "vs1"} {
		add("client", svm, "client1")
		add("server_ca", svm, "ca1")
	}
	add("client", "", "client2")
	add("server_ca", "", "ca2")
	add("server_ca", "vs2", "ca3")
	add("server_ca", "", "ca3")
	return out
}

// found is an object as a cluster has it that was once made like w; nil if this release
// cannot have it.
func (c *Case) found(w *resource.Object) *resource.Object {
	v := c.In.Have.Version
	if w.Absent || v.Before(w.Kind.Since) || w.Addr.Name != "" && w.Kind.Store != nil && !w.Kind.Store.Born && v.Before(w.Kind.Store.Inactive) {
		return nil
	}
	o := resource.NewObject(w.Kind, w.Addr)
	o.ID = ID(w.Addr)
	for i, x := range w.Values {
		f := &w.Kind.Fields[i]
		switch {
		case !x.IsSet() || v.Before(f.Since) || f.Type == resource.Secret || f.Type == resource.Children || f.Flags.Has(resource.Modifier):
		case f.Type == resource.Link:
			o.Values[i] = resource.LinkValue(c.link(f, w.Addr.SVM, x.Link()))
		case f.Type == resource.Links:
			var links []resource.LinkTo
			for _, l := range x.Links() {
				links = append(links, c.link(f, w.Addr.SVM, l))
			}
			o.Values[i] = resource.LinkList(links)
		default:
			o.Values[i] = x
		}
	}
	if i := o.Kind.Index("enabled"); i >= 0 && !v.Before(o.Kind.Fields[i].Since) && !o.Values[i].IsSet() {
		o.Values[i] = resource.Bool(bornInUse(o))
	}
	if len(w.Children) > 0 {
		for _, x := range w.Children {
			o.Children = append(o.Children, c.found(x))
		}
	}
	return o
}

// link finds the certificate that a name means: the SVM's own first.
func (c *Case) link(f *resource.Field, svm string, l resource.LinkTo) resource.LinkTo {
	for _, scope := range []string{svm, ""} {
		for _, o := range c.In.Have.Links {
			if o.Addr.SVM == scope && o.Addr.Name == l.Name && o.Value("type").Str() == f.Where {
				return resource.LinkTo{Name: l.Name, UUID: o.ID}
			}
		}
	}
	return l
}

// remember draws what is known of an object that is there: that we made it, that it was
// taken as it was found, or nothing.
func (c *Case) remember(t *rapid.T, w *resource.Object) {
	how := one(t, "known", "made", "made", "adopted", "nothing")
	for _, o := range append([]*resource.Object{w}, w.Children...) {
		m := plan.Remembered{}
		if o.Kind.Hidden {
			m.ID = ID(o.Addr)
		}
		if o.Kind == resource.Onboard && how != "nothing" {
			for _, n := range c.In.Have.Nodes {
				m.Nodes = append(m.Nodes, n.UUID)
			}
		}
		if how != "nothing" {
			m.Created = how == "made"
			for i := range o.Kind.Fields {
				f := &o.Kind.Fields[i]
				if f.Type != resource.Secret || !o.Values[i].IsSet() || f.Flags.Has(resource.Modifier) {
					continue
				}
				if m.Secrets == nil {
					m.Secrets, m.Adopted = map[string]string{}, map[string]bool{}
				}
				m.Secrets[f.Name] = Digest(o.Addr, f, o.Values[i].Secret().String())
				if how == "adopted" {
					m.Adopted[f.Name] = true
				}
			}
		}
		c.In.Ledger.Objects[o.Addr] = m
	}
}

// keys gives every node the keys of every key manager.
func (c *Case) keys() {
	report := &resource.KeyReport{}
	for _, s := range c.In.Have.Stores {
		if !s.Enabled {
			continue
		}
		for _, n := range c.In.Have.Nodes {
			for _, k := range []string{"k1", "k2"} {
				report.Keys = append(report.Keys, resource.HeldKey{Store: s.UUID, Node: n.Name, ID: s.UUID + k, Type: "vek", User: s.SVM, Restored: true})
			}
		}
	}
	c.In.Have.Keys = report
}

var errSecret = errors.New("cred:x: no such credential")

// trouble draws what may be in the way of a decision.
func (c *Case) trouble(t *rapid.T) {
	in := &c.In
	c.States = map[string][]string{}
	for _, s := range Servers() {
		c.States[s] = states(t, s, len(in.Have.Nodes))
	}
	c.Look()
	have := *in.Have
	have.Nodes = slices.Clone(have.Nodes)
	if often(t, "node trouble", 20) {
		n := &have.Nodes[upTo(t, "node", len(have.Nodes)-1)]
		switch one(t, "node trouble", "down", "taken_over", "joining", "release") {
		case "joining":
			n.Member = false
		case "release":
			n.Version = resource.Version{Generation: 9, Major: 19}
		case "down":
			n.State = "down"
		default:
			n.State = "taken_over"
		}
	}
	have.Health = !often(t, "no health", 15)
	have.Stores = slices.Clone(have.Stores)
	for i := range have.Stores {
		if often(t, "store", 8) {
			have.Stores[i].State = one(t, "store", "mixed", "svm_kek_rekey", "blocked", "switching", "initializing", "disabling")
		}
	}
	have.Metro.State = one(t, "metro", resource.NoMetroCluster, "", "configured")
	in.Have = &have
	c.keyTrouble(t)
	c.twins(t)
	in.Policy = diff.Policy{MaxDeletes: upTo(t, "max deletes", 3), MinReachable: upTo(t, "floor", 4)}
	in.Resend = often(t, "resend", 10)
	for _, at := range places(in.Secrets) {
		if often(t, "secret error", 8) {
			in.Secrets[at] = plan.SecretState{Err: errSecret, Unfit: rapid.Bool().Draw(t, "unfit")}
		}
	}
	c.history(t)
}

// states draws how nodes see a server.
func states(t *rapid.T, server string, nodes int) []string {
	out := make([]string, nodes)
	for i := range out {
		out[i] = one(t, server, "available", "available", "available", "not_responding", "unknown")
	}
	if often(t, server+" dead", 15) {
		for i := range out {
			out[i] = "not_responding"
		}
	}
	return out
}

func (c *Case) keyTrouble(t *rapid.T) {
	switch one(t, "keys", "", "", "", "unread", "error", "missing", "one holder", "elsewhere") {
	case "unread":
		c.In.Have.Keys = nil
	case "error":
		c.In.Have.Keys = &resource.KeyReport{Err: "not authorized"}
	case "missing":
		if n := len(c.In.Have.Keys.Keys); n > 0 {
			c.In.Have.Keys.Keys[upTo(t, "key", n-1)].Restored = false
		}
	case "one holder":
		for i := range c.In.Have.Keys.Keys {
			c.In.Have.Keys.Keys[i].Server = one(t, "holder", Servers()...)
		}
	case "elsewhere":
		for i := range c.In.Have.Keys.Keys {
			c.In.Have.Keys.Keys[i].User = one(t, "user", SVMs()...)
		}
	}
}

// twins gives some authentication keys others of the same tag.
func (c *Case) twins(t *rapid.T) {
	for _, tag := range []string{"tag1", "tag2", "tag3"} {
		a := resource.Addr{Cluster: "a", Kind: resource.AuthKey.Name, Name: tag}
		if o := c.In.Have.Objects[a]; o != nil && often(t, "twin", 25) {
			next := copied(o)
			next.Twins = []string{short("twin", tag)}
			c.In.Have.Objects[a] = next
		}
	}
}

// history draws what was sent before, what is open, and what people have ordered about what
// would be sent now.
func (c *Case) history(t *rapid.T) {
	in := &c.In
	p := diff.Compute(*in)
	led := in.Ledger.Clone()
	for i := range p.Steps {
		s := &p.Steps[i]
		switch one(t, "before", "", "", "", "", "sent", "sent twice", "open", "override") {
		case "sent":
			led.Objects[s.Addr] = led.Objects[s.Addr].WithSent(s.Wishes, in.Now.Add(-time.Minute))
		case "sent twice":
			led.Objects[s.Addr] = led.Objects[s.Addr].WithSent(s.Wishes, in.Now.Add(-20*time.Minute)).WithSent(s.Wishes, in.Now.Add(-time.Minute))
		case "open":
			c.opened(t, &led, s, i)
		case "override":
			in.Standing.Overrides = append(in.Standing.Overrides, plan.Override{Given: given(fmt.Sprintf("o%d", i), in.Now),
				Rule: string(one(t, "guard", plan.Overridable()...)), Object: s.Addr.String()})
		}
	}
	in.Ledger = led
	if often(t, "pause", 10) {
		in.Standing.Pauses = []plan.Pause{{Given: given("p1", in.Now), Cluster: one(t, "pause", "", "a", "b"), SVM: ""}}
	}
}

// opened makes a step one that set out some time ago.
func (c *Case) opened(t *rapid.T, led *plan.Ledger, s *plan.Step, n int) {
	op := Operation(&c.In, s)
	op.ID = fmt.Sprint(n)
	op.Repeat = one(t, "repeat", resource.Repeatable, resource.Converges, resource.Never)
	op.At = c.In.Now.Add(-one(t, "age", 10*time.Second, 5*time.Minute, 2*time.Hour, 13*time.Hour))
	op.Lost = rapid.Bool().Draw(t, "lost")
	if often(t, "job", 40) {
		op.Job = "job" + op.ID
		if state := one(t, "job", "", "queued", "running", "paused", "success", "failure"); state != "" {
			c.In.Have.Jobs = append(c.In.Have.Jobs, resource.Job{UUID: op.Job, Description: op.Request, State: state, Start: op.At})
		}
	}
	if often(t, "resolved", 10) {
		c.In.Standing.Resolved = append(c.In.Standing.Resolved, plan.Resolution{Given: given("r"+op.ID, c.In.Now), Operation: op.Name(), Outcome: one(t, "resolved", "applied", "failed")})
	}
	led.Open = append(led.Open, op)
}

func given(id string, now time.Time) plan.Given {
	return plan.Given{ID: id, At: now.Add(-time.Minute), Until: now.Add(time.Hour), By: "somebody", Reason: "a reason"}
}

// places lists the places of secrets in an order.
func places(s plan.Secrets) []plan.SecretAt {
	out := make([]plan.SecretAt, 0, len(s))
	for at := range s {
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b plan.SecretAt) int {
		if n := a.Addr.Compare(b.Addr); n != 0 {
			return n
		}
		return slices.Compare([]byte(a.Field), []byte(b.Field))
	})
	return out
}

// Of is a calm cluster of that many nodes as a file has it, made by whoever keeps it so.
func Of(spec desired.Cluster, nodes int) Model {
	v := releases()[0]
	have := &resource.Cluster{Name: "A", UUID: "cluster-uuid", Version: v, Health: true, At: start, Keys: &resource.KeyReport{},
		SVMs: map[string]resource.SVM{}, Objects: map[resource.Addr]*resource.Object{}, Links: certificates()}
	for i := range nodes {
		n := fmt.Sprintf("node%d", i+1)
		have.Nodes = append(have.Nodes, resource.Node{Name: n, UUID: short("node", n), State: "up", Member: true, Version: v})
	}
	for _, s := range SVMs() {
		have.SVMs[s] = resource.SVM{Name: s, UUID: short("svm", s), State: "running"}
	}
	m := Model{In: diff.Input{Cluster: spec.Name, Want: spec.Objects, Have: have, Now: start.Add(time.Second), Policy: diff.Policy{MaxDeletes: 1},
		Secrets: Secrets(spec.Objects), Ledger: plan.Ledger{UUID: have.UUID, Objects: map[resource.Addr]plan.Remembered{}}}}
	m.Pass(0)
	return m
}
