package resource

import (
	"errors"
	"slices"
	"strings"
)

// GCP is a key of Google's Cloud KMS that protects the keys of an SVM (ONTAP REST reference,
// security/gcp-kms). It is in use as soon as it is created.
var GCP = &Kind{
	Name:    "gcp_kms",
	Type:    "gcp",
	Section: "gcp_kms",
	Path:    "security/gcp-kms",
	ID:      "uuid",
	Scopes:  SVMScope,
	Since:   Version{9, 9, 0},
	Doc:     "A key of Google Cloud KMS that protects the keys of an SVM.",
	Actions: []Action{
		rekeyExternal(Version{9, 11, 0}, "key_name", "project_id", "key_ring_location", "key_ring_name"),
		rekeyInternal(Version{9, 10, 0}),
		restore(Version{9, 10, 0}),
		migrate(),
	},
	Fields: slices.Concat([]Field{
		{Name: "project_id", Type: String, Flags: Required | Create, Min: 1, Max: 255, Via: "rekey_external", PatchSince: Version{9, 18, 0}, Doc: "The project of the key. From 9.18 a change is a rekey_external."},
		{Name: "key_ring_location", Type: String, Flags: Required | Create, Min: 1, Max: 255, Via: "rekey_external", PatchSince: Version{9, 18, 0}, Doc: "The key ring's location, such as global."},
		{Name: "key_ring_name", Type: String, Flags: Required | Create, Min: 1, Max: 255, Via: "rekey_external", PatchSince: Version{9, 18, 0}, Doc: "The key ring's name."},
		{Name: "key_name", Type: String, Flags: Required | Create, Min: 1, Max: 255, Norm: noSlash, Via: "rekey_external", Doc: "The key's name, without a slash (65537753). A change is a rekey_external."},
		{Name: "application_credentials", Type: Secret, Flags: Create | Patch, Max: 64 << 10, Doc: "A reference to the service account's key, a JSON text."},
		{Name: "authentication_method", Type: String, Flags: Create | Patch, Since: Version{9, 17, 0}, Enum: []string{"application_credentials_key", "sa_credentials_attachment"}, Default: Str("application_credentials_key"),
			With: "application_credentials", Doc: "How ONTAP proves who it is."},
		{Name: "gce_metadata_server", Type: String, Flags: Create | Patch, Since: Version{9, 17, 0}, Max: 2048, Doc: "Where tokens come from with sa_credentials_attachment."},
		{Name: "privileged_account", Type: String, Flags: Create | Patch, Since: Version{9, 14, 0}, Max: 254, Doc: "The account to act as; empty for none."},
		{Name: "cloudkms_host", Type: String, Flags: Create | Patch, Since: Version{9, 14, 0}, Max: 253, Doc: "The key service's host."},
		{Name: "oauth_host", Type: String, Flags: Create | Patch, Since: Version{9, 14, 0}, Max: 253, Doc: "The authorisation server's host."},
		{Name: "oauth_url", Type: String, Flags: Create | Patch, Since: Version{9, 14, 0}, Max: 2048, Doc: "The authorisation server's URL."},
		{Name: "port", Type: Integer, Flags: Create | Patch, Since: Version{9, 14, 0}, Min: 1, Max: 65535, Default: Int(443), Doc: "The port of both."},
		{Name: "verify_host", Type: Boolean, Flags: Create | Patch, Since: Version{9, 14, 0}, Default: Bool(false), Doc: "Whether the name in the service's certificate is checked."},
		{Name: "verify_ip", Type: Boolean, Flags: Create | Patch, Since: Version{9, 14, 0}, Default: Bool(false), Doc: "Whether the address in it is checked."},
		timed("rekey_internal", RekeyInternal, "When the action rekey_internal is taken by itself."),
		timed("rekey_external", "rekey_external", "When the action rekey_external is taken by itself."),
	}, proxyFields(Version{9, 9, 0}), []Field{
		{Name: "caller_account", Type: String, Since: Version{9, 14, 0}, Doc: "The account that the credentials belong to."},
		{Name: "google_reachability", Type: Reachability, Flags: Advanced, Doc: "Whether the service is reachable from all nodes."},
		{Name: "ekmip_reachability", Type: NodeReachability, Flags: Advanced, Doc: "Whether each node reaches the embedded KMIP servers."},
	}),
}

func noSlash(s string) (string, error) {
	if strings.Contains(s, "/") {
		return "", errors.New("the name alone, without a slash")
	}
	return s, nil
}
