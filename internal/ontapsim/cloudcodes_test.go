package ontapsim

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// cloudDocumented are the codes of the tables of the cloud services, by resource and verb.
// A GET has its codes in the expensive groups.
var cloudDocumented = map[string][]int{
	"POST azure-key-vaults": {
		3735553, 3735664, 3735665, 3735700, 52559972, 65537500, 65537504, 65537505, 65537506, 65537512,
		65537514, 65537518, 65537523, 65537526, 65537553, 65537567, 65537573, 65537589, 65537592, 65537593,
		65537594, 65537595, 65538902, 65538903, 65539704,
	},
	"PATCH azure-key-vaults": {65537120, 65537504, 65537517, 65537540, 65537541, 65537547, 65537573, 65537577},
	"DELETE azure-key-vaults": {
		65536242, 65536243, 65536817, 65536827, 65536834, 65536867, 65536883, 65536884, 65536924, 65537120,
		196608080, 196608301, 196608305,
	},
	"POST azure-key-vaults/rekey-external": {65537120, 65537547, 65537610, 65539436, 65539437, 65539855},
	"POST azure-key-vaults/rekey-internal": {65537120, 65537547, 65537559, 65537610, 65539436, 65539437, 65539856},
	"POST azure-key-vaults/restore":        {65537120, 65537515, 65537544},
	"GET azure-key-vaults":                 {65537549, 65537551, 65537552},

	"POST aws-kms": {
		3735622, 3735645, 3735657, 3735664, 3735665, 3735700, 65536600, 65537518, 65537900, 65537901,
		65537906, 65537907, 65537908, 65537910, 65537911, 65537912, 65537926, 65539704,
	},
	"PATCH aws-kms": {65537541, 65537906, 65537920, 65537921, 65537924, 65537926},
	"DELETE aws-kms": {
		65536817, 65536827, 65536834, 65536883, 65536884, 65537106, 65537926, 196608080, 196608301, 196608332,
	},
	"POST aws-kms/rekey-external": {65537538, 65537543, 65537547, 65537610, 65537919, 65537926, 65539436, 65539437},
	"POST aws-kms/rekey-internal": {65537547, 65537556, 65537559, 65537566, 65537610, 65537926, 65539436, 65539437},
	"POST aws-kms/restore":        {65536082, 65537544, 65537926},
	"GET aws-kms":                 {65537551, 65537552, 65537915},

	"POST gcp-kms": {
		65537703, 65537704, 65537706, 65537713, 65537719, 65537720, 65537740, 65537749, 65537753, 65539704,
	},
	"PATCH gcp-kms": {65537541, 65537547, 65537605, 65537713, 65537714, 65537721, 65537724, 65537757},
	"DELETE gcp-kms": {
		65536817, 65536827, 65536834, 65536867, 65536883, 65536884, 65537721, 196608080, 196608301,
	},
	"POST gcp-kms/rekey-external": {65537547, 65537556, 65537610, 65537721, 65537729, 65537753, 65537755, 65539436, 65539437},
	"POST gcp-kms/rekey-internal": {65537547, 65537556, 65537559, 65537610, 65537721, 65539436, 65539437},
	"POST gcp-kms/restore":        {65537544, 65537721, 65537722},
	"GET gcp-kms":                 {65537551, 65537552, 65537730},

	"POST barbican-kms": {
		1115127, 65539805, 65539806, 65539807, 65539808, 65539809, 65539810, 65539811, 65539835, 65539704,
	},
	"PATCH barbican-kms": {65539223, 65539814, 65539815, 65539832, 65539841},
	"POST barbican-kms/rekey-internal": {
		65536205, 65536882, 65536883, 65536884, 65536889, 65536973, 65537533, 65537547, 65537556, 65537565,
		65537610, 65539200, 65539201, 65539202, 65539416, 65539436, 65539437, 65539817, 65539834, 65539836,
		65539844, 65539856, 196608088, 196608352,
	},
	"POST barbican-kms/restore": {65539817, 65539842},
	"GET barbican-kms":          {65539801},

	"PATCH key-stores": {
		262155, 65536203, 65536204, 65536207, 65536212, 65536217, 65536602, 65536856, 65536882, 65536883,
		65536884, 65536889, 65536890, 65536973, 65536987, 65537527, 65537533, 65537605, 65538908, 65538909,
		65538910, 65539200, 65539201, 65539205, 65539206, 65539207, 65539212, 65539218, 65539222, 65539416,
		65539442, 65539444, 65539513, 65539514, 65539515, 65539518, 65539520, 65539534, 65539535, 65539536,
		65539538, 65539539, 65539583, 65539585, 65539590, 65539591, 65539622, 65539704, 65539837, 65539838,
		65539839, 65539840, 65539842, 65539845, 65539857, 65539858, 65539859,
	},
	"DELETE key-stores": {262155, 65538905, 65538907, 65538908, 65539521, 65539522, 65539593},
	"GET key-stores":    {13434920, 65539523},
}

