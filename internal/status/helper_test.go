package status

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

var update = flag.Bool("update", false, "write the golden files anew")

// night is when somebody looks.
var night = time.Date(2026, 11, 25, 3, 12, 0, 0, time.UTC)

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func addr(cluster, kind, svm, name string) resource.Addr {
	return resource.Addr{Cluster: cluster, Kind: kind, SVM: svm, Name: name}
}

// set gives o the value of a field and returns o.
func set(o *resource.Object, field string, v resource.Value) *resource.Object {
	o.Values[o.Kind.Index(field)] = v
	return o
}

func external(cluster, svm string, servers ...*resource.Object) *resource.Object {
	o := resource.NewObject(resource.External, addr(cluster, "key_manager", svm, ""))
	o.Children = servers
	set(o, "status.code", resource.Int(0))
	set(o, "external.client_certificate", resource.LinkValue(resource.LinkTo{UUID: "cert-client"}))
	return set(o, "external.server_ca_certificates", resource.LinkList([]resource.LinkTo{{UUID: "cert-ca"}}))
}

// keyServer returns a key server that is not_responding on the given nodes, and available on
// the others.
func keyServer(cluster, svm, name string, bad ...string) *resource.Object {
	states := []resource.NodeState{{Node: resource.OtherNodes, State: "available"}}
	for _, n := range bad {
		states = append(states, resource.NodeState{Node: n, State: "not_responding"})
	}
	return set(resource.NewObject(resource.KeyServer, addr(cluster, "key_server", svm, name)), "connectivity", resource.NodeStateList(states))
}

func azure(cluster, svm string, reach resource.Reach) *resource.Object {
	o := resource.NewObject(resource.Azure, addr(cluster, "azure_key_vault", svm, ""))
	return set(o, "azure_reachability", resource.ReachValue(reach))
}

func installed(uuid, name, expiry string) *resource.Object {
	o := resource.NewObject(resource.Certificate, addr("", "certificate", "", uuid))
	o.ID = uuid
	set(o, "name", resource.Str(name))
	return set(o, "expiry_time", resource.Str(expiry))
}

func look(at time.Time, objects ...*resource.Object) *resource.Cluster {
	c := &resource.Cluster{
		Name: "ontap1", UUID: "1cd8a442-86d1-11e0-ae1c-123478563412", Version: resource.Version{Generation: 9, Major: 16, Minor: 1},
		Nodes:   []resource.Node{{Name: "node1"}, {Name: "node2"}},
		Objects: map[resource.Addr]*resource.Object{},
		Links:   []*resource.Object{installed("cert-client", "kmip-client", "2026-12-07 10:00:00+00:00"), installed("cert-ca", "kmip-ca", "2031-01-01T00:00:00+00:00")},
		Health:  true, At: at,
	}
	for _, o := range objects {
		c.Objects[o.Addr] = o
	}
	return c
}

// done is a pass that ended at a time.
func done(at time.Time, have *resource.Cluster, steps ...plan.Step) Pass {
	p := Pass{Result: "in_sync", Ended: at, Took: 200 * time.Millisecond, Observed: have, Plan: &plan.Plan{Steps: steps}, Ledger: &plan.Ledger{}, Standing: &plan.Standing{}}
	if len(steps) > 0 {
		p.Result = "blocked"
	}
	return p
}

func failed(at time.Time, kind, text string) Pass {
	return Pass{Result: "failed", Ended: at, Took: time.Second, Err: errors.New(text), ErrorKind: kind}
}

func waits(op plan.Op, g plan.Guard, rule string, a resource.Addr, reason string) plan.Step {
	return plan.Step{Op: op, Status: plan.Held, Guard: g, Rule: rule, Addr: a, Reason: reason, Source: resource.Pos{File: "desired.yaml", Line: 14, Col: 9}}
}

