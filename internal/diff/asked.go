package diff

import (
	"fmt"
	"slices"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A Restoring is a wish to give keys to nodes that lack them. Empty members are any.
type Restoring struct {
	SVM              string // empty: the cluster's own key manager
	Key, Tag, Server string
	Node             string // its name
}

func (r Restoring) selectors() map[string]string {
	return map[string]string{resource.RestoreKey: r.Key, resource.RestoreTag: r.Tag, resource.RestoreServer: r.Server, resource.RestoreNode: r.Node}
}

// Restore returns the plan that gives nodes the keys of the key manager that a scope has in use.
// An error says that it cannot be asked for so.
//
// It changes no configuration, and may be what mends a key store that is blocked or mixed. So it
// waits for neither, nor for nodes that are away; the others may need their keys.
func Restore(in Input, ask Restoring) (plan.Plan, error) {
	d := newDecider(in)
	d.settle()
	m, s := d.asked(resource.Restore, ask.SVM)
	if m != nil {
		if err := d.restore(&s, m, ask); err != nil {
			return plan.Plan{}, err
		}
	}
	d.add(s)
	d.holdBusyStores()
	d.holdPaused()
	d.holdUnsettled()
	d.cite()
	d.bind()
	return d.plan, nil
}

func (d *decider) restore(s *plan.Step, m *resource.Object, ask Restoring) error {
	a, ok := m.Kind.Action(resource.Restore)
	if !ok {
		d.block(s, s.Source, plan.Refused, plan.Immutable,
			"nodes get the keys of an onboard key manager by synchronize, which kmagent sends by itself when a node has come: kmagent apply")
		return nil
	}
	body := map[string]any{}
	for _, name := range []string{resource.RestoreKey, resource.RestoreTag, resource.RestoreServer, resource.RestoreNode} {
		value := ask.selectors()[name]
		if value == "" {
			continue
		}
		if !slices.ContainsFunc(a.Body, func(p resource.Part) bool { return p.As == name }) {
			return fmt.Errorf("a restore of %s takes no %s: it gives all keys to all nodes", m.Addr, name)
		}
		s.Changes = append(s.Changes, plan.Change{Field: name, New: resource.Str(value)})
		switch name {
		case resource.RestoreServer:
			value = d.restoreFrom(s, m, value)
		case resource.RestoreNode:
			value = d.restoreTo(s, value)
		}
		assign(body, name, value)
	}
	if len(body) == 0 {
		body = nil
	}
	s.Requests = []plan.Request{{Method: "POST", Path: d.path(m) + "/" + a.Path, Body: body}}
	d.lacking(m)
	return nil
}

// restoreFrom checks the key server that keys are to come from, and returns its one spelling.
func (d *decider) restoreFrom(s *plan.Step, m *resource.Object, server string) string {
	name, err := resource.NormServer(server)
	if err != nil || childNamed(m, name) == nil {
		d.block(s, s.Source, plan.Refused, plan.Missing, fmt.Sprintf("%s is no primary key server of it (65536843, 65538500)", plan.Safe(server)))
	}
	return name
}

// restoreTo returns the UUID of the node that keys are to go to.
func (d *decider) restoreTo(s *plan.Step, name string) string {
	i := slices.IndexFunc(d.Have.Nodes, func(n resource.Node) bool { return n.Name == name })
	switch {
	case i < 0:
		d.block(s, s.Source, plan.Refused, plan.Missing, "the cluster has no node named "+plan.Safe(name))
		return ""
	case away(d.Have.Nodes[i]):
		d.block(s, s.Source, plan.Held, plan.Nodes, plan.Safe(name)+" is away: it can be given no keys now")
	}
	return d.Have.Nodes[i].UUID
}

// lacking notes which nodes lack keys of a key manager, as far as the release tells.
func (d *decider) lacking(m *resource.Object) {
	if !d.keysRead([]string{m.ID}) {
		return
	}
	lacks, all := map[string]map[string]bool{}, map[string]bool{}
	for _, k := range d.Have.Keys.Keys {
		if k.Store != m.ID {
			continue
		}
		all[k.ID] = true
		if !k.Restored {
			if lacks[k.Node] == nil {
				lacks[k.Node] = map[string]bool{}
			}
			lacks[k.Node][k.ID] = true
		}
	}
	for _, n := range d.Have.Nodes {
		if len(lacks[n.Name]) > 0 {
			d.note(m.Addr, fmt.Sprintf("%s lacks %d of %d keys", n.Name, len(lacks[n.Name]), len(all)))
		}
	}
	if len(lacks) == 0 && len(all) > 0 {
		d.note(m.Addr, fmt.Sprintf("no node lacks any of %d keys", len(all)))
	}
}

func (d *decider) note(a resource.Addr, text string) {
	d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: a, Text: text})
}

// Migrate returns the plan that moves the keys of an SVM from the cluster's key manager to the
// SVM's own, or back if own is false.
//
// ONTAP takes the keys from where they were once they are copied (hazard of migrate). So all
// must be well with both sides: every node up, with all its keys, able to reach them, and both
// key stores active; and nothing may be open in either scope. A lost answer is never followed by
// a second try.
func Migrate(in Input, svm string, own bool) plan.Plan {
	d := newDecider(in)
	d.settle()
	m, s := d.asked(resource.Migrate, svm)
	s.Repeat = resource.Never
	other, missing := d.asked(resource.Migrate, "")
	switch {
	case m == nil:
	case other == nil:
		d.block(&s, s.Source, missing.Status, missing.Guard, "the other side of the move: "+missing.Reason)
	default:
		from, to := other, m
		if !own {
			from, to = m, other
		}
		if d.moved(svm, from, to) {
			return d.plan
		}
		s.Beside = other.Addr
		d.migrate(&s, from, to)
	}
	d.add(s)
	d.holdNodes()
	d.holdMixedReleases()
	d.holdBusyStores()
	d.holdSwitchover()
	d.holdPaused()
	d.holdUnsettled()
	d.holdKeys()
	d.cite()
	d.bind()
	return d.plan
}

