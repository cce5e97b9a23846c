package apply

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// What the cluster may say of a request.
var (
	refused     = &ontap.Error{Method: "POST", Path: "security/x", Status: 400, Code: "65536214", Message: "no"}
	inUse       = &ontap.Error{Method: "DELETE", Path: "security/x", Status: 400, Code: "65536859", Message: "in use"}
	broken      = &ontap.Error{Method: "POST", Path: "security/x", Status: 500}
	lost        = &ontap.TransportError{Method: "POST", Path: "security/x", Reason: ontap.EOF, Sent: true}
	unreachable = &ontap.TransportError{Method: "POST", Path: "security/x", Reason: ontap.Unreachable}
	badLogin    = &ontap.AuthError{Method: "POST", Path: "security/x", Status: 401}
)

// answers gives the nth request the nth error, and success to those beyond.
func answers(errs ...error) func(context.Context, int, string) (ontap.Answer, error) {
	return func(_ context.Context, n int, _ string) (ontap.Answer, error) {
		if n < len(errs) && errs[n] != nil {
			return ontap.Answer{}, errs[n]
		}
		return ontap.Answer{}, nil
	}
}

func TestRun(t *testing.T) {
	held, denied := post("held"), post("denied")
	held.Status, denied.Status = plan.Held, plan.Refused
	two := plan.Step{Op: plan.Update, Addr: addr("two"), Requests: []plan.Request{{Method: "POST", Path: "/api/one"}, {Method: "PATCH", Path: "/api/two"}}}
	gone := plan.Step{Op: plan.Delete, Addr: addr("old"), Requests: []plan.Request{{Method: "DELETE", Path: "/api/old"}}}
	old := gone
	old.Action = resource.RetireKey
	tests := []struct {
		name    string
		steps   []plan.Step
		answers []error
		sent    []string
		journal []string
		report  []string
		why     string
	}{
		{"in order", []plan.Step{post("b"), held, post("a"), denied}, nil,
			[]string{"POST /api/b", "POST /api/a"},
			[]string{"begin create b", "end create b: applied", "begin create a", "end create a: applied"},
			[]string{"create b: applied", "create held: not attempted", "create a: applied", "create denied: not attempted"},
			"the plan's order is the order, and what it holds is not ours to send"},
		{"several requests", []plan.Step{two}, nil,
			[]string{"POST /api/one", "PATCH /api/two"},
			[]string{"begin update two", "end update two: applied"},
			[]string{"update two: applied"},
			"a step is one thing to the journal"},
		{"refused", []plan.Step{post("a"), post("b")}, []error{refused},
			[]string{"POST /api/a", "POST /api/b"},
			[]string{"begin create a", "end create a: failed", "begin create b", "end create b: applied"},
			[]string{"create a: failed: POST security/x: no (ONTAP error 65536214, HTTP 400)", "create b: applied"},
			"what does not depend on a failure goes on"},
		{"broken off", []plan.Step{post("a"), post("b")}, []error{broken},
			[]string{"POST /api/a", "POST /api/b"},
			[]string{"begin create a", "end create a: unknown", "begin create b", "end create b: applied"},
			[]string{"create a: unknown: POST security/x: failed (HTTP 500)", "create b: applied"},
			"a 500 can come after the effect"},
		{"answer lost", []plan.Step{post("a"), post("b"), held}, []error{lost},
			[]string{"POST /api/a"},
			[]string{"begin create a", "end create a: unknown"},
			[]string{"create a: unknown: " + lost.Error(), "create b: not attempted: the cluster did not answer an earlier step", "create held: not attempted"},
			"a cluster that does not answer is not asked again and again"},
		{"unreachable", []plan.Step{post("a"), post("b")}, []error{unreachable},
			[]string{"POST /api/a"},
			[]string{"begin create a", "end create a: failed"},
			[]string{"create a: failed: " + unreachable.Error(), "create b: not attempted: the cluster did not answer an earlier step"},
			"nothing left this host, so nothing is unknown"},
		{"bad login", []plan.Step{post("a"), post("b")}, []error{badLogin},
			[]string{"POST /api/a"},
			[]string{"begin create a", "end create a: failed"},
			[]string{"create a: failed: " + badLogin.Error(), "create b: not attempted: " + badLogin.Error()},
			"every further attempt could lock the account"},
		{"second request refused", []plan.Step{two, post("b")}, []error{nil, refused},
			[]string{"POST /api/one", "PATCH /api/two", "POST /api/b"},
			[]string{"begin update two", "end update two: failed", "begin create b", "end create b: applied"},
			[]string{"update two: failed: POST /api/one was carried out, but then: POST security/x: no (ONTAP error 65536214, HTTP 400)", "create b: applied"},
			"half of it is done, and whoever reads the report must know"},
		{"second request lost", []plan.Step{two}, []error{nil, lost},
			[]string{"POST /api/one", "PATCH /api/two"},
			[]string{"begin update two", "end update two: unknown"},
			[]string{"update two: unknown: " + lost.Error()},
			"unknown outdoes failed"},
		{"a generation in use", []plan.Step{old, post("b")}, []error{inUse},
			[]string{"DELETE /api/old", "POST /api/b"},
			[]string{"begin delete old", "end delete old: kept", "begin create b", "end create b: applied"},
			[]string{"delete old: kept", "create b: applied"},
			"that drives use it is an answer, and no failure"},
		{"a key in use that the file wants gone", []plan.Step{gone}, []error{inUse},
			[]string{"DELETE /api/old"},
			[]string{"begin delete old", "end delete old: failed"},
			[]string{"delete old: failed: " + inUse.Error() + ": " + resource.Remedy(inUse.Code)},
			"there somebody waits for it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, j := &cluster{answer: answers(tt.answers...)}, &journal{}
			var done []string
			r := &Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: j,
				Done: func(x plan.Result) { done = append(done, told(plan.Report{Results: []plan.Result{x}})...) }}
			rep := r.Run(t.Context(), planOf(tt.steps...))
			if d := cmp.Diff(tt.sent, c.sent); d != "" {
				t.Errorf("requests: %s (-want +got)\n%s", tt.why, d)
			}
			if d := cmp.Diff(tt.journal, j.lines); d != "" {
				t.Errorf("journal: %s (-want +got)\n%s", tt.why, d)
			}
			if d := cmp.Diff(tt.report, told(rep)); d != "" {
				t.Errorf("report: %s (-want +got)\n%s", tt.why, d)
			}
			if d := cmp.Diff(told(plan.Report{Results: attempted(rep)}), done); d != "" {
				t.Errorf("told of each step as it ended (-want +got)\n%s", d)
			}
		})
	}
}

