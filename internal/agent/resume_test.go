package agent

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/desired"
	"kmagent/internal/plan"
	"kmagent/internal/state"
)

// A laggard is a journal in which the end of each operation takes so long, as a job does.
type laggard struct {
	journal
	takes time.Duration
	ended func(n int) // after the nth; may be nil
	n     *int
}

func (l laggard) End(id string, e plan.End) error {
	time.Sleep(l.takes)
	*l.n++
	if l.ended != nil {
		l.ended(*l.n)
	}
	return l.journal.End(id, e)
}

// lag makes every operation of the world take so long.
func (w *world) lag(takes time.Duration, ended func(n int)) {
	w.journal = func(_ string, b *state.Book) journal { return laggard{b, takes, ended, new(int)} }
}

// slowly delays every request.
func slowly(d time.Duration) func(*http.Request) error {
	return func(*http.Request) error { time.Sleep(d); return nil }
}

const hand = `{"svm":{"name":"vs3"},"external":{"client_certificate":{"name":"kmip-client"},"server_ca_certificates":[{"name":"kmip-ca"}],"servers":[{"server":"ks9"}]}}`

// A plan that takes longer than it lasts is carried out in parts, each after a look of its own,
// and nothing is sent that was not in it.
func TestResume(t *testing.T) {
	managers := cluster{name: "c1", managers: []manager{{"vs1", []string{"ks1", "ks2"}}, {"vs2", []string{"{server: ks1, timeout: 30}", "ks2"}}, {"vs3", []string{"ks1", "ks2"}}}}
	const vs1, vs2, server, vs3 = "create c1/key_manager/vs1: ", "create c1/key_manager/vs2: ", "update c1/key_server/vs2/ks1:5696: ", "create c1/key_manager/vs3: "
	for _, c := range []struct {
		name   string
		takes  time.Duration              // each write
		read   time.Duration              // each request
		ended  func(w *world) func(n int) // what happens after the nth write; nil: nothing
		want   []string
		writes int
		looks  int // how often the cluster was read again
		why    string
	}{
		{"quick", 0, 0, nil, []string{vs1 + "applied", vs2 + "applied", server + "applied", vs3 + "applied"}, 4, 0, ""},
		{"slow", 40 * time.Second, 0, nil, []string{vs1 + "applied", vs2 + "applied", server + "applied", vs3 + "applied"}, 4, 1,
			"two go before the minute is over, two after another look"},
		{"very slow", 10 * time.Minute, 0, nil, []string{vs1 + "applied", vs2 + "applied", server + "applied", vs3 + "applied"}, 4, 3, "one in each part"},
		{"looks take longer than a plan lasts", 0, 25 * time.Second, nil,
			[]string{vs1 + plan.ErrStale.Error(), vs2 + plan.ErrStale.Error(), server + plan.ErrStale.Error(), vs3 + plan.ErrStale.Error()}, 0, 2, "it must end"},
		{"somebody was faster", 40 * time.Second, 0, func(w *world) func(int) {
			return func(n int) {
				if n == 1 {
					w.call("c1", "POST", "/api/security/key-managers", hand)
				}
			}
		}, []string{vs1 + "applied", vs2 + "applied", server + "applied", vs3 + plan.ErrChanged.Error()}, 4, 2,
			"what is there was not when it was planned; the fourth write is theirs, and a look at what differs takes two reads"},
		{"out of reach", 40 * time.Second, 0, func(w *world) func(int) {
			return func(n int) {
				if n == 2 {
					w.net.comeBetween(func(*http.Request) error { return errRefused })
				}
			}
		}, []string{vs1 + "applied", vs2 + "applied", server + "look again: ", vs3 + "look again: "}, 2, 0, "and it is said why"},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, 1, func(t *testing.T, w *world) {
				var ended func(int)
				if c.ended != nil {
					ended = c.ended(w)
				}
				w.lag(c.takes, ended)
				loop := w.loop(t, parsed(t, file(managers)))
				w.net.comeBetween(slowly(c.read))
				mark := w.mark("c1")
				p := loop.Look(t.Context(), Orders{})
				if p.Err != nil {
					t.Fatal(p.Err)
				}
				id := p.Plan.ID
				loop.Act(t.Context(), &p)
				loop.Resume(t.Context(), &p, Orders{})
				w.net.comeBetween(nil)
				var got []string
				for _, r := range p.Report.Results {
					line := r.Step.Op.String() + " " + r.Step.Addr.String() + ": "
					switch {
					case r.Err == nil:
						line += r.Outcome.String()
					case strings.HasPrefix(r.Err.Error(), "look again: "):
						line += "look again: "
					default:
						line += r.Err.Error()
					}
					got = append(got, line)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("%s (-want +got)\n%s", c.why, d)
				}
				if n := len(w.writes("c1", mark)); n != c.writes {
					t.Errorf("%d writes, want %d", n, c.writes)
				}
				if id == "" || p.Plan.ID != id {
					t.Errorf("the plan was %q and is %q", id, p.Plan.ID)
				}
				looks := -1
				all, _ := w.requests("c1", mark)
				for _, r := range all {
					if r.Method == http.MethodGet && r.Path == "/api/svm/svms" {
						looks++
					}
				}
				if looks != c.looks {
					t.Errorf("%d looks more, want %d: %s", looks, c.looks, c.why)
				}
			})
		})
	}
}

