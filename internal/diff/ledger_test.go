package diff_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

var ks1 = resource.Addr{Cluster: "a", Kind: "key_server", SVM: "vs", Name: "ks1:5696"}

// What no GET tells decides about secrets.
func TestSecrets(t *testing.T) {
	file := manager("{server: ks1, username: u, password: env:P}")
	at := plan.SecretAt{Addr: ks1, Field: "password"}
	send := "  PATCH /km-1/key-servers/ks1%3A5696 map[password:env:P username:u]\n"
	change := "ready update key_server/vs/ks1:5696\n  password: \"[secret]\" -> \"[secret]\"\n" + send
	for _, c := range []struct {
		name  string
		known plan.Remembered
		state plan.SecretState
		again bool
		have  server
		want  string
		why   string
	}{
		{"first contact", plan.Remembered{}, plan.SecretState{Digest: "d1"}, false, server{name: "ks1", username: "u"},
			"note key_server/vs/ks1:5696 password is taken to be current, since the object was there before us; apply --resend-secrets sends it\n",
			"nobody knows what is there, and what works is not touched"},
		{"the same", plan.Remembered{Secrets: map[string]string{"password": "d1"}}, plan.SecretState{Digest: "d1"}, false, server{name: "ks1", username: "u"}, "", ""},
		{"rotated", plan.Remembered{Secrets: map[string]string{"password": "d0"}}, plan.SecretState{Digest: "d1"}, false, server{name: "ks1", username: "u"}, change, ""},
		{"created by us and not sent yet", plan.Remembered{Created: true}, plan.SecretState{Digest: "d1"}, false, server{name: "ks1", username: "u"}, change,
			"killed between the POST and the PATCH"},
		{"sent again on demand", plan.Remembered{Secrets: map[string]string{"password": "d1"}}, plan.SecretState{Digest: "d1"}, true, server{name: "ks1", username: "u"}, change, ""},
		{"user name changed", plan.Remembered{Secrets: map[string]string{"password": "d1"}}, plan.SecretState{Digest: "d1"}, false, server{name: "ks1", username: "old"},
			"ready update key_server/vs/ks1:5696\n  username: \"old\" -> \"u\"\n" + send, "65536846: a user name goes with its password"},
		{"cannot be read", plan.Remembered{}, plan.SecretState{Err: errors.New("env:P is not set")}, false, server{name: "ks1", username: "u"},
			"held update key_server/vs/ks1:5696 [secret] env:P is not set\n  password: \"[secret]\" -> \"[secret]\"\n", "never an empty secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := input(wanted(t, file), found(c.have))
			in.Ledger.Objects = map[resource.Addr]plan.Remembered{ks1: c.known}
			in.Secrets = plan.Secrets{at: c.state}
			in.Resend = c.again
			if d := cmp.Diff(c.want, short(diff.Compute(in))); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
		})
	}
}

// Two reversals within an hour stop writes to the object.
func TestFlap(t *testing.T) {
	file := manager("{server: ks1, timeout: 30}")
	first := diff.Compute(input(wanted(t, file), found(server{name: "ks1", timeout: 25}))).Steps[0]
	sent := func(ages ...time.Duration) plan.Remembered {
		var r plan.Remembered
		for _, a := range ages {
			r.Sent = append(r.Sent, plan.Sent{Wish: first.Wishes[0], At: now.Add(-a)})
		}
		return r
	}
	for _, c := range []struct {
		name   string
		known  plan.Remembered
		status plan.Status
		notes  int
	}{
		{"never sent", sent(), plan.Ready, 0},
		{"undone once", sent(10 * time.Minute), plan.Ready, 1},
		{"undone twice", sent(30*time.Minute, 10*time.Minute), plan.Held, 0},
		{"undone twice, once long ago", sent(time.Hour, 10*time.Minute), plan.Ready, 1},
		{"set back by a clock that jumped", sent(-time.Minute, -time.Hour), plan.Ready, 0},
	} {
		in := input(wanted(t, file), found(server{name: "ks1", timeout: 25}))
		in.Ledger.Objects = map[resource.Addr]plan.Remembered{ks1: c.known}
		p := diff.Compute(in)
		if s := p.Steps[0]; s.Status != c.status || len(p.Notes) != c.notes || s.Status == plan.Held && s.Guard != plan.Flap {
			t.Errorf("%s: %s", c.name, short(p))
		}
	}
}

// When the file itself changes its mind, nobody undid anything.
func TestChangedMindIsNoFlap(t *testing.T) {
	var r plan.Remembered
	have := server{name: "ks1", timeout: 25}
	for i, timeout := range []string{"30", "40", "30", "40", "30"} {
		in := input(wanted(t, manager("{server: ks1, timeout: "+timeout+"}")), found(have))
		in.Now = now.Add(time.Duration(i) * time.Minute)
		in.Ledger.Objects = map[resource.Addr]plan.Remembered{ks1: r}
		p := diff.Compute(in)
		if p.Steps[0].Status != plan.Ready || len(p.Notes) > 0 {
			t.Fatalf("change %d: %s", i, short(p))
		}
		r = r.WithSent(p.Steps[0].Wishes, in.Now)
		have.timeout = p.Steps[0].Changes[0].New.Int()
	}
}

// Dropping an old CA waits until every server is seen to work with both.
func TestShrinkIsGuarded(t *testing.T) {
	both := resource.LinkList([]resource.LinkTo{{UUID: "ca-1", Name: "kmip-ca"}, {UUID: "ca-2", Name: "ca-2"}})
	for _, c := range []struct{ down, want string }{
		{"", "ready update key_manager/vs"},
		{"n2", "held update key_manager/vs [reachability] ks1:5696 is not_responding on n2; it may need what is dropped"},
	} {
		s := server{name: "ks1"}
		if c.down != "" {
			s.down = []string{c.down}
		}
		have := found(s)
		for _, m := range have.Objects {
			set(m, "external.server_ca_certificates", both)
		}
		p := diff.Compute(input(wanted(t, strings.Replace(manager("{server: ks1}"), "[kmip-ca]", "[ca-2]", 1)), have))
		if got, _, _ := strings.Cut(short(p), "\n"); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// What a cheap pass cannot decide asks for a look at reachability.
func TestWantsHealth(t *testing.T) {
	have := found(server{name: "ks1"}, server{name: "ks2"})
	have.Health = false
	if p := diff.Compute(input(wanted(t, manager("{server: ks1}")), have)); !p.WantsHealth {
		t.Errorf("a removal is decided without reachability:\n%s", short(p))
	}
	if p := diff.Compute(input(wanted(t, manager("{server: ks1}", "{server: ks2}")), have)); p.WantsHealth {
		t.Error("reachability is read although nothing waits for it")
	}
}

// Equal inputs give equal plans, whatever the order of sets in the file.
func TestOrderSaysNothing(t *testing.T) {
	have := func() *resource.Cluster {
		return found(server{name: "ks1"}, server{name: "ks2"}, server{name: "ks9"})
	}
	a := diff.Compute(input(wanted(t, manager("{server: ks3}", "{server: ks2, timeout: 3}", "{server: ks1, timeout: 4}")), have()))
	b := diff.Compute(input(wanted(t, manager("{server: ks1, timeout: 4}", "{server: ks3}", "{server: ks2, timeout: 3}")), have()))
	if d := cmp.Diff(short(a), short(b)); d != "" {
		t.Errorf("the order of servers changes the plan\n%s", d)
	}
}
