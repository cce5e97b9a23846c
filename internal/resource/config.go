package resource

import "slices"

// Config is the options of key management that a cluster has once (ONTAP REST reference,
// security/key-manager-configs).
var Config = &Kind{
	Name:      "key_manager_config",
	Section:   "key_manager_configs",
	Path:      "security/key-manager-configs",
	Singleton: true,
	Scopes:    ClusterScope,
	Since:     Version{9, 10, 0},
	Doc:       "The options of key management of a cluster.",
	Fields: slices.Concat([]Field{
		{Name: "health_monitor_polling_interval", Type: Integer, Flags: Patch, Min: 15, Max: 30, Default: Int(15),
			Doc: "Minutes between checks of key managers. Only where there is an external key manager (65537304)."},
		{Name: "cloud_kms_retry_count", Type: Integer, Flags: Patch, Since: Version{9, 11, 0}, Min: 0, Max: 10, Default: Int(3),
			Doc: "How often a cloud service that does not answer is asked again."},
		{Name: "cc_mode_enabled", Type: Boolean, Flags: Patch | NoMetro, Default: Bool(false), Needs: "passphrase",
			Doc: "Common Criteria mode. Needs the onboard key manager (65537301), and is not for a MetroCluster (65536807)."},
		{Name: "passphrase", Type: Secret, Flags: Patch | Modifier, Min: 64, Max: 256, With: "cc_mode_enabled",
			Doc: "A reference to the onboard key manager's passphrase, needed to turn Common Criteria mode on."},
	},
		healthPolicy("akv", "an Azure Key Vault", Version{9, 15, 0}),
		healthPolicy("aws", "AWS KMS", Version{9, 15, 0}),
		healthPolicy("gcp", "Google Cloud KMS", Version{9, 15, 0}),
		healthPolicy("ikp", "IBM Key Protect", Version{9, 15, 0}),
		healthPolicy("kmip", "an external key manager", Version{9, 15, 0}),
		healthPolicy("okm", "the onboard key manager", Version{9, 15, 0}),
		healthPolicy("barbican", "Barbican", Version{9, 17, 0}),
	),
}

// healthPolicy is what ONTAP does about the health of key managers of one type.
func healthPolicy(typ, of string, since Version) []Field {
	name := "health_monitor_policy." + typ + "."
	return []Field{
		{Name: name + "enabled", Type: Boolean, Flags: Patch, Since: since, Default: Bool(true),
			Doc: "Whether the health of " + of + " is monitored."},
		{Name: name + "manage_volume_offline", Type: Boolean, Flags: Patch | Hazard, Since: since, Default: Bool(true),
			Doc: "Whether ONTAP takes encrypted volumes offline when " + of + " stays unreachable."},
	}
}
