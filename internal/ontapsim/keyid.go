package ontapsim

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// keyIDCodes are the codes of the table of key-ids.
var keyIDCodes = map[int]codeText{
	65537125: {"The UUID is not that of a key manager.", 0},
}

// The types of keys, as key_type has them.
const (
	authenticationKey = "nse_ak"
	aggregateKey      = "aek"
	volumeKey         = "vek"
	svmKey            = "svm_kek"
)

var keyTypes = []string{authenticationKey, aggregateKey, volumeKey, "nek", svmKey, "mroot_ak"}

// keyPurpose is how the ID of a key tells what the key is for: an ID is 40 bytes, of which
// the seventeenth to the thirty-second are random.
var keyPurpose = map[string]string{
	authenticationKey: "0200000000000100",
	volumeKey:         "0200000000000500",
	aggregateKey:      "0200000000000600",
	svmKey:            "0200000000000a00",
}

// keyID is the ID of a key of a type, of 32 hexadecimal digits of its own.
func keyID(typ, digits string) string {
	const zeros = "0000000000000000"
	return zeros + keyPurpose[typ] + digits + zeros
}

// A heldKey is a key that a key store holds.
type heldKey struct {
	id, tag, typ string
	user         string   // name of the SVM whose data it protects
	servers      []string // key servers that hold it; nil when the key store has none
}

// is tells whether a word of the world names the key: by its ID, its tag or its type, or as
// any.
func (k heldKey) is(word string) bool {
	return slices.Contains([]string{k.id, k.tag, k.typ, "*"}, word)
}

func (k heldKey) algorithm() string {
	if k.typ == volumeKey || k.typ == aggregateKey {
		return "XTS-AES-256"
	}
	return "AES-256"
}

// keysOf is the keys that an enabled key store holds, by ID: the authentication keys, those
// of the encrypted volumes and aggregates that the world has, and what the world says that
// its key servers hold.
func (c *Cluster) keysOf(s *keyStore) []heldKey {
	if !*s.enabled {
		return nil
	}
	var out []heldKey
	if s.owner() == "" {
		out = c.clusterKeys(s)
	} else if owner, ok := c.state.SVMs.find(s.owner()); ok && !c.keysInCluster(owner) {
		out = c.volumeKeys(owner.Name, owner.UUID, c.state.World.Volumes[owner.Name])
	}
	switch m := s.of.(type) {
	case *cloudKMS:
		out = c.withOwnKey(m, out)
	case *keyManager:
		if m.External == nil {
			break
		}
		for _, k := range m.External.AuthKeys {
			out = append(out, heldKey{id: k.ID, tag: k.Tag, typ: authenticationKey, user: c.state.Name})
		}
		out = c.onServers(m, out)
	}
	slices.SortFunc(out, func(a, b heldKey) int { return cmp.Compare(a.id, b.id) })
	return out
}

// keysInCluster tells whether the world says that the keys of an SVM are in the cluster's
// key store although it may have its own.
func (c *Cluster) keysInCluster(s *svm) bool {
	return c.state.World.Volumes[s.Name].KeysIn == "cluster"
}

// clusterKeys is the keys in the key store of the cluster, which serves every SVM that has
// none of its own.
func (c *Cluster) clusterKeys(s *keyStore) []heldKey {
	world := c.state.World
	out := c.volumeKeys(c.state.Name, c.state.UUID, world.Volumes["cluster"])
	for i := range world.Aggregates.NAE {
		out = append(out, madeKey(aggregateKey, c.state.Name, c.state.UUID, i))
	}
	if s.typ == onboardStore {
		for i := range world.Drives.AuthenticationKeys {
			out = append(out, madeKey(authenticationKey, c.state.Name, c.state.UUID, i))
		}
	}
	own := map[string]bool{}
	for _, other := range c.keyStores() {
		own[other.owner()] = own[other.owner()] || *other.enabled
	}
	for _, v := range c.state.SVMs {
		if !own[v.UUID] || c.keysInCluster(v) {
			out = append(out, c.volumeKeys(v.Name, v.UUID, world.Volumes[v.Name])...)
		}
	}
	return out
}

