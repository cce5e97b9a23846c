package ontapsim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Clouds is the cloud key management services as the cluster meets them, by the name of the
// SVM whose configuration it is; "cluster" is the admin SVM. Where an SVM has several
// configurations, "svm1/two" is the one with the name "two". What is not named meets a
// service that works.
type Clouds struct {
	Azure    map[string]Cloud `json:"azure,omitempty"`
	AWS      map[string]Cloud `json:"aws,omitempty"`
	GCP      map[string]Cloud `json:"gcp,omitempty"`
	Barbican map[string]Cloud `json:"barbican,omitempty"`
}

// Cloud is a cloud service and its key for one SVM.
type Cloud struct {
	// Reachable tells whether the nodes reach the service; left out they do.
	Reachable *bool `json:"reachable,omitempty"`

	// Accepts is the secrets that the service accepts, among them client certificates; left
	// out it accepts all. A configuration whose own is not among them has lost its key.
	Accepts *[]string `json:"accepts,omitempty"`

	// KEK is what became of the key in the cloud: "available" (also ""), "disabled" or
	// "missing". With "not_created" no node has asked for it yet.
	KEK string `json:"kek,omitempty"`

	// Failing is what does not work on a node, by its name: "service" (it does not reach the
	// service), "ekmip" (nor the embedded KMIP servers), "kek" (it misses the key), "rekey"
	// and "restore" (these fail on it).
	Failing map[string][]string `json:"failing,omitempty"`

	// StateFlag is the name of the flag in an Azure vault's `state`: "available" (also "")
	// or "cluster_state". ONTAP's schema has the one and its examples the other.
	StateFlag string `json:"state_flag,omitempty"`

	// AuthenticationKeys is the number of authentication keys of drives that an Azure vault
	// holds.
	AuthenticationKeys int `json:"authentication_keys,omitempty"`
}

var (
	kekWords     = []string{"", "available", "not_created", "disabled", "missing"}
	failingWords = []string{"service", "ekmip", "kek", "rekey", "restore"}
	flagWords    = []string{"", "available", "cluster_state"}
	storeStates  = []string{"active", "mixed", "svm_kek_rekey", "blocked", "switching", "initializing", "disabling"}
)

// check says what of the services cannot be.
func (cs Clouds) check() error {
	for name, clouds := range map[string]map[string]Cloud{"azure": cs.Azure, "aws": cs.AWS, "gcp": cs.GCP, "barbican": cs.Barbican} {
		for svm, cloud := range clouds {
			if err := cloud.check(); err != nil {
				return fmt.Errorf("%s: %s: %w", name, svm, err)
			}
		}
	}
	return nil
}

