// Package diff decides what to do. It does nothing itself: no clock, no files, no network,
// no log. Equal inputs give equal plans, step for step.
package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/rules"
	"kmagent/internal/schedule"
)

// An Input is everything that a decision about one cluster rests on.
type Input struct {
	Cluster   string             // its name in the file
	Want      []*resource.Object // what the file declares, in any order
	Have      *resource.Cluster  // what the cluster has; complete
	Ledger    plan.Ledger        // what no GET can tell
	Secrets   plan.Secrets       // what became of reading the wanted secrets
	Policy    Policy
	Ignored   []rules.ID    // the rules whose remarks nobody wants now
	Standing  plan.Standing // what people have ordered
	Tolerance time.Duration // how late a slot may be looked at first and count as seen to come; 0: five minutes
	Seconds   bool          // schedules may have seconds, and evidence takes two: for tests of the whole
	Instance  string        // tells this agent from every other
	Keepers   int           // how many recipients key backups are encrypted for; 0: none are kept
	Resend    bool          // send secrets that seem to be in place already
	Now       time.Time
}

// Policy is the part of the file that limits what a pass may do.
type Policy struct {
	MaxRekeys    int // that may run at a time; 0: 1
	MaxDeletes   int // removals in one pass
	MinReachable int // servers that must stay; 0: two of a list of two or more, else one
}

// Compute returns the plan that makes Have like Want. It never deletes what the file only
// leaves out, and it never replaces an object to change a field of it.
func Compute(in Input) plan.Plan {
	d := newDecider(in)
	d.settle()
	want := slices.Clone(in.Want)
	slices.SortFunc(want, inOrder)
	for _, w := range want {
		d.certificates(w)
		d.standing(w)
	}
	for _, w := range want {
		d.object(w)
	}
	d.unmanaged(want)
	for _, w := range want {
		d.backup(w)
	}
	d.holdMixedReleases()
	d.holdBusyStores()
	d.holdSwitchover()
	d.holdPaused()
	d.holdUnsettled()
	d.holdFlaps()
	d.holdQuorum()
	d.holdRekeys()
	d.limitDeletes()
	d.holdKeys()
	d.holdUnseen()
	d.limitRekeys()
	d.dropOrphans()
	d.cite()
	d.bind()
	return d.plan
}

// inOrder puts objects by address, and last what a cluster has once: options may be about
// what the others make.
func inOrder(a, b *resource.Object) int {
	switch {
	case a.Kind.Singleton == b.Kind.Singleton:
		return a.Addr.Compare(b.Addr)
	case b.Kind.Singleton:
		return -1
	default:
		return 1
	}
}

// A decider gathers the steps of one plan.
type decider struct {
	Input
	links     links
	plan      plan.Plan
	schedules map[resource.Timing]*schedule.Schedule // see schedule
	open      []plan.Operation                       // of which the end is not known yet
	backups   map[resource.Addr]turned               // whose slot has come: see backup

	secondaryAt map[resource.Pos]bool // see secondaries
}

func newDecider(in Input) *decider {
	return &decider{Input: in, links: links{all: in.Have.Links}, plan: plan.Plan{
		Cluster: in.Cluster, UUID: in.Have.UUID, Release: in.Have.Version.String(), Observed: in.Have.At, Decided: in.Now}}
}

func (d *decider) add(s plan.Step) { d.plan.Steps = append(d.plan.Steps, s) }

