package ontapsim

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A Privilege is one line of a REST role: what may be done below a path. The line with the
// longest path that matches counts; where none does, nothing may be done. A * in the path
// stands for one path element.
type Privilege struct {
	Path   string `json:"path"`   // as in /api/security/key-managers
	Access string `json:"access"` // none, readonly, read_create, read_modify, read_create_modify or all
}

var accessMethods = map[string][]string{
	"none":               nil,
	"readonly":           {http.MethodGet},
	"read_create":        {http.MethodGet, http.MethodPost},
	"read_modify":        {http.MethodGet, http.MethodPatch},
	"read_create_modify": {http.MethodGet, http.MethodPost, http.MethodPatch},
	"all":                {http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete},
}

// ParseRole reads a role: a JSON array of privileges.
func ParseRole(text []byte) ([]Privilege, error) {
	role := []Privilege{}
	if err := json.Unmarshal(text, &role); err != nil {
		return nil, fmt.Errorf("role: %w", err)
	}
	for _, p := range role {
		if _, ok := accessMethods[p.Access]; !ok {
			return nil, fmt.Errorf("role: access %q of %q is not one of none, readonly, read_create, read_modify, read_create_modify, all", p.Access, p.Path)
		}
		if !strings.HasPrefix(p.Path, "/api") {
			return nil, fmt.Errorf("role: path %q does not begin with /api", p.Path)
		}
	}
	return role, nil
}

// authenticate accepts the account's password, the token, or a client certificate that the
// connection has verified.
func (c *Cluster) authenticate(q *request) *apiError {
	scheme, credential, _ := strings.Cut(q.header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		text, err := base64.StdEncoding.DecodeString(credential)
		if err == nil && same(string(text), c.cfg.User+":"+c.cfg.Password) {
			return nil
		}
	case strings.EqualFold(scheme, "Bearer"):
		if c.cfg.Token != "" && !c.version.before(version{9, 14, 1}) && same(credential, c.cfg.Token) {
			return nil
		}
	case q.peer != nil && q.peer.Subject.CommonName == c.cfg.User:
		return nil
	}
	return errUnauthorized()
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// authorize checks the role.
func (c *Cluster) authorize(method, path string) *apiError {
	if c.cfg.Role == nil || method == http.MethodOptions {
		return nil
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments, _ := splitPath(path)
	access, longest := "none", -1
	for _, p := range c.cfg.Role {
		prefix, _ := splitPath(p.Path)
		if len(prefix) > longest && covers(prefix, segments) {
			access, longest = p.Access, len(prefix)
		}
	}
	if !slices.Contains(accessMethods[access], method) {
		return errForbidden()
	}
	return nil
}

func covers(prefix, segments []string) bool {
	if len(prefix) > len(segments) {
		return false
	}
	for i, p := range prefix {
		if p != "*" && p != segments[i] {
			return false
		}
	}
	return true
}
