package agent

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/plan"
	"kmagent/internal/state"
)

func stateDir(t *testing.T) string { return t.TempDir() + "/state" }

// three is a file of three SVMs with everything that a server can have.
var three = cluster{name: "c1", managers: []manager{
	{"vs1", []string{"ks1.example.net", "ks2.example.net"}},
	{"vs2", []string{`{server: ks1.example.net, timeout: 30, username: db, password: "cred:kmip", secondary_key_servers: [ks1b.example.net]}`, "ks2.example.net:5697"}},
	{"vs3", []string{"10.0.0.1"}},
}}

func lines(requests []request) []string {
	var out []string
	for _, r := range requests {
		out = append(out, r.String())
	}
	return out
}

func TestConverges(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(three), nil)
		after(time.Minute)
		servers, uuids := w.managers("c1")
		want := map[string][]string{
			"vs1": {"ks1.example.net:5696", "ks2.example.net:5696"},
			"vs2": {"ks1.example.net:5696", "ks2.example.net:5697"},
			"vs3": {"10.0.0.1:5696"},
		}
		if d := cmp.Diff(want, servers); d != "" {
			t.Errorf("servers (-want +got)\n%s", d)
		}
		const managers = "/api/security/key-managers"
		if d := cmp.Diff([]string{"POST " + managers, "POST " + managers,
			"PATCH " + managers + "/" + uuids["vs2"] + "/key-servers/ks1.example.net:5696", "POST " + managers}, lines(w.writes("c1", 0))); d != "" {
			t.Errorf("writes (-want +got)\n%s", d)
		}
		for _, r := range w.writes("c1", 0) {
			if strings.Contains(fmt.Sprint(r.Body), "kmip secret") != (r.Method == "PATCH") {
				t.Errorf("%s has or lacks the password", r)
			}
		}
		passes := w.since("c1")
		last := passes[len(passes)-1]
		if len(passes) < 2 || last.Err != nil || last.Plan.Counts().Pending() {
			t.Errorf("after %d passes the plan is %v, error %v", len(passes), last.Plan.Counts(), last.Err)
		}
		if w.log.count("kmip secret") > 0 || w.log.count("netapp1!") > 0 {
			t.Error("a secret is in the log")
		}
	})
}

// After convergence nothing is written, however long it goes on.
func TestQuiet(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.fleet.Log = quietLog
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(three), nil)
		after(time.Hour)
		w.since("c1")
		n := w.mark("c1")
		after(1050 * w.fleet.Interval)
		passes := w.since("c1")
		if len(passes) < 1000 {
			t.Fatalf("%d passes, want 1,000", len(passes))
		}
		for _, p := range passes {
			if p.Failure() != nil || p.Report != nil || p.Plan.Counts().Pending() {
				t.Fatalf("a pass has plan %v, report %v, error %v", p.Plan.Counts(), p.Report, p.Failure())
			}
		}
		if writes := w.writes("c1", n); len(writes) > 0 {
			t.Errorf("%d writes, the first %s", len(writes), writes[0])
		}
	})
}

// A restart finds everything as it left it: it sends nothing, passwords included.
func TestRestartIsQuiet(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		dir := stateDir(t)
		for run := range 3 {
			n := w.mark("c1")
			w.start(dir)
			w.src.set(file(three), nil)
			after(20 * time.Minute)
			w.stop()
			if writes := w.writes("c1", n); (run == 0) != (len(writes) > 0) {
				t.Errorf("run %d: %d writes", run, len(writes))
			}
		}
	})
}

func TestHealsRemovedServer(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(one("c1", "ks1", "ks2")), nil)
		after(time.Minute)
		_, uuids := w.managers("c1")
		path := "/api/security/key-managers/" + uuids["vs1"] + "/key-servers"
		w.call("c1", "DELETE", path+"/ks2:5696", "")
		n := w.mark("c1")
		after(2 * w.fleet.Interval)
		if d := cmp.Diff([]string{"POST " + path}, lines(w.writes("c1", n))); d != "" {
			t.Errorf("writes (-want +got)\n%s", d)
		}
		if servers, _ := w.managers("c1"); len(servers["vs1"]) != 2 {
			t.Errorf("the servers are %v", servers["vs1"])
		}
	})
}

