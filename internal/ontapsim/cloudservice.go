package ontapsim

import (
	"fmt"
	"net/http"
	"slices"
)

// A service is one of the cloud key management services: what distinguishes it from the
// others. The common part of their resources works on it.
type service struct {
	typ      string // in key-stores
	path     string // below /api
	since    version
	fields   []field // besides those that all have
	named    version // since when a configuration has a name and can be inactive; see hasNames
	hasNames bool
	inactive bool // it is created inactive, and enabled through key-stores
	removed  bool // its own resource has DELETE
	ekmip    bool // it is reached through the embedded KMIP servers
	reach    string
	flags    []string // names of the flag of `state`, the usual one first
	defaults object   // what is set before anything is sent; always shown
	access   []string // fields that make ONTAP contact the service
	skip     string   // the field that tells it not to; "" for none

	codes    serviceCodes
	external *rekeying // nil: there is no such action
	internal rekeying

	rules rules
}

// serviceCodes are the codes that the services use for the same faults. 0 is a fault that
// the service does not know.
type serviceCodes struct {
	admin         int // not for the admin SVM
	metroCluster  int // not in a MetroCluster
	taken         int // the SVM has a key manager
	elsewhere     int // keys of the SVM's volumes are in the cluster's key manager: POST
	stillThere    int // the same: PATCH
	notConfigured int // PATCH, DELETE, rekey and restore of what is not an enabled configuration
	notThere      int // PATCH of the same; 0: as notConfigured
	nothing       int // an empty PATCH
	encrypted     int // volumes depend on it
	nae           int // aggregates with encryption exist

	post, patch verdict // of the service, when it is contacted
	unreachable int     // in the reachability object
	partRestore int     // restore: not on every node
}

// A verdict is what is answered when a service that is contacted is not there, or does not
// accept the credentials.
type verdict struct{ unreachable, refused int }

// rules are the checks that a service has for itself.
type rules interface {
	// create refuses the POST of a configuration.
	create(c *Cluster, w *write, m *cloudKMS) *apiError
	// change refuses the PATCH that makes next of m, and may complete next.
	change(c *Cluster, w *write, m, next *cloudKMS) *apiError
	// key refuses a configuration for the name of its key in the cloud.
	key(c *Cluster, m *cloudKMS) *apiError
}

var services = []*service{&azure, &aws, &gcp, &barbican}

// serviceOf is the service of a type in key-stores, which must be that of one.
func serviceOf(typ string) *service {
	return services[slices.IndexFunc(services, func(s *service) bool { return s.typ == typ })]
}

// checkServices refuses a state with a configuration of no service.
func checkServices(all []*cloudKMS) error {
	for _, m := range all {
		if !slices.ContainsFunc(services, func(s *service) bool { return s.typ == m.Service }) {
			return fmt.Errorf("cloud_kms: %s: %q is not a service", m.UUID, m.Service)
		}
	}
	return nil
}

// cloudKinds are the resources of the cloud services and of their actions.
func cloudKinds() []*kind {
	var out []*kind
	for _, s := range services {
		out = append(out, s.kind(), s.restoreKind(), s.internalKind())
		if s.external != nil {
			out = append(out, s.externalKind())
		}
	}
	return out
}

func (s *service) kind() *kind {
	k := &kind{
		path:   s.path,
		since:  s.since,
		id:     "uuid",
		fields: s.table(),
		list:   s.list,
		create: s.create,
		change: s.change,
		absent: s.absent,
		async:  always,
	}
	if s.hasNames && !s.inactive {
		k.flags = map[string]map[string]version{http.MethodPost: {"create_inactive": s.named}}
	}
	if s.removed {
		k.remove = s.remove
	}
	return k
}

// table is the field table of the service's resource.
func (s *service) table() []field {
	out := []field{
		{name: "uuid", on: key},
		{name: "scope", on: std, enum: []string{"cluster", "svm"}},
		{name: "svm.uuid", typ: uuid, on: post | std},
		{name: "svm.name", on: post | std},
	}
	if s.hasNames {
		out = append(out,
			field{name: "configuration.name", on: post | key, since: s.named},
			field{name: "configuration.uuid", on: key, since: s.named},
			field{name: "enabled", typ: boolean, on: std, since: s.named})
	}
	out = append(out, s.fields...)
	for _, flag := range s.flags {
		out = append(out, field{name: "state." + flag, typ: boolean, on: exp})
	}
	out = append(out,
		field{name: "state.message", on: exp},
		field{name: "state.code", on: exp},
		field{name: s.reach + ".reachable", typ: boolean, on: exp},
		field{name: s.reach + ".message", on: exp},
		field{name: s.reach + ".code", on: exp})
	if s.ekmip {
		out = append(out,
			field{name: "ekmip_reachability[].node.uuid", on: exp},
			field{name: "ekmip_reachability[].node.name", on: exp},
			field{name: "ekmip_reachability[].reachable", typ: boolean, on: exp},
			field{name: "ekmip_reachability[].message", on: exp},
			field{name: "ekmip_reachability[].code", on: exp})
	}
	return out
}

// proxyFields are how ONTAP reaches a service through a proxy.
var proxyFields = []field{
	{name: "proxy_type", on: post | patch | std, enum: []string{"", "http", "https"}},
	{name: "proxy_host", on: post | patch | std},
	{name: "proxy_port", typ: integer, on: post | patch | std},
	{name: "proxy_username", on: post | patch | std},
	{name: "proxy_password", typ: secret, on: post | patch},
}

func (s *service) list(c *Cluster, _ []string) ([]record, *apiError) {
	var out []record
	for _, m := range c.state.CloudKMS {
		if m.Service == s.typ {
			out = append(out, m)
		}
	}
	return out, nil
}

// absent is the answer when the service has no configuration with the UUID of a path. The
// UUID may be that of another key manager: then a change finds the service not configured.
func (s *service) absent(c *Cluster, t target, method string) *apiError {
	if method != http.MethodGet && method != http.MethodHead {
		switch st := c.keyStore(t.id); {
		case st != nil && method == http.MethodPatch && s.codes.notThere != 0:
			return c.code(s.codes.notThere)
		case st != nil:
			return c.code(s.codes.notConfigured)
		}
	}
	return errNotFound("uuid")
}