func (d *decider) migrate(s *plan.Step, from, to *resource.Object) {
	s.Changes = []plan.Change{{Field: "keys", Old: resource.Str(from.Addr.String()), New: resource.Str(to.Addr.String())}}
	a, _ := from.Kind.Action(resource.Migrate)
	s.Requests = []plan.Request{{Method: "POST", Path: "/api/" + a.Below + "/" + resource.Segment(from.ID) + "/" + a.Path,
		Body: map[string]any{a.Body[0].As: to.ID}}}
	if d.Have.Version.Before(a.Since) {
		d.block(s, s.Source, plan.Refused, plan.Version, fmt.Sprintf("needs ONTAP %s; the cluster runs %s", a.Since, d.Have.Version))
	}
	for _, m := range []*resource.Object{from, to} {
		d.listed(s, m)
		if c, bad := d.allAvailable(m, "keys are moved only while all is well with both sides"); bad {
			c.reason = m.Addr.String() + ": " + c.reason
			d.heed(s, s.Source, c)
		}
		if r, bad := unreached(m); bad {
			d.block(s, s.Source, plan.Held, plan.Reachability, fmt.Sprintf("the key service of %s is not reachable from %s", m.Addr, orCluster(r.Node)))
		}
	}
}

// moved says whether the keys of an SVM are where they are to go, as far as the release tells,
// and notes how many there are to move.
func (d *decider) moved(svm string, from, to *resource.Object) bool {
	if d.Have.Keys == nil {
		return false // holdKeys has them read
	}
	here, there := d.keysOf(svm, from), d.keysOf(svm, to)
	switch {
	case here == 0 && there > 0:
		d.note(to.Addr, fmt.Sprintf("has the %d keys of %s, and %s has none of them: nothing is to be moved", there, svm, from.Addr))
		return true
	case here > 0:
		d.note(from.Addr, fmt.Sprintf("has %d keys of %s, and loses them by the move", here, svm))
	}
	return false
}

// keysOf counts the keys that protect the data of an SVM in the store of a key manager.
func (d *decider) keysOf(svm string, m *resource.Object) int {
	ids := map[string]bool{}
	for _, k := range d.Have.Keys.Keys {
		if k.Store == m.ID && k.User == svm {
			ids[k.ID] = true
		}
	}
	return len(ids)
}

// listed holds a step while it is not known that the key store of a key manager is there; its
// state is judged with those of all others.
func (d *decider) listed(s *plan.Step, m *resource.Object) {
	switch {
	case d.Have.Version.Before(resource.StoresSince):
		return // ONTAP does not tell, and refuses by itself (65537611, 65539434, 65539435)
	case d.Have.Stores == nil:
		d.plan.WantsStores = true
		d.block(s, s.Source, plan.Held, plan.KeyStore, "the states of the key stores were not read in this pass")
	case !slices.ContainsFunc(d.Have.Stores, func(k resource.KeyStore) bool { return k.UUID == m.ID && k.Enabled }):
		d.block(s, s.Source, plan.Held, plan.KeyStore, m.Addr.String()+" is not among the key stores in use")
	}
}

// holdNodes keeps keys from being moved while any node is away (65536968).
func (d *decider) holdNodes() {
	i := slices.IndexFunc(d.Have.Nodes, away)
	if i < 0 {
		return
	}
	for j := range d.plan.Steps {
		s := &d.plan.Steps[j]
		d.block(s, s.Source, plan.Held, plan.Nodes, d.Have.Nodes[i].Name+" is away: keys are moved only while every node is up and in the cluster")
	}
}

// asked returns the key manager that a scope has in use, and a step that takes an action on it.
// Where there is none the step is refused.
func (d *decider) asked(action, svm string) (*resource.Object, plan.Step) {
	s := plan.Step{Op: plan.Act, Action: action, Addr: resource.Addr{Cluster: d.Cluster, Kind: resource.External.Name, SVM: svm}}
	if _, ok := d.Have.SVMs[svm]; svm != "" && !ok {
		d.block(&s, s.Source, plan.Refused, plan.Missing, fmt.Sprintf("the cluster has no SVM named %s", svm))
		return nil, s
	}
	m := d.inUse(svm)
	if m == nil {
		d.block(&s, s.Source, plan.Refused, plan.Missing,
			"no key manager is in use at "+orCluster(svm)+"; one of a cloud service is looked for only where the file has one of its kind")
		return nil, s
	}
	s.Addr = m.Addr
	for _, w := range d.Want {
		if w.Addr == m.Addr {
			s.Source = w.Source
		}
	}
	if a, ok := m.Kind.Action(action); ok && d.Have.Version.Before(a.Since) {
		d.block(&s, s.Source, plan.Refused, plan.Version, fmt.Sprintf("needs ONTAP %s; the cluster runs %s", a.Since, d.Have.Version))
	}
	return m, s
}

// inUse returns the key manager in use at a scope; nil if there is none.
func (d *decider) inUse(svm string) *resource.Object {
	ids := d.stores(svm)
	for _, o := range d.Have.Objects {
		if o.Addr.SVM == svm && len(ids) > 0 && o.ID == ids[0] && slices.Contains(resource.Managers(), o.Kind) {
			return o
		}
	}
	return nil
}

func orCluster(name string) string {
	if name == "" {
		return "the cluster"
	}
	return name
}
