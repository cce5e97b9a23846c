package diff_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A plan that was made earlier is told from one of now by whatever decides what is sent.
func TestDifferences(t *testing.T) {
	const entry = "{server: ks1, timeout: 30, username: db, password: env:P}"
	ks1 := resource.Addr{Cluster: "a", Kind: "key_server", SVM: "vs", Name: "ks1:5696"}
	at := func(field string) plan.SecretAt { return plan.SecretAt{Addr: ks1, Field: field} }
	base := func(t *testing.T) diff.Input {
		in := input(wanted(t, manager(entry, "{server: ks2}")), found(server{name: "ks1", username: "other"}, server{name: "ks2"}))
		in.Secrets = plan.Secrets{at("password"): {Digest: "d1"}}
		return in
	}
	managerOf := func(in *diff.Input) *resource.Object {
		return in.Have.Objects[resource.Addr{Cluster: "a", Kind: "key_manager", SVM: "vs"}]
	}
	for _, c := range []struct {
		name string
		tune func(*testing.T, *diff.Input)
		want string
		why  string
	}{
		{"nothing", func(*testing.T, *diff.Input) {}, "", ""},
		{"another cluster", func(_ *testing.T, in *diff.Input) { in.Have.UUID = "u2" },
			"a: another cluster answers: its UUID is u2, and the plan is for u\n", ""},
		{"another release", func(_ *testing.T, in *diff.Input) {
			in.Have.Version.Major = 17
			for i := range in.Have.Nodes {
				in.Have.Nodes[i].Version = in.Have.Version
			}
		}, "a: it runs ONTAP 9.17.1, and ran 9.16.1 when the plan was made\n", ""},
		{"object changed in what the plan sets", func(_ *testing.T, in *diff.Input) { set(managerOf(in).Children[0], "timeout", resource.Int(31)) },
			"a/key_server/vs/ks1:5696: the object has changed on the cluster\n", ""},
		{"object changed in what the plan leaves alone", func(_ *testing.T, in *diff.Input) {
			set(managerOf(in).Children[0], "create_remove_timeout", resource.Int(31))
		}, "a/key_server/vs/ks1:5696: the object has changed on the cluster\n", "whoever approved it saw another object"},
		{"reachability changed", func(_ *testing.T, in *diff.Input) {
			set(managerOf(in).Children[0], "connectivity", resource.NodeStateList([]resource.NodeState{{Node: "n1", State: "unknown"}}))
		}, "", "it decides nothing here"},
		{"another object changed", func(_ *testing.T, in *diff.Input) { set(managerOf(in).Children[1], "timeout", resource.Int(31)) }, "", "no step touches it"},
		{"object vanished", func(_ *testing.T, in *diff.Input) { managerOf(in).Children = managerOf(in).Children[1:] },
			"a/key_server/vs/ks1:5696: update is not to be done any more\na/key_server/vs/ks1:5696: create is to be done, and was not in the plan\n", ""},
		{"secret that it sends", func(_ *testing.T, in *diff.Input) { in.Secrets[at("password")] = plan.SecretState{Digest: "d2"} },
			"a/key_server/vs/ks1:5696: password: the secret has changed\n", ""},
		{"file wants another value", func(t *testing.T, in *diff.Input) {
			in.Want = wanted(t, manager(strings.Replace(entry, "30", "40", 1), "{server: ks2}"))
		}, "a/key_server/vs/ks1:5696: timeout is to be another\n", ""},
		{"file wants one more field", func(t *testing.T, in *diff.Input) {
			in.Want = wanted(t, manager(strings.Replace(entry, "30", "30, create_remove_timeout: 20", 1), "{server: ks2}"))
		}, "a/key_server/vs/ks1:5696: create_remove_timeout is to be set too\n", ""},
		{"file names another secret of the same content", func(t *testing.T, in *diff.Input) {
			in.Want = wanted(t, manager(strings.Replace(entry, "env:P", "env:Q", 1), "{server: ks2}"))
		}, "a/key_server/vs/ks1:5696: update would send something else\n", "what is opened is another"},
		{"one step more", func(t *testing.T, in *diff.Input) {
			in.Want = wanted(t, manager(entry, "{server: ks2, timeout: 9}"))
		}, "a/key_server/vs/ks2:5696: update is to be done, and was not in the plan\n", ""},
		{"one step less", func(t *testing.T, in *diff.Input) { in.Want = wanted(t, manager("{server: ks1}", "{server: ks2}")) },
			"a/key_server/vs/ks1:5696: update is not to be done any more\n", ""},
		{"held", func(_ *testing.T, in *diff.Input) {
			in.Standing.Pauses = []plan.Pause{{Given: plan.Given{ID: "o1", Until: now.Add(1)}}}
		}, "a/key_server/vs/ks1:5696: update was ready, and is held [paused]\n", ""},
		{"moved in the file", func(t *testing.T, in *diff.Input) {
			in.Want = wanted(t, "\n# a comment\n"+manager(entry, "{server: ks2}"))
		}, "",
			"where it stands decides nothing; that the file is another one is seen by its digest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := diff.Compute(base(t))
			in := base(t)
			c.tune(t, &in)
			after := diff.Compute(in)
			lines := plan.OutlineOf(&before).Differences(&after)
			got := ""
			if len(lines) > 0 {
				got = strings.Join(lines, "\n") + "\n"
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
			if same := plan.Fingerprint(&before) == plan.Fingerprint(&after); same != (c.want == "") {
				t.Errorf("fingerprints are equal: %v", same)
			}
		})
	}
}