// Replacing every server keeps at least two at each moment, and the old ones go in a later
// pass than the new ones come.
func TestReplacesServers(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(one("c1", "ks1", "ks2")), nil)
		after(time.Minute)
		w.since("c1")
		n := w.mark("c1")
		w.src.set(file(one("c1", "ks3", "ks4")), nil)
		after(time.Minute)
		servers, _ := w.managers("c1")
		if d := cmp.Diff([]string{"ks3:5696", "ks4:5696"}, servers["vs1"]); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		have := map[string]bool{"ks1:5696": true, "ks2:5696": true}
		for _, r := range w.writes("c1", n) {
			replay(t, have, r)
			if len(have) < 2 {
				t.Fatalf("after %s only %v are left", r, have)
			}
		}
		for _, p := range w.since("c1") {
			if p.Report == nil {
				continue
			}
			ops := map[plan.Op]int{}
			for _, r := range p.Report.Results {
				if r.Outcome == plan.Applied {
					ops[r.Step.Op]++
				}
			}
			if ops[plan.Create] > 0 && ops[plan.Delete] > 0 || ops[plan.Delete] > 1 {
				t.Errorf("one pass made %d and removed %d", ops[plan.Create], ops[plan.Delete])
			}
		}
	})
}

// replay does to a set of servers what a request did.
func replay(t tester, have map[string]bool, r request) {
	t.Helper()
	if strings.Contains(r.Query, "force") {
		t.Errorf("%s has %s", r, r.Query)
	}
	if r.Status >= 300 || r.Status == 0 {
		return
	}
	body, _ := r.Body.(map[string]any)
	name, _ := body["server"].(string)
	switch r.Method {
	case http.MethodPost:
		if !strings.Contains(name, ":") {
			name += ":5696"
		}
		have[name] = true
	case http.MethodDelete:
		delete(have, r.Path[strings.LastIndexByte(r.Path, '/')+1:])
	}
}

// A source that cannot be used stops every write; observation goes on with the last good one.
func TestBrokenSource(t *testing.T) {
	good := file(one("c1", "ks1", "ks2"))
	tests := []struct {
		name string
		text string
		err  error
	}{
		{"faulty", "version: 1\nclusters: 5\n", nil},
		{"empty", "", nil},
		{"unreadable", good, errors.New("permission denied")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, 1, func(t *testing.T, w *world) {
				var revisions []Revision
				w.fleet.Loaded = func(r Revision) { revisions = append(revisions, r) }
				w.start(stateDir(t))
				defer w.stop()
				w.src.set(good, nil)
				after(time.Minute)
				_, uuids := w.managers("c1")
				w.src.set(tt.text, tt.err)
				after(time.Minute)
				w.call("c1", "DELETE", "/api/security/key-managers/"+uuids["vs1"]+"/key-servers/ks2:5696", "")
				n := w.mark("c1")
				w.since("c1")
				after(time.Hour)
				if writes := w.writes("c1", n); len(writes) > 0 {
					t.Errorf("written all the same: %v", writes)
				}
				if len(revisions) != 2 || revisions[1].Err == nil || revisions[1].State != revisions[0].State {
					t.Fatalf("revisions %v: the last good state must stay", revisions)
				}
				reason := "the newest desired state is not in use: " + firstLine(revisions[1].Err)
				passes := w.since("c1")
				if len(passes) < 10 {
					t.Errorf("%d passes in an hour: it does not observe any more", len(passes))
				}
				for _, p := range passes {
					if p.Observed == nil || len(p.Plan.Steps) != 1 {
						t.Fatalf("observation %v, steps %v, error %v", p.Observed, p.Plan.Steps, p.Err)
					}
					s := p.Plan.Steps[0]
					if s.Status != plan.Held || s.Guard != plan.Source || s.Reason != reason {
						t.Fatalf("the step is %s by %s: %s; want held by source: %s", s.Status, s.Guard, s.Reason, reason)
					}
				}
				w.src.set(good, nil)
				after(time.Minute)
				if writes := w.writes("c1", n); len(writes) != 1 {
					t.Errorf("once the source is good again: %v, want one", writes)
				}
			})
		})
	}
}

