package resource

// Certificate is an installed certificate. kmagent reads certificates and names them; it
// does not install them (ONTAP REST reference, security/certificates).
var Certificate = &Kind{
	Name:     "certificate",
	Path:     "security/certificates",
	Identity: "name",
	ID:       "uuid",
	Scopes:   ClusterScope | SVMScope,
	Since:    Version{9, 6, 0},
	Doc:      "A certificate installed on the cluster or on an SVM.",
	Fields: []Field{
		{Name: "name", Type: String, Since: Version{9, 8, 0}, Doc: "Unique in its scope."},
		{Name: "type", Type: String, Doc: "client, server, client_ca, server_ca or root_ca."},
		{Name: "common_name", Type: String, Doc: "The subject's common name."},
		{Name: "expiry_time", Type: String, Doc: "The end of validity, as ONTAP writes it."},
		{Name: "subject_key_identifier", Type: String, Since: Version{9, 8, 0}, Doc: "The identifier of the certificate's public key."},
	},
}