// An object that came, or went, where the plan has a step all the same.
func TestAppearedAndVanished(t *testing.T) {
	plans := func(seen string) plan.Plan {
		return plan.Plan{Cluster: "a", Steps: []plan.Step{{Op: plan.Update, Status: plan.Refused, Addr: resource.Addr{Cluster: "a", Kind: "k"}, Seen: seen}}}
	}
	none, some, other := plans(""), plans("1"), plans("2")
	for _, c := range []struct {
		before, after plan.Plan
		want          []string
	}{
		{none, some, []string{"a/k/@cluster: the object was not there, and is there now"}},
		{some, none, []string{"a/k/@cluster: the object was there, and is not there any more"}},
		{some, other, []string{"a/k/@cluster: the object has changed on the cluster"}},
	} {
		if d := cmp.Diff(c.want, plan.OutlineOf(&c.before).Differences(&c.after)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	twice := plan.Plan{Cluster: "a", Steps: []plan.Step{some.Steps[0], {Op: plan.Delete, Addr: resource.Addr{Cluster: "a", Kind: "l"}}}}
	turned := plan.Plan{Cluster: "a", Steps: []plan.Step{twice.Steps[1], twice.Steps[0]}}
	if d := cmp.Diff([]string{"a: the steps stand in another order"}, plan.OutlineOf(&twice).Differences(&turned)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// A step knows what it rests on, secrets that only go along included.
func TestBound(t *testing.T) {
	ks1 := resource.Addr{Cluster: "a", Kind: "key_server", SVM: "vs", Name: "ks1:5696"}
	in := input(wanted(t, manager("{server: ks1, username: db, password: env:P}", "{server: ks3}")), found(server{name: "ks1", username: "other"}))
	in.Secrets = plan.Secrets{{Addr: ks1, Field: "password"}: {Digest: "d1"}}
	in.Ledger.Objects = map[resource.Addr]plan.Remembered{ks1: {Secrets: map[string]string{"password": "d1"}}}
	p := diff.Compute(in)
	if len(p.Steps) != 2 || p.UUID != "u" || p.Release != "9.16.1" {
		t.Fatalf("plan of %s %s: %s", p.UUID, p.Release, short(p))
	}
	add, change := p.Steps[0], p.Steps[1]
	if add.Seen != "" || add.Secrets != nil {
		t.Errorf("what is not there was seen: %q, %v", add.Seen, add.Secrets)
	}
	if d := cmp.Diff(map[string]string{"password": "d1"}, change.Secrets); d != "" || change.Seen == "" {
		t.Errorf("a password that goes with its user (-want +got)\n%s", d)
	}
}

// The digest of an object does not depend on the order in which a cluster tells it.
func TestSeen(t *testing.T) {
	object := func(ids ...string) *resource.Object {
		var list []server
		for _, id := range ids {
			list = append(list, server{name: id, secondary: []string{"x", "y"}})
		}
		return found(list...).Objects[resource.Addr{Cluster: "a", Kind: "key_manager", SVM: "vs"}]
	}
	base := plan.Seen(object("ks1", "ks2"))
	cas := func(ids ...string) *resource.Object {
		o := object("ks1", "ks2")
		var links []resource.LinkTo
		for _, id := range ids {
			links = append(links, resource.LinkTo{UUID: id, Name: "n"})
		}
		set(o, "external.server_ca_certificates", resource.LinkList(links))
		return o
	}
	for _, c := range []struct {
		name string
		o    *resource.Object
		same bool
	}{
		{"again", object("ks1", "ks2"), true},
		{"children in another order", object("ks2", "ks1"), true},
		{"name of a link", cas("ca-1"), true},
		{"one child less", object("ks1"), false},
		{"another child", object("ks1", "ks3"), false},
		{"another link", cas("ca-2"), false},
		{"nothing there", nil, false},
	} {
		if got := plan.Seen(c.o); (got == base) != c.same {
			t.Errorf("%s: the same is %v", c.name, got == base)
		}
	}
	if plan.Seen(cas("ca-1", "ca-2")) != plan.Seen(cas("ca-2", "ca-1")) {
		t.Error("the order of a list without order counts")
	}
	turned := object("ks1", "ks2")
	set(turned.Children[0], "secondary_key_servers", resource.StrList([]string{"y", "x"}))
	if plan.Seen(turned) == base {
		t.Error("the order of a list with an order does not count")
	}
	id := object("ks1", "ks2")
	id.ID = "made anew"
	if plan.Seen(id) == base {
		t.Error("an object made anew is the same")
	}
	if plan.Seen(nil) != "" {
		t.Error("what is not there has a digest")
	}
}
