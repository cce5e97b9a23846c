package agent

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kmagent/internal/gen"
	"kmagent/internal/ontapsim"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/state"
)

// A drama is an agent and everybody who may get in its way, in fake time: people who change
// the cluster, a second agent with a memory of its own, key servers that fail, jobs that fail
// or never end, a file that changes or breaks, connections that are lost, restarts.
type drama struct {
	*rapid.T
	sim    *ontapsim.Cluster
	agents []*player
	truth  *truth
	file   *gen.File
	secret map[string]int // how often the content of each was changed
	told   []string       // what was done, for the report of a failure
	edits  int
}

// A player is one agent with its own memory.
type player struct {
	w   *world
	tap *tap
	dir string
	up  bool
}

// TestModel: whatever happens, what should never be sent is not sent; and when all is well
// again the cluster becomes what the file says, and stays so without another word.
func TestModel(t *testing.T) {
	dirs := &directories{t: t}
	gen.Check(t, 60, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			d := newDrama(rt, dirs)
			defer d.end()
			d.play()
		})
	})
}

// directories makes state directories.
type directories struct {
	t *testing.T
	n int
}

func (d *directories) next() string {
	d.n++
	return fmt.Sprintf("%s/%d", d.t.TempDir(), d.n)
}

func newDrama(t *rapid.T, dirs *directories) *drama {
	d := &drama{T: t, truth: newTruth(), secret: map[string]int{}}
	d.sim = ontapsim.New(ontapsim.Config{Name: "c1", ONTAP: "9.17.1", Seed: 7, SVMs: gen.SVMs()})
	d.set(`{"policies": ["a", "b.example.net", "c"]}`)
	for _, name := range []string{"client1", "client2"} {
		d.set(`{"certificates": [{"name": "` + name + `", "svm": "*", "type": "client", "key_pair": "k1"}]}`)
	}
	for _, name := range []string{"ca1", "ca2", "ca3"} {
		d.set(`{"certificates": [{"name": "` + name + `", "svm": "*", "type": "server_ca"}]}`)
	}
	hosts := ontapsim.Hosts{"c1": d.sim}
	draws := rapid.Uint64().Draw(t, "pauses")
	for i := range 2 {
		w := &world{t: t, net: &network{hosts: hosts}, log: &logged{}, src: &source{changed: make(chan struct{}, 1)},
			secrets: passwords{of: map[string]string{"cred:login": "netapp1!"}}, random: seeded(draws + uint64(i))}
		p := &player{w: w, dir: dirs.next()}
		p.tap = newTap(w, func(string) *truth { return d.truth })
		w.transport = p.tap
		w.journal = func(cluster string, b *state.Book) journal { return &tapped{b, p.tap, cluster} }
		d.agents = append(d.agents, p)
	}
	for _, ref := range []string{"cred:s1", "cred:s2", "cred:s3"} {
		d.renew(ref)
	}
	d.write(d.newFile())
	d.start(0)
	return d
}

// seeded draws pauses for clusters, from a seed.
func seeded(seed uint64) func(string, time.Duration) time.Duration {
	var mu sync.Mutex
	count := map[string]int{}
	return func(cluster string, n time.Duration) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		count[cluster]++
		h := fnv.New64a()
		fmt.Fprint(h, seed, cluster, count[cluster])
		return time.Duration(h.Sum64() % uint64(n))
	}
}

func (d *drama) set(world string) {
	d.Helper()
	if err := d.sim.Set(world); err != nil {
		d.Fatal(err)
	}
}

// renew gives a secret another content. It has 32 characters: fit to be each of the secrets.
func (d *drama) renew(ref string) {
	d.secret[ref]++
	for _, p := range d.agents {
		p.w.secrets.mu.Lock()
		p.w.secrets.of[ref] = fmt.Sprintf("%-32s", fmt.Sprintf("%s-%d", ref, d.secret[ref]))
		p.w.secrets.mu.Unlock()
	}
}

