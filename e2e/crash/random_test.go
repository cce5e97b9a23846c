package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// wanderers is how many installations are at work side by side in TestMoments.
const wanderers = 16

// The program as it is shipped, once or as a service, is killed at moments of chance while its
// file changes. What it has done in the end is what the file said, each thing once.
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
			w := &wanderer{site: s, rnd: rand.New(rand.NewPCG(*seed, uint64(1000+n)))}
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
	t.Logf("%s, %s of it computing", time.Since(began).Round(time.Second), (computed() - before).Round(time.Second))
}

// Moments are what came of killing at moments of chance.
type moments struct {
	kills, services, ended, aged, human, rekeys, passphrases, added, removed int
}

func (m *moments) add(o moments) {
	m.kills, m.services, m.ended, m.aged, m.human = m.kills+o.kills, m.services+o.services, m.ended+o.ended, m.aged+o.aged, m.human+o.human
	m.rekeys, m.passphrases, m.added, m.removed = m.rekeys+o.rekeys, m.passphrases+o.passphrases, m.added+o.added, m.removed+o.removed
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
	lines := external(strings.Join(servers, ", ")) +
		"  - onboard: {passphrase: cred:okm, existing_passphrase: cred:okm-old}\n" +
		fmt.Sprintf("azure_key_vaults:\n  - {svm: svm2, name: 'https://v.vault.azure.net/', key_id: 'https://v.vault.azure.net/keys/k/%d', client_id: app1, tenant_id: dir1, client_secret: cred:azure, port: %d}\n", w.version, w.port)
	return errors.Join(w.want(lines), w.secrets(map[string]string{"ks": "canary-ks", "azure": fmt.Sprintf("canary-azure-%d", w.secret),
		"okm": phrase(w.passphrase), "okm-old": phrase(w.before)}))
}

func (w *wanderer) wander(kills int) error {
	w.servers, w.version, w.port, w.secret, w.passphrase, w.before = lists[0], 1, 443, 1, 1, 0
	if err := w.write(); err != nil {
		return err
	}
	for w.kills < kills {
		if w.rnd.IntN(2) == 0 {
			if err := w.change(); err != nil {
				return err
			}
		}
		if err := w.kill(); err != nil {
			return err
		}
		if err := w.readable(); err != nil {
			return fmt.Errorf("the state cannot be read: %w", err)
		}
		if err := w.help(); err != nil {
			return err
		}
	}
	return errors.Join(w.settle(), w.check())
}

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

// kill starts the program and kills it after a moment.
func (w *wanderer) kill() error {
	args, most := []string{"apply", "--yes"}, 120
	switch n := w.rnd.IntN(10); {
	case n == 0:
		args, most = []string{"run", "--interval", "1s", "--web.listen-address", "127.0.0.1:0"}, 1500
	case n == 1:
		args, most = []string{"apply", "--yes", "--wait", "5s"}, 1500
	case n < 5:
		most = 500
	}
	moment := time.Duration(w.rnd.IntN(most*1000)) * time.Microsecond
	cmd := w.command(kmagent, args...)
	r, err := executeFor(cmd, moment)
	if err != nil {
		return err
	}
	w.note("%s: %d after %s", args[0], r.code, moment.Round(time.Millisecond))
	switch {
	case strings.Contains(r.out, "canary"):
		return errors.New("a secret was printed")
	case r.code == -1 && args[0] == "run":
		w.services++
		w.kills++
	case r.code == -1:
		w.kills++
	case r.code == 0 || r.code == 4:
		w.ended++
	default:
		return fmt.Errorf("%v exits %d:\n%s", args, r.code, r.out)
	}
	return nil
}

// help lets an hour pass, or is the human, where an operation is open that nothing else ends.
func (w *wanderer) help() error {
	stuck := func() (plan.Operation, bool, error) {
		led, err := w.ledger()
		i := slices.IndexFunc(led.Open, func(o plan.Operation) bool { return o.Repeat != resource.Repeatable })
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
	r, err := w.apply() // it may find out by itself
	if err != nil || r.code != 0 && r.code != 4 {
		return errors.Join(err, fmt.Errorf("with %s open, apply exits %d:\n%s", o.Name(), r.code, r.out))
	}
	if o, open, err = stuck(); err != nil || !open {
		return err
	}
	if o.Repeat == resource.Converges {
		w.aged++
		w.note("an hour passes for %s", o.Name())
		return w.age(61 * time.Minute)
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

// settle lets everything come to its end.
func (w *wanderer) settle() error {
	var last run
	for range 2 * mostPasses {
		r, err := w.apply()
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
	servers, ready := map[string]bool{}, map[string]bool{}
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
		case r.Method == "DELETE":
			w.removed++
			delete(servers, name)
			delete(ready, name)
		case r.Method == "PATCH" && body["password"] != nil:
			ready[name] = true
		case body["external"] != nil && r.Method == "POST":
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
	if want := fmt.Sprintf("https://v.vault.azure.net/keys/k/%d", w.version); key != want || phraseNow != phrase(w.passphrase) {
		errs = append(errs, fmt.Errorf("key %s, want %s; passphrase %q, want %q", key, want, phraseNow, phrase(w.passphrase)))
	}
	return errors.Join(errs...)
}
