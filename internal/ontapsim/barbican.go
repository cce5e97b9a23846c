package ontapsim

import "slices"

// barbican is the key manager of OpenStack (ONTAP REST reference, barbican-kms).
var barbican = service{
	typ:   "barbican",
	path:  "security/barbican-kms",
	since: since(17),
	fields: slices.Concat([]field{
		{name: "key_id", on: post | std},
		{name: "keystone_url", on: post | std},
		{name: "application_cred_id", on: post | patch | std},
		{name: "application_cred_secret", typ: secret, on: post | patch},
		{name: "timeout", typ: integer, on: post | patch | std},
		{name: "verify", typ: boolean, on: post | patch | std},
		{name: "verify_host", typ: boolean, on: post | patch | std},
	}, proxyFields),
	hasNames: true,
	inactive: true,
	reach:    "barbican_reachability",
	flags:    []string{"cluster_state"},
	defaults: object{
		{"timeout", int64(10)},
		{"verify", true},
		{"verify_host", true},
		{"proxy_type", "https"},
		{"proxy_host", ""},
		{"proxy_port", int64(0)},
		{"proxy_username", ""},
	},
	access: []string{"application_cred_id", "application_cred_secret"},
	codes: serviceCodes{
		admin:         65539807,
		metroCluster:  65539809,
		notConfigured: 65539817,
		notThere:      65539832,
		post:          verdict{refused: 65539805},
		patch:         verdict{unreachable: 65539223, refused: 65539814},
		unreachable:   65539801,
		partRestore:   65539842,
	},
	internal: rekeying{since: since(17), inactive: 65539836, missing: 65539834, blocked: 65537556, failed: 65539856},
	rules:    barbicanRules{},
}

type barbicanRules struct{}

func (barbicanRules) create(c *Cluster, w *write, m *cloudKMS) *apiError {
	name, _ := w.body.text("configuration.name")
	keystone, _ := m.Fields.text("keystone_url")
	id, _ := m.Fields.text("application_cred_id")
	switch {
	case c.effective().before(since(17)):
		return c.code(65539806)
	case slices.Contains(c.state.World.Platform.NoLicenses, "MT_EK_MGMT"):
		return c.code(1115127)
	case name == "":
		return errMissing("configuration.name")
	case c.hasStore(m.SVM, name):
		return c.code(65539808)
	case !isHTTPS(keystone):
		return c.code(65539811)
	case id == "":
		return c.code(65539835)
	case m.Secrets["application_cred_secret"] == "":
		return c.code(65539805)
	}
	return barbicanRules{}.key(c, m)
}

func (barbicanRules) change(c *Cluster, w *write, _, _ *cloudKMS) *apiError {
	id, hasID := w.body.text("application_cred_id")
	secret, hasSecret := w.body.text("application_cred_secret")
	switch {
	case hasID != hasSecret:
		return c.code(65539841)
	case hasID && id == "":
		return c.code(65539815)
	case hasSecret && secret == "":
		return c.code(65539814)
	}
	return nil
}

func (barbicanRules) key(c *Cluster, m *cloudKMS) *apiError {
	if id, _ := m.Fields.text("key_id"); !isHTTPS(id) {
		return c.code(65539810)
	}
	return nil
}
