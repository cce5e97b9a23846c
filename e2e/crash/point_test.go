package crash

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/state"
)

// A story is an operation as it goes when nothing disturbs it.
type story struct {
	operation
	said   string // by the last pass
	stages []stage
	final  string // the essence of the cluster afterwards
	counts map[string]float64
}

// A stage is a pass of it: what was there before, and what was passed and sent in it.
type stage struct {
	cluster    string
	essence    string // of the cluster
	state      snapshot
	boundaries []string
	sent       []request
}

// mostPasses is how many passes an operation may take, undisturbed or after a kill.
const mostPasses = 12

// tell lets an operation go its way on a site, and notes how it goes.
func tell(s *site, o operation) (*story, error) {
	o.after = cmp.Or(o.after, o.before)
	st := &story{operation: o}
	world := o.world
	if world == "" {
		world = slowJobs
	}
	if _, err := s.call("PATCH", "/sim/world", world); err != nil {
		return nil, err
	}
	if err := errors.Join(s.put(nil), s.secrets(secrets())); err != nil {
		return nil, err
	}
	for _, lines := range []string{o.first, o.before} {
		if lines == "" {
			continue
		}
		if err := s.bring(lines); err != nil {
			return nil, fmt.Errorf("what is there before: %w", err)
		}
	}
	if o.slot != "" {
		if err := s.age(aDay); err != nil {
			return nil, err
		}
	}
	if o.then != "" {
		if _, err := s.call("PATCH", "/sim/world", o.then); err != nil {
			return nil, err
		}
	}
	for _, args := range o.given {
		if r, err := execute(s.command(kmagent, args...)); err != nil || r.code != 0 {
			return nil, fmt.Errorf("%v: %d %s %w", args, r.code, r.out, err)
		}
	}
	if o.forget {
		if err := s.put(nil); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(s.want(o.after), s.secrets(o.changed)); err != nil {
		return nil, err
	}
	for {
		done, err := st.pass(s)
		if err != nil {
			return nil, err
		}
		if done {
			return st, st.end(s)
		}
	}
}

// bring applies a file until nothing is left to do.
func (s *site) bring(lines string) error {
	if err := s.want(lines); err != nil {
		return err
	}
	for range mostPasses {
		r, err := s.apply()
		if err != nil || r.quietly() {
			return err
		}
		if r.code != 0 && r.code != 4 {
			return fmt.Errorf("apply exits %d:\n%s", r.code, r.out)
		}
	}
	return errors.New("it does not come to an end")
}

// pass makes a pass that is not disturbed. The last one finds nothing to do.
func (st *story) pass(s *site) (done bool, err error) {
	if len(st.stages) > mostPasses {
		return false, fmt.Errorf("it does not come to an end; at last:\n%s", st.said)
	}
	from, err := s.now()
	if err != nil {
		return false, err
	}
	h, err := s.holds()
	if err != nil {
		return false, err
	}
	stage := stage{cluster: h.text}
	if len(st.stages) == 0 && !st.jobs {
		if err := s.restore(h.text, false); err != nil {
			return false, err
		}
		if h, err = s.holds(); err != nil {
			return false, err
		}
		stage.cluster = h.text
	}
	stage.essence = h.essence()
	if stage.state, err = s.keep(); err != nil {
		return false, err
	}
	var ask []string
	if len(st.stages) == 0 {
		ask = st.ask
	}
	r, boundaries, err := s.boundaries(ask)
	if err != nil {
		return false, err
	}
	st.said = r.out
	if r.code != 0 && r.code != 4 {
		return false, fmt.Errorf("undisturbed, it exits %d:\n%s", r.code, r.out)
	}
	list, err := s.since(from)
	if err != nil {
		return false, err
	}
	stage.boundaries, stage.sent = boundaries, writes(list)
	if r.quietly() && len(st.stages) > 0 {
		return true, nil
	}
	st.stages = append(st.stages, stage)
	return r.quietly(), nil
}

func (st *story) end(s *site) error {
	h, err := s.holds()
	st.counts, st.final = h.counters(), h.essence()
	return err
}

// A point is where the program is killed, once or several times.
type point struct {
	*story
	stage int
	kills []int // the boundaries, of the first run and of those after it; 0: it is not killed
	fault *fault

	thorough bool // the agent is asked in the end whether there is anything to do
}

// A fault is one connection that is lost.
type fault struct {
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Action map[string]string `json:"action"`
}

func (p *point) String() string {
	out := fmt.Sprintf("%s, pass %d", p.name, p.stage+1)
	for i, k := range p.kills {
		where := ""
		if list := p.stages[p.stage].boundaries; i == 0 && k > 0 && k <= len(list) {
			where = " (" + list[k-1] + ")"
		}
		out += fmt.Sprintf(", killed at %d%s", k, where)
	}
	if p.fault != nil {
		out += fmt.Sprintf(", %s %s dropped %s", p.fault.Method, p.fault.Path, p.fault.Action["drop"])
	}
	return out
}

// An outcome is what it took to come to the end.
type outcome struct {
	killed int  // times
	aged   int  // so often some time had to pass
	human  bool // somebody had to say what came of it
	again  bool // somebody had to ask for it again: it was never begun
	missed bool // its slot is used up, and it was never begun
}

// A trial is a point being tried on a site.
type trial struct {
	*point
	*site
	outcome
	asked        bool // what people ask for was sent, or perhaps
	disturbances int  // kills and lost connections
	cut          bool // one of them came when an operation was under way
	from         int  // number of the first request
	said         string
}

// try kills the program at a point, lets it recover, and checks everything that must hold.
func (p *point) try(s *site) (outcome, error) {
	t := &trial{point: p, site: s, disturbances: len(p.kills)}
	if p.fault != nil {
		t.disturbances++
	}
	err := t.run()
	if err != nil {
		list, _ := s.since(t.from)
		var log strings.Builder
		for _, r := range writes(list) {
			fmt.Fprintf(&log, "  %s %s\n", r.At.Format("15:04:05.000"), r)
		}
		err = fmt.Errorf("%s: %w\nsent:\n%slast said:\n%s", p, err, log.String(), t.said)
	}
	return t.outcome, err
}

func (t *trial) run() error {
	at := t.stages[t.stage]
	err := errors.Join(
		t.site.restore(at.cluster, true), t.put(at.state),
		t.secrets(secrets()), t.secrets(t.changed), t.want(t.after))
	if err != nil {
		return err
	}
	if t.fault != nil {
		text, _ := json.Marshal(t.fault)
		if _, err := t.call("POST", "/sim/faults", string(text)); err != nil {
			return err
		}
	}
	if t.from, err = t.now(); err != nil {
		return err
	}
	return errors.Join(t.recover(), t.check())
}

// next makes the next run, which is killed if it is its turn.
func (t *trial) next() (run, error) {
	k := 0
	if len(t.kills) > 0 {
		k, t.point = t.kills[0], t.point.later()
	}
	var ask []string
	if !t.asked && t.stage == 0 {
		ask, t.asked = t.ask, true
	}
	r, err := t.applyKilled(k, ask)
	if err != nil {
		return r, err
	}
	t.said = fmt.Sprintf("exit %d\n%s", r.code, r.out)
	if strings.Contains(r.out, "canary") {
		return r, errors.New("a secret was printed")
	}
	if r.code == -1 {
		t.killed++
		if err := t.arrive(); err != nil {
			return r, err
		}
	}
	if err := t.readable(); err != nil {
		return r, fmt.Errorf("the state cannot be read: %w", err)
	}
	if r.code == -1 || r.code == 5 {
		led, err := t.ledger()
		if err != nil {
			return r, err
		}
		t.cut = t.cut || len(led.Open) > 0
		if t.lapse {
			return r, t.forgetJobs()
		}
	}
	return r, nil
}

// later is the point without its first kill.
func (p *point) later() *point {
	rest := *p
	rest.kills = p.kills[1:]
	return &rest
}

// recover runs the program until nothing is left to do, and does what a human may have to.
func (t *trial) recover() error {
	lost := t.fault != nil
	for range mostPasses {
		r, err := t.next()
		if err != nil {
			return err
		}
		switch {
		case r.code == -1:
			continue
		case r.code == 5 && lost:
			lost = false // once
			continue
		case r.code != 0 && r.code != 4:
			return fmt.Errorf("it exits %d", r.code)
		}
		led, err := t.ledger()
		if err != nil {
			return err
		}
		if len(led.Open) == 0 && r.quietly() && t.ask != nil && !t.there() {
			t.asked, t.again = false, true
			continue
		}
		if len(led.Open) == 0 && strings.Contains(r.out, "it waits for the slot of its schedule") {
			return nil // the one that has come was missed; check says whether it may have been
		}
		if len(led.Open) == 0 && (r.quietly() || r.code == 0 && !t.thorough && t.there()) {
			return nil
		}
		if r.code == 4 || len(led.Open) > 0 {
			if err := t.help(); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("it does not come to an end within %d runs", mostPasses)
}

// there says whether the cluster is as it is to be, so that there is no need to ask the agent. That
// it finds nothing to do either is asked at every eighth point.
func (t *trial) there() bool {
	h, err := t.holds()
	return err == nil && h.essence() == t.final
}

// help waits for jobs, lets an hour pass, or says as a human what came of an operation: what the
// cluster shows by now, and no more than that.
func (t *trial) help() error {
	if err := t.quiet(); err != nil {
		return err
	}
	r, err := t.next()
	if err != nil || r.code != 0 && r.code != 4 {
		return err // it was killed
	}
	led, err := t.ledger()
	if err != nil {
		return err
	}
	if len(led.Open) == 0 { // it has found out by itself
		return t.giveAgain()
	}
	o := led.Open[0]
	if len(led.Open) > 1 {
		return fmt.Errorf("%d operations are open", len(led.Open))
	}
	h, err := t.holds()
	if err != nil {
		return err
	}
	done := maps.Equal(h.counters(), t.counts)
	secret := o.Op == plan.Update || o.Action == resource.RotatePassphrase // which no cluster tells
	late := t.lapse && t.aged == 0                                         // the keys tell, and not at once
	if !secret && !late && h.essence() == t.final {
		return fmt.Errorf("%s is done, and it cannot tell", o.Name())
	}
	switch {
	case o.Repeat == resource.Converges && o.Job == "" && t.lasting && t.aged <= t.disturbances:
		t.aged++
		return t.age(61 * time.Minute)
	case o.Action == rekeyInternal && t.aged <= t.disturbances:
		t.aged++
		return t.age(61 * time.Second) // then its keys are evidence
	case o.Repeat == resource.Never && t.operation.human:
		t.human = true
		return t.resolve(&o, done && secret)
	}
	return fmt.Errorf("%s (%s) needs a human", o.Name(), o.Title())
}

// giveAgain gives the orders of people again that were used up for a request that was lost.
func (t *trial) giveAgain() error {
	orders, err := state.ReadOrders(t.state())
	if err != nil {
		return err
	}
	for _, o := range orders.Overrides {
		if !o.Used {
			return nil
		}
	}
	for _, args := range t.given {
		t.again = true
		if r, err := execute(t.command(kmagent, args...)); err != nil || r.code != 0 {
			return errors.Join(err, errors.New(r.out))
		}
	}
	return nil
}

// resolve checks that nothing is sent while nobody says what came of an operation, and says it.
func (t *trial) resolve(o *plan.Operation, done bool) error {
	from, err := t.now()
	if err != nil {
		return err
	}
	if r, err := t.next(); err != nil || r.code != 4 && !r.quietly() {
		return errors.Join(err, fmt.Errorf("%s is open, and it exits %d", o.Name(), r.code))
	}
	list, err := t.since(from)
	if err != nil || len(writes(list)) > 0 {
		return errors.Join(err, fmt.Errorf("%s is open, and it sends %v", o.Name(), writes(list)))
	}
	word := map[bool]string{true: "succeeded", false: "failed"}[done]
	r, err := execute(t.command(kmagent, "operations", "resolve", o.Name(), "--outcome", word))
	if err == nil && r.code != 0 {
		err = fmt.Errorf("operations resolve exits %d:\n%s", r.code, r.out)
	}
	return err
}

// check holds what was done against what was to be done.
func (t *trial) check() error {
	list, err := t.since(t.from)
	if err != nil {
		return err
	}
	h, err := t.holds()
	if err != nil {
		return err
	}
	want := t.final
	if t.slot != "" {
		want, err = t.checkSlot(writes(list))
	}
	if got := h.essence(); got != want {
		err = errors.Join(err, fmt.Errorf("the cluster holds something else than without a kill:\n%s", firstDifference(want, got)))
	}
	return errors.Join(err, t.checkSent(writes(list)), t.checkMemory())
}

// checkSlot checks that the slot was begun once, and that what is on record of it is what the
// cluster took; it returns what the cluster is to hold. The requests of these operations, one in
// a pass, are sent once: one that was on record and never arrived is not made up for, and what
// comes after it does not come.
func (t *trial) checkSlot(list []request) (essence string, err error) {
	led, err := t.ledger()
	if err != nil {
		return "", err
	}
	taken, due := 0, 0
	for _, r := range list {
		if r.effective() {
			taken++
		}
	}
	for _, s := range t.stages[t.stage:] {
		due += len(s.sent)
	}
	essence = t.final
	if t.missed = taken < due; t.missed {
		essence = t.stages[t.stage+taken].essence
	}
	var errs []error
	begun, failed := 0, 0
	for a, m := range led.Objects {
		for action, s := range m.Slots {
			if action == t.slot {
				begun += s.Fired
			}
			if s.Fired > 1 || s.Missed > 0 || s.Skipped > 0 {
				errs = append(errs, fmt.Errorf("%s %s: %d slots begun, %d missed, %d skipped", a, action, s.Fired, s.Missed, s.Skipped))
			}
			switch {
			case action != resource.KeyBackup: // which changes nothing, and is owed until it is saved
				failed += s.Failed
				if s.Done+s.Failed != s.Fired {
					errs = append(errs, fmt.Errorf("%s %s: of %d begun, %d are done and %d have failed", a, action, s.Fired, s.Done, s.Failed))
				}
			case s.Succeeded.Before(s.State.LastStart):
				errs = append(errs, fmt.Errorf("%s %s: it was not saved", a, action))
			}
		}
	}
	if begun != 1 {
		errs = append(errs, fmt.Errorf("%d slots were begun of one", begun))
	}
	if t.missed != (failed == 1) || failed > 1 {
		errs = append(errs, fmt.Errorf("%d requests arrived of %d, and %d operations are on record as failed", taken, due, failed))
	}
	if t.missed && !t.cut {
		errs = append(errs, errors.New("what was due was not done, and nothing came between"))
	}
	return essence, errors.Join(errs...)
}

// checkSent checks that nothing was refused, that nothing was sent twice that must not be or
// while a job was under way, and that each request was on record before.
func (t *trial) checkSent(list []request) error {
	var errs []error
	once := map[string]int{}
	intents, err := t.intents()
	if err != nil {
		return err
	}
	pause, _ := time.ParseDuration(duration)
	for i, r := range list {
		if r.Status >= 300 {
			errs = append(errs, fmt.Errorf("refused: %s", r))
		}
		if intents[r.Method+" "+r.Path]--; intents[r.Method+" "+r.Path] < 0 {
			errs = append(errs, fmt.Errorf("not on record: %s", r))
		}
		if !r.effective() {
			continue
		}
		if r.Status == 202 && i+1 < len(list) && list[i+1].At.Sub(r.At) < pause {
			errs = append(errs, fmt.Errorf("%s was sent while the job was under way of %s", list[i+1], r))
		}
		if once[r.String()]++; once[r.String()] > 1 && (r.Method == "POST" || strings.Contains(r.String(), `"existing_passphrase"`) && strings.Contains(r.String(), `"passphrase"`) || strings.Contains(r.Path, "key-stores")) {
			errs = append(errs, fmt.Errorf("sent twice: %s", r))
		}
	}
	return errors.Join(errs...)
}

// checkMemory checks what is remembered in the end.
func (t *trial) checkMemory() error {
	led, err := t.ledger()
	if err != nil {
		return err
	}
	if len(led.Open) > 0 {
		return fmt.Errorf("%d operations are open", len(led.Open))
	}
	for a, m := range led.Objects {
		if m.Owed && strings.Contains(t.after, keepers) {
			return fmt.Errorf("%s: a backup is owed", a)
		}
	}
	orders, err := state.ReadOrders(t.state())
	if err != nil {
		return err
	}
	for _, o := range orders.Overrides {
		if !o.Used {
			return fmt.Errorf("the override %s was used and does not say so", o.ID)
		}
	}
	left, err := t.leftovers()
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("left behind: %v", left)
	}
	return err
}

// firstDifference shows where two essences part.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("want %s\ngot  %s", w[i], g[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
