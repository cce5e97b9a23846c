package resource

import "slices"

// AWS is a key of the AWS Key Management Service that protects the keys of an SVM (ONTAP
// REST reference, security/aws-kms). It is in use as soon as it is created.
var AWS = &Kind{
	Name:    "aws_kms",
	Type:    "aws",
	Section: "aws_kms",
	Path:    "security/aws-kms",
	ID:      "uuid",
	Scopes:  SVMScope,
	Since:   Version{9, 12, 0},
	Doc:     "A key of AWS KMS that protects the keys of an SVM.",
	Actions: []Action{
		again(rekeyExternal(Version{9, 12, 0}, "key_id")),
		rekeyInternal(Version{9, 12, 0}),
		restore(Version{9, 12, 0}),
		migrate(),
	},
	Fields: slices.Concat([]Field{
		{Name: "region", Type: String, Flags: Required | Create | Patch, Min: 1, Max: 64, Doc: "The AWS region, such as eu-central-1."},
		{Name: "key_id", Type: String, Flags: Required | Create, Min: 1, Max: 2048, Via: "rekey_external", Doc: "The key's id, alias or ARN. A change is a rekey_external."},
		{Name: "access_key_id", Type: String, Flags: Required | Create | Patch, Min: 1, Max: 128, With: "secret_access_key", Doc: "The id of the access key."},
		{Name: "secret_access_key", Type: Secret, Flags: Required | Create | Patch, Max: 256, With: "access_key_id", Doc: "A reference to the secret of the access key."},
		{Name: "service", Type: String, Flags: Create | Patch, Max: 64, Doc: "The service's name in requests."},
		{Name: "default_domain", Type: String, Flags: Create | Patch, Max: 253, Doc: "The domain below which the service is."},
		{Name: "host", Type: String, Flags: Create | Patch, Max: 253, Doc: "The service's host, in place of the one made of service, region and domain."},
		{Name: "port", Type: Integer, Flags: Create | Patch, Min: 1, Max: 65535, Default: Int(443), Doc: "The service's port."},
		{Name: "polling_period", Type: Integer, Flags: Create | Patch, Min: 1, Max: 1440, Doc: "Minutes between checks of the key."},
		{Name: "encryption_context", Type: String, Flags: Create | Patch, Max: 2048, Doc: "What the service logs and checks with each use of the key."},
		{Name: "timeout", Type: Integer, Flags: Patch, Min: 0, Max: 600, Doc: "Seconds to wait for an answer."},
		{Name: "verify", Type: Boolean, Flags: Patch, Doc: "Whether the service's certificate is checked."},
		{Name: "verify_host", Type: Boolean, Flags: Patch, Doc: "Whether the name in it is checked."},
		{Name: "verify_ip", Type: Boolean, Flags: Patch, Doc: "Whether the address in it is checked."},
		{Name: "skip_verify", Type: Boolean, Flags: Patch | Modifier, With: "access_key_id", Doc: "Take credentials without trying them. Goes along with a change of them."},
		timed("rekey_internal", RekeyInternal, "When the action rekey_internal is taken by itself."),
		timed("rekey_external", "rekey_external", "When the action rekey_external is taken by itself."),
	}, proxyFields(Version{9, 12, 0}), []Field{
		{Name: "amazon_reachability", Type: Reachability, Flags: Advanced, Doc: "Whether the service is reachable from all nodes."},
		{Name: "ekmip_reachability", Type: NodeReachability, Flags: Advanced, Doc: "Whether each node reaches the embedded KMIP servers."},
	}),
}
