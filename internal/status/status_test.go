package status

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// one returns a tracker of the cluster prod-a with a pass every minute.
func one(passes ...Pass) *Tracker {
	t := NewTracker(Agent{Version: "1.2.3"})
	t.Source(Source{File: "desired.yaml", Revision: "3f2a", Loaded: night.Add(-time.Hour)}, []Declared{{"prod-a", "enforce", time.Minute}})
	for _, p := range passes {
		t.Pass("prod-a", p)
	}
	return t
}

func at(tr *Tracker, now time.Time) Cluster {
	r, _ := tr.Report(now)
	return r.Clusters[0]
}

func TestState(t *testing.T) {
	a := addr("prod-a", "key_server", "vs_db", "ks1:5696")
	ready := plan.Step{Op: plan.Update, Addr: a}
	with := func(p Pass, f func(*Pass)) Pass { f(&p); return p }
	report := func(o plan.Outcome, err error) func(*Pass) {
		return func(p *Pass) {
			p.Report, p.Err = &plan.Report{Results: []plan.Result{{Step: &p.Plan.Steps[0], Outcome: o, Err: err}}}, err
		}
	}
	open := func(o plan.Operation) func(*Pass) {
		return func(p *Pass) { o.Addr = a; p.Ledger = &plan.Ledger{Open: []plan.Operation{o}} }
	}
	good := done(night, look(night))
	for _, tt := range []struct {
		name   string
		passes []Pass
		after  time.Duration
		state  State
		inSync string
		why    string
	}{
		{"no pass yet", nil, time.Hour, Waiting, "unknown", "nobody has looked"},
		{"nothing to do", []Pass{good}, 0, InSync, "yes", ""},
		{"two intervals old", []Pass{good}, 2 * time.Minute, InSync, "yes", "the next look is late, but not by much"},
		{"older", []Pass{good}, 2*time.Minute + time.Second, Stale, "unknown", "what was not seen lately is not known"},
		{"a slow pass", []Pass{with(good, func(p *Pass) { p.Took = 30 * time.Second })}, 150 * time.Second, InSync, "yes", "the next one takes as long"},
		{"the clock jumped back", []Pass{good}, -time.Hour, InSync, "yes", "an age is never negative"},
		{"to be sent", []Pass{done(night, look(night), ready)}, 0, Pending, "no", "nothing was sent, and nothing holds it"},
		{"sent", []Pass{with(done(night, look(night), ready), report(plan.Applied, nil))}, 0, Changed, "no", "the next look has to show it"},
		{"sent as a job", []Pass{with(done(night, look(night), ready), report(plan.Running, nil))}, 0, Changed, "no", "likewise"},
		{"sent, and refused", []Pass{with(done(night, look(night), ready), report(plan.Failed, errors.New("no")))}, 0, Failing, "no", "the cluster was seen, so it is known to differ"},
		{"held", []Pass{done(night, look(night), ready, waits(plan.Delete, plan.Floor, "", a, "x"))}, 0, Held, "no", "one step is enough"},
		{"only observed", []Pass{done(night, look(night), waits(plan.Delete, plan.Mode, "", a, "x"))}, 0, Observed, "no", "it differs all the same"},
		{"observed and held", []Pass{done(night, look(night), waits(plan.Delete, plan.Mode, "", a, "x"), waits(plan.Delete, plan.Missing, "", a, "x"))}, 0, Held, "no", "it would be held in any mode"},
		{"cannot be read", []Pass{failed(night, "cluster", "x")}, 0, Failing, "unknown", "nothing was ever seen"},
		{"cannot be read any more", []Pass{good, failed(night.Add(time.Minute), "cluster", "x")}, 90 * time.Second, Failing, "yes", "what was seen is not old yet"},
		{"for long", []Pass{good, failed(night.Add(time.Hour), "cluster", "x")}, time.Hour, Failing, "unknown", "by now it is"},
		{"back again", []Pass{failed(night.Add(-time.Hour), "cluster", "x"), good}, 0, InSync, "yes", ""},
		{"lost", []Pass{with(good, open(plan.Operation{ID: "1", Lost: true}))}, 0, Unsettled, "unknown", "nobody knows what the cluster has"},
		{"cut off", []Pass{with(good, open(plan.Operation{ID: "1"}))}, 0, Unsettled, "unknown", "its sender was killed"},
		{"a job that tells nothing", []Pass{with(good, open(plan.Operation{ID: "1", Job: "j", Lost: true, Doubt: "forgotten"}))}, 0, Unsettled, "unknown", "nobody knows, whatever was known once"},
		{"a job", []Pass{with(good, open(plan.Operation{ID: "1", Job: "j", Lost: true}))}, 0, InSync, "yes", "a job tells of itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := at(one(tt.passes...), night.Add(tt.after))
			if got := (view{&c, night}).Sync(); c.State != tt.state || got != tt.inSync {
				t.Errorf("%s, in sync: %s; want %s, %s: %s", c.State, got, tt.state, tt.inSync, tt.why)
			}
		})
	}
}

