package ontapsim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	configsPath = "/api/security/key-manager-configs"
	longSecret  = "a passphrase of the onboard key manager that is long enough for Common Criteria"
)

var configsDocumented = map[string][]int{
	"PATCH key-manager-configs": {
		65536139, 65536805, 65536806, 65536807, 65536809, 65537301, 65537302, 65537303, 65537304, 65538404,
		65539303, 65539304,
	},
}

const (
	commonCriteria = `{"cc_mode_enabled":true,"passphrase":"` + longSecret + `"}`
	polling        = `{"health_monitor_polling_interval":20}`
	health         = `{"health_monitor_policy":{"kmip":{"manage_volume_offline":false}}}`
)

func TestCodesOfConfigs(t *testing.T) {
	cases := []provocation{
		{code: 65536139, setup: "o", body: commonCriteria},
		{code: 65536805, setup: "o", world: `{"effective_version":"9.3.1"}`, body: commonCriteria},
		{code: 65536806, setup: "o", body: strings.Replace(commonCriteria, longSecret, secretOne, 1)},
		{code: 65536807, setup: "o", world: `{"metrocluster":{"key_manager":"onboard"}}`, body: commonCriteria},
		{code: 65536809, setup: "o", world: `{"broken":{"common_criteria_switch":true}}`, body: `{"cc_mode_enabled":false}`},
		{code: 65537301, setup: "m", body: commonCriteria},
		{code: 65537302, setup: "o", body: `{"cc_mode_enabled":true}`},
		{code: 65537303, setup: "m", world: `{"effective_version":"9.9.1"}`, body: polling},
		{code: 65537304, setup: "o", body: polling},
		{code: 65538404, world: `{"effective_version":"9.10.1"}`, body: `{"cloud_kms_retry_count":1}`},
		{code: 65539303, world: `{"effective_version":"9.14.1"}`, body: health},
		{code: 65539304, world: `{"broken":{"health_monitor_policy":true}}`, body: health},
	}
	for i := range cases {
		cases[i].table, cases[i].path = "PATCH key-manager-configs", configsPath
	}
	checkCodes(t, configsDocumented, nil, cases)
}

func TestConfigs(t *testing.T) {
	k := newCaller(t, Config{})
	k.must("POST", managersPath, strings.Replace(newOnboard, secretOne, longSecret, 1))
	k.external("svm1", "ks1")
	both := `{"enabled":true,"manage_volume_offline":true}`
	first := `{"cc_mode_enabled":false,"health_monitor_polling_interval":15,"cloud_kms_retry_count":3,"health_monitor_policy":{` +
		`"akv":` + both + `,"aws":` + both + `,"gcp":` + both + `,"ikp":` + both + `,"kmip":` + both + `,"okm":` + both + `}}`
	last := strings.NewReplacer("false", "true", ":15", ":30", ":3,", ":0,",
		`"kmip":`+both, `"kmip":{"enabled":true,"manage_volume_offline":false}`,
		`"okm":`+both, `"okm":{"enabled":false,"manage_volume_offline":true}`).Replace(first)
	steps := []struct {
		why                string
		method, path, body string
		status             int
		want               string
	}{
		{"a cluster begins so", "GET", "", "", 200, first},
		{"one field", "GET", "?fields=cloud_kms_retry_count", "", 200, `{"cloud_kms_retry_count":3}`},
		{"nothing", "PATCH", "", `{}`, 400, `{"error":{"message":"There is nothing to apply.","code":"262190"}}`},
		{"nothing but a passphrase", "PATCH", "", `{"passphrase":"x"}`, 400, `{"error":{"message":"There is nothing to apply.","code":"262190"}}`},
		{"an interval out of range", "PATCH", "", `{"health_monitor_polling_interval":31}`, 400, `{"error":{"message":"Invalid value for field \"health_monitor_polling_interval\": 31.","code":"262247","target":"health_monitor_polling_interval"}}`},
		{"too many retries", "PATCH", "", `{"cloud_kms_retry_count":11}`, 400, `{"error":{"message":"Invalid value for field \"cloud_kms_retry_count\": 11.","code":"262247","target":"cloud_kms_retry_count"}}`},
		{"a type that the release does not know", "PATCH", "", `{"health_monitor_policy":{"barbican":{"enabled":false}}}`, 400, `{"error":{"message":"Unexpected argument \"health_monitor_policy.barbican\".","code":"262179","target":"health_monitor_policy.barbican"}}`},
		{"a change is all or nothing", "PATCH", "", `{"cloud_kms_retry_count":1,"cc_mode_enabled":true}`, 400, `{"error":{"message":"Enabling Common Criteria mode needs the passphrase.","code":"65537302"}}`},
		{"and has left all as it was", "GET", "", "", 200, first},
		{"a change", "PATCH", "", `{"cloud_kms_retry_count":0,"health_monitor_polling_interval":30,"health_monitor_policy":{"kmip":{"manage_volume_offline":false}}}`, 200, "{\n}"},
		{"another", "PATCH", "", `{"cc_mode_enabled":true,"passphrase":"` + longSecret + `","health_monitor_policy.okm.enabled":false}`, 200, "{\n}"},
		{"both are there", "GET", "", "", 200, last},
		{"it cannot be removed", "DELETE", "", "", 405, `{"error":{"message":"The operation DELETE is not supported on this resource.","code":"3"}}`},
		{"it has no records", "GET", "/x", "", 404, `{"error":{"message":"API not found","code":"3"}}`},
	}
	for _, s := range steps {
		status, got := k.text(s.method, configsPath+s.path, s.body)
		if status != s.status || got != s.want {
			t.Fatalf("%s: %s %s:\n got %d %s\nwant %d %s", s.why, s.method, s.path, status, got, s.status, s.want)
		}
	}
	if !k.c.state.World.CommonCriteria {
		t.Error("the cluster is not in Common Criteria mode")
	}
	k.world(`{"jobs":{"duration":"1s"}}`)
	_, state := k.text("GET", "/sim/state", "")
	if want := `"path":"` + configsPath + `","field":"passphrase","value":"` + longSecret + `"`; !strings.Contains(state, want) {
		t.Errorf("GET /sim/state does not have %s", want)
	}
	other := newCaller(t, Config{Seed: 9})
	if status, text := other.text("PUT", "/sim/state", state); status != 200 {
		t.Fatal(text)
	}
	if _, got := other.text("GET", configsPath, ""); got != last {
		t.Errorf("the restored cluster:\n got %s\nwant %s", got, last)
	}
}