// newFile draws a file of what the simulator takes: key servers for vs1 and for vs3 or the
// cluster, a vault for vs2, an onboard key manager.
func (d *drama) newFile() *gen.File {
	f := &gen.File{Name: "c1", Settings: map[string]any{"interval": "5m", "health_interval": "15m"}}
	f.Settings["policy"] = map[string]any{"max_deletes": rapid.IntRange(1, 3).Draw(d.T, "max deletes")}
	f.Entries = []*gen.Entry{
		d.fit(gen.Filled(d.T, &gen.Entry{Kind: resource.External, SVM: "vs1"})),
		d.fit(gen.Filled(d.T, &gen.Entry{Kind: resource.Azure, SVM: "vs2"})),
	}
	if rapid.Bool().Draw(d.T, "onboard") {
		f.Entries = append(f.Entries, d.fit(gen.Filled(d.T, &gen.Entry{Kind: resource.Onboard})))
	} else {
		f.Entries = append(f.Entries, d.fit(gen.Filled(d.T, &gen.Entry{Kind: resource.External})))
	}
	return f
}

// fit takes out of an entry what a simulated cluster has no place for.
func (d *drama) fit(e *gen.Entry) *gen.Entry {
	delete(e.Fields, "onboard.synchronize")
	delete(e.Fields, resource.Proof)
	if e.Kind == resource.Azure {
		delete(e.Fields, "client_certificate")
		e.Fields["client_secret"] = rapid.SampledFrom([]string{"cred:s1", "cred:s2", "cred:s3"}).Draw(d.T, "secret")
		for _, f := range []string{"proxy_type", "proxy_host", "proxy_port", "proxy_username", "proxy_password"} {
			delete(e.Fields, f)
		}
	}
	return e
}

// write has every agent's source hold a file.
func (d *drama) write(f *gen.File) {
	d.edits++
	spec := f.Spec(d.T)
	d.truth.mu.Lock()
	d.truth.kept, d.truth.keeps = d.truth.keeps, map[string][]string{}
	for _, o := range spec.Objects {
		if o.Absent {
			d.truth.marked[o.Addr.String()] = true
			continue
		}
		for _, c := range o.Children {
			d.truth.keeps[o.Addr.SVM] = append(d.truth.keeps[o.Addr.SVM], c.Addr.Name)
		}
	}
	d.truth.mu.Unlock()
	d.file = f
	for _, p := range d.agents {
		p.tap.forget()
		p.w.src.set(string(gen.Text(f)), nil)
	}
}

func (d *drama) start(i int) {
	p := d.agents[i]
	p.w.fleet = p.w.agent()
	p.w.fleet.Interval, p.w.fleet.Health = 5*time.Minute, 15*time.Minute
	p.w.fleet.Log = slog.New(slog.NewTextHandler(p.w.log, &slog.HandlerOptions{Level: slog.LevelError}))
	p.w.start(p.dir)
	p.w.src.set(p.w.src.text, p.w.src.err)
	p.up = true
}

func (d *drama) stop(i int) {
	p := d.agents[i]
	if !p.up {
		return
	}
	if took := p.w.stop(); took > 10*time.Second {
		d.Errorf("L8: stopping took %v", took)
	}
	p.up = false
}

// end stops everybody, also after a failure.
func (d *drama) end() {
	for i := range d.agents {
		d.stop(i)
	}
}

func (d *drama) note(format string, args ...any) {
	d.told = append(d.told, fmt.Sprintf("%s  ", time.Now().Format("15:04:05"))+fmt.Sprintf(format, args...))
}

// wrong fails with the whole story.
func (d *drama) wrong(format string, args ...any) {
	d.Helper()
	d.Fatalf("%s\n\nwhat happened:\n%s\n\nthe file:\n%s\n\nthe changes:\n%s\n\nthe log:\n%s", fmt.Sprintf(format, args...), strings.Join(d.told, "\n"), gen.Text(d.file), strings.Join(d.writes(), "\n"), d.agents[0].w.log.buf.String())
}

// writes is what would change the cluster, of all who tried.
func (d *drama) writes() []string {
	var out []string
	for _, r := range d.agents[0].w.writes("c1", 0) {
		body, _ := json.Marshal(r.Body)
		out = append(out, fmt.Sprintf("%s %s?%s %s -> %d", r.At.Format("15:04:05"), r, r.Query, body, r.Status))
	}
	return out[max(0, len(out)-40):]
}

