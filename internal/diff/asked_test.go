package diff_test

import (
	"strings"
	"testing"
	"time"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// both is a cluster on which SVM vs has a key manager with ks1 and ks2, and the cluster itself
// one with ks1, with the keys of vs in the latter.
func both() *resource.Cluster {
	c := found(server{name: "ks1"}, server{name: "ks2"})
	m := resource.NewObject(resource.External, resource.Addr{Cluster: "a", Kind: "key_manager"})
	m.ID = "km-0"
	m.Children = append(m.Children, server{name: "ks1"}.object(c.Nodes))
	c.Objects[m.Addr] = m
	for i := range c.Nodes {
		c.Nodes[i].UUID = c.Nodes[i].Name + "-uuid"
	}
	c.Stores = []resource.KeyStore{{UUID: "km-0", Enabled: true, State: "active"}, {UUID: "km-1", SVM: "vs", Enabled: true, State: "active"}}
	c.Keys = held("km-0", "vs", "")
	return c
}

// held are two keys of an SVM in a store, on two nodes, of which one may lack the second.
func held(store, svm, lacking string) *resource.KeyReport {
	r := &resource.KeyReport{}
	for _, node := range []string{"n1", "n2"} {
		for _, id := range []string{"k1", "k2"} {
			r.Keys = append(r.Keys, resource.HeldKey{Store: store, Node: node, ID: id, User: svm, Restored: node != lacking || id != "k2"})
		}
	}
	return r
}

func paused(svm string) plan.Standing {
	return plan.Standing{Pauses: []plan.Pause{{Given: plan.Given{ID: "o1", Until: now.Add(time.Hour), By: "ops", Reason: "rest"}, Cluster: "a", SVM: svm}}}
}

// open is an operation of which no answer came.
func open(svm string) plan.Ledger {
	return plan.Ledger{Open: []plan.Operation{{ID: "7", Op: plan.Act, Action: "rekey_internal", Repeat: resource.Never, Lost: true, At: now.Add(-time.Hour),
		Addr: resource.Addr{Cluster: "a", Kind: "key_manager", SVM: svm}}}}
}

func TestRestore(t *testing.T) {
	for _, c := range []struct {
		name string
		ask  diff.Restoring
		have func() *resource.Cluster
		tune func(*diff.Input)
		want string
		why  string
	}{
		{"all", diff.Restoring{SVM: "vs"}, both, func(in *diff.Input) { in.Have.Keys = held("km-1", "vs", "n2") },
			"ready act key_manager/vs\n  POST /km-1/restore map[]\nnote key_manager/vs n2 lacks 1 of 2 keys\n",
			"who lacks what is told before anything is sent"},
		{"nothing is missing", diff.Restoring{}, both, nil,
			"ready act key_manager/@cluster\n  POST /km-0/restore map[]\nnote key_manager/@cluster no node lacks any of 2 keys\n",
			"it is done all the same: it was asked for"},
		{"chosen", diff.Restoring{SVM: "vs", Key: "k1", Tag: "t", Server: "KS1", Node: "n2"}, both, nil,
			"ready act key_manager/vs\n  key_id: \"\" -> \"k1\"\n  key_tag: \"\" -> \"t\"\n  key_server: \"\" -> \"KS1\"\n  node.uuid: \"\" -> \"n2\"\n" +
				"  POST /km-1/restore map[key_id:k1 key_server:ks1:5696 key_tag:t node:map[uuid:n2-uuid]]\n",
			"a server in its one spelling, a node by its UUID"},
		{"no such server", diff.Restoring{SVM: "vs", Server: "ks9"}, both, nil,
			"refused act key_manager/vs [missing] ks9 is no primary key server of it (65536843, 65538500)\n  key_server: \"\" -> \"ks9\"\n",
			"ONTAP would refuse it"},
		{"node away", diff.Restoring{SVM: "vs", Node: "n2"}, both, func(in *diff.Input) { in.Have.Nodes[1].State = "down" },
			"held act key_manager/vs [nodes] n2 is away: it can be given no keys now\n  node.uuid: \"\" -> \"n2\"\n", ""},
		{"another node away", diff.Restoring{SVM: "vs", Node: "n1"}, both, func(in *diff.Input) { in.Have.Nodes[1].State = "down" },
			"ready act key_manager/vs\n  node.uuid: \"\" -> \"n1\"\n  POST /km-1/restore map[node:map[uuid:n1-uuid]]\n",
			"the others may need their keys the more"},
		{"blocked store", diff.Restoring{SVM: "vs"}, both, func(in *diff.Input) { in.Have.Stores[1].State = "blocked" },
			"ready act key_manager/vs\n  POST /km-1/restore map[]\n", "it may be what mends it"},
		{"switching store", diff.Restoring{SVM: "vs"}, both, func(in *diff.Input) { in.Have.Stores[1].State = "switching" },
			"held act key_manager/vs [key_store] the key store of vs is switching, not active\n", "keys are on their way"},
		{"paused", diff.Restoring{SVM: "vs"}, both, func(in *diff.Input) { in.Standing = paused("vs") },
			"held act key_manager/vs [paused] paused by ops until 2026-11-22T04:00:00Z: rest (o1)\n", ""},
		{"paused elsewhere", diff.Restoring{SVM: "vs"}, both, func(in *diff.Input) { in.Standing = paused(resource.ClusterWord) },
			"ready act key_manager/vs\n  POST /km-1/restore map[]\n", ""},
		{"open operation", diff.Restoring{SVM: "vs"}, both, func(in *diff.Input) { in.Ledger = open("vs") },
			"held act key_manager/vs [unsettled] what became of operation a/7 (rekey_internal of a/key_manager/vs, 2026-11-22T02:00:00Z) is not known; look at the cluster, then: kmagent operations resolve a/7 --outcome succeeded|failed\n", ""},
		{"old release", diff.Restoring{SVM: "vs"}, both, func(in *diff.Input) { in.Have.Version = resource.Version{Generation: 9, Major: 12, Minor: 1} },
			"refused act key_manager/vs [version] needs ONTAP 9.13; the cluster runs 9.12.1\n", ""},
		{"no such SVM", diff.Restoring{SVM: "vs9"}, both, nil,
			"refused act key_manager/vs9 [missing] the cluster has no SVM named vs9\n", ""},
		{"no key manager", diff.Restoring{SVM: "other"}, both, nil,
			"refused act key_manager/other [missing] no key manager is in use at other; one of a cloud service is looked for only where the file has one of its kind\n", ""},
		{"in store", diff.Restoring{SVM: "vs"}, both, func(in *diff.Input) { set(in.Have.Objects[vs], "enabled", resource.Bool(false)) },
			"refused act key_manager/vs [missing] no key manager is in use at vs; one of a cloud service is looked for only where the file has one of its kind\n",
			"what is not in use holds no keys"},
		{"onboard", diff.Restoring{}, func() *resource.Cluster { return onboard(found()) }, nil,
			"refused act key_manager/@cluster [immutable] nodes get the keys of an onboard key manager by synchronize, which kmagent sends by itself when a node has come: kmagent apply\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := input(nil, c.have())
			if c.tune != nil {
				c.tune(&in)
			}
			p, err := diff.Restore(in, c.ask)
			if err != nil {
				t.Fatal(err)
			}
			if got := short(p); got != c.want && !strings.HasPrefix(got, c.want+"note ") {
				t.Errorf("%s:\n%s\nwant\n%s", c.why, got, c.want)
			}
		})
	}
}

