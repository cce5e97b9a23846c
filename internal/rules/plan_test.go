package rules_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

var now = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

// A world is a cluster with an external key manager at the SVM vs, whose servers are ks1 and
// ks2, and what a case makes of it.
type world struct {
	*resource.Cluster
	manager *resource.Object
	secrets plan.Secrets
	known   map[resource.Addr]plan.Remembered
}

func newWorld() world {
	v := resource.Version{Generation: 9, Major: 17, Minor: 1}
	w := world{Cluster: &resource.Cluster{
		Name: "a", Version: v, At: now, Health: true,
		Nodes:   []resource.Node{{Name: "n1", State: "up", Member: true, Version: v}, {Name: "n2", State: "up", Member: true, Version: v}},
		SVMs:    map[string]resource.SVM{"vs": {Name: "vs"}},
		Objects: map[resource.Addr]*resource.Object{}, Keys: &resource.KeyReport{},
	}, secrets: plan.Secrets{}, known: map[resource.Addr]plan.Remembered{}}
	w.certificate("client", "c", "c-1")
	w.certificate("server_ca", "ca", "ca-1")
	w.manager = resource.NewObject(resource.External, resource.Addr{Cluster: "a", Kind: "key_manager", SVM: "vs"})
	w.manager.ID = "m-1"
	set(w.manager, "external.client_certificate", resource.LinkValue(resource.LinkTo{UUID: "c-1"}))
	w.trusts("ca-1")
	w.servers("ks1", "ks2")
	w.Objects[w.manager.Addr] = w.manager
	return w
}

func set(o *resource.Object, field string, v resource.Value) { o.Values[o.Kind.Index(field)] = v }

// certificate installs one at the SVM, and returns it.
func (w world) certificate(typ, name, uuid string) *resource.Object {
	o := resource.NewObject(resource.Certificate, resource.Addr{Cluster: "a", Kind: "certificate", SVM: "vs", Name: name})
	o.ID = uuid
	set(o, "type", resource.Str(typ))
	w.Links = append(w.Links, o)
	return o
}

func (w world) trusts(uuids ...string) {
	var links []resource.LinkTo
	for _, u := range uuids {
		links = append(links, resource.LinkTo{UUID: u})
	}
	set(w.manager, "external.server_ca_certificates", resource.LinkList(links))
}

// servers gives the key manager these servers, each available on every node; one with an
// exclamation mark on none.
func (w world) servers(names ...string) {
	w.manager.Children = nil
	for _, n := range names {
		n, dead := strings.CutSuffix(n, "!")
		o := resource.NewObject(resource.KeyServer, resource.Addr{Cluster: "a", Kind: "key_server", SVM: "vs", Name: n + ":5696"})
		o.ID = o.Addr.Name
		set(o, "server", resource.Str(o.ID))
		state := "available"
		if dead {
			state = "not_responding"
		}
		set(o, "connectivity", resource.NodeStateList([]resource.NodeState{{Node: resource.OtherNodes, State: state}}))
		w.manager.Children = append(w.manager.Children, o)
	}
}

// link returns the only certificate of that name.
func (w world) link(name string) *resource.Object {
	i := slices.IndexFunc(w.Links, func(o *resource.Object) bool { return o.Addr.Name == name })
	return w.Links[i]
}

// A planCase is a file and two worlds: one in which a rule holds back what the file wants,
// or is remarked on, and one in which it just does not.
type planCase struct {
	rule   rules.ID
	lines  string
	breaks func(world)
	want   string // what is held, refused or remarked on, all of it
	holds  func(world)
	why    string
}