// cloudUnreachable are the codes that no state of the world provokes, and why.
var cloudUnreachable = map[string]string{
	"POST aws-kms 65537926":      "a POST has no configuration yet that could be missing",
	"DELETE key-stores 65539522": "what the admin SVM does not support cannot be created there",
	"GET key-stores 13434920":    "a filter with an SVM that does not exist chooses nothing, and a tunnel to one is 13434893",
	"PATCH key-stores 65539207":  "65538908 answers first for a UUID that does not exist",
	"PATCH key-stores 65539583":  "the admin SVM has no policy: 65538120 refuses it",
	"PATCH key-stores 65539837":  "a switch is one job here and no step of it can be asked for alone",
	"PATCH key-stores 65539839":  "a switch is one job here and no step of it can be asked for alone",
	"PATCH key-stores 65539845":  "a switch is one job here and no step of it can be asked for alone",
}

const (
	security = "/api/security/"

	newAzure = `"name":"https://v.vault.azure.net/","key_id":"https://v.vault.azure.net/keys/k/1","client_id":"c","tenant_id":"t"`
	azureSVM = `{"svm":{"name":"svm1"},` + newAzure + `,"client_secret":"s"}`
	newAWS   = `"region":"eu-west-1","key_id":"alias/k","access_key_id":"a","secret_access_key":"s"}`
	awsSVM   = `{"svm":{"name":"svm1"},` + newAWS
	newGCP   = `"project_id":"p","key_ring_name":"r","key_ring_location":"global","key_name":"k"`
	googleID = `"application_credentials":"{\"client_email\":\"a@b.c\",\"private_key\":\"k\"}"}`
	gcpSVM   = `{"svm":{"name":"svm1"},` + newGCP + `,` + googleID
	newStack = `"key_id":"https://b/k","keystone_url":"https://b/v3","application_cred_id":"i","application_cred_secret":"s"}`
	stackSVM = `{"svm":{"name":"svm1"},"configuration":{"name":"one"},` + newStack
	nextKey  = `{"key_id":"https://v.vault.azure.net/keys/k/2"}`
)

// post creates a configuration and returns its path.
func (k *caller) post(path, body string) string {
	k.t.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	o := k.must("POST", path+sep+"return_records=true&return_timeout=60", body)
	list, _ := o.list("records")
	uuid, _ := list[0].(object).text("uuid")
	path, _, _ = strings.Cut(path, "?")
	return path + "/" + uuid
}

// store is the path in key-stores of a configuration.
func store(path string) string {
	return security + "key-stores" + path[strings.LastIndexByte(path, '/'):]
}

// having makes the configurations that a provocation names, with jobs that take no time.
func having(what ...string) func(*caller, map[string]string) {
	return func(k *caller, made map[string]string) {
		k.world(`{"jobs":{"duration":"0s"}}`)
		for _, w := range what {
			switch w {
			case "azure":
				made["{azure}"] = k.post(security+"azure-key-vaults", azureSVM)
			case "certified":
				made["{azure}"] = k.post(security+"azure-key-vaults", strings.Replace(azureSVM, "secret", "certificate", 1))
			case "second":
				made["{second}"] = k.post(security+"azure-key-vaults?create_inactive=true", strings.Replace(azureSVM, "{", `{"configuration":{"name":"two"},`, 1))
			case "admin":
				made["{azure}"] = k.post(security+"azure-key-vaults", `{`+newAzure+`,"client_secret":"s"}`)
			case "admin second":
				made["{second}"] = k.post(security+"azure-key-vaults?create_inactive=true", `{"configuration":{"name":"two"},`+newAzure+`,"client_secret":"s"}`)
			case "aws":
				made["{aws}"] = k.post(security+"aws-kms", awsSVM)
			case "gcp":
				made["{gcp}"] = k.post(security+"gcp-kms", gcpSVM)
			case "stack":
				made["{stack}"] = k.post(security+"barbican-kms", stackSVM)
			case "stack on":
				made["{stack}"] = k.post(security+"barbican-kms", stackSVM)
				k.must("PATCH", store(made["{stack}"])+"?return_timeout=60", `{"enabled":true}`)
			case "policy":
				k.must("POST", managersPath, strings.Replace(svmExternal, "{", `{"policy":"IBM_Key_Lore",`, 1))
			case "delete external":
				k.must("DELETE", made["{m}"], "")
			case "inactive onboard":
				made["{i}"] = k.post(managersPath+inactive, newOnboard)
			case "inactive external":
				made["{i}"] = k.post(managersPath+inactive, strings.Replace(clusterExternal, "{", `{"configuration":{"name":"two"},`, 1))
			case "external":
				made["{m}"] = k.external("", "ks1", "ks2")
			case "onboard":
				made["{o}"] = k.onboard()
			case "delete onboard":
				k.must("DELETE", made["{o}"], "")
			}
		}
		for name, path := range maps.Clone(made) {
			made["{store of "+name[1:]] = store(path)
			made["{uuid of "+name[1:]] = path[strings.LastIndexByte(path, '/')+1:]
		}
	}
}

