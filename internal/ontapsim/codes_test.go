package ontapsim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// documented are the codes of the tables of the ONTAP REST reference, by resource and verb.
var documented = map[string][]int{
	"POST key-managers": {
		262224, 262228, 65536038, 65536214, 65536216, 65536310, 65536341, 65536508, 65536821, 65536822,
		65536823, 65536824, 65536834, 65536852, 65536870, 65536871, 65536876, 65536878, 65536895, 65536900,
		65536903, 65536906, 65536907, 65536916, 65536920, 65537240, 65537241, 65537244, 65537245, 65537246,
		65537247, 65537248, 65538111, 65538120, 65539216, 65539221, 65539500, 65539501, 65539503, 65539504,
		65539511, 65539512, 65539580, 65539581, 65539582, 65539704, 65539706, 66060338, 66060339, 66060340,
	},
	"PATCH key-managers": {
		65536139, 65536150, 65536404, 65536406, 65536407, 65536802, 65536821, 65536828, 65536850, 65536852,
		65536917, 65537242, 65537243, 65538120, 65539586, 66060338, 66060339, 66060340,
	},
	"DELETE key-managers": {
		65536208, 65536233, 65536234, 65536239, 65536242, 65536243, 65536800, 65536813, 65536817, 65536827,
		65536828, 65536867, 65540011, 65540013, 196608301, 196608305,
	},
	"GET key-managers": {65536894, 65537201, 65537202, 65537203, 65537204},
	"POST key-servers": {
		65536038, 65536042, 65536600, 65536821, 65536822, 65536824, 65536828, 65536834, 65536852, 65536870,
		65536871, 65536921, 66060338, 66060339, 66060340, 66060341,
	},
	"PATCH key-servers": {
		65536600, 65536822, 65536824, 65536828, 65536843, 65536845, 65536846, 65536880, 65536921, 65537002,
		65537400, 65538407, 65538408, 65538413, 65538502, 65538503,
	},
	"DELETE key-servers": {65536600, 65536700, 65536822, 65536824, 65536828, 65536843},
}

// unreachable are the codes that no state of the world provokes, and why.
var unreachable = map[string]string{
	"PATCH key-managers 65538120": "policy is create-only: 262196 answers first",
}

// A provocation is a state of the world and a call that together have one code. In paths,
// {m} and {s} are external key managers with the servers ks1 and ks2 of the cluster and of
// svm1, {o} is the onboard one, {i} is an inactive one. Those that setup names are made
// before the world changes.
type provocation struct {
	table  string
	code   int
	ontap  string // "" is 9.16.1
	setup  string
	world  string
	path   string // "" is the collection of key managers
	body   string
	status bool                                    // the code is that of status.code, not of an error
	more   func(k *caller, made map[string]string) // what setup names beyond the key managers
	at     string                                  // dotted name of where the answer has the code; "": of an error
}

const (
	clusterExternal = `{"external":{"client_certificate":{"name":"kmip-client"},"server_ca_certificates":[{"name":"kmip-ca"}],"servers":[{"server":"ks1"}]}}`
	svmExternal     = `{"svm":{"name":"svm1"},"external":{"client_certificate":{"name":"kmip-client"},"server_ca_certificates":[{"name":"kmip-ca"}],"servers":[{"server":"ks1"}]}}`
	newOnboard      = `{"onboard":{"passphrase":"` + secretOne + `"}}`
	synchronizing   = `{"onboard":{"passphrase":"` + secretOne + `","synchronize":true}}`
	passphrases     = `{"onboard":{"existing_passphrase":"` + secretOne + `","passphrase":"` + secretTwo + `"}}`
	certificates    = `{"external":{"server_ca_certificates":[{"name":"kmip-ca"}]}}`
	inactive        = "?create_inactive=true"
)