var vs = resource.Addr{Cluster: "a", Kind: "key_manager", SVM: "vs"}

func onboard(c *resource.Cluster) *resource.Cluster {
	m := resource.NewObject(resource.Onboard, resource.Addr{Cluster: "a", Kind: "key_manager"})
	m.ID = "okm"
	c.Objects[m.Addr] = m
	return c
}

// A cloud service is asked for all or nothing, and that is a mistake of whoever asks.
func TestRestoreOfCloud(t *testing.T) {
	p, err := diff.Restore(input(nil, vaultFound(nil)), diff.Restoring{SVM: "vs"})
	if want := "ready act azure_key_vault/vs\n  POST /api/security/azure-key-vaults/akv-1/restore map[]\n"; err != nil || short(p) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, short(p), want)
	}
	if _, err := diff.Restore(input(nil, vaultFound(nil)), diff.Restoring{SVM: "vs", Key: "k"}); err == nil {
		t.Error("a key may be chosen, and cannot be sent")
	}
}

func TestMigrate(t *testing.T) {
	const moves = "  keys: \"a/key_manager/@cluster\" -> \"a/key_manager/vs\"\n"
	const notes = "note key_manager/@cluster has 2 keys of vs, and loses them by the move\n"
	for _, c := range []struct {
		name  string
		tune  func(*diff.Input)
		guard plan.Guard
		want  string // the reason, or a part of it
		why   string
	}{
		{"node down", func(in *diff.Input) { in.Have.Nodes[1].State = "down" }, plan.Nodes, "n2 is away", "65536968"},
		{"node joins", func(in *diff.Input) { in.Have.Nodes[1].Member = false }, plan.Nodes, "n2 is away", "it would miss them"},
		{"mixed releases", func(in *diff.Input) { in.Have.Nodes[1].Version = resource.Version{Generation: 9, Major: 17} }, plan.Nodes, "an upgrade is under way", ""},
		{"switched over", func(in *diff.Input) {
			in.Have.Metro = resource.MetroCluster{Asked: true, State: "configured", Mode: "switchover"}
		}, plan.Nodes, "the MetroCluster is in the mode switchover", ""},
		{"key lacking at the source", func(in *diff.Input) { in.Have.Keys = held("km-0", "vs", "n2") }, plan.Keys, "n2 lacks 1 keys of this scope", "65537551"},
		{"key lacking at the destination", func(in *diff.Input) {
			in.Have.Keys.Keys = append(in.Have.Keys.Keys, held("km-1", "x", "n1").Keys...)
		}, plan.Keys, "n1 lacks 1 keys of this scope", "both sides"},
		{"keys unknown", func(in *diff.Input) { in.Have.Keys = nil }, plan.Keys, "which keys the nodes have was not read in this pass", ""},
		{"keys unreadable", func(in *diff.Input) { in.Have.Keys = &resource.KeyReport{Err: "no"} }, plan.Keys, "could not be read: no", ""},
		{"source busy", func(in *diff.Input) { in.Have.Stores[0].State = "mixed" }, plan.KeyStore, "the key store of the cluster is mixed, not active", "65537611"},
		{"destination busy", func(in *diff.Input) { in.Have.Stores[1].State = "blocked" }, plan.KeyStore, "the key store of vs is blocked, not active", ""},
		{"stores not read", func(in *diff.Input) { in.Have.Stores = nil }, plan.KeyStore, "the states of the key stores were not read in this pass", ""},
		{"store not listed", func(in *diff.Input) { in.Have.Stores = in.Have.Stores[:1] }, plan.KeyStore, "a/key_manager/vs is not among the key stores in use", ""},
		{"server of the source down", func(in *diff.Input) {
			in.Have.Objects[resource.Addr{Cluster: "a", Kind: "key_manager"}].Children[0] = server{name: "ks1", down: []string{"n2"}}.object(in.Have.Nodes)
		}, plan.Reachability, "a/key_manager/@cluster: ks1:5696 is not_responding on n2", ""},
		{"reachability not read", func(in *diff.Input) { in.Have.Health = false }, plan.Reachability, "reachability was not read in this pass", ""},
		{"the SVM rests", func(in *diff.Input) { in.Standing = paused("vs") }, plan.Paused, "rest (o1)", ""},
		{"the cluster's scope rests", func(in *diff.Input) { in.Standing = paused(resource.ClusterWord) }, plan.Paused, "rest (o1)", "it is about both"},
		{"open in the SVM", func(in *diff.Input) { in.Ledger = open("vs") }, plan.Unsettled, "operation a/7", ""},
		{"open in the cluster's scope", func(in *diff.Input) { in.Ledger = open("") }, plan.Unsettled, "operation a/7", ""},
		{"no destination", func(in *diff.Input) { delete(in.Have.Objects, vs) }, plan.Missing, "no key manager is in use at vs", ""},
		{"no source", func(in *diff.Input) { delete(in.Have.Objects, resource.Addr{Cluster: "a", Kind: "key_manager"}) }, plan.Missing,
			"the other side of the move: no key manager is in use at the cluster", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := input(nil, both())
			c.tune(&in)
			p := diff.Migrate(in, "vs", true)
			if len(p.Steps) != 1 || p.Steps[0].Status == plan.Ready || p.Steps[0].Guard != c.guard || !strings.Contains(p.Steps[0].Reason, c.want) {
				t.Errorf("%s: want held by %s, %q:\n%s", c.why, c.guard, c.want, short(p))
			}
			if want := c.name == "stores not read"; p.WantsStores != want {
				t.Errorf("wants the stores: %t", p.WantsStores)
			}
		})
	}
	p := diff.Migrate(input(nil, both()), "vs", true)
	if want := "ready act key_manager/vs\n" + moves + "  POST /km-0/migrate map[uuid:km-1]\n" + notes; short(p) != want {
		t.Errorf("to the SVM:\n%s\nwant\n%s", short(p), want)
	}
	if s := p.Steps[0]; s.Repeat != resource.Never || s.Beside.SVM != "" || s.Beside.Kind != "key_manager" {
		t.Errorf("it is not sent twice, and is about both scopes: %+v", s)
	}
	have := both()
	have.Keys = held("km-1", "vs", "")
	if p := diff.Migrate(input(nil, have), "vs", true); len(p.Steps) != 0 || !strings.Contains(short(p), "nothing is to be moved") {
		t.Errorf("they are there, and yet:\n%s", short(p))
	}
	if p := diff.Migrate(input(nil, have), "vs", false); !strings.Contains(short(p), "POST /km-1/migrate map[uuid:km-0]") {
		t.Errorf("to the cluster:\n%s", short(p))
	}
}