// object decides about one entry of the file and its children.
func (d *decider) object(want *resource.Object) {
	have := d.Have.Objects[want.Addr]
	switch other := have != nil && have.Kind != want.Kind; {
	case want.Absent && (have == nil || other):
	case want.Kind.Singleton && have == nil && !d.Have.Version.Before(want.Kind.Since):
		d.refuse(plan.Update, want, want.Source, plan.Missing, "the cluster did not say what it has")
	case want.Absent:
		d.remove(want, have)
	case other:
		d.refuse(plan.Create, want, want.Source, plan.Immutable, fmt.Sprintf("a key manager of type %s stands here; kmagent does not replace one by another", have.Kind.Type))
	case d.tooNew(want, have != nil):
	case have == nil:
		d.create(want)
	default:
		d.hazards(want, have)
		d.update(want, have, nil)
		d.scheduled(want, have)
		d.askedFor(want, have)
		d.retire(want)
		d.act(want, have)
		d.enable(want, have)
		if i := want.Kind.Children(); i >= 0 && want.Values[i].IsSet() {
			d.children(want, have, want.Kind.Fields[i].To)
		}
	}
}

func (d *decider) path(o *resource.Object) string {
	if o.Kind.Singleton {
		return d.collection(o)
	}
	return d.collection(o) + "/" + resource.Segment(o.ID)
}

// collection is where objects like o are. One that o's kind lives under must be there.
func (d *decider) collection(o *resource.Object) string {
	if above := d.above(o); above != nil {
		return d.path(above) + "/" + o.Kind.Path
	}
	return "/api/" + o.Kind.Path
}

// tooNew refuses an object whose kind, or a field of it or of a child, the cluster's release
// does not know. Nothing is sent for such an object: half of what somebody reviewed is not
// what they reviewed.
func (d *decider) tooNew(want *resource.Object, there bool) bool {
	v, op := d.Have.Version, plan.Create
	if there || want.Kind.Singleton {
		op = plan.Update
	}
	if v.Before(want.Kind.Since) {
		d.refuse(op, want, want.Source, plan.Version, fmt.Sprintf("needs ONTAP %s; the cluster runs %s", want.Kind.Since, v))
		return true
	}
	for _, o := range append([]*resource.Object{want}, byName(want.Children)...) {
		for i := range o.Kind.Fields {
			f := &o.Kind.Fields[i]
			if o.Values[i].IsSet() && v.Before(f.Since) {
				d.refuse(op, o, o.Place(i), plan.Version, fmt.Sprintf("%s needs ONTAP %s; the cluster runs %s", f.Name, f.Since, v))
				return true
			}
			if o.Values[i].IsSet() && !there && !f.Flags.Has(resource.Create) && v.Before(f.PatchSince) {
				d.refuse(op, o, o.Place(i), plan.Version, fmt.Sprintf("setting %s needs ONTAP %s; the cluster runs %s", f.Name, f.PatchSince, v))
				return true
			}
		}
	}
	return false
}

func (d *decider) refuse(op plan.Op, want *resource.Object, at resource.Pos, g plan.Guard, reason string) {
	if plan.Off(g) {
		return
	}
	d.add(plan.Step{Op: op, Status: plan.Refused, Addr: want.Addr, Source: at, Guard: g, Reason: reason})
}

// create makes an object that is not there, and then sets what its POST does not take.
func (d *decider) create(want *resource.Object) {
	s := plan.Step{Op: plan.Create, Addr: want.Addr, Source: want.Source, Wishes: []plan.Wish{there}}
	if s.Backup = want.Kind.Backup != ""; s.Backup {
		s.Nodes = d.nodes()
	}
	body := map[string]any{}
	if svm := want.Addr.SVM; svm != "" {
		if _, ok := d.Have.SVMs[svm]; !ok {
			d.refuse(plan.Create, want, want.Source, plan.Missing, fmt.Sprintf("the cluster has no SVM named %s", svm))
			return
		}
		body["svm"] = map[string]any{"name": svm}
	}
	if !d.mayStart(&s, want) {
		return
	}
	collection := d.collection(want)
	later := d.fill(&s, want, body, resource.Create)
	if i := want.Kind.Children(); i >= 0 && want.Values[i].IsSet() {
		var names []string
		var members []any
		for _, c := range want.Children {
			names = append(names, c.Addr.Name)
			s.Brings = append(s.Brings, c.Addr)
			members = append(members, map[string]any{c.Kind.Identity: c.Addr.Name})
		}
		s.Changes = append(s.Changes, plan.Change{Field: want.Kind.Fields[i].Name, New: resource.StrList(names)})
		assign(body, want.Kind.Fields[i].Name, members)
	}
	for _, i := range modify(want, body, resource.Create) {
		s.Changes = append(s.Changes, plan.Change{Field: want.Kind.Fields[i].Name, New: want.Values[i]})
	}
	s.Requests = []plan.Request{d.uncover(want, plan.Request{Method: "POST", Path: collection + d.inStore(&s, want), Body: body})}
	own := collection + "/" + plan.ParentID
	d.patchAfter(&s, want, own, later)
	d.add(s)
	for _, c := range want.Children {
		d.finish(c, want.Addr, own+"/"+c.Kind.Path+"/"+resource.Segment(c.Addr.Name))
	}
}

