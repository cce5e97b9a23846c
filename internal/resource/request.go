package resource

// The actions that no file implies: people ask for them by name.
const (
	Restore = "restore"
	Migrate = "migrate"
)

// The fields by which one who asks for a restore may choose what is restored, and where.
const (
	RestoreKey    = "key_id"
	RestoreServer = "key_server"
	RestoreTag    = "key_tag"
	RestoreNode   = "node.uuid"
)

// restore gives keys to nodes that lack them. Since when it exists differs, and only the one of
// an external key manager can be told which.
func restore(since Version, selectors ...string) Action {
	a := Action{Name: Restore, Path: "restore", Since: since,
		Doc: "Gives the keys to nodes that lack them. Only by kmagent key restore."}
	for _, s := range selectors {
		a.Body = append(a.Body, Part{As: s, Asked: true})
	}
	return a
}

// migrate moves the keys of an SVM between its own key manager and the cluster's, and takes them
// from where they were. Its path is among the key managers, whatever the kind.
func migrate() Action {
	return Action{Name: Migrate, Path: "migrate", Below: "security/key-managers", Since: Version{9, 7, 0}, Repeat: Never,
		Body: []Part{{As: "uuid", Asked: true}},
		Doc:  "Moves the keys of an SVM to another key manager: from the SVM's own to the cluster's, or back. Only by kmagent key migrate."}
}
