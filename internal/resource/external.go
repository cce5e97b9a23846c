package resource

// External is an external key manager: KMIP servers that hold the keys of a cluster or of
// one SVM (ONTAP REST reference, security/key-managers).
var External = &Kind{
	Name:     "key_manager",
	Type:     "external",
	Section:  "key_managers",
	Selector: "external",
	Path:     "security/key-managers",
	ID:       "uuid",
	Scopes:   ClusterScope | SVMScope,
	Since:    Version{9, 6, 0},
	Hidden:   true,
	Doc:      "An external key manager: up to four KMIP key servers for the cluster or one SVM.",
	Actions:  []Action{restore(Version{9, 13, 0}, RestoreKey, RestoreServer, RestoreTag, RestoreNode), migrate()},
	Fields: []Field{
		{Name: "external.client_certificate", Type: Link, Flags: Required | Create | Patch, To: Certificate, Where: "client",
			Doc: "The client certificate that ONTAP shows to the key servers. A new one must have the key pair of the old one (65536850)."},
		{Name: "external.server_ca_certificates", Type: Links, Flags: Required | Create | Patch | Unordered | GrowFirst, To: Certificate, Where: "server_ca", Min: 1, Max: 64,
			Doc: "The CA certificates that the key servers' certificates are checked against. New ones are added before old ones are dropped."},
		{Name: "external.servers", Type: Children, Flags: Required | Create, To: KeyServer, Min: 1, Max: 4,
			Doc: "The primary key servers. The list is complete: a server that leaves it is removed, once the others are available on every node."},
		{Name: "policy", Type: String, Flags: Create, Since: Version{9, 9, 0}, Min: 1, Max: 255,
			WayOut: "a policy is chosen when the key manager is made; delete it (state: absent) and create it anew while no data is encrypted",
			Doc:    "The security policy of the key manager; not at cluster scope (65538120)."},
		{Name: "enabled", Type: Boolean, Since: Version{9, 16, 0}, Doc: "Whether this is the configuration in use; a scope may keep another one in store."},
		{Name: "configuration.name", Type: String, Since: Version{9, 16, 0}, Doc: "The configuration's name; default for the one in use."},
		{Name: "status.code", Type: Integer, Flags: Advanced, Doc: "0 and 65537200 mean that nothing remains to be done."},
		{Name: "status.message", Type: String, Flags: Advanced, Doc: "What remains to be done, in ONTAP's words."},
	},
}

// KeyServer is a primary key server of an external key manager, with its secondaries
// (ONTAP REST reference, security/key-managers/{uuid}/key-servers). POST takes the server's
// name alone; everything else follows by PATCH.
var KeyServer = &Kind{
	Name:     "key_server",
	Path:     "key-servers",
	Identity: "server",
	ID:       "server",
	Scopes:   ClusterScope | SVMScope,
	Since:    Version{9, 6, 0},
	Limit:    4,
	Guard:    Reachable,
	Doc:      "A primary KMIP key server of an external key manager.",
	Fields: []Field{
		{Name: "server", Type: String, Flags: Required | Create, Norm: NormServer,
			Doc: "Host and port; the port is 5696 unless it is given."},
		{Name: "timeout", Type: Integer, Flags: Patch, Min: -1, Max: 60, Default: Int(25),
			Doc: "Seconds to wait for an answer; -1 waits for ever, 0 does not wait."},
		{Name: "create_remove_timeout", Type: Integer, Flags: Patch | Detached, Since: Version{9, 14, 0}, Min: -1, Max: 60, Default: Int(10),
			Doc: "Seconds to wait while a key is made or deleted."},
		{Name: "username", Type: String, Flags: Patch, Max: 255, With: "password",
			Doc: "The KMIP user. A password goes with it (65536846)."},
		{Name: "password", Type: Secret, Flags: Patch, Max: 256, With: "username",
			Doc: "A reference to the KMIP user's password."},
		{Name: "secondary_key_servers", Type: Strings, Flags: Patch, Since: Version{9, 8, 0}, PatchSince: Version{9, 11, 1}, Max: 3, Norm: NormSecondary,
			Doc: "Replicas of this server, in the order of access; hosts without a port."},
		{Name: "connectivity", Type: NodeStates, Flags: Advanced, Since: Version{9, 7, 0},
			Doc: "Whether each node reaches the server."},
	},
}