var provocations = []provocation{
	{table: "POST key-managers", code: 262224, world: `{"metrocluster":{"partner":"unreachable"}}`, body: newOnboard},
	{table: "POST key-managers", code: 262228, world: `{"metrocluster":{"partner":"timeout"}}`, body: clusterExternal},
	{table: "POST key-managers", code: 65536038, body: strings.Replace(clusterExternal, `{"server":"ks1"}`, `{"server":"a"},{"server":"b"},{"server":"c"},{"server":"d"},{"server":"e"}`, 1)},
	{table: "POST key-managers", code: 65536214, world: `{"broken":{"cluster_kek_generation":true}}`, body: newOnboard},
	{table: "POST key-managers", code: 65536216, world: `{"broken":{"cluster_kek_storage":true}}`, body: newOnboard},
	{table: "POST key-managers", code: 65536310, world: `{"metrocluster":{"partner":"unhealthy"}}`, body: newOnboard},
	{table: "POST key-managers", code: 65536341, world: `{"metrocluster":{"partner":"unhealthy"}}`, body: synchronizing},
	{table: "POST key-managers", code: 65536508, world: `{"platform":{"no_data_at_rest_encryption":true}}`, body: newOnboard},
	{table: "POST key-managers", code: 65536821, body: strings.Replace(svmExternal, "kmip-client", "nobody", 1)},
	{table: "POST key-managers", code: 65536822, world: `{"effective_version":"9.5.1"}`, body: svmExternal},
	{table: "POST key-managers", code: 65536823, setup: "s", body: strings.Replace(svmExternal, "ks1", "ks7", 1)},
	{table: "POST key-managers", code: 65536824, world: `{"metrocluster":{}}`, body: svmExternal},
	{table: "POST key-managers", code: 65536834, world: `{"broken":{"key_server_details":true}}`, body: svmExternal},
	{table: "POST key-managers", code: 65536852, world: `{"key_servers":{"ks1":{"*":"not_responding"}}}`, body: svmExternal},
	{table: "POST key-managers", code: 65536870, setup: "s", body: strings.Replace(svmExternal, `{"server":"ks1"}`, `{"server":"ks1"},{"server":"ks2"}`, 1)},
	{table: "POST key-managers", code: 65536871, body: strings.Replace(svmExternal, `{"server":"ks1"}`, `{"server":"ks1"},{"server":"ks1:5696"}`, 1)},
	{table: "POST key-managers", code: 65536876, body: `{"external":{"servers":[{"server":"ks1"}]}}`},
	{table: "POST key-managers", code: 65536878, world: `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`, body: svmExternal},
	{table: "POST key-managers", code: 65536895, world: `{"metrocluster":{"key_manager":"onboard"}}`, body: clusterExternal},
	{table: "POST key-managers", code: 65536900, world: `{"metrocluster":{"key_manager":"external"}}`, body: newOnboard},
	{table: "POST key-managers", code: 65536903, world: `{"nodes":{"node2":{"onboard":"failed"}}}`, body: newOnboard},
	{table: "POST key-managers", code: 65536906, world: `{"metrocluster":{"key_manager":"onboard"}}`, body: newOnboard},
	{table: "POST key-managers", code: 65536907, ontap: "9.10.1", setup: "o", body: newOnboard},
	{table: "POST key-managers", code: 65536916, body: `{"svm":{"name":"svm1"},"onboard":{"passphrase":"` + secretOne + `"}}`},
	{table: "POST key-managers", code: 65536920, body: `{"onboard":{"passphrase":"short"}}`},
	{table: "POST key-managers", code: 65537240, body: `{"onboard":{"synchronize":true}}`},
	{table: "POST key-managers", code: 65537241, body: `{"onboard":{"passphrase":"` + secretOne + `","existing_passphrase":"x","synchronize":true}}`},
	{table: "POST key-managers", code: 65537244, setup: "o", world: `{"metrocluster":{"key_manager":"onboard"}}`, body: synchronizing},
	{table: "POST key-managers", code: 65537245, world: `{"metrocluster":{}}`, body: synchronizing},
	{table: "POST key-managers", code: 65537246, body: synchronizing},
	{table: "POST key-managers", code: 65537247, world: `{"metrocluster":{"key_manager":"onboard"},"broken":{"onboard_sync":true}}`, body: synchronizing},
	{table: "POST key-managers", code: 65537248, world: `{"metrocluster":{"key_manager":"onboard"},"broken":{"onboard_keys_sync":true}}`, body: synchronizing},
	{table: "POST key-managers", code: 65538111, body: strings.Replace(svmExternal, `{"svm"`, `{"policy":"none","svm"`, 1)},
	{table: "POST key-managers", code: 65538120, body: strings.Replace(clusterExternal, `{"external"`, `{"policy":"IBM_Key_Lore","external"`, 1)},
	{table: "POST key-managers", code: 65539216, setup: "m", body: newOnboard},
	{table: "POST key-managers", code: 65539221, world: `{"metrocluster":{"partner":"unhealthy"}}`, body: clusterExternal},
	{table: "POST key-managers", code: 65539500, path: inactive, body: svmExternal},
	{table: "POST key-managers", code: 65539501, setup: "m", path: inactive, body: clusterExternal},
	{table: "POST key-managers", code: 65539503, world: `{"metrocluster":{}}`, path: inactive, body: clusterExternal},
	{table: "POST key-managers", code: 65539504, world: `{"effective_version":"9.15.1"}`, path: inactive, body: clusterExternal},
	{table: "POST key-managers", code: 65539511, world: `{"metrocluster":{}}`, path: inactive, body: newOnboard},
	{table: "POST key-managers", code: 65539512, world: `{"effective_version":"9.15.1"}`, path: inactive, body: newOnboard},
	{table: "POST key-managers", code: 65539580, world: `{"broken":{"inactive_onboard":true}}`, path: inactive, body: newOnboard},
	{table: "POST key-managers", code: 65539581, setup: "m io", path: inactive, body: newOnboard},
	{table: "POST key-managers", code: 65539582, path: inactive, body: `{"configuration":{"name":"x"},"onboard":{"passphrase":"` + secretOne + `"}}`},
	{table: "POST key-managers", code: 65539704, world: `{"volumes":{"svm1":{"nae":1}}}`, body: svmExternal},
	{table: "POST key-managers", code: 65539706, setup: "o", body: newOnboard},
	{table: "POST key-managers", code: 66060338, world: `{"key_servers":{"ks1":{"node2":"server_ca_mismatch"}}}`, body: svmExternal},
	{table: "POST key-managers", code: 66060339, world: `{"certificates":[{"name":"kmip-client","svm":"svm1","expiry_time":"2020-01-01T00:00:00Z"}]}`, body: svmExternal},
	{table: "POST key-managers", code: 66060340, world: `{"key_servers":{"ks1":{"*":"tls_failed"}}}`, body: svmExternal},

	{table: "PATCH key-managers", code: 65536139, setup: "o", path: "{o}", body: strings.Replace(passphrases, "one", "bad", 1)},
	{table: "PATCH key-managers", code: 65536150, setup: "o", path: "{o}", body: strings.Replace(passphrases, "two", "one", 1)},
	{table: "PATCH key-managers", code: 65536404, setup: "o", path: "{o}", body: strings.Replace(passphrases, secretTwo, "short", 1)},
	{table: "PATCH key-managers", code: 65536406, setup: "o", world: `{"broken":{"passphrase_change":true}}`, path: "{o}", body: passphrases},
	{table: "PATCH key-managers", code: 65536407, setup: "o", world: `{"nodes":{"node1":{"onboard":"failed"}}}`, path: "{o}", body: passphrases},
	{table: "PATCH key-managers", code: 65536802, setup: "o", world: `{"common_criteria":true}`, path: "{o}", body: passphrases},
	{table: "PATCH key-managers", code: 65536821, setup: "m", path: "{m}", body: `{"external":{"client_certificate":{"name":"nobody"}}}`},
	{table: "PATCH key-managers", code: 65536828, setup: "o", path: "{o}", body: certificates},
	{table: "PATCH key-managers", code: 65536850, setup: "m", world: `{"certificates":[{"name":"new","key_pair":"k2"}]}`, path: "{m}", body: `{"external":{"client_certificate":{"name":"new"}}}`},
	{table: "PATCH key-managers", code: 65536852, setup: "m", world: `{"key_servers":{"ks1":{"*":"kmip_unknown"}}}`, path: "{m}", body: certificates},
	{table: "PATCH key-managers", code: 65536917, setup: "o", path: "{o}", body: newOnboard},
	{table: "PATCH key-managers", code: 65537242, setup: "o", path: "{o}", body: `{"onboard":{"synchronize":true}}`},
	{table: "PATCH key-managers", code: 65537243, setup: "o", path: "{o}", body: `{"onboard":{"synchronize":true,"passphrase":"x","existing_passphrase":"y"}}`},
	{table: "PATCH key-managers", code: 65539586, setup: "m io", path: "{i}", body: passphrases},
	{table: "PATCH key-managers", code: 66060338, setup: "m", world: `{"key_servers":{"ks1":{"*":"server_ca_mismatch"}}}`, path: "{m}", body: certificates},
	{table: "PATCH key-managers", code: 66060339, setup: "m", world: `{"key_servers":{"ks1":{"*":"client_certificate_refused"}}}`, path: "{m}", body: certificates},
	{table: "PATCH key-managers", code: 66060340, setup: "m", world: `{"key_servers":{"ks1":{"*":"tls_failed"}}}`, path: "{m}", body: certificates},

	{table: "DELETE key-managers", code: 65536208, setup: "s", world: `{"broken":{"svm_key_deletion":true}}`, path: "{s}"},
	{table: "DELETE key-managers", code: 65536233, setup: "o", world: `{"broken":{"wrapped_key_database":true}}`, path: "{o}"},
	{table: "DELETE key-managers", code: 65536234, setup: "o", world: `{"broken":{"cluster_key_database":true}}`, path: "{o}"},
	{table: "DELETE key-managers", code: 65536239, setup: "s", world: `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`, path: "{s}"},
	{table: "DELETE key-managers", code: 65536242, setup: "m", world: `{"drives":{"authentication_keys":2}}`, path: "{m}"},
	{table: "DELETE key-managers", code: 65536243, setup: "m", world: `{"broken":{"drive_key_lookup":true}}`, path: "{m}"},
	{table: "DELETE key-managers", code: 65536800, setup: "o", world: `{"broken":{"onboard_key_lookup":true}}`, path: "{o}"},
	{table: "DELETE key-managers", code: 65536813, setup: "m", world: `{"cores":{"encrypted":1}}`, path: "{m}"},
	{table: "DELETE key-managers", code: 65536817, setup: "m", world: `{"broken":{"safety_check":true}}`, path: "{m}"},
	{table: "DELETE key-managers", code: 65536827, setup: "s", world: `{"broken":{"volume_lookup":true}}`, path: "{s}"},
	{table: "DELETE key-managers", code: 65536828, setup: "o ie", path: "{i}"},
	{table: "DELETE key-managers", code: 65536867, setup: "s", world: `{"volumes":{"svm1":{"encrypted":1}}}`, path: "{s}"},
	{table: "DELETE key-managers", code: 65540011, setup: "m", world: `{"volumes":{"svm1":{"encrypted":1}}}`, path: "{m}"},
	{table: "DELETE key-managers", code: 65540013, setup: "m", world: `{"volumes":{"cluster":{"encrypted":1}}}`, path: "{m}"},
	{table: "DELETE key-managers", code: 196608301, setup: "m", world: `{"broken":{"encryption_type":true}}`, path: "{m}"},
	{table: "DELETE key-managers", code: 196608305, setup: "m", world: `{"aggregates":{"nae":1}}`, path: "{m}"},

	{table: "GET key-managers", code: 65536894, setup: "m", world: `{"metrocluster":{}}`, path: "{m}?fields=status", status: true},
	{table: "GET key-managers", code: 65537201, setup: "m empty", world: `{"metrocluster":{}}`, path: "{m}"},
	{table: "GET key-managers", code: 65537202, setup: "m", world: `{"metrocluster":{"key_manager":"external"}}`, path: "{m}?fields=status"},
	{table: "GET key-managers", code: 65537203, setup: "m", world: `{"metrocluster":{"partner":"timeout"}}`, path: "{m}?fields=status"},
	{table: "GET key-managers", code: 65537204, setup: "m", world: `{"metrocluster":{"key_manager":"external","servers":["ks9"]}}`, path: "{m}?fields=status", status: true},

	{table: "POST key-servers", code: 65536038, setup: "m", path: "{m}/key-servers", body: `{"records":[{"server":"a"},{"server":"b"},{"server":"c"}]}`},
	{table: "POST key-servers", code: 65536042, setup: "m secondary", path: "{m}/key-servers", body: `{"server":"second"}`},
	{table: "POST key-servers", code: 65536600, setup: "m", world: `{"nodes":{"node1":{"quorum":false}}}`, path: "{m}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 65536821, setup: "m", world: `{"certificates":[{"name":"kmip-ca","absent":true}]}`, path: "{m}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 65536822, setup: "s", world: `{"effective_version":"9.5.1"}`, path: "{s}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 65536824, setup: "s", world: `{"metrocluster":{}}`, path: "{s}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 65536828, setup: "o", path: "{o}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 65536834, setup: "s", world: `{"broken":{"key_server_details":true}}`, path: "{s}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 65536852, setup: "m", world: `{"key_servers":{"a":{"*":"not_responding"}}}`, path: "{m}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 65536870, setup: "m", path: "{m}/key-servers", body: `{"server":"ks1:5696"}`},
	{table: "POST key-servers", code: 65536871, setup: "m", path: "{m}/key-servers", body: `{"records":[{"server":"a"},{"server":"a:5696"}]}`},
	{table: "POST key-servers", code: 65536921, setup: "m", world: `{"key_servers":{"a":{"*":"refusing"}}}`, path: "{m}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 66060338, setup: "m", world: `{"key_servers":{"a":{"*":"server_ca_mismatch"}}}`, path: "{m}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 66060339, setup: "m", world: `{"key_servers":{"a":{"*":"client_certificate_refused"}}}`, path: "{m}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 66060340, setup: "m", world: `{"key_servers":{"a":{"*":"tls_failed"}}}`, path: "{m}/key-servers", body: `{"server":"a"}`},
	{table: "POST key-servers", code: 66060341, ontap: "9.10.1", setup: "m", world: `{"key_servers":{"a":{"*":"network_failed"}}}`, path: "{m}/key-servers", body: `{"server":"a"}`},

	{table: "PATCH key-servers", code: 65536600, setup: "m", world: `{"nodes":{"node1":{"quorum":false}}}`, path: "{m}/key-servers/ks1:5696", body: `{"timeout":9}`},
	{table: "PATCH key-servers", code: 65536822, setup: "s", world: `{"effective_version":"9.5.1"}`, path: "{s}/key-servers/ks1:5696", body: `{"timeout":9}`},
	{table: "PATCH key-servers", code: 65536824, setup: "s", world: `{"metrocluster":{}}`, path: "{s}/key-servers/ks1:5696", body: `{"timeout":9}`},
	{table: "PATCH key-servers", code: 65536828, setup: "o", path: "{o}/key-servers/ks1:5696", body: `{"timeout":9}`},
	{table: "PATCH key-servers", code: 65536843, setup: "m", path: "{m}/key-servers/ks9:5696", body: `{"timeout":9}`},
	{table: "PATCH key-servers", code: 65536845, setup: "m", path: "{m}/key-servers/ks1:5696", body: `{"password":"p"}`},
	{table: "PATCH key-servers", code: 65536846, setup: "m", path: "{m}/key-servers/ks1:5696", body: `{"username":"u"}`},
	{table: "PATCH key-servers", code: 65536880, setup: "m", path: "{m}/key-servers/ks1:5696", body: `{}`},
	{table: "PATCH key-servers", code: 65536921, setup: "m", world: `{"key_servers":{"ks1":{"*":"not_responding"}}}`, path: "{m}/key-servers/ks1:5696", body: `{"username":"u","password":"p"}`},
	{table: "PATCH key-servers", code: 65537002, ontap: "9.18.1", setup: "m", world: `{"effective_version":"9.17.1"}`, path: "{m}/key-servers/ks1:5696", body: `{"port":1}`},
	{table: "PATCH key-servers", code: 65537400, setup: "m", path: "{m}/key-servers/ks1:5696", body: `{"secondary_key_servers":["a","b","c","d"]}`},
	{table: "PATCH key-servers", code: 65538407, setup: "m", path: "{m}/key-servers/ks1:5696", body: `{"secondary_key_servers":["ks1"]}`},
	{table: "PATCH key-servers", code: 65538408, setup: "m", path: "{m}/key-servers/ks1:5696", body: `{"secondary_key_servers":["a","a:5696"]}`},
	{table: "PATCH key-servers", code: 65538413, setup: "m", path: "{m}/key-servers/ks1:5696", body: `{"secondary_key_servers":["a b"]}`},
	{table: "PATCH key-servers", code: 65538502, setup: "m", path: "{m}/key-servers/ks1:5696", body: `{"secondary_key_servers":["ks2"]}`},
	{table: "PATCH key-servers", code: 65538503, ontap: "9.10.1", setup: "m", path: "{m}/key-servers/ks1:5696", body: `{"secondary_key_servers":["a"]}`},

	{table: "DELETE key-servers", code: 65536600, setup: "m", world: `{"nodes":{"node1":{"quorum":false}}}`, path: "{m}/key-servers/ks1:5696"},
	{table: "DELETE key-servers", code: 65536700, setup: "m", world: `{"holds_keys":{"ks1":["a","b"],"ks2":["a"]}}`, path: "{m}/key-servers/ks1:5696?force=true"},
	{table: "DELETE key-servers", code: 65536822, setup: "s", world: `{"effective_version":"9.5.1"}`, path: "{s}/key-servers/ks1:5696"},
	{table: "DELETE key-servers", code: 65536824, ontap: "9.10.1", setup: "s", world: `{"metrocluster":{}}`, path: "{s}/key-servers/ks1:5696"},
	{table: "DELETE key-servers", code: 65536828, setup: "o", path: "{o}/key-servers/ks1:5696"},
	{table: "DELETE key-servers", code: 65536843, setup: "m", path: "{m}/key-servers/ks9:5696"},
}

// provoke carries a provocation out and returns the code that was answered.
func (p provocation) provoke(t *testing.T) string {
	k := newCaller(t, Config{ONTAP: p.ontap})
	made := map[string]string{}
	for _, what := range strings.Fields(p.setup) {
		switch what {
		case "m":
			made["{m}"] = k.external("", "ks1", "ks2")
		case "s":
			made["{s}"] = k.external("svm1", "ks1", "ks2")
		case "o":
			made["{o}"] = k.onboard()
		case "empty":
			k.must("DELETE", made["{m}"]+"/key-servers?server=ks*", "")
		case "secondary":
			k.must("PATCH", made["{m}"]+"/key-servers/ks1:5696", `{"secondary_key_servers":["second"]}`)
		case "io", "ie":
			body := newOnboard
			if what == "ie" {
				body = clusterExternal
			}
			k.must("POST", managersPath+inactive, body)
			o := k.must("GET", managersPath+"?enabled=false", "")
			list, _ := o.list("records")
			uuid, _ := list[0].(object).text("uuid")
			made["{i}"] = managersPath + "/" + uuid
		}
	}
	if p.more != nil {
		p.more(k, made)
	}
	if p.world != "" {
		k.world(p.world)
	}
	path, body := p.path, p.body
	for name, to := range made {
		path = strings.Replace(path, name, to, 1)
		body = strings.ReplaceAll(body, name, to[strings.LastIndexByte(to, '/')+1:])
	}
	if !strings.HasPrefix(path, "/") {
		path = managersPath + path
	}
	method, _, _ := strings.Cut(p.table, " ")
	_, o := k.call(method, path, body)
	if p.status {
		n, _ := o.integer("status.code")
		return strconv.FormatInt(n, 10)
	}
	code := ""
	o.values(strings.Split(cmp.Or(p.at, "error.code"), "."), func(v any) {
		if v != "0" {
			code, _ = v.(string)
		}
	})
	return code
}

// TestCodes provokes every documented code that a state of the world can provoke, and names
// the others.
func TestCodes(t *testing.T) {
	checkCodes(t, documented, unreachable, provocations)
}

// checkCodes holds the tables of some resources to their provocations.
func checkCodes(t *testing.T, documented map[string][]int, unreachable map[string]string, provocations []provocation) {
	t.Helper()
	provoked := map[string]bool{}
	for _, p := range provocations {
		name := fmt.Sprintf("%s %d", p.table, p.code)
		if got := p.provoke(t); got != strconv.Itoa(p.code) {
			t.Errorf("%s: got %q", name, got)
			continue
		}
		if !slices.Contains(documented[p.table], p.code) {
			t.Errorf("%s is provoked but not documented", name)
		}
		provoked[name] = true
	}
	for _, table := range sortedKeys(documented) {
		n := 0
		for _, code := range documented[table] {
			name := fmt.Sprintf("%s %d", table, code)
			reason, excused := unreachable[name]
			switch {
			case provoked[name] && excused:
				t.Errorf("%s is provoked but said to be unreachable", name)
			case provoked[name]:
				n++
			case excused:
				t.Logf("%s is unreachable: %s", name, reason)
			default:
				t.Errorf("%s is neither provoked nor unreachable", name)
			}
			if codes[code].message == "" {
				t.Errorf("%s has no message", name)
			}
		}
		t.Logf("%s: %d documented, %d provoked", table, len(documented[table]), n)
	}
}

// What a code's call leaves behind: with a partial failure the change is made, with any
// other it is not.
func TestPartialFailuresTakeEffect(t *testing.T) {
	k := newCaller(t, Config{})
	k.world(`{"nodes":{"node2":{"onboard":"failed"}}}`)
	if got := k.code("POST", managersPath, newOnboard); got != "500 65536903" {
		t.Fatalf("got %s, want 500 65536903", got)
	}
	o := k.must("GET", managersPath+"?fields=status.code", "")
	if list, _ := o.list("records"); len(list) != 1 {
		t.Fatal("the onboard key manager is not there")
	}
	m := managersPath + "/" + k.c.state.KeyManagers[0].UUID
	if got := k.code("PATCH", m, passphrases); got != "500 65536407" {
		t.Errorf("got %s, want 500 65536407", got)
	}
	if got := k.c.state.KeyManagers[0].Onboard.Passphrase; got != secretTwo {
		t.Error("the passphrase is not changed")
	}
}

func TestForceSkipsTheQuorumOnly(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1", "ks2")
	k.world(`{"nodes":{"node1":{"quorum":false}}}`)
	if got := k.code("DELETE", m+"/key-servers/ks1:5696?force=true", ""); got != "200" {
		t.Errorf("got %s, want 200", got)
	}
}
