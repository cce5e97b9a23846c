package ontapsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// World is what no client can set and ONTAP only observes. PATCH /sim/world merges into
// it: objects member by member, everything else by value, and null takes a value back.
type World struct {
	// KeyServers is the state of key servers, by host:port (":5696" may be left out) and
	// node ("*" is every node that is not named): "available", "not_responding",
	// "unknown"; and what a server does to a new connection: "kmip_unknown" does not say
	// its protocol versions, "refusing" does not carry operations out,
	// "server_ca_mismatch" shows a certificate that the server CAs do not cover,
	// "client_certificate_refused", "tls_failed" and "network_failed".
	KeyServers map[string]map[string]string `json:"key_servers,omitempty"`

	// HoldsKeys is the keys in use that each server holds, by host:port. A server that is
	// not named holds none.
	HoldsKeys map[string][]string `json:"holds_keys,omitempty"`

	// MissingKeys is the keys that nodes have not restored, by the name of the node: by key
	// ID, key tag or key type, or "*" for all.
	MissingKeys map[string][]string `json:"missing_keys,omitempty"`

	// AuthKeys is about the authentication keys.
	AuthKeys AuthKeys `json:"auth_keys"`

	// Jobs is how jobs go from now on.
	Jobs Jobs `json:"jobs"`

	// Volumes is the encrypted volumes, by SVM name; "cluster" is the admin SVM.
	Volumes map[string]Volumes `json:"volumes,omitempty"`

	// Clouds is the cloud key management services.
	Clouds

	// KeyStores is the state of the enabled key stores, by SVM name, "cluster" for the admin
	// SVM's; one that is not named has the state that follows from everything else.
	KeyStores map[string]string `json:"key_stores,omitempty"`

	// MetroCluster is the partner cluster; null when there is none.
	MetroCluster *MetroCluster `json:"metrocluster,omitempty"`

	// EffectiveVersion is the lowest release that every node has committed to; "" is the
	// cluster's own.
	EffectiveVersion string `json:"effective_version,omitempty"`

	CommonCriteria bool     `json:"common_criteria,omitempty"` // Common Criteria mode
	Policies       []string `json:"policies"`                  // names that `policy` may have

	// Platform, Drives, Aggregates and Cores are the hardware.
	Platform   Platform   `json:"platform"`
	Drives     Drives     `json:"drives"`
	Aggregates Aggregates `json:"aggregates"`
	Cores      Cores      `json:"cores"`

	// Broken is the parts of ONTAP that do not work; see [Parts].
	Broken map[string]bool `json:"broken,omitempty"`

	// Paging is how ONTAP cuts collections into pages.
	Paging Paging `json:"paging"`
}

// AuthKeys is about the authentication keys.
type AuthKeys struct {
	Limit int `json:"limit,omitempty"` // how many there may be; 0: 128
}

// Jobs is how jobs go.
type Jobs struct {
	Duration    string `json:"duration,omitempty"`     // 50ms at start
	Outcome     string `json:"outcome,omitempty"`      // success, failure, stuck, or hollow: success without an effect
	Code        string `json:"code,omitempty"`         // of a failure
	Message     string `json:"message,omitempty"`      // of a failure
	KeyManagers string `json:"key_managers,omitempty"` // sync, or async: POST and PATCH answer 202 (from 9.16)

	// State is the word for the state of every job under way, in place of queued and running;
	// "none" leaves the state out.
	State     string `json:"state,omitempty"`
	Retention string `json:"retention,omitempty"` // how long a job is remembered after its end; 300s at start
}

// Volumes is the encrypted volumes of an SVM.
type Volumes struct {
	Encrypted int    `json:"encrypted,omitempty"`
	NAE       int    `json:"nae,omitempty"`     // encrypted with their aggregate's key
	KeysIn    string `json:"keys_in,omitempty"` // svm (also ""): its own key manager; cluster: the cluster's
}

// MetroCluster is the partner cluster.
type MetroCluster struct {
	Partner    string   `json:"partner,omitempty"`     // healthy (also ""), unhealthy, unreachable or timeout
	KeyManager string   `json:"key_manager,omitempty"` // what it has at cluster scope: none (also ""), external or onboard
	Servers    []string `json:"servers,omitempty"`     // key servers of its external key manager
	Mode       string   `json:"mode,omitempty"`        // of this half, normal (also ""), switchover and so on
}

