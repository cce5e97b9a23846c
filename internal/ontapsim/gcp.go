package ontapsim

import (
	"encoding/json"
	"net/mail"
	"slices"
	"strings"
)

// gcp is the Cloud Key Management Service of Google (ONTAP REST reference, gcp-kms).
var gcp = service{
	typ:   "gcp",
	path:  "security/gcp-kms",
	since: since(9),
	fields: slices.Concat([]field{
		// The key can be sent in a PATCH: it has a code of its own that refuses it there.
		{name: "project_id", on: post | patch | std},
		{name: "key_ring_name", on: post | patch | std},
		{name: "key_ring_location", on: post | patch | std},
		{name: "key_name", on: post | patch | std},
		{name: "application_credentials", typ: secret, on: post | patch},
		{name: "authentication_method", on: post | patch | std, since: since(17), enum: []string{credentialsKey, attachedAccount}},
		{name: "gce_metadata_server", on: post | patch | std, since: since(17)},
		{name: "privileged_account", on: post | patch | std, since: since(14)},
		{name: "caller_account", on: std, since: since(14)},
		{name: "cloudkms_host", on: post | patch | std, since: since(14)},
		{name: "oauth_host", on: post | patch | std, since: since(14)},
		{name: "oauth_url", on: post | patch | std, since: since(14)},
		{name: "port", typ: integer, on: post | patch | std, since: since(14), min: 1, max: 65535},
		{name: "verify_host", typ: boolean, on: post | patch | std, since: since(14)},
		{name: "verify_ip", typ: boolean, on: post | patch | std, since: since(14)},
	}, proxyFields),
	removed: true,
	ekmip:   true,
	reach:   "google_reachability",
	flags:   []string{"cluster_state"},
	defaults: object{
		{"authentication_method", credentialsKey},
		{"gce_metadata_server", "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token"},
		{"privileged_account", ""},
		{"cloudkms_host", "cloudkms.googleapis.com"},
		{"oauth_host", "oauth2.googleapis.com"},
		{"oauth_url", "https://oauth2.googleapis.com/token"},
		{"port", int64(443)},
		{"verify_host", false},
		{"verify_ip", false},
	},
	access: []string{"application_credentials", "authentication_method", "gce_metadata_server", "privileged_account", "cloudkms_host", "oauth_host", "oauth_url", "port"},
	codes: serviceCodes{
		admin:         65537703,
		metroCluster:  65537704,
		taken:         65537720,
		stillThere:    65537547,
		notConfigured: 65537721,
		nothing:       65537541,
		encrypted:     65536867,
		post:          verdict{unreachable: 65537719, refused: 65537719},
		patch:         verdict{unreachable: 65537605, refused: 65537724},
		unreachable:   65537730,
		partRestore:   65537722,
	},
	external: &rekeying{since: since(11), fields: []field{
		{name: "key_name", on: post},
		{name: "project_id", on: post, since: since(18)},
		{name: "key_ring_location", on: post, since: since(18)},
		{name: "key_ring_name", on: post, since: since(18)},
	}, blocked: 65537556, failed: 65537729, keeps: true},
	internal: rekeying{since: since(10), blocked: 65537556, noKeys: 65537559},
	rules:    gcpRules{},
}

// The ways to authenticate with Google.
const (
	credentialsKey  = "application_credentials_key"
	attachedAccount = "sa_credentials_attachment"
)

type gcpRules struct{}

func (gcpRules) create(c *Cluster, w *write, m *cloudKMS) *apiError {
	for _, field := range []string{"project_id", "key_ring_name", "key_ring_location", "key_name"} {
		if s, _ := w.body.text(field); s == "" {
			return errMissing(field)
		}
	}
	if err := (gcpRules{}).key(c, m); err != nil {
		return err
	}
	return c.checkGoogleAccess(w, m, errMissing("application_credentials"), c.code(65537719))
}

func (gcpRules) change(c *Cluster, w *write, _, next *cloudKMS) *apiError {
	if slices.ContainsFunc([]string{"project_id", "key_ring_name", "key_ring_location", "key_name"}, w.body.has) {
		return c.code(65537757)
	}
	return c.checkGoogleAccess(w, next, c.code(65537714), c.code(65537724))
}

func (gcpRules) key(c *Cluster, m *cloudKMS) *apiError {
	if name, _ := m.Fields.text("key_name"); strings.Contains(name, "/") {
		return c.code(65537753)
	}
	return nil
}

// checkGoogleAccess checks how a configuration authenticates, and derives the account that
// calls from its credentials.
func (c *Cluster) checkGoogleAccess(w *write, m *cloudKMS, missing, invalid *apiError) *apiError {
	method, _ := m.Fields.text("authentication_method")
	credentials := m.Secrets["application_credentials"]
	account, _ := m.Fields.text("privileged_account")
	switch {
	case w.body.has("gce_metadata_server") && method != attachedAccount:
		return errTogether("gce_metadata_server", "authentication_method")
	case account != "" && !isMail(account):
		return c.code(65537740)
	case method != attachedAccount && credentials == "":
		return missing
	case credentials != "" && !json.Valid([]byte(credentials)):
		return c.code(65537749)
	case credentials == "":
		return nil
	}
	var key struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
	}
	if json.Unmarshal([]byte(credentials), &key) != nil || key.Email == "" || key.Key == "" {
		return invalid
	}
	m.set("caller_account", key.Email)
	return nil
}

func isMail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}