func (d *drama) play() {
	d.pass(time.Minute)
	acts := d.acts()
	// Of a list, the first are drawn more often than the last.
	names := append([]string{"nothing", "secret: another passphrase", "store: another vault", "file: other servers", "servers: fail", "restart", "human", "fault"}, keysOf(acts)...)
	for range rapid.IntRange(1, 25).Draw(d.T, "acts") {
		name := rapid.SampledFrom(names).Draw(d.T, "act")
		d.note("%s", name)
		acts[name]()
		d.pass(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, 2 * time.Minute, 10 * time.Minute, 40 * time.Minute}).Draw(d.T, "wait"))
	}
	d.calm()
}

// pass lets time pass, and looks whether anything happened that never should.
func (d *drama) pass(t time.Duration) {
	d.Helper()
	after(t + 37*time.Microsecond)
	for i, p := range d.agents {
		if faults := p.tap.take(); len(faults) > 0 {
			d.wrong("agent %d: %s", i, strings.Join(faults, "\n"))
		}
	}
	d.effects()
}

// effects checks that nothing was done more often than anybody asked for.
func (d *drama) effects() {
	d.Helper()
	s := d.state()
	for _, m := range s.KeyManagers {
		if n, most := m.Onboard.Changes, d.edits+d.secret["cred:s1"]+d.secret["cred:s2"]+d.secret["cred:s3"]; n > most {
			d.wrong("S5: the passphrase was changed %d times, and at most %d were asked for", n, most)
		}
	}
	for _, m := range s.CloudKMS {
		if m.RekeyedExternal > d.edits+d.truth.changes["rekey"] {
			d.wrong("S5: %d rekeys, and at most %d were asked for", m.RekeyedExternal, d.edits+d.truth.changes["rekey"])
		}
		if m.RekeyedInternal > 0 {
			d.wrong("S5: nobody asked for a new internal key")
		}
	}
}

func (d *drama) state() simState {
	s, err := stateOf(d.sim)
	if err != nil {
		d.Fatal(err)
	}
	return s
}