// A removal that has come to be due meanwhile was not agreed to.
func TestResumeRemovesNothingNew(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.lag(70*time.Second, nil)
		loop := w.loop(t, parsed(t, file(one("c1", "ks1", "ks2"))))
		if p := loop.Once(t.Context(), Orders{}); p.Failure() != nil {
			t.Fatal(p.Failure())
		}
		loop.Spec = parsed(t, file(one("c1", "ks3", "{server: ks2, timeout: 30}")))
		mark := w.mark("c1")
		p := loop.Look(t.Context(), Orders{})
		loop.Act(t.Context(), &p)
		loop.Resume(t.Context(), &p, Orders{})
		if c := p.Plan.Counts(); p.Failure() != nil || c.Held != 1 || p.Report.Count(plan.Applied) != 2 {
			t.Errorf("plan %v, failure %v", c, p.Failure())
		}
		for _, r := range w.writes("c1", mark) {
			if r.Method == http.MethodDelete {
				t.Errorf("sent %s", r)
			}
		}
	})
}

// The service does not take a plan that became old for a failure: it goes on at once.
func TestStalePassGoesOn(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.lag(70*time.Second, nil)
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(cluster{name: "c1", managers: []manager{{"vs1", []string{"ks1", "ks2"}}, {"vs2", []string{"ks1", "ks2"}}, {"vs3", []string{"ks1", "ks2"}}}}), nil)
		after(3*70*time.Second + 3*readBack + time.Second)
		if servers, _ := w.managers("c1"); len(servers) != 3 {
			t.Errorf("after three writes there are %v", servers)
		}
		if w.log.count("event=plan.stale") != 2 || w.log.count("level=ERROR") > 0 {
			t.Errorf("log: %s", w.log.buf.String())
		}
	})
}

// A machine that was suspended in the middle of a plan wakes up with an old one.
func TestPerished(t *testing.T) {
	step := &plan.Step{}
	result := func(o plan.Outcome, err error) plan.Result { return plan.Result{Step: step, Outcome: o, Err: err} }
	for _, c := range []struct {
		pass Pass
		want bool
		why  string
	}{
		{Pass{}, false, "nothing was sent"},
		{Pass{Report: &plan.Report{Results: []plan.Result{result(plan.Applied, nil)}}}, false, "all is done"},
		{Pass{Report: &plan.Report{Results: []plan.Result{result(plan.Applied, nil), result(plan.NotAttempted, plan.ErrStale)}}}, true, ""},
		{Pass{Report: &plan.Report{Results: []plan.Result{result(plan.Failed, errRefused), result(plan.NotAttempted, plan.ErrStale)}}}, false, "something failed too"},
		{Pass{Err: errRefused, Report: &plan.Report{Results: []plan.Result{result(plan.NotAttempted, plan.ErrStale)}}}, false, "likewise"},
	} {
		if got := c.pass.Perished(); got != c.want {
			t.Errorf("%+v: %v, want %v: %s", c.pass, got, c.want, c.why)
		}
	}
}

// loop is a loop over a cluster of that world, with a state of its own.
func (w *world) loop(t *testing.T, spec desired.Cluster) *Loop {
	t.Helper()
	var err error
	if w.store, err = state.Open(stateDir(t)); err != nil {
		t.Fatal(err)
	}
	edges, err := w.open(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if edges.Close() != nil || w.store.Close() != nil {
			t.Error("not closed")
		}
	})
	return &Loop{Spec: spec, Edges: edges, Health: -1}
}

func parsed(t *testing.T, text string) desired.Cluster {
	t.Helper()
	s, err := desired.Parse("keys.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Clusters[0]
}