// A source that never was good starts nothing.
func TestNeverGood(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		w.src.set("version: 9\n", nil)
		after(time.Hour)
		if requests, _ := w.requests("c1", 0); len(requests) > 0 || len(w.since("c1")) > 0 {
			t.Errorf("%d requests", len(requests))
		}
	})
}

func TestObserve(t *testing.T) {
	tests := []struct {
		name   string
		fleet  bool
		file   string
		reason string
	}{
		{"the agent", true, file(one("c1", "ks1")), "the agent runs with --observe"},
		{"the file", false, file(one("c1", "ks1").set("mode: observe")), "the file has mode: observe for this cluster"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, 1, func(t *testing.T, w *world) {
				w.fleet.Observe = tt.fleet
				w.start(stateDir(t))
				defer w.stop()
				w.src.set(tt.file, nil)
				after(time.Hour)
				if writes := w.writes("c1", 0); len(writes) > 0 {
					t.Errorf("it wrote: %v", writes)
				}
				passes := w.since("c1")
				steps := passes[len(passes)-1].Plan.Steps
				if len(steps) != 1 {
					t.Fatalf("%d steps are planned, want one", len(steps))
				}
				if s := steps[0]; s.Guard != plan.Mode || s.Reason != tt.reason {
					t.Errorf("held by %q: %s; want mode: %s", s.Guard, s.Reason, tt.reason)
				}
				if n := w.log.count("step held"); n != 1 {
					t.Errorf("the log says %d times that the step is held, want once", n)
				}
			})
		})
	}
}

// Where another cluster answers than before, nothing is done until the file says that it is
// the right one.
func TestIdentity(t *testing.T) {
	simulate(t, 2, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(one("c1", "ks1", "ks2")), nil)
		after(time.Minute)
		passes := w.since("c1")
		first := passes[len(passes)-1].Observed.UUID

		w.net.put("c1", w.net.hosts["c2"])
		after(time.Hour)
		if writes := w.writes("c1", 0); len(writes) > 0 {
			t.Errorf("the other cluster was changed: %v", writes)
		}
		passes = w.since("c1")
		last := passes[len(passes)-1]
		e, ok := errors.AsType[*IdentityError](last.Err)
		if !ok || last.Observed != nil || len(last.Plan.Steps) > 0 {
			t.Fatalf("error %v, observation %v, plan %v", last.Err, last.Observed, last.Plan.Steps)
		}
		want := fmt.Sprintf("another cluster answers: its UUID is %s, and the first contact says %s; nothing is done until that is settled", e.Have, first)
		if e.Error() != want {
			t.Errorf("error %q, want %q", e, want)
		}
		if n := w.log.count("pass failed"); n != 1 {
			t.Errorf("the log says %d times that passes fail, want once", n)
		}

		w.src.set(file(one("c1", "ks1", "ks2").set("uuid: "+first)), nil)
		after(time.Minute)
		passes = w.since("c1")
		if e, _ := errors.AsType[*IdentityError](passes[len(passes)-1].Err); e == nil || e.By != "the file" {
			t.Errorf("error %v, want that the file says otherwise", passes[len(passes)-1].Err)
		}
		w.src.set(file(one("c1", "ks1", "ks2").set("uuid: "+e.Have)), nil)
		after(time.Minute)
		if servers, _ := w.managers("c1"); len(servers["vs1"]) != 2 {
			t.Error("the file says that it is the right one, and nothing is done")
		}
	})
}

