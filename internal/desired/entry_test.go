package desired

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/resource"
)

// Two kinds that share a section, with what the tables can say and no kind of today needs.
var (
	vault = &resource.Kind{
		Name: "vault", Section: "vaults", Selector: "azure", Identity: "azure.name", Scopes: resource.SVMScope,
		Fields: []resource.Field{
			{Name: "azure.name", Type: resource.String, Flags: resource.Required | resource.Create, Min: 3, Max: 5, Doc: "The name."},
			{Name: "azure.proxy.type", Type: resource.String, Flags: resource.Create, Enum: []string{"http", "https"}},
			{Name: "azure.proxy.port", Type: resource.Integer, Flags: resource.Create, Min: 1, Max: 65535},
			{Name: "azure.verify", Type: resource.Boolean, Flags: resource.Create},
			{Name: "azure.scopes", Type: resource.Strings, Flags: resource.Create, Enum: []string{"r", "w"}, Min: 1},
			{Name: "azure.count", Type: resource.Integer, Flags: resource.Create},
		},
	}
	store = &resource.Kind{
		Name: "store", Section: "vaults", Selector: "store", Scopes: resource.ClusterScope,
		Fields: []resource.Field{{Name: "store.secret", Type: resource.Secret, Flags: resource.Create}},
	}
)

// entryFaults reads one entry of a section with the kinds.
func entryFaults(text string, kinds ...*resource.Kind) (*resource.Object, string) {
	log := &faultLog{file: "f"}
	d := &decoder{faultLog: log}
	e, ok := d.entry(place{node: parseTree(log, []byte(text)), path: "vaults[0]"}, "a", kinds)
	if err := log.faults(); err != nil {
		return nil, err.Error()
	}
	if !ok {
		return nil, "no entry and no fault"
	}
	return e.object, ""
}

func TestEntryOfAnyKind(t *testing.T) {
	for _, c := range []struct{ text, want, why string }{
		{"{svm: v, azure: {name: abc}}", "", "an SVM's"},
		{"{store: {}}", "", "a cluster's"},
		{"{azure: {name: abc}}", "f:1:1: vaults[0].svm: missing: an object of this kind belongs to an SVM [KM011]", "an SVM's without one"},
		{"{svm: v, store: {}}", "f:1:7: vaults[0].svm: an object of this kind belongs to the cluster; leave svm out", "a cluster's with an SVM"},
		{"{svm: [], azure: {name: abc}}", "f:1:7: vaults[0].svm: must be a single value, not a list ([a, b])", "no name of an SVM"},
		{"{svm: v}", "f:1:1: vaults[0]: must have exactly one of [azure store], with {} if there is nothing to say of it", "of no kind"},
		{"{azure: {name: abc}, store.secret: cred:x}", "f:1:1: vaults[0]: has azure and store; an entry has exactly one of [azure store]", "of two kinds"},
		{"{svm: v, azure: {}, state: absent}", "f:1:1: vaults[0].azure.name: missing: The name.", "even an absent one has its identity"},
		{"{svm: v, azure: {name: ''}}", "f:1:24: vaults[0].azure.name: must not be empty; leave the key out if there is nothing to say", "an empty identity"},
		{"{svm: v, azure: {name: ab}}", "f:1:24: vaults[0].azure.name: has 2 characters; write 3 to 5", "too short"},
		{"{svm: v, azure: {name: ééééé}}", "", "characters are counted, not bytes"},
		{"{svm: v, azure: {name: abc, proxy: {type: socks}}}", `f:1:43: vaults[0].azure.proxy.type: "socks" is not one of [http https]`, "a word that is not in the list"},
		{"{svm: v, azure: {name: abc, proxy.type: http}, azure.proxy: {port: 1}}", "", "each level nested or dotted"},
		{"{svm: v, azure: {name: abc, proxy: {type: http}}, azure.proxy.type: http}", "f:1:51: vaults[0].azure.proxy.type: already set at line 1", "once in whichever spelling"},
		{"{svm: v, azure: {name: abc, proxy: http}}", "f:1:36: vaults[0].azure.proxy: must be a mapping ({key: value}, or {} for none), not a single value", "a level without its keys"},
		{"{svm: v, azure: {name: abc, prox: {}}}", `f:1:29: vaults[0].azure: unknown key "prox"; did you mean proxy?`, "the levels are known words too"},
		{"{svm: v, azure: {name: abc, verify: true, count: -7}}", "", "a boolean and an integer without limits"},
		{"{svm: v, azure: {name: abc, verify: yes}}", `f:1:37: vaults[0].azure.verify: "yes" is not a boolean; write true`, "YAML 1.1"},
		{"{svm: v, azure: {name: abc, verify: Off}}", `f:1:37: vaults[0].azure.verify: "Off" is not a boolean; write false`, "YAML 1.1"},
		{"{svm: v, azure: {name: abc, verify: 'true'}}", `f:1:37: vaults[0].azure.verify: "true" is a text; write true without quotes`, "quotes make a text"},
		{"{svm: v, azure: {name: abc, verify: 1}}", `f:1:37: vaults[0].azure.verify: "1" is not a boolean; write true or false`, "a number"},
		{"{svm: v, azure: {name: abc, verify: []}}", `f:1:37: vaults[0].azure.verify: must be a single value, not a list ([a, b])`, "a list"},
		{"{svm: v, azure: {name: abc, scopes: []}}", "f:1:37: vaults[0].azure.scopes: has 0 members; write 1 or more", "a least length without a greatest"},
		{"{svm: v, azure: {name: abc, scopes: [r, x]}}", `f:1:41: vaults[0].azure.scopes[1]: "x" is not one of [r w]`, "a member that is not in the list"},
	} {
		o, got := entryFaults(c.text, vault, store)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.text, c.why, diff)
		}
		if got == "" && o.Kind.Identity != "" && o.Addr.Name != o.Value(o.Kind.Identity).Str() {
			t.Errorf("%s: the address is %s", c.text, o.Addr)
		}
	}
}

func TestEntryOfOnlyKind(t *testing.T) {
	key := &resource.Kind{Name: "auth_key", Section: "auth_keys", Identity: "key_tag", Scopes: resource.ClusterScope,
		Fields: []resource.Field{{Name: "key_tag", Type: resource.String, Flags: resource.Required | resource.Create}}}
	o, faults := entryFaults("{key_tag: 0123, state: absent}", key)
	if faults != "" {
		t.Fatal(faults)
	}
	if want := (resource.Addr{Cluster: "a", Kind: "auth_key", Name: "0123"}); o.Addr != want || !o.Absent {
		t.Errorf("%s, absent %t; want %s, true", o.Addr, o.Absent, want)
	}
}

// An identity that a section has twice is reported where the second stands.
func TestSameIdentity(t *testing.T) {
	log := &faultLog{file: "f"}
	d := &decoder{faultLog: log}
	list := place{node: parseTree(log, []byte("- {svm: v, azure.name: abc}\n- azure: {name: abc}\n  svm: v\n")), path: "vaults"}
	first, _ := d.entry(list.at(0), "a", []*resource.Kind{vault})
	second, _ := d.entry(list.at(1), "a", []*resource.Kind{vault})
	if first.object.Addr != second.object.Addr {
		t.Fatalf("%s and %s", first.object.Addr, second.object.Addr)
	}
	d.sameObject(second, first)
	if got, want := log.faults().Error(), "f:2:17: vaults[1].azure.name: same azure.name as line 1 (abc)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