var planned = []planCase{
	{rules.KM001, servers("{server: ks1}, {server: ks2}, {server: ks3}, {server: new}"),
		func(w world) { w.servers("ks1", "ks2", "ks3", "ks4") },
		"KM001 held create key_server/vs/new:5696: there are 4 of at most 4 already: one must go first\n" +
			"KM040 held delete key_server/vs/ks4:5696: all 4 places are taken and some node may still reach this one; leave new:5696 out of the list until this one is gone",
		func(w world) { w.servers("ks1", "ks2", "ks3") }, "a full list takes no fifth, even for a moment"},
	{rules.KM002, servers("{server: ks1, secondary_key_servers: [b]}, {server: ks2}"),
		release(9, 11, 0),
		"KM002 refused update key_server/vs/ks1:5696: changing secondary_key_servers needs ONTAP 9.11.1; the cluster runs 9.11",
		release(9, 11, 1), "secondaries came with a patch release"},
	{rules.KM010, "key_managers:\n- {external: {client_certificate: c, server_ca_certificates: [ca], servers: [" + two + "]}}",
		func(w world) { w.atCluster(resource.Onboard) },
		"KM010 refused create key_manager/@cluster: a key manager of type onboard stands here; kmagent does not replace one by another",
		func(w world) { w.atCluster(resource.External) }, "the onboard one is not replaced"},
	{rules.KM011, barbican,
		release(9, 16, 1), "KM011 refused create barbican_kms/vs/b: needs ONTAP 9.17; the cluster runs 9.16.1",
		release(9, 17, 0), "Barbican came with 9.17"},
	{rules.KM020, okm,
		passphrases("old", "new", func(s *plan.SecretState) { s.Err, s.Unfit = errors.New("too short"), true }),
		"KM020 held update key_manager/@cluster: too short",
		passphrases("old", "new", nil), "a passphrase that ONTAP would refuse is not sent"},
	{rules.KM021, okm,
		passphrases("new", "new", nil),
		"KM021 refused update key_manager/@cluster: onboard.existing_passphrase is the same as onboard.passphrase: name the one in use until now (65536150)",
		passphrases("old", "new", nil), "two references may name one secret"},
	{rules.KM022, strict, configs(false, resource.MetroCluster{State: "configured", Mode: "normal"}),
		"KM022 refused update key_manager_config/@cluster: cc_mode_enabled cannot be turned on in a MetroCluster (configured): leave it out",
		configs(false, resource.MetroCluster{State: "not_configured"}), "65536807 is foreseen"},
	{rules.KM022, strict, configs(false, resource.MetroCluster{State: "not_reachable"}),
		"KM022 refused update key_manager_config/@cluster: cc_mode_enabled cannot be turned on in a MetroCluster (not_reachable): leave it out",
		configs(true, resource.MetroCluster{State: "configured"}), "a partner that is away is one; what is on is on"},
	{rules.KM030, servers(two),
		func(w world) { set(w.link("c"), "expiry_time", resource.Str("2027-01-31T11:59:59+00:00")) },
		"KM030 note key_manager/vs: external.client_certificate: c expires on 2027-01-31, in 29 days",
		func(w world) { set(w.link("c"), "expiry_time", resource.Str("2027-01-31T12:00:00+00:00")) }, "thirty days are enough"},
	{rules.KM030, servers(two),
		func(w world) { set(w.link("ca"), "expiry_time", resource.Str("2027-01-01 13:00:00+01:00")) },
		"KM030 note key_manager/vs: external.server_ca_certificates: ca expired on 2027-01-01",
		func(w world) { set(w.link("ca"), "expiry_time", resource.Str("for ever")) }, "some releases write a blank; what cannot be read is no ground"},
	{rules.KM030, servers(two),
		func(w world) { set(w.link("c"), "type", resource.Str("server")) },
		"KM030 refused update key_manager/vs: no certificate of type client called c is installed at SVM vs or the cluster; install it, or correct external.client_certificate",
		func(w world) {}, "a certificate of another type is none"},
	{rules.KM031, strings.Replace(servers(two), "client_certificate: c", "client_certificate: next", 1),
		keys("26:1F", "C5:53"),
		"KM031 note key_manager/vs: external.client_certificate: next has another key than c",
		keys("26:1F", "26:1f"), "the key is what is compared, not how it is written"},
	{rules.KM031, strings.Replace(servers(two), "client_certificate: c", "client_certificate: next", 1),
		keys("26:1F", "C5:53"),
		"KM031 note key_manager/vs: external.client_certificate: next has another key than c",
		keys("", "C5:53"), "nothing is said of a key that ONTAP does not tell"},
	{rules.KM032, servers(two),
		func(w world) { w.dropsCA(); w.servers("ks1!", "ks2") },
		"KM032 held update key_manager/vs: ks1:5696 is not_responding on n1; it may need what is dropped",
		func(w world) { w.dropsCA() }, "a server that is away may be the one that needs it"},
	{rules.KM040, servers(two),
		func(w world) { w.servers("ks1", "ks2!", "old") },
		"KM040 held delete key_server/vs/old:5696: ks2:5696 stays and is not_responding on n1",
		func(w world) { w.servers("ks1", "ks2", "old") }, "the one that goes may be the only one that answers"},
	{rules.KM041, servers(two),
		func(w world) { w.servers("ks1", "ks2", "old"); w.Nodes[1].State = "waiting_for_giveback" },
		"KM041 held delete key_server/vs/old:5696: n2 is waiting_for_giveback: no key server is removed until every node is up and in the cluster",
		func(w world) { w.servers("ks1", "ks2", "old"); w.Nodes[1].State = "degraded" }, "a node that serves with a fault is in quorum"},
	{rules.KM041, servers(two),
		func(w world) { w.servers("ks1", "ks2", "old"); w.Nodes[0].Member = false },
		"KM041 held delete key_server/vs/old:5696: n1 is not a member of the cluster: no key server is removed until every node is up and in the cluster",
		func(w world) { w.servers("ks1", "ks2", "old") }, "a node that joins has no keys yet"},
	{rules.KM042, servers("{server: ks1, timeout: 7}, {server: ks2}"),
		store("switching"), "KM042 held update key_server/vs/ks1:5696: the key store of vs is switching, not active",
		store("blocked"), "a change may be what mends one that is blocked"},
	{rules.KM050, strings.Replace(aws, "key_id: k", "key_id: k2", 1),
		func(w world) {
			amazon(everywhere, onNode2(true))(w)
			w.inCluster("vs")
		},
		"KM050 held act aws_kms/vs: keys of this SVM are in the cluster's key manager (65537547): migrate them first (kmagent key migrate)",
		func(w world) {
			amazon(everywhere, onNode2(true))(w)
			w.inCluster("other")
		}, "those of another SVM may well be there"},
	{rules.KM051, strings.Replace(aws, "key_id: k", "key_id: k2", 1),
		amazon(everywhere, onNode2(false)),
		"KM051 held act aws_kms/vs: the key service is not reachable from n2",
		amazon(everywhere, onNode2(true)), "one node that cannot follow is enough"},
	{rules.KM051, strings.Replace(aws, "key_id: k", "key_id: k2", 1),
		func(w world) { amazon(everywhere, onNode2(true))(w); w.Health = false },
		"KM051 held act aws_kms/vs: reachability was not read in this pass",
		amazon(resource.Value{}, resource.Value{}), "what was not asked is not known; what a release does not tell is no ground"},
	{rules.KM051, strings.Replace(aws, "key_id: k", "key_id: k2", 1),
		amazon(resource.ReachValue(resource.Reach{}), onNode2(true)),
		"KM051 held act aws_kms/vs: the key service is not reachable from the cluster",
		amazon(everywhere, onNode2(true)), "the service itself"},
	{rules.KM060, strings.Replace(servers(two), "svm: vs, ", "", 1),
		func(w world) {
			w.atCluster(resource.External)
			set(w.Objects[resource.Addr{Cluster: "a", Kind: "key_manager"}], "status.code", resource.Int(65537204))
		},
		"KM060 note key_manager/@cluster: status.code: 65537204, ",
		func(w world) {
			w.atCluster(resource.External)
			set(w.Objects[resource.Addr{Cluster: "a", Kind: "key_manager"}], "status.code", resource.Int(65537200))
		}, "65537200 is how ONTAP says that all is well"},
	{rules.KM061, "key_manager_configs: {health_monitor_policy.akv.manage_volume_offline: true}", volumes("akv", false, true),
		"KM061 note key_manager_config/@cluster: manage_volume_offline is on for akv: ONTAP takes encrypted volumes offline when their key manager stays unreachable",
		volumes("akv", false, false), "what is wanted counts, unless nothing watches the key manager"},
	{rules.KM061, "key_manager_configs: {}", volumes("kmip", true, true),
		"KM061 note key_manager_config/@cluster: manage_volume_offline is on for kmip: ONTAP takes encrypted volumes offline when their key manager stays unreachable",
		volumes("kmip", false, true), "what the file does not say is as the cluster has it"},
	{rules.KM061, "key_manager_configs: {health_monitor_policy: {okm: {manage_volume_offline: true, enabled: false}, aws: {manage_volume_offline: false}, gcp.manage_volume_offline: true}}", volumes("aws", true, true),
		"KM061 note key_manager_config/@cluster: manage_volume_offline is on for gcp: ONTAP takes encrypted volumes offline when their key manager stays unreachable",
		func(w world) { volumes("aws", true, true)(w); w.config("health_monitor_policy.gcp.enabled", false) }, "of one type, and not of those that are about to be turned off"},
	{rules.KM080, servers(two),
		func(w world) { w.servers("ks1", "ks2", "old1", "old2") },
		"KM080 held delete key_server/vs/old2:5696: policy.max_deletes lets 1 go in one pass: the next one continues",
		func(w world) { w.servers("ks1", "ks2", "old1") }, "the second waits"},
}