// Two reversals within an hour stop the writes to an object; an hour later it is tried again.
func TestFlap(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(one("c1", "ks1", "ks2")), nil)
		after(time.Minute)
		_, uuids := w.managers("c1")
		servers := "/api/security/key-managers/" + uuids["vs1"] + "/key-servers"
		n := w.mark("c1")
		undo := func(times int) {
			for range times {
				if have, _ := w.managers("c1"); slices.Contains(have["vs1"], "ks2:5696") {
					w.call("c1", "DELETE", servers+"/ks2:5696", "")
				}
				after(w.fleet.Interval * 11 / 10)
			}
		}
		ours := func() int {
			posts := 0
			for _, r := range w.writes("c1", n) {
				if r.Method == http.MethodPost {
					posts++
				}
			}
			return posts
		}
		undo(8)
		if got := ours(); got != plan.FlapLimit {
			t.Errorf("it was added %d times in an hour, want %d", got, plan.FlapLimit)
		}
		passes := w.since("c1")
		if s := passes[len(passes)-1].Plan.Steps[0]; s.Guard != plan.Flap || s.Status != plan.Held {
			t.Errorf("the step is %s by %q: %s", s.Status, s.Guard, s.Reason)
		}
		after(plan.FlapWindow)
		if got := ours(); got != plan.FlapLimit+1 {
			t.Errorf("an hour later it was added %d times, want %d", got, plan.FlapLimit+1)
		}
	})
}

// A cluster that fails is tried less and less often, and no other one notices.
func TestBackoff(t *testing.T) {
	simulate(t, 2, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		w.net.comeBetween(func(r *http.Request) error {
			if r.URL.Host == "c1" {
				return errRefused
			}
			return nil
		})
		began := time.Now()
		w.src.set(file(one("c1", "ks1"), one("c2", "ks1")), nil)
		after(2 * time.Hour)
		failing, healthy := w.passesOf("c1"), w.passesOf("c2")
		for i := range failing[1:] {
			// A pass itself takes no more than the repetitions of its GETs.
			gap := failing[i+1].Began.Sub(failing[i].Began.Add(failing[i].Took))
			if most := min(mostPause, leastPause<<min(i, 9)); gap < leastPause || gap > most {
				t.Errorf("pause %d is %v, want between %v and %v", i, gap, leastPause, most)
			}
		}
		if n := len(failing); n < 30 || n > 72 {
			t.Errorf("%d tries in two hours", n)
		}
		if n := w.log.count("pass failed"); n > 5 {
			t.Errorf("the log says %d times that passes fail, want once for each sort of request", n)
		}
		if len(healthy) < 20 || healthy[0].Began.Sub(began) > time.Second {
			t.Errorf("the other cluster had %d passes, the first %v after the start", len(healthy), healthy[0].Began.Sub(began))
		}
		w.net.comeBetween(nil)
		after(mostPause + time.Minute)
		if servers, _ := w.managers("c1"); len(servers["vs1"]) != 1 {
			t.Error("once it answers again it is not brought to what the file says")
		}
		if w.log.count("cluster is back") != 1 {
			t.Error("the log does not say that it is back")
		}
	})
}

// A slow cluster holds its own place and nobody else's.
func TestSlowCluster(t *testing.T) {
	simulate(t, 3, func(t *testing.T, w *world) {
		w.fleet.Passes = 2
		w.start(stateDir(t))
		defer w.stop()
		w.net.comeBetween(func(r *http.Request) error {
			if r.URL.Host != "c1" {
				return nil
			}
			<-r.Context().Done()
			return r.Context().Err()
		})
		w.src.set(file(one("c1", "ks1"), one("c2", "ks1"), one("c3", "ks1")), nil)
		after(5 * time.Second)
		for _, name := range []string{"c2", "c3"} {
			if servers, _ := w.managers(name); len(servers["vs1"]) != 1 {
				t.Errorf("%s waits for c1", name)
			}
		}
	})
}

