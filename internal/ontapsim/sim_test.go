package ontapsim

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// A caller sends requests to a cluster without a socket.
type caller struct {
	t      *testing.T
	c      *Cluster
	accept string
	header http.Header
}

func newCaller(t *testing.T, cfg Config) *caller {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return &caller{t: t, c: New(cfg), accept: "application/json", header: http.Header{}}
}

func (k *caller) request(method, path, body string) *http.Request {
	k.t.Helper()
	r, err := http.NewRequestWithContext(k.t.Context(), method, "https://sim"+path, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	if body == "" {
		r.Body = nil
	}
	r.Header = k.header.Clone()
	r.SetBasicAuth("admin", "netapp1!")
	r.Header.Set("Accept", k.accept)
	return r
}

// text sends a request and returns the status and the text of the answer.
func (k *caller) text(method, path, body string) (int, string) {
	k.t.Helper()
	resp, err := k.c.RoundTrip(k.request(method, path, body))
	if err != nil {
		k.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// call sends a request and returns the status and the answer.
func (k *caller) call(method, path, body string) (int, object) {
	k.t.Helper()
	status, text := k.text(method, path, body)
	v, err := decodeJSON([]byte(text))
	if err != nil {
		k.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return status, v.(object)
}

// must sends a request that has to succeed.
func (k *caller) must(method, path, body string) object {
	k.t.Helper()
	status, o := k.call(method, path, body)
	if status >= 300 {
		k.t.Fatalf("%s %s %s: %d %s", method, path, body, status, appendJSON(nil, o))
	}
	return o
}

// code sends a request and returns the status and the code of its error, as "400 262179".
func (k *caller) code(method, path, body string) string {
	k.t.Helper()
	return statusAndCode(k.call(method, path, body))
}

func statusAndCode(status int, answer object) string {
	code, _ := answer.text("error.code")
	return strings.TrimSpace(strconv.Itoa(status) + " " + code)
}

func (k *caller) world(patch string) {
	k.t.Helper()
	if err := k.c.Set(patch); err != nil {
		k.t.Fatal(err)
	}
}

const (
	managersPath = "/api/security/key-managers"
	secretOne    = "one passphrase that is long enough"
	secretTwo    = "two passphrase that is long enough"
)

// externalBody is the body that creates an external key manager; svm may be "".
func externalBody(svm string, servers ...string) string {
	o := object{}
	if svm != "" {
		o.put("svm", object{{"name", svm}})
	}
	var list []any
	for _, s := range servers {
		list = append(list, object{{"server", s}})
	}
	o.put("external", object{
		{"client_certificate", object{{"name", "kmip-client"}}},
		{"server_ca_certificates", []any{object{{"name", "kmip-ca"}}}},
		{"servers", list},
	})
	return string(appendJSON(nil, o))
}

// external creates an external key manager and returns its path.
func (k *caller) external(svm string, servers ...string) string {
	k.t.Helper()
	o := k.must("POST", managersPath+"?return_records=true", externalBody(svm, servers...))
	list, _ := o.list("records")
	uuid, _ := list[0].(object).text("uuid")
	return managersPath + "/" + uuid
}

// onboard creates the onboard key manager and returns its path.
func (k *caller) onboard() string {
	k.t.Helper()
	o := k.must("POST", managersPath+"?return_records=true", `{"onboard":{"passphrase":"`+secretOne+`"}}`)
	list, _ := o.list("records")
	uuid, _ := list[0].(object).text("uuid")
	return managersPath + "/" + uuid
}

func TestLifeOfAnExternalManager(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("svm1", "ks1", "ks2:5697")
	servers := m + "/key-servers"
	steps := []struct {
		why                string
		method, path, body string
		status             int
		want               string
	}{
		{"the port is appended, names of certificates are shown only when asked for", "GET", m + "?fields=external", "", 200, `{"uuid":"U","configuration":{"name":"default","uuid":"U"},"external":{"client_certificate":{"uuid":"C"},"server_ca_certificates":[{"uuid":"A"}],"servers":[{"server":"ks1:5696","timeout":25,"username":""},{"server":"ks2:5697","timeout":25,"username":""}]}}`},
		{"a name that is asked for", "GET", m + "?fields=external.client_certificate.name", "", 200, `{"uuid":"U","configuration":{"name":"default","uuid":"U"},"external":{"client_certificate":{"name":"kmip-client"}}}`},
		{"a server is added with a plain host", "POST", servers, `{"server":"ks3"}`, 201, "{\n}"},
		{"its credentials and secondaries are set afterwards", "PATCH", servers + "/ks3%3A5696", `{"timeout":"30","username":"u","password":"p","secondary_key_servers":["ks3b","ks3c:1"]}`, 200, "{\n}"},
		{"secondaries are an array here", "GET", servers + "/ks3:5696", "", 200, `{"server":"ks3:5696","timeout":30,"create_remove_timeout":10,"username":"u","secondary_key_servers":["ks3b","ks3c:1"]}`},
		{"and text in the manager", "GET", m + "?fields=external.servers.secondary_key_servers", "", 200, `{"uuid":"U","configuration":{"name":"default","uuid":"U"},"external":{"servers":[{"secondary_key_servers":"ks3b, ks3c:1"}]}}`},
		{"a server is removed", "DELETE", servers + "/ks1:5696", "", 200, "{\n}"},
		{"another too, with a trailing slash", "DELETE", servers + "/ks2:5697/", "", 200, "{\n}"},
		{"and the last", "DELETE", servers + "/ks3:5696", "", 200, "{\n}"},
		{"a manager without servers is not returned", "GET", managersPath, "", 200, `{"records":[],"num_records":0}`},
		{"nor by its UUID", "GET", m, "", 404, `{"error":{"message":"entry doesn't exist","code":"4","target":"uuid"}}`},
		{"but it blocks a create", "POST", managersPath, externalBody("svm1", "ks1"), 400, `{"error":{"message":"The SVM already has external key management configured.","code":"65536823"}}`},
		{"a DELETE of the collection clears it", "DELETE", managersPath + "?scope=svm&svm.name=svm1", "", 200, `{"num_records":1}`},
		{"then the create succeeds", "POST", managersPath, externalBody("svm1", "ks1"), 201, "{\n}"},
	}
	ids := strings.NewReplacer(strings.TrimPrefix(m, managersPath+"/"), "U",
		k.c.state.certificateOf(k.c.state.SVMs[0], "kmip-client").UUID, "C",
		k.c.state.certificateOf(k.c.state.SVMs[0], "kmip-ca").UUID, "A")
	for _, s := range steps {
		status, got := k.text(s.method, s.path, s.body)
		if got = ids.Replace(got); status != s.status || got != s.want {
			t.Fatalf("%s: %s %s:\n got %d %s\nwant %d %s", s.why, s.method, s.path, status, got, s.status, s.want)
		}
	}
}

func TestEmbeddedLinks(t *testing.T) {
	k := newCaller(t, Config{})
	k.external("svm1", "ks1")
	k.accept = "*/*"
	_, got := k.text("GET", managersPath+"?fields=svm,external.servers.server", "")
	ids := strings.NewReplacer(k.c.state.KeyManagers[0].UUID, "U", k.c.state.SVMs[0].UUID, "S")
	want := `{"records":[{"uuid":"U","svm":{"uuid":"S","name":"svm1","_links":{"self":{"href":"/api/svm/svms/S"}}},` +
		`"configuration":{"name":"default","uuid":"U"},` +
		`"external":{"servers":[{"server":"ks1:5696","_links":{"self":{"href":"/api/security/key-managers/U/key-servers/ks1:5696/"}}}]},` +
		`"_links":{"self":{"href":"/api/security/key-managers/U"}}}],"num_records":1,` +
		`"_links":{"self":{"href":"/api/security/key-managers?fields=svm,external.servers.server"}}}`
	if got = ids.Replace(got); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// What POST answers: an echo of what was posted, links when they are wanted, and Location.
func TestAnswersToPOST(t *testing.T) {
	k := newCaller(t, Config{})
	k.accept = "application/hal+json"
	m := k.external("", "ks1")
	cases := []struct{ why, path, body, location, want string }{
		{"one server, echoed", "M/key-servers?return_records=true", `{"server":"ks2"}`, "M/key-servers/ks2%3A5696",
			`{"num_records":1,"records":[{"server":"ks2:5696","_links":{"self":{"href":"M/key-servers/ks2%3A5696"}}}]}`},
		{"several servers: the echo is a link to all", "M/key-servers?return_records=true", `{"records":[{"server":"ks3"},{"server":"ks4"}]}`, "M/key-servers/ks3%3A5696",
			`{"num_records":1,"records":[{"_links":{"self":{"href":"M/key-servers"}}}]}`},
		{"a manager: what was posted, its UUID and its SVM", managersPath + "?return_records=true", externalBody("svm1", "ks1"), managersPath + "/V",
			`{"num_records":1,"records":[{"uuid":"V","svm":{"uuid":"S","name":"svm1","_links":{"self":{"href":"/api/svm/svms/S"}}},` +
				`"external":{"client_certificate":{"name":"kmip-client","_links":{"self":{"href":"/api/security/certificates/C"}}},` +
				`"server_ca_certificates":[{"name":"kmip-ca","_links":{"self":{"href":"/api/security/certificates/A"}}}],` +
				`"servers":[{"server":"ks1:5696","_links":{"self":{"href":"/api/security/key-managers/V/key-servers/ks1:5696/"}}}]},` +
				`"_links":{"self":{"href":"/api/security/key-managers/V"}}}]}`},
		{"nothing is echoed unasked", "M/key-servers", `{"server":"ks9"}`, "", `{"error":{"message":"No more than 4 active key servers are allowed.","code":"65536038"}}`},
		{"an unknown field is named", managersPath, `{"onboard":{"passphrase":"too short"},"colour":"red"}`, "",
			`{"error":{"message":"Unexpected argument \"colour\".","code":"262179","target":"colour"}}`},
	}
	svm := k.c.state.SVMs[0]
	for _, c := range cases {
		resp, err := k.c.RoundTrip(k.request("POST", strings.Replace(c.path, "M/", m+"/", 1), c.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{m, "M", svm.UUID, "S", k.c.state.certificateOf(svm, "kmip-client").UUID, "C", k.c.state.certificateOf(svm, "kmip-ca").UUID, "A"}
		if mine := k.c.managerOf(svm.UUID, true); mine != nil {
			names = append(names, mine.UUID, "V")
		}
		ids := strings.NewReplacer(names...)
		if got := ids.Replace(strings.TrimSpace(string(text))); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.why, got, c.want)
		}
		if got := ids.Replace(resp.Header.Get("Location")); got != c.location {
			t.Errorf("%s: Location %q, want %q", c.why, got, c.location)
		}
		if got := resp.Header.Get("Content-Type"); got != "application/hal+json" {
			t.Errorf("%s: Content-Type %q", c.why, got)
		}
	}
}

func TestSecretsAreNeverReturned(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("svm1", "ks1")
	o := k.onboard()
	k.must("PATCH", m+"/key-servers/ks1:5696", `{"username":"u","password":"hunter2-hunter2"}`)
	for _, path := range []string{managersPath + "?fields=**", m + "/key-servers?fields=**", o + "?fields=**", "/api/security/certificates?fields=**"} {
		_, text := k.text("GET", path, "")
		if strings.Contains(text, "hunter2") || strings.Contains(text, secretOne) {
			t.Errorf("GET %s shows a secret: %s", path, text)
		}
	}
	_, state := k.text("GET", "/sim/state", "")
	for _, want := range []string{`"field":"password","value":"hunter2-hunter2"`, `"field":"onboard.passphrase","value":"` + secretOne + `"`} {
		if !strings.Contains(state, want) {
			t.Errorf("GET /sim/state does not have %s", want)
		}
	}
}

func TestRefusals(t *testing.T) {
	k := newCaller(t, Config{Token: "t0ken"})
	m, own := k.external("", "ks1", "ks2"), k.external("svm1", "ks1")
	s := m + "/key-servers/ks1:5696"
	cases := []struct {
		why                string
		method, path, body string
		want               string
	}{
		{"not JSON", "POST", managersPath, `{`, "400 262201"},
		{"a member twice", "POST", managersPath, `{"policy":"a","policy":"b"}`, "400 262188"},
		{"a member twice, once dotted", "POST", managersPath, `{"svm.name":"a","svm":{"name":"b"}}`, "400 262188"},
		{"an unknown field comes before a field that cannot be set", "POST", managersPath, `{"uuid":"x","colour":"red"}`, "400 262179"},
		{"an unknown field inside", "PATCH", m, `{"external":{"colour":"red"}}`, "400 262179"},
		{"a create-only field in PATCH", "PATCH", m, `{"policy":"IBM_Key_Lore"}`, "400 262196"},
		{"servers are not changed here", "PATCH", m, `{"external":{"servers":[{"server":"ks3"}]}}`, "400 262196"},
		{"a read-only field", "POST", managersPath, `{"scope":"svm"}`, "400 262196"},
		{"a field of key-servers that is not for POST", "POST", m + "/key-servers", `{"server":"ks3","timeout":30}`, "400 262196"},
		{"a wrong type", "PATCH", s, `{"timeout":"soon"}`, "400 262247"},
		{"a number out of range", "PATCH", s, `{"timeout":61}`, "400 262247"},
		{"no number is not 0", "PATCH", s, `{"timeout":null}`, "400 262247"},
		{"no boolean is not false", "PATCH", m, `{"is_default_data_at_rest_encryption_disabled":null}`, "400 262247"},
		{"a malformed UUID", "POST", managersPath, `{"svm":{"uuid":"x"},"onboard":{"passphrase":"x"}}`, "400 262247"},
		{"links are for reading", "PATCH", m, `{"_links":{}}`, "400 262196"},
		{"an SVM alone is nothing to change", "PATCH", own, `{"svm":{"name":"svm1"}}`, "400 262190"},
		{"the name of the enabled configuration is reserved", "POST", managersPath + "?create_inactive=true", `{"configuration":{"name":"default"},"external":{}}`, "400 262247"},
		{"an inactive configuration has a name that is not empty", "POST", managersPath + "?create_inactive=true", `{"configuration":{"name":""},"external":{}}`, "400 262247"},
		{"records that are null are none", "DELETE", managersPath + "?svm.name=nobody", `{"records":null}`, "200"},
		{"return_records on an instance", "GET", m + "?return_records=false", "", "200"},
		{"a flag as Python writes it", "DELETE", m + "/key-servers/ks9:5696?force=True", "", "400 65536843"},
		{"an array is expected", "PATCH", s, `{"secondary_key_servers":"ks3"}`, "400 262254"},
		{"an array is not expected", "PATCH", s, `{"username":["u"]}`, "400 262255"},
		{"nothing to change", "PATCH", m, `{}`, "400 262190"},
		{"a body where none belongs", "DELETE", s, `{"force":true}`, "400 262198"},
		{"an unknown field in fields", "GET", managersPath + "?fields=colour", "", "400 262197"},
		{"unless the client says so", "GET", managersPath + "?fields=colour&ignore_unknown_fields=true", "", "200"},
		{"unbalanced braces", "GET", managersPath + "?fields=external.{servers", "", "400 262286"},
		{"a secret cannot be read", "GET", managersPath + "?fields=onboard.passphrase", "", "400 262249"},
		{"a secret does not belong in the URL", "GET", managersPath + "?onboard.passphrase=x", "", "400 262202"},
		{"what cannot be read cannot be queried", "GET", managersPath + "?onboard.synchronize=true", "", "400 262250"},
		{"an unknown parameter", "GET", managersPath + "?colour=red", "", "400 262179"},
		{"a filter of the wrong type", "GET", m + "/key-servers?timeout=soon", "", "400 262197"},
		{"an order by nothing", "GET", managersPath + "?order_by=colour", "", "400 262268"},
		{"a page of nothing", "GET", managersPath + "?max_records=0", "", "400 262197"},
		{"a wait that is too long", "GET", managersPath + "?return_timeout=121", "", "400 262197"},
		{"a query without its fields", "GET", managersPath + "?query=x", "", "400 262273"},
		{"fields of a query without it", "GET", managersPath + "?query_fields=uuid", "", "400 262277"},
		{"a filter in a POST", "POST", managersPath + "?scope=svm", `{}`, "400 262211"},
		{"a collection without a filter", "DELETE", managersPath, "", "400 262212"},
		{"a filter on an instance", "DELETE", m + "?scope=cluster", "", "400 262179"},
		{"no such record", "GET", managersPath + "/00000000-0000-0000-0000-00000000dead", "", "404 4"},
		{"no such manager", "GET", managersPath + "/x/key-servers", "", "404 4"},
		{"no such path", "GET", "/api/security/colours", "", "404 3"},
		{"an empty segment", "GET", managersPath + "//key-servers", "", "400 39387137"},
		{"no such verb", "PUT", m, `{}`, "405 3"},
		{"SVMs are not made here", "POST", "/api/svm/svms", `{"name":"x"}`, "405 3"},
		{"no such SVM", "POST", managersPath, externalBody("nobody", "ks1"), "400 13434893"},
		{"both kinds", "POST", managersPath, `{"external":{},"onboard":{}}`, "400 262186"},
		{"neither", "POST", managersPath, `{}`, "400 262278"},
		{"certificates are never changed", "PATCH", "/api/security/certificates/" + k.c.state.Certificates[0].UUID, `{"name":"x"}`, "405 3"},
		{"a certificate in use", "DELETE", "/api/security/certificates/" + k.c.state.KeyManagers[0].External.Client, "", "400 3735683"},
		{"the host of a server is not changed", "PATCH", s, `{"server":"ks9"}`, "400 262196"},
	}
	for _, c := range cases {
		if got := k.code(c.method, c.path, c.body); got != c.want {
			t.Errorf("%s: %s %s %s: got %s, want %s", c.why, c.method, c.path, c.body, got, c.want)
		}
	}
}

func TestWhoMayCall(t *testing.T) {
	role := []Privilege{
		{"/api/security", "readonly"},
		{"/api/security/key-managers/*/key-servers", "read_create"},
	}
	cases := []struct {
		why          string
		method, path string
		authorize    func(*http.Request)
		want         int
	}{
		{"the account", "GET", managersPath, func(r *http.Request) {}, 200},
		{"a wrong password", "GET", managersPath, func(r *http.Request) { r.SetBasicAuth("admin", "x") }, 401},
		{"nobody", "GET", managersPath, func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"the token", "GET", managersPath, func(r *http.Request) { r.Header.Set("Authorization", "Bearer t0ken") }, 200},
		{"another token", "GET", managersPath, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401},
		{"read where only reading is allowed", "POST", managersPath, func(*http.Request) {}, 403},
		{"what the role does not name", "GET", "/api/cluster", func(*http.Request) {}, 403},
		{"the longest path counts", "POST", managersPath + "/x/key-servers", func(*http.Request) {}, 404},
		{"nor does it allow more", "DELETE", managersPath + "/x/key-servers/y", func(*http.Request) {}, 403},
		{"OPTIONS is for everybody", "OPTIONS", "/api/cluster", func(*http.Request) {}, 200},
	}
	for _, c := range cases {
		k := newCaller(t, Config{Token: "t0ken", Role: role})
		r := k.request(c.method, c.path, `{"server":"a"}`)
		if c.method != "POST" {
			r = k.request(c.method, c.path, "")
		}
		c.authorize(r)
		resp, err := k.c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != c.want {
			t.Errorf("%s: %s %s: got %d, want %d", c.why, c.method, c.path, resp.StatusCode, c.want)
		}
	}
}

func TestVersions(t *testing.T) {
	cases := []struct {
		why                string
		ontap              string
		method, path, body string
		want               string
	}{
		{"enabled came with 9.16", "9.15.1", "GET", "?fields=enabled", "", "400 262197"},
		{"and is there since", "9.16.1", "GET", "?fields=enabled", "", "200"},
		{"configuration came with 9.16", "9.15.1", "POST", "", `{"configuration":{"name":"x"}}`, "400 262179"},
		{"so did create_inactive", "9.15.1", "POST", "?create_inactive=true", `{}`, "400 262179"},
		{"node_states came with 9.13", "9.12.1", "GET", "?fields=external.servers.connectivity.node_states", "", "400 262197"},
		{"before there were records", "9.12.1", "GET", "?fields=external.servers.connectivity.records", "", "200"},
		{"which went with it", "9.13.1", "GET", "?fields=external.servers.connectivity.records", "", "400 262197"},
		{"policy came with 9.9", "9.8.1", "POST", "", `{"policy":"x"}`, "400 262179"},
		{"unknown fields could not be ignored", "9.10.1", "GET", "?ignore_unknown_fields=true", "", "400 262179"},
	}
	for _, c := range cases {
		k := newCaller(t, Config{ONTAP: c.ontap})
		if got := k.code(c.method, managersPath+c.path, c.body); got != c.want {
			t.Errorf("%s: got %s, want %s", c.why, got, c.want)
		}
	}
	for _, bad := range []string{"9.7.1", "9.19.1", "10.1", "nine", "9.-1"} {
		if err := (Config{ONTAP: bad}).Validate(); err == nil {
			t.Errorf("ONTAP %s is accepted", bad)
		}
	}
}

func TestConnectivity(t *testing.T) {
	cases := []struct {
		ontap, world, want string
	}{
		{"9.16.1", `{"key_servers":{"ks1":{"*":"not_responding","node1":"available"}}}`,
			`{"cluster_availability":true,"node_states":[{"node":{"name":"node1"},"state":"available"},{"node":{"name":"node2"},"state":"not_responding"}]}`},
		{"9.16.1", `{"key_servers":{"ks1:5696":{"node2":"unknown"}}}`,
			`{"cluster_availability":false,"node_states":[{"node":{"name":"node1"},"state":"available"},{"node":{"name":"node2"},"state":"unknown"}]}`},
		{"9.12.1", `{"key_servers":{"ks1":{"node1":"tls_failed"}}}`,
			`{"cluster_availability":false,"records":[{"node":{"name":"node1"},"state":"not_responding"}]}`},
		{"9.12.1", `{}`, `{"cluster_availability":true}`},
	}
	for _, c := range cases {
		k := newCaller(t, Config{ONTAP: c.ontap})
		m := k.external("", "ks1")
		k.world(c.world)
		o := k.must("GET", m+"/key-servers/ks1:5696?fields=connectivity,!connectivity.node_states.node.uuid,!connectivity.records.node.uuid&ignore_unknown_fields=true", "")
		v, _ := o.get("connectivity")
		if got := string(appendJSON(nil, v)); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.ontap, c.world, got, c.want)
		}
	}
}

func TestExpensiveFieldsOnlyByName(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	for query, want := range map[string]bool{
		"":                 false,
		"?fields=*":        false,
		"?fields=external": false,
		"?fields=**":       true,
		"?fields=external,status,external.servers.connectivity":               true,
		"?fields=external.servers.connectivity.node_states.state,status.code": true,
		"?fields=external.{servers.{connectivity}},status":                    true,
		"?fields=**,!status,!external.servers.connectivity":                   false,
	} {
		_, text := k.text("GET", m+query, "")
		if got := strings.Contains(text, "not_responding") || strings.Contains(text, `"state":"available"`); got != want {
			t.Errorf("GET %s: connectivity %v, want %v: %s", query, got, want, text)
		}
		if got := strings.Contains(text, "65537200"); got != want {
			t.Errorf("GET %s: status %v, want %v: %s", query, got, want, text)
		}
	}
}

func TestPages(t *testing.T) {
	for _, query := range []string{"max_records=3", "max_records=3&order_by=name%20desc", "max_records=3&offset=2", "max_records=3&$orderBy=name&fields=name"} {
		k := newCaller(t, Config{SVMs: []string{"d", "a", "c", "b", "g", "f", "e"}})
		var names []string
		for path := "/api/svm/svms?" + query; path != ""; {
			o := k.must("GET", path, "")
			list, _ := o.list("records")
			for _, v := range list {
				name, _ := v.(object).text("name")
				names = append(names, name)
			}
			if len(list) > 3 {
				t.Errorf("%s: a page of %d", query, len(list))
			}
			path, _ = o.text("_links.next.href")
		}
		want := 7
		if strings.Contains(query, "offset") {
			want = 5
		}
		if ordered := slices.Clone(names); len(names) != want || len(slices.Compact(slices.Sorted(slices.Values(ordered)))) != want {
			t.Errorf("%s: got %v, want %d different names", query, names, want)
		}
		if strings.Contains(query, "desc") && !slices.IsSortedFunc(names, func(a, b string) int { return cmp.Compare(b, a) }) {
			t.Errorf("%s: %v is not in order", query, names)
		}
	}
}

func TestPagesAsTheWorldCutsThem(t *testing.T) {
	k := newCaller(t, Config{SVMs: []string{"a", "b", "c"}})
	k.world(`{"paging":{"limit":2,"empty_page":true}}`)
	var sizes []int
	for path := "/api/svm/svms?fields=name"; path != ""; {
		o := k.must("GET", path, "")
		list, _ := o.list("records")
		sizes = append(sizes, len(list))
		path, _ = o.text("_links.next.href")
	}
	if diff := gocmp.Diff([]int{2, 1, 0}, sizes); diff != "" {
		t.Errorf("sizes of the pages (-want +got):\n%s", diff)
	}
}

// A job may be called what ONTAP's documents do not have, be forgotten at once, or say that it has
// done what it has not.
func TestOddJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		k.world(`{"jobs":{"key_managers":"async","duration":"10s","outcome":"hollow","state":"thinking","retention":"1s"}}`)
		o := k.must("POST", managersPath, externalBody("svm1", "ks1"))
		uuid, _ := o.text("job.uuid")
		path := "/api/cluster/jobs/" + uuid
		o = k.must("GET", path, "")
		if word, _ := o.text("state"); word != "thinking" {
			t.Errorf("the job is %q, want thinking", word)
		}
		k.world(`{"jobs":{"state":"none"}}`)
		o = k.must("GET", path, "")
		if word, there := o.text("state"); there {
			t.Errorf("the job is %q, want no word", word)
		}
		time.Sleep(10 * time.Second) // its end, to the nanosecond
		o = k.must("GET", path, "")
		if word, _ := o.text("state"); word != "success" {
			t.Errorf("the job is %q, want success", word)
		}
		o = k.must("GET", managersPath, "")
		if list, _ := o.list("records"); len(list) != 0 {
			t.Errorf("it has made %v", list)
		}
		time.Sleep(1001 * time.Millisecond)
		if got := k.code("GET", path, ""); got != "404 4" {
			t.Errorf("the job afterwards: %s", got)
		}
	})
}