// turns are schedules of each fate, and what is remembered of them.
func turns(cluster string) ([]plan.Turn, *plan.Ledger) {
	ago := func(days int) time.Time { return night.AddDate(0, 0, -days) }
	next := schedule.Turn{Slot: schedule.Slot{Local: "2026-12-01T03:00", Zone: "Europe/Berlin", At: night.AddDate(0, 0, 5)},
		Begin: night.AddDate(0, 0, 5).Add(time.Minute), End: night.AddDate(0, 0, 5).Add(4 * time.Hour)}
	now := schedule.Turn{Slot: schedule.Slot{Local: "2026-11-25T04:00", Zone: "Europe/Berlin", At: night.Add(-12 * time.Minute)},
		Begin: night.Add(-12 * time.Minute), End: night.Add(4 * time.Hour)}
	timing := resource.Timing{Spec: schedule.Spec{Schedule: "0 3 1 * *", Timezone: "Europe/Berlin", MaxAge: 40 * 24 * time.Hour}}
	l := &plan.Ledger{Objects: map[resource.Addr]plan.Remembered{}}
	var out []plan.Turn
	add := func(svm string, due bool, at schedule.Turn, s plan.Slots) {
		a := addr(cluster, "azure_key_vault", svm, "")
		l.Objects[a] = plan.Remembered{Slots: map[string]plan.Slots{"rekey_external": s}}
		out = append(out, plan.Turn{Addr: a, Action: "rekey_external", Due: due, Next: at, Timing: timing})
	}
	add("vs_done", false, next, plan.Slots{Ended: ago(25), Outcome: "applied", Succeeded: ago(25), Skipped: 1})
	add("vs_never", false, next, plan.Slots{Missed: 2})
	add("vs_due", true, now, plan.Slots{Ended: ago(30), Outcome: "applied", Succeeded: ago(30)})
	add("vs_begun", true, now, plan.Slots{State: schedule.State{Last: now.Slot}, Ended: night, Outcome: "applied", Succeeded: night})
	add("vs_sent", true, now, plan.Slots{State: schedule.State{Last: now.Slot}})
	add("vs_failed", false, next, plan.Slots{Ended: ago(1), Outcome: "failed", Why: "its job failed: ONTAP error 65537556", Succeeded: ago(32)})
	add("vs_old", false, schedule.Turn{}, plan.Slots{Ended: ago(50), Outcome: "applied", Succeeded: ago(50)})
	l.Open = []plan.Operation{{ID: "3", Op: plan.Act, Action: "rekey_external", Addr: out[4].Addr, Job: "j-3", At: night.Add(-time.Minute)}}
	return out, l
}

