package plan

import "kmagent/internal/resource"

// Secrets says of every wanted secret what its digest is, or why it cannot be read.
type Secrets map[SecretAt]SecretState

// A SecretAt is the place of a secret.
type SecretAt struct {
	Addr  resource.Addr
	Field string
}

// A SecretState is the keyed digest of a secret, or the reason why there is none.
type SecretState struct {
	Digest string
	Err    error
	Unfit  bool // it could be read, and cannot be what the field holds
}
