package ontapsim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// A codeText is what ONTAP says with a code of a resource's own table.
type codeText struct {
	message string
	status  int // 0 is 400: the reference names no other for these codes
}

const internal = http.StatusInternalServerError

// codes are the codes of the resources' own tables that can be answered here.
var codes = unite(keyManagerCodes, authKeyCodes, keyIDCodes, restoreCodes, migrationCodes, configsCodes, metroClusterCodes, cloudCodes, keyStoreCodes)

// unite puts tables of the kinds together. What stands in several means the same in all.
func unite[K comparable, V any](tables ...map[K]V) map[K]V {
	out := map[K]V{}
	for _, t := range tables {
		maps.Copy(out, t)
	}
	return out
}

// keyManagerCodes are the codes of the tables of /security/key-managers and its key-servers.
var keyManagerCodes = map[int]codeText{
	262224:    {"The MetroCluster peer cluster cannot be contacted.", 0},
	262228:    {"The MetroCluster peer cluster did not answer in time.", 0},
	65536038:  {"No more than 4 active key servers are allowed.", 0},
	65536042:  {"The key server is already a secondary key server.", 0},
	65536139:  {"Cluster-wide passphrase is incorrect.", 0},
	65536150:  {"New passphrase cannot be same as the old passphrase.", 0},
	65536208:  {"The SVM key ID could not be deleted.", internal},
	65536214:  {"The cluster key encryption key could not be generated.", internal},
	65536216:  {"The cluster key encryption key could not be added.", internal},
	65536233:  {"The Onboard Key Manager wrapped key database could not be removed.", internal},
	65536234:  {"The cluster key database could not be removed.", internal},
	65536239:  {"The SVM has encrypted volumes.", 0},
	65536242:  {"One or more self-encrypting drives use an authentication key.", 0},
	65536243:  {"It cannot be determined whether drives use authentication keys.", 0},
	65536310:  {"The Onboard Key Manager cannot be set up because the MetroCluster peer is unhealthy.", 0},
	65536341:  {"The Onboard Key Manager cannot be synchronized because the MetroCluster peer is unhealthy.", 0},
	65536404:  {"The passphrase does not have the required length.", 0},
	65536406:  {"The passphrase could not be changed.", internal},
	65536407:  {"The passphrase was changed on some nodes only.", internal},
	65536508:  {"The platform does not support data at rest encryption.", 0},
	65536600:  {"One or more nodes are out of quorum.", 0},
	65536700:  {"The key server contains keys that are in use and not available from any other configured key server.", 0},
	65536800:  {"The onboard keys could not be looked up.", internal},
	65536802:  {"The passphrase is too short for Common Criteria mode.", 0},
	65536813:  {"Encrypted kernel core files exist.", 0},
	65536817:  {"It could not be checked whether key management can be disabled safely.", internal},
	65536821:  {"The certificate is not installed.", 0},
	65536822:  {"Multitenant key management is not supported in the current cluster version.", 0},
	65536823:  {"The SVM already has external key management configured.", 0},
	65536824:  {"Multitenant key management is not supported in MetroCluster configurations.", 0},
	65536827:  {"It cannot be determined whether the SVM has encrypted volumes.", internal},
	65536828:  {"External key management is not enabled for the SVM.", 0},
	65536834:  {"The existing key-server details of the SVM could not be read.", internal},
	65536843:  {"The key server is not configured for the SVM.", 0},
	65536845:  {"The user name is missing.", 0},
	65536846:  {"The password is missing.", 0},
	65536850:  {"The new client certificate has a different public and private key pair.", 0},
	65536852:  {"The supported KMIP protocol versions could not be queried.", 0},
	65536867:  {"Keys of one or more encrypted volumes of the SVM are stored in its key manager.", 0},
	65536870:  {"These key management servers are already configured.", 0},
	65536871:  {"The list contains duplicate key management servers.", 0},
	65536876:  {"External key management needs a client certificate, server CA certificates and one or more key servers.", 0},
	65536878:  {"One or more volume encryption keys of the SVM are stored in the key manager of the cluster.", 0},
	65536880:  {"At least one of timeout, username, password, secondary_key_servers and create_remove_timeout is needed.", 0},
	65536894:  {"External key management must be configured on the MetroCluster partner, with the same key servers, before any other key manager operation.", 0},
	65536895:  {"The MetroCluster partner has the Onboard Key Manager configured.", 0},
	65536900:  {"The MetroCluster partner has external key management configured.", 0},
	65536903:  {"The Onboard Key Manager is not configured on some nodes: synchronize it.", internal},
	65536906:  {"The Onboard Key Manager is already configured at the partner site: synchronize with the same passphrase.", 0},
	65536907:  {"The Onboard Key Manager is already configured: synchronize the nodes that miss it.", 0},
	65536916:  {"The Onboard Key Manager is supported for the admin SVM only.", 0},
	65536917:  {"A change of the passphrase needs the existing passphrase and the new one.", 0},
	65536920:  {"The passphrase of the Onboard Key Manager does not have the required length.", 0},
	65536921:  {"The operation could not be executed on the key management server.", 0},
	65537002:  {"Changing the port needs an effective cluster version of ONTAP 9.18.1 or later.", 0},
	65537201:  {"There are no key servers for the SVM on the local cluster.", 0},
	65537202:  {"There are no key servers for the SVM on the remote cluster.", 0},
	65537203:  {"The key servers of the MetroCluster partner could not be checked.", 0},
	65537204:  {"The MetroCluster partner needs an external key manager with the same key servers.", 0},
	65537240:  {"A synchronize operation needs the passphrase.", 0},
	65537241:  {"A synchronize operation does not take the existing passphrase.", 0},
	65537242:  {"Synchronizing nodes needs the existing passphrase.", 0},
	65537243:  {"Synchronizing nodes does not take a passphrase.", 0},
	65537244:  {"The Onboard Key Manager is already configured on this cluster.", 0},
	65537245:  {"The Onboard Key Manager is not configured on the partner cluster.", 0},
	65537246:  {"This cluster is not part of a MetroCluster configuration.", 0},
	65537247:  {"The Onboard Key Manager could not be synchronized on the local cluster.", internal},
	65537248:  {"The keys of the Onboard Key Manager could not be synchronized on the local cluster.", internal},
	65537400:  {"A primary key server has at most 3 secondary key servers.", 0},
	65538111:  {"The policy does not exist.", 0},
	65538120:  {"A policy is not supported on the admin SVM.", 0},
	65538407:  {"A secondary key server is the same as its primary key server.", 0},
	65538408:  {"The secondary key servers contain duplicates.", 0},
	65538413:  {"The address of a secondary key server is malformed.", 0},
	65538502:  {"A secondary key server is also a primary key server.", 0},
	65538503:  {"Secondary key servers need an effective cluster version of ONTAP 9.11.1 or later.", 0},
	65539216:  {"The admin SVM already has a key manager.", 0},
	65539221:  {"The peer cluster is not healthy: verify its state first.", 0},
	65539500:  {"An inactive external key manager is not supported for a data SVM.", 0},
	65539501:  {"The admin SVM already has an external key manager.", 0},
	65539503:  {"An inactive external key manager is not supported in MetroCluster configurations.", 0},
	65539504:  {"An inactive external key manager needs an effective cluster version of ONTAP 9.16.1 or later.", 0},
	65539511:  {"An inactive Onboard Key Manager is not supported in MetroCluster configurations.", 0},
	65539512:  {"An inactive Onboard Key Manager needs an effective cluster version of ONTAP 9.16.1 or later.", 0},
	65539580:  {"The inactive Onboard Key Manager could not be created.", internal},
	65539581:  {"An inactive Onboard Key Manager already exists.", 0},
	65539582:  {"The Onboard Key Manager does not take a configuration name.", 0},
	65539586:  {"The configuration is inactive and cannot be modified.", 0},
	65539704:  {"The SVM has volumes that are encrypted with their aggregate's key.", 0},
	65539706:  {"The Onboard Key Manager is already configured: synchronize it instead.", 0},
	65540011:  {"The cluster has encrypted volumes.", 0},
	65540013:  {"The admin SVM has encrypted volumes.", 0},
	66060338:  {"No secure connection to a key management server: incorrect server CA certificates.", 0},
	66060339:  {"No secure connection to a key management server: incorrect client certificate.", 0},
	66060340:  {"No secure connection to a key management server: TLS library error.", 0},
	66060341:  {"No secure connection to a key management server: network configuration error.", 0},
	196608301: {"The encryption type could not be determined.", internal},
	196608305: {"Aggregates with encryption exist.", 0},
}