// A machine that was suspended has a monotonic clock that stood still; one whose clock was set
// back has another that did not.
func TestAge(t *testing.T) {
	then := time.Now()
	if d := age(then.Add(time.Hour).Round(0), then); d != time.Hour {
		t.Errorf("by the wall clock: %s", d)
	}
	if d := age(then.Add(time.Hour), then); d != time.Hour {
		t.Errorf("by both: %s", d)
	}
}

func TestOK(t *testing.T) {
	step := waits(plan.Delete, plan.Floor, "", addr("prod-a", "key_server", "", "ks1:5696"), "x")
	for _, tt := range []struct {
		name string
		f    func() *Tracker
		want bool
	}{
		{"in sync", func() *Tracker { return one(done(night, look(night))) }, true},
		{"held", func() *Tracker { return one(done(night, look(night), step)) }, false},
		{"not seen yet", func() *Tracker { return one() }, false},
		{"no file", func() *Tracker { return NewTracker(Agent{}) }, false},
		{"the newest file is not in use", func() *Tracker {
			tr := one(done(night, look(night)))
			tr.Source(Source{Revision: "3f2a", Problem: "x"}, []Declared{{"prod-a", "enforce", time.Minute}})
			return tr
		}, false},
		{"the file holds every write", func() *Tracker {
			tr := one(done(night, look(night)))
			tr.Source(Source{Revision: "3f2a", Hold: "shrink"}, []Declared{{"prod-a", "enforce", time.Minute}})
			return tr
		}, false},
	} {
		if r, _ := tt.f().Report(night); r.OK() != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, r.OK(), tt.want)
		}
	}
}

// Reachability is read now and then: in between, the last reading stands, with its age, for
// as long as the object is there.
func TestReachabilityStands(t *testing.T) {
	seen := func(health bool, at time.Time, servers ...*resource.Object) Pass {
		c := look(at, external("prod-a", "vs_db", servers...), azure("prod-a", "vs_hr", resource.Reach{Message: "no route"}))
		c.Health = health
		return done(at, c)
	}
	ks1, ks2, ks3 := keyServer("prod-a", "vs_db", "ks1:5696", "node2"), keyServer("prod-a", "vs_db", "ks2:5696"), keyServer("prod-a", "vs_db", "ks3:5696", "node1")
	tr := one(seen(false, night, ks1))
	describe := func(now time.Time) string {
		var b strings.Builder
		for _, m := range at(tr, now).Managers {
			fmt.Fprintf(&b, "%s %s %s:", m.Kind, m.State, m.Read.Format("15:04"))
			for _, s := range m.Servers {
				fmt.Fprintf(&b, " %s %t %v", s.Server, s.Known, s.Nodes)
			}
			b.WriteString("\n")
		}
		return b.String()
	}
	for _, tt := range []struct {
		p    Pass
		want string
		why  string
	}{
		{seen(false, night.Add(1*time.Minute), ks1), "azure unknown 00:00:\nexternal unknown 00:00: ks1:5696 false []\n", "nothing was read yet"},
		{seen(true, night.Add(2*time.Minute), ks1, ks2), "azure unavailable 03:14:\nexternal available 03:14: ks1:5696 true [{node2 not_responding}] ks2:5696 true []\n", "it was"},
		{seen(false, night.Add(3*time.Minute), ks2, ks3), "azure unavailable 03:14:\nexternal available 03:14: ks2:5696 true [] ks3:5696 false []\n", "one that is gone is gone, and of a new one nothing is known"},
	} {
		tr.Pass("prod-a", tt.p)
		got := describe(tt.p.Ended)
		// Those in trouble come first; the order of the others is that of their addresses.
		lines := strings.SplitAfter(strings.TrimSuffix(got, "\n"), "\n")
		if len(lines) != 2 {
			t.Fatalf("%s: %q", tt.why, got)
		}
		if !strings.HasPrefix(got, "azure") {
			got = strings.TrimSuffix(lines[1], "\n") + "\n" + lines[0]
		}
		if got != tt.want {
			t.Errorf("%s:\n%swant:\n%s", tt.why, got, tt.want)
		}
	}
}