// However many clusters hang, they do not keep the places from those that answer.
func TestManySlowClusters(t *testing.T) {
	simulate(t, 4, func(t *testing.T, w *world) {
		w.fleet.Passes = 2
		w.start(stateDir(t))
		defer w.stop()
		w.net.comeBetween(func(r *http.Request) error {
			if r.URL.Host == "c4" {
				return nil
			}
			<-r.Context().Done()
			return r.Context().Err()
		})
		w.src.set(file(one("c1", "ks1"), one("c2", "ks1"), one("c3", "ks1")), nil)
		after(time.Second)
		w.src.set(file(one("c1", "ks1"), one("c2", "ks1"), one("c3", "ks1"), one("c4", "ks1")), nil)
		after(2 * slowPass)
		if servers, _ := w.managers("c4"); len(servers["vs1"]) != 1 {
			t.Error("c4 waits for clusters that hang")
		}
	})
}

// Clusters that leave the file while they hang are stopped side by side: the fleet gives no
// sign of life until they are.
func TestManyClustersLeave(t *testing.T) {
	simulate(t, 4, func(t *testing.T, w *world) {
		var beaten time.Time
		w.fleet.Beat, w.fleet.BeatEvery = func() { beaten = time.Now() }, time.Second
		w.start(stateDir(t))
		defer w.stop()
		w.net.comeBetween(func(r *http.Request) error {
			if r.Method != http.MethodPost {
				return nil
			}
			<-r.Context().Done()
			return r.Context().Err()
		})
		w.src.set(file(one("c1", "ks1"), one("c2", "ks1"), one("c3", "ks1"), one("c4", "ks1")), nil)
		after(2 * time.Second)
		w.src.set(file(one("c1", "ks1")), nil)
		after(10 * time.Second)
		if since := time.Since(beaten); since > 2*time.Second {
			t.Errorf("no sign of life for %v", since)
		}
	})
}

// A panic in one worker is that cluster's failure, wherever in the pass it happens.
func TestPanic(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			simulate(t, 2, func(t *testing.T, w *world) {
				w.start(stateDir(t))
				defer w.stop()
				w.net.comeBetween(func(r *http.Request) error {
					if r.URL.Host == "c1" && r.Method == method {
						panic("with a secret: netapp1!")
					}
					return nil
				})
				w.src.set(file(one("c1", "ks1"), one("c2", "ks1")), nil)
				after(time.Minute)
				if servers, _ := w.managers("c2"); len(servers["vs1"]) != 1 {
					t.Error("the other cluster is affected")
				}
				passes := w.since("c1")
				if len(passes) < 3 || passes[0].Err == nil || passes[0].Err.Error() != "the pass panicked; the log has the stack" {
					t.Errorf("%d passes, the first with error %v", len(passes), passes[0].Err)
				}
				if w.log.count("comeBetween") == 0 && w.log.count("TestPanic") == 0 {
					t.Error("the log does not say where it happened")
				}
				if w.log.count("netapp1!") > 0 {
					t.Error("the log has what was panicked with")
				}
				w.net.comeBetween(nil)
				after(10 * time.Minute)
				if servers, _ := w.managers("c1"); len(servers["vs1"]) != 1 {
					t.Error("the worker is dead: it does not go on when the cause is gone")
				}
			})
		})
	}
}