const okm = "key_managers:\n- {onboard: {passphrase: cred:new, existing_passphrase: cred:old}}"

// passphrases gives the cluster an onboard key manager, whose passphrase was last sent as "was",
// and says what the two references name; change may say something else of the new one.
func passphrases(existing, next string, change func(*plan.SecretState)) func(world) {
	return func(w world) {
		w.atCluster(resource.Onboard)
		a := resource.Addr{Cluster: "a", Kind: "key_manager"}
		w.known[a] = plan.Remembered{Secrets: map[string]string{"onboard.passphrase": "old"}, Nodes: []string{""}}
		if existing == next {
			w.known[a] = plan.Remembered{Secrets: map[string]string{"onboard.passphrase": "was"}, Nodes: []string{""}}
		}
		state := plan.SecretState{Digest: next}
		if change != nil {
			change(&state)
		}
		w.secrets[plan.SecretAt{Addr: a, Field: "onboard.passphrase"}] = state
		w.secrets[plan.SecretAt{Addr: a, Field: resource.Proof}] = plan.SecretState{Digest: existing}
	}
}

func release(generation, major, minor int) func(world) {
	return func(w world) {
		w.Version = resource.Version{Generation: generation, Major: major, Minor: minor}
		for i := range w.Nodes {
			w.Nodes[i].Version = w.Version
		}
	}
}

