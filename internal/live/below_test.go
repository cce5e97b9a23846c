package live

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/resource"
)

// atCluster is the record of an external key manager of the cluster itself.
const atCluster = `{"uuid":"k-0","scope":"cluster","external":{"client_certificate":{"uuid":"c-1"},"server_ca_certificates":[{"uuid":"c-2"}],"servers":[{"server":"ks1"}]}}`

const (
	keysPath    = "security/key-managers/k-0/auth-keys"
	configsPath = "security/key-manager-configs"
	metroPath   = "cluster/metrocluster"
)

var (
	wantsKey    = resource.NewObject(resource.AuthKey, resource.Addr{Cluster: "c1", Kind: "auth_key", Name: "t"})
	wantsConfig = resource.NewObject(resource.Config, resource.Addr{Cluster: "c1", Kind: "key_manager_config"})
)

// wantsStrict is a file that wants Common Criteria mode on, or off.
func wantsStrict(on bool) *resource.Object {
	o := resource.NewObject(resource.Config, wantsConfig.Addr)
	o.Values[o.Kind.Index("cc_mode_enabled")] = resource.Bool(on)
	return o
}

// of is the cluster in another release.
func (c *cluster) of(release string) *cluster {
	v := strings.Split(release, ".")
	c.self = fmt.Sprintf(`{"name":"c1","uuid":"u-1","version":{"generation":%s,"major":%s,"minor":%s}}`, v[0], v[1], v[2])
	c.lists["cluster/nodes"] = []string{node("node1", release)}
	return c
}

// What lives below another object is asked for once in a pass, where the file has some of it
// and that object is there and in use.
func TestBelowIsAskedForWhereItCanBe(t *testing.T) {
	stored := strings.Replace(atCluster, `"scope"`, `"enabled":false,"configuration":{"name":"old"},"scope"`, 1)
	onboard := `{"uuid":"k-0","scope":"cluster","onboard":{"enabled":true}}`
	for _, c := range []struct {
		name, release string
		managers      []string
		wanted        []*resource.Object
		want          int
		why           string
	}{
		{"there", "9.12.1", []string{atCluster}, []*resource.Object{wantsKey}, 1, "the first release that has keys"},
		{"two in the file", "9.16.1", []string{atCluster}, []*resource.Object{wantsKey, wantsKey}, 1, "one collection"},
		{"not in the file", "9.16.1", []string{atCluster}, nil, 0, "nobody else pays for it"},
		{"too old", "9.11.1", []string{atCluster}, []*resource.Object{wantsKey}, 0, "the path is not known"},
		{"no key manager", "9.16.1", nil, []*resource.Object{wantsKey}, 0, "it has no place"},
		{"that of an SVM", "9.16.1", []string{external(`[{"server":"ks1"}]`)}, []*resource.Object{wantsKey}, 0, "65538802: drives are the cluster's"},
		{"an onboard one", "9.16.1", []string{onboard}, []*resource.Object{wantsKey}, 0, "65538800: its keys are elsewhere"},
		{"one in store", "9.16.1", []string{stored}, []*resource.Object{wantsKey}, 0, "65536828: it is not in use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := plain().of(c.release).with(c.managers...)
			r := NewReader("c1", sim, 4)
			for range 2 {
				read(t, r, false, c.wanted...)
				n := 0
				for _, path := range sim.asked() {
					if strings.HasSuffix(path, "/auth-keys") {
						n++
					}
				}
				if n != c.want {
					t.Errorf("%s: asked %d times, want %d", c.why, n, c.want)
				}
			}
		})
	}
}

