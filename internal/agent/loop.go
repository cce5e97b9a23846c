// Package agent is the loop of one cluster, and the fleet of loops. A loop reads the file's
// wish, looks at the cluster, decides, acts and remembers. It meets the world as interfaces:
// who answers, who sends and who writes to disk is decided elsewhere.
package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A Reader looks at one cluster.
type Reader interface {
	Read(ctx context.Context, health bool, wanted []*resource.Object) (*resource.Cluster, error)
	Jobs(ctx context.Context, sought []resource.JobSought) ([]resource.Job, error)
	Metro(ctx context.Context) (resource.MetroCluster, error)
	Keys(ctx context.Context, have *resource.Cluster, stores []string) *resource.KeyReport
	Stores(ctx context.Context, have *resource.Cluster) ([]resource.KeyStore, error)
}

// An Actor carries plans of one cluster out, and knows the digests of its secrets.
type Actor interface {
	Digests(ctx context.Context, wanted []*resource.Object) plan.Secrets
	Run(ctx context.Context, p *plan.Plan) plan.Report
}

// A Memory is what is remembered of one cluster.
type Memory interface {
	Ledger() plan.Ledger
	Pin(uuid string, at time.Time) error
	See(list []plan.Sighting, at time.Time) error
	Adopt(list []plan.Adoption, at time.Time) error
	End(id string, e plan.End) error
	NoteSlots(list []plan.SlotNote, at time.Time) error
}

// Edges are what a loop meets of the world.
type Edges struct {
	Reader Reader
	Actor  Actor
	Memory Memory // nil with MemoryErr
	// MemoryErr says why nothing can be remembered. Then nothing is written either.
	MemoryErr error
	// Standing returns what people have ordered; may be nil. If it fails nothing is written.
	Standing func() (plan.Standing, error)
	// Instance tells this agent from every other; empty: there is no other.
	Instance string
	// Reopen makes Memory and MemoryErr anew, after either failed; may be nil.
	Reopen func() (Memory, error)
	// Again is called when the file was read anew: what had been given up, such as a refused
	// password, may be tried again; may be nil.
	Again func()
	// Close lets go of everything; may be nil.
	Close func() error
}

// A Loop is the passes over one cluster. Its methods must not overlap.
type Loop struct {
	Spec  desired.Cluster
	Edges Edges
	// Health is the time between reads of Advanced fields. 0 reads them with every pass, and a
	// negative one only when a decision waits for them.
	Health time.Duration
	// Tolerance is how late the slot of a schedule may be looked at first and count as seen to
	// come; 0 is five minutes. Seconds lets schedules have seconds, for tests of the whole.
	Tolerance time.Duration
	Seconds   bool
	Rekeys    *Rekeys // bounds those of all clusters; may be nil
	Wake      func()  // has a pass made when there is room for what Rekeys has held; may be nil
	// Decide decides in place of [diff.Compute]: for what somebody asks for and no file implies.
	// Its error is why there is no plan; may be nil.
	Decide func(diff.Input) (plan.Plan, error)

	healthRead time.Time     // when they were last read
	changed    time.Time     // when this loop last changed the cluster
	standing   plan.Standing // what people had ordered at the last decision
}

// Orders say what a pass may do beyond what the file says.
type Orders struct {
	Hold   plan.Guard // what holds every step; NoGuard if nothing does
	Reason string
	Resend bool   // send secrets that seem to be in place
	ID     string // of the plan, where it has one already; empty: it gets its fingerprint
}

// A Pass is what came of looking at a cluster once.
type Pass struct {
	Cluster  string
	Began    time.Time
	Took     time.Duration
	Observed *resource.Cluster // nil if the cluster could not be read
	Plan     plan.Plan
	Report   *plan.Report // nil if nothing was sent
	Err      error        // why the cluster could not be read, or nothing remembered

	// What is remembered after the pass, and what people had ordered at its last decision; nil
	// if nothing can be remembered. Whoever is told of a pass must not keep them.
	Ledger   *plan.Ledger
	Standing *plan.Standing
}

// An IdentityError says that another cluster answers at the endpoint. It freezes the
// cluster: nothing is planned, let alone written, until the file or a human says otherwise.
type IdentityError struct{ Want, Have, By string }

func (e *IdentityError) Error() string {
	return fmt.Sprintf("another cluster answers: its UUID is %s, and %s says %s; nothing is done until that is settled", plan.Safe(e.Have), e.By, e.Want)
}