func attempted(rep plan.Report) []plan.Result {
	var out []plan.Result
	for _, r := range rep.Results {
		if r.Outcome != plan.NotAttempted {
			out = append(out, r)
		}
	}
	return out
}

func TestJournalFails(t *testing.T) {
	full := errors.New("disk full")
	t.Run("before a step", func(t *testing.T) {
		c := &cluster{}
		r := &Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: &journal{beginErr: full}}
		rep := r.Run(t.Context(), planOf(post("a"), post("b")))
		if len(c.sent) > 0 {
			t.Errorf("sent without a record of it: %v", c.sent)
		}
		want := []string{"create a: not attempted: no change without a record of it: disk full",
			"create b: not attempted: no change without a record of it: disk full"}
		if d := cmp.Diff(want, told(rep)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
	t.Run("after a step", func(t *testing.T) {
		c := &cluster{}
		r := &Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: &journal{endErr: full}}
		rep := r.Run(t.Context(), planOf(post("a"), post("b")))
		if d := cmp.Diff([]string{"POST /api/a"}, c.sent); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		want := []string{"create a: applied: no change without a record of it: disk full",
			"create b: not attempted: no change without a record of it: disk full"}
		if d := cmp.Diff(want, told(rep)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if !errors.Is(rep.Results[0].Err, full) {
			t.Error("the cause is lost")
		}
	})
}

// created answers a POST with the place of what it made.
func created(location string) func(context.Context, int, string) (ontap.Answer, error) {
	return func(_ context.Context, n int, _ string) (ontap.Answer, error) {
		if n == 0 {
			return ontap.Answer{Location: location}, nil
		}
		return ontap.Answer{}, nil
	}
}

func TestParent(t *testing.T) {
	parent := post("manager")
	parent.Requests = append(parent.Requests, plan.Request{Method: "PATCH", Path: "/api/manager/" + plan.ParentID})
	child := plan.Step{Op: plan.Update, Addr: addr("child"), Parent: parent.Addr,
		Requests: []plan.Request{{Method: "PATCH", Path: "/api/manager/" + plan.ParentID + "/servers/x"}}}
	alone := parent
	alone.Requests = parent.Requests[:1]
	tests := []struct {
		name   string
		steps  []plan.Step
		answer func(context.Context, int, string) (ontap.Answer, error)
		sent   []string
		last   string // what the report says of the last step
		why    string
	}{
		{"made", []plan.Step{parent, child}, created("/api/manager/17-a"),
			[]string{"POST /api/manager", "PATCH /api/manager/17-a", "PATCH /api/manager/17-a/servers/x"},
			"update child: applied", "the id of the new object goes into the paths below it"},
		{"an id that needs escaping", []plan.Step{alone, child}, created("/api/manager/a%2Fb:c"),
			[]string{"POST /api/manager", "PATCH /api/manager/a%2Fb%3Ac/servers/x"},
			"update child: applied", "an id is one segment, whatever is in it"},
		{"not made", []plan.Step{alone, child}, answers(refused),
			[]string{"POST /api/manager"},
			"update child: not attempted: what it depends on was not created", "children of a failed parent are not tried"},
		{"unknown", []plan.Step{alone, child}, answers(broken),
			[]string{"POST /api/manager"},
			"update child: not attempted: what it depends on was not created", "nobody knows where it would be"},
		{"no location", []plan.Step{alone, child}, created(""),
			[]string{"POST /api/manager"},
			"update child: not attempted: what it depends on was not created", "without an id the path would be that of the collection"},
		{"a query for a location", []plan.Step{alone, child}, created("/api/manager?name=x"),
			[]string{"POST /api/manager"},
			"update child: not attempted: what it depends on was not created", "a query is no id"},
		{"no location, and a request of its own", []plan.Step{parent}, created(""),
			[]string{"POST /api/manager"},
			"create manager: failed: POST /api/manager was carried out, but then: PATCH /api/manager/: a segment of the path is empty", "a PATCH to the collection would change every object in it"},
		{"parent held", []plan.Step{heldStep(alone), child}, nil, nil,
			"update child: not attempted: what it depends on was not created", "it is not there, and nobody makes it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &cluster{answer: tt.answer}
			rep := (&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: &journal{}}).Run(t.Context(), planOf(tt.steps...))
			if d := cmp.Diff(tt.sent, c.sent); d != "" {
				t.Errorf("requests: %s (-want +got)\n%s", tt.why, d)
			}
			if got := told(rep)[len(tt.steps)-1]; got != tt.last {
				t.Errorf("the report says %q, want %q: %s", got, tt.last, tt.why)
			}
		})
	}
}