func TestJobActions(t *testing.T) {
	k := newCaller(t, Config{})
	k.world(`{"jobs":{"key_managers":"async","outcome":"stuck"}}`)
	o := k.must("POST", managersPath, externalBody("svm1", "ks1"))
	uuid, _ := o.text("job.uuid")
	for action, want := range map[string]string{
		"?action=cancel": "400 458784", "?action=pause": "400 458783", "?action=resume": "400 458771",
		"?action=stop": "400 262197", "": "400 262278",
	} {
		if got := k.code("PATCH", "/api/cluster/jobs/"+uuid+action, ""); got != want {
			t.Errorf("PATCH %s: got %s, want %s", action, got, want)
		}
	}
}

func TestTunnel(t *testing.T) {
	k := newCaller(t, Config{SVMs: []string{"a", "b"}})
	k.header.Set("X-Dot-SVM-Name", "a")
	m := k.external("", "ks1")
	o := k.must("GET", m+"?fields=svm.name,scope", "")
	if name, _ := o.text("svm.name"); name != "a" {
		t.Errorf("the manager belongs to %q, want a", name)
	}
	if got := k.code("POST", managersPath, externalBody("b", "ks1")); got != "400 262186" {
		t.Errorf("another SVM in the body: got %s, want 400 262186", got)
	}
	k.header.Set("X-Dot-SVM-Name", "b")
	if got := k.code("GET", m, ""); got != "404 4" {
		t.Errorf("the record of another SVM: got %s, want 404 4", got)
	}
	k.header.Set("X-Dot-SVM-Name", "nobody")
	if got := k.code("GET", managersPath, ""); got != "400 13434893" {
		t.Errorf("an unknown SVM: got %s, want 400 13434893", got)
	}
}