// Once reads, decides, acts and remembers.
func (l *Loop) Once(ctx context.Context, o Orders) Pass {
	p := l.Look(ctx, o)
	if p.Err == nil {
		l.Act(ctx, &p)
	} else {
		l.Rekeys.away(p.Cluster)
	}
	if l.Edges.Memory != nil {
		led, standing := l.Edges.Memory.Ledger(), l.standing
		p.Ledger, p.Standing = &led, &standing
	}
	p.Took = time.Since(p.Began)
	return p
}

// Look reads and decides, and changes nothing.
func (l *Loop) Look(ctx context.Context, o Orders) Pass {
	p := Pass{Cluster: l.Spec.Name, Began: time.Now()}
	p.Observed, p.Plan, p.Err = l.look(ctx, o)
	if p.Err != nil {
		p.Observed, p.Plan = nil, plan.Plan{Cluster: l.Spec.Name, Err: p.Err}
	}
	p.Took = time.Since(p.Began)
	return p
}

func (l *Loop) look(ctx context.Context, o Orders) (*resource.Cluster, plan.Plan, error) {
	have, err := l.read(ctx, l.healthDue())
	if err != nil {
		return nil, plan.Plan{}, err
	}
	p, err := l.decide(ctx, have, o)
	if err == nil && p.WantsHealth && !have.Health {
		if have, err = l.read(ctx, true); err != nil {
			return nil, plan.Plan{}, err
		}
		p, err = l.decide(ctx, have, o)
	}
	for range 4 { // as many as readMore has to read
		more, news, merr := l.readMore(ctx, have, &p)
		if merr != nil {
			return nil, plan.Plan{}, merr
		}
		if err != nil || !news {
			break
		}
		have = more
		p, err = l.decide(ctx, have, o)
	}
	return have, p, err
}

// readMore reads what a decision waits for and no pass reads by itself, each once: news says
// that there was something. What was held for one of them may then wait for another.
func (l *Loop) readMore(ctx context.Context, have *resource.Cluster, p *plan.Plan) (_ *resource.Cluster, news bool, err error) {
	with := *have
	if p.WantsMetro && !have.Metro.Asked {
		if with.Metro, err = l.Edges.Reader.Metro(ctx); err != nil {
			return nil, false, err
		}
		news = true
	}
	if p.WantsStores && have.Stores == nil {
		if with.Stores, err = l.Edges.Reader.Stores(ctx, have); err != nil {
			return nil, false, err
		}
		news = true
	}
	if len(p.WantsKeys) > 0 {
		stores := p.WantsKeys
		if have.Keys != nil {
			stores = append(slices.Clone(have.Keys.Stores), stores...)
		}
		with.Keys, news = l.Edges.Reader.Keys(ctx, have, stores), true
	}
	if len(p.WantsJobs) > 0 && have.Begun == nil {
		sought := make([]resource.JobSought, len(p.WantsJobs))
		for i, d := range p.WantsJobs {
			sought[i].Description = d
		}
		begun, err := l.Edges.Reader.Jobs(ctx, sought)
		if err != nil {
			return nil, false, err
		}
		with.Begun, news = &begun, true
	}
	return &with, news, nil
}

// healthDue says whether Advanced fields are to be read: when their time has come, and
// after a change, whose effect on reachability is what the next removal waits for.
func (l *Loop) healthDue() bool {
	if l.Health < 0 {
		return false
	}
	return l.Health == 0 || time.Since(l.healthRead) >= l.Health || !l.changed.Before(l.healthRead)
}

// read looks at the jobs of operations that are open, and then at the objects: what a job had
// done by its end is in what is read after it.
func (l *Loop) read(ctx context.Context, health bool) (*resource.Cluster, error) {
	jobs, err := l.jobs(ctx)
	if err != nil {
		return nil, err
	}
	have, err := l.Edges.Reader.Read(ctx, health, l.Spec.Objects)
	if err != nil {
		return nil, err
	}
	if err := l.recognise(have); err != nil {
		return nil, err
	}
	if health {
		l.healthRead = have.At
	}
	stores := l.rekeyedStores(have)
	if len(jobs) == 0 && len(stores) == 0 {
		return have, nil
	}
	with := *have
	with.Jobs = jobs
	if len(stores) > 0 {
		with.Rekeyed = l.Edges.Reader.Keys(ctx, have, stores)
	}
	return &with, nil
}

// jobs are those of operations that are open: what became of them cannot be told otherwise,
// nor whether the cluster is at it still.
func (l *Loop) jobs(ctx context.Context) ([]resource.Job, error) {
	led := l.ledger()
	if len(led.Open) == 0 || l.Spec.UUID != "" && led.UUID != l.Spec.UUID {
		return nil, nil
	}
	var sought []resource.JobSought
	for _, o := range led.Open {
		if o.Job != "" {
			sought = append(sought, resource.JobSought{UUID: o.Job})
		} else if o.Request != "" {
			sought = append(sought, resource.JobSought{Description: o.Request})
		}
		if o.Op == plan.Create && o.Request != "" { // and then it was a PATCH, perhaps
			sought = append(sought, resource.JobSought{Description: o.After() + "*"})
		}
	}
	return l.Edges.Reader.Jobs(ctx, sought)
}