// What is looked at again is as old as before.
func TestSourceAges(t *testing.T) {
	tr := NewTracker(Agent{})
	tr.Source(Source{Revision: "1", Loaded: night}, nil)
	tr.Source(Source{Revision: "1", Loaded: night, Newest: "2", Problem: "x", ProblemAt: night.Add(time.Hour)}, nil)
	tr.Source(Source{Revision: "1", Loaded: night.Add(2 * time.Hour), Newest: "2", Problem: "x", ProblemAt: night.Add(2 * time.Hour)}, nil)
	r, _ := tr.Report(night.Add(3 * time.Hour))
	if s := r.Source; !s.Loaded.Equal(night) || !s.ProblemAt.Equal(night.Add(time.Hour)) {
		t.Errorf("loaded %s, found bad %s", s.Loaded, s.ProblemAt)
	}
	tr.Source(Source{Revision: "2", Loaded: night.Add(4 * time.Hour)}, nil)
	r, _ = tr.Report(night.Add(5 * time.Hour))
	if s := r.Source; !s.Loaded.Equal(night.Add(4*time.Hour)) || !s.ProblemAt.IsZero() {
		t.Errorf("loaded %s, found bad %s", s.Loaded, s.ProblemAt)
	}
}

// A cluster that left the file is forgotten, and a pass that outlives it brings nothing back.
func TestLeaves(t *testing.T) {
	tr := one(done(night, look(night)))
	tr.Source(Source{Revision: "1"}, []Declared{{"prod-b", "enforce", time.Minute}})
	tr.Pass("prod-a", done(night, look(night)))
	r, missing := tr.Report(night, "prod-a", "prod-b", "prod-b")
	if len(r.Clusters) != 1 || r.Clusters[0].Name != "prod-b" || len(missing) != 1 || missing[0] != "prod-a" {
		t.Errorf("clusters %v, missing %v", r.Clusters, missing)
	}
}