// volumeKeys is the keys of the encrypted volumes of an SVM.
func (c *Cluster) volumeKeys(name, uuid string, v Volumes) []heldKey {
	if v.Encrypted == 0 {
		return nil
	}
	out := []heldKey{madeKey(svmKey, name, uuid, 0)}
	for i := range v.Encrypted {
		out = append(out, madeKey(volumeKey, name, uuid, i))
	}
	return out
}

// hasOwnKey tells whether there is a key of the SVM under that of a cloud service: from its
// first encrypted volume on. An SVM of whose volumes the world says nothing has some.
func (c *Cluster) hasOwnKey(m *cloudKMS) bool {
	if v, named := c.state.World.Volumes[c.svmName(m.SVM)]; named {
		return v.Encrypted > 0
	}
	return c.cloud(m).KEK != "not_created"
}

// withOwnKey puts the key that an SVM has under that of a cloud service among its keys. Each
// internal rekey makes another one of it; an external one wraps the same anew.
func (c *Cluster) withOwnKey(m *cloudKMS, keys []heldKey) []heldKey {
	name, origin := c.state.Name, c.state.UUID
	if s, ok := c.state.SVMs.find(m.SVM); ok {
		name, origin = s.Name, s.UUID
		if c.keysInCluster(s) {
			return keys
		}
	}
	keys = slices.DeleteFunc(keys, func(k heldKey) bool { return k.typ == svmKey && k.user == name })
	if !c.hasOwnKey(m) {
		return keys
	}
	if m.RekeyedInternal > 0 {
		origin += " " + m.UUID // of two configurations, each makes its own
	}
	return append(keys, madeKey(svmKey, name, origin, m.RekeyedInternal))
}

// madeKey is one of the keys that an owner must have. Its ID and its tag, which looks like
// the UUID of what it protects, follow from what it is.
func madeKey(typ, user, owner string, n int) heldKey {
	h := sha256.Sum256([]byte(typ + " " + owner + " " + strconv.Itoa(n)))
	t := hex.EncodeToString(h[16:])
	tag := strings.Join([]string{t[:8], t[8:12], t[12:16], t[16:20], t[20:]}, "-")
	return heldKey{id: keyID(typ, hex.EncodeToString(h[:16])), tag: tag, typ: typ, user: user}
}

// onServers tells which of a manager's key servers hold each key: all of them, unless the
// world names the holders. What the world names beside these keys is keys of volumes.
func (c *Cluster) onServers(m *keyManager, keys []heldKey) []heldKey {
	holds := c.state.World.HoldsKeys
	named := map[string][]string{}
	for _, s := range m.External.Servers {
		for _, name := range holds[s.Server] {
			named[name] = append(named[name], s.Server)
		}
	}
	for i, k := range keys {
		for _, name := range []string{k.id, k.tag} {
			keys[i].servers = append(keys[i].servers, named[name]...)
			delete(named, name)
		}
		if len(keys[i].servers) == 0 {
			for _, s := range m.External.Servers {
				keys[i].servers = append(keys[i].servers, s.Server)
			}
		}
	}
	user := c.state.Name
	if s, ok := c.state.SVMs.find(m.SVM); ok {
		user = s.Name
	}
	for _, name := range sortedKeys(named) {
		k := madeKey(volumeKey, user, m.UUID+" "+name, 0)
		k.tag, k.servers = name, named[name]
		keys = append(keys, k)
	}
	return keys
}

// restored tells whether a node has a key of a key store.
func (c *Cluster) restored(s *keyStore, k heldKey, n *clusterNode) bool {
	if s.typ == onboardStore && n.Onboard != "" {
		return false
	}
	if m, ok := s.of.(*cloudKMS); ok && k.typ == svmKey && (c.lost(m) || c.cloud(m).fails(n.Name, "kek")) {
		return false
	}
	return !slices.ContainsFunc(c.state.World.MissingKeys[n.Name], k.is)
}