func TestConfigsByRelease(t *testing.T) {
	cases := []struct{ ontap, want string }{
		{"9.9.1", `{"error":{"message":"API not found","code":"3"}}`},
		{"9.10.1", `{"cc_mode_enabled":false,"health_monitor_polling_interval":15}`},
		{"9.11.1", `{"cc_mode_enabled":false,"health_monitor_polling_interval":15,"cloud_kms_retry_count":3}`},
	}
	for _, c := range cases {
		k := newCaller(t, Config{ONTAP: c.ontap})
		if _, got := k.text("GET", configsPath, ""); got != c.want {
			t.Errorf("ONTAP %s: got %s, want %s", c.ontap, got, c.want)
		}
	}
	k := newCaller(t, Config{ONTAP: "9.17.1"})
	k.must("PATCH", configsPath, `{"health_monitor_policy":{"barbican":{"enabled":false}}}`)
	_, got := k.text("GET", configsPath+"?fields=health_monitor_policy.barbican", "")
	if want := `{"health_monitor_policy":{"barbican":{"enabled":false,"manage_volume_offline":true}}}`; got != want {
		t.Errorf("ONTAP 9.17.1: got %s, want %s", got, want)
	}
}

// What ONTAP does to volumes without their cloud key is up to the policy of its type.
func TestHealthPolicyKeepsVolumesOnline(t *testing.T) {
	cases := []struct {
		why, policy string
		want        int
	}{
		{"volumes go offline", `{"gcp":{"enabled":false}}`, 2},
		{"not when that is not wanted", `{"akv":{"manage_volume_offline":false}}`, 0},
		{"nor when nobody looks", `{"akv":{"enabled":false}}`, 0},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			k := newCaller(t, Config{})
			azureSetup(k, map[string]string{})
			k.must("PATCH", configsPath, `{"health_monitor_policy":`+c.policy+`}`)
			k.world(`{"volumes":{"svm1":{"encrypted":2}},"azure":{"svm1":{"reachable":false}}}`)
			time.Sleep(61 * time.Minute)
			k.must("GET", configsPath, "")
			if got := k.c.state.CloudKMS[0].VolumesOffline; got != c.want {
				t.Errorf("%s: %d volumes are offline, want %d", c.why, got, c.want)
			}
		})
	}
}
