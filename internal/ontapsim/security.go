package ontapsim

import "strings"

// securityKind is what the settings of the whole cluster say of key management.
func securityKind() *kind {
	return &kind{
		path: "security",
		fields: []field{
			{name: "onboard_key_manager_configurable_status.supported", typ: boolean, on: std},
			{name: "onboard_key_manager_configurable_status.code", typ: integer, on: std},
			{name: "onboard_key_manager_configurable_status.message", on: std},
			{name: "software_data_encryption.disabled_by_default", typ: boolean, on: patch | std},
		},
		one: func(c *Cluster, _ []string) (record, *apiError) {
			return single{func() object {
				return object{
					{"onboard_key_manager_configurable_status", c.onboardSupport()},
					{"software_data_encryption", object{{"disabled_by_default", c.state.DisabledByDefault}}},
				}
			}}, nil
		},
		change: (*Cluster).changeSecurity,
	}
}

// onboardSupport tells whether the platform lets an onboard key manager be set up. It does
// not matter whether there is one already.
func (c *Cluster) onboardSupport() object {
	platform := c.state.World.Platform
	without := platform.NoVolumeEncryption
	if platform.NoDataAtRestEncryption {
		without = nil
		for _, n := range c.state.Nodes {
			without = append(without, n.Name)
		}
	}
	if len(without) == 0 {
		return object{{"supported", true}, {"code", int64(0)}}
	}
	return object{
		{"supported", false},
		{"code", int64(65537300)},
		{"message", "No platform support for volume encryption in following nodes - " + strings.Join(without, ", ") + "."},
	}
}

// changeSecurity answers PATCH.
func (c *Cluster) changeSecurity(w *write, _ record) (effect, *apiError) {
	off, ok := w.body.truth("software_data_encryption.disabled_by_default")
	if !ok {
		return effect{}, errNothing()
	}
	return effect{apply: func() *apiError { return c.disableByDefault(off) }}, nil
}

// disableByDefault sets whether new data is left unencrypted unless encryption is asked for.
// Every key manager shows it too, in a field that is deprecated.
func (c *Cluster) disableByDefault(off bool) *apiError {
	c.state.DisabledByDefault = off
	c.epoch++
	return nil
}