// acts are what may happen.
func (d *drama) acts() map[string]func() {
	one := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(d.T, label) }
	return map[string]func(){
		"nothing": func() {},
		"file: a field changes": func() {
			f := d.file.Clone()
			i := rapid.IntRange(0, len(f.Entries)-1).Draw(d.T, "entry")
			was := f.Entries[i]
			f.Entries[i] = d.proven(was, d.fit(was.Changed(d.T)))
			d.write(f)
		},
		"file: other servers": func() {
			f := d.file.Clone()
			for i, e := range f.Entries {
				if e.Kind == resource.External && !e.Absent {
					f.Entries[i].Fields["external.servers"] = gen.Filled(d.T, e).Fields["external.servers"]
				}
			}
			d.write(f)
		},
		"file: an entry goes": func() {
			f := d.file.Clone()
			if len(f.Entries) > 1 {
				i := rapid.IntRange(0, len(f.Entries)-1).Draw(d.T, "entry")
				f.Entries = slices.Delete(f.Entries, i, i+1)
				d.write(f)
			}
		},
		"file: an entry is marked": func() {
			f := d.file.Clone()
			i := rapid.IntRange(0, len(f.Entries)-1).Draw(d.T, "entry")
			f.Entries[i] = f.Entries[i].Gone()
			d.write(f)
		},
		"file: begins anew": func() { d.write(d.newFile()) },
		"file: breaks": func() {
			for _, p := range d.agents {
				p.w.src.set(one("break", "", "clusters: [", string(gen.Text(d.file))[:200]), nil)
			}
		},
		"file: is back": func() { d.write(d.file) },
		"secret: changes": func() {
			d.renew(one("secret", "cred:s1", "cred:s2", "cred:s3"))
			d.write(d.file)
		},
		"secret: another passphrase": func() {
			f := d.file.Clone()
			i := slices.IndexFunc(f.Entries, func(e *gen.Entry) bool { return e.Kind == resource.Onboard })
			old, next := d.passphrases()
			if i < 0 || old == "" {
				return
			}
			f.Entries[i] = &gen.Entry{Kind: resource.Onboard, Fields: map[string]any{"onboard.passphrase": next, resource.Proof: old}}
			if rapid.Bool().Draw(d.T, "lost") {
				d.lose("PATCH", "/api/security/key-managers/*-*-*-*-*")
			}
			d.write(f)
		},
		"store: another vault": func() {
			f := d.file.Clone()
			for i, e := range f.Entries {
				if e.Fields["configuration.name"] != nil {
					f.Entries[i].Fields["enabled"] = true
					if rapid.Bool().Draw(d.T, "lost") {
						d.lose("PATCH", "/api/security/key-stores*")
					}
					d.write(f)
					return
				}
			}
			e := d.fit(gen.Filled(d.T, &gen.Entry{Kind: resource.Azure, SVM: "vs2", Fields: map[string]any{"configuration.name": "two"}}))
			e.Fields["enabled"] = rapid.Bool().Draw(d.T, "enabled")
			f.Entries = append(f.Entries, e)
			d.write(f)
		},
		"servers: fail": func() { d.shake() },
		"servers: work": func() { d.steady() },
		"node: goes": func() {
			d.set(`{"nodes": {"node2": {"quorum": false, "state": "down"}}}`)
		},
		"node: is back": func() { d.set(`{"nodes": {"node2": {"quorum": true, "state": "up"}}}`) },
		"jobs: slow": func() {
			d.set(`{"jobs": {"duration": "` + one("slow", "3s", "40s", "15m") + `", "outcome": "success"}}`)
		},
		"jobs: fail":    func() { d.set(`{"jobs": {"duration": "1s", "outcome": "failure", "code": "65537551"}}`) },
		"jobs: stuck":   func() { d.set(`{"jobs": {"duration": "1s", "outcome": "stuck"}}`) },
		"jobs: fine":    func() { d.set(`{"jobs": {"duration": "50ms", "outcome": "success"}}`) },
		"service: gone": func() { d.set(`{"azure": {"vs2": {"reachable": false}}}`) },
		"service: back": func() { d.set(`{"azure": {"vs2": {"reachable": true}}}`) },
		"fault":         d.inject,
		"faults: over":  func() { d.agents[0].w.call("c1", "DELETE", "/sim/faults", "") },
		"restart": func() {
			d.stop(0)
			d.pass(rapid.SampledFrom([]time.Duration{0, time.Minute, 2 * time.Hour}).Draw(d.T, "down"))
			d.start(0)
		},
		"second agent": func() {
			if d.agents[1].up {
				d.stop(1)
			} else {
				d.start(1)
			}
		},
		"impostor": d.impostor,
		"human":    d.human,
	}
}

// proven gives an entry that changes a passphrase the one in use until now.
func (d *drama) proven(was, is *gen.Entry) *gen.Entry {
	old, next := was.Fields["onboard.passphrase"], is.Fields["onboard.passphrase"]
	if is.Kind == resource.Onboard && !is.Absent && old != next {
		is.Fields[resource.Proof] = old
	}
	return is
}

func (d *drama) shake() {
	d.truth.mu.Lock()
	for _, s := range universe {
		words := []string{"available", "available", "not_responding", "unknown"}
		d.truth.states[s] = [2]string{rapid.SampledFrom(words).Draw(d.T, s), rapid.SampledFrom(words).Draw(d.T, s)}
	}
	d.truth.mu.Unlock()
	d.tell()
}

func (d *drama) steady() {
	d.truth.mu.Lock()
	for _, s := range universe {
		d.truth.states[s] = [2]string{"available", "available"}
	}
	d.truth.mu.Unlock()
	d.tell()
}

func (d *drama) tell() {
	servers := map[string]map[string]string{}
	for s, of := range d.truth.states {
		servers[s] = map[string]string{"node1": of[0], "node2": of[1]}
	}
	text, err := json.Marshal(map[string]any{"key_servers": servers})
	if err != nil {
		d.Fatal(err)
	}
	d.set(string(text))
}