// A nodeKey is a key of a key store as a node sees it, on one key server.
type nodeKey struct {
	heldKey
	server string // "" when the key store has no key servers
	node   *clusterNode
	store  *keyStore
}

func (r *nodeKey) id() string    { return r.heldKey.id }
func (r *nodeKey) owner() string { return r.store.owner() }
func (r *nodeKey) hidden() bool  { return false }
func (r *nodeKey) memo() *memo   { return nil }

func (r *nodeKey) object(c *Cluster, _ bool) object {
	location, manager, policy := "external", cmp.Or(r.server, r.store.name), ""
	if r.store.typ == onboardStore {
		location, manager = "onboard", "onboard"
	}
	if m, ok := r.store.of.(*keyManager); ok {
		policy = m.Policy
	}
	owner := object{{"name", c.state.Name}}
	if s, ok := c.state.SVMs.find(r.owner()); ok {
		owner = s.reference()
	}
	o := object{
		{"security_key_manager", object{{"uuid", r.store.id()}}},
		{"node", r.node.reference()},
		{"key_id", r.id()},
		{"scope", scopeOf(r.owner())},
		{"svm", owner},
		{"key_type", r.typ},
		{"key_store", location},
		{"key_store_type", r.store.typ},
		{"key_manager", manager},
		{"key_user", r.user},
		{"restored", c.restored(r.store, r.heldKey, r.node)},
		{"encryption_algorithm", r.algorithm()},
	}
	o.opt("key_server", r.server)
	o.opt("key_tag", r.tag)
	o.opt("policy", policy)
	o.put("_links", link("/api/security/key-managers/"+r.store.id()+"/keys/"+r.node.UUID+"/key-ids/"+r.id()))
	return o
}

func keyIDKind() *kind {
	return &kind{
		path:  "security/key-managers/{uuid}/keys/{node}/key-ids",
		since: since(11),
		id:    "key_id",
		fields: []field{
			{name: "security_key_manager.uuid", on: key, since: since(15)},
			{name: "node.uuid", on: key},
			{name: "node.name", on: key},
			{name: "key_id", on: key},
			{name: "scope", on: std, enum: []string{"cluster", "svm"}, since: since(14)},
			{name: "svm.uuid", on: std, since: since(14)},
			{name: "svm.name", on: std, since: since(14)},
			{name: "key_type", on: std, enum: keyTypes},
			{name: "key_store", on: std, enum: []string{"onboard", "external"}},
			{name: "key_store_type", on: std, enum: []string{"okm", "kmip", "akv", "gcp", "aws", "ikp", "barbican", "unset"}},
			{name: "key_manager", on: std},
			{name: "key_server", on: std},
			{name: "key_tag", on: std},
			{name: "key_user", on: std},
			{name: "restored", typ: boolean, on: std},
			{name: "encryption_algorithm", on: std},
			{name: "policy", on: std},
			{name: "crn", on: std},
		},
		list: (*Cluster).listNodeKeys,
	}
}

// everyNode is how a path reads the keys of all nodes: as a wildcard, or with the UUID that
// the reference's example has in the place of a node's.
var everyNode = []string{"*", "00000000-0000-0000-0000-000000000000"}

// listNodeKeys is a record for each key, node and key server that holds it.
func (c *Cluster) listNodeKeys(at []string) ([]record, *apiError) {
	store := c.keyStore(at[0])
	if store == nil {
		return nil, c.code(65537125)
	}
	nodes := slices.Clone(c.state.Nodes)
	if !slices.Contains(everyNode, at[1]) {
		nodes = slices.DeleteFunc(nodes, func(n *clusterNode) bool { return n.UUID != at[1] })
	}
	if len(nodes) == 0 {
		return nil, errNotFound("node.uuid")
	}
	var out []record
	for _, k := range c.keysOf(store) {
		for _, n := range nodes {
			if len(k.servers) == 0 {
				out = append(out, &nodeKey{k, "", n, store})
			}
			for _, s := range k.servers {
				out = append(out, &nodeKey{k, s, n, store})
			}
		}
	}
	return out, nil
}
