package ontapsim

import (
	"strings"
	"testing"
)

// authKeyDocumented are the codes of the tables of the ONTAP REST reference, auth-keys.
var authKeyDocumented = map[string][]int{
	"GET auth-keys": {65536828, 65536856, 65536896, 65538800, 65538801, 65538802},
	"POST auth-keys": {
		65536048, 65536053, 65536056, 65536074, 65536076, 65536160, 65536264, 65536265, 65536828, 65536856,
		65536872, 65536896, 65536987, 65538800, 65538801, 65538802, 66060289, 66060304,
	},
	"DELETE auth-keys": {65536828, 65536859, 65536860, 65538800, 65538801, 65538802, 66060296},
}

// authKeySetup makes the authentication key {k}, with the tag rack7, of the cluster's
// external key manager.
func authKeySetup(k *caller, made map[string]string) {
	made["{k}"] = k.authKey(made["{m}"], `{"key_tag":"rack7"}`)
}

// authKey creates an authentication key and returns its path.
func (k *caller) authKey(manager, body string) string {
	k.t.Helper()
	o := k.must("POST", manager+"/auth-keys?return_records=true", body)
	list, _ := o.list("records")
	id, _ := list[0].(object).text("key_id")
	return manager + "/auth-keys/" + id
}

var authKeyProvocations = []provocation{
	{table: "GET auth-keys", code: 65536828, setup: "o ie", path: "{i}/auth-keys"},
	{table: "GET auth-keys", code: 65536856, setup: "m empty", path: "{m}/auth-keys"},
	{table: "GET auth-keys", code: 65536896, setup: "m", world: `{"metrocluster":{}}`, path: "{m}/auth-keys"},
	{table: "GET auth-keys", code: 65538800, setup: "o", path: "{o}/auth-keys"},
	{table: "GET auth-keys", code: 65538801, setup: "m", world: `{"broken":{"key_manager_database":true}}`, path: "{m}/auth-keys"},
	{table: "GET auth-keys", code: 65538802, setup: "m s", path: "{s}/auth-keys"},

	{table: "POST auth-keys", code: 65536048, setup: "m", more: authKeySetup, world: `{"auth_keys":{"limit":1}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536053, setup: "m", path: "{m}/auth-keys", body: `{"passphrase":"nineteen-characters"}`},
	{table: "POST auth-keys", code: 65536056, setup: "m", path: "{m}/auth-keys", body: `{"key_tag":"two words"}`},
	{table: "POST auth-keys", code: 65536074, ontap: "9.14.1", setup: "m empty", path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536076, setup: "m", world: `{"key_servers":{"ks1":{"*":"not_responding"},"ks2":{"*":"tls_failed"}}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536160, setup: "m", world: `{"broken":{"auth_key_count":true}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536264, setup: "m", world: `{"broken":{"auth_key_generation":true}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536265, setup: "m", world: `{"broken":{"auth_key_id":true}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536828, setup: "o ie", path: "{i}/auth-keys"},
	{table: "POST auth-keys", code: 65536856, setup: "m empty", path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536872, setup: "m", world: `{"key_servers":{"ks2":{"*":"refusing"}},"broken":{"auth_key_cleanup":true}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536896, setup: "m", world: `{"metrocluster":{"key_manager":"onboard"}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65536987, setup: "m", world: `{"key_servers":{"ks2":{"*":"not_responding"}}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65538800, setup: "s", path: "{s}/auth-keys"},
	{table: "POST auth-keys", code: 65538801, setup: "m", world: `{"broken":{"key_manager_database":true}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 65538802, setup: "m", path: managersPath + "/00000000-0000-0000-0000-00000000dead/auth-keys"},
	{table: "POST auth-keys", code: 66060289, setup: "m", world: `{"key_servers":{"ks2":{"node1":"refusing"}}}`, path: "{m}/auth-keys"},
	{table: "POST auth-keys", code: 66060304, setup: "m", world: `{"broken":{"auth_key_length":true}}`, path: "{m}/auth-keys"},

	{table: "DELETE auth-keys", code: 65536828, setup: "o ie", path: "{i}/auth-keys/x"},
	{table: "DELETE auth-keys", code: 65536859, setup: "m", more: authKeySetup, world: `{"drives":{"uses":["rack7"]}}`, path: "{k}"},
	{table: "DELETE auth-keys", code: 65536860, setup: "m", world: `{"volumes":{"svm1":{"encrypted":1}}}`, path: "{m}/auth-keys/{v}", more: func(k *caller, made map[string]string) {
		k.world(`{"volumes":{"svm1":{"encrypted":1}}}`)
		made["{v}"] = k.c.keysOf(k.c.keyStore(strings.TrimPrefix(made["{m}"], managersPath+"/")))[0].id
	}},
	{table: "DELETE auth-keys", code: 65538800, setup: "s", path: "{s}/auth-keys/x"},
	{table: "DELETE auth-keys", code: 65538801, setup: "m", more: authKeySetup, world: `{"broken":{"key_manager_database":true}}`, path: "{k}"},
	{table: "DELETE auth-keys", code: 65538802, setup: "m s", path: "{s}/auth-keys/x"},
	{table: "DELETE auth-keys", code: 66060296, setup: "m", more: authKeySetup, world: `{"key_servers":{"ks1":{"*":"not_responding"}}}`, path: "{k}"},
}

func TestCodesOfAuthKeys(t *testing.T) {
	checkCodes(t, authKeyDocumented, nil, authKeyProvocations)
}

func TestLifeOfAnAuthKey(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	keys := m + "/auth-keys"
	path := k.authKey(m, `{"key_tag":"rack7","passphrase":"AuthenticationKey_01"}`)
	ids := strings.NewReplacer(strings.TrimPrefix(path, keys+"/"), "K", strings.TrimPrefix(m, managersPath+"/"), "U")
	steps := []struct {
		why                string
		method, path, body string
		status             int
		want               string
	}{
		{"a record without its passphrase", "GET", path, "", 200, `{"key_id":"K","key_tag":"rack7","security_key_manager":{"uuid":"U"}}`},
		{"a collection shows identities", "GET", keys, "", 200, `{"records":[{"key_id":"K","security_key_manager":{"uuid":"U"}}],"num_records":1}`},
		{"a filter shows what it compares", "GET", keys + "?key_tag=rack*", "", 200, `{"records":[{"key_id":"K","key_tag":"rack7","security_key_manager":{"uuid":"U"}}],"num_records":1}`},
		{"a filter that matches nothing", "GET", keys + "?key_tag=none", "", 200, `{"records":[],"num_records":0}`},
		{"the passphrase cannot be read", "GET", keys + "?fields=passphrase", "", 400, `{"error":{"message":"Field \"passphrase\" cannot be read.","code":"262249","target":"fields"}}`},
		{"a key is never changed", "PATCH", path, `{"key_tag":"x"}`, 405, `{"error":{"message":"The operation PATCH is not supported on this resource.","code":"3"}}`},
		{"the ID is generated", "POST", keys, `{"key_id":"x"}`, 400, `{"error":{"message":"Field \"key_id\" cannot be set in this operation.","code":"262196","target":"key_id"}}`},
		{"a tag that is too long", "POST", keys, `{"key_tag":"` + strings.Repeat("x", 33) + `"}`, 400, `{"error":{"message":"The key tag contains invalid characters.","code":"65536056"}}`},
		{"a tag with a tab", "POST", keys, `{"key_tag":"a\tb"}`, 400, `{"error":{"message":"The key tag cannot contain spaces, tabs or new lines.","code":"65536056"}}`},
		{"a passphrase that is too long", "POST", keys, `{"passphrase":"` + strings.Repeat("x", 33) + `"}`, 400, `{"error":{"message":"The passphrase of an authentication key has 20 to 32 ASCII characters.","code":"65536053"}}`},
		{"a tag may be given twice", "POST", keys, `{"key_tag":"rack7","passphrase":"=======================X"}`, 201, "{\n}"},
		{"both are removed by their tag", "DELETE", keys + "?key_tag=rack7", "", 200, `{"num_records":2}`},
		{"then it is gone", "GET", path, "", 404, `{"error":{"message":"entry doesn't exist","code":"4","target":"key_id"}}`},
		{"a body is not needed", "POST", keys, "", 201, "{\n}"},
		{"without a tag it has the name of a node", "GET", keys + "?key_tag=node1&return_records=false", "", 200, `{"num_records":1}`},
	}
	for _, s := range steps {
		status, got := k.text(s.method, s.path, s.body)
		if got = ids.Replace(got); status != s.status || got != s.want {
			t.Fatalf("%s: %s %s:\n got %d %s\nwant %d %s", s.why, s.method, s.path, status, got, s.status, s.want)
		}
	}
}

// What a POST of an authentication key answers, and what the control surface knows of it.
func TestAnswerToAnAuthKey(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	_, got := k.text("POST", m+"/auth-keys?return_records=true&return_timeout=15", `{"key_tag":"rack7","passphrase":"AuthenticationKey_01"}`)
	id := k.c.state.KeyManagers[0].External.AuthKeys[0].ID
	if want := `{"num_records":1,"records":[{"key_id":"` + id + `","key_tag":"rack7"}]}`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if len(id) != 80 || !strings.HasPrefix(id, "00000000000000000200000000000100") {
		t.Errorf("%s is not the ID of an authentication key", id)
	}
	_, state := k.text("GET", "/sim/state", "")
	for _, want := range []string{
		`"auth_keys":[{"key_id":"` + id + `","key_tag":"rack7","passphrase":"AuthenticationKey_01"}]`,
		`"path":"` + m + `/auth-keys/` + id + `","field":"passphrase","value":"AuthenticationKey_01"`,
	} {
		if !strings.Contains(state, want) {
			t.Errorf("GET /sim/state does not have %s", want)
		}
	}
}

// Drives that use an authentication key stand against the removal of the key manager too.
func TestKeysOfDrivesKeepTheManager(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	k.authKey(m, `{"key_tag":"rack7"}`)
	k.world(`{"drives":{"uses":["rack7"]}}`)
	if got := k.code("DELETE", m, ""); got != "400 65536242" {
		t.Errorf("got %s, want 400 65536242", got)
	}
	k.world(`{"drives":{"uses":null}}`)
	if got := k.code("DELETE", m, ""); got != "200" {
		t.Errorf("got %s, want 200", got)
	}
}

// A switch to the onboard key manager needs two authentication keys, or none.
func TestAuthKeysAndTheOnboardKeyManager(t *testing.T) {
	for n, want := range []string{"200", "400 65539591", "200", "400 65539590"} {
		k := newCaller(t, Config{})
		m := k.external("", "ks1")
		for range n {
			k.authKey(m, `{}`)
		}
		k.must("POST", managersPath+inactive, newOnboard)
		store := "/api/security/key-stores/" + k.c.managerOf("", false).UUID + "?return_timeout=120"
		if got := k.code("PATCH", store, `{"enabled":true}`); got != want {
			t.Errorf("with %d keys: got %s, want %s", n, got, want)
		}
	}
}

// The resources and fields that a release does not know.
func TestKeysByRelease(t *testing.T) {
	cases := []struct{ ontap, path, want string }{
		{"9.11.1", "/auth-keys", "404 3"},
		{"9.12.1", "/auth-keys", "200"},
		{"9.14.1", "/auth-keys?fields=security_key_manager.uuid", "400 262197"},
		{"9.15.1", "/auth-keys?fields=security_key_manager.uuid", "200"},
		{"9.10.1", "/keys/*/key-ids", "404 3"},
		{"9.11.1", "/keys/*/key-ids", "200"},
		{"9.13.1", "/keys/*/key-ids?fields=svm", "400 262197"},
		{"9.14.1", "/keys/*/key-ids?fields=svm", "200"},
		{"9.13.1", "/restore", "405 3"},
		{"9.12.1", "/restore", "404 3"},
		{"9.13.1", "/restore/x", "404 3"},
	}
	for _, c := range cases {
		k := newCaller(t, Config{ONTAP: c.ontap})
		m := k.external("", "ks1")
		if got := k.code("GET", m+c.path, ""); got != c.want {
			t.Errorf("ONTAP %s: GET %s: got %s, want %s", c.ontap, c.path, got, c.want)
		}
	}
}

// Whatever is sent, either a key is made that keeps ONTAP's limits, or nothing is; and no
// answer shows a passphrase.
func FuzzAuthKey(f *testing.F) {
	f.Add("rack7", "AuthenticationKey_01")
	f.Add("", "=======================X")
	f.Add("two words", "")
	f.Add(strings.Repeat("x", 33), strings.Repeat("y", 33))
	f.Add("\u00a0", "\x00")
	f.Fuzz(func(t *testing.T, tag, passphrase string) {
		k := newCaller(t, Config{})
		m := k.external("", "ks1")
		body := object{{"key_tag", tag}, {"passphrase", passphrase}}
		status, text := k.text("POST", m+"/auth-keys", string(appendJSON(nil, body)))
		keys := k.c.state.KeyManagers[0].External.AuthKeys
		if made := status == 201; made != (len(keys) == 1) {
			t.Fatalf("the answer is %d and there are %d keys", status, len(keys))
		}
		if len(passphrase) >= minAuthPassphrase && strings.Contains(text, passphrase) {
			t.Errorf("the passphrase is in the answer: %s", text)
		}
		for _, key := range keys {
			if n := len(key.Passphrase); n < minAuthPassphrase || n > maxAuthPassphrase || len(key.Tag) > maxKeyTag || len(strings.Fields(key.Tag)) > 1 {
				t.Errorf("a key with the tag %q and a passphrase of %d characters was made", key.Tag, n)
			}
		}
	})
}