const strict = "key_manager_configs: {cc_mode_enabled: true, passphrase: cred:okm}"

// config sets a boolean among the options that the cluster has once.
func (w world) config(field string, on bool) {
	addr := resource.Addr{Cluster: "a", Kind: "key_manager_config"}
	if w.Objects[addr] == nil {
		w.Objects[addr] = resource.NewObject(resource.Config, addr)
	}
	set(w.Objects[addr], field, resource.Bool(on))
}

func configs(strict bool, metro resource.MetroCluster) func(world) {
	return func(w world) {
		w.config("cc_mode_enabled", strict)
		w.Metro = metro
	}
}

// volumes has ONTAP take volumes offline for a type of key manager, or watch it, or not.
func volumes(typ string, offline, watch bool) func(world) {
	return func(w world) {
		w.config("health_monitor_policy."+typ+".manage_volume_offline", offline)
		w.config("health_monitor_policy."+typ+".enabled", watch)
	}
}

func store(state string) func(world) {
	return func(w world) { w.Stores = []resource.KeyStore{{SVM: "vs", Enabled: true, State: state}} }
}

// amazon gives the SVM a key of AWS KMS in place of the key manager: as the file has it but
// for the key, and reachable like that.
func amazon(all, nodes resource.Value) func(world) {
	return func(w world) {
		delete(w.Objects, w.manager.Addr)
		o := resource.NewObject(resource.AWS, resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "vs"})
		o.ID = "a-1"
		for field, v := range map[string]string{"region": "r", "key_id": "k", "access_key_id": "a"} {
			set(o, field, resource.Str(v))
		}
		set(o, "amazon_reachability", all)
		set(o, "ekmip_reachability", nodes)
		w.Objects[o.Addr] = o
	}
}

