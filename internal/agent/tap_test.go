package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"kmagent/internal/ontapsim"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/state"
)

// A tap is between an agent and its clusters. It looks at each request at the moment at which
// it leaves, and writes down what should never be.
type tap struct {
	w      *world
	truths func(cluster string) *truth
	home   ontapsim.Hosts // the clusters as they were at first contact

	mu       sync.Mutex
	faults   []string
	inFlight map[string]int
	last     map[string]sending           // by cluster: what the journal was told last, and that did not leave yet
	answered map[string]*ontapsim.Cluster // by host: who said last who it is
	seen     map[string]sight             // by host: the newest look at reachability
	writes   int
	unknown  map[string]bool // what must not be sent twice, and of which the last outcome is not known
}

// A truth is what nobody asks a cluster for.
type truth struct {
	mu      sync.Mutex
	states  map[string][2]string // of key servers, by node
	keeps   map[string][]string  // by SVM: the servers that the file in force wants
	kept    map[string][]string  // and the one before it
	gone    map[string]time.Time // servers that people removed, by manager and name
	marked  map[string]bool      // SVMs whose key manager the file, or the one before, says is to be gone
	changes map[string]int       // by what was changed, how often something asked for another
}

func newTruth() *truth {
	return &truth{states: map[string][2]string{}, keeps: map[string][]string{}, kept: map[string][]string{}, gone: map[string]time.Time{},
		marked: map[string]bool{}, changes: map[string]int{}}
}

func (x *truth) available(server string) bool {
	s, ok := x.states[server]
	return !ok || s == [2]string{"available", "available"}
}

// A sight is which servers every node reached when it was looked.
type sight struct {
	at        time.Time
	available map[string]bool
}

type sending struct {
	id, method, path string
	open             []plan.Operation // as the ledger has them
}

func newTap(w *world, truths func(string) *truth) *tap {
	return &tap{w: w, truths: truths, home: maps.Clone(w.net.hosts), inFlight: map[string]int{}, last: map[string]sending{}, answered: map[string]*ontapsim.Cluster{}, seen: map[string]sight{}, unknown: map[string]bool{}}
}

func (x *tap) fault(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = append(x.faults, fmt.Sprintf(format, args...))
}

func (x *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Host
	x.w.net.mu.Lock()
	sim := x.w.net.hosts[host]
	x.w.net.mu.Unlock()
	if r.Method == http.MethodGet {
		x.look(host, sim, r)
		return x.w.net.RoundTrip(r)
	}
	once := x.leaves(host, sim, r)
	resp, err := x.w.net.RoundTrip(r)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.inFlight[host]--
	if once != "" {
		x.unknown[once] = err != nil || resp.StatusCode >= 500
	}
	return resp, err
}

// forget is told that the file has changed, or that people have said what became of everything.
func (x *tap) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.unknown)
}

// look notes what a GET shows.
func (x *tap) look(host string, sim *ontapsim.Cluster, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.URL.Path == "/api/cluster" {
		x.answered[host] = sim
	}
	if strings.Contains(r.URL.RawQuery, "connectivity") {
		s := sight{at: time.Now(), available: map[string]bool{}}
		t := x.truths(host)
		t.mu.Lock()
		for _, name := range universe {
			s.available[name] = t.available(name)
		}
		t.mu.Unlock()
		x.seen[host] = s
	}
}

