package ontapsim

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// An authKey is an authentication key for self-encrypting drives, which ONTAP keeps on the
// key servers of the cluster's external key manager.
type authKey struct {
	ID         string `json:"key_id"`
	Tag        string `json:"key_tag,omitempty"`
	Passphrase string `json:"passphrase"` // given or generated
}

const (
	minAuthPassphrase = 20
	maxAuthPassphrase = 32
	maxKeyTag         = 32

	// defaultAuthKeys is how many keys there may be when the world does not say it; the
	// reference names no number.
	defaultAuthKeys = 128
)

// authKeyCodes are the codes of the tables of auth-keys.
var authKeyCodes = map[int]codeText{
	65536048: {"The maximum number of authentication keys is reached.", 0},
	65536053: {"The passphrase of an authentication key has 20 to 32 ASCII characters.", 0},
	65536056: {"The key tag contains invalid characters.", 0},
	65536074: {"No key servers found.", 0},
	65536076: {"The authentication key could not be pushed to any key server.", 0},
	65536160: {"The number of authentication keys could not be determined.", internal},
	65536264: {"The authentication key could not be created.", internal},
	65536265: {"The key ID of the authentication key could not be created.", internal},
	65536856: {"No key servers found for the SVM.", 0},
	65536859: {"The authentication key is in use.", 0},
	65536860: {"The key ID is not that of an authentication key.", 0},
	65536872: {"The key database could not be cleaned up after the authentication key could not be created.", internal},
	65536896: {"External key management is not configured on the MetroCluster partner.", 0},
	65536987: {"One or more key servers are unavailable.", 0},
	65538800: {"The admin SVM has no external key manager.", 0},
	65538801: {"The key manager database could not be accessed.", internal},
	65538802: {"The UUID is not that of the key manager of the admin SVM.", 0},
	66060289: {"The authentication key could not be stored on a key server.", 0},
	66060296: {"The authentication key could not be deleted on a key server.", 0},
	66060304: {"The length of the key is invalid.", 0},
}

// authKeyParts are the parts of ONTAP that only authentication keys need.
var authKeyParts = map[string]part{
	"auth_key_cleanup":     {65536872, []string{"POST auth-keys, after a failure"}},
	"auth_key_count":       {65536160, []string{"POST auth-keys"}},
	"auth_key_generation":  {65536264, []string{"POST auth-keys"}},
	"auth_key_id":          {65536265, []string{"POST auth-keys"}},
	"auth_key_length":      {66060304, []string{"POST auth-keys"}},
	"key_manager_database": {65538801, []string{"auth-keys"}},
}

func (k *authKey) id() string { return k.ID }

// in tells whether a list of key IDs and key tags names the key.
func (k *authKey) in(list []string) bool {
	return slices.Contains(list, k.ID) || k.Tag != "" && slices.Contains(list, k.Tag)
}

// An authKeyRecord is an authentication key together with its manager.
type authKeyRecord struct {
	*authKey
	manager *keyManager
}

func (r authKeyRecord) owner() string { return r.manager.SVM }
func (r authKeyRecord) hidden() bool  { return false }
func (r authKeyRecord) memo() *memo   { return nil }

func (r authKeyRecord) object(*Cluster, bool) object {
	o := object{{"key_id", r.ID}}
	o.opt("key_tag", r.Tag)
	o.put("security_key_manager", object{{"uuid", r.manager.UUID}})
	return o
}

func authKeyKind() *kind {
	return &kind{
		path:  "security/key-managers/{uuid}/auth-keys",
		since: since(12),
		id:    "key_id",
		fields: []field{
			{name: "key_id", on: key},
			{name: "key_tag", on: post | std},
			{name: "passphrase", typ: secret, on: post},
			{name: "security_key_manager.uuid", on: key, since: since(15)},
		},
		list:   (*Cluster).listAuthKeys,
		reads:  (*Cluster).checkAuthKeyServers,
		create: (*Cluster).createAuthKey,
		remove: (*Cluster).removeAuthKey,
		absent: (*Cluster).absentAuthKey,
	}
}

// authKeyManager is the key manager that a path names, when it is the one that may hold
// authentication keys: the external one of the cluster.
func (c *Cluster) authKeyManager(uuid string) (*keyManager, *apiError) {
	if err := c.broken("auth-keys"); err != nil {
		return nil, err
	}
	admin := c.managerOf("", true)
	m, ok := c.state.KeyManagers.find(uuid)
	switch {
	case ok && m.SVM == "" && m.External != nil && !m.Enabled:
		return nil, c.code(65536828)
	case admin == nil || admin.External == nil:
		return nil, c.code(65538800)
	case m != admin:
		return nil, c.code(65538802)
	}
	return m, nil
}

func (c *Cluster) listAuthKeys(at []string) ([]record, *apiError) {
	m, err := c.authKeyManager(at[0])
	if err != nil {
		return nil, err
	}
	out := make([]record, len(m.External.AuthKeys))
	for i, k := range m.External.AuthKeys {
		out[i] = authKeyRecord{k, m}
	}
	return out, nil
}

