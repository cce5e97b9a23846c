package resource

import "slices"

// Barbican is a secret of OpenStack's Barbican that protects the keys of an SVM (ONTAP REST
// reference, security/barbican-kms). Its configurations are made inactive, put to use
// through key-stores, and can be deleted only while they are not in use.
var Barbican = &Kind{
	Name:     "barbican_kms",
	Type:     "barbican",
	Section:  "barbican_kms",
	Path:     "security/barbican-kms",
	Identity: "configuration.name",
	ID:       "uuid",
	Scopes:   SVMScope,
	Since:    Version{9, 17, 0},
	Store:    &Store{Born: true, NoDelete: true},
	Doc:      "A secret of OpenStack Barbican that protects the keys of an SVM.",
	Actions:  []Action{rekeyInternal(Version{9, 17, 0}), restore(Version{9, 17, 0}), migrate()},
	Fields: slices.Concat([]Field{
		{Name: "configuration.name", Type: String, Flags: Required | Create, Min: 1, Max: 64,
			WayOut: "create the configuration under its new name, enable it, and delete this one",
			Doc:    "The configuration's name, unique in the SVM (65539808)."},
		{Name: "enabled", Type: Boolean, Flags: Switch, Doc: "Whether this configuration is the one in use. true on one that is not switches to it."},
		{Name: "key_id", Type: String, Flags: Required | Create, Norm: normHTTPS,
			WayOut: "there is no rekey_external: create a configuration with the new key_id, enable it, and delete this one",
			Doc:    "The https URL of the secret."},
		{Name: "keystone_url", Type: String, Flags: Required | Create, Norm: normHTTPS,
			WayOut: "create a configuration with the new keystone_url, enable it, and delete this one",
			Doc:    "The https URL of Keystone."},
		{Name: "application_cred_id", Type: String, Flags: Required | Create | Patch, Min: 1, Max: 256, With: "application_cred_secret", Doc: "The id of the application credential."},
		{Name: "application_cred_secret", Type: Secret, Flags: Required | Create | Patch, Max: 4096, With: "application_cred_id", Doc: "A reference to its secret; the two go together (65539841)."},
		{Name: "timeout", Type: Integer, Flags: Create | Patch, Min: 1, Max: 600, Default: Int(10), Doc: "Seconds to wait for an answer."},
		{Name: "verify", Type: Boolean, Flags: Create | Patch, Default: Bool(true), Doc: "Whether the service's certificate is checked."},
		{Name: "verify_host", Type: Boolean, Flags: Create | Patch, Default: Bool(true), Doc: "Whether the name in it is checked."},
		timed("rekey_internal", RekeyInternal, "When the action rekey_internal is taken by itself."),
	}, proxyFields(Version{9, 17, 0}), []Field{
		{Name: "barbican_reachability", Type: Reachability, Flags: Advanced, Doc: "Whether the service is reachable from all nodes."},
	}),
}
