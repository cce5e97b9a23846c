package ontapsim

import (
	"slices"
	"strings"
	"testing"
)

var keyIDDocumented = map[string][]int{"GET key-ids": {65537125}}

func TestCodesOfKeyIDs(t *testing.T) {
	checkCodes(t, keyIDDocumented, nil, []provocation{
		{table: "GET key-ids", code: 65537125, path: managersPath + "/00000000-0000-0000-0000-00000000dead/keys/*/key-ids"},
	})
}

// column is the values of one field of the records of an answer.
func (k *caller) column(path, field string) []string {
	k.t.Helper()
	list, _ := k.must("GET", path, "").list("records")
	var out []string
	for _, v := range list {
		s, _ := v.(object).text(field)
		out = append(out, s)
	}
	return out
}

// distinct is how many values differ.
func distinct(values []string) int {
	slices.Sort(values)
	return len(slices.Compact(values))
}

func TestAKeyOnANode(t *testing.T) {
	k := newCaller(t, Config{SVMs: []string{"vs1"}, Nodes: 1})
	k.accept = "*/*"
	m := k.external("vs1", "ks1")
	k.world(`{"volumes":{"vs1":{"encrypted":1}},"missing_keys":{"node1":["vek"]}}`)
	node := k.c.state.Nodes[0].UUID
	keys := m + "/keys/" + node + "/key-ids"
	id := k.column(keys+"?key_type=vek", "key_id")[0]
	ids := strings.NewReplacer(strings.TrimPrefix(m, managersPath+"/"), "U", node, "N", k.c.state.SVMs[0].UUID, "S", id, "K",
		k.column(keys+"?key_type=vek&fields=key_tag", "key_tag")[0], "T")
	_, got := k.text("GET", keys+"/"+id, "")
	want := `{"security_key_manager":{"uuid":"U"},"node":{"uuid":"N","name":"node1","_links":{"self":{"href":"/api/cluster/nodes/N"}}},` +
		`"key_id":"K","scope":"svm","svm":{"uuid":"S","name":"vs1","_links":{"self":{"href":"/api/svm/svms/S"}}},` +
		`"key_type":"vek","key_store":"external","key_store_type":"kmip","key_manager":"ks1:5696","key_user":"vs1",` +
		`"restored":false,"encryption_algorithm":"XTS-AES-256","key_server":"ks1:5696","key_tag":"T",` +
		`"_links":{"self":{"href":"/api/security/key-managers/U/keys/N/key-ids/K"}}}`
	if got = ids.Replace(got); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// Which keys a manager holds follows from the world.
func TestKeysOfAManager(t *testing.T) {
	cases := []struct {
		why, world, query string
		cluster, svm      int // records of the cluster's manager, and of that of svm1
	}{
		{"without encrypted volumes there are no keys", `{}`, "", 0, 0},
		{"an SVM has its own key and one of each volume, on each of two servers and seen by each of two nodes", `{"volumes":{"svm1":{"encrypted":2}}}`, "", 0, 12},
		{"its keys can be in the cluster's manager", `{"volumes":{"svm1":{"encrypted":2,"keys_in":"cluster"}}}`, "", 12, 0},
		{"as those of the admin SVM always are", `{"volumes":{"cluster":{"encrypted":1}}}`, "", 8, 0},
		{"and those of aggregates", `{"aggregates":{"nae":3}}`, "key_type=aek", 12, 0},
		{"the world may name what servers hold", `{"holds_keys":{"ks1":["a","b"],"ks2":["a"]}}`, "", 6, 6},
		{"one server holds a key that another does not", `{"holds_keys":{"ks1":["a","b"],"ks2":["a"]}}`, "key_tag=b&key_server=ks1:5696", 2, 2},
		{"so that it is not found there", `{"holds_keys":{"ks1":["a","b"],"ks2":["a"]}}`, "key_tag=b&key_server=ks2:5696", 0, 0},
		{"a node that misses keys", `{"volumes":{"svm1":{"encrypted":2}},"missing_keys":{"node2":["*"]}}`, "restored=false", 0, 6},
		{"a node that misses keys of a type", `{"volumes":{"svm1":{"encrypted":2}},"missing_keys":{"node2":["svm_kek"]}}`, "restored=false", 0, 2},
	}
	for _, c := range cases {
		k := newCaller(t, Config{})
		m, s := k.external("", "ks1", "ks2"), k.external("svm1", "ks1", "ks2")
		k.world(c.world)
		for _, each := range []struct {
			path string
			want int
		}{{m, c.cluster}, {s, c.svm}} {
			for _, all := range everyNode {
				if got := len(k.column(each.path+"/keys/"+all+"/key-ids?"+c.query, "key_id")); got != each.want {
					t.Errorf("%s: %s: got %d records, want %d", c.why, each.path, got, each.want)
				}
			}
		}
	}
}

// The onboard key manager holds keys on the nodes themselves; a node that is not
// synchronized has none.
func TestOnboardKeys(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.onboard()
	k.world(`{"volumes":{"svm1":{"encrypted":1}},"drives":{"authentication_keys":2},"nodes":{"node2":{"onboard":"missing"}}}`)
	keys := m + "/keys/*/key-ids"
	if got := distinct(k.column(keys, "key_id")); got != 4 {
		t.Errorf("got %d keys, want an SVM's, a volume's and two of drives", got)
	}
	if got := k.column(keys+"?restored=false&key_store=onboard&key_store_type=okm&key_manager=onboard&key_server=null&key_type=vek", "node.name"); !slices.Equal(got, []string{"node2"}) {
		t.Errorf("the key of a volume is missing on %q, want node2", got)
	}
	k.must("PATCH", m, `{"onboard":{"existing_passphrase":"`+secretOne+`","synchronize":true}}`)
	if got := k.column(keys+"?restored=false", "node.name"); len(got) != 0 {
		t.Errorf("after a synchronization keys are missing on %q", got)
	}
}

// Keys that stand in several records are not lost or repeated between pages.
func TestPagesOfKeys(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("svm1", "ks1", "ks2")
	k.world(`{"volumes":{"svm1":{"encrypted":4}}}`)
	for _, limit := range []string{"1", "3", "20", "100"} {
		path, got := m+"/keys/*/key-ids?fields=node.name,key_server&max_records="+limit, []string{}
		for path != "" && len(got) <= 20 {
			o := k.must("GET", path, "")
			list, _ := o.list("records")
			for _, v := range list {
				got = append(got, string(appendJSON(nil, v)))
			}
			path, _ = o.text("_links.next.href")
		}
		if len(got) != 20 || distinct(got) != 20 {
			t.Errorf("pages of %s: got %d records, want 20 different ones", limit, len(got))
		}
	}
}

func TestKeysInAnotherOrder(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("svm1", "ks1")
	k.world(`{"volumes":{"svm1":{"encrypted":2}}}`)
	got := k.column(m+"/keys/*/key-ids?order_by=node.name%20desc,key_type", "node.name")
	if want := []string{"node2", "node2", "node2", "node1", "node1", "node1"}; !slices.Equal(got, want) {
		t.Errorf("got the nodes %q, want %q", got, want)
	}
}

func TestKeysOfNoNode(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	for path, want := range map[string]string{
		"/keys/node1/key-ids":                             "404 4",
		"/keys/" + k.c.state.Nodes[0].UUID + "/key-ids/x": "404 4",
		"/keys/" + k.c.state.Nodes[0].UUID + "/key-ids":   "200",
	} {
		if got := k.code("GET", m+path, ""); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got := k.code("DELETE", m+"/keys/*/key-ids?key_tag=x", ""); got != "405 3" {
		t.Errorf("keys cannot be removed: got %s, want 405 3", got)
	}
}
