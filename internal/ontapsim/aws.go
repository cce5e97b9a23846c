package ontapsim

import "slices"

// aws is the Key Management Service of Amazon Web Services (ONTAP REST reference, aws-kms).
var aws = service{
	typ:   "aws",
	path:  "security/aws-kms",
	since: since(12),
	fields: slices.Concat([]field{
		{name: "region", on: post | patch | std},
		{name: "key_id", on: post | std},
		{name: "access_key_id", on: post | patch | std},
		{name: "secret_access_key", typ: secret, on: post | patch},
		{name: "service", on: post | patch | std},
		{name: "default_domain", on: post | patch | std},
		{name: "host", on: post | patch | std},
		{name: "port", typ: integer, on: post | patch | std, min: 1, max: 65535},
		{name: "polling_period", typ: integer, on: post | patch | std},
		{name: "encryption_context", on: post | patch | std},
		{name: "timeout", typ: integer, on: patch | std},
		{name: "verify", typ: boolean, on: patch | std},
		{name: "verify_host", typ: boolean, on: patch | std},
		{name: "verify_ip", typ: boolean, on: patch | std},
		{name: "skip_verify", typ: boolean, on: patch | std},
	}, proxyFields),
	removed: true,
	ekmip:   true,
	reach:   "amazon_reachability",
	flags:   []string{"cluster_state"},
	defaults: object{
		{"service", "KMS"},
		{"default_domain", "amazonaws.com"},
		{"port", int64(443)},
		{"polling_period", int64(60)},
		{"timeout", int64(10)},
		{"skip_verify", false},
	},
	access: []string{"region", "access_key_id", "secret_access_key", "service", "default_domain", "host", "port"},
	skip:   "skip_verify",
	codes: serviceCodes{
		admin:         65537908,
		metroCluster:  65537911,
		taken:         65537910,
		elsewhere:     65537912,
		notConfigured: 65537926,
		nothing:       65537541,
		encrypted:     65537106,
		nae:           196608332,
		post:          verdict{unreachable: 65537900, refused: 65537900},
		patch:         verdict{unreachable: 65537921, refused: 65537921},
		unreachable:   65537915,
		partRestore:   65536082,
	},
	external: &rekeying{since: since(12), fields: []field{{name: "key_id", on: post}}, failed: 65537919, keeps: true},
	internal: rekeying{since: since(12), blocked: 65537556, noKeys: 65537559, offline: 65537566},
	rules:    awsRules{},
}

type awsRules struct{}

func (awsRules) create(c *Cluster, w *write, m *cloudKMS) *apiError {
	if c.effective().before(since(12)) {
		return c.code(65537901)
	}
	for _, field := range []string{"region", "key_id", "access_key_id", "secret_access_key"} {
		if s, _ := w.body.text(field); s == "" {
			return errMissing(field)
		}
	}
	if c.anyNodeOutOfQuorum() {
		return c.code(65536600)
	}
	return nil
}

func (awsRules) change(c *Cluster, w *write, _, _ *cloudKMS) *apiError {
	secret, hasSecret := w.body.text("secret_access_key")
	id, hasID := w.body.text("access_key_id")
	switch {
	case hasSecret && secret == "":
		return c.code(65537920)
	case hasID && id == "":
		return c.code(65537924)
	case w.body.has("skip_verify") && !hasID:
		return errMissing("access_key_id")
	}
	return nil
}

func (awsRules) key(*Cluster, *cloudKMS) *apiError { return nil } // any name will do