// finish sets what the parent's POST did not take of a child that it made.
func (d *decider) finish(want *resource.Object, parent resource.Addr, path string) {
	s := plan.Step{Op: plan.Update, Addr: want.Addr, Source: want.Source, Parent: parent}
	d.patchAfter(&s, want, path, settable(want, resource.Patch))
	if len(s.Requests) > 0 || s.Status != plan.Ready {
		d.add(s)
	}
}

// createChild adds a member to the collection of a parent that is there.
func (d *decider) createChild(want *resource.Object, collection string) plan.Step {
	s := plan.Step{Op: plan.Create, Addr: want.Addr, Source: want.Source, Wishes: []plan.Wish{there}}
	body := map[string]any{}
	later := d.fill(&s, want, body, resource.Create)
	s.Requests = []plan.Request{{Method: "POST", Path: collection, Body: body}}
	d.patchAfter(&s, want, collection+"/"+resource.Segment(want.Addr.Name), later)
	return s
}

// patchAfter appends the PATCH of those fields that a POST does not take.
func (d *decider) patchAfter(s *plan.Step, want *resource.Object, path string, fields []int) {
	if len(fields) == 0 {
		return
	}
	body := map[string]any{}
	for _, i := range fields {
		f := &want.Kind.Fields[i]
		if d.Have.Version.Before(f.PatchSince) {
			d.block(s, want.Place(i), plan.Refused, plan.Version, fmt.Sprintf("setting %s needs ONTAP %s; the cluster runs %s", f.Name, f.PatchSince, d.Have.Version))
		}
		d.set(s, want, i, resource.Value{}, want.Values[i], body)
	}
	s.Requests = append(s.Requests, plan.Request{Method: "PATCH", Path: path, Body: body})
}

// settable lists the fields that are set and that the request of that flag takes.
func settable(want *resource.Object, flag resource.Flags) []int {
	var out []int
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if want.Values[i].IsSet() && f.Flags.Has(flag) && f.Type != resource.Children && f.Flags&(resource.Modifier|resource.Next) == 0 {
			out = append(out, i)
		}
	}
	return out
}

// fill puts the fields that a request of that flag takes into body, and returns those that
// are left for a PATCH.
func (d *decider) fill(s *plan.Step, want *resource.Object, body map[string]any, flag resource.Flags) (later []int) {
	for _, i := range settable(want, flag) {
		d.set(s, want, i, resource.Value{}, want.Values[i], body)
	}
	for _, i := range settable(want, resource.Patch) {
		if !want.Kind.Fields[i].Flags.Has(flag) {
			later = append(later, i)
		}
	}
	return later
}