const (
	on      = `{"enabled":true}`
	waiting = "?return_timeout=60"
)

// working are calls that succeed unless something is broken.
var working = map[string]provocation{
	"POST azure-key-vaults":                {path: security + "azure-key-vaults", body: azureSVM, more: having()},
	"PATCH azure-key-vaults":               {path: "{azure}", body: `{"client_secret":"x"}`, more: having("azure")},
	"DELETE azure-key-vaults":              {path: "{azure}", more: having("azure")},
	"POST azure-key-vaults/rekey-external": {path: "{azure}/rekey-external", body: nextKey, more: having("azure")},
	"POST azure-key-vaults/rekey-internal": {path: "{azure}/rekey-internal", more: having("azure")},
	"POST azure-key-vaults/restore":        {path: "{azure}/restore", more: having("azure")},
	"POST aws-kms":                         {path: security + "aws-kms", body: awsSVM, more: having()},
	"PATCH aws-kms":                        {path: "{aws}", body: `{"secret_access_key":"x"}`, more: having("aws")},
	"DELETE aws-kms":                       {path: "{aws}", more: having("aws")},
	"POST aws-kms/rekey-external":          {path: "{aws}/rekey-external", body: `{"key_id":"x"}`, more: having("aws")},
	"POST aws-kms/rekey-internal":          {path: "{aws}/rekey-internal", more: having("aws")},
	"POST aws-kms/restore":                 {path: "{aws}/restore", more: having("aws")},
	"POST gcp-kms":                         {path: security + "gcp-kms", body: gcpSVM, more: having()},
	"PATCH gcp-kms":                        {path: "{gcp}", body: "{" + googleID, more: having("gcp")},
	"DELETE gcp-kms":                       {path: "{gcp}", more: having("gcp")},
	"POST gcp-kms/rekey-external":          {path: "{gcp}/rekey-external", body: `{"key_name":"x"}`, more: having("gcp")},
	"POST gcp-kms/rekey-internal":          {path: "{gcp}/rekey-internal", more: having("gcp")},
	"POST gcp-kms/restore":                 {path: "{gcp}/restore", more: having("gcp")},
	"POST barbican-kms":                    {path: security + "barbican-kms", body: stackSVM, ontap: "9.17.1", more: having()},
	"PATCH barbican-kms":                   {path: "{stack}", body: `{"application_cred_id":"i","application_cred_secret":"x"}`, ontap: "9.17.1", more: having("stack")},
	"POST barbican-kms/rekey-internal":     {path: "{stack}/rekey-internal", ontap: "9.17.1", more: having("stack on")},
	"POST barbican-kms/restore":            {path: "{stack}/restore", ontap: "9.17.1", more: having("stack on")},
	"PATCH key-stores":                     {path: "{store of second}", body: on, more: having("azure", "second")},
	"DELETE key-stores":                    {path: "{store of second}", more: having("azure", "second")},
	"GET key-stores":                       {path: security + "key-stores", more: having("azure")},
}

// provocationOf is a working call with another world, and what else differs.
func provocationOf(p provocation) provocation {
	w := working[p.table]
	if p.path == "" {
		p.path = w.path
	}
	if p.body == "" {
		p.body = w.body
	}
	if p.ontap == "" {
		p.ontap = w.ontap
	}
	if p.more == nil {
		p.more = w.more
	}
	if method, rest, _ := strings.Cut(p.table, " "); method != "GET" && p.table != "DELETE key-stores" && rest != "" && !strings.Contains(p.path, "return_timeout") {
		p.path = strings.Replace(p.path+waiting, "?create_inactive=true?", "?create_inactive=true&", 1)
	}
	return p
}