// What is long is cut, and says so.
func TestBounds(t *testing.T) {
	var objects []*resource.Object
	var steps []plan.Step
	var open []plan.Operation
	var timed []plan.Turn
	for i := range 100 {
		timed = append(timed, plan.Turn{Addr: addr("prod-a", "azure_key_vault", fmt.Sprintf("vs%d", i), ""), Action: "rekey_external"})
		svm := fmt.Sprintf("vs%d", i)
		objects = append(objects, external("prod-a", svm, keyServer("prod-a", svm, "ks1:5696")))
		steps = append(steps, waits(plan.Delete, plan.Floor, "", addr("prod-a", "key_server", svm, "ks1:5696"), "x"))
		open = append(open, plan.Operation{ID: fmt.Sprint(i), Addr: addr("prod-a", "key_manager", svm, ""), Job: fmt.Sprint(i % 2)})
	}
	bad := keyServer("prod-a", "vs99", "ks2:5696", "node2")
	objects[99].Children = append(objects[99].Children, bad)
	open[99].Job = ""
	c := look(night, objects...)
	for i := range 30 {
		c.Nodes = append(c.Nodes, resource.Node{Name: fmt.Sprintf("n%d", i)})
	}
	set(bad, "connectivity", resource.NodeStateList(nil))
	p := done(night, c, steps...)
	p.Ledger.Open, p.Plan.Turns = open, timed
	p.Ledger.Objects = map[resource.Addr]plan.Remembered{timed[99].Addr: {Slots: map[string]plan.Slots{"rekey_external": {Outcome: "failed"}}}}
	got := at(one(p), night)
	for _, x := range []struct {
		what         string
		n, more, max int
	}{
		{"steps", len(got.Steps), got.StepsCut, maxSteps},
		{"operations", len(got.Operations), got.OperationsCut, maxOperations},
		{"schedules", len(got.Schedules), got.SchedulesCut, maxSchedules},
		{"key managers", len(got.Managers), got.ManagersCut, maxManagers},
		{"certificates", len(got.Certificates), got.CertificatesCut, maxCertificates},
	} {
		if x.n != x.max || x.n+x.more != 100 {
			t.Errorf("%s: %d and %d more, want %d of 100", x.what, x.n, x.more, x.max)
		}
	}
	if m := got.Managers[0]; !m.trouble() || len(m.Servers[1].Nodes) != maxNodes || m.Servers[1].NodesCut != 32-maxNodes {
		t.Errorf("the key manager in trouble does not come first, or its nodes are not cut: %+v", m)
	}
	if got.Operations[0].ID != "prod-a/99" {
		t.Errorf("the operation of which nobody knows does not come first: %+v", got.Operations[0])
	}
	if !got.Schedules[0].failed() {
		t.Errorf("the schedule whose action failed does not come first: %+v", got.Schedules[0])
	}
	if got.Plan.Held != 100 {
		t.Errorf("%d held, want 100", got.Plan.Held)
	}
}

// big is a fleet of 500 clusters with 20 SVMs each, at its worst: no node reaches any server.
func big() *Tracker {
	tr := NewTracker(Agent{})
	var list []Declared
	for i := range 500 {
		list = append(list, Declared{fmt.Sprintf("cluster-%03d", i), "enforce", time.Minute})
	}
	tr.Source(Source{Revision: "1"}, list)
	for _, d := range list {
		var objects []*resource.Object
		var steps []plan.Step
		var timed []plan.Turn
		for j := range 20 {
			svm := fmt.Sprintf("vs_department_%02d", j)
			var servers []*resource.Object
			for k := range 4 {
				name := fmt.Sprintf("keyserver-%d.example.net:5696", k)
				servers = append(servers, set(resource.NewObject(resource.KeyServer, addr(d.Name, "key_server", svm, name)), "connectivity",
					resource.NodeStateList([]resource.NodeState{{Node: resource.OtherNodes, State: "not_responding"}})))
				steps = append(steps, waits(plan.Delete, plan.Reachability, "KM041", addr(d.Name, "key_server", svm, name), name+" stays and is not_responding on every node"))
			}
			objects = append(objects, external(d.Name, svm, servers...))
			timed = append(timed, plan.Turn{Addr: addr(d.Name, "azure_key_vault", svm, ""), Action: "rekey_external",
				Next:   schedule.Turn{Slot: schedule.Slot{At: night}, Begin: night, End: night},
				Timing: resource.Timing{Spec: schedule.Spec{Schedule: "0 3 1 * *", Timezone: "Europe/Berlin", MaxAge: time.Hour}},
				Slots:  plan.Slots{Ended: night.Add(-2 * time.Hour), Outcome: "applied", Succeeded: night.Add(-2 * time.Hour), Missed: 1, Skipped: 1}})
		}
		c := look(night, objects...)
		c.Nodes = nil
		for n := range 4 {
			c.Nodes = append(c.Nodes, resource.Node{Name: fmt.Sprintf("%s-%02d", d.Name, n)})
		}
		p := done(night, c, steps...)
		p.Plan.Turns, p.Ledger = timed, nil
		tr.Pass(d.Name, p)
	}
	return tr
}