func heldStep(s plan.Step) plan.Step {
	s.Status = plan.Held
	return s
}

// An empty segment, wherever it comes from, never leaves: ONTAP would take the collection
// for what is meant.
func TestNoEmptySegment(t *testing.T) {
	for _, path := range []string{"/api//x", "/api/x/", "/api/x/" + plan.ParentID, "/api/" + plan.ParentID + "/x"} {
		c, j := &cluster{}, &journal{}
		s := plan.Step{Op: plan.Delete, Addr: addr("x"), Requests: []plan.Request{{Method: "DELETE", Path: path}}}
		rep := (&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: j}).Run(t.Context(), planOf(s))
		if len(c.sent) > 0 || rep.Results[0].Outcome != plan.Failed {
			t.Errorf("%s: sent %v, report %v", path, c.sent, told(rep))
		}
		if d := cmp.Diff([]string{"begin delete x", "end delete x: failed"}, j.lines); d != "" {
			t.Errorf("%s: (-want +got)\n%s", path, d)
		}
	}
}

// A plan is perishable: what was seen a minute ago may go, on an older sight nothing is sent,
// however many steps are left.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		remove := plan.Step{Op: plan.Delete, Addr: addr("old"), Requests: []plan.Request{{Method: "DELETE", Path: "/api/old"}}}
		p := planOf(remove, remove, post("a"), heldStep(remove), post("b"))
		c, j := &cluster{}, &journal{}
		c.answer = func(_ context.Context, n int, _ string) (ontap.Answer, error) {
			time.Sleep(time.Nanosecond)
			return ontap.Answer{}, nil
		}
		time.Sleep(maxAge)
		rep := (&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: j}).Run(t.Context(), p)
		want := []string{"delete old: applied", "delete old: not attempted: " + plan.ErrStale.Error(), "create a: not attempted: " + plan.ErrStale.Error(),
			"delete old: not attempted", "create b: not attempted: " + plan.ErrStale.Error()}
		if d := cmp.Diff(want, told(rep)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if d := cmp.Diff([]string{"DELETE /api/old"}, c.sent); d != "" || len(j.lines) != 2 || rep.Stale() != 3 {
			t.Errorf("journal %v, %d stale (-want +got)\n%s", j.lines, rep.Stale(), d)
		}
	})
}