// update compares an object that is there, field by field. Parent is the one it is a member
// of, if any.
func (d *decider) update(want, have, parent *resource.Object) {
	s := plan.Step{Op: plan.Update, Addr: want.Addr, Source: want.Source}
	body := map[string]any{}
	for i := range want.Kind.Fields {
		f, w, h := &want.Kind.Fields[i], want.Values[i], have.Values[i]
		if !w.IsSet() || f.Type == resource.Children || f.Type == resource.Timed || f.Via != "" || f.Flags&(resource.Switch|resource.Modifier|resource.Next) != 0 || !d.differs(&s, want, have, i) {
			continue
		}
		switch {
		case !f.Flags.Has(resource.Patch):
			d.immutable(want, i, h)
		case d.Have.Version.Before(f.PatchSince):
			d.refuse(plan.Update, want, want.Place(i), plan.Version, fmt.Sprintf("changing %s needs ONTAP %s; the cluster runs %s", f.Name, f.PatchSince, d.Have.Version))
		case f.Flags.Has(resource.GrowFirst):
			d.regroup(&s, want, have, i, body)
		case f.Type == resource.Secret:
			d.set(&s, want, i, w, w, body) // what is there cannot be read; that something is there is all there is to show
			if f.Flags.Has(resource.Counted) {
				s.Repeat, s.Backup = resource.Never, want.Kind.Backup != ""
				if d.secret(want, i).Err == nil {
					d.prove(&s, want, i)
				}
				if want.Value(resource.Synchronize).Bool() {
					d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: want.Place(i), Rule: string(rules.KM060),
						Text: "the MetroCluster partner keeps the old one until " + f.Name + " is changed there as well"})
				}
			}
		default:
			d.set(&s, want, i, h, w, body)
			d.turnOn(&s, want, i)
		}
	}
	if len(s.Changes) > 0 || s.Status != plan.Ready {
		company(want, body)
		d.openable(&s, want, body)
		path := d.path(have)
		if parent != nil {
			path = d.path(parent) + "/" + have.Kind.Path + "/" + resource.Segment(have.ID)
		}
		s.Requests = []plan.Request{{Method: "PATCH", Path: path, Body: body}}
		d.add(s)
	}
}

// company adds to a PATCH what must go with the fields that it has, and what says how the
// change is to be made (ONTAP REST reference: key-servers, codes 65536845 and 65536846, a user
// name and its password; azure-key-vaults, code 65537517, an application and what proves it).
func company(want *resource.Object, body map[string]any) {
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if f.With == "" || f.Flags.Has(resource.Modifier) || !holds(body, f.Name) || holds(body, f.With) {
			continue
		}
		if j := standIn(want, f.With); j >= 0 {
			assign(body, want.Kind.Fields[j].Name, wire(&want.Kind.Fields[j], want.Values[j]))
		}
	}
	modify(want, body, resource.Patch)
}

// standIn returns the index of the field of that name or, if the file has another in its
// place, of that one; -1 if it has neither.
func standIn(want *resource.Object, name string) int {
	for i := range want.Kind.Fields {
		if f := &want.Kind.Fields[i]; (f.Name == name || f.For == name) && want.Values[i].IsSet() {
			return i
		}
	}
	return -1
}

// modify adds to the body of a request of that flag what says how it is to be carried out, and
// returns the fields that do.
func modify(want *resource.Object, body map[string]any, flag resource.Flags) (added []int) {
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if !f.Flags.Has(resource.Modifier|flag) || !want.Values[i].IsSet() {
			continue
		}
		if j := standIn(want, f.With); j >= 0 && holds(body, want.Kind.Fields[j].Name) {
			assign(body, f.Name, wire(f, want.Values[i]))
			added = append(added, i)
		}
	}
	return added
}

func (d *decider) immutable(want *resource.Object, i int, have resource.Value) {
	f := &want.Kind.Fields[i]
	out := cmp.Or(f.WayOut, "delete the object (state: absent) and create it anew while no data depends on it")
	s := plan.Step{
		Op: plan.Update, Status: plan.Refused, Guard: plan.Immutable, Addr: want.Addr, Source: want.Place(i),
		Reason: f.Name + " cannot be changed in place: " + out,
	}
	if f.Type == resource.Secret {
		have = want.Values[i] // that something is there is all there is to show
		if err := d.Secrets[plan.SecretAt{Addr: want.Addr, Field: f.Name}].Err; err != nil {
			s.Status, s.Guard, s.Reason = plan.Held, plan.Secret, err.Error() // whether it differs cannot be told
		}
	}
	s.Changes = []plan.Change{{Field: f.Name, Old: have, New: want.Values[i]}}
	d.add(s)
}