// inject sets a fault for some of the next requests.
func (d *drama) inject() {
	action := rapid.SampledFrom([]string{`{"drop": "before"}`, `{"drop": "after"}`, `{"status": 500, "code": "1", "message": "internal"}`,
		`{"status": 503, "code": "7", "message": "busy"}`, `{"truncate": 20}`, `{"delay": "20s"}`, `{"delay": "45s"}`, `{"status": 200, "body": "<html>"}`,
		`{"status": 401, "code": "6691623", "message": "not authorized"}`}).Draw(d.T, "action")
	method := rapid.SampledFrom([]string{"*", "GET", "POST", "PATCH", "DELETE"}).Draw(d.T, "method")
	path := rapid.SampledFrom([]string{"*", "/api/security/*", "/api/security/key-managers*", "/api/security/azure-key-vaults*", "/api/cluster/jobs/*", "/api/cluster"}).Draw(d.T, "path")
	text := fmt.Sprintf(`{"method": %q, "path": %q, "nth": %d, "times": %d, "action": %s}`, method, path,
		rapid.IntRange(1, 6).Draw(d.T, "nth"), rapid.IntRange(1, 4).Draw(d.T, "times"), action)
	d.note("  %s", text)
	if err := d.sim.Fault(text); err != nil {
		d.Fatal(err)
	}
}

// passphrases returns which secret is the passphrase in use, as far as there is one, and
// another.
func (d *drama) passphrases() (old, next string) {
	w := d.agents[0].w
	w.secrets.mu.Lock()
	defer w.secrets.mu.Unlock()
	for _, m := range d.state().KeyManagers {
		for _, ref := range keysOf(w.secrets.of) {
			if p := m.Onboard.Passphrase; p != "" && w.secrets.of[ref] == p {
				old = ref
			}
		}
	}
	for _, ref := range []string{"cred:s1", "cred:s2", "cred:s3"} {
		if ref != old && next == "" {
			next = ref
		}
	}
	return old, next
}

// lose has the answer to the next such request go lost after it has had its effect, or fail.
func (d *drama) lose(method, path string) {
	action := rapid.SampledFrom([]string{`{"drop": "after"}`, `{"status": 500, "code": "1", "message": "internal"}`, `{"drop": "before"}`}).Draw(d.T, "loss")
	if err := d.sim.Fault(fmt.Sprintf(`{"method": %q, "path": %q, "action": %s}`, method, path, action)); err != nil {
		d.Fatal(err)
	}
}

// impostor lets another cluster answer for a while.
func (d *drama) impostor() {
	if led, err := state.Read(d.agents[0].dir, "c1"); err != nil || led.UUID == "" || d.agents[1].up {
		return // on first contact it is the one that is trusted
	}
	other := ontapsim.New(ontapsim.Config{Name: "c2", ONTAP: "9.17.1", Seed: 9, SVMs: gen.SVMs()})
	w := d.agents[0].w
	w.net.put("c1", other)
	d.pass(5 * time.Minute)
	w.net.put("c1", d.sim)
}

// human changes the cluster through its API, as people do.
func (d *drama) human() {
	var managers, vaults []string
	s := d.state()
	for _, m := range s.KeyManagers {
		managers = append(managers, m.UUID)
	}
	for _, v := range s.CloudKMS {
		vaults = append(vaults, v.UUID)
	}
	switch what := rapid.SampledFrom([]string{"remove server", "add server", "timeout", "rekey", "host", "delete vault"}).Draw(d.T, "human"); what {
	case "remove server", "add server", "timeout":
		if len(managers) == 0 {
			return
		}
		m := rapid.SampledFrom(managers).Draw(d.T, "manager")
		base := "/api/security/key-managers/" + m + "/key-servers"
		s := rapid.SampledFrom(universe).Draw(d.T, "server")
		d.note("  %s %s of %s", what, s, m)
		switch what {
		case "remove server":
			if d.try("DELETE", base+"/"+s, "") {
				d.truth.mu.Lock()
				d.truth.gone[m+" "+s] = time.Now()
				d.truth.mu.Unlock()
			}
		case "add server":
			d.try("POST", base, `{"server": "`+s+`"}`)
		default:
			d.try("PATCH", base+"/"+s, `{"timeout": 7}`)
		}
	default:
		if len(vaults) == 0 {
			return
		}
		v := "/api/security/azure-key-vaults/" + rapid.SampledFrom(vaults).Draw(d.T, "vault")
		d.note("  %s %s", what, v)
		switch what {
		case "rekey":
			d.truth.changes["rekey"] += 2 * len(d.agents) // theirs, and that of each agent that takes it back
			d.try("POST", v+"/rekey-external", `{"key_id": "https://v1.example.net/keys/k/9"}`)
		case "host":
			d.try("PATCH", v, `{"oauth_host": "other.example.net"}`)
		default:
			d.try("DELETE", v, "")
		}
	}
}