// fleet has a cluster in every state, and everything that there is to tell.
func fleet() *Tracker {
	names := []string{"prod-a", "prod-b", "prod-c", "prod-d", "prod-e", "prod-f", "prod-g", "prod-h", "prod-i", "prod-j"}
	t := NewTracker(Agent{Version: "1.2.3", Commit: "0123456789ab", Started: night.Add(-50 * time.Hour)})
	var list []Declared
	for _, n := range names {
		list = append(list, Declared{Name: n, Mode: "enforce", Interval: time.Minute})
	}
	list[8].Mode = "observe"
	t.Source(Source{File: "/etc/kmagent/desired.yaml", Revision: "3f2a1c0d9e8b7a6f", Loaded: night.Add(-3 * time.Hour)}, list)
	ago := func(d time.Duration) time.Time { return night.Add(-d) }
	plain := func(cluster string) *resource.Cluster {
		return look(ago(20*time.Second), external(cluster, "vs_db", keyServer(cluster, "vs_db", "ks1:5696"), keyServer(cluster, "vs_db", "ks3:5696")))
	}
	fine := func(cluster string) *resource.Cluster {
		c := plain(cluster)
		c.Links = nil
		return c
	}

	ks1, km := addr("prod-a", "key_server", "vs_db", "ks1:5696"), addr("prod-a", "key_manager", "vs_db", "")
	t.Pass("prod-a", done(ago(20*time.Second), fine("prod-a"),
		waits(plan.Delete, plan.Order, "KM040", ks1, "first ks3:5696 must be added and seen available on every node"),
		plan.Step{Op: plan.Update, Status: plan.Refused, Guard: plan.Immutable, Addr: km, Reason: "policy cannot be changed in place"}))

	b := fine("prod-b")
	b.At = ago(47 * time.Minute)
	t.Pass("prod-b", done(ago(47*time.Minute), b))
	t.Pass("prod-b", failed(ago(46*time.Minute), "access", "GET /api/cluster: the cluster refused the credentials (HTTP 401)"))
	t.Pass("prod-b", failed(ago(3*time.Second), "access", "GET /api/cluster: not sent: the cluster refused these credentials before"))

	c := fine("prod-c")
	c.At = ago(9 * time.Minute)
	t.Pass("prod-c", done(ago(9*time.Minute), c))

	lost := done(ago(5*time.Second), fine("prod-d"))
	lost.Ledger = &plan.Ledger{Open: []plan.Operation{
		{ID: "16", Op: plan.Act, Action: "rekey_external", Addr: addr("prod-d", "azure_key_vault", "vs_hr", ""), At: ago(2 * time.Minute), Job: "j-1"},
		{ID: "17", Op: plan.Update, Addr: addr("prod-d", "key_manager", "", ""), At: ago(14 * time.Minute), Lost: true},
	}}
	t.Pass("prod-d", lost)

	t.Pass("prod-e", done(ago(30*time.Second), look(ago(30*time.Second),
		external("prod-e", "vs_db", keyServer("prod-e", "vs_db", "ks1:5696"), keyServer("prod-e", "vs_db", "ks2:5696", "node2")),
		external("prod-e", "vs_web", keyServer("prod-e", "vs_web", "ks1:5696"), keyServer("prod-e", "vs_web", "ks2:5696", "node2")),
		azure("prod-e", "vs_hr", resource.Reach{Code: "65537120", Message: "Azure Key Vault is not configured"}))))

	rested := done(ago(10*time.Second), fine("prod-f"), waits(plan.Update, plan.Paused, "", addr("prod-f", "key_server", "vs_db", "ks1:5696"), "rests"))
	rested.Ledger.Objects = map[resource.Addr]plan.Remembered{
		addr("prod-f", "key_manager", "", ""): {Backup: plan.Backup{At: ago(26 * time.Hour), SHA256: "00"}, Owed: true},
	}
	rested.Standing = &plan.Standing{
		Pauses: []plan.Pause{
			{Given: plan.Given{ID: "p1", Until: night.Add(time.Hour), By: "ann@mgmt1", Reason: "vendor works on the HSMs"}, Cluster: "prod-f"},
			{Given: plan.Given{ID: "p0", Until: ago(time.Hour), By: "ann@mgmt1", Reason: "has run out"}},
		},
		Overrides: []plan.Override{
			{Given: plan.Given{ID: "o2", Until: night.Add(time.Hour), By: "bob@mgmt1", Reason: "ks1 is dead"}, Rule: "floor", Object: "prod-f/key_server/vs_db/ks1:5696"},
			{Given: plan.Given{ID: "o1", Until: night.Add(time.Hour)}, Rule: "floor", Object: "prod-f/x", Used: true},
			{Given: plan.Given{ID: "o3", Until: night.Add(time.Hour)}, Rule: "floor", Object: "other/x"},
		},
	}
	t.Pass("prod-f", rested)

	changed := done(ago(time.Second), fine("prod-h"), plan.Step{Op: plan.Create, Addr: addr("prod-h", "key_server", "vs_db", "ks3:5696")})
	changed.Result, changed.Report = "applied", &plan.Report{Results: []plan.Result{{Step: &changed.Plan.Steps[0], Outcome: plan.Applied}}}
	t.Pass("prod-h", changed)

	t.Pass("prod-i", done(ago(15*time.Second), fine("prod-i"), waits(plan.Create, plan.Mode, "", addr("prod-i", "key_manager", "vs_db", ""), "the file has mode: observe for this cluster")))

	timed := done(ago(40*time.Second), fine("prod-j"))
	timed.Plan.Turns, timed.Ledger = turns("prod-j")
	t.Pass("prod-j", timed)
	return t
}