// A plan that nobody knows the age of is too old.
func TestNeverSeen(t *testing.T) {
	c := &cluster{}
	rep := (&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: &journal{}}).Run(t.Context(), &plan.Plan{Steps: []plan.Step{post("a")}})
	if !errors.Is(rep.Results[0].Err, plan.ErrStale) || len(c.sent) > 0 {
		t.Errorf("sent %v, report %v", c.sent, told(rep))
	}
}

// When the context ends the step under way is finished, and no other begun.
func TestCancelFinishesStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, j := &cluster{}, &journal{}
		c.answer = func(ctx context.Context, n int, _ string) (ontap.Answer, error) {
			if n == 0 {
				cancel()
			}
			select {
			case <-time.After(grace / 3):
				return ontap.Answer{}, nil
			case <-ctx.Done():
				return ontap.Answer{}, &ontap.TransportError{Method: "POST", Path: "x", Reason: ontap.Canceled, Sent: true}
			}
		}
		first := post("a")
		first.Requests = append(first.Requests, plan.Request{Method: "PATCH", Path: "/api/a/x"})
		rep := (&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: j}).Run(ctx, planOf(first, post("b"), post("c")))
		want := []string{"create a: applied", "create b: not attempted: stopped before this step", "create c: not attempted: stopped before this step"}
		if d := cmp.Diff(want, told(rep)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if d := cmp.Diff([]string{"begin create a", "end create a: applied"}, j.lines); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
}

// A step that does not end is cut off when its grace is over, and recorded as unknown.
func TestCancelCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, j := &cluster{}, &journal{}
		c.answer = func(ctx context.Context, _ int, _ string) (ontap.Answer, error) {
			<-ctx.Done()
			return ontap.Answer{}, &ontap.TransportError{Method: "POST", Path: "x", Reason: ontap.Canceled, Sent: true}
		}
		time.AfterFunc(time.Hour, cancel)
		began := time.Now()
		rep := (&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: j}).Run(ctx, planOf(post("a"), post("b")))
		if got := time.Since(began); got != time.Hour+grace {
			t.Errorf("it ended %v after it began, want %v: an hour of patience and the grace", got, time.Hour+grace)
		}
		if d := cmp.Diff([]string{"begin create a", "end create a: unknown"}, j.lines); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if rep.Results[1].Outcome != plan.NotAttempted || len(c.sent) != 1 {
			t.Errorf("it went on: %v, %v", told(rep), c.sent)
		}
	})
}

func TestCanceledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, j := &cluster{}, &journal{}
	rep := (&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: j}).Run(ctx, planOf(post("a")))
	if len(c.sent)+len(j.lines) > 0 || !errors.Is(rep.Results[0].Err, ErrStopped) {
		t.Errorf("sent %v, journal %v, report %v", c.sent, j.lines, told(rep))
	}
}

// Nothing of a run stays behind when it is over: neither a timer nor a goroutine, or the
// bubble would not end.
func TestNothingLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for i := range 100 {
			c := &cluster{answer: func(context.Context, int, string) (ontap.Answer, error) {
				if i == 50 {
					cancel()
				}
				return ontap.Answer{}, nil
			}}
			(&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: &journal{}}).Run(ctx, planOf(post(fmt.Sprint(i))))
		}
		synctest.Wait()
	})
}