func (cl Cloud) check() error {
	oneOf := func(name, value string, of []string) error {
		if slices.Contains(of, value) {
			return nil
		}
		return fmt.Errorf("%s: %q is not one of %s", name, value, strings.TrimPrefix(strings.Join(of, ", "), ", "))
	}
	if err := oneOf("kek", cl.KEK, kekWords); err != nil {
		return err
	}
	if err := oneOf("state_flag", cl.StateFlag, flagWords); err != nil {
		return err
	}
	for node, words := range cl.Failing {
		for _, w := range words {
			if err := oneOf("failing: "+node, w, failingWords); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkStores says what of the states of key stores cannot be.
func (w World) checkStores() error {
	for svm, s := range w.KeyStores {
		if !slices.Contains(storeStates, s) {
			return fmt.Errorf("key_stores: %s: %q is not one of %s", svm, s, strings.Join(storeStates, ", "))
		}
	}
	return nil
}

// cloud is the service that a configuration uses.
func (c *Cluster) cloud(m *cloudKMS) Cloud {
	world := c.state.World
	of := map[string]map[string]Cloud{azure.typ: world.Azure, aws.typ: world.AWS, gcp.typ: world.GCP, barbican.typ: world.Barbican}
	svm := c.svmName(m.SVM)
	if cl, ok := of[m.Service][svm+"/"+m.Name]; ok {
		return cl
	}
	return of[m.Service][svm]
}

func (cl Cloud) fails(node, what string) bool { return slices.Contains(cl.Failing[node], what) }

// reachedBy tells whether any of the nodes reaches the service.
func (cl Cloud) reachedBy(nodes []*clusterNode) bool {
	up := cl.Reachable == nil || *cl.Reachable
	return up && slices.ContainsFunc(nodes, func(n *clusterNode) bool { return !cl.fails(n.Name, "service") })
}

// accepts tells whether the service accepts the credentials of a configuration.
func (cl Cloud) accepts(m *cloudKMS) bool {
	for name, value := range m.Secrets {
		if cl.Accepts != nil && name != "proxy_password" && !slices.Contains(*cl.Accepts, value) {
			return false
		}
	}
	return true
}

// lost tells whether the key of a configuration is out of reach for every node.
func (c *Cluster) lost(m *cloudKMS) bool {
	cl := c.cloud(m)
	return !cl.reachedBy(c.state.Nodes) || !cl.accepts(m) || cl.KEK == "disabled" || cl.KEK == "missing"
}

// failing is the names of the nodes on which something does not work.
func (c *Cluster) failing(m *cloudKMS, what string) []string {
	cl := c.cloud(m)
	var out []string
	for _, n := range c.state.Nodes {
		if cl.fails(n.Name, what) {
			out = append(out, n.Name)
		}
	}
	return out
}

// offlineAfter is how long ONTAP goes without the cloud key of an SVM before it takes the
// SVM's encrypted volumes offline (NetApp EMS reference, events of AKV and AWS KMS). They
// come back by themselves.
const offlineAfter = 60 * time.Minute

// watchKeys notes which configurations have lost their key, and takes volumes offline whose
// time has come.
func (c *Cluster) watchKeys() {
	now := time.Now().UTC()
	for _, m := range c.state.CloudKMS {
		if !m.Enabled || !c.lost(m) {
			m.KeyLost, m.VolumesOffline = nil, 0
			continue
		}
		if m.KeyLost == nil {
			m.KeyLost = &now
		}
		if now.Sub(*m.KeyLost) >= offlineAfter && c.state.Configs.health(m.Service).takesOffline() {
			m.VolumesOffline = c.volumesOf(m.SVM).Encrypted
		}
	}
}

// health puts the expensive groups into a configuration's object.
func (s *service) health(c *Cluster, m *cloudKMS, o *object) {
	cl := c.cloud(m)
	flag := s.flags[0]
	if cl.StateFlag != "" && slices.Contains(s.flags, cl.StateFlag) {
		flag = cl.StateFlag
	}
	o.put("state", verdictObject(flag, 65537551, c.keyTrouble(m)))

	var why string
	if nodes := c.failing(m, "service"); !cl.reachedBy(c.state.Nodes) {
		why = "The key management service is not reachable from any node."
	} else if !cl.accepts(m) {
		why = "The key management service does not accept the credentials."
	} else if len(nodes) > 0 {
		why = "The key management service is not reachable from all nodes - " + strings.Join(nodes, ", ") + "."
	}
	o.put(s.reach, verdictObject("reachable", s.codes.unreachable, why))
	if !s.ekmip {
		return
	}
	var nodes []any
	for _, n := range c.state.Nodes {
		why := ""
		if cl.fails(n.Name, "ekmip") {
			why = "The status of the embedded KMIP server is not available on the node."
		}
		one := object{{"node", n.reference()}}
		nodes = append(nodes, append(one, verdictObject("reachable", 65537552, why)...))
	}
	o.put("ekmip_reachability", nodes)
}

// keyTrouble says why the key of a configuration is not available on every node; "" when it
// is.
func (c *Cluster) keyTrouble(m *cloudKMS) string {
	const text = "The top-level key encryption key (KEK) is unavailable on the following nodes: "
	all := make([]string, len(c.state.Nodes))
	for i, n := range c.state.Nodes {
		all[i] = n.Name
	}
	without := c.failing(m, "kek")
	switch kek := c.cloud(m).KEK; {
	case c.lost(m):
		return text + strings.Join(all, ", ") + "."
	case kek == "not_created":
		return text + strings.Join(all, ", ") + ". No encrypted volumes have been created for the SVM yet."
	case len(without) > 0:
		return text + strings.Join(without, ", ") + "."
	}
	return ""
}

// verdictObject is how ONTAP reports whether something is well: a flag, a message and a
// code that is a string. Nothing to say is well.
func verdictObject(flag string, code int, why string) object {
	if why == "" {
		return object{{flag, true}, {"message", ""}, {"code", "0"}}
	}
	return object{{flag, false}, {"message", why}, {"code", fmt.Sprint(code)}}
}