func TestEqualSeedsGiveEqualAnswers(t *testing.T) {
	run := func(seed uint64) string {
		k := newCaller(t, Config{Seed: seed})
		k.external("svm1", "ks1")
		k.must("POST", "/api/security/certificates", `{"type":"server_ca","common_name":"x","expiry_time":"P30DT"}`)
		_, text := k.text("GET", managersPath+"?fields=**", "")
		return text
	}
	first, again, other := run(1), run(1), run(2)
	if first != again {
		t.Error("equal seeds differ")
	}
	if first == other {
		t.Error("different seeds are equal")
	}
}

func TestStateIsRestoredExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		m := k.external("svm1", "ks1", "ks2")
		k.onboard()
		k.must("PATCH", m+"/key-servers/ks1:5696", `{"username":"u","password":"p","secondary_key_servers":["x"]}`)
		k.world(`{"jobs":{"key_managers":"async","duration":"1m"},"key_servers":{"ks1":{"*":"unknown"}},"nodes":{"node2":{"quorum":false}}}`)
		status, _ := k.call("PATCH", m, `{"external":{"server_ca_certificates":[{"name":"kmip-ca"}]}}`)
		if status != 202 {
			t.Fatalf("got %d, want a job", status)
		}
		_, before := k.text("GET", "/sim/state", "")
		other := newCaller(t, Config{Seed: 9})
		if status, text := other.text("PUT", "/sim/state", before); status != 200 {
			t.Fatal(text)
		}
		if _, after := other.text("GET", "/sim/state", ""); before != after {
			t.Errorf("the state changed:\n%s", gocmp.Diff(before, after))
		}
		_, want := k.text("GET", managersPath+"?fields=**", "")
		if _, got := other.text("GET", managersPath+"?fields=**", ""); got != want {
			t.Errorf("the answers differ:\n%s", gocmp.Diff(want, got))
		}
		time.Sleep(2 * time.Minute)
		o := other.must("GET", "/api/cluster/jobs?fields=state", "")
		list, _ := o.list("records")
		if state, _ := list[0].(object).text("state"); state != "success" {
			t.Errorf("the job of the restored cluster is %q, want success", state)
		}
	})
}

func TestJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		k.world(`{"jobs":{"key_managers":"async","duration":"10s"}}`)
		o := k.must("POST", managersPath, externalBody("svm1", "ks1"))
		uuid, _ := o.text("job.uuid")
		path := "/api/cluster/jobs/" + uuid
		state := func() string {
			s, _ := k.must("GET", path, "").text("state")
			return s
		}
		if got := state(); got != "queued" {
			t.Errorf("at first the job is %s, want queued", got)
		}
		time.Sleep(5 * time.Second)
		if got := state(); got != "running" {
			t.Errorf("then the job is %s, want running", got)
		}
		if n, _ := k.must("GET", managersPath, "").integer("num_records"); n != 0 {
			t.Error("the manager is there before its job has ended")
		}
		time.Sleep(5 * time.Second)
		if got := state(); got != "success" {
			t.Errorf("at last the job is %s, want success", got)
		}
		if n, _ := k.must("GET", managersPath, "").integer("num_records"); n != 1 {
			t.Error("the manager is not there after its job")
		}
		time.Sleep(300 * time.Second)
		if got := state(); got != "success" {
			t.Errorf("after 300 s the job is %s, want success", got)
		}
		time.Sleep(time.Second)
		if got := k.code("GET", path, ""); got != "404 4" {
			t.Errorf("after 301 s: got %s, want 404 4", got)
		}
	})
}

