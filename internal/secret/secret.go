// Package secret holds what may be said of a secret and what may not: a reference that
// names where a secret is kept, a value that no formatter can print, and a keyed digest
// that tells two values apart without telling either. It reads nothing and sends nothing.
package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Mask stands wherever a secret would.
const Mask = "[secret]"

// Schemes are the places a reference may name, in the order messages list them.
var schemes = []string{"cred", "file", "env"}

// A Ref names where a secret is kept: "cred:NAME", "file:/PATH" or "env:NAME". It is no
// secret itself and may be printed. The zero Ref names nothing.
type Ref struct{ scheme, name string }

// ErrNotRef is the error of [ParseRef]. It never repeats its input, which may be a secret
// that somebody typed where its reference belongs.
var ErrNotRef = errors.New("not a secret reference; write cred:NAME, file:/PATH or env:NAME, never the secret itself")

// ParseRef reads a reference. Its error is [ErrNotRef].
func ParseRef(s string) (Ref, error) {
	scheme, name, ok := strings.Cut(s, ":")
	if !ok || !known(scheme) || !wellFormed(scheme, name) {
		return Ref{}, ErrNotRef
	}
	return Ref{scheme, name}, nil
}

func known(scheme string) bool {
	for _, s := range schemes {
		if s == scheme {
			return true
		}
	}
	return false
}

// maxName bounds a name: PATH_MAX on Linux.
const maxName = 4096

func wellFormed(scheme, name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for _, r := range name {
		if r < 0x20 || r == 0x7f {
			return false
		}
	}
	switch scheme {
	case "file":
		return strings.HasPrefix(name, "/")
	case "env":
		return isEnvName(name)
	default:
		return isCredentialName(name)
	}
}

func isEnvName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return true
}

// isCredentialName is systemd's rule for the name of a credential: one file name of
// printable ASCII without a colon, at most 255 bytes.
func isCredentialName(s string) bool {
	if len(s) > 255 || s == "." || s == ".." {
		return false
	}
	for _, r := range s {
		if r <= 0x20 || r >= 0x7f || r == '/' || r == ':' {
			return false
		}
	}
	return true
}

// Scheme returns "cred", "file" or "env", and "" for the zero Ref.
func (r Ref) Scheme() string { return r.scheme }

// Name returns what follows the colon.
func (r Ref) Name() string { return r.name }

// IsZero says whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// String returns the reference as it is written in the file.
func (r Ref) String() string {
	if r.IsZero() {
		return ""
	}
	return r.scheme + ":" + r.name
}

// A Value is a secret in the clear. Every way to print one gives [Mask]: the bytes are held
// in a closure, since fmt prints the bytes of an unexported field without asking its type.
// The zero Value is an absent secret.
type Value struct{ expose func() []byte }

// New takes ownership of b.
func New(b []byte) Value { return Value{func() []byte { return b }} }

// Expose returns the bytes themselves, not a copy. Whoever calls it puts a secret in the
// clear; only what sends one to its cluster should.
func (v Value) Expose() []byte {
	if v.expose == nil {
		return nil
	}
	return v.expose()
}

// IsZero says whether there is no secret. An empty secret is not zero.
func (v Value) IsZero() bool { return v.expose == nil }

// Format implements [fmt.Formatter] for every verb.
func (v Value) Format(s fmt.State, _ rune) { io.WriteString(s, Mask) }

// String implements [fmt.Stringer].
func (v Value) String() string { return Mask }

// GoString implements [fmt.GoStringer].
func (v Value) GoString() string { return Mask }

// MarshalText keeps a secret out of JSON, XML and YAML alike.
func (v Value) MarshalText() ([]byte, error) { return []byte(Mask), nil }

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(Mask) }

// A Key makes digests that only its holder can repeat. It prints as [Mask].
type Key struct{ Value }

// KeySize is the length of a key in bytes.
const KeySize = 32

// NewKey takes ownership of b, which must be [KeySize] random bytes.
func NewKey(b []byte) (Key, error) {
	if len(b) != KeySize {
		return Key{}, fmt.Errorf("digest key has %d bytes, not %d", len(b), KeySize)
	}
	return Key{New(b)}, nil
}

// Digest returns HMAC-SHA-256 of v under k, cut to 128 bits, as 32 hex digits. The place
// (object, field) goes into it, so that one secret used in two places has two digests and a
// low-entropy passphrase cannot be guessed without the key.
func Digest(k Key, v Value, place ...string) string {
	mac := hmac.New(sha256.New, k.Expose())
	for _, p := range place {
		writeSized(mac, []byte(p))
	}
	writeSized(mac, v.Expose())
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Derive returns the key for another use, which that label names. Who has it learns nothing of
// k, nor of the key of another label. No digest is made of the same bytes: there, a length
// comes first, and no label is that of a place of so many bytes.
func (k Key) Derive(label string) Key {
	mac := hmac.New(sha256.New, k.Expose())
	io.WriteString(mac, label)
	return Key{New(mac.Sum(nil))}
}

// MAC returns HMAC-SHA-256 of text under k, as 64 hex digits: only the holder of k can have
// written it. Compare it with [SameMAC].
func MAC(k Key, text []byte) string {
	mac := hmac.New(sha256.New, k.Expose())
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}

// SameMAC compares two of them in a time that tells nothing of where they differ.
func SameMAC(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// writeSized puts the length first: ("ab","c") and ("a","bc") must differ.
func writeSized(w io.Writer, b []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b)))
	w.Write(n[:])
	w.Write(b)
}
