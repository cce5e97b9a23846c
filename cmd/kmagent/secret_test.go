package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// odd are characters that each way to write a text down treats in its own way.
const odd = `"'\<>&%+/=?#`

// secrets are one of each sort that kmagent handles, by the name of the credential.
func secrets() map[string]string {
	long := " is what a canary sings in the mine " + odd
	return map[string]string{
		"cluster": "cluster password" + long,
		"token":   "bearer-token.is-what-a-canary-sings.in_the_mine",
		"okm":     "passphrase one" + long,
		"okm-old": "passphrase one" + long,
		"okm-new": "passphrase two" + long,
		"nse":     "auth key " + odd, // 20 to 32 bytes
		"kmip":    "kmip password" + long,
		"azure":   "azure client secret" + long,
		"p12":     "\x30\x82PKCS12\x00\xff\xfe" + long,
		"aws":     "aws secret access key" + long,
		"gcp": `{"type": "service_account", "client_email": "kms@example.net", "private_key_id": "the canary's own key id",` + "\n" +
			` "private_key": "-----BEGIN CANARY-----\nc2luZ3MgaW4gdGhlIG1pbmUgYW5kIG5vd2hlcmUgZWxzZQ\n-----END CANARY-----\n"}`,
		"barbican": "barbican credential" + long,
		"proxy":    "proxy password" + long,
	}
}

// No secret is in anything that kmagent says or writes, however it is written there: not in a
// plan, a log, a metric, a report of an error, in what is remembered or what is put on record.
func TestNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	planted := secrets()
	sim := startSimulation(t, "--clusters", "2", "--ontap", "9.18.1", "--svms", "s1,s2,s3,s4,s5,s6", "--password", planted["cluster"], "--token", planted["token"])
	c := newInstallation(t, sim)
	h := newHunt(t)
	c.plant(h, planted)
	c.fixture("desired.yaml", everySecret)

	for _, args := range [][]string{
		{"validate"}, {"plan"}, {"plan", "-o", "json"}, {"plan", "-o", "markdown"}, {"apply", "--yes", "--log-level", "debug"}, {"apply", "--yes"},
	} {
		h.run(c, args...)
	}

	// What the cluster says of a request may have its secrets in it, and what it says of a job.
	c.change(h, planted, "at first", "azure")
	world := fmt.Sprintf(`{"jobs":{"outcome":"failure","code":"65537540","message":%s}}`, jsonText("wrong: "+planted["azure"]))
	if _, err := sim.clusters[0].call(http.MethodPatch, "/sim/world", world); err != nil {
		t.Fatal(err)
	}
	if out := h.run(c, "apply", "--yes"); !strings.Contains(out, "ONTAP error 65537540") {
		t.Errorf("no job failed:\n%s", out)
	}
	h.clear(c)
	c.change(h, planted, "again", services...)
	c.plant(h, map[string]string{"okm": planted["okm-new"]})
	planted["okm"] = planted["okm-new"]
	h.faults(c, planted)
	for _, args := range [][]string{{"plan", "--out", "saved.plan"}, {"apply", "saved.plan"}, {"apply", "--yes", "--wait", "3s"}, {"operations"}, {"operations", "-o", "json"}} {
		h.run(c, args...)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "saved.plan")); err != nil {
		t.Error("no plan was kept, to be looked through")
	}
	h.clear(c)
	c.change(h, planted, "once more", services...)
	h.faults(c, planted)
	s := c.serve("--log-level", "debug", "--interval", "1s")
	s.until("the service sends", func() bool { return strings.Contains(s.said(), "event=op.failed") })
	s.cmd.Process.Signal(syscall.SIGHUP)
	for _, path := range []string{"/metrics", "/livez", "/readyz", "/", "/api/v1/status"} {
		h.in("GET "+path, s.get(path))
	}
	for _, args := range [][]string{{"status"}, {"status", "-o", "json"}} {
		h.run(c, append(args, "--web.address", s.address)...)
	}
	h.clear(c)
	s.stop()

	for _, args := range [][]string{
		{"apply", "--yes", "--resend-secrets", "--wait", "3s"}, {"dump", "--cluster", "a"}, {"dump", "--cluster", "b", "--sanitize"},
		{"audit", "show"}, {"audit", "show", "-o", "json"}, {"audit", "verify"}, {"state", "show"}, {"state", "check"}, {"override", "list"},
		{"key", "restore", "--cluster", "b", "--yes"}, {"plan", "-o", "json"},
	} {
		h.run(c, args...)
	}

	// A password that is refused, secrets that are of no use, and secrets in the place of references.
	c.fixture("cluster", "wrong "+planted["cluster"])
	h.run(c, "plan")
	h.run(c, "apply", "--yes")
	c.plant(h, map[string]string{"okm": "short canary " + odd[:4]})
	c.fixture("gcp", strings.Repeat(planted["gcp"], 200))
	h.run(c, "plan", "-o", "json")
	var literal strings.Builder
	for line := range strings.Lines(everySecret) {
		for name := range planted {
			line = strings.ReplaceAll(line, "cred:"+name+"}", fmt.Sprintf("%q}", planted[name]))
			line = strings.ReplaceAll(line, "cred:"+name+",", fmt.Sprintf("%q,", planted[name]))
		}
		literal.WriteString(line)
	}
	c.fixture("literal.yaml", literal.String())
	h.run(c, "validate", "--file", "literal.yaml")
	h.run(c, "plan", "--file", "literal.yaml")

	but := []string{filepath.Join(c.dir, "literal.yaml")}
	for name := range planted {
		but = append(but, filepath.Join(c.dir, name))
	}
	h.below(c.dir, but...)
	if h.seen < 100_000 {
		t.Errorf("only %d bytes were looked through", h.seen)
	}
	c.arrived(planted)
}

