package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// wanderers is how many installations are at work side by side in TestMoments.
const wanderers = 24

// every is how often a wanderer's file has something rekeyed.
const every = 4 * time.Second

// The program as it is shipped, once or as a service, is killed at moments of chance, and the
// service at boundaries of chance too, while its file changes and the slots of its schedules come. What it has done in the end is what the file
// said, each thing once, and each slot's at most once.
func TestMoments(t *testing.T) {
	began, before := time.Now(), computed()
	pool := newPool(t, wanderers)
	var mu sync.Mutex
	var sum moments
	var group sync.WaitGroup
	for n := range wanderers {
		share := *kills / wanderers
		if n < *kills%wanderers {
			share++
		}
		group.Go(func() {
			s := <-pool.free
			w := &wanderer{site: s, rnd: rand.New(rand.NewPCG(*seed, uint64(1000+n))), n: n}
			err := w.wander(share)
			mu.Lock()
			defer mu.Unlock()
			sum.add(w.moments)
			if err != nil {
				t.Errorf("seed %d, installation %d: %v\n%s", *seed, n, err, strings.Join(w.diary[max(0, len(w.diary)-60):], "\n"))
			}
		})
	}
	group.Wait()
	t.Logf("seed %d: %d kills (%d of the service), %d runs came to their end before; %d hours waited, %d words of a human; %d rekeys, %d passphrases, %d servers added, %d removed",
		*seed, sum.kills, sum.services, sum.ended, sum.aged, sum.human, sum.rekeys, sum.passphrases, sum.added, sum.removed)
	if sum.taken == 0 && *kills >= 1000 {
		t.Error("no slot was begun: this shows nothing")
	}
	t.Logf("of schedules: %d slots came, %d were begun, %d missed, %d skipped; the clusters took %d, and %d begun ones never arrived; %d kills came while one was open, %d of them of the service",
		sum.slots, sum.begun, sum.missed, sum.skipped, sum.taken, sum.failed, sum.struck, sum.struckServices)
	t.Logf("%s, %s of it computing", time.Since(began).Round(time.Second), (computed() - before).Round(time.Second))
}

// Moments are what came of killing at moments of chance.
type moments struct {
	kills, services, ended, aged, human, rekeys, passphrases, added, removed int

	slots, begun, missed, skipped, taken, failed, struck, struckServices int // of schedules
}

func (m *moments) add(o moments) {
	m.kills, m.services, m.ended, m.aged, m.human = m.kills+o.kills, m.services+o.services, m.ended+o.ended, m.aged+o.aged, m.human+o.human
	m.rekeys, m.passphrases, m.added, m.removed = m.rekeys+o.rekeys, m.passphrases+o.passphrases, m.added+o.added, m.removed+o.removed
	m.slots, m.begun, m.missed, m.skipped = m.slots+o.slots, m.begun+o.begun, m.missed+o.missed, m.skipped+o.skipped
	m.taken, m.failed, m.struck, m.struckServices = m.taken+o.taken, m.failed+o.failed, m.struck+o.struck, m.struckServices+o.struckServices
}

// A wanderer is an installation whose file changes, and that is killed.
type wanderer struct {
	*site
	rnd *rand.Rand
	moments
	diary []string

	servers    string
	version    int // of the vault's key
	port       int
	secret     int // number of the vault's secret
	passphrase int // number of the onboard passphrase that the file names
	before     int // and of the one before

	n     int // its number
	began time.Time
	rests bool         // its schedules have no more slots
	known []plan.Slots // what was last remembered of its schedules
}

// drives says whether it has an external key manager at cluster scope, with authentication keys,
// instead of the onboard one.
func (w *wanderer) drives() bool { return w.n%4 == 3 }

// twice says whether it has two vaults that are rekeyed, instead of one.
func (w *wanderer) twice() bool { return w.n%4 == 1 }

// A timed is an action that the file has a schedule for, and the requests that take it.
type timed struct {
	addr     resource.Addr
	action   string
	in, with string // what their paths have in them, and end with
}