// differs says whether field i has to be sent.
func (d *decider) differs(s *plan.Step, want, have *resource.Object, i int) bool {
	f, w, h := &want.Kind.Fields[i], want.Values[i], have.Values[i]
	switch f.Type {
	case resource.Secret:
		return d.secretDiffers(want, have, i)
	case resource.Link, resource.Links:
		resolved, ok := d.resolve(s, want, i)
		return !ok || !f.Equal(resolved, h)
	default:
		return !f.Equal(w, h)
	}
}

// secretDiffers compares digests, since no GET returns a secret. What was never sent from
// here and was there before us is taken for current. So is what only a POST takes: nothing
// could send it again, and if we made the object but know no digest, the answer was lost and
// what was sent is what the file had.
func (d *decider) secretDiffers(want, have *resource.Object, i int) bool {
	f := &want.Kind.Fields[i]
	if d.succeeded(want, i) {
		d.inPlace(want, i)
		return false
	}
	state := d.Secrets[plan.SecretAt{Addr: want.Addr, Field: f.Name}]
	if state.Err != nil {
		return true // set reports why
	}
	known := d.Ledger.Objects[want.Addr]
	old, sent := known.Secrets[f.Name]
	switch {
	case d.resends(want, i), f.Flags.Has(resource.Patch) && otherInUse(f, have):
		return true
	case sent:
		return old != state.Digest
	case f.Flags.Has(resource.Patch) && known.Created:
		return true
	case state.Digest == known.Refused && known.Refused != "":
		return false // it is not the one in place, whatever that is
	}
	text := f.Name + " is taken to be current, since the object was there before us; apply --resend-secrets sends it"
	if !f.Flags.Has(resource.Patch) {
		text = f.Name + " is taken to be the one that the object was made with: nothing reads it, and nothing changes it"
	}
	d.plan.Adopted = append(d.plan.Adopted, plan.Adoption{Addr: want.Addr, Field: f.Name, Digest: state.Digest})
	d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: want.Place(i), Text: text})
	return false
}

// resends says whether a secret that seems to be in place is to be sent. One whose former value
// ONTAP wants to see is sent only if the file names that, and it is not known to have been
// changed from here.
func (d *decider) resends(want *resource.Object, i int) bool {
	f := &want.Kind.Fields[i]
	if !d.Resend || !f.Flags.Has(resource.Patch) {
		return false
	}
	j := formerOf(want.Kind, f.Name)
	known := d.Ledger.Objects[want.Addr]
	return j < 0 || want.Values[j].IsSet() && (known.Secrets[f.Name] == "" || known.Adopted[f.Name])
}

// otherInUse says whether ONTAP tells that an alternative of a secret is in use in its place:
// the secret may have been sent once, and was forgotten when the other came.
func otherInUse(f *resource.Field, have *resource.Object) bool {
	told := have.Value(f.Told.Field).Str()
	return told != "" && told != f.Told.Word
}

// set adds one field to a step: the change that people see, the value that goes out and the
// wish that is remembered.
func (d *decider) set(s *plan.Step, want *resource.Object, i int, old, new resource.Value, body map[string]any) {
	f := &want.Kind.Fields[i]
	wish := plan.Wish{Field: f.Name}
	switch f.Type {
	case resource.Secret:
		state := d.secret(want, i)
		if state.Err != nil {
			d.unreadable(s, want, i, state)
		}
		wish.Value = state.Digest
	case resource.Link, resource.Links:
		if resolved, ok := d.resolve(s, want, i); ok {
			new = resolved
		}
		old = d.named(f.To, old)
		wish.Value = wishOf(new)
	default:
		wish.Value = wishOf(new)
	}
	s.Changes = append(s.Changes, plan.Change{Field: f.Name, Old: old, New: new})
	s.Wishes = append(s.Wishes, wish)
	assign(body, f.Name, wire(f, new))
}

