package ontapsim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A change of a collection is answered when it is done, or after return_timeout, which is
// 15 s when the client does not say.
func TestChangesOfACollection(t *testing.T) {
	const certificate = `"external":{"client_certificate":{"name":"kmip-client"}}`
	cases := []struct {
		why, world, query, body string
		want, code              string
		took                    time.Duration
	}{
		{"nothing is chosen", `{}`, "?svm.name=nobody", `{` + certificate + `}`, `{"num_records":0}`, "200", 0},
		{"at once", `{"jobs":{"key_managers":"sync"}}`, "?scope=svm", `{` + certificate + `}`, `{"num_records":2}`, "200", 0},
		{"a job is waited for", `{"jobs":{"duration":"5s"}}`, "?scope=svm", `{` + certificate + `}`, `{"jobs":[{}],"num_records":2}`, "200", 5 * time.Second},
		{"not for longer than 15 s", `{"jobs":{"duration":"20s"}}`, "?scope=svm", `{` + certificate + `}`, `{"jobs":[{}],"num_records":2}`, "202", 15 * time.Second},
		{"unless the client says so", `{"jobs":{"duration":"20s"}}`, "?scope=svm&return_timeout=30", `{` + certificate + `}`, `{"jobs":[{}],"num_records":2}`, "200", 20 * time.Second},
		{"or does not wait", `{"jobs":{"duration":"20s"}}`, "?scope=svm&return_timeout=0", `{` + certificate + `}`, `{"jobs":[{}],"num_records":2}`, "202", 0},
		{"a failure of the job is the answer", `{"jobs":{"outcome":"failure","code":"65536852","message":"no"}}`, "?scope=svm", `{` + certificate + `}`, "", "400 65536852", 50 * time.Millisecond},
		{"more than one page", `{"jobs":{"key_managers":"sync"}}`, "?scope=svm&max_records=1", `{` + certificate + `}`, `{"num_records":1,"_links":{"next":{}}}`, "200", 0},
		{"records in the body", `{"jobs":{"duration":"5s"}}`, "", `{"records":[{"uuid":"A",` + certificate + `},{"uuid":"B",` + certificate + `}]}`, `{"jobs":[{}],"num_records":2}`, "200", 5 * time.Second},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			k := newCaller(t, Config{SVMs: []string{"a", "b"}})
			body := strings.ReplaceAll(c.body, `"A"`, `"`+strings.TrimPrefix(k.external("a", "ks1"), managersPath+"/")+`"`)
			body = strings.ReplaceAll(body, `"B"`, `"`+strings.TrimPrefix(k.external("b", "ks1"), managersPath+"/")+`"`)
			k.world(`{"jobs":{"key_managers":"async"}}`)
			k.world(c.world)
			start := time.Now()
			status, o := k.call("PATCH", managersPath+c.query, body)
			took := time.Since(start)
			if got := statusAndCode(status, o); got != c.code {
				t.Errorf("%s: got %s, want %s", c.why, got, c.code)
			}
			if got := string(appendJSON(nil, shape(o))); c.want != "" && got != c.want {
				t.Errorf("%s: got %s, want %s", c.why, got, c.want)
			}
			if took != c.took {
				t.Errorf("%s: took %s, want %s", c.why, took, c.took)
			}
		})
	}
}

// shape is an object without the texts in it, which are UUIDs and links.
func shape(o object) object {
	out := object{}
	for _, m := range o {
		switch v := m.value.(type) {
		case string:
		case object:
			out.put(m.name, shape(v))
		case []any:
			var list []any
			for _, e := range v {
				list = append(list, shape(e.(object)))
			}
			out.put(m.name, list)
		default:
			out.put(m.name, v)
		}
	}
	return out
}

// Of a PATCH or a DELETE, what was done before a failure stays done, be there a job or not;
// of a POST it is taken back.
func TestFailureWithinACollection(t *testing.T) {
	const quick = "?return_timeout=15"
	cases := []struct {
		why, mode, query string
		want             string
		left             int64
	}{
		{"at once", "sync", "", "400 65536843", 2},
		{"at once, and on", "sync", "?continue_on_failure=true", "400 65536843", 1},
	}
	for _, c := range cases {
		k := newCaller(t, Config{})
		m := k.external("", "ks1", "ks2", "ks3")
		body := `{"records":[{"server":"ks1:5696"},{"server":"ks9:5696"},{"server":"ks2:5696"}]}`
		if got := k.code("DELETE", m+"/key-servers"+c.query, body); got != c.want {
			t.Errorf("%s: got %s, want %s", c.why, got, c.want)
		}
		if n, _ := k.must("GET", m+"/key-servers", "").integer("num_records"); n != c.left {
			t.Errorf("%s: %d servers are left, want %d", c.why, n, c.left)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		k := newCaller(t, Config{SVMs: []string{"a", "b"}})
		a, b := k.external("a", "ks1"), k.external("b", "ks1")
		k.world(`{"jobs":{"key_managers":"async"},"certificates":[{"name":"second","svm":"a","key_pair":"k1"}]}`)
		change := `","external":{"client_certificate":{"name":"second"}}}`
		body := `{"records":[{"uuid":"` + strings.TrimPrefix(a, managersPath+"/") + change + `,{"uuid":"` + strings.TrimPrefix(b, managersPath+"/") + change + `]}`
		if got := k.code("PATCH", managersPath+quick, body); got != "400 65536821" {
			t.Errorf("with a job: got %s, want 400 65536821", got)
		}
		if name, _ := k.must("GET", a+"?fields=external.client_certificate", "").text("external.client_certificate.name"); name != "second" {
			t.Errorf("with a job: the first has %q, want second", name)
		}
	})
}

func TestJobsBelongToTheirSVM(t *testing.T) {
	k := newCaller(t, Config{SVMs: []string{"a", "b"}})
	k.world(`{"jobs":{"key_managers":"async"}}`)
	k.must("POST", managersPath+"?return_timeout=5", externalBody("a", "ks1"))
	m := managersPath + "/" + k.c.state.KeyManagers[0].UUID
	k.must("PATCH", m+"?return_timeout=5", `{"external":{"client_certificate":{"name":"kmip-client"}}}`)
	k.must("POST", managersPath+"?return_timeout=5", externalBody("", "ks1"))
	for query, want := range map[string]int64{"?svm.name=a": 2, "?svm.name=b": 0, "?svm.name=null": 1} {
		if n, _ := k.must("GET", "/api/cluster/jobs"+query, "").integer("num_records"); n != want {
			t.Errorf("GET /api/cluster/jobs%s: %d jobs, want %d", query, n, want)
		}
	}
}

// NetApp's own modules take the only server of a key manager away before they add another.
func TestTheLastServerIsReplaced(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	k.must("DELETE", m+"/key-servers/ks1:5696", "")
	if got := k.code("GET", m, ""); got != "404 4" {
		t.Errorf("GET without servers: got %s, want 404 4", got)
	}
	k.must("POST", m+"/key-servers", `{"server":"ks2"}`)
	if got := k.code("GET", m, ""); got != "200" {
		t.Errorf("GET with a server again: got %s, want 200", got)
	}
}