// checkAuthKeyServers refuses what needs key servers, here or at the MetroCluster partner.
func (c *Cluster) checkAuthKeyServers(at []string) *apiError {
	m, err := c.authKeyManager(at[0])
	if err != nil {
		return err
	}
	metro := c.state.World.MetroCluster
	switch {
	case len(m.External.Servers) == 0:
		return c.code(65536856)
	case metro != nil && metro.KeyManager != "external":
		return c.code(65536896)
	}
	return nil
}

// createAuthKey answers POST.
func (c *Cluster) createAuthKey(w *write) (effect, *apiError) {
	err := c.checkAuthKeyServers(w.at)
	if err == nil && w.tunnel != nil {
		err = c.code(65538802)
	}
	if err != nil {
		if err.code == "65536856" && c.version.before(since(15)) {
			err = c.code(65536074) // what older releases answer to a POST
		}
		return effect{}, err
	}
	m, _ := c.authKeyManager(w.at[0])
	k, err := c.newAuthKey(w)
	if err != nil {
		return effect{}, err
	}
	if len(m.External.AuthKeys) >= cmp.Or(c.state.World.AuthKeys.Limit, defaultAuthKeys) {
		return effect{}, c.code(65536048)
	}
	if err := c.broken("POST auth-keys"); err != nil {
		return effect{}, err
	}
	if err := c.pushAuthKey(m); err != nil {
		return effect{}, cmp.Or(c.broken("POST auth-keys, after a failure"), err)
	}
	return effect{
		made:  func() record { return authKeyRecord{k, m} },
		apply: func() *apiError { m.External.AuthKeys.insert(k); return nil },
	}, nil
}

// newAuthKey reads the body of a POST, all of which is optional. A key without a tag gets
// the name of the node that makes it, as the reference's examples show.
func (c *Cluster) newAuthKey(w *write) (*authKey, *apiError) {
	bare := strings.ReplaceAll(w.uuid, "-", "")
	sum := sha256.Sum256([]byte("authentication key " + bare))
	k := &authKey{
		ID:         keyID(authenticationKey, bare),
		Tag:        c.state.Nodes[0].Name,
		Passphrase: hex.EncodeToString(sum[:maxAuthPassphrase/2]),
	}
	if p, ok := w.body.text("passphrase"); ok && p != "" {
		if len(p) < minAuthPassphrase || len(p) > maxAuthPassphrase || strings.IndexFunc(p, notPrintable) >= 0 {
			return nil, c.code(65536053)
		}
		k.Passphrase = p
	}
	if tag, ok := w.body.text("key_tag"); ok {
		switch {
		case strings.IndexFunc(tag, unicode.IsSpace) >= 0:
			err := c.code(65536056)
			err.message = "The key tag cannot contain spaces, tabs or new lines."
			return nil, err
		case len(tag) > maxKeyTag || strings.IndexFunc(tag, notPrintable) >= 0:
			return nil, c.code(65536056)
		}
		k.Tag = tag
	}
	return k, nil
}

func notPrintable(r rune) bool { return r < 0x20 || r > 0x7e }

// pushAuthKey stores a new key on the key servers, of which all are needed.
func (c *Cluster) pushAuthKey(m *keyManager) *apiError {
	silent := 0
	for _, s := range m.External.Servers {
		if !c.serves(s.Server) {
			silent++
		}
	}
	switch {
	case silent == len(m.External.Servers):
		return c.code(65536076)
	case silent > 0:
		return c.code(65536987)
	}
	for _, s := range m.External.Servers {
		if c.anyState(s.Server, "refusing") {
			return c.code(66060289)
		}
	}
	return nil
}

// serves tells whether some node has a session to a server.
func (c *Cluster) serves(server string) bool {
	return slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool {
		return slices.Contains([]string{"available", "unknown", "refusing"}, c.state.World.serverState(server, n.Name))
	})
}

// removeAuthKey answers DELETE.
func (c *Cluster) removeAuthKey(_ *write, r record) (effect, *apiError) {
	k, m := r.(authKeyRecord).authKey, r.(authKeyRecord).manager
	if k.in(c.state.World.Drives.Uses) {
		return effect{}, c.code(65536859)
	}
	for _, s := range m.External.Servers {
		if !c.serves(s.Server) || c.anyState(s.Server, "refusing") {
			return effect{}, c.code(66060296)
		}
	}
	return effect{apply: func() *apiError { m.External.AuthKeys.remove(k); return nil }}, nil
}

// absentAuthKey is the answer when a path names no authentication key: it may be the ID of
// another key of the manager.
func (c *Cluster) absentAuthKey(t target, method string) *apiError {
	s := c.keyStore(t.at[0])
	if s != nil && method == http.MethodDelete && slices.ContainsFunc(c.keysOf(s), func(k heldKey) bool { return k.id == t.id }) {
		return c.code(65536860)
	}
	return errNotFound("key_id")
}
