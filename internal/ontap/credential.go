package ontap

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
)

// A Credential is what the cluster knows the agent by. Its content is out of every
// formatter's reach. Make one with [Basic], [Bearer] or [ClientCertificate].
type Credential struct{ expose func() credential }

type credential struct {
	sum           [sha256.Size]byte // tells two apart, in memory only
	authorization string
	certificate   *tls.Certificate
}

// Basic is a user with a password, in UTF-8. ONTAP wants the account to have the http
// application with the password method.
func Basic(user string, password []byte) (Credential, error) {
	if user == "" || len(password) == 0 || bytes.ContainsAny([]byte(user), ":\r\n") {
		return Credential{}, errors.New("basic credentials: need a user without a colon and a password")
	}
	pair := append([]byte(user+":"), password...)
	return newCredential("Basic "+base64.StdEncoding.EncodeToString(pair), nil, pair), nil
}

// Bearer is an OAuth 2.0 access token; ONTAP takes one from 9.14.1 on.
func Bearer(token []byte) (Credential, error) {
	for _, c := range token {
		if c <= ' ' || c >= 0x7f {
			return Credential{}, errors.New("bearer token: must be printable ASCII without spaces")
		}
	}
	if len(token) == 0 {
		return Credential{}, errors.New("bearer token: empty")
	}
	return newCredential("Bearer "+string(token), nil, token), nil
}

// ClientCertificate is a certificate chain and its key, both in PEM. ONTAP maps the common
// name to an account whose http application has the certificate method.
func ClientCertificate(certPEM, keyPEM []byte) (Credential, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil { // not passed on: the key was in scope
		return Credential{}, errors.New("client certificate: not a certificate and its key in PEM")
	}
	return newCredential("", &pair, certPEM, keyPEM), nil
}

func newCredential(authorization string, pair *tls.Certificate, content ...[]byte) Credential {
	c := credential{sum: sha256.Sum256(bytes.Join(content, []byte{0})), authorization: authorization, certificate: pair}
	return Credential{func() credential { return c }}
}

func (c credential) authorize(h http.Header) {
	if c.authorization != "" {
		h.Set("Authorization", c.authorization)
	}
}