// A large fleet fits into what kmagent status takes, into a page, and into memory.
func TestSize(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tr := big()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if mem := int(after.HeapAlloc) - int(before.HeapAlloc); mem > 48<<20 {
		t.Errorf("the fleet takes %d MiB of memory", mem>>20)
	} else {
		t.Logf("memory: %d KiB", mem>>10)
	}
	r, _ := tr.Report(night)
	for _, x := range []struct {
		what      string
		n, atMost int
	}{
		{"JSON", len(asJSON(t, r)), 12 << 20},
		{"page", len(html(t, r, false)), 4 << 20},
		{"text", len(text(t, r, false)), 256 << 10},
	} {
		t.Logf("%s: %d KiB", x.what, x.n>>10)
		if x.n > x.atMost {
			t.Errorf("%s: %d KiB, want at most %d KiB", x.what, x.n>>10, x.atMost>>10)
		}
	}
	runtime.KeepAlive(tr)
}

func BenchmarkReport(b *testing.B) {
	tr := big()
	for b.Loop() {
		r, _ := tr.Report(night)
		asJSON(b, r)
	}
}

// hostile is what a cluster, or whoever answers in the place of the service, may say.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'; rm -rf / #`, "$(reboot)`reboot`",
	"\x1b[2J\x1b]0;title\x07", "\xff\xfe\x80", "a\nforged: line", "\u202egnp.exe", "\u009b31m", strings.Repeat("x", 10_000), strings.Repeat("\x1b", 5_000), "{{.}}", "</style><script>",
}

// evil is a fleet in which every text that a cluster sends is one of these.
func evil(s string) *Tracker {
	a := resource.Addr{Cluster: "prod-a", Kind: "key_server", SVM: s, Name: s}
	c := look(night,
		set(set(external("prod-a", s, set(keyServer("prod-a", s, s), "connectivity", resource.NodeStateList([]resource.NodeState{{Node: s, State: s}}))),
			"status.code", resource.Int(1)), "status.message", resource.Str(s)),
		set(azure("prod-a", s, resource.Reach{Code: s, Message: s}), "ekmip_reachability", resource.ReachList([]resource.Reach{{Node: s, Message: s}})))
	c.Name, c.UUID, c.Nodes = s, s, []resource.Node{{Name: s}}
	c.Links = []*resource.Object{installed("cert-client", s, "2026-12-01T00:00:00Z")}
	p := done(night, c, waits(plan.Delete, plan.Floor, "", a, s), waits(plan.Delete, plan.Shrink, "", a, s))
	p.Err, p.ErrorKind = errors.New(s), "cluster"
	p.Plan.Turns = []plan.Turn{{Addr: a, Action: "rekey_external", Timing: resource.Timing{Spec: schedule.Spec{Schedule: s, Timezone: s}}}}
	p.Ledger = &plan.Ledger{
		Open:    []plan.Operation{{ID: s, Addr: a, Lost: true}, {ID: "2", Addr: a, Job: s}},
		Objects: map[resource.Addr]plan.Remembered{a: {Backup: plan.Backup{At: night.Add(-time.Hour)}, Owed: true, Slots: map[string]plan.Slots{"rekey_external": {Outcome: "failed", Why: s}}}},
	}
	g := plan.Given{ID: s, Until: night.Add(time.Hour), By: s, Reason: s}
	p.Standing = &plan.Standing{Pauses: []plan.Pause{{Given: g, Cluster: "prod-a", SVM: s}}, Overrides: []plan.Override{{Given: g, Rule: s, Object: "prod-a/" + s}}}
	tr := one(p)
	tr.Source(Source{File: s, Revision: s, Problem: s, Newest: s, Faults: 2, Reason: s}, []Declared{{"prod-a", "enforce", time.Minute}})
	return tr
}