// Reachability is expensive for ONTAP: it is read each health interval, after a change, and
// while a removal waits for it, and not otherwise.
func TestHealthReads(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		reads := func(d time.Duration, file string) (health, all int) {
			n := w.mark("c1")
			if file != "" {
				w.src.set(file, nil)
			}
			after(d)
			requests, _ := w.requests("c1", n)
			for _, r := range requests {
				if r.Path == "/api/security/key-managers" && r.Method == http.MethodGet {
					all++
					if strings.Contains(r.Query, "connectivity") {
						health++
					}
				}
			}
			return health, all
		}
		if health, _ := reads(10*time.Second, file(one("c1", "ks1", "ks2"))); health != 2 {
			t.Errorf("reachability was read %d times at the start, want 2: at first contact and after the change", health)
		}
		if health, all := reads(10*time.Hour, ""); health < 17 || health > 21 || all < 110 {
			t.Errorf("reachability was read %d of %d times in ten hours, want once in half an hour", health, all)
		}
		if err := w.net.hosts["c1"].Set(`{"key_servers":{"ks1":{"node2":"not_responding"}}}`); err != nil {
			t.Fatal(err)
		}
		if health, _ := reads(time.Hour, file(one("c1", "ks1"))); health < 10 {
			t.Errorf("while a removal waits reachability was read %d times in an hour, want with every pass", health)
		}
		if servers, _ := w.managers("c1"); len(servers["vs1"]) != 2 {
			t.Error("it was removed though the other is not available")
		}
		if err := w.net.hosts["c1"].Set(`{"key_servers":null}`); err != nil {
			t.Fatal(err)
		}
		after(w.fleet.Interval * 2)
		if servers, _ := w.managers("c1"); len(servers["vs1"]) != 1 {
			t.Error("it was not removed once the other is available")
		}
	})
}

// A cluster that leaves the file is let alone: nothing of it is removed, nothing more is read.
func TestClusterLeaves(t *testing.T) {
	simulate(t, 2, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		both := file(one("c1", "ks1"), one("c2", "ks1"))
		w.src.set(both, nil)
		after(time.Minute)
		w.src.set(file(one("c1", "ks1")), nil)
		after(time.Minute)
		n := w.mark("c2")
		after(time.Hour)
		if requests, _ := w.requests("c2", n); len(requests) > 0 {
			t.Errorf("%d requests after it left, the first %s", len(requests), requests[0])
		}
		if servers, _ := w.managers("c2"); len(servers["vs1"]) != 1 {
			t.Error("it was changed as it left")
		}
		w.src.set(both, nil)
		after(time.Minute)
		if requests, _ := w.requests("c2", n); len(requests) == 0 {
			t.Error("it came back and is not looked at")
		}
	})
}

// Whatever hangs, the agent ends within ten seconds, and what it was doing is recorded.
func TestStops(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			simulate(t, 2, func(t *testing.T, w *world) {
				dir := stateDir(t)
				w.start(dir)
				w.net.comeBetween(func(r *http.Request) error {
					if r.URL.Host != "c1" || r.Method != method {
						return nil
					}
					<-r.Context().Done()
					return r.Context().Err()
				})
				w.src.set(file(one("c1", "ks1"), one("c2", "ks1")), nil)
				after(5 * time.Second)
				if took := w.stop(); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				led, err := state.Read(dir, "c1")
				if err != nil {
					t.Fatal(err)
				}
				if recorded := len(led.Objects) > 0; recorded != (method == http.MethodPost) {
					t.Errorf("the ledger has %v", led.Objects)
				}
				passes := w.since("c1")
				if method == http.MethodPost && (len(passes) != 1 || passes[0].Report.Count(plan.Unknown) != 1) {
					t.Errorf("passes %v: want one with an unknown outcome", passes)
				}
			})
		})
	}
}

// An answer that was lost after the effect does not lead to a second request: the next pass
// reads what became of it.
func TestLostAnswer(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.start(stateDir(t))
		defer w.stop()
		if err := w.net.hosts["c1"].Fault(`{"method":"POST","path":"/api/security/*","action":{"drop":"after"}}`); err != nil {
			t.Fatal(err)
		}
		w.src.set(file(one("c1", "ks1", "ks2")), nil)
		after(time.Hour)
		if d := cmp.Diff([]string{"POST /api/security/key-managers"}, lines(w.writes("c1", 0))); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		passes := w.passesOf("c1")
		if open := passes[0].Ledger.Open; len(open) != 1 || !open[0].Lost {
			t.Errorf("the pass tells of open operations %v, want one that is lost", open)
		}
		if open := passes[1].Ledger.Open; len(open) != 0 {
			t.Errorf("the next pass tells of open operations %v", open)
		}
	})
}