// plant writes the credentials, and has each hunted for.
func (c installation) plant(h *hunt, planted map[string]string) {
	for name, text := range planted {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
		h.add(canary{name, text})
	}
}

// services are the credentials of key services.
var services = []string{"kmip", "azure", "p12", "aws", "gcp", "barbican", "proxy"}

// change gives credentials another value.
func (c installation) change(h *hunt, planted map[string]string, mark string, names ...string) {
	next := map[string]string{}
	for _, name := range names {
		next[name] = strings.Replace(planted[name], "canary", "canary "+mark, 1)
	}
	c.plant(h, next)
	for name, text := range next {
		planted[name] = text
	}
}

// run runs a command, with whatever code, and looks through what it says.
func (h *hunt) run(c installation, args ...string) string {
	h.t.Helper()
	out, _ := c.command(args...).CombinedOutput()
	h.in("kmagent "+strings.Join(args, " "), string(out))
	if len(out) == 0 {
		h.t.Errorf("kmagent %s says nothing", strings.Join(args, " "))
	}
	return string(out)
}

// faults makes the clusters answer changes with errors that repeat what was sent, and cut
// answers off.
func (h *hunt) faults(c installation, planted map[string]string) {
	for i, sent := range []map[string]string{
		{"azure-key-vaults": "azure", "aws-kms": "aws", "gcp-kms": "gcp", "barbican-kms": "barbican", "key-managers/": "okm"},
		{"key-servers": "kmip"}, // and none of what carries another secret: that would not be masked
	} {
		sim := c.sim.clusters[i]
		for service, name := range sent {
			for i, action := range []string{
				fmt.Sprintf(`{"status":400,"code":"1","message":%s}`, jsonText("not accepted: "+planted[name])),
				fmt.Sprintf(`{"status":500,"body":%s}`, jsonText("<html>"+planted[name]+"</html>")),
				fmt.Sprintf(`{"status":200,"body":%s}`, jsonText(planted[name])),
				`{"drop":"after"}`,
			} {
				fault := fmt.Sprintf(`{"method":"PATCH","path":"/api/*%s*","nth":%d,"action":%s}`, service, i+1, action)
				if _, err := sim.call(http.MethodPost, "/sim/faults", fault); err != nil {
					h.t.Fatal(err)
				}
			}
		}
	}
}

func (h *hunt) clear(c installation) {
	for _, sim := range c.sim.clusters {
		_, err := sim.call(http.MethodDelete, "/sim/faults", "")
		if err == nil {
			_, err = sim.call(http.MethodPatch, "/sim/world", `{"jobs":{"outcome":"success"}}`)
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// arrived checks that the secrets that were hunted for are those that the clusters got: a hunt
// for what was never used finds nothing.
func (c installation) arrived(planted map[string]string) {
	c.t.Helper()
	var log strings.Builder
	for _, sim := range c.sim.clusters {
		list, err := sim.since(0)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, r := range list {
			text, _ := json.Marshal(r.Body) // it was JSON
			log.Write(text)
		}
	}
	for name, text := range planted {
		switch name {
		case "cluster", "token": // in a header, and accepted: else nothing else would have arrived
			continue
		case "p12":
			text = base64.StdEncoding.EncodeToString([]byte(text))
		}
		if quoted := jsonText(text); !strings.Contains(log.String(), quoted[1:len(quoted)-1]) {
			c.t.Errorf("no cluster got %s", name)
		}
	}
}

// everySecret has every field that takes a secret.
const everySecret = `version: 1
defaults:
  tls: {ca_file: $CA}
clusters:
  - name: a
    endpoint: $ENDPOINT
    auth: {basic: {username: admin, password: cred:cluster}}
    backup: {recipients: [age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm]}
    key_managers:
      - onboard: {passphrase: cred:okm, existing_passphrase: cred:okm-old}
    azure_key_vaults:
      - {svm: s2, name: "https://v.vault.azure.net/", key_id: "https://v.vault.azure.net/keys/k/1", tenant_id: t, client_id: c, client_secret: cred:azure,
         proxy_type: http, proxy_host: p, proxy_port: 3128, proxy_username: u, proxy_password: cred:proxy}
    aws_kms:
      - {svm: s4, region: eu-central-1, key_id: k, access_key_id: a, secret_access_key: cred:aws}
    gcp_kms:
      - {svm: s5, project_id: p, key_ring_location: global, key_ring_name: r, key_name: k, application_credentials: cred:gcp}
    barbican_kms:
      - {svm: s6, configuration: {name: one}, enabled: true, key_id: "https://b.example.net/v1/secrets/1", keystone_url: "https://k.example.net:5000/v3",
         application_cred_id: i, application_cred_secret: cred:barbican}
  - name: b
    endpoint: $ENDPOINT2
    auth: {bearer: {token: cred:token}}
    key_managers:
      - external:
          client_certificate: kmip-client
          server_ca_certificates: [kmip-ca]
          servers: [{server: ks1, username: u, password: cred:kmip}, {server: ks2}]
    auth_keys: [{key_tag: nse-2026, passphrase: cred:nse}]
    azure_key_vaults:
      - {svm: s3, name: "https://w.vault.azure.net/", key_id: "https://w.vault.azure.net/keys/k/1", tenant_id: t, client_id: c, client_certificate: cred:p12}
`
