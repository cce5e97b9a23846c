package agent

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kmagent/internal/gen"
	"kmagent/internal/ontapsim"
	"kmagent/internal/state"
)

// How large the simulated fleet is, and how long it is looked after.
var (
	weekClusters = flag.Int("week.clusters", 10, "clusters of TestWeek")
	weekDays     = flag.Int("week.days", 7, "days of TestWeek")
)

// TestWeek is a fleet over days, in fake time: files change and break, key servers fail,
// connections are lost, people interfere, the agent is restarted. Each cluster has its own
// troubles. No request is ever what the tap forbids, no cluster waits for another, and after
// the last day every cluster is what the file says and nothing is sent any more.
//
// SEED in the environment makes it another week; a failure prints it.
func TestWeek(t *testing.T) {
	seeds := gen.Cases(1)
	days := *weekDays
	if raceDetector || testing.Short() {
		days = 1
	}
	for i := range seeds {
		seed := gen.Seed() + uint64(i)
		ok := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleetOf(t, seed, *weekClusters)
				for day := range days {
					f.day(day)
				}
				f.rest()
				t.Logf("seed %d: %d clusters, %d days, %d passes, %d changes", seed, *weekClusters, days, f.passes, f.tap.writes)
			})
		})
		if !ok {
			t.Fatalf("SEED=%d", seed)
		}
	}
}

// A fleetOf is an agent over many clusters, with everything that happens to them.
type fleetOf struct {
	*testing.T
	rnd    *rand.Rand
	w      *world
	tap    *tap
	truths map[string]*truth
	names  []string
	files  map[string]cluster
	passes int
}

func newFleetOf(t *testing.T, seed uint64, clusters int) *fleetOf {
	f := &fleetOf{T: t, rnd: rand.New(rand.NewPCG(seed, 5)), truths: map[string]*truth{}, files: map[string]cluster{}}
	hosts := ontapsim.Hosts{}
	for i := range clusters {
		name := fmt.Sprintf("c%d", i+1)
		f.names = append(f.names, name)
		f.truths[name] = newTruth()
		hosts[name] = ontapsim.New(ontapsim.Config{Name: name, Seed: seed + uint64(i), SVMs: []string{"vs1", "vs2"}})
		f.files[name] = f.wish(name)
	}
	f.w = &world{t: t, net: &network{hosts: hosts}, log: &logged{}, src: &source{changed: make(chan struct{}, 1)}, random: seeded(seed),
		secrets: passwords{of: map[string]string{"cred:login": "netapp1!", "cred:kmip": "kmip secret"}}}
	f.tap = newTap(f.w, func(name string) *truth { return f.truths[name] })
	f.w.transport = f.tap
	f.w.journal = func(cluster string, b *state.Book) journal { return &tapped{b, f.tap, cluster} }
	f.start(stateDir(t))
	f.save()
	return f
}

func (f *fleetOf) start(dir string) {
	f.w.fleet = f.w.agent()
	f.w.fleet.Interval = 15 * time.Minute
	f.w.fleet.Log = slog.New(slog.NewTextHandler(f.w.log, &slog.HandlerOptions{Level: slog.LevelError}))
	f.w.start(dir)
	f.w.src.set(f.w.src.text, f.w.src.err)
}

// wish draws what the file wants of a cluster.
func (f *fleetOf) wish(name string) cluster {
	c := cluster{name: name, settings: []string{fmt.Sprintf("policy: {max_deletes: %d}", 1+f.rnd.IntN(2))}}
	for _, svm := range []string{"vs1", "vs2"} {
		servers := slices.Clone(universe)
		f.rnd.Shuffle(len(servers), func(i, j int) { servers[i], servers[j] = servers[j], servers[i] })
		servers = servers[:1+f.rnd.IntN(4)]
		for i, s := range servers {
			if f.rnd.IntN(3) == 0 {
				servers[i] = fmt.Sprintf(`{server: %q, timeout: %d, username: u, password: "cred:kmip"}`, s, 1+f.rnd.IntN(30))
			} else {
				servers[i] = fmt.Sprintf("{server: %q}", s)
			}
		}
		c.managers = append(c.managers, manager{svm, servers})
	}
	return c
}

// save writes the file, and tells the truths what it wants.
func (f *fleetOf) save() {
	var all []cluster
	for _, name := range f.names {
		c := f.files[name]
		all = append(all, c)
		t := f.truths[name]
		t.mu.Lock()
		t.kept, t.keeps = t.keeps, map[string][]string{}
		for _, m := range c.managers {
			for _, s := range universe {
				if strings.Contains(strings.Join(m.servers, " "), s) {
					t.keeps[m.svm] = append(t.keeps[m.svm], s)
				}
			}
		}
		t.mu.Unlock()
	}
	f.w.src.set(file(all...), nil)
}