// Of the rekeys that slots begin one is sent with each look: the next shows what it came to.
func TestOneSlotWithEachLook(t *testing.T) {
	slot := schedule.Slot{Local: "2026-11-22T03:00", Zone: "UTC"}
	step := func(svm, action string, s schedule.Slot) plan.Step {
		return plan.Step{Op: plan.Act, Action: action, Timed: true, Slot: s, Addr: resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: svm},
			Requests: []plan.Request{{Method: "POST", Path: "/api/" + svm}}}
	}
	r := Runner{Writer: &cluster{}, Journal: &journal{}}
	p := plan.Plan{Observed: time.Now(), Decided: time.Now(), Steps: []plan.Step{step("vs1", "rekey_internal", slot), step("vs2", "rekey_internal", slot),
		step("vs3", "rekey_internal", schedule.Slot{}), step("vs4", "key_backup", slot)}}
	rep := r.Run(t.Context(), &p)
	want := []plan.Outcome{plan.Applied, plan.NotAttempted, plan.Applied, plan.Applied}
	for i, res := range rep.Results {
		if res.Outcome != want[i] {
			t.Errorf("%s: %v, %v, want %v", p.Steps[i].Addr, res.Outcome, res.Err, want[i])
		}
	}
	if rep.Results[1].Err != nil || rep.Later() != 1 || rep.Stale() != 0 {
		t.Errorf("%v, %d left for the next look", rep.Results[1].Err, rep.Later())
	}
}

// A rekey that some nodes did not make is not over, whatever ONTAP calls it: a human has to look
// before anything goes on top of it.
func TestHalfRekeyed(t *testing.T) {
	failed := func(code string) error { return &ontap.JobError{UUID: "j1", Code: code, Message: "node2"} }
	for _, c := range []struct {
		name, action string
		timed        bool
		err          error
		want         plan.Outcome
	}{
		{"external", "rekey_external", true, failed("65537919"), plan.Unknown},
		{"internal", "rekey_internal", true, failed("65539856"), plan.Unknown},
		{"at once", "rekey_external", true, &ontap.Error{Status: 400, Code: "65537729"}, plan.Unknown},
		{"not at all", "rekey_external", true, failed("65537556"), plan.Failed},
		{"a restore", "restore", false, failed("65537515"), plan.Failed},
	} {
		w := &cluster{job: "j1", answer: func(context.Context, int, string) (ontap.Answer, error) { return ontap.Answer{}, c.err }}
		j := &journal{}
		r := Runner{Writer: w, Journal: j}
		p := plan.Plan{Observed: time.Now(), Decided: time.Now(), Steps: []plan.Step{{Op: plan.Act, Action: c.action, Timed: c.timed,
			Addr: resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "vs"}, Requests: []plan.Request{{Method: "POST", Path: "/api/x"}}}}}
		res := r.Run(t.Context(), &p).Results[0]
		if res.Outcome != c.want || j.last.Outcome != c.want || res.Err == nil || (j.last.Why != "") != (c.want == plan.Unknown) {
			t.Errorf("%s: %v, %v; remembered %+v", c.name, res.Outcome, res.Err, j.last)
		}
	}
}

// What tells that somebody else has begun a rekey is of the look: a slot's is sent on a fresh one.
func TestSlotsNeedAFreshLook(t *testing.T) {
	slot := schedule.Slot{Local: "2026-11-22T02:30", Zone: "UTC", At: time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)}
	for _, tt := range []struct {
		name string
		slot schedule.Slot
		age  time.Duration
		want plan.Outcome
	}{
		{"fresh", slot, time.Second, plan.Applied},
		{"behind a slow step", slot, 4 * time.Second, plan.NotAttempted},
		{"by hand", schedule.Slot{}, 4 * time.Second, plan.Applied},
	} {
		now := time.Now()
		s := plan.Step{Op: plan.Act, Action: "rekey_internal", Timed: true, Slot: tt.slot, Addr: resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "vs"},
			Requests: []plan.Request{{Method: "POST", Path: "/api/security/x"}}}
		rep := (&Runner{Writer: &cluster{}, Secrets: secrets{}, Key: key(t), Journal: &journal{}}).Run(t.Context(),
			&plan.Plan{Observed: now, Decided: now.Add(-tt.age), Steps: []plan.Step{s}})
		if got := rep.Results[0].Outcome; got != tt.want {
			t.Errorf("%s: %s, want %s (%v)", tt.name, got, tt.want, rep.Results[0].Err)
		}
	}
}
