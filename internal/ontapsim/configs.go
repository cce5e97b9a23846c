package ontapsim

import (
	"cmp"
	"slices"
)

// A configs is the options of key management that the cluster has once. The zero value is
// how a cluster begins.
type configs struct {
	PollingInterval int64                   `json:"health_monitor_polling_interval,omitempty"` // minutes; 0: 15
	CloudRetries    *int64                  `json:"cloud_kms_retry_count,omitempty"`           // nil: 3
	Health          map[string]healthPolicy `json:"health_monitor_policy,omitempty"`           // by type of keystore; both when it is not there
}

// A healthPolicy is what ONTAP does about the health of a type of keystore.
type healthPolicy struct {
	Enabled             bool `json:"enabled"`
	ManageVolumeOffline bool `json:"manage_volume_offline"` // takes volumes offline that are long without keys
}

const (
	defaultPollingInterval = 15
	defaultCloudRetries    = 3
)

// healthTypes are the types of keystores that have a health policy.
var healthTypes = []string{"akv", "aws", "barbican", "gcp", "ikp", "kmip", "okm"}

// configsCodes are the codes of the table of key-manager-configs.
var configsCodes = map[int]codeText{
	65536805: {"Common Criteria mode needs an effective cluster version of ONTAP 9.4 or later.", 0},
	65536806: {"The passphrase does not have the length that Common Criteria mode needs.", 0},
	65536807: {"Common Criteria mode is not supported in MetroCluster configurations.", 0},
	65536809: {"Common Criteria mode cannot be changed on this cluster.", 0},
	65537301: {"The Onboard Key Manager is not enabled.", 0},
	65537302: {"Enabling Common Criteria mode needs the passphrase.", 0},
	65537303: {"The polling interval needs an effective cluster version of ONTAP 9.10 or later.", 0},
	65537304: {"The polling interval cannot be changed: there is no external key manager.", 0},
	65538404: {"The retry count needs an effective cluster version of ONTAP 9.11 or later.", 0},
	65539303: {"The health monitor policy needs an effective cluster version of ONTAP 9.15 or later.", 0},
	65539304: {"The health monitor policy is disabled.", 0},
}

// configsParts are the parts of ONTAP that only key-manager-configs needs.
var configsParts = map[string]part{
	"common_criteria_switch": {65536809, []string{"PATCH security/key-manager-configs cc_mode_enabled"}},
	"health_monitor_policy":  {65539304, []string{"PATCH security/key-manager-configs health_monitor_policy"}},
}

// health is the policy for a type of keystore.
func (g configs) health(typ string) healthPolicy {
	if p, ok := g.Health[typ]; ok {
		return p
	}
	return healthPolicy{Enabled: true, ManageVolumeOffline: true}
}

// takesOffline tells whether ONTAP takes volumes offline by itself when their key store is
// out of reach for long.
func (p healthPolicy) takesOffline() bool { return p.Enabled && p.ManageVolumeOffline }

func configsKind() *kind {
	fields := []field{
		{name: "cc_mode_enabled", typ: boolean, on: patch | std},
		{name: "passphrase", typ: secret, on: patch},
		{name: "health_monitor_polling_interval", typ: integer, on: patch | std, min: 15, max: 30},
		{name: "cloud_kms_retry_count", typ: integer, on: patch | std, since: since(11), min: 0, max: 10},
	}
	for _, t := range healthTypes {
		from := since(15)
		if t == "barbican" {
			from = since(17)
		}
		fields = append(fields,
			field{name: "health_monitor_policy." + t + ".enabled", typ: boolean, on: patch | std, since: from},
			field{name: "health_monitor_policy." + t + ".manage_volume_offline", typ: boolean, on: patch | std, since: from})
	}
	return &kind{
		path:   "security/key-manager-configs",
		since:  since(10),
		fields: fields,
		one: func(c *Cluster, _ []string) (record, *apiError) {
			return single{c.configsObject}, nil
		},
		change: (*Cluster).changeConfigs,
	}
}