// unreadable holds a step for a secret that cannot be had, or is not fit to be sent.
func (d *decider) unreadable(s *plan.Step, want *resource.Object, i int, state plan.SecretState) {
	d.block(s, want.Place(i), plan.Held, plan.Secret, state.Err.Error())
	if state.Unfit && want.Kind.Fields[i].Flags.Has(resource.Counted) {
		s.Rule = string(rules.KM020)
	}
}

// dropOrphans takes out what was to follow a step that is not sent after all.
func (d *decider) dropOrphans() {
	ready := map[resource.Addr]bool{}
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if s.Backup && s.Status == plan.Ready && s.Action != backupAction {
			ready[s.Addr] = true
		}
		if !s.Slot.IsZero() && !ready[s.Addr] {
			s.After = false // it has come for a reason of its own
		}
	}
	clear(ready)
	d.plan.Steps = slices.DeleteFunc(d.plan.Steps, func(s plan.Step) bool {
		if s.After && !ready[s.Addr] && !d.Ledger.Objects[s.Addr].Owed {
			return true
		}
		if s.Backup && s.Status == plan.Ready {
			ready[s.Addr] = true
		}
		return false
	})
}

// block keeps a step from being sent. The first reason stands, but a refusal outdoes a hold.
func (d *decider) block(s *plan.Step, at resource.Pos, status plan.Status, g plan.Guard, reason string) {
	if s.Status >= status || plan.Off(g) || status == plan.Held && d.lifted(s, g) {
		return
	}
	s.Status, s.Guard, s.Reason, s.Source = status, g, reason, at
}

// resolve finds the UUIDs of the objects that field i names. If one is missing it refuses
// the step and returns false.
func (d *decider) resolve(s *plan.Step, want *resource.Object, i int) (resource.Value, bool) {
	f, w := &want.Kind.Fields[i], want.Values[i]
	links := w.Links()
	if f.Type == resource.Link {
		links = []resource.LinkTo{w.Link()}
	}
	out := make([]resource.LinkTo, 0, len(links))
	for _, l := range links {
		o, ok := d.links.find(f.To, want.Addr.SVM, f.Where, l)
		if !ok {
			where := "the cluster"
			if want.Addr.SVM != "" {
				where = "SVM " + want.Addr.SVM + " or the cluster"
			}
			d.block(s, want.Place(i), plan.Refused, plan.Missing,
				fmt.Sprintf("no %s of type %s called %s is installed at %s; install it, or correct %s", f.To.Name, f.Where, l, where, f.Name))
			return w, false
		}
		out = append(out, resource.LinkTo{Name: o.Addr.Name, UUID: o.ID})
	}
	if f.Type == resource.Link {
		return resource.LinkValue(out[0]), true
	}
	return resource.LinkList(out), true
}

// named gives the links of a value the names that people know, where ONTAP sent the UUID
// alone.
func (d *decider) named(to *resource.Kind, v resource.Value) resource.Value {
	name := func(l resource.LinkTo) resource.LinkTo {
		for _, o := range d.Have.Links {
			if o.Kind == to && o.ID == l.UUID {
				l.Name = o.Addr.Name
			}
		}
		return l
	}
	switch {
	case v.Link() != resource.LinkTo{}:
		return resource.LinkValue(name(v.Link()))
	case v.Links() != nil:
		out := make([]resource.LinkTo, len(v.Links()))
		for i, l := range v.Links() {
			out[i] = name(l)
		}
		return resource.LinkList(out)
	default:
		return v
	}
}

// deletion removes an object that is there.
func (d *decider) deletion(source resource.Pos, have *resource.Object, path string) plan.Step {
	return plan.Step{Op: plan.Delete, Addr: have.Addr, Source: source, Wishes: []plan.Wish{gone},
		Requests: []plan.Request{{Method: "DELETE", Path: path}}}
}

