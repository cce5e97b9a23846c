package ontapsim

import "slices"

// migrationCodes are the codes of the table of migrate.
var migrationCodes = map[int]codeText{
	65536886: {"The migration of keys is not supported in this release.", 0},
	65536959: {"The source and the destination of the migration are the same.", 0},
	65536968: {"One or more nodes are not healthy.", 0},
	65537117: {"The UUID is not that of a key manager of the cluster or of an SVM.", 0},
	65537551: {"The key encryption key of the SVM is not available on one or more nodes.", 0},
	65537552: {"The status of the embedded KMIP servers is not available.", 0},
	65537564: {"The Azure Key Vault service is not healthy.", 0},
	65537611: {"The keystore of the SVM is being switched: finish the switch first.", 0},
	65537720: {"A key manager is already configured for the SVM.", 0},
	65537736: {"The Google Cloud key management service is not healthy.", 0},
	65538107: {"Keys cannot be migrated to a key manager with the policy IBM_Key_Lore.", 0},
	65539434: {"The keystore is initializing.", 0},
	65539435: {"The keystore is being disabled.", 0},
}

// migrationKind is the action that moves the keys of an SVM between the cluster's key
// manager and its own.
func migrationKind() *kind {
	return &kind{
		path:   "security/key-managers/{uuid}/migrate",
		fields: []field{{name: "uuid", typ: uuid, on: post}},
		create: (*Cluster).migrateKeys,
		async:  always,
	}
}

// migrateKeys answers POST. Keys move between the key store of an SVM and that of the
// cluster, whatever their types.
func (c *Cluster) migrateKeys(w *write) (effect, *apiError) {
	to, ok := w.body.text("uuid")
	switch {
	case !ok:
		return effect{}, errMissing("uuid")
	case c.effective().before(since(7)):
		return effect{}, c.code(65536886)
	case to == w.at[0]:
		return effect{}, c.code(65536959)
	}
	source, destination := c.keyStore(w.at[0]), c.keyStore(to)
	if source == nil || destination == nil || !*source.enabled || !*destination.enabled {
		return effect{}, c.code(65537117)
	}
	owner, ok := c.state.SVMs.find(source.owner() + destination.owner()) // of the two, one is the cluster's, which is ""
	if !ok || w.tunnel != nil && w.tunnel != owner {
		return effect{}, c.code(65537117)
	}
	if m, ok := destination.of.(*keyManager); ok && m.Policy == "IBM_Key_Lore" {
		return effect{}, c.code(65538107)
	}
	for _, s := range []*keyStore{source, destination} {
		if err := c.checkMovable(s); err != nil {
			return effect{}, err
		}
	}
	return effect{
		contact: func() *apiError { return c.checkMigration(source, destination) },
		apply: func() *apiError {
			owner.Migrations++
			c.keepKeysIn(owner, scopeOf(destination.owner()))
			return nil
		},
	}, nil
}

// checkMovable tells whether the state of a key store lets keys come or go.
func (c *Cluster) checkMovable(s *keyStore) *apiError {
	switch c.storeState(s.of) {
	case "switching":
		return c.code(65537611)
	case "initializing":
		return c.code(65539434)
	case "disabling":
		return c.code(65539435)
	}
	return nil
}

// checkMigration is what shows when keys begin to move.
func (c *Cluster) checkMigration(source, destination *keyStore) *apiError {
	if slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool { return !n.Quorum || n.State != "" && n.State != "up" }) {
		return c.code(65536968)
	}
	for _, s := range []*keyStore{source, destination} {
		if m, ok := s.of.(*cloudKMS); ok {
			if err := c.checkCloud(m); err != nil {
				return err
			}
		}
	}
	for _, k := range c.keysOf(source) {
		if k.typ == svmKey && slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool { return !c.restored(source, k, n) }) {
			return c.code(65537551)
		}
	}
	return nil
}

// checkCloud tells whether a cloud service can take part in a migration.
func (c *Cluster) checkCloud(m *cloudKMS) *apiError {
	lost := c.lost(m)
	switch {
	case lost && m.Service == azure.typ:
		return c.code(65537564)
	case lost && m.Service == gcp.typ:
		return c.code(65537736)
	case lost || len(c.failing(m, "kek")) > 0:
		return c.code(65537551)
	case len(c.failing(m, "ekmip")) > 0:
		return c.code(65537552)
	}
	return nil
}

// keepKeysIn says where the keys of an SVM's volumes are from now on: "cluster" or "svm".
func (c *Cluster) keepKeysIn(owner *svm, where string) {
	v, ok := c.state.World.Volumes[owner.Name]
	if !ok {
		return
	}
	v.KeysIn = where
	c.state.World.Volumes[owner.Name] = v
}