func (c *Cluster) configsObject() object {
	g := c.state.Configs
	retries := int64(defaultCloudRetries)
	if g.CloudRetries != nil {
		retries = *g.CloudRetries
	}
	var health object
	for _, t := range healthTypes {
		p := g.health(t)
		health.put(t, object{{"enabled", p.Enabled}, {"manage_volume_offline", p.ManageVolumeOffline}})
	}
	return object{
		{"cc_mode_enabled", c.state.World.CommonCriteria},
		{"health_monitor_polling_interval", cmp.Or(g.PollingInterval, defaultPollingInterval)},
		{"cloud_kms_retry_count", retries},
		{"health_monitor_policy", health},
	}
}

// changeConfigs answers PATCH.
func (c *Cluster) changeConfigs(w *write, _ record) (effect, *apiError) {
	next, strict := c.state.Configs, c.state.World.CommonCriteria
	if len(w.body) == 0 || len(w.body) == 1 && w.body.has("passphrase") {
		return effect{}, errNothing()
	}
	if on, ok := w.body.truth("cc_mode_enabled"); ok {
		if err := c.checkCommonCriteria(w, on); err != nil {
			return effect{}, err
		}
		strict = on
	}
	if n, ok := w.body.integer("health_monitor_polling_interval"); ok {
		if err := c.checkPolling(); err != nil {
			return effect{}, err
		}
		next.PollingInterval = n
	}
	if n, ok := w.body.integer("cloud_kms_retry_count"); ok {
		if c.effective().before(since(11)) {
			return effect{}, c.code(65538404)
		}
		next.CloudRetries = &n
	}
	if w.body.has("health_monitor_policy") {
		var err *apiError
		if next.Health, err = c.changedHealth(w); err != nil {
			return effect{}, err
		}
	}
	return effect{apply: func() *apiError {
		c.state.Configs, c.state.World.CommonCriteria = next, strict
		return nil
	}}, nil
}

// checkCommonCriteria tells whether Common Criteria mode can be switched on or off.
func (c *Cluster) checkCommonCriteria(w *write, on bool) *apiError {
	if c.effective().before(since(4)) {
		return c.code(65536805)
	}
	if err := c.broken("PATCH security/key-manager-configs cc_mode_enabled"); err != nil || !on {
		return err
	}
	passphrase, given := w.body.text("passphrase")
	m := c.managerOf("", true)
	switch {
	case c.state.World.MetroCluster != nil:
		return c.code(65536807)
	case m == nil || m.Onboard == nil:
		return c.code(65537301)
	case !given:
		return c.code(65537302)
	case !wellFormed(passphrase, minPassphraseStrict):
		return c.code(65536806)
	case passphrase != m.Onboard.Passphrase:
		return c.code(65536139)
	}
	return nil
}

// checkPolling tells whether the polling interval can be changed: there must be an external
// key manager, of the cluster or of an SVM.
func (c *Cluster) checkPolling() *apiError {
	switch {
	case c.effective().before(since(10)):
		return c.code(65537303)
	case !slices.ContainsFunc(c.state.KeyManagers, func(m *keyManager) bool { return m.External != nil && m.Enabled }):
		return c.code(65537304)
	}
	return nil
}

// changedHealth is the health policies with those of a PATCH.
func (c *Cluster) changedHealth(w *write) (map[string]healthPolicy, *apiError) {
	if c.effective().before(since(15)) {
		return nil, c.code(65539303)
	}
	if err := c.broken("PATCH security/key-manager-configs health_monitor_policy"); err != nil {
		return nil, err
	}
	next := map[string]healthPolicy{}
	for _, t := range healthTypes {
		p := c.state.Configs.health(t)
		if on, ok := w.body.truth("health_monitor_policy." + t + ".enabled"); ok {
			p.Enabled = on
		}
		if on, ok := w.body.truth("health_monitor_policy." + t + ".manage_volume_offline"); ok {
			p.ManageVolumeOffline = on
		}
		next[t] = p
	}
	return next, nil
}