// cloudProvocations are the provocations of the table, and one for each part that may be
// broken.
func cloudProvocations() []provocation {
	var out []provocation
	for _, p := range cloudWorlds {
		out = append(out, provocationOf(p))
	}
	for _, name := range sortedKeys(parts) {
		for _, where := range parts[name].where {
			table := strings.Replace(where, "security/", "", 1)
			if _, ok := working[table]; ok {
				out = append(out, provocationOf(provocation{table: table, code: parts[name].code, world: `{"broken":{"` + name + `":true}}`}))
			}
		}
	}
	return out
}

// TestCodesOfClouds is TestCodes for the cloud services and for key-stores.
func TestCodesOfClouds(t *testing.T) {
	checkCodes(t, cloudDocumented, cloudUnreachable, cloudProvocations())
}

// What provokes a code succeeds when nothing stands against it.
func TestCallsOfTheCodesWork(t *testing.T) {
	for _, table := range sortedKeys(working) {
		p := working[table]
		p.table = table
		if got := provocationOf(p).provoke(t); got != "" {
			t.Errorf("%s: got the code %s, want none", table, got)
		}
	}
}

// rekeyWorlds are the rows that are the same for everything that rekeys.
func rekeyWorlds() []provocation {
	var out []provocation
	for _, table := range slices.Sorted(maps.Keys(working)) {
		if !strings.Contains(table, "rekey") {
			continue
		}
		out = append(out,
			provocation{table: table, code: 65537547, world: `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`},
			provocation{table: table, code: 65537610, world: `{"key_stores":{"svm1":"switching"}}`},
			provocation{table: table, code: 65539436, world: `{"key_stores":{"svm1":"initializing"}}`},
			provocation{table: table, code: 65539437, world: `{"key_stores":{"svm1":"disabling"}}`})
	}
	return out
}