// try makes a request that may be refused, and says whether it was not.
func (d *drama) try(method, path, body string) bool {
	r, err := http.NewRequest(method, "https://c1"+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	r.SetBasicAuth("admin", "netapp1!")
	resp, err := d.sim.RoundTrip(r)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode < 300
}

// calm puts everything in order, as people would, and waits until nothing can be in the way
// any more. Then the cluster must be what the file says (L1), and stay so without a write (L2).
func (d *drama) calm() {
	d.Helper()
	d.note("calm")
	d.agents[0].w.call("c1", "DELETE", "/sim/faults", "")
	d.steady()
	d.set(`{"jobs": {"duration": "50ms", "outcome": "success"}, "azure": null, "nodes": {"node2": {"quorum": true, "state": "up"}}}`)
	d.stop(1)
	d.write(d.file)
	d.pass(2 * time.Hour)
	d.resolve()
	d.pass(2 * time.Hour)
	w := d.agents[0].w
	if passes := w.passesOf("c1"); len(passes) > 0 && strings.Contains(fmt.Sprint(passes[len(passes)-1].Failure()), "remove it by hand") {
		d.uncover()
		d.pass(20 * time.Minute)
	}
	passes := w.since("c1")
	if len(passes) == 0 {
		d.wrong("L1: there was no pass in two hours")
	}
	last := passes[len(passes)-1]
	if err := last.Failure(); err != nil {
		d.wrong("L1: the last pass failed: %v", err)
	}
	for i := range last.Plan.Steps {
		if s := &last.Plan.Steps[i]; !gen.Excused(s, last.Observed.Version) {
			d.wrong("L1: %s of %s is %s by %s: %s", s.Op, s.Addr, s.Status, s.Guard, s.Reason)
		}
	}
	n := w.mark("c1")
	d.pass(52 * 5 * time.Minute)
	for _, r := range w.writes("c1", n) {
		d.wrong("L2: %s %v, when there was nothing left to do", r, r.Body)
	}
}

// uncover removes the key managers that nobody sees, as the error tells people to.
func (d *drama) uncover() {
	for _, m := range d.state().KeyManagers {
		if len(m.External.Servers) == 0 && m.Onboard.Passphrase == "" {
			d.note("  removed by hand: %s", m.UUID)
			d.try("DELETE", "/api/security/key-managers/"+m.UUID, "")
		}
	}
}

// resolve says what became of the operations that nobody can tell the end of, as people do once
// they have looked.
func (d *drama) resolve() {
	led, err := state.Read(d.agents[0].dir, "c1")
	if err != nil {
		d.Fatal(err)
	}
	d.agents[0].tap.forget()
	for _, o := range led.Open {
		d.note("  resolved: %s %s of %s", o.Name(), o.Title(), o.Addr)
		outcome := "failed"
		if method, path, _ := strings.Cut(o.Request, " "); o.Action == "enable" && d.try(method, path, `{"enabled": true}`) {
			outcome = "applied" // a switch that hangs goes on only when it is asked for once more
		}
		g := plan.Given{At: time.Now(), By: "somebody", Reason: "looked"}
		if _, err := (state.Orders{Dir: d.agents[0].dir}).Resolve(plan.Resolution{Given: g, Operation: o.Name(), Outcome: outcome}); err != nil {
			d.Fatal(err)
		}
	}
}