// Platform is what the hardware supports.
type Platform struct {
	NoDataAtRestEncryption bool     `json:"no_data_at_rest_encryption,omitempty"`
	NoVolumeEncryption     []string `json:"no_volume_encryption,omitempty"` // names of nodes
	EncryptedRoots         []string `json:"encrypted_roots,omitempty"`      // names of nodes with an encrypted root volume
	NoLicenses             []string `json:"no_licenses,omitempty"`          // license packages that are missing
}

// Drives is the self-encrypting drives.
type Drives struct {
	AuthenticationKeys int      `json:"authentication_keys,omitempty"` // that drives use
	Uses               []string `json:"uses,omitempty"`                // authentication keys that drives use, by key ID or key tag
}

// Aggregates is the aggregates with encryption.
type Aggregates struct {
	NAE int `json:"nae,omitempty"`
}

// Cores is the kernel core files.
type Cores struct {
	Encrypted int `json:"encrypted,omitempty"`
}

// Paging is how collections are cut into pages, as ONTAP does when an answer takes long.
type Paging struct {
	Limit     int  `json:"limit,omitempty"`      // most records of a page; 0: no limit but the client's
	EmptyPage bool `json:"empty_page,omitempty"` // the last records are followed by a page without any
}

// newWorld is the world at start.
func newWorld() World {
	return World{
		Jobs:     Jobs{Duration: "50ms", Outcome: success},
		Policies: []string{"IBM_Key_Lore"},
	}
}

var serverStates = []string{
	"available", "not_responding", "unknown", "kmip_unknown", "refusing",
	"server_ca_mismatch", "client_certificate_refused", "tls_failed", "network_failed",
}

// check says what of a world cannot be.
func (w World) check() error {
	for server, nodes := range w.KeyServers {
		for node, s := range nodes {
			if !slices.Contains(serverStates, s) {
				return fmt.Errorf("key_servers: %s: %s: %q is not one of %s", server, node, s, strings.Join(serverStates, ", "))
			}
		}
	}
	for part := range w.Broken {
		if _, ok := Parts()[part]; !ok {
			return fmt.Errorf("broken: %q is not one of %s", part, strings.Join(slices.Sorted(maps.Keys(Parts())), ", "))
		}
	}
	if _, err := time.ParseDuration(w.Jobs.Duration); w.Jobs.Duration != "" && err != nil {
		return fmt.Errorf("jobs: duration %q is not a duration such as 3s", w.Jobs.Duration)
	}
	if _, err := time.ParseDuration(w.Jobs.Retention); w.Jobs.Retention != "" && err != nil {
		return fmt.Errorf("jobs: retention %q is not a duration such as 3s", w.Jobs.Retention)
	}
	if _, err := strconv.Atoi(w.Jobs.Code); w.Jobs.Code != "" && err != nil {
		return fmt.Errorf("jobs: code %q is not a number", w.Jobs.Code)
	}
	if _, err := parseVersion(w.EffectiveVersion); w.EffectiveVersion != "" && err != nil {
		return fmt.Errorf("effective_version: %w", err)
	}
	if err := cmp.Or(w.Clouds.check(), w.checkStores()); err != nil {
		return err
	}
	return w.checkWords()
}

func (w World) checkWords() error {
	words := []struct {
		name, value string
		of          []string
	}{
		{"jobs: outcome", w.Jobs.Outcome, []string{"", success, failure, stuck, hollow}},
		{"jobs: key_managers", w.Jobs.KeyManagers, []string{"", "sync", "async"}},
	}
	for svm, v := range w.Volumes {
		words = append(words, struct {
			name, value string
			of          []string
		}{"volumes: " + svm + ": keys_in", v.KeysIn, []string{"", "svm", "cluster"}})
	}
	if m := w.MetroCluster; m != nil {
		words = append(words, []struct {
			name, value string
			of          []string
		}{
			{"metrocluster: partner", m.Partner, []string{"", "healthy", "unhealthy", "unreachable", "timeout"}},
			{"metrocluster: mode", m.Mode, append([]string{""}, metroModes...)},
			{"metrocluster: key_manager", m.KeyManager, []string{"", "none", "external", "onboard"}},
		}...)
	}
	for _, word := range words {
		if !slices.Contains(word.of, word.value) {
			return fmt.Errorf("%s: %q is not one of %s", word.name, word.value, strings.TrimPrefix(strings.Join(word.of, ", "), ", "))
		}
	}
	return nil
}

func (j Jobs) duration() time.Duration {
	if j.Duration == "" {
		return 50 * time.Millisecond
	}
	d, _ := time.ParseDuration(j.Duration) // checked when it was set
	return d
}

