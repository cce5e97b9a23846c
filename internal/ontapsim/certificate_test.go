package ontapsim

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// pair makes a self-signed certificate and its key; equal seeds have equal keys.
func pair(t *testing.T, name string, seed byte, from, to time.Time) (certificate, key string) {
	t.Helper()
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(seed)), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
	}
	der, err := x509.CreateCertificate(nil, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}

func certificateBody(pairs ...any) string {
	o := object{}
	for i := 0; i < len(pairs); i += 2 {
		o.put(pairs[i].(string), pairs[i+1])
	}
	return string(appendJSON(nil, o))
}

const certificatesPath = "/api/security/certificates"

func TestCertificateCodes(t *testing.T) {
	now := time.Now()
	good, key := pair(t, "good", 1, now.Add(-time.Hour), now.Add(time.Hour))
	_, otherKey := pair(t, "other", 2, now.Add(-time.Hour), now.Add(time.Hour))
	expired, _ := pair(t, "expired", 3, now.Add(-2*time.Hour), now.Add(-time.Hour))
	early, _ := pair(t, "early", 4, now.Add(time.Hour), now.Add(2*time.Hour))
	cases := []struct{ why, body, want string }{
		{"a client certificate", certificateBody("type", "client", "public_certificate", good, "private_key", key), "201"},
		{"a server CA", certificateBody("type", "server_ca", "public_certificate", good), "201"},
		{"a self-signed one", certificateBody("type", "root_ca", "common_name", "root"), "201"},
		{"a self-signed one for some days", certificateBody("type", "server", "common_name", "s", "expiry_time", "P30DT"), "201"},
		{"no type", certificateBody("common_name", "x"), "400 262278"},
		{"an unknown type", certificateBody("type", "paper"), "400 262247"},
		{"a serial number", certificateBody("type", "server", "serial_number", "1"), "400 262196"},
		{"a name that is taken", certificateBody("type", "client", "name", "kmip-client", "common_name", "x"), "409 1"},
		{"not a certificate", certificateBody("type", "server_ca", "public_certificate", "x"), "400 52559975"},
		{"no private key", certificateBody("type", "client", "public_certificate", good), "400 3735693"},
		{"not a private key", certificateBody("type", "client", "public_certificate", good, "private_key", "x"), "400 52560123"},
		{"another private key", certificateBody("type", "client", "public_certificate", good, "private_key", otherKey), "400 52559976"},
		{"a private key with a CA", certificateBody("type", "server_ca", "public_certificate", good, "private_key", key), "400 3735618"},
		{"a chain with a CA", certificateBody("type", "server_ca", "public_certificate", good, "intermediate_certificates", []any{good}), "400 3735696"},
		{"expired", certificateBody("type", "server_ca", "public_certificate", expired), "400 52559973"},
		{"not valid yet", certificateBody("type", "server_ca", "public_certificate", early), "400 52559972"},
		{"no common name", certificateBody("type", "server"), "400 3735676"},
		{"an odd key size", certificateBody("type", "server", "common_name", "x", "key_size", int64(1000)), "400 3735700"},
		{"too long", certificateBody("type", "server", "common_name", "x", "expiry_time", "P9999D"), "400 262247"},
	}
	for _, c := range cases {
		k := newCaller(t, Config{})
		if got := k.code("POST", certificatesPath, c.body); got != c.want {
			t.Errorf("%s: got %s, want %s", c.why, got, c.want)
		}
	}
}

func TestExpiry(t *testing.T) {
	k := newCaller(t, Config{})
	for expiry, want := range map[string]string{
		"P365DT": "201", "P365D": "201", "P1Y6M": "201", "P10Y": "201", "P11Y": "400 262247", "P": "400 262247", "soon": "400 262247",
	} {
		if got := k.code("POST", "/api/security/certificates", `{"type":"root_ca","common_name":"x","expiry_time":"`+expiry+`"}`); got != want {
			t.Errorf("%s: got %s, want %s", expiry, got, want)
		}
	}
}

func TestCertificateRemoval(t *testing.T) {
	cases := []struct{ why, world, want string }{
		{"nothing uses it", `{"certificates":[{"name":"x"}]}`, "200"},
		{"a subsystem uses it", `{"certificates":[{"name":"x","in_use_by":"ldap"}]}`, "400 52560272"},
		{"it came with ONTAP", `{"certificates":[{"name":"x","preloaded":true}]}`, "400 3735679"},
	}
	for _, c := range cases {
		k := newCaller(t, Config{})
		k.world(c.world)
		uuid := k.c.state.certificateOf(nil, "x").UUID
		if got := k.code("DELETE", certificatesPath+"/"+uuid, ""); got != c.want {
			t.Errorf("%s: got %s, want %s", c.why, got, c.want)
		}
	}
}

// A client certificate is exchanged for one of the same key pair, and for no other.
func TestRenewal(t *testing.T) {
	now := time.Now()
	old, key := pair(t, "old", 1, now.Add(-time.Hour), now.Add(time.Hour))
	renewed, _ := pair(t, "renewed", 1, now.Add(-time.Hour), now.Add(9*time.Hour))
	other, otherKey := pair(t, "other", 2, now.Add(-time.Hour), now.Add(time.Hour))
	k := newCaller(t, Config{})
	k.must("POST", certificatesPath, certificateBody("type", "client", "name", "old", "public_certificate", old, "private_key", key))
	k.must("POST", certificatesPath, certificateBody("type", "client", "name", "renewed", "public_certificate", renewed, "private_key", key))
	k.must("POST", certificatesPath, certificateBody("type", "client", "name", "other", "public_certificate", other, "private_key", otherKey))
	k.must("POST", managersPath, strings.Replace(clusterExternal, "kmip-client", "old", 1))
	m := managersPath + "/" + k.c.state.KeyManagers[0].UUID
	body := `{"external":{"client_certificate":{"name":"renewed"}}}`
	k.must("PATCH", m, body)
	if got := k.code("PATCH", m, strings.Replace(body, "renewed", "other", 1)); got != "400 65536850" {
		t.Errorf("another key pair: got %s, want 400 65536850", got)
	}
	o := k.must("GET", m+"?fields=external.client_certificate.name", "")
	if name, _ := o.text("external.client_certificate.name"); name != "renewed" {
		t.Errorf("the manager has %q, want renewed", name)
	}
	uuid := k.c.state.certificateOf(nil, "old").UUID
	k.must("DELETE", certificatesPath+"/"+uuid, "")
}

// An expired certificate is noticed when a connection is tested, not by a plain PATCH.
func TestValidateCertificates(t *testing.T) {
	k := newCaller(t, Config{ONTAP: "9.17.1"})
	m := k.external("", "ks1")
	k.world(`{"certificates":[{"name":"late","type":"client","key_pair":"k1","expiry_time":"2020-01-01T00:00:00Z"}]}`)
	body := `{"external":{"client_certificate":{"name":"late"}}}`
	if got := k.code("PATCH", m+"?validate_certificates=true", body); got != "400 66060339" {
		t.Errorf("with a test: got %s, want 400 66060339", got)
	}
	if got := k.code("PATCH", m, body); got != "200" {
		t.Errorf("without one: got %s, want 200", got)
	}
	if got := k.code("PATCH", m+"?validate_certificates=true", certificates); got != "400 66060339" {
		t.Errorf("the certificate it has is tested too: got %s", got)
	}
}
