package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kmagent/internal/status"
)

// well is a health that is well.
type well struct{}

func (well) live() bool   { return true }
func (well) ready() error { return nil }

// served returns the pages of a daemon that knows a cluster that it has not seen yet.
func served() (http.Handler, *statusPages) {
	t := status.NewTracker(status.Agent{Version: "1.2.3"})
	t.Source(status.Source{File: "desired.yaml", Revision: "3f2a"}, []status.Declared{{Name: "prod-a", Mode: "enforce", Interval: time.Minute}})
	s := newStatusPages(t)
	return getOnly(pages(http.NotFoundHandler(), s, well{})), s
}

func get(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// There is nothing that can be changed, whatever the method and the path.
func TestOnlyGET(t *testing.T) {
	h, _ := served()
	for _, path := range []string{"/", "/?cluster=prod-a", statusPath, "/metrics", "/livez", "/readyz", "/nothing"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"} {
			w := get(h, method, path)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: HTTP %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", strings.NewReader("x=1")))
	if w.Code != http.StatusBadRequest {
		t.Errorf("a body: HTTP %d", w.Code)
	}
}

func TestStatusPages(t *testing.T) {
	h, _ := served()
	for _, tt := range []struct {
		path, kind string
		code       int
		has        string
	}{
		{"/", "text/html; charset=utf-8", 200, "<title>1 waiting"},
		{"/?cluster=prod-a", "text/html; charset=utf-8", 200, "all clusters"},
		{"/?cluster=prod-b", "text/plain; charset=utf-8", 404, "the file in use has no cluster prod-b\n"},
		{statusPath, "application/json", 200, `{"version":1,`},
		{statusPath + "?cluster=prod-a&cluster=prod-a", "application/json", 200, `"clusters":1`},
		{statusPath + "?cluster=%1b%5B2J", "text/plain; charset=utf-8", 404, `has no cluster \x1b[2J`},
		{statusPath + "/", "text/plain; charset=utf-8", 404, "404"},
		{"/index.html", "text/plain; charset=utf-8", 404, "404"},
	} {
		w := get(h, "GET", tt.path)
		if w.Code != tt.code || w.Header().Get("Content-Type") != tt.kind || !strings.Contains(w.Body.String(), tt.has) {
			t.Errorf("%s: HTTP %d, %s:\n%s", tt.path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", tt.path, w.Header())
		}
	}
	page := get(h, "GET", "/")
	policy := page.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if page.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", page.Header())
	}
}

// A reader too many is told so, and takes nobody's place.
func TestStatusCrowd(t *testing.T) {
	h, s := served()
	for range maxRendered {
		s.slots <- struct{}{}
	}
	if w := get(h, "GET", "/"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d", w.Code)
	}
	<-s.slots
	for range 3 {
		if w := get(h, "GET", statusPath); w.Code != 200 {
			t.Errorf("HTTP %d", w.Code)
		}
	}
}

// ask runs kmagent status against a server, and returns its exit code and what it said.
func askStatus(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), append([]string{"status"}, args...), streams{strings.NewReader(""), &out, &err}, func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	})
	return code, out.String(), err.String()
}