func (j Jobs) retention() time.Duration {
	if j.Retention == "" {
		return jobRetention
	}
	d, _ := time.ParseDuration(j.Retention) // checked when it was set
	return d
}

// failure is the error of a job that the world lets fail.
func (j Jobs) failure() *apiError {
	e := problem(http.StatusInternalServerError, 262145, "", "The application encountered an unexpected exception.")
	if j.Code != "" {
		e.code, e.status = j.Code, http.StatusBadRequest
	}
	if j.Message != "" {
		e.message = j.Message
	}
	return e
}

// patchWorld merges a patch into the world, all of it or nothing.
func (c *Cluster) patchWorld(text []byte) error {
	var members map[string]json.RawMessage
	if err := unmarshalStrict(text, &members); err != nil {
		return fmt.Errorf("world: %w", err)
	}
	records := map[string]json.RawMessage{}
	for _, name := range []string{"nodes", "svms", "certificates"} {
		if m, ok := members[name]; ok {
			records[name] = m
			delete(members, name)
		}
	}
	next, err := c.state.World.merge(members)
	if err != nil {
		return err
	}
	var patch worldPatch
	rest, _ := json.Marshal(records)
	if err := unmarshalStrict(rest, &patch); err != nil {
		return err
	}
	if err := c.state.patchRecords(patch); err != nil {
		return err
	}
	c.state.World = next
	c.watchKeys()
	c.epoch++
	return nil
}

// worldNames are the members a world patch may have.
func worldNames() []string {
	names := []string{"certificates", "nodes", "svms"}
	text, _ := json.Marshal(World{
		KeyServers: map[string]map[string]string{"": nil}, HoldsKeys: map[string][]string{"": nil}, MissingKeys: map[string][]string{"": nil},
		Clouds: Clouds{map[string]Cloud{"": {}}, map[string]Cloud{"": {}}, map[string]Cloud{"": {}}, map[string]Cloud{"": {}}}, KeyStores: map[string]string{"": ""},
		Volumes: map[string]Volumes{"": {}}, MetroCluster: &MetroCluster{}, EffectiveVersion: "-",
		CommonCriteria: true, Broken: map[string]bool{"": true},
	})
	var members map[string]any
	json.Unmarshal(text, &members)
	return slices.Sorted(slices.Values(slices.AppendSeq(names, maps.Keys(members))))
}

// merge is the world with a patch merged into it.
func (w World) merge(patch map[string]json.RawMessage) (World, error) {
	names := worldNames()
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		if !slices.Contains(names, name) {
			return w, fmt.Errorf("%q is not a word of the world; the words are %s", name, strings.Join(names, ", "))
		}
	}
	text, err := json.Marshal(w)
	if err != nil {
		return w, err
	}
	var have, want map[string]any
	if err := json.Unmarshal(text, &have); err != nil {
		return w, err
	}
	given, err := json.Marshal(patch)
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(given, &want); err != nil {
		return w, err
	}
	normalizeServers(want, "key_servers")
	normalizeServers(want, "holds_keys")
	if text, err = json.Marshal(mergePatch(have, want)); err != nil {
		return w, err
	}
	var next World
	if err := unmarshalStrict(text, &next); err != nil {
		return w, fmt.Errorf("world: %w", err)
	}
	return next, next.check()
}

// normalizeServers appends the default port to the names of servers.
func normalizeServers(world map[string]any, name string) {
	servers, ok := world[name].(map[string]any)
	if !ok {
		return
	}
	out := map[string]any{}
	for server, v := range servers {
		if full, ok := withPort(server); ok {
			server = full
		}
		out[server] = v
	}
	world[name] = out
}

// mergePatch is a JSON merge patch (RFC 7396).
func mergePatch(have, patch map[string]any) map[string]any {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]any{}
	}
	for name, v := range patch {
		inner, isObject := v.(map[string]any)
		switch {
		case v == nil:
			delete(out, name)
		case isObject:
			old, _ := out[name].(map[string]any)
			out[name] = mergePatch(old, inner)
		default:
			out[name] = v
		}
	}
	return out
}

// serverState is the state of a key server as a node sees it.
func (w World) serverState(server, node string) string {
	nodes := w.KeyServers[server]
	if s, ok := nodes[node]; ok {
		return s
	}
	if s, ok := nodes["*"]; ok {
		return s
	}
	return "available"
}

// effective is the lowest release that every node has committed to.
func (c *Cluster) effective() version {
	if v, err := parseVersion(c.state.World.EffectiveVersion); err == nil {
		return v
	}
	return c.version
}