func TestHostile(t *testing.T) {
	for _, s := range hostile {
		r, _ := evil(s).Report(night)
		checkText(t, s, r)
		checkPage(t, s, r)
		// The same text without the tracker before it: another program answers.
		c := &r.Clusters[0]
		c.Name, c.Error, c.State, c.Steps[0].Guard, c.Steps[0].Rule, c.Steps[0].Op, c.Operations[0].ID = s, s, State(s), s, s, s, s
		c.Schedules[0].Action, c.Schedules[0].Address, c.Schedules[0].Schedule, c.Schedules[0].Outcome, c.Schedules[0].Why = s, s, s, "failed", s
		c.Managers[0].State, c.Managers[0].Address, c.Result, c.Mode, c.Release = s, s, s, s, s
		checkText(t, s, r)
	}
}

// checkText checks that no text in a report becomes anything but text on a terminal, or in a
// shell that a command is copied to.
func checkText(t *testing.T, s string, r *Report) {
	t.Helper()
	shown := text(t, r, false)
	for _, x := range shown {
		if x != '\n' && unsafeRune(x) {
			t.Errorf("%.20q: the text has %q", s, x)
		}
	}
	if strings.Contains(shown, "\nforged") || len(shown) > 80<<10 {
		t.Errorf("%.20q: the text has a forged line, or %d bytes", s, len(shown))
	}
	for line := range strings.Lines(shown) {
		if command, ok := strings.CutPrefix(line, "      "); ok && strings.ContainsAny(unquoted(command), ";$`|<>#(){}*") {
			t.Errorf("%.20q: a command does more than it says: %s", s, command)
		}
	}
}

// checkPage checks likewise what a browser gets, and a program.
func checkPage(t *testing.T, s string, r *Report) {
	t.Helper()
	page := html(t, r, false)
	body := strings.Replace(page, pageStyle, "", 1)
	for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "\x1b"} {
		if strings.Contains(body, bad) {
			t.Errorf("%.20q: the page has %q", s, bad)
		}
	}
	if !utf8.ValidString(page) || strings.Count(page, "<style>") != 1 || strings.Count(body, "</style>") != 1 {
		t.Errorf("%.20q: the page is damaged", s)
	}
	if text := asJSON(t, r); !utf8.Valid(text) {
		t.Errorf("%.20q: the JSON is not UTF-8", s)
	}
}

func unsafeRune(r rune) bool { return plan.Safe(string(r)) != string(r) }

// unquoted is what a shell would interpret.
func unquoted(s string) string {
	var out strings.Builder
	for i, part := range strings.Split(strings.ReplaceAll(s, `'\''`, ""), "'") {
		if i%2 == 0 {
			out.WriteString(part)
		}
	}
	return out.String()
}

func FuzzHostile(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, _ := evil(s).Report(night)
		checkText(t, s, r)
		checkPage(t, s, r)
	})
}

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"prod-a/key_server/vs_db/ks1.example.net:5696", "prod-a/key_server/vs_db/ks1.example.net:5696"},
		{"prod-a/key_manager/@cluster", "prod-a/key_manager/@cluster"},
		{"", "''"},
		{"a b", "'a b'"},
		{"it's", `'it'\''s'`},
		{"$(x)", "'$(x)'"},
	} {
		if got := quote(tt.in); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 119 * time.Second: "119s", 2 * time.Minute: "2m", 119 * time.Minute: "119m", 2 * time.Hour: "2h", 47 * time.Hour: "47h", 48 * time.Hour: "2d",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

// Readers and passes come as they like.
func TestAtTheSameTime(t *testing.T) {
	tr := fleet()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 20 {
				name := fmt.Sprintf("prod-%c", 'a'+i)
				tr.Pass(name, done(night, look(night, external(name, "vs", keyServer(name, "vs", "ks1:5696", "node1")))))
			}
		})
		all.Go(func() {
			for range 20 {
				r, _ := tr.Report(night)
				asJSON(t, r)
			}
		})
	}
	all.Wait()
}

// The manual has every field of the JSON.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields() {
		if !strings.Contains(string(text), "`"+field+"`") {
			t.Errorf("docs/status.md says nothing of the field %s", field)
		}
	}
	for _, s := range states {
		if !strings.Contains(string(text), "`"+string(s)+"`") {
			t.Errorf("docs/status.md says nothing of the state %s", s)
		}
	}
}