// day is 24 hours in which something happens now and then.
func (f *fleetOf) day(n int) {
	left := 24 * time.Hour
	for left > 0 {
		f.trouble()
		d := min(left, time.Duration(10+f.rnd.IntN(120))*time.Minute+time.Duration(f.rnd.IntN(60_000))*time.Millisecond)
		f.pass(d)
		left -= d
	}
	if n%2 == 1 {
		f.w.stop()
		f.pass(time.Duration(f.rnd.IntN(60)) * time.Minute)
		f.start(f.w.dir)
	}
}

// trouble is one thing that happens to one cluster, or to the file.
func (f *fleetOf) trouble() {
	name := f.names[f.rnd.IntN(len(f.names))]
	sim := f.w.net.hosts[name]
	switch f.rnd.IntN(9) {
	case 0:
		f.files[name] = f.wish(name)
		f.save()
	case 1:
		f.w.src.set("clusters: [", nil)
		f.pass(20 * time.Minute)
		f.save()
	case 2:
		f.shake(name, false)
		f.pass(time.Duration(1+f.rnd.IntN(150)) * time.Minute)
		f.shake(name, true) // or the agent tries to add one that does not answer for days
	case 3:
		f.shake(name, false)
		f.pass(time.Minute)
		f.shake(name, true)
	case 4, 5:
		actions := []string{`{"drop": "before"}`, `{"drop": "after"}`, `{"status": 500, "code": "1", "message": "x"}`, `{"status": 503, "code": "7", "message": "busy"}`, `{"truncate": 30}`, `{"delay": "25s"}`}
		if err := sim.Fault(fmt.Sprintf(`{"path": "*", "nth": %d, "times": %d, "action": %s}`, 1+f.rnd.IntN(10), 1+f.rnd.IntN(10), actions[f.rnd.IntN(len(actions))])); err != nil {
			f.Fatal(err)
		}
	case 6: // nobody answers for a while
		if err := sim.Fault(`{"path": "*", "times": -1, "action": {"drop": "before"}}`); err != nil {
			f.Fatal(err)
		}
		f.pass(time.Duration(1+f.rnd.IntN(120)) * time.Minute)
		f.w.call(name, "DELETE", "/sim/faults", "")
	case 7: // somebody takes a server out
		f.w.call(name, "DELETE", "/sim/faults", "")
		s, err := stateOf(sim)
		if err != nil {
			f.Fatal(err)
		}
		for _, m := range s.KeyManagers {
			if len(m.External.Servers) > 1 {
				server := m.External.Servers[0].Server
				f.truths[name].mu.Lock()
				f.truths[name].gone[m.UUID+" "+server] = time.Now()
				f.truths[name].mu.Unlock()
				f.w.call(name, "DELETE", "/api/security/key-managers/"+m.UUID+"/key-servers/"+server, "")
				break
			}
		}
	case 8:
		f.files[name] = f.wish(name)
	}
}

// shake makes the key servers of a cluster all available, or some of them not.
func (f *fleetOf) shake(name string, steady bool) {
	t := f.truths[name]
	words := []string{"available", "available", "not_responding", "unknown"}
	var text []string
	t.mu.Lock()
	for _, s := range universe {
		of := [2]string{"available", "available"}
		if !steady {
			of = [2]string{words[f.rnd.IntN(4)], words[f.rnd.IntN(4)]}
		}
		t.states[s] = of
		text = append(text, fmt.Sprintf(`%q: {"node1": %q, "node2": %q}`, s, of[0], of[1]))
	}
	t.mu.Unlock()
	if err := f.w.net.hosts[name].Set(`{"key_servers": {` + strings.Join(text, ", ") + `}}`); err != nil {
		f.Fatal(err)
	}
}

func (f *fleetOf) pass(d time.Duration) {
	f.Helper()
	after(d + 37*time.Microsecond)
	if faults := f.tap.take(); len(faults) > 0 {
		f.Fatalf("%s\n%s", time.Now().Format(time.DateTime), strings.Join(faults, "\n"))
	}
}

// rest ends all trouble, and wants every cluster to be what the file says.
func (f *fleetOf) rest() {
	for _, name := range f.names {
		f.w.call(name, "DELETE", "/sim/faults", "")
		f.shake(name, true)
	}
	f.save()
	f.pass(4 * time.Hour)
	f.w.mu.Lock()
	f.passes += len(f.w.passes)
	f.w.mu.Unlock()
	for _, name := range f.names {
		passes := f.w.passesOf(name)
		last := passes[len(passes)-1]
		if err := last.Failure(); err != nil {
			f.Errorf("L1: %s: %v", name, err)
		}
		for i := range last.Plan.Steps {
			if s := &last.Plan.Steps[i]; !gen.Excused(s, last.Observed.Version) {
				f.Errorf("L1: %s of %s is %s by %s: %s", s.Op, s.Addr, s.Status, s.Guard, s.Reason)
			}
		}
	}
	writes := f.tap.writes
	f.pass(51 * 16 * time.Minute)
	if n := f.tap.writes - writes; n > 0 {
		f.Errorf("L2: %d changes when there was nothing left to do", n)
	}
	f.w.stop()
}
