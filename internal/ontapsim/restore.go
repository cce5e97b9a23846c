package ontapsim

import "slices"

// restoreCodes are the codes of the table of restore.
var restoreCodes = map[int]codeText{
	65536083: {"One or more authentication keys could not be restored.", 0},
	65536855: {"One or more volume keys could not be restored.", 0},
	65538500: {"Keys can be restored from primary key servers only.", 0},
}

// restoreKind is the action that fetches the keys of an external key manager from its
// servers into the nodes that miss them.
func restoreKind() *kind {
	return &kind{
		path:  "security/key-managers/{uuid}/restore",
		since: since(13),
		fields: []field{
			{name: "key_id", on: post},
			{name: "key_server", on: post},
			{name: "key_tag", on: post},
			{name: "node.uuid", typ: uuid, on: post},
		},
		create: (*Cluster).restoreKeys,
		async:  always,
	}
}

// always is the async of an action that is a job whenever it is called.
func always(*Cluster, string, map[string]bool) bool { return true }

// A restoring is which keys to restore, from where and into which node; "" is any.
type restoring struct {
	id, tag, server, node string
}

// restoreKeys answers POST.
func (c *Cluster) restoreKeys(w *write) (effect, *apiError) {
	m, ok := c.state.KeyManagers.find(w.at[0])
	if !ok || m.External == nil || w.tunnel != nil && m.SVM != w.tunnel.UUID {
		return effect{}, errNotFound("uuid")
	}
	var r restoring
	r.id, _ = w.body.text("key_id")
	r.tag, _ = w.body.text("key_tag")
	r.node, _ = w.body.text("node.uuid")
	server, _ := w.body.text("key_server")
	if server != "" {
		r.server, _ = withPort(server)
	}
	if err := c.checkRestore(m, r); err != nil {
		return effect{}, err
	}
	return effect{apply: func() *apiError { return c.restore(m, r) }}, nil
}

func (c *Cluster) checkRestore(m *keyManager, r restoring) *apiError {
	if r.node != "" && !slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool { return n.UUID == r.node }) {
		return errNotFound("node.uuid")
	}
	if r.server == "" {
		return nil
	}
	if m.External.isSecondary(r.server) {
		return c.code(65538500)
	}
	if _, ok := m.External.Servers.find(r.server); !ok {
		return c.code(65536843)
	}
	return nil
}

// restore gives the nodes the keys that they miss, as far as they reach a server that has
// them. Its error says that some are still missing.
func (c *Cluster) restore(m *keyManager, r restoring) *apiError {
	m.Restores++
	store := c.keyStore(m.UUID)
	var left []heldKey
	for _, n := range c.state.Nodes {
		if r.node != "" && r.node != n.UUID {
			continue
		}
		restored := map[string]bool{}
		for _, k := range c.keysOf(store) {
			switch {
			case r.id != "" && r.id != k.id, r.tag != "" && r.tag != k.tag, c.restored(store, k, n):
			case c.within(k, r.server, n):
				restored[k.id] = true
			default:
				left = append(left, k)
			}
		}
		c.arrived(n, restored)
	}
	switch {
	case len(left) == 0:
		return nil
	case slices.ContainsFunc(left, func(k heldKey) bool { return k.typ == authenticationKey }):
		return c.code(65536083)
	}
	return c.code(65536855)
}

// within tells whether a node reaches one of the servers that hold a key, or the one that
// is wanted.
func (c *Cluster) within(k heldKey, wanted string, n *clusterNode) bool {
	return slices.ContainsFunc(k.servers, func(server string) bool {
		state := c.state.World.serverState(server, n.Name)
		return (wanted == "" || wanted == server) && (state == "available" || state == "unknown")
	})
}

// arrived takes keys from those that a node misses. The words of the world that stand for
// several keys are replaced by the keys that are still missing.
func (c *Cluster) arrived(n *clusterNode, restored map[string]bool) {
	words := c.state.World.MissingKeys[n.Name]
	if len(restored) == 0 || len(words) == 0 {
		return
	}
	var left []string
	for _, s := range c.keyStores() {
		for _, k := range c.keysOf(s) {
			if !restored[k.id] && slices.ContainsFunc(words, k.is) {
				left = append(left, k.id)
			}
		}
	}
	c.state.World.MissingKeys[n.Name] = left
	if len(left) == 0 {
		delete(c.state.World.MissingKeys, n.Name)
	}
}

// deliver gives every node all keys of a key store, except the nodes that are named.
func (c *Cluster) deliver(of record, except ...string) {
	all := map[string]bool{}
	for _, k := range c.keysOf(c.keyStore(of.id())) {
		all[k.id] = true
	}
	for _, n := range c.state.Nodes {
		if !slices.Contains(except, n.Name) {
			c.arrived(n, all)
		}
	}
}