var cloudWorlds = append(rekeyWorlds(), []provocation{
	{table: "POST azure-key-vaults", code: 65537500, more: having("azure")},
	{table: "POST azure-key-vaults", code: 65537505, world: `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`},
	{table: "POST azure-key-vaults", code: 65537506, world: `{"metrocluster":{}}`},
	{table: "POST azure-key-vaults", code: 65537512, world: `{"effective_version":"9.7.1"}`},
	{table: "POST azure-key-vaults", code: 65537518, world: `{"nodes":{"node2":{"quorum":false}}}`},
	{table: "POST azure-key-vaults", code: 65537523, body: strings.Replace(azureSVM, "/keys/k/1", "/keys/k", 1)},
	{table: "POST azure-key-vaults", code: 65537526, world: `{"azure":{"svm1":{"reachable":false}}}`},
	{table: "POST azure-key-vaults", code: 65537553, body: strings.Replace(azureSVM, "https://v.vault.azure.net/", "https:://v", 1)},
	{table: "POST azure-key-vaults", code: 65537567, body: strings.Replace(azureSVM, `,"client_secret":"s"`, "", 1)},
	{table: "POST azure-key-vaults", code: 65537573, world: `{"azure":{"svm1":{"accepts":["good"]}}}`, body: strings.Replace(azureSVM, "client_secret", "client_certificate", 1)},
	{table: "POST azure-key-vaults", code: 65537589, path: security + "azure-key-vaults?create_inactive=true", body: strings.Replace(azureSVM, "{", `{"configuration":{"name":"two"},`, 1), more: having("second")},
	{table: "POST azure-key-vaults", code: 65537592, world: `{"effective_version":"9.13.1"}`, body: strings.Replace(azureSVM, "{", `{"configuration":{"name":"two"},`, 1)},
	{table: "POST azure-key-vaults", code: 65537593, world: `{"effective_version":"9.13.1"}`, path: security + "azure-key-vaults?create_inactive=true"},
	{table: "POST azure-key-vaults", code: 65537594, path: security + "azure-key-vaults?create_inactive=true"},
	{table: "POST azure-key-vaults", code: 65537595, body: strings.Replace(azureSVM, "{", `{"configuration":{"name":"two"},`, 1)},
	{table: "POST azure-key-vaults", code: 65538902, path: security + "azure-key-vaults?create_inactive=true", body: strings.Replace(azureSVM, "{", `{"configuration":{"name":"default"},`, 1)},
	{table: "POST azure-key-vaults", code: 65538903, path: security + "azure-key-vaults?create_inactive=true", body: strings.Replace(azureSVM, "{", `{"configuration":{"name":""},`, 1)},
	{table: "POST azure-key-vaults", code: 65539704, world: `{"volumes":{"svm1":{"nae":1}}}`},

	{table: "PATCH azure-key-vaults", code: 65537120, path: security + "azure-key-vaults/{uuid of aws}", more: having("aws")},
	{table: "PATCH azure-key-vaults", code: 65537517, body: `{"client_id":"other"}`},
	{table: "PATCH azure-key-vaults", code: 65537540, world: `{"azure":{"svm1":{"accepts":["good"]}}}`},
	{table: "PATCH azure-key-vaults", code: 65537541, body: `{}`},
	{table: "PATCH azure-key-vaults", code: 65537547, world: `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`},
	{table: "PATCH azure-key-vaults", code: 65537573, world: `{"azure":{"svm1":{"accepts":["good"]}}}`, body: `{"client_certificate":"bad"}`, more: having("certified")},
	{table: "PATCH azure-key-vaults", code: 65537577, world: `{"effective_version":"9.9.1"}`, body: `{"client_certificate":"c"}`},

	{table: "DELETE azure-key-vaults", code: 65536242, world: `{"drives":{"authentication_keys":1}}`, more: having("admin")},
	{table: "DELETE azure-key-vaults", code: 65536867, world: `{"volumes":{"svm1":{"encrypted":1}}}`},
	{table: "DELETE azure-key-vaults", code: 65536924, world: `{"azure":{"cluster":{"authentication_keys":1}}}`, more: having("admin")},
	{table: "DELETE azure-key-vaults", code: 65537120, path: "{second}", more: having("second")},
	{table: "DELETE azure-key-vaults", code: 196608080, world: `{"platform":{"encrypted_roots":["node1"]}}`},
	{table: "DELETE azure-key-vaults", code: 196608305, world: `{"aggregates":{"nae":1}}`},

	{table: "POST azure-key-vaults/rekey-external", code: 65537120, path: "{second}/rekey-external", more: having("second")},
	{table: "POST azure-key-vaults/rekey-external", code: 65539855, world: `{"azure":{"svm1":{"failing":{"node2":["restore"]}}}}`},
	{table: "POST azure-key-vaults/rekey-internal", code: 65537120, path: "{second}/rekey-internal", more: having("second")},
	{table: "POST azure-key-vaults/rekey-internal", code: 65537559, world: `{"volumes":{"svm1":{}}}`},
	{table: "POST azure-key-vaults/rekey-internal", code: 65539856, world: `{"azure":{"svm1":{"reachable":false}}}`},
	{table: "POST azure-key-vaults/restore", code: 65537120, path: "{second}/restore", more: having("second")},
	{table: "POST azure-key-vaults/restore", code: 65537515, world: `{"azure":{"svm1":{"failing":{"node2":["restore"]}}}}`},

	{table: "GET azure-key-vaults", code: 65537549, world: `{"azure":{"svm1":{"failing":{"node2":["service"]}}}}`, path: "{azure}?fields=azure_reachability", at: "azure_reachability.code", more: having("azure")},
	{table: "GET azure-key-vaults", code: 65537551, world: `{"azure":{"svm1":{"kek":"disabled"}}}`, path: "{azure}?fields=state", at: "state.code", more: having("azure")},
	{table: "GET azure-key-vaults", code: 65537552, world: `{"azure":{"svm1":{"failing":{"node2":["ekmip"]}}}}`, path: "{azure}?fields=ekmip_reachability", at: "ekmip_reachability.code", more: having("azure")},

	{table: "POST aws-kms", code: 65536600, world: `{"nodes":{"node2":{"quorum":false}}}`},
	{table: "POST aws-kms", code: 65537900, world: `{"aws":{"svm1":{"accepts":["good"]}}}`},
	{table: "POST aws-kms", code: 65537901, world: `{"effective_version":"9.11.1"}`},
	{table: "POST aws-kms", code: 65537908, body: "{" + newAWS},
	{table: "POST aws-kms", code: 65537910, more: having("gcp")},
	{table: "POST aws-kms", code: 65537911, world: `{"metrocluster":{}}`},
	{table: "POST aws-kms", code: 65537912, world: `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`},
	{table: "POST aws-kms", code: 65539704, world: `{"volumes":{"svm1":{"nae":1}}}`},
	{table: "PATCH aws-kms", code: 65537541, body: `{}`},
	{table: "PATCH aws-kms", code: 65537920, body: `{"secret_access_key":""}`},
	{table: "PATCH aws-kms", code: 65537921, world: `{"aws":{"svm1":{"reachable":false}}}`},
	{table: "PATCH aws-kms", code: 65537924, body: `{"access_key_id":""}`},
	{table: "PATCH aws-kms", code: 65537926, path: security + "aws-kms/{uuid of gcp}", more: having("gcp")},
	{table: "DELETE aws-kms", code: 65537106, world: `{"volumes":{"svm1":{"encrypted":1}}}`},
	{table: "DELETE aws-kms", code: 65537926, path: security + "aws-kms/{uuid of gcp}", more: having("gcp")},
	{table: "DELETE aws-kms", code: 196608080, world: `{"platform":{"encrypted_roots":["node1"]}}`},
	{table: "DELETE aws-kms", code: 196608332, world: `{"aggregates":{"nae":1}}`},
	{table: "POST aws-kms/rekey-external", code: 65537919, world: `{"aws":{"svm1":{"failing":{"node2":["rekey"]}}}}`},
	{table: "POST aws-kms/rekey-external", code: 65537926, path: security + "aws-kms/{uuid of gcp}/rekey-external", more: having("gcp")},
	{table: "POST aws-kms/rekey-internal", code: 65537556, world: `{"aws":{"svm1":{"kek":"missing"}}}`},
	{table: "POST aws-kms/rekey-internal", code: 65537559, world: `{"volumes":{"svm1":{}}}`},
	{table: "POST aws-kms/rekey-internal", code: 65537566, world: `{"nodes":{"node2":{"state":"down"}}}`},
	{table: "POST aws-kms/rekey-internal", code: 65537926, path: security + "aws-kms/{uuid of gcp}/rekey-internal", more: having("gcp")},
	{table: "POST aws-kms/restore", code: 65536082, world: `{"aws":{"svm1":{"reachable":false}}}`},
	{table: "POST aws-kms/restore", code: 65537926, path: security + "aws-kms/{uuid of gcp}/restore", more: having("gcp")},
	{table: "GET aws-kms", code: 65537551, world: `{"aws":{"svm1":{"failing":{"node1":["kek"]}}}}`, path: "{aws}?fields=state", at: "state.code", more: having("aws")},
	{table: "GET aws-kms", code: 65537552, world: `{"aws":{"svm1":{"failing":{"node2":["ekmip"]}}}}`, path: "{aws}?fields=ekmip_reachability", at: "ekmip_reachability.code", more: having("aws")},
	{table: "GET aws-kms", code: 65537915, world: `{"aws":{"svm1":{"reachable":false}}}`, path: "{aws}?fields=amazon_reachability", at: "amazon_reachability.code", more: having("aws")},

	{table: "POST gcp-kms", code: 65537703, body: "{" + newGCP + "," + googleID},
	{table: "POST gcp-kms", code: 65537704, world: `{"metrocluster":{}}`},
	{table: "POST gcp-kms", code: 65537719, world: `{"gcp":{"svm1":{"accepts":[]}}}`},
	{table: "POST gcp-kms", code: 65537720, more: having("azure")},
	{table: "POST gcp-kms", code: 65537740, body: strings.Replace(gcpSVM, "{", `{"privileged_account":"nobody",`, 1)},
	{table: "POST gcp-kms", code: 65537749, body: `{"svm":{"name":"svm1"},` + newGCP + `,"application_credentials":"none"}`},
	{table: "POST gcp-kms", code: 65537753, body: strings.Replace(gcpSVM, `"key_name":"k"`, `"key_name":"a/b"`, 1)},
	{table: "POST gcp-kms", code: 65539704, world: `{"volumes":{"svm1":{"nae":1}}}`},
	{table: "PATCH gcp-kms", code: 65537541, body: `{}`},
	{table: "PATCH gcp-kms", code: 65537547, world: `{"volumes":{"svm1":{"encrypted":1,"keys_in":"cluster"}}}`},
	{table: "PATCH gcp-kms", code: 65537605, world: `{"gcp":{"svm1":{"reachable":false}}}`},
	{table: "PATCH gcp-kms", code: 65537714, body: `{"application_credentials":""}`},
	{table: "PATCH gcp-kms", code: 65537721, path: security + "gcp-kms/{uuid of aws}", more: having("aws")},
	{table: "PATCH gcp-kms", code: 65537724, body: `{"application_credentials":"{}"}`},
	{table: "PATCH gcp-kms", code: 65537757, body: `{"key_name":"other"}`},
	{table: "DELETE gcp-kms", code: 65536867, world: `{"volumes":{"svm1":{"encrypted":1}}}`},
	{table: "DELETE gcp-kms", code: 65537721, path: security + "gcp-kms/{uuid of aws}", more: having("aws")},
	{table: "DELETE gcp-kms", code: 196608080, world: `{"platform":{"encrypted_roots":["node1"]}}`},
	{table: "POST gcp-kms/rekey-external", code: 65537556, world: `{"key_stores":{"svm1":"blocked"}}`},
	{table: "POST gcp-kms/rekey-external", code: 65537721, path: security + "gcp-kms/{uuid of aws}/rekey-external", more: having("aws")},
	{table: "POST gcp-kms/rekey-external", code: 65537729, world: `{"gcp":{"svm1":{"failing":{"node2":["rekey"]}}}}`},
	{table: "POST gcp-kms/rekey-external", code: 65537753, body: `{"key_name":"a/b"}`},
	{table: "POST gcp-kms/rekey-internal", code: 65537556, world: `{"gcp":{"svm1":{"kek":"disabled"}}}`},
	{table: "POST gcp-kms/rekey-internal", code: 65537559, world: `{"volumes":{"svm1":{}}}`},
	{table: "POST gcp-kms/rekey-internal", code: 65537721, path: security + "gcp-kms/{uuid of aws}/rekey-internal", more: having("aws")},
	{table: "POST gcp-kms/restore", code: 65537721, path: security + "gcp-kms/{uuid of aws}/restore", more: having("aws")},
	{table: "POST gcp-kms/restore", code: 65537722, world: `{"gcp":{"svm1":{"failing":{"node2":["restore"]}}}}`},
	{table: "GET gcp-kms", code: 65537551, world: `{"gcp":{"svm1":{"kek":"not_created"}}}`, path: "{gcp}?fields=state", at: "state.code", more: having("gcp")},
	{table: "GET gcp-kms", code: 65537552, world: `{"gcp":{"svm1":{"failing":{"node2":["ekmip"]}}}}`, path: "{gcp}?fields=ekmip_reachability", at: "ekmip_reachability.code", more: having("gcp")},
	{table: "GET gcp-kms", code: 65537730, world: `{"gcp":{"svm1":{"reachable":false}}}`, path: "{gcp}?fields=google_reachability", at: "google_reachability.code", more: having("gcp")},

	{table: "POST barbican-kms", code: 1115127, world: `{"platform":{"no_licenses":["MT_EK_MGMT"]}}`},
	{table: "POST barbican-kms", code: 65539805, world: `{"barbican":{"svm1":{"accepts":["good"]}}}`},
	{table: "POST barbican-kms", code: 65539806, world: `{"effective_version":"9.16.1"}`},
	{table: "POST barbican-kms", code: 65539807, body: `{"configuration":{"name":"one"},` + newStack},
	{table: "POST barbican-kms", code: 65539808, more: having("stack")},
	{table: "POST barbican-kms", code: 65539809, world: `{"metrocluster":{}}`},
	{table: "POST barbican-kms", code: 65539810, body: strings.Replace(stackSVM, "https://b/k", "http://b/k", 1)},
	{table: "POST barbican-kms", code: 65539811, body: strings.Replace(stackSVM, "https://b/v3", "b/v3", 1)},
	{table: "POST barbican-kms", code: 65539835, body: strings.Replace(stackSVM, `"i"`, `""`, 1)},
	{table: "POST barbican-kms", code: 65539704, world: `{"volumes":{"svm1":{"nae":1}}}`},
	{table: "PATCH barbican-kms", code: 65539223, world: `{"barbican":{"svm1":{"reachable":false}}}`},
	{table: "PATCH barbican-kms", code: 65539814, world: `{"barbican":{"svm1":{"accepts":["good"]}}}`},
	{table: "PATCH barbican-kms", code: 65539815, body: `{"application_cred_id":"","application_cred_secret":"x"}`},
	{table: "PATCH barbican-kms", code: 65539832, path: security + "barbican-kms/{uuid of aws}", more: having("aws")},
	{table: "PATCH barbican-kms", code: 65539841, body: `{"application_cred_secret":"x"}`},
	{table: "POST barbican-kms/rekey-internal", code: 65537556, world: `{"barbican":{"svm1":{"reachable":false}}}`},
	{table: "POST barbican-kms/rekey-internal", code: 65539817, path: security + "barbican-kms/{uuid of aws}/rekey-internal", more: having("aws")},
	{table: "POST barbican-kms/rekey-internal", code: 65539834, world: `{"barbican":{"svm1":{"kek":"missing"}}}`},
	{table: "POST barbican-kms/rekey-internal", code: 65539836, more: having("stack")},
	{table: "POST barbican-kms/rekey-internal", code: 65539856, world: `{"barbican":{"svm1":{"failing":{"node2":["restore"]}}}}`},
	{table: "POST barbican-kms/restore", code: 65539817, more: having("stack")},
	{table: "POST barbican-kms/restore", code: 65539842, world: `{"barbican":{"svm1":{"failing":{"node2":["restore"]}}}}`},
	{table: "GET barbican-kms", code: 65539801, ontap: "9.17.1", world: `{"barbican":{"svm1":{"reachable":false}}}`, path: "{stack}?fields=barbican_reachability", at: "barbican_reachability.code", more: having("stack on")},

	{table: "PATCH key-stores", code: 262155, world: `{"effective_version":"9.13.1"}`},
	{table: "PATCH key-stores", code: 65536602, world: `{"nodes":{"node2":{"quorum":false}}}`},
	{table: "PATCH key-stores", code: 65536856, path: "{store of i}", more: func(k *caller, made map[string]string) {
		having("inactive external")(k, made)
		k.c.state.KeyManagers[0].External.Servers = nil // as a state that is put may have it
	}},
	{table: "PATCH key-stores", code: 65536987, world: `{"key_servers":{"ks1":{"*":"not_responding"}}}`, path: "{store of i}", more: having("onboard", "inactive external")},
	{table: "PATCH key-stores", code: 65537605, world: `{"azure":{"svm1":{"accepts":[]}},"key_stores":{"svm1":"active"}}`},
	{table: "PATCH key-stores", code: 65538908, path: security + "key-stores/11111111-1111-4111-8111-111111111111"},
	{table: "PATCH key-stores", code: 65538909, body: `{}`},
	{table: "PATCH key-stores", code: 65538910, body: `{"enabled":false}`},
	{table: "PATCH key-stores", code: 65539205, path: "{store of aws}", more: having("aws")},
	{table: "PATCH key-stores", code: 65539206, more: having("gcp", "second")},
	{table: "PATCH key-stores", code: 65539212, world: `{"key_stores":{"svm1":"mixed"}}`},
	{table: "PATCH key-stores", code: 65539218, path: "{store of azure}"},
	{table: "PATCH key-stores", code: 65539222, path: "{store of stack}", ontap: "9.17.1", more: having("azure", "stack")},
	{table: "PATCH key-stores", code: 65539513, world: `{"effective_version":"9.15.1"}`, path: "{store of i}", more: having("onboard", "inactive external")},
	{table: "PATCH key-stores", code: 65539514, more: having("onboard", "admin second")},
	{table: "PATCH key-stores", code: 65539515, path: "{store of i}", more: having("onboard", "inactive external", "delete onboard", "admin")},
	{table: "PATCH key-stores", code: 65539520, path: "{store of i}", more: having("external", "inactive onboard", "delete external", "onboard", "inactive external")},
	{table: "PATCH key-stores", code: 65539534, world: `{"platform":{"encrypted_roots":["node1"]}}`, path: "{store of i}", more: having("onboard", "inactive external")},
	{table: "PATCH key-stores", code: 65539585, path: "{store of i}", more: having("onboard", "inactive external", "delete onboard", "external", "inactive onboard")},
	{table: "PATCH key-stores", code: 65539590, world: `{"drives":{"authentication_keys":3}}`, path: "{store of i}", more: having("external", "inactive onboard")},
	{table: "PATCH key-stores", code: 65539591, world: `{"drives":{"authentication_keys":1}}`, path: "{store of i}", more: having("external", "inactive onboard")},
	{table: "PATCH key-stores", code: 65539704, world: `{"volumes":{"svm1":{"nae":1}}}`},
	{table: "PATCH key-stores", code: 65539838, more: having("policy", "second")},
	{table: "PATCH key-stores", code: 65539840, world: `{"key_servers":{"ks1":{"*":"refusing"}}}`, path: "{store of i}", more: having("external", "inactive onboard")},
	{table: "PATCH key-stores", code: 65539842, world: `{"azure":{"svm1":{"failing":{"node2":["restore"]}}}}`},

	{table: "DELETE key-stores", code: 262155, world: `{"effective_version":"9.13.1"}`},
	{table: "DELETE key-stores", code: 65538905, path: "{store of azure}"},
	{table: "DELETE key-stores", code: 65538907, path: "{store of aws}", more: having("aws")},
	{table: "DELETE key-stores", code: 65538908, path: security + "key-stores/11111111-1111-4111-8111-111111111111"},
	{table: "DELETE key-stores", code: 65539521, world: `{"effective_version":"9.15.1"}`, path: "{store of i}", more: having("onboard", "inactive external")},
	{table: "DELETE key-stores", code: 65539593, world: `{"key_stores":{"svm1":"switching"}}`},
}...)