// leaves checks a request that may change something: S6, S7, S8, S9, S16, S1 and S3. It
// returns what identifies a request that must not be sent twice; empty for any other.
func (x *tap) leaves(host string, sim *ontapsim.Cluster, r *http.Request) (once string) {
	path := r.URL.EscapedPath()
	what := r.Method + " " + path
	x.mu.Lock()
	x.writes++
	x.inFlight[host]++
	n, last, known, looked := x.inFlight[host], x.last[host], x.answered[host], x.seen[host]
	delete(x.last, host)
	x.mu.Unlock()
	if n > 1 {
		x.fault("S7: %s is the %d. change under way", what, n)
	}
	if strings.Contains(r.URL.String(), "force") || strings.Contains(path, "//") || strings.HasSuffix(path, "/") {
		x.fault("S8: %s", r.URL)
	}
	if known == sim && sim != x.home[host] {
		x.fault("S16: %s goes to another cluster, which has said who it is", what)
	}
	if last.method != r.Method || last.path != path {
		x.fault("S6: %s leaves, and the record is of %s %s", what, last.method, last.path)
	}
	i := slices.IndexFunc(last.open, func(o plan.Operation) bool { return o.ID == last.id })
	if i < 0 || !x.onDisk(host, last.id) {
		x.fault("S6: %s leaves, and operation %s is not on disk", what, last.id)
		return ""
	}
	for _, o := range last.open {
		if o.ID != last.id && o.Addr == last.open[i].Addr && o.Repeat == resource.Never && last.open[i].Repeat != resource.Repeatable {
			x.fault("S9: %s, while nobody knows what became of operation %s (%s of %s)", what, o.ID, o.Title(), o.Addr)
		}
	}
	if r.Method == http.MethodDelete {
		x.removes(host, last.open[i].Addr, path, looked)
	}
	if last.open[i].Repeat != resource.Never {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		x.fault("%v", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	once = what + " " + string(body)
	x.mu.Lock()
	again := x.unknown[once]
	x.mu.Unlock()
	if again {
		x.fault("S9: %s is sent again, and nobody knows what became of it", what)
	}
	return once
}

// onDisk says whether the beginning of an operation is among the newest records of a journal.
// The whole of it would be read anew for each request.
func (x *tap) onDisk(host, id string) bool {
	f, err := os.Open(x.w.dir + "/clusters/" + host + ".journal")
	if err != nil {
		x.fault("S6: %v", err)
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		x.fault("S6: %v", err)
		return false
	}
	text := make([]byte, min(info.Size(), 16<<10))
	if _, err := f.ReadAt(text, info.Size()-int64(len(text))); err != nil {
		x.fault("S6: %v", err)
	}
	return bytes.HasSuffix(text, []byte("\n")) && (bytes.Contains(text, []byte(`{"n":`+id+`,`)) || bytes.Contains(text, []byte(`"op":"`+id+`"`)))
}

// removes checks a removal: that the file asks for it, and that enough remains.
func (x *tap) removes(host string, a resource.Addr, path string, looked sight) {
	t := x.truths(host)
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.Kind != resource.KeyServer.Name {
		if !t.marked[a.String()] {
			x.fault("S1: DELETE %s, which no file marks", a)
		}
		return
	}
	keeps, kept := t.keeps[a.SVM], t.kept[a.SVM]
	if slices.Contains(keeps, a.Name) && slices.Contains(kept, a.Name) {
		x.fault("S1: DELETE %s, which the file wants", a)
	}
	if age := time.Since(looked.at); age > 90*time.Second {
		x.fault("S3: DELETE %s rests on a look of %v ago", a, age)
	}
	manager := strings.Split(path, "/")[4]
	reached := 0
	names := x.servers(host, manager)
	for name, at := range t.gone {
		if server, ok := strings.CutPrefix(name, manager+" "); ok && at.After(looked.at) {
			names = append(names, server)
		}
	}
	for _, s := range names {
		switch {
		case s == a.Name:
		case looked.available[s]:
			reached++
		case slices.Contains(keeps, s) && slices.Contains(kept, s):
			x.fault("S3: DELETE %s, while %s stays and was not available", a, s)
		}
	}
	if floor := max(min(2, len(keeps), len(kept)), 1); reached < floor {
		x.fault("S3: DELETE %s leaves %d servers that every node reached, of %v; the floor is %d", a, reached, names, floor)
	}
}

// servers are those that a manager has now.
func (x *tap) servers(host, manager string) []string {
	s, err := stateOf(x.w.net.hosts[host])
	if err != nil {
		x.fault("%v", err)
	}
	var out []string
	for _, m := range s.KeyManagers {
		for _, k := range m.External.Servers {
			if m.UUID == manager {
				out = append(out, k.Server)
			}
		}
	}
	return out
}

// A simState is what a simulated cluster holds, as far as tests look at it. No fault is in the
// way of reading it.
type simState struct {
	KeyManagers []struct {
		UUID     string `json:"uuid"`
		External struct {
			Servers []struct{ Server string }
		}
		Onboard struct {
			Passphrase string `json:"passphrase"`
			Changes    int    `json:"passphrase_changes"`
		} `json:"onboard"`
	} `json:"key_managers"`
	CloudKMS []struct {
		UUID            string `json:"uuid"`
		Service         string `json:"service"`
		RekeyedExternal int    `json:"rekeyed_external"`
		RekeyedInternal int    `json:"rekeyed_internal"`
	} `json:"cloud_kms"`
}

func stateOf(c *ontapsim.Cluster) (simState, error) {
	var s simState
	r, err := http.NewRequest(http.MethodGet, "https://c/sim/state", nil)
	if err != nil {
		return s, err
	}
	resp, err := c.RoundTrip(r)
	if err != nil {
		return s, err
	}
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// take returns the faults that were found since it was last asked.
func (x *tap) take() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := x.faults
	x.faults = nil
	return out
}

// A tapped book tells the tap what is put on record.
type tapped struct {
	*state.Book
	tap     *tap
	cluster string
}

func (b *tapped) Sending(id string, q plan.Sending) error {
	err := b.Book.Sending(id, q)
	if err == nil {
		path, _, _ := strings.Cut(q.Path, "?")
		b.tap.mu.Lock()
		defer b.tap.mu.Unlock()
		b.tap.last[b.cluster] = sending{id, q.Method, path, slices.Clone(b.Ledger().Open)}
	}
	return err
}

// sorted keys, for draws that do not depend on a map.
func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