func TestJobOutcomes(t *testing.T) {
	cases := []struct {
		why, world, timeout, want string
		took                      time.Duration
	}{
		{"no wait", `{"jobs":{"duration":"5s"}}`, "0", "202", 0},
		{"a wait that is long enough", `{"jobs":{"duration":"5s"}}`, "10", "201", 5 * time.Second},
		{"a wait that is too short", `{"jobs":{"duration":"50s"}}`, "10", "202", 10 * time.Second},
		{"a failure", `{"jobs":{"duration":"5s","outcome":"failure","code":"65536852","message":"no"}}`, "10", "400 65536852", 5 * time.Second},
		{"stuck", `{"jobs":{"duration":"5s","outcome":"stuck"}}`, "120", "202", 120 * time.Second},
		{"what is wrong at once is no job", `{"volumes":{"svm1":{"nae":1}}}`, "10", "400 65539704", 0},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			k := newCaller(t, Config{})
			k.world(`{"jobs":{"key_managers":"async"}}`)
			k.world(c.world)
			start := time.Now()
			if got := k.code("POST", managersPath+"?return_timeout="+c.timeout, externalBody("svm1", "ks1")); got != c.want {
				t.Errorf("%s: got %s, want %s", c.why, got, c.want)
			}
			if took := time.Since(start); took != c.took {
				t.Errorf("%s: took %s, want %s", c.why, took, c.took)
			}
		})
	}
}

func TestManyRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{SVMs: []string{"a", "b"}})
		both := func(x, y string) string {
			return `{"records":[` + externalBody(x, "ks1") + `,` + externalBody(y, "ks1") + `]}`
		}
		count := func() int64 {
			n, _ := k.must("GET", managersPath, "").integer("num_records")
			return n
		}
		if got := k.code("POST", managersPath+"?return_timeout=15", both("a", "a")); got != "400 65536870" {
			t.Errorf("two for one SVM: got %s, want 400 65536870", got)
		}
		if n := count(); n != 0 {
			t.Errorf("%d records after a rollback, want 0", n)
		}
		k.must("POST", managersPath+"?return_timeout=15", both("a", "b"))
		if n := count(); n != 2 {
			t.Errorf("%d records, want 2", n)
		}
		list := k.c.state.KeyManagers
		k.must("DELETE", managersPath+"?return_timeout=15", `{"records":[{"uuid":"`+list[0].UUID+`"},{"uuid":"`+list[1].UUID+`"}]}`)
		if n := count(); n != 0 {
			t.Errorf("%d records, want 0", n)
		}
	})
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	k.must("POST", m+"/key-servers", `{"records":[{"server":"ks2"},{"server":"ks3"}]}`)
	k.must("PATCH", m+"/key-servers?server=ks2*|ks3*", `{"timeout":7}`)
	o := k.must("GET", m+"/key-servers?timeout=7", "")
	if n, _ := o.integer("num_records"); n != 2 {
		t.Errorf("%d servers with the timeout, want 2", n)
	}
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{})
		err := k.c.Fault(`[
			{"method":"GET","path":"/api/cluster","nth":2,"times":2,"action":{"status":503,"code":"7","message":"busy","headers":{"Retry-After":"3"}}},
			{"path":"/api/svm/*","action":{"status":200,"body":"<html>"}},
			{"method":"POST","path":"/api/security/key-managers","action":{"drop":"before"}},
			{"method":"POST","path":"/api/security/key-managers","nth":2,"action":{"drop":"after"}},
			{"method":"GET","path":"/api/cluster/nodes*","times":-1,"action":{"truncate":10,"delay":"2s"}}]`)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"200", "503 7", "503 7", "200"} {
			if got := k.code("GET", "/api/cluster", ""); got != want {
				t.Errorf("GET %d: got %s, want %s", i+1, got, want)
			}
		}
		if status, text := k.text("GET", "/api/svm/svms", ""); status != 200 || text != "<html>" {
			t.Errorf("got %d %s, want the text of the fault", status, text)
		}
		for _, want := range []int{0, 1} {
			if _, err := k.c.RoundTrip(k.request("POST", managersPath, externalBody("svm1", "ks1"))); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want a dropped connection", err)
			}
			if n := len(k.c.state.KeyManagers); n != want {
				t.Errorf("%d managers, want %d", n, want)
			}
		}
		start := time.Now()
		resp, err := k.c.RoundTrip(k.request("GET", "/api/cluster/nodes?fields=name", ""))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if len(text) != 10 || !errors.Is(err, io.ErrUnexpectedEOF) || resp.ContentLength <= 10 || time.Since(start) != 2*time.Second {
			t.Errorf("got %q, %v, length %d after %s", text, err, resp.ContentLength, time.Since(start))
		}
		_, o := k.call("GET", "/sim/requests?since=5", "")
		list, _ := o.list("requests")
		var statuses []any
		for _, v := range list {
			s, _ := v.(object).get("status")
			statuses = append(statuses, s)
		}
		if diff := gocmp.Diff([]any{int64(0), int64(201), int64(200)}, statuses); diff != "" {
			t.Errorf("statuses of the log (-want +got):\n%s", diff)
		}
		k.must("DELETE", "/sim/faults", "")
		k.must("GET", "/api/cluster/nodes", "")
	})
}

