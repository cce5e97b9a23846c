package resource

// Onboard is the onboard key manager: the cluster itself keeps the keys, under a passphrase
// (ONTAP REST reference, security/key-managers). ONTAP returns neither the passphrase nor
// anything to compare it with, and counts wrong ones.
var Onboard = &Kind{
	Name:     "key_manager",
	Type:     "onboard",
	Section:  "key_managers",
	Selector: "onboard",
	Path:     "security/key-managers",
	ID:       "uuid",
	Scopes:   ClusterScope,
	Since:    Version{9, 6, 0},
	Backup:   "onboard.key_backup",
	Doc:      "The onboard key manager: the cluster keeps the keys itself, under a passphrase.",
	Actions: []Action{{
		Name: "synchronize", Since: Version{9, 7, 0}, Due: OnNewNode,
		Body: []Part{{Field: "onboard.passphrase", As: Proof}, {As: Synchronize, Const: Bool(true)}},
		Doc:  "Gives the keys to nodes that came to the cluster after it was set up, or synchronized last.",
	}, migrate()},
	Fields: []Field{
		{Name: "onboard.passphrase", Type: Secret, Flags: Required | Create | Patch | ASCII | Counted, Min: 32, Max: 256,
			Doc: "A reference to the passphrase, 32 to 256 ASCII characters (65536920), 64 or more in Common Criteria mode. A changed one is sent together with existing_passphrase."},
		{Name: Proof, Type: Secret, Flags: Patch | Modifier | ASCII | Counted, Min: 32, Max: 256, With: "onboard.passphrase", As: "onboard.passphrase",
			Doc: "A reference to the passphrase in use until now; only while it changes (65536917)."},
		{Name: PassphraseNext, Type: Secret, Flags: Patch | ASCII | Counted | Next, Min: 32, Max: 256, As: "onboard.passphrase",
			Doc: "A reference to the passphrase that takes the place of passphrase at the next slot of rotate_passphrase. kmagent never makes one up."},
		timed("rotate_passphrase", RotatePassphrase, "When passphrase_next takes the place of passphrase."),
		timed("key_backup", KeyBackup, "When the key backup is saved anew, beside the times when the key manager has changed."),
		{Name: Synchronize, Type: Boolean, Flags: Create | Modifier, Since: Version{9, 7, 0}, With: "onboard.passphrase",
			Doc: "true sets the key manager up with that of the MetroCluster partner, which has the same passphrase. Of no meaning once it is there."},
		{Name: "onboard.enabled", Type: Boolean, Doc: "Whether the key manager is set up."},
		{Name: "enabled", Type: Boolean, Since: Version{9, 16, 0}, Doc: "Whether this is the configuration in use."},
		{Name: "configuration.name", Type: String, Since: Version{9, 16, 0}, Doc: "The configuration's name."},
		{Name: "status.code", Type: Integer, Flags: Advanced, Doc: "0 and 65537200 mean that nothing remains to be done."},
		{Name: "status.message", Type: String, Flags: Advanced, Doc: "What remains to be done, in ONTAP's words."},
	},
}

// Proof is the field by which a request proves that it may change a passphrase, or use it.
const Proof = "onboard.existing_passphrase"

// PassphraseNext is the field of the passphrase that a scheduled rotation puts in place.
const PassphraseNext = "onboard.passphrase_next"

// The actions of an onboard key manager that kmagent takes at the slots of a schedule.
const (
	RotatePassphrase = "rotate_passphrase" // changes the passphrase to the next one
	KeyBackup        = "key_backup"        // saves the backup, as is done after every change
)

// Synchronize is the field by which a key manager is given to those that lack it: the other site
// of a MetroCluster, or nodes.
const Synchronize = "onboard.synchronize"

// WrongSecret says whether an ONTAP error code means that a secret is not the one in use, which
// ONTAP counts: in Common Criteria mode five in a day lock the command.
func WrongSecret(code string) bool { return code == "65536139" }

// Partly says whether an ONTAP error code means that a key manager was set up, or its passphrase
// changed, and that some nodes did not follow: they are to be synchronized.
func Partly(code string) bool { return code == "65536903" || code == "65536407" }