func TestStatusAnswers(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect or a proxy was followed") }))
	defer other.Close()
	t.Setenv("HTTP_PROXY", other.URL)
	report := func(w http.ResponseWriter) { w.Write([]byte(`{"version":1,"source":{"revision":"1"},"new_field":7}`)) }
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		code    int
		stdout  string
		stderr  string
	}{
		{"a report", func(w http.ResponseWriter, _ *http.Request) { report(w) }, 0, "0 clusters; file 1 in use\n", ""},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, 1, "", "answers HTTP 302: "},
		{"too much", func(w http.ResponseWriter, _ *http.Request) {
			for range 17 {
				w.Write(bytes.Repeat([]byte(" "), 1<<20))
			}
		}, 1, "", "larger than 16 MiB"},
		{"something else", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>\x1b[2J")) }, 1, "", "is no kmagent that this one understands"},
		{"another version", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"version":2}`)) }, 1, "", "is no kmagent that this one understands"},
		{"an error that means harm", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "\x1b[2Jno\nforged", 500) }, 1, "", `HTTP 500: \x1b[2Jno` + "\n"},
		{"a password is wanted", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, 1, "", "--username and --password"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte(`{"version":1`))
		}, 1, "", "is it running? systemctl status kmagent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(tt.handler)
			defer srv.Close()
			code, stdout, stderr := askStatus(t, nil, "--web.address", srv.URL)
			if code != tt.code || stdout != tt.stdout || !strings.Contains(stderr, tt.stderr) || strings.Contains(stderr, "forged") {
				t.Errorf("exit %d\nstdout %q\nstderr %q", code, stdout, stderr)
			}
		})
	}
	t.Run("fields that this release does not know", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { report(w) }))
		defer srv.Close()
		if code, stdout, _ := askStatus(t, nil, "-o", "json", "--web.address", srv.URL); code != 0 || !strings.Contains(stdout, `"new_field": 7`) {
			t.Errorf("exit %d: %s", code, stdout)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		srv := httptest.NewServer(http.NotFoundHandler())
		srv.Close()
		code, _, stderr := askStatus(t, map[string]string{"KMAGENT_WEB_LISTEN_ADDRESS": strings.TrimPrefix(srv.URL, "http://") + ",127.0.0.1:1"})
		if want := "kmagent: the service does not answer at " + srv.URL + " (nothing listens there): is it running? systemctl status kmagent\n"; code != 1 || stderr != want {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
}

// TLS is checked, and a password goes nowhere else.
func TestStatusTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); ok && (user != "ops" || password != "canary") {
			t.Errorf("%s:%s", user, password)
		}
		w.Write([]byte(`{"version":1,"source":{"revision":"1"}}`))
	}))
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(srv.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := strings.Replace(srv.URL, "https", "http", 1)
	env := map[string]string{"OPS": "canary"}
	for _, tt := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"trusted", []string{"--web.address", srv.URL, "--ca-file", ca}, 0, ""},
		{"with a password", []string{"--web.address", srv.URL, "--ca-file", ca, "--username", "ops", "--password", "env:OPS"}, 0, ""},
		{"not trusted", []string{"--web.address", srv.URL}, 1, "see --ca-file"},
		{"http to https", []string{"--web.address", plain}, 1, "write --web.address https://"},
		{"no CA there", []string{"--web.address", srv.URL, "--ca-file", ca + "x"}, 64, "--ca-file"},
		{"half of a login", []string{"--web.address", srv.URL, "--username", "ops"}, 64, "go together"},
		{"a password in the clear", []string{"--web.address", "http://203.0.113.1:9469", "--username", "ops", "--password", "env:OPS"}, 64, "by https alone"},
		{"a literal password", []string{"--web.address", srv.URL, "--username", "ops", "--password", "canary"}, 64, "not a secret reference"},
		{"a password that is not there", []string{"--web.address", srv.URL, "--username", "ops", "--password", "env:NONE"}, 9, "NONE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := askStatus(t, env, tt.args...)
			if code != tt.code || !strings.Contains(stderr, tt.stderr) || strings.Contains(stdout+stderr, "canary") {
				t.Errorf("exit %d: %s", code, stderr)
			}
		})
	}
}

func TestStatusAddress(t *testing.T) {
	for _, tt := range []struct{ flag, env, want string }{
		{"", "", "http://127.0.0.1:9469"},
		{"", "10.0.0.1:1,10.0.0.2:2", "http://10.0.0.1:1"},
		{"10.0.0.3:3", "10.0.0.1:1", "http://10.0.0.3:3"},
		{"", ":9470", "http://127.0.0.1:9470"},
		{"", "0.0.0.0:9470", "http://127.0.0.1:9470"},
		{"", "[::]:9470", "http://[::1]:9470"},
		{"[2001:db8::1]:9470", "", "http://[2001:db8::1]:9470"},
		{"https://kmagent.example.net:9470/", "", "https://kmagent.example.net:9470"},
		{"kmagent.example.net", "", ""},
		{"https://user:canary@host:1", "", ""},
		{"https://host:1/path", "", ""},
		{"ftp://host:1", "", ""},
		{"http://\x1b", "", ""},
	} {
		s := inquirer{address: tt.flag, common: &common{env: func(string) (string, bool) { return tt.env, tt.env != "" }}}
		u, err := s.base()
		switch {
		case err != nil && (tt.want != "" || strings.Contains(err.Error(), "canary")):
			t.Errorf("%q, %q: %v", tt.flag, tt.env, err)
		case err == nil && u.String() != tt.want:
			t.Errorf("%q, %q: %s, want %s", tt.flag, tt.env, u, tt.want)
		}
	}
}

// Whoever answers, what is printed means the same and has nothing that a terminal would obey.
func TestTidyJSON(t *testing.T) {
	in := "{\"a\":\"é\u009b31m\u202e\U0001F600\xff\u007f\",\"b\":[1.50]}"
	var out bytes.Buffer
	if err := tidyJSON(&out, []byte(in)); err != nil {
		t.Fatal(err)
	}
	want := "{\n  \"a\": \"é\\u009b31m\\u202e\\ud83d\\ude00\ufffd\\u007f\",\n  \"b\": [\n    1.50\n  ]\n}\n"
	if out.String() != want {
		t.Errorf("%q\nwant %q", out.String(), want)
	}
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(in), &a), json.Unmarshal(out.Bytes(), &b)); err != nil {
		t.Error(err)
	}
}

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}
