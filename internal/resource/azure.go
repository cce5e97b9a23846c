package resource

import (
	"errors"
	"slices"
	"strings"
)

// Azure is an Azure Key Vault whose key protects the keys of an SVM, or of the cluster
// (ONTAP REST reference, security/azure-key-vaults).
var Azure = &Kind{
	Name:     "azure_key_vault",
	Type:     "azure",
	Section:  "azure_key_vaults",
	Path:     "security/azure-key-vaults",
	Identity: "configuration.name",
	ID:       "uuid",
	Scopes:   ClusterScope | SVMScope,
	Since:    Version{9, 8, 0},
	Store:    &Store{Unnamed: "default", Inactive: Version{9, 14, 0}},
	Doc:      "An Azure Key Vault whose key protects the keys of an SVM or of the cluster.",
	Actions: []Action{
		rekeyExternal(Version{9, 11, 0}, "key_id"),
		rekeyInternal(Version{9, 10, 0}),
		restore(Version{9, 10, 0}),
		migrate(),
	},
	Fields: slices.Concat([]Field{
		{Name: "configuration.name", Type: String, Flags: Create, Since: Version{9, 14, 0}, Min: 1, Max: 64,
			WayOut: "create the configuration under its new name (enabled: false), enable it, and delete this one",
			Doc:    "The name of a configuration that is kept beside the one in use. Only with enabled: false when it is created (65537595)."},
		{Name: "enabled", Type: Boolean, Since: Version{9, 14, 0}, Flags: Switch,
			Doc: "Whether this configuration is the one in use. true on one that is not switches to it; false creates one in store."},
		{Name: "name", Type: String, Flags: Required | Create, Norm: normVault,
			WayOut: "create a configuration for the new vault (configuration.name, enabled: false) and enable it",
			Doc:    "The vault's URL: https://myvault.vault.azure.net/."},
		{Name: "key_id", Type: String, Flags: Required | Create, Norm: normVaultKey, Via: "rekey_external",
			Doc: "The key's URL with its version: https://myvault.vault.azure.net/keys/NAME/VERSION. A change is a rekey_external."},
		{Name: "client_id", Type: String, Flags: Required | Create | Patch, Min: 1, Max: 256, With: "client_secret", Doc: "The application's id. Its secret or certificate goes along with a change (65537517)."},
		{Name: "tenant_id", Type: String, Flags: Required | Create | Patch, Min: 1, Max: 256, With: "client_secret", Doc: "The directory's (tenant's) id. The secret or certificate goes along with a change (65537517)."},
		{Name: "client_secret", Type: Secret, Flags: Create | Patch, Max: 4096, Told: Told{"authentication_method", "client_secret"},
			Doc: "A reference to the application's secret. This or client_certificate (65537567)."},
		{Name: "client_certificate", Type: Secret, Flags: Create | Patch | Base64, Since: Version{9, 10, 0}, Max: 64 << 10, For: "client_secret", Told: Told{"authentication_method", "certificate"},
			Doc: "A reference to a PKCS12 file with the application's certificate and key; its bytes are sent in base64."},
		{Name: "oauth_host", Type: String, Flags: Create | Patch, Since: Version{9, 14, 0}, Max: 253, Doc: "The authorisation server's host."},
		{Name: "vault_host", Type: String, Flags: Create | Patch, Since: Version{9, 14, 0}, Max: 253, Doc: "The vault's host suffix."},
		{Name: "port", Type: Integer, Flags: Create | Patch, Since: Version{9, 14, 0}, Min: 1, Max: 65535, Default: Int(443), Doc: "The port of both."},
		{Name: "verify_host", Type: Boolean, Flags: Patch, Since: Version{9, 14, 0}, Doc: "Whether the name in the service's certificate is checked."},
		{Name: "verify_ip", Type: Boolean, Flags: Patch, Since: Version{9, 14, 0}, Doc: "Whether the address in the service's certificate is checked."},
		{Name: "skip_verification", Type: Boolean, Flags: Create | Patch | Modifier, Since: Version{9, 16, 0}, With: "client_secret",
			Doc: "Take new credentials, secret or certificate, without trying them."},
		timed("rekey_internal", RekeyInternal, "When the action rekey_internal is taken by itself."),
		timed("rekey_external", "rekey_external", "When the action rekey_external is taken by itself."),
	}, proxyFields(Version{9, 8, 0}), []Field{
		{Name: "authentication_method", Type: String, Since: Version{9, 10, 0}, Doc: "client_secret or certificate, as ONTAP sees it."},
		{Name: "azure_reachability", Type: Reachability, Flags: Advanced, Doc: "Whether the vault is reachable from all nodes."},
		{Name: "ekmip_reachability", Type: NodeReachability, Flags: Advanced, Doc: "Whether each node reaches the embedded KMIP servers."},
	}),
}

// normVault is the one spelling of a vault's URL, with the slash that the reference's examples
// have (65537553).
func normVault(s string) (string, error) {
	n, err := normHTTPS(s)
	if err != nil {
		return "", err
	}
	if strings.Contains(strings.TrimPrefix(n, "https://"), "/") {
		return "", errors.New("must be the URL of the vault alone: https://VAULT/")
	}
	return n + "/", nil
}

// normVaultKey is the one spelling of a key's id, which names a version (65537523).
func normVaultKey(s string) (string, error) {
	n, err := normHTTPS(s)
	if err != nil {
		return "", err
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(n, "https://"), "/")
	parts := strings.Split(path, "/")
	if len(parts) != 3 || parts[0] != "keys" || parts[1] == "" || parts[2] == "" {
		return "", errors.New("must name a key and its version: https://VAULT/keys/NAME/VERSION")
	}
	return n, nil
}