// code is the error of a code.
func (c *Cluster) code(n int) *apiError {
	t := codes[n]
	status := t.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	return &apiError{status, strconv.Itoa(n), t.message, ""}
}

// A part is something inside ONTAP that may be broken, and where that shows.
type part struct {
	code  int
	where []string
}

const (
	deleteExternal = "DELETE security/key-managers external"
	deleteOnboard  = "DELETE security/key-managers onboard"
)

var parts = unite(keyManagerParts, authKeyParts, configsParts, metroClusterParts, cloudParts)

// keyManagerParts are the parts that key managers need, and what is about them.
var keyManagerParts = map[string]part{
	"cluster_kek_generation": {65536214, []string{"POST security/key-managers onboard"}},
	"cluster_kek_storage":    {65536216, []string{"POST security/key-managers onboard"}},
	"safety_check":           {65536817, []string{deleteExternal, deleteOnboard, deleteAzure, deleteAWS, deleteGCP}},
	"cluster_key_database":   {65536234, []string{deleteOnboard}},
	"drive_key_lookup":       {65536243, []string{deleteExternal, deleteOnboard, deleteAzure}},
	"encryption_type":        {196608301, []string{deleteExternal, deleteOnboard, deleteAzure, deleteAWS, deleteGCP}},
	"inactive_onboard":       {65539580, []string{"POST security/key-managers inactive onboard"}},
	"key_server_details":     {65536834, []string{"POST security/key-managers external", "POST security/key-managers/{uuid}/key-servers", deleteAzure, deleteAWS, deleteGCP}},
	"onboard_key_lookup":     {65536800, []string{deleteOnboard}},
	"onboard_keys_sync":      {65537248, []string{"POST security/key-managers synchronize"}},
	"onboard_sync":           {65537247, []string{"POST security/key-managers synchronize"}},
	"passphrase_change":      {65536406, []string{"PATCH security/key-managers onboard"}},
	"svm_key_deletion":       {65536208, []string{deleteExternal}},
	"volume_lookup":          {65536827, []string{deleteExternal, deleteOnboard, deleteAzure, deleteAWS, deleteGCP}},
	"wrapped_key_database":   {65536233, []string{deleteOnboard}},
}

// Parts names the parts of ONTAP that World.Broken may break, each with the code that is
// answered where it is needed.
func Parts() map[string]int {
	out := make(map[string]int, len(parts))
	for name, p := range parts {
		out[name] = p.code
	}
	return out
}

// broken is the error of the first broken part that an operation needs.
func (c *Cluster) broken(where string) *apiError {
	for _, name := range slices.Sorted(maps.Keys(c.state.World.Broken)) {
		if c.state.World.Broken[name] && slices.Contains(parts[name].where, where) {
			return c.code(parts[name].code)
		}
	}
	return nil
}