// unmanaged reports the objects of the cluster that the file does not mention.
func (d *decider) unmanaged(want []*resource.Object) {
	found := 0
	for _, w := range want {
		if d.Have.Objects[w.Addr] != nil {
			found++
		}
	}
	if found == len(d.Have.Objects) {
		return // as nearly always
	}
	declared := make(map[resource.Addr]bool, len(want))
	for _, w := range want {
		declared[w.Addr] = true
	}
	var left []resource.Addr
	for a, o := range d.Have.Objects {
		if !declared[a] && o.Kind.Section != "" && !d.generated(o) {
			left = append(left, a)
		}
	}
	slices.SortFunc(left, resource.Addr.Compare)
	for _, a := range left {
		text := "is not in the file: left alone"
		if n := len(d.Have.Objects[a].Twins); n > 0 {
			text = fmt.Sprintf("is not in the file, %d times: left alone", n+1)
		}
		d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: a, Text: text})
	}
}

// holdMixedReleases stops writes while nodes run different releases: during a rolling
// upgrade half of the nodes lack what the other half just accepted.
func (d *decider) holdMixedReleases() {
	for _, n := range d.Have.Nodes {
		if n.Version.IsZero() || n.Version == d.Have.Nodes[0].Version {
			continue
		}
		first := d.Have.Nodes[0]
		d.plan.Hold(plan.Nodes, fmt.Sprintf("%s runs ONTAP %s and %s runs %s: an upgrade is under way", first.Name, first.Version, n.Name, n.Version))
		return
	}
}

// holdSwitchover changes nothing while one half of a MetroCluster serves for both: the other
// would not have the change when it comes back.
func (d *decider) holdSwitchover() {
	if !d.Have.Metro.Asked {
		d.plan.WantsMetro = d.plan.Counts().Ready() > 0
		return
	}
	if d.Have.Metro.SwitchedOver() {
		d.plan.Hold(plan.Nodes, fmt.Sprintf("the MetroCluster is in the mode %s: nothing is changed on one site alone", d.Have.Metro.Mode))
	}
}

// holdFlaps stops what somebody keeps undoing.
func (d *decider) holdFlaps() {
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if s.Status != plan.Ready || s.Asked {
			continue
		}
		for _, w := range s.Wishes {
			n := d.Ledger.Objects[s.Addr].Reversals(w, d.Now)
			what := cmp.Or(w.Field, "the object")
			if n == 0 {
				continue
			}
			if n < flapLimit(s) {
				d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: s.Addr, Source: s.Source,
					Text: what + " was set within the hour, and is not as it was set: somebody undid it, or ONTAP does not keep it"})
				continue
			}
			d.block(s, s.Source, plan.Held, plan.Flap, fmt.Sprintf(
				"%s was set %d times within the hour and undone each time: somebody else manages it, or ONTAP does not keep it; writes to it rest until an hour has passed or the file changes", what, n))
			break
		}
	}
}

// flapLimit is how often a step may have been undone. An action that has succeeded and is due
// again has not done what it was to do: once more would be a second effect.
func flapLimit(s *plan.Step) int {
	if s.Op == plan.Act {
		return 1
	}
	return plan.FlapLimit
}

// limitDeletes holds removals beyond the policy's number.
func (d *decider) limitDeletes() {
	left := d.Policy.MaxDeletes
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if s.Op != plan.Delete || s.Status != plan.Ready {
			continue
		}
		if left > 0 {
			left--
			continue
		}
		reason := fmt.Sprintf("policy.max_deletes lets %d go in one pass: the next one continues", d.Policy.MaxDeletes)
		if d.Policy.MaxDeletes == 0 {
			reason = "policy.max_deletes is 0: nothing is removed"
		}
		d.block(s, s.Source, plan.Held, plan.MaxDeletes, reason)
	}
}

// list joins names for a sentence.
func list(names []string) string { return strings.Join(names, ", ") }