func (w *wanderer) timed() []timed {
	list := []timed{{resource.Addr{Cluster: "a", Kind: "gcp_kms", SVM: "svm3"}, rekeyInternal, "/gcp-kms/", "/rekey-internal"}}
	if w.twice() {
		list = append(list, timed{resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "svm4"}, rekeyInternal, "/aws-kms/", "/rekey-internal"})
	}
	if w.drives() {
		list = append(list, timed{resource.Addr{Cluster: "a", Kind: "auth_key", Name: "nse"}, resource.RotateKey, "/key-managers/", "/auth-keys"})
	}
	return list
}

// schedule is the timing of all of them; one that rests has had its last slot days ago, and has
// the next in a year.
func (w *wanderer) schedule(more string) string {
	h := w.began.UTC().Hour() // a line with few slots is read much faster
	line := fmt.Sprintf("*/%d * %d,%d,%d * * *", every/time.Second, h, (h+1)%24, (h+2)%24)
	if w.rests {
		line = time.Now().AddDate(0, 0, -3).UTC().Format("0 0 0 2 1 *")
	}
	return fmt.Sprintf("{schedule: %q, window: %s%s}", line, every, more)
}

func (w *wanderer) note(format string, args ...any) {
	w.diary = append(w.diary, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

var lists = []string{"ks1 ks2", "ks2 ks3", "ks1 ks3 ks4", "ks1 ks4"}

func phrase(n int) string { return fmt.Sprintf("canary %d that is long enough for a passphrase", n) }

// write writes the file and the secrets.
func (w *wanderer) write() error {
	var servers []string
	for name := range strings.FieldsSeq(w.servers) {
		servers = append(servers, "{server: "+name+", username: db, password: cred:ks}")
	}
	lines := "policy: {max_concurrent_rekeys: 2}\n" + external(strings.Join(servers, ", "))
	if w.drives() {
		lines += strings.TrimPrefix(externalOf("", "kmip-ca", "{server: ks5}, {server: ks6}"), "key_managers:\n") +
			"auth_keys: [{key_tag: nse, rotate: " + w.schedule(", keep: 2") + "}]\n"
	} else {
		lines += "  - onboard: {passphrase: cred:okm, existing_passphrase: cred:okm-old}\n"
	}
	lines += with(gcpOf("svm3"), rekeyInternal, w.schedule(""))
	if w.twice() {
		lines += with(awsOf("svm4"), rekeyInternal, w.schedule(""))
	}
	lines += fmt.Sprintf("azure_key_vaults:\n  - {svm: svm2, name: 'https://v.vault.azure.net/', key_id: 'https://v.vault.azure.net/keys/k/%d', client_id: app1, tenant_id: dir1, client_secret: cred:azure, port: %d}\n", w.version, w.port)
	return errors.Join(w.want(lines), w.secrets(map[string]string{"ks": "canary-ks", "azure": fmt.Sprintf("canary-azure-%d", w.secret),
		"okm": phrase(w.passphrase), "okm-old": phrase(w.before), "gcp": secrets()["gcp"], "secret": secrets()["secret"]}))
}

func (w *wanderer) wander(kills int) error {
	w.servers, w.version, w.port, w.secret, w.passphrase, w.before = lists[0], 1, 443, 1, 1, 0
	duration := []string{"1ms", "100ms"}[w.n/4%2] // done when the agent asks at once, or when it asks again
	if _, err := w.call("PATCH", "/sim/world", `{"jobs":{"duration":"`+duration+`"}}`); err != nil {
		return err
	}
	w.began, w.known = time.Now(), make([]plan.Slots, len(w.timed()))
	if err := w.write(); err != nil {
		return err
	}
	for w.kills < kills {
		if w.rnd.IntN(2) == 0 {
			if err := w.change(); err != nil {
				return err
			}
		}
		service, err := w.kill()
		if err != nil {
			return err
		}
		if err := w.readable(); err != nil {
			return fmt.Errorf("the state cannot be read: %w", err)
		}
		if err := w.remembers(service); err != nil {
			return err
		}
		if err := w.help(); err != nil {
			return err
		}
	}
	return errors.Join(w.rest(), w.check())
}

// remembers holds what is remembered of the schedules against what was before: a slot that is
// begun is a later one than any before it.
func (w *wanderer) remembers(service bool) error {
	led, err := w.ledger()
	if err != nil {
		return err
	}
	var errs []error
	for i, t := range w.timed() {
		now, before := led.Objects[t.addr].Slots[t.action], w.known[i]
		w.known[i] = now
		begun, come := now.Fired-before.Fired, 0
		if at, ok := localTime(now.State.Last); ok {
			was, _ := localTime(before.State.Last)
			come = int(min(at.Sub(was), time.Hour) / every)
		}
		if begun < 0 || begun > come {
			errs = append(errs, fmt.Errorf("%s %s: %d slots were begun, and %d have come, from %s to %s", t.addr, t.action, begun, come, before.State.Last.ID(), now.State.Last.ID()))
		}
	}
	if slices.ContainsFunc(led.Open, scheduled) {
		w.struck++
		if service {
			w.struckServices++
		}
	}
	return errors.Join(errs...)
}

// localTime is that of a slot, which no ageing of the journal changes.
func localTime(s schedule.Slot) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, s.Local); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// scheduled says whether an operation is one of which there is evidence, sooner or later.
func scheduled(o plan.Operation) bool { return !o.Slot.IsZero() }

// change has the file say something else.
func (w *wanderer) change() error {
	switch n := w.rnd.IntN(10); {
	case n < 5:
		w.servers = lists[w.rnd.IntN(len(lists))]
	case n < 7:
		w.version = 1 + w.rnd.IntN(4)
	case n < 8:
		w.port = 443 + w.rnd.IntN(2)
	case n < 9:
		w.secret++
	case w.drives():
		w.port = 443 + w.rnd.IntN(2)
	default:
		// The one in use is named together with the next: it must be known to be in use.
		if err := w.settle(); err != nil {
			return err
		}
		w.before = w.passphrase
		w.passphrase++
	}
	w.note("file: servers %s, key %d, port %d, secret %d, passphrase %d", w.servers, w.version, w.port, w.secret, w.passphrase)
	return w.write()
}

// kill starts the program and kills it after a moment, or at a boundary; service says whether it
// was the service.
func (w *wanderer) kill() (service bool, err error) {
	args, most, boundary := []string{"apply", "--yes", "--test-seconds"}, 150, 0
	switch n := w.rnd.IntN(10); {
	case n < 2:
		service, args, most = true, []string{"run", "--test-seconds", "--interval", "1s", "--web.listen-address", "127.0.0.1:0"}, 1500
		if n == 1 { // a pass that finds nothing to do has some twenty boundaries
			boundary, most = 1+w.rnd.IntN(120), 5000
		}
	case n == 2:
		args, most = append(args, "--wait", "5s"), 1500
	case n < 6:
		most = 600
	}
	moment := time.Duration(w.rnd.IntN(most*1000)) * time.Microsecond
	cmd := w.command(kmagent, args...)
	if boundary > 0 {
		cmd, moment = w.command(killable, args...), time.Duration(most)*time.Millisecond
		cmd.Env = append(os.Environ(), "KMAGENT_CRASH_AT="+strconv.Itoa(boundary))
	}
	started := time.Now()
	r, err := executeFor(cmd, moment)
	if err != nil {
		return service, err
	}
	w.note("%s: %d after %s, boundary %d", args[0], r.code, time.Since(started).Round(time.Millisecond), boundary)
	switch {
	case strings.Contains(r.out, "canary"):
		return service, errors.New("a secret was printed")
	case r.code == -1 && service:
		w.services++
		w.kills++
	case r.code == -1:
		w.kills++
	case r.code == 0 || r.code == 4:
		w.ended++
	default:
		return service, fmt.Errorf("%v exits %d:\n%s", args, r.code, r.out)
	}
	return service, nil
}

// help lets an hour pass, or is the human, where an operation is open that nothing else ends.
func (w *wanderer) help() error {
	stuck := func() (plan.Operation, bool, error) {
		led, err := w.ledger()
		i := slices.IndexFunc(led.Open, func(o plan.Operation) bool { return o.Repeat != resource.Repeatable && !scheduled(o) })
		if err != nil || i < 0 {
			return plan.Operation{}, false, err
		}
		return led.Open[i], true, nil
	}
	o, open, err := stuck()
	if err != nil || !open {
		return err
	}
	if err := w.quiet(); err != nil {
		return err
	}
	r, err := w.apply("--test-seconds") // it may find out by itself
	if err != nil || r.code != 0 && r.code != 4 {
		return errors.Join(err, fmt.Errorf("with %s open, apply exits %d:\n%s", o.Name(), r.code, r.out))
	}
	if o, open, err = stuck(); err != nil || !open {
		return err
	}
	if o.Repeat == resource.Converges {
		// The agent's clock is then an hour ahead of the cluster's, and jobs are no evidence: what
		// is scheduled ends before.
		if led, err := w.ledger(); err != nil || slices.ContainsFunc(led.Open, scheduled) {
			time.Sleep(200 * time.Millisecond)
			return err
		}
		w.aged++
		w.note("an hour passes for %s", o.Name())
		return w.age(61*time.Minute, "slots") // an hour without slots
	}
	h, err := w.holds()
	if err != nil {
		return err
	}
	w.human++
	word := "failed"
	if strings.Contains(h.essence(), phrase(w.passphrase)) {
		word = "succeeded"
	}
	w.note("%s has %s", o.Name(), word)
	r, err = execute(w.command(kmagent, "operations", "resolve", o.Name(), "--outcome", word))
	if err == nil && r.code != 0 {
		err = errors.New(r.out)
	}
	return err
}

// rest lets the schedules have their last slot, and everything come to its end.
func (w *wanderer) rest() error {
	w.rests = true
	if err := w.write(); err != nil {
		return err
	}
	for began := time.Now(); ; {
		if err := w.settle(); err != nil {
			return err
		}
		led, err := w.ledger()
		switch {
		case err != nil || len(led.Open) == 0:
			return err
		case time.Since(began) > 20*time.Second:
			return fmt.Errorf("%s (%s) has no end", led.Open[0].Name(), led.Open[0].Title())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// settle lets everything come to its end.
func (w *wanderer) settle() error {
	var last run
	for range 2 * mostPasses {
		r, err := w.apply("--test-seconds")
		if err != nil {
			return err
		}
		w.note("apply: %d", r.code)
		if r.quietly() {
			return nil
		}
		if r.code != 0 && r.code != 4 {
			return fmt.Errorf("apply exits %d:\n%s", r.code, r.out)
		}
		if r.code == 4 {
			if err := errors.Join(w.quiet(), w.help()); err != nil {
				return err
			}
		}
		last = r
	}
	return fmt.Errorf("it does not come to an end:\n%s", last.out)
}

// check goes through all that was ever sent.
func (w *wanderer) check() error {
	list, err := w.since(0)
	if err != nil {
		return err
	}
	intents, err := w.intents()
	if err != nil {
		return err
	}
	servers, ready, tags := map[string]bool{}, map[string]bool{}, map[string]bool{}
	key, phraseNow := "", ""
	var errs []error
	for _, r := range writes(list) {
		if r.Status >= 300 {
			errs = append(errs, fmt.Errorf("refused: %s", r))
		}
		if intents[r.Method+" "+r.Path]--; intents[r.Method+" "+r.Path] < 0 {
			errs = append(errs, fmt.Errorf("not on record: %s", r))
		}
		if !r.effective() {
			continue
		}
		body, _ := r.Body.(map[string]any)
		name := path.Base(r.Path)
		switch {
		case strings.HasSuffix(r.Path, "/rekey-external"):
			w.rekeys++
			if body["key_id"] == key {
				errs = append(errs, fmt.Errorf("rekeyed twice: %s", r))
			}
			key = body["key_id"].(string)
		case r.Method == "POST" && strings.HasSuffix(r.Path, "/azure-key-vaults"):
			if key != "" {
				errs = append(errs, fmt.Errorf("made twice: %s", r))
			}
			key = body["key_id"].(string)
		case r.Method == "POST" && strings.HasSuffix(r.Path, "/key-servers"):
			w.added++
			if server := body["server"].(string); servers[server] {
				errs = append(errs, fmt.Errorf("added twice: %s", r))
			} else {
				servers[server] = true
			}
		case strings.Contains(r.Path, "/auth-keys"):
			if tag, _ := body["key_tag"].(string); r.Method == "POST" && tags[tag] {
				errs = append(errs, fmt.Errorf("made twice: %s", r))
			} else {
				tags[tag] = true
			}
		case r.Method == "DELETE":
			w.removed++
			delete(servers, name)
			delete(ready, name)
		case r.Method == "PATCH" && body["password"] != nil:
			ready[name] = true
		case body["external"] != nil && r.Method == "POST" && body["svm"] != nil:
			for _, member := range body["external"].(map[string]any)["servers"].([]any) {
				servers[member.(map[string]any)["server"].(string)] = true
			}
		case body["onboard"] != nil:
			next, _ := body["onboard"].(map[string]any)["passphrase"].(string)
			if next == phraseNow {
				errs = append(errs, fmt.Errorf("changed twice: %s", r))
			}
			if phraseNow != "" {
				w.passphrases++
			}
			phraseNow = next
		}
	}
	for name := range strings.FieldsSeq(w.servers) {
		if name += ":5696"; !servers[name] || !ready[name] {
			errs = append(errs, fmt.Errorf("%s is there: %v, with its password: %v", name, servers[name], ready[name]))
		}
		delete(servers, name)
	}
	if len(servers) > 0 {
		errs = append(errs, fmt.Errorf("too many servers: %v", servers))
	}
	if want := fmt.Sprintf("https://v.vault.azure.net/keys/k/%d", w.version); key != want || !w.drives() && phraseNow != phrase(w.passphrase) {
		errs = append(errs, fmt.Errorf("key %s, want %s; passphrase %q, want %q", key, want, phraseNow, phrase(w.passphrase)))
	}
	return errors.Join(append(errs, w.checkSlots(list))...)
}

// checkSlots holds what the cluster took against the slots that there were, and what is
// remembered of them.
func (w *wanderer) checkSlots(list []request) error {
	h, err := w.holds()
	if err != nil {
		return err
	}
	led, err := w.ledger()
	if err != nil {
		return err
	}
	var errs []error
	came := int(time.Since(w.began)/every) + 1
	rekeyed := 0
	for _, t := range w.timed() {
		taken := 0
		for _, r := range list {
			body, _ := r.Body.(map[string]any)
			if r.Method == "POST" && r.effective() && strings.Contains(r.Path, t.in) && strings.HasSuffix(r.Path, t.with) && body["key_tag"] != "nse" {
				taken++
			}
		}
		if t.action == rekeyInternal {
			rekeyed += taken
		}
		s := led.Objects[t.addr].Slots[t.action]
		if taken != s.Done || s.Done+s.Failed != s.Fired || s.Fired+s.Missed > came {
			errs = append(errs, fmt.Errorf("%s %s: of %d slots %d were begun; the cluster took %d; %d are done, %d have failed, %d were missed", t.addr, t.action, came, s.Fired, taken, s.Done, s.Failed, s.Missed))
		}
		w.slots, w.begun, w.missed, w.skipped, w.taken, w.failed = w.slots+came, w.begun+s.Fired, w.missed+s.Missed, w.skipped+s.Skipped, w.taken+taken, w.failed+s.Failed
	}
	if got := int(h.counters()["rekeyed_internal"]); got != rekeyed {
		errs = append(errs, fmt.Errorf("%d rekeys were taken, and the cluster has done %d", rekeyed, got))
	}
	return errors.Join(errs...)
}