// rekeyedStores lists the UUIDs of key stores of whose rekey only their keys are evidence: those of
// operations that are open, and those that are to be rekeyed and whose keys are not known.
func (l *Loop) rekeyedStores(have *resource.Cluster) []string {
	led, now := l.known(have), time.Now()
	var out []string
	for _, o := range led.Open {
		if store := have.Find(o.Addr); store != nil && o.Before != nil {
			out = append(out, store.ID)
		}
	}
	for _, w := range l.Spec.Objects {
		slots, store := led.Objects[w.Addr].Slots[resource.RekeyInternal], have.Objects[w.Addr]
		if store != nil && w.Timing(resource.RekeyInternal) >= 0 && diff.KeysUnknown(&slots, now) && !slices.Contains(out, store.ID) {
			out = append(out, store.ID)
		}
	}
	return out
}

// recognise checks that the cluster is the one that the file or the first contact named.
func (l *Loop) recognise(have *resource.Cluster) error {
	if plan.Off(plan.Identity) {
		return nil
	}
	if l.Spec.UUID != "" && l.Spec.UUID != have.UUID {
		return &IdentityError{Want: l.Spec.UUID, Have: have.UUID, By: "the file"}
	}
	if pinned := l.ledger().UUID; pinned != "" && pinned != have.UUID && l.Spec.UUID == "" {
		return &IdentityError{Want: pinned, Have: have.UUID, By: "the first contact"}
	}
	return nil
}

func (l *Loop) ledger() plan.Ledger {
	if l.Edges.Memory == nil {
		return plan.Ledger{}
	}
	return l.Edges.Memory.Ledger()
}

// known is what is remembered of the cluster that answers. If the file has come to name
// another one than before, that is nothing: what was sent to the old one, secrets above all,
// was not sent to this one.
func (l *Loop) known(have *resource.Cluster) plan.Ledger {
	led := l.ledger()
	if led.UUID != "" && led.UUID != have.UUID {
		return plan.Ledger{}
	}
	return led
}

func (l *Loop) decide(ctx context.Context, have *resource.Cluster, o Orders) (p plan.Plan, err error) {
	now := time.Now()
	var standing plan.Standing
	var standingErr error
	if l.Edges.Standing != nil {
		standing, standingErr = l.Edges.Standing()
		l.standing = standing
	}
	in := diff.Input{
		Cluster:   l.Spec.Name,
		Want:      l.Spec.Objects,
		Have:      have,
		Ledger:    l.known(have),
		Secrets:   l.Edges.Actor.Digests(ctx, l.Spec.Objects),
		Policy:    diff.Policy{MaxDeletes: l.Spec.Policy.MaxDeletes, MinReachable: l.Spec.Policy.MinReachableServers, MaxRekeys: l.Spec.Policy.MaxRekeys},
		Ignored:   l.Spec.Ignored(now),
		Standing:  standing,
		Tolerance: l.Tolerance, Seconds: l.Seconds, Instance: l.Edges.Instance,
		Keepers: len(l.Spec.Backup.Recipients),
		Resend:  o.Resend,
		Now:     now,
	}
	if l.Decide == nil {
		p = diff.Compute(in)
	} else if p, err = l.Decide(in); err != nil {
		return p, err
	}
	switch {
	case l.Edges.MemoryErr != nil:
		p.Hold(plan.State, (&MemoryError{l.Edges.MemoryErr}).Error())
	case standingErr != nil:
		p.Hold(plan.State, (&MemoryError{standingErr}).Error())
	case o.Hold != plan.NoGuard:
		p.Hold(o.Hold, o.Reason)
	case l.Spec.Mode == desired.Observe:
		p.Hold(plan.Mode, "the file has mode: observe for this cluster")
	}
	if p.ID = o.ID; p.ID == "" && len(p.Steps) > 0 {
		p.ID = plan.Fingerprint(&p)
	}
	return p, nil
}