func TestFaultsOverAConnection(t *testing.T) {
	c := New(Config{})
	server := httptest.NewServer(c)
	defer server.Close()
	err := c.Fault(`[{"path":"/api/cluster","action":{"drop":"after"}},{"path":"/api/cluster/nodes","action":{"truncate":10}}]`)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) ([]byte, error) {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		r.SetBasicAuth("admin", "netapp1!")
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
	if _, err := get("/api/cluster"); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a connection that ends", err)
	}
	if text, err := get("/api/cluster/nodes"); len(text) != 10 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q and %v, want 10 bytes and an unexpected end", text, err)
	}
	if text, err := get("/api/cluster"); err != nil || !strings.Contains(string(text), "cluster1") {
		t.Errorf("got %q and %v, want the cluster", text, err)
	}
}

func TestWorldRefusals(t *testing.T) {
	cases := []struct{ why, patch, want string }{
		{"an unknown word", `{"colour":"red"}`, `"colour" is not a word of the world; the words are aggregates, auth_keys, aws, azure, barbican, broken, certificates, common_criteria, cores, drives, effective_version, gcp, holds_keys, jobs, key_servers, key_stores, metrocluster, missing_keys, nodes, paging, platform, policies, svms, volumes`},
		{"an unknown node", `{"nodes":{"node9":{}}}`, `nodes: there is no node "node9"; one with a membership is added`},
		{"an unknown state", `{"key_servers":{"ks1":{"*":"tired"}}}`, `key_servers: ks1:5696: *: "tired" is not one of available, not_responding, unknown, kmip_unknown, refusing, server_ca_mismatch, client_certificate_refused, tls_failed, network_failed`},
		{"an unknown outcome", `{"jobs":{"outcome":"luck"}}`, `jobs: outcome: "luck" is not one of success, failure, stuck, hollow`},
		{"an unknown SVM", `{"certificates":[{"name":"x","svm":"nobody"}]}`, `certificates: x: there is no SVM "nobody"`},
	}
	for _, c := range cases {
		k := newCaller(t, Config{})
		_, before := k.text("GET", "/sim/state", "")
		status, o := k.call("PATCH", "/sim/world", c.patch)
		if got, _ := o.text("error"); status != 400 || got != c.want {
			t.Errorf("%s:\n got %d %s\nwant 400 %s", c.why, status, got, c.want)
		}
		if _, after := k.text("GET", "/sim/state", ""); before != after {
			t.Errorf("%s: the world changed all the same", c.why)
		}
	}
}