// A job that is known to be of another operation, or of which there are two, is no evidence for
// one whose answer was lost.
func TestJobOfAnotherOperation(t *testing.T) {
	const request = "POST /api/security/key-managers/km-0/migrate"
	job := func(id string, at time.Time) resource.Job {
		return resource.Job{UUID: id, Description: request, State: "success", Start: at}
	}
	for _, c := range []struct {
		why   string
		jobs  []resource.Job
		known []string
		ends  bool
	}{
		{"the only one is ours", []resource.Job{job("j1", now)}, nil, true},
		{"it began when nothing had set out", []resource.Job{job("j1", now.Add(-time.Hour))}, nil, false},
		{"it was that of the move before", []resource.Job{job("j1", now)}, []string{"j1"}, false},
		{"the other one is ours", []resource.Job{job("j1", now), job("j2", now)}, []string{"j1"}, true},
		{"either may be ours", []resource.Job{job("j1", now), job("j2", now)}, nil, false},
	} {
		in := input(nil, both())
		in.Have.Jobs = c.jobs
		in.Ledger = plan.Ledger{Jobs: c.known, Open: []plan.Operation{{ID: "7", Op: plan.Act, Action: "migrate", Addr: vs, Request: request,
			Repeat: resource.Never, Lost: true, At: now}}}
		if p := diff.Compute(in); (len(p.Settled) == 1) != c.ends {
			t.Errorf("%s: settled %v", c.why, p.Settled)
		}
	}
}
