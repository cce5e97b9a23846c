package ontapsim

import (
	"strings"
	"testing"
)

func TestSecurity(t *testing.T) {
	k := newCaller(t, Config{})
	cases := []struct{ why, world, query, want string }{
		{"a plain GET has all", `{}`, "", `{"onboard_key_manager_configurable_status":{"supported":true,"code":0},"software_data_encryption":{"disabled_by_default":false}}`},
		{"a node that does not support it", `{"platform":{"no_volume_encryption":["node2"]}}`, "?fields=onboard_key_manager_configurable_status", `{"onboard_key_manager_configurable_status":{"supported":false,"code":65537300,"message":"No platform support for volume encryption in following nodes - node2."}}`},
		{"no node supports it", `{"platform":{"no_data_at_rest_encryption":true}}`, "?fields=onboard_key_manager_configurable_status.message", `{"onboard_key_manager_configurable_status":{"message":"No platform support for volume encryption in following nodes - node1, node2."}}`},
	}
	for _, c := range cases {
		k.world(c.world)
		if _, got := k.text("GET", "/api/security"+c.query, ""); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.why, got, c.want)
		}
	}
}

// The option of /security and the deprecated field of key managers are the same thing.
func TestEncryptionByDefault(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	shown := func() string {
		_, a := k.text("GET", "/api/security?fields=software_data_encryption", "")
		_, b := k.text("GET", m+"?fields=is_default_data_at_rest_encryption_disabled", "")
		return a + b[strings.LastIndex(b, ","):]
	}
	const want = `{"software_data_encryption":{"disabled_by_default":%}},"is_default_data_at_rest_encryption_disabled":%}`
	steps := []struct{ path, body, value string }{
		{"/api/security", `{"software_data_encryption.disabled_by_default":true}`, "true"},
		{m, `{"is_default_data_at_rest_encryption_disabled":false}`, "false"},
		{m, `{"is_default_data_at_rest_encryption_disabled":true}`, "true"},
		{"/api/security", `{"software_data_encryption":{"disabled_by_default":false}}`, "false"},
	}
	for _, s := range steps {
		k.must("PATCH", s.path, s.body)
		if got, want := shown(), strings.ReplaceAll(want, "%", s.value); got != want {
			t.Errorf("PATCH %s %s:\n got %s\nwant %s", s.path, s.body, got, want)
		}
	}
	if got := k.code("PATCH", "/api/security", `{}`); got != "400 262190" {
		t.Errorf("nothing to change: got %s, want 400 262190", got)
	}
}