func TestWorldExampleOfTheManual(t *testing.T) {
	k := newCaller(t, Config{})
	k.world(`{"key_servers":{"ks1:5696":{"*":"not_responding","node1":"available"}},
		"jobs":{"duration":"3s","outcome":"stuck"},"nodes":{"node2":{"quorum":false}},
		"certificates":[{"name":"kmip-client","type":"client","svm":"*","expiry_time":"2030-01-01T00:00:00Z","key_pair":"k1"}],
		"svms":{"x":{}},"volumes":{"svm1":{"encrypted":2}}}`)
	o := k.must("GET", "/api/security/certificates?name=kmip-client&expiry_time=<2031-01-01T00:00:00Z", "")
	if n, _ := o.integer("num_records"); n != 3 {
		t.Errorf("%d certificates expire in 2030, want one of the cluster and each of the two SVMs", n)
	}
}

func TestFiveHundredClusters(t *testing.T) {
	fleet, err := NewFleet(500, Config{SVMs: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	uuids := map[string]bool{}
	hosts := Hosts{}
	for _, c := range fleet {
		uuids[c.state.UUID] = true
		hosts[c.Name()] = c
	}
	if len(uuids) != len(fleet) {
		t.Errorf("%d UUIDs of %d clusters", len(uuids), len(fleet))
	}
	var all sync.WaitGroup
	for _, c := range fleet {
		all.Go(func() {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+c.Name()+"/api/cluster", nil)
			r.SetBasicAuth("admin", "netapp1!")
			resp, err := hosts.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			var got struct{ Name string }
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Name != c.Name() {
				t.Errorf("%s answers as %q (%v)", c.Name(), got.Name, err)
			}
		})
	}
	all.Wait()
}

func TestFixture(t *testing.T) {
	k := newCaller(t, Config{Fixture: []byte(`{
		"world":{"svms":{"x":{}}},
		"requests":[{"method":"POST","path":"/api/security/key-managers","body":` + externalBody("x", "ks1") + `}]}`)})
	if n, _ := k.must("GET", managersPath, "").integer("num_records"); n != 1 {
		t.Errorf("%d managers, want the one of the fixture", n)
	}
	if err := (Config{Fixture: []byte(`{"requests":[{"method":"POST","path":"/api/security/key-managers","body":{}}]}`)}).Validate(); err == nil {
		t.Error("a fixture that cannot be is accepted")
	}
}

const tenThousand = 10000

func BenchmarkGetManagers(b *testing.B) {
	c := New(Config{Managers: tenThousand})
	for b.Loop() {
		r := httptest.NewRequest("GET", managersPath+"?fields=uuid,scope,svm,enabled,configuration,external,status", nil)
		r.SetBasicAuth("admin", "netapp1!")
		r.Header.Set("Accept", "application/json")
		resp, err := c.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		n, _ := io.Copy(io.Discard, resp.Body)
		b.SetBytes(n)
	}
}

// Until 9.11 a key server could be added with its timeout and credentials; since then they
// are set by a PATCH.
func TestServersWithCredentialsBefore911(t *testing.T) {
	const row = `{"server":"ks2","timeout":30,"username":"u","password":"hidden"}`
	for _, body := range []string{row, `{"records":[` + row + `]}`} {
		k := newCaller(t, Config{ONTAP: "9.10.1"})
		m := k.external("", "ks1")
		k.must("POST", m+"/key-servers", body)
		_, got := k.text("GET", m+"/key-servers/ks2:5696", "")
		if want := `{"server":"ks2:5696","timeout":30,"username":"u"}`; got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
		if n := len(k.c.state.Received); n != 1 || k.c.state.Received[0].Value != "hidden" {
			t.Errorf("%s: %d secrets received, want the password", body, n)
		}
		k = newCaller(t, Config{ONTAP: "9.11.1"})
		if got := k.code("POST", k.external("", "ks1")+"/key-servers", body); !strings.HasPrefix(got, "400 2621") {
			t.Errorf("%s since 9.11: got %s, want a refusal of the field", body, got)
		}
	}
}

// What a message repeats of a request is quoted once.
func TestMessagesQuoteOnce(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	cases := []struct{ method, path, body, want string }{
		{"PATCH", m + "/key-servers/ks1:5696", `{"timeout":"soon"}`, `Invalid value for field "timeout": "soon".`},
		{"PATCH", m + "/key-servers/ks1:5696", `{"timeout":61}`, `Invalid value for field "timeout": 61.`},
		{"POST", m + "/key-servers", `{"server":"bad host"}`, `Invalid value for field "server": "bad host".`},
	}
	for _, c := range cases {
		_, o := k.call(c.method, c.path, c.body)
		if got, _ := o.text("error.message"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}