// A tag may be that of several objects; which of them comes first does not matter.
func TestTwins(t *testing.T) {
	keys := []string{`{"key_id":"03","key_tag":"t"}`, `{"key_id":"01","key_tag":"t"}`, `{"key_id":"05"}`, `{"key_id":"02","key_tag":"t"}`, `{"key_id":"04","key_tag":"other"}`}
	for range 2 {
		sim := plain().with(atCluster)
		sim.lists[keysPath] = keys
		r := NewReader("c1", sim, 4)
		for range 2 {
			got := map[string]string{}
			for a, o := range read(t, r, false, wantsKey).Objects {
				if a.Kind == "auth_key" {
					got[a.Name] = o.ID + " " + strings.Join(o.Twins, " ")
				}
			}
			if d := cmp.Diff(map[string]string{"t": "01 02 03", "other": "04 ", "": "05 "}, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		}
		slices.Reverse(keys)
	}
}

// Nothing of a key that came or went is seen too late, and what stays is not decoded anew.
func TestBelowIsSeenToChange(t *testing.T) {
	sim := plain().with(atCluster)
	sim.lists[keysPath] = []string{`{"key_id":"01","key_tag":"t"}`}
	r := NewReader("c1", sim, 4)
	first := read(t, r, false, wantsKey)
	if again := read(t, r, false, wantsKey); again.Objects[wantsKey.Addr] != first.Objects[wantsKey.Addr] {
		t.Error("a key that did not change was decoded again")
	}
	sim.lists[keysPath] = nil
	if got := read(t, r, false, wantsKey); got.Objects[wantsKey.Addr] != nil {
		t.Error("a key that is gone is still seen")
	}
	sim.lists[keysPath] = []string{`{"key_id":"01","key_tag":"t"}`}
	read(t, r, false, wantsKey)
	sim.with()
	if got := read(t, r, false, wantsKey); len(got.Objects) != 0 {
		t.Errorf("without the key manager there are %v", got.Objects)
	}
	sim.errs = map[string]error{keysPath: errors.New("cut off")}
	sim.with(atCluster)
	if _, err := r.Read(t.Context(), false, []*resource.Object{wantsKey}); err == nil || !strings.Contains(err.Error(), "read auth keys: cut off") {
		t.Errorf("a list that cannot be read: %v; want an error, and never no keys", err)
	}
}

func TestSingle(t *testing.T) {
	sim := plain()
	sim.ones = map[string]string{configsPath: `{"cc_mode_enabled":false,"health_monitor_polling_interval":20,"health_monitor_policy":{"akv":{"manage_volume_offline":false}}}`}
	r := NewReader("c1", sim, 4)
	first := read(t, r, false, wantsConfig)
	o := first.Objects[wantsConfig.Addr]
	if o == nil || o.Value("health_monitor_polling_interval").Int() != 20 || !o.Value("health_monitor_policy.akv.manage_volume_offline").IsSet() {
		t.Fatalf("the options are %v", o)
	}
	if read(t, r, false, wantsConfig).Objects[wantsConfig.Addr] != o {
		t.Error("options that did not change were decoded again")
	}
	sim.ones[configsPath] = `{"cc_mode_enabled":true}`
	if got := read(t, r, false, wantsConfig).Objects[wantsConfig.Addr]; !got.Value("cc_mode_enabled").Bool() {
		t.Error("a change is not seen")
	}
	sim.asked()
	if got := read(t, r, false); got.Objects[wantsConfig.Addr] != nil || slices.Contains(sim.asked(), configsPath) {
		t.Error("options that the file does not have are read")
	}
	for _, bad := range []string{`{"_links":{}}`, `{"cc_mode_enabled":"yes"}`, `[]`} {
		sim.ones[configsPath] = bad
		if c, err := r.Read(t.Context(), false, []*resource.Object{wantsConfig}); err == nil {
			t.Errorf("%s passes for %v", bad, c.Objects[wantsConfig.Addr].Values)
		}
	}
	sim = plain().of("9.9.1")
	if got := read(t, NewReader("c1", sim, 4), false, wantsConfig); got.Objects[wantsConfig.Addr] != nil || slices.Contains(sim.asked(), configsPath) {
		t.Error("9.9 is asked for what it does not know")
	}
}

// A no is what a cluster answers that does not let something be read.
type no struct {
	code   string
	denied bool
}

func (n no) Error() string          { return "no" }
func (n no) Denied() bool           { return n.denied }
func (n no) Coded(code string) bool { return n.code == code }

func TestMetro(t *testing.T) {
	for _, c := range []struct {
		name   string
		wanted []*resource.Object
		answer string
		err    error
		want   resource.MetroCluster
		asked  bool
		fails  bool
		why    string
	}{
		{"one", []*resource.Object{wantsStrict(true)}, `{"local":{"configuration_state":"configured","mode":"switchover"}}`, nil,
			resource.MetroCluster{State: "configured", Mode: "switchover"}, true, false, ""},
		{"none", []*resource.Object{wantsStrict(true)}, "", no{code: "2426405"}, resource.MetroCluster{State: resource.NoMetroCluster}, true, false, "ONTAP answers so where none is configured"},
		{"denied", []*resource.Object{wantsStrict(true)}, "", no{code: "6", denied: true}, resource.MetroCluster{}, true, false, "the role of a site that has none lacks the path"},
		{"broken", []*resource.Object{wantsStrict(true)}, "", no{code: "1"}, resource.MetroCluster{}, true, true, "an error is not a no"},
		{"cut off", []*resource.Object{wantsStrict(true)}, "", errors.New("cut off"), resource.MetroCluster{}, true, true, ""},
		{"says nothing", []*resource.Object{wantsStrict(true)}, `{"local":{}}`, nil, resource.MetroCluster{}, true, true, "incomplete is never none"},
		{"off", []*resource.Object{wantsStrict(false)}, "", nil, resource.MetroCluster{}, false, false, "what is off may be anywhere"},
		{"not in the file", []*resource.Object{wantsConfig}, "", nil, resource.MetroCluster{}, false, false, "nobody else pays for it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := plain()
			sim.ones = map[string]string{configsPath: `{"cc_mode_enabled":false}`, metroPath: c.answer}
			sim.errs = map[string]error{metroPath: c.err}
			got, err := NewReader("c1", sim, 4).Read(t.Context(), false, c.wanted)
			if (err != nil) != c.fails || slices.Contains(sim.asked(), metroPath) != c.asked {
				t.Fatalf("%s: asked: want %v; %v", c.why, c.asked, err)
			}
			c.want.Asked = c.asked
			if err == nil && got.Metro != c.want {
				t.Errorf("%s: got %v, want %v", c.why, got.Metro, c.want)
			}
		})
	}
}

// The real client and the simulator, with what the fakes stand for.
func TestBelowOfSimulator(t *testing.T) {
	sim := simulation(t, "9.12.1", 0)
	client, w := simulated(t, sim)
	r := NewReader("c1", client, 4)
	got := read(t, r, false, wantsKey, wantsConfig, wantsStrict(true))
	if o := got.Objects[wantsConfig.Addr]; o == nil || o.Value("cloud_kms_retry_count").Int() != 3 || got.Metro.State != resource.NoMetroCluster {
		t.Errorf("options %v, MetroCluster %v", o, got.Metro)
	}
	if n := w.count(); n != 7 {
		t.Errorf("%d requests, want 7: five, the options and the MetroCluster", n)
	}
	if err := sim.Set(`{"broken":{"metrocluster_lookup":true}}`); err != nil {
		t.Fatal(err)
	}
	if got := read(t, r, false, wantsStrict(true)); got.Metro.State != resource.NoMetroCluster {
		t.Errorf("ONTAP's code 2426405 is taken for %v", got.Metro)
	}
}
