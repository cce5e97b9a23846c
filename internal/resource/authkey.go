package resource

import (
	"errors"
	"strings"
)

// AuthKey is an authentication key of self-encrypting drives, which ONTAP keeps on the key
// servers of the cluster's external key manager (ONTAP REST reference,
// security/key-managers/{uuid}/auth-keys). Its tag is the only name that it can be given.
var AuthKey = &Kind{
	Name:     "auth_key",
	Section:  "auth_keys",
	Path:     "auth-keys",
	Under:    External,
	NeedsAll: true,
	Identity: "key_tag",
	Tagged:   true,
	ID:       "key_id",
	Scopes:   ClusterScope,
	Since:    Version{9, 12, 0},
	Doc:      "An authentication key of self-encrypting drives (NSE), on the key servers of the cluster's external key manager.",
	Fields: []Field{
		{Name: "key_tag", Type: String, Flags: Required | Create, Min: 1, Max: 32, Norm: normKeyTag,
			Doc: "The key's name: printable ASCII without blanks. ONTAP lets several keys have the same; kmagent makes none where there is one."},
		{Name: "passphrase", Type: Secret, Flags: Create, Min: 20, Max: 32,
			WayOut: "make a key with another key_tag, have the drives use it (storage encryption disk modify -data-key-id), then give this one state: absent",
			Doc:    "A reference to the key's passphrase. Without it ONTAP makes one up."},
		{Name: "key_id", Type: String, Doc: "The key's id on the key servers, by which drives name it."},
	},
}

// normKeyTag lets pass what a tag may hold (65536056).
func normKeyTag(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("a tag is printable ASCII without blanks")
	}
	return s, nil
}