var everywhere = resource.ReachValue(resource.Reach{OK: true, Code: "0"})

func onNode2(ok bool) resource.Value {
	return resource.ReachList([]resource.Reach{{Node: "n1", OK: true}, {Node: "n2", OK: ok}})
}

// keys gives the client certificate in use, and one called next, these keys.
func keys(current, next string) func(world) {
	return func(w world) {
		set(w.link("c"), "subject_key_identifier", resource.Str(current))
		set(w.certificate("client", "next", "c-2"), "subject_key_identifier", resource.Str(next))
	}
}

// dropsCA leaves a CA certificate behind that the file does not name any more.
func (w world) dropsCA() {
	w.certificate("server_ca", "old-ca", "ca-2")
	w.trusts("ca-1", "ca-2")
}

// atCluster gives the cluster a key manager of that kind, as the file has it if external.
func (w world) atCluster(k *resource.Kind) {
	o := resource.NewObject(k, resource.Addr{Cluster: "a", Kind: k.Name})
	o.ID = "m-2"
	for _, c := range w.Links {
		c.Addr.SVM = ""
	}
	if k == resource.External {
		copy(o.Values, w.manager.Values)
		for _, c := range w.manager.Children {
			c.Addr.SVM = ""
		}
		o.Children = w.manager.Children
	}
	delete(w.Objects, w.manager.Addr)
	w.Objects[o.Addr] = o
}

// inCluster gives the cluster a key manager that holds a key of an SVM.
func (w world) inCluster(svm string) {
	o := resource.NewObject(resource.Onboard, resource.Addr{Cluster: "a", Kind: "key_manager"})
	o.ID = "okm"
	w.Objects[o.Addr] = o
	w.Keys.Keys = append(w.Keys.Keys, resource.HeldKey{Store: "okm", Node: "n1", ID: "k", Type: "vek", User: svm, Restored: true})
}

func TestPlan(t *testing.T) {
	for _, c := range planned {
		if diff := cmp.Diff(c.want, held(t, c.lines, c.breaks)); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.rule, c.why, diff)
		}
		if got := held(t, c.lines, c.holds); got != "" {
			t.Errorf("%s: %s: what holds is held or remarked on:\n%s", c.rule, c.why, got)
		}
	}
}

// held returns what a plan holds, refuses and remarks on by a rule of the catalogue.
func held(t *testing.T, lines string, change func(world), ignored ...rules.ID) string {
	t.Helper()
	state, err := desired.Parse("f", file(lines))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	change(w)
	p := diff.Compute(diff.Input{Cluster: "a", Want: state.Clusters[0].Objects, Have: w.Cluster, Secrets: w.secrets, Ledger: plan.Ledger{Objects: w.known},
		Policy: diff.Policy{MaxDeletes: 1}, Ignored: ignored, Now: now})
	var out []string
	for _, n := range p.Notes {
		if n.Rule != "" {
			out = append(out, fmt.Sprintf("%s note %s: %s", n.Rule, short(n.Addr), n.Text))
		}
	}
	for _, s := range p.Steps {
		if s.Status != plan.Ready {
			out = append(out, fmt.Sprintf("%s %s %s %s: %s", s.Rule, s.Status, s.Op, short(s.Addr), s.Reason))
		}
	}
	return strings.Join(out, "\n")
}

func short(a resource.Addr) string { return strings.TrimPrefix(a.String(), "a/") }

// A remark can be ignored; what is held or refused cannot.
func TestIgnored(t *testing.T) {
	for _, c := range planned {
		r, _ := rules.Find(c.rule)
		want := c.want
		if strings.Contains(want, " note ") {
			want = ""
		}
		if got := held(t, c.lines, c.breaks, c.rule); got != want {
			t.Errorf("%s, %s, ignored: got %q, want %q", c.rule, r.Severity, got, want)
		}
	}
}
