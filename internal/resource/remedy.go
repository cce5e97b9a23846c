package resource

// Remedy says what to do about an ONTAP error code, for those codes where the message alone
// leaves somebody at a loss at night; empty for the others. The meanings are those of the
// ONTAP REST reference, key-managers, key-servers, auth-keys and key-manager-configs.
func Remedy(code string) string { return remedies[code] }

// What is to be done about a rekey that did not reach every node (ONTAP REST reference, H8 and H9).
const (
	halfRekeyed = "some nodes still need the old key: keep it usable in the cloud until the same rekey has succeeded"
	keysMissing = "some nodes lack keys, and their volumes may go offline there: kmagent key restore gives them to these"
)

var remedies = map[string]string{
	"6":        "the account's role lacks this path; see the README for what it needs",
	"262325":   "multi-admin verification protects this: have it approved, the next pass tries again",
	"65536038": "four primaries are the limit; take one out of the list first",
	"65536042": "the server is a secondary of another primary; take it out there first",
	"65536048": "there are as many authentication keys as ONTAP takes: delete those that no drive uses (state: absent)",
	"65536076": "a new authentication key goes to every key server: bring them back, the next pass tries again",
	"65536082": keysMissing,
	"65536407": "some nodes have the new passphrase and some have not: the next pass synchronizes them",
	"65536600": "a node is out of quorum: bring it back, the next pass tries again",
	"65536700": "this server alone holds keys that are in use: let the others get them (security key-manager external restore, or replication on the servers), the next pass tries again",
	"65536806": "Common Criteria mode wants a passphrase of 64 to 256 characters: change that of the onboard key manager first",
	"65536809": "ONTAP does not let Common Criteria mode be changed on this cluster: take cc_mode_enabled out of the file",
	"65536821": "install the certificate on the SVM or the cluster",
	"65536823": "a key manager stands there that GET does not show: one without servers. If nothing needs it, remove it by hand: security key-manager external disable",
	"65536843": "the server is gone already; the next pass looks again",
	"65536850": "the new client certificate must have the key pair of the old one: have it issued for the same key",
	"65536852": "no KMIP answer from the server: check its name, its port, and the network from every node",
	"65536859": "drives use the key: have them use another (storage encryption disk modify -data-key-id), those of nodes that are away too; the next pass tries again",
	"65536870": "the server is there already; the next pass looks again",
	"65536878": "keys of this SVM are in the cluster's key manager: migrate them first",
	"65536895": "the MetroCluster partner has an onboard key manager; both sites must use the same kind",
	"65536900": "the MetroCluster partner has an external key manager; both sites must use the same kind",
	"65536903": "some nodes do not have the key manager: the next pass synchronizes them",
	"65536906": "the MetroCluster partner has an onboard key manager: write onboard.synchronize: true and the passphrase of that one",
	"65536921": "the server refused: check the user name and password, and that it answers",
	"65536987": "a new authentication key goes to every key server: bring back the one that does not answer, the next pass tries again",
	"65537245": "the MetroCluster partner has no onboard key manager yet: set that up first, without onboard.synchronize; the next pass tries again",
	"65537246": "the cluster is not half of a MetroCluster: leave onboard.synchronize out",
	"65537301": "Common Criteria mode is for clusters with an onboard key manager: take cc_mode_enabled out of the file",
	"65537304": "the polling interval can be changed only where there is an external key manager: declare one, or leave health_monitor_polling_interval out",
	"65537515": keysMissing,
	"65537556": "the key store is blocked: ONTAP does not reach the service, or may not use the key there; see to that, then kmagent rekey run",
	"65537566": "not every node is online: bring them back, then kmagent rekey run, or wait for the next slot",
	"65537722": keysMissing,
	"65537729": halfRekeyed,
	"65537919": halfRekeyed,
	"65539855": keysMissing,
	"65539856": keysMissing,
	"65539216": "a key manager stands there that GET does not show: one without servers. If nothing needs it, remove it by hand: security key-manager external disable",
	"65539304": "the health monitor policy is turned off on this cluster: leave health_monitor_policy out",
	"65539704": "the SVM has NAE volumes, whose keys are per aggregate: move them to NVE aggregates first",
	"66060296": "a key goes from every key server: bring back the one that does not answer, the next pass tries again",
	"66060338": "ONTAP does not trust the server's certificate: check server_ca_certificates",
	"66060339": "the server refuses ONTAP's client certificate: check client_certificate, and that the server knows it",
}
