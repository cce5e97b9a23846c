package ontapsim

import (
	"net/url"
	"slices"
	"strings"
)

// azure is Azure Key Vault (ONTAP REST reference, azure-key-vaults).
var azure = service{
	typ:   "akv",
	path:  "security/azure-key-vaults",
	since: since(8),
	fields: slices.Concat([]field{
		{name: "name", on: post | std},
		{name: "key_id", on: post | std},
		{name: "client_id", on: post | patch | std},
		{name: "tenant_id", on: post | patch | std},
		{name: "client_secret", typ: secret, on: post | patch},
		{name: "client_certificate", typ: secret, on: post | patch, since: since(10)},
		{name: "authentication_method", on: std, since: since(10)},
		{name: "oauth_host", on: post | patch | std, since: since(14)},
		{name: "vault_host", on: post | patch | std, since: since(14)},
		{name: "port", typ: integer, on: post | patch | std, since: since(14), min: 1, max: 65535},
		{name: "verify_host", typ: boolean, on: patch | std, since: since(14)},
		{name: "verify_ip", typ: boolean, on: patch | std, since: since(14)},
		{name: "skip_verification", typ: boolean, on: post | patch | std, since: since(16)},
	}, proxyFields),
	hasNames: true,
	named:    since(14),
	removed:  true,
	ekmip:    true,
	reach:    "azure_reachability",
	flags:    []string{"available", "cluster_state"},
	defaults: object{
		{"oauth_host", "login.microsoftonline.com"},
		{"vault_host", "vault.azure.net"},
		{"port", int64(443)},
		{"skip_verification", false},
	},
	access: []string{"client_id", "tenant_id", "client_secret", "client_certificate", "oauth_host", "vault_host", "port"},
	skip:   "skip_verification",
	codes: serviceCodes{
		metroCluster:  65537506,
		taken:         65537500,
		stillThere:    65537547,
		notConfigured: 65537120,
		nothing:       65537541,
		encrypted:     65536867,
		nae:           196608305,
		post:          verdict{unreachable: 65537526, refused: 65537540},
		patch:         verdict{unreachable: 65537540, refused: 65537540},
		unreachable:   65537549,
		partRestore:   65537515,
	},
	external: &rekeying{since: since(11), fields: []field{{name: "key_id", on: post}}, failed: 65539855},
	internal: rekeying{since: since(10), failed: 65539856, noKeys: 65537559},
	rules:    azureRules{},
}

type azureRules struct{}

func (azureRules) create(c *Cluster, w *write, m *cloudKMS) *apiError {
	name, named := w.body.text("configuration.name")
	old := c.effective().before(since(14))
	switch {
	case c.effective().before(since(8)):
		return c.code(65537512)
	case named && old:
		return c.code(65537592)
	case !m.Enabled && old:
		return c.code(65537593)
	case !m.Enabled && !named:
		return c.code(65537594)
	case m.Enabled && named:
		return c.code(65537595)
	case named && name == "":
		return c.code(65538903)
	case named && name == "default":
		return c.code(65538902)
	case named && c.hasStore(m.SVM, name):
		return c.code(65537589)
	}
	for _, field := range []string{"client_id", "tenant_id", "name", "key_id"} {
		if s, _ := w.body.text(field); s == "" {
			return errMissing(field)
		}
	}
	if len(m.Secrets) == 0 || m.Secrets["client_secret"] == "" && m.Secrets["client_certificate"] == "" {
		return c.code(65537567)
	}
	if vault, _ := m.Fields.text("name"); !isVault(vault) {
		return c.code(65537553)
	}
	if err := (azureRules{}).key(c, m); err != nil {
		return err
	}
	if c.anyNodeOutOfQuorum() {
		return c.code(65537518)
	}
	if c.version.before(since(18)) && c.keysElsewhere(m.SVM) { // later, they may be migrated
		return c.code(65537505)
	}
	m.authenticate(w.body)
	return nil
}

func (azureRules) change(c *Cluster, w *write, m, next *cloudKMS) *apiError {
	given := w.body.has("client_secret") || w.body.has("client_certificate")
	method, _ := m.Fields.text("authentication_method")
	switch {
	case w.body.has("client_certificate") && c.effective().before(since(10)):
		return c.code(65537577)
	case w.body.has("client_secret") && next.Secrets["client_secret"] == "":
		return c.code(65537517)
	case w.body.has("client_certificate") && next.Secrets["client_certificate"] == "":
		return c.code(65537573)
	case !given && (differs(m, next, "client_id") || differs(m, next, "tenant_id")) && method == "client_secret":
		return c.code(65537517)
	}
	next.authenticate(w.body)
	return nil
}

// key checks https://<vault>/keys/<name>/<version>.
func (azureRules) key(c *Cluster, m *cloudKMS) *apiError {
	id, _ := m.Fields.text("key_id")
	u, err := url.Parse(id)
	if err != nil || !isHTTPS(id) {
		return c.code(65537523)
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	if len(parts) != 3 || parts[0] != "keys" || parts[1] == "" || parts[2] == "" {
		return c.code(65537523)
	}
	return nil
}

// isVault tells whether a text is the URL of a vault: https, a host, and nothing behind it.
func isVault(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isHTTPS(s) && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

// authenticate derives the method from the secret that a body has. The other one is
// forgotten; of two, the certificate counts.
func (m *cloudKMS) authenticate(body object) {
	switch {
	case body.has("client_certificate") && m.Secrets["client_certificate"] != "":
		m.set("authentication_method", "certificate")
		delete(m.Secrets, "client_secret")
	case body.has("client_secret"):
		m.set("authentication_method", "client_secret")
		delete(m.Secrets, "client_certificate")
	}
}

// differs tells whether a text of two configurations is not the same.
func differs(a, b *cloudKMS, name string) bool {
	x, _ := a.Fields.text(name)
	y, _ := b.Fields.text(name)
	return x != y
}

func (c *Cluster) anyNodeOutOfQuorum() bool {
	return slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool { return !n.Quorum })
}