// Act remembers what a look found in place, and carries its plan out.
func (l *Loop) Act(ctx context.Context, p *Pass) {
	if p.Err = l.remember(p); p.Err != nil {
		return
	}
	led := l.ledger() // with what the look has settled
	l.Rekeys.done(p.Cluster, &led)
	if p.Plan.Counts().Ready() == 0 {
		return
	}
	if l.Rekeys.reserve(&p.Plan, &led, l.Wake); p.Plan.Counts().Ready() == 0 {
		return
	}
	rep := l.Edges.Actor.Run(ctx, &p.Plan)
	led = l.ledger()
	l.Rekeys.done(p.Cluster, &led)
	p.Report = &rep
	if err := l.Edges.Memory.See(created(&rep), time.Now()); err != nil {
		p.Err = &MemoryError{err}
	}
	if rep.Changed() {
		l.changed = time.Now()
	}
}

// Queue holds the rekeys of a look that have to wait for those of other clusters, and keeps the
// place of the others. Acting does it by itself; whoever shows a plan first does it before, cluster by
// cluster, so that what is shown does not depend on which was read first.
func (l *Loop) Queue(p *Pass) {
	if p.Err != nil {
		return
	}
	led := l.ledger().Clone()
	for _, x := range p.Plan.Settled {
		led.End(x.Op.ID, x.End)
	}
	for _, n := range p.Plan.Slots {
		led.NoteSlots(n)
	}
	l.Rekeys.reserve(&p.Plan, &led, l.Wake)
}

// remember makes durable what a look found: whose endpoint this is, and which secrets were
// in place before us.
func (l *Loop) remember(p *Pass) error {
	m, now := l.Edges.Memory, time.Now()
	if m == nil {
		return &MemoryError{l.Edges.MemoryErr}
	}
	if m.Ledger().UUID != p.Observed.UUID {
		if err := m.Pin(p.Observed.UUID, now); err != nil {
			return &MemoryError{err}
		}
	}
	for _, x := range p.Plan.Settled {
		if err := m.End(x.Op.ID, x.End); err != nil {
			return &MemoryError{err}
		}
	}
	if err := m.NoteSlots(p.Plan.Slots, now); err != nil {
		return &MemoryError{err}
	}
	if err := m.See(l.sightings(p.Observed), now); err != nil {
		return &MemoryError{err}
	}
	if err := m.Adopt(p.Plan.Adopted, now); err != nil {
		return &MemoryError{err}
	}
	return nil
}

// created lists the objects that a plan made.
func created(rep *plan.Report) []plan.Sighting {
	var out []plan.Sighting
	for _, r := range rep.Results {
		if r.ID != "" {
			out = append(out, plan.Sighting{Addr: r.Step.Addr, ID: r.ID})
		}
	}
	return out
}

// sightings lists the objects of the file that may hide one day, where their ids are news.
func (l *Loop) sightings(have *resource.Cluster) []plan.Sighting {
	var out []plan.Sighting
	known := l.ledger().Objects
	for _, w := range l.Spec.Objects {
		o := have.Objects[w.Addr]
		if w.Kind.Hidden && o != nil && o.Kind == w.Kind && known[w.Addr].ID != o.ID {
			out = append(out, plan.Sighting{Addr: w.Addr, ID: o.ID})
		}
	}
	return out
}

// A MemoryError says that nothing can be remembered, so that nothing may be written.
type MemoryError struct{ Err error }

func (e *MemoryError) Error() string { return fmt.Sprintf("nothing can be remembered: %v", e.Err) }
func (e *MemoryError) Unwrap() error { return e.Err }

// Forgetful says that the memory has to be opened anew.
func (e *MemoryError) Forgetful() bool { return true }

// forgetful returns the error in err that says that something could not be remembered; nil
// if there is none.
func forgetful(err error) error {
	e, ok := errors.AsType[interface {
		error
		Forgetful() bool
	}](err)
	if !ok || !e.Forgetful() {
		return nil
	}
	return e
}

// Forgetful says whether nothing could be remembered, so that nothing was, or is, sent.
func (p *Pass) Forgetful() bool { return forgetful(p.Failure()) != nil }

// Perished says whether steps of the plan were left because of its age, and nothing else went
// wrong: another look is all that they need.
func (p *Pass) Perished() bool {
	if p.Err != nil || p.Report == nil {
		return false
	}
	for _, r := range p.Report.Results {
		if r.Err != nil && !errors.Is(r.Err, plan.ErrStale) && !errors.Is(r.Err, plan.ErrChanged) {
			return false
		}
	}
	return p.Failure() != nil
}

// Failure says what of a pass went wrong, step by step; nil if nothing did. A step that was
// ready and not attempted is a failure too: it is still to be done.
func (p *Pass) Failure() error {
	if p.Err != nil || p.Report == nil {
		return p.Err
	}
	var errs []error
	for _, r := range p.Report.Results {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", r.Step.Op, r.Step.Addr, r.Err))
		}
	}
	return errors.Join(errs...)
}