// Refused credentials are not tried again and again: accounts are locked for less.
func TestRefusedCredentials(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.secrets.of["cred:login"] = "wrong"
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(one("c1", "ks1")), nil)
		after(24 * time.Hour)
		if requests, _ := w.requests("c1", 0); len(requests) != 1 {
			t.Errorf("%d requests with a wrong password, want 1", len(requests))
		}
		w.secrets.mu.Lock()
		w.secrets.of["cred:login"] = "netapp1!"
		w.secrets.mu.Unlock()
		after(mostPause + time.Minute)
		if servers, _ := w.managers("c1"); len(servers["vs1"]) != 1 {
			t.Error("the right password is not used")
		}
	})
}

// A fullDisk is a journal that fails as a book does: once, and from then on.
type fullDisk struct {
	*state.Book
	full   *atomic.Bool
	failed bool
}

func (j *fullDisk) Begin(o plan.Operation) (string, error) {
	if j.failed = j.failed || j.full.Load(); j.failed {
		return "", errors.New("write journal: no space left on device")
	}
	return j.Book.Begin(o)
}

// While nothing can be recorded nothing is sent; once it can, the agent goes on by itself.
func TestDiskFull(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		var full atomic.Bool
		full.Store(true)
		w.journal = func(_ string, b *state.Book) journal { return &fullDisk{Book: b, full: &full} }
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(one("c1", "ks1")), nil)
		after(time.Hour)
		if writes := w.writes("c1", 0); len(writes) > 0 {
			t.Errorf("sent without a record of it: %v", writes)
		}
		if n := w.log.count("no space left on device"); n != 1 {
			t.Errorf("the log says %d times what is wrong, want once", n)
		}
		if passes := w.since("c1"); passes[0].Observed == nil || passes[0].Failure() == nil {
			t.Error("it does not observe any more, or passes for a success")
		}
		full.Store(false)
		after(mostPause + time.Minute)
		if servers, _ := w.managers("c1"); len(servers["vs1"]) != 1 {
			t.Error("there is room again, and it does not go on")
		}
	})
}

// A journal that is damaged stops the writes to its cluster, and only to that one.
func TestDamagedJournal(t *testing.T) {
	simulate(t, 2, func(t *testing.T, w *world) {
		dir := stateDir(t)
		w.start(dir)
		w.stop()
		damage(t, dir+"/clusters/c1.journal")
		w.start(dir)
		defer w.stop()
		w.src.set(file(one("c1", "ks1"), one("c2", "ks1")), nil)
		after(time.Hour)
		if writes := w.writes("c1", 0); len(writes) > 0 {
			t.Errorf("written without knowing what was before: %v", writes)
		}
		passes := w.since("c1")
		last := passes[len(passes)-1]
		if s := last.Plan.Steps[0]; s.Guard != plan.State || !strings.Contains(s.Reason, "journal is corrupt") {
			t.Errorf("held by %q: %s", s.Guard, s.Reason)
		}
		if !errors.Is(last.Err, state.ErrCorrupt) || last.Observed == nil {
			t.Errorf("error %v, observation %v; want both", last.Err, last.Observed)
		}
		if servers, _ := w.managers("c2"); len(servers["vs1"]) != 1 {
			t.Error("the other cluster is affected")
		}
	})
}

// The sign of life goes on while clusters fail, and ends with the fleet.
func TestBeat(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		beats := 0
		w.fleet.Beat, w.fleet.BeatEvery = func() { beats++ }, 10*time.Second
		w.net.comeBetween(func(*http.Request) error { return errRefused })
		w.start(stateDir(t))
		w.src.set(file(one("c1", "ks1")), nil)
		after(time.Hour + time.Second)
		if beats != 360 {
			t.Errorf("%d beats in an hour, want 360", beats)
		}
		w.stop()
		synctest.Wait()
		after(time.Hour)
		if beats != 360 {
			t.Error("it beats when it is dead")
		}
	})
}
