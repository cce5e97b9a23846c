package metrics

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"kmagent/internal/resource"
)

// What one cluster may have series for. A cluster answers as it likes, and objects that
// nobody declared are exported too; the limits are far above what ONTAP allows, so only a
// cluster that is out of order meets them.
const (
	maxManagers     = 10_000
	maxServers      = 20_000
	maxServersOfOne = 16      // primaries of a key manager, or secondaries of a primary
	maxReach        = 100_000 // pairs of a server and a node
	maxNodes        = 256
	maxCertificates = 20_000

	maxCertificatesOfOne = 128 // of a key manager
)

// An observation is what was last seen of a cluster, in labels. Equal labels occur once: two
// samples of one series would spoil the whole scrape.
type observation struct {
	name, uuid, version string

	nodes    []string // sorted
	managers []manager
	inUse    map[managerKey]int // index of the managers that have a state
	dropped  int                // what has no series
}

type manager struct {
	svm, scope, kind, uuid string

	state        string // empty if it is only kept in store
	service      string // of a cloud key manager, whether its service is reachable: "yes", "no" or, if nothing is known, ""
	ekmip        []nodeReach
	servers      []server
	certificates []certificate
}

// A nodeReach is whether a node reaches the embedded KMIP servers.
type nodeReach struct {
	node string
	ok   bool
}

type managerKey struct{ svm, kind string }

type server struct {
	name, role, position string
	reach                []reach // in the order of the nodes; empty if nothing is known
}

type reach struct {
	state string    // empty if nothing is known
	last  time.Time // when the node last reached the server; zero for never
}

type certificate struct {
	use, uuid string
	end       time.Time
}

// An observer makes an observation. What costs ONTAP much is not read in every pass; in
// between, it is taken from the previous observation, as far as the objects are still there.
type observer struct {
	*observation
	prev   *observation
	now    time.Time
	health bool
	node   map[string]int       // the index of a node
	was    []int                // by node, its index in prev, or -1
	ends   map[string]time.Time // of certificates, by UUID
	known  map[managerID]bool

	embedded map[[2]string]bool // SVM and node of those whose view of the embedded KMIP servers is in

	servers, pairs, certificates int // so far
}

type managerID struct{ svm, kind, uuid string }

// observe returns the picture that c gives after prev, which may be nil.
func observe(prev *observation, c *resource.Cluster) *observation {
	if prev == nil {
		prev = &observation{}
	}
	o := observer{
		observation: &observation{
			name: label(c.Name), uuid: label(c.UUID), version: label(c.Version.String()),
			nodes:    nodeNames(c.Nodes),
			managers: make([]manager, 0, len(c.Objects)),
			inUse:    make(map[managerKey]int, len(c.Objects)),
		},
		prev: prev, now: c.At, health: c.Health,
		node:  map[string]int{},
		ends:  ends(c.Links),
		known: make(map[managerID]bool, len(c.Objects)),

		embedded: map[[2]string]bool{},
	}
	if extra := len(o.nodes) - maxNodes; extra > 0 {
		o.nodes, o.dropped = o.nodes[:maxNodes], extra
	}
	for i, name := range o.nodes {
		o.node[name] = i
		o.was = append(o.was, slices.Index(prev.nodes, name))
	}
	for _, a := range slices.SortedFunc(maps.Keys(c.Objects), resource.Addr.Compare) {
		if obj := c.Objects[a]; obj.Kind.Type != "" {
			o.manager(obj)
		}
	}
	return o.observation
}

func nodeNames(nodes []resource.Node) []string {
	names := make([]string, 0, len(nodes))
	for _, n := range nodes {
		names = append(names, label(n.Name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ends returns the ends of validity of the certificates that have a readable one.
func ends(links []*resource.Object) map[string]time.Time {
	m := make(map[string]time.Time, len(links))
	for _, l := range links {
		if l.Kind != resource.Certificate {
			continue
		}
		if end, ok := parseExpiry(l.Value("expiry_time").Str()); ok {
			m[l.ID] = end
		}
	}
	return m
}

func (o *observer) manager(obj *resource.Object) {
	m := manager{svm: label(obj.Addr.SVM), scope: "svm", kind: label(obj.Kind.Type), uuid: label(obj.ID)}
	if m.svm == "" {
		m.scope = "cluster"
	}
	key, id := managerKey{m.svm, m.kind}, managerID{m.svm, m.kind, m.uuid}
	_, second := o.inUse[key]
	stored := inStore(obj)
	if o.known[id] || second && !stored || len(o.managers) >= maxManagers {
		o.dropped++
		return
	}
	o.known[id] = true
	if !stored {
		o.inUse[key] = len(o.managers)
		o.fill(&m, obj, o.before(key))
	}
	o.managers = append(o.managers, m)
}

// before returns what was known of a key manager in use; a blank one for nothing.
func (o *observer) before(key managerKey) *manager {
	if i, ok := o.prev.inUse[key]; ok {
		return &o.prev.managers[i]
	}
	return &manager{state: managerUnknown}
}

func (o *observer) fill(m *manager, obj *resource.Object, before *manager) {
	m.state = before.state
	if o.health {
		m.state = stateOf(obj.Value("status.code"))
	}
	for i := range obj.Kind.Fields {
		switch f := &obj.Kind.Fields[i]; {
		case f.To == resource.Certificate:
			o.certificate(m, f.Where, obj.Values[i])
		case f.Type == resource.Reachability:
			o.service(m, obj.Values[i], before)
		case f.Type == resource.NodeReachability:
			o.ekmip(m, obj.Values[i], before)
		}
	}
	for _, child := range obj.Children {
		if child.Kind == resource.KeyServer {
			o.server(m, child, before)
		}
	}
}

// service enters whether a cloud key manager's service can be reached; that is the state of
// the key manager too, since ONTAP tells no other.
func (o *observer) service(m *manager, told resource.Value, before *manager) {
	switch {
	case !o.health:
		m.service = before.service
		return
	case !told.IsSet():
		return
	case told.Reach().OK:
		m.service, m.state = "yes", managerAvailable
	default:
		m.service, m.state = "no", managerUnavailable
	}
}

// ekmip enters how the nodes see the embedded KMIP servers. Nodes that are not of this
// cluster have no series.
func (o *observer) ekmip(m *manager, told resource.Value, before *manager) {
	if !o.health {
		m.ekmip = before.ekmip
		return
	}
	for _, r := range told.Reaches() {
		node := label(r.Node)
		pair := [2]string{m.svm, node}
		if _, ours := o.node[node]; ours && !o.embedded[pair] {
			o.embedded[pair] = true
			m.ekmip = append(m.ekmip, nodeReach{node, r.OK})
		}
	}
}

// inStore says whether the key manager is kept beside the one in use (ONTAP 9.16 and
// newer). It has neither a state nor connectivity, and nothing depends on its certificates.
func inStore(obj *resource.Object) bool {
	enabled := obj.Value("enabled")
	return enabled.IsSet() && !enabled.Bool()
}

// stateOf judges by status.code: 0 and 65537200 mean that nothing remains to be done; every
// other code names what does, such as a MetroCluster partner without the same key servers
// (ONTAP REST reference, key-managers, status).
func stateOf(code resource.Value) string {
	switch {
	case !code.IsSet():
		return managerUnknown
	case code.Int() == 0 || code.Int() == 65537200:
		return managerAvailable
	default:
		return managerDegraded
	}
}

// server enters a primary key server, its secondaries and how the nodes see it. ONTAP tells
// reachability of primaries only. A secondary's position begins with that of its primary.
func (o *observer) server(m *manager, obj *resource.Object, before *manager) {
	s := server{name: label(obj.Addr.Name), role: "primary"}
	primaries := 0
	for i := range m.servers {
		if have := &m.servers[i]; have.role == s.role {
			primaries++
			if have.name == s.name {
				o.dropped++
				return
			}
		}
	}
	if primaries >= maxServersOfOne || o.servers >= maxServers {
		o.dropped++
		return
	}
	s.position = position(primaries)
	s.reach = o.reach(obj, primary(before, s.name))
	m.servers = append(m.servers, s)
	o.servers++
	for i, host := range obj.Value("secondary_key_servers").Strings() {
		if i >= maxServersOfOne || o.servers >= maxServers {
			o.dropped++
			continue
		}
		m.servers = append(m.servers, server{name: label(host), role: "secondary", position: s.position + "." + position(i)})
		o.servers++
	}
}

// position numbers things from 1.
func position(i int) string { return strconv.Itoa(i + 1) }

// primary returns how the nodes saw a primary of m.
func primary(m *manager, name string) []reach {
	for i := range m.servers {
		if s := &m.servers[i]; s.name == name && s.role == "primary" {
			return s.reach
		}
	}
	return nil
}

// reach returns how the nodes see a server that they saw as before says. A node that ONTAP's
// answer leaves out is unknown; if it says nothing at all, nothing is known.
func (o *observer) reach(obj *resource.Object, before []reach) []reach {
	told := obj.Value("connectivity")
	if o.health && !told.IsSet() || !o.health && len(before) == 0 {
		return nil
	}
	if o.pairs+len(o.nodes) > maxReach {
		o.dropped += len(o.nodes)
		return nil
	}
	o.pairs += len(o.nodes)
	now := make([]reach, len(o.nodes))
	for i, j := range o.was {
		if j >= 0 && j < len(before) {
			now[i] = before[j]
		}
		if o.health {
			now[i].state = serverUnknown
		}
	}
	for _, s := range told.NodeStates() {
		i, known := o.node[label(s.Node)]
		switch {
		case !known || !o.health:
		case s.State == serverAvailable:
			now[i] = reach{serverAvailable, o.now}
		case s.State == serverNotResponding:
			now[i].state = serverNotResponding
		}
	}
	return now
}

// certificate enters the ends of validity of the certificates that v names.
func (o *observer) certificate(m *manager, use string, v resource.Value) {
	links := v.Links()
	if one := v.Link(); one.UUID != "" {
		links = []resource.LinkTo{one}
	}
	for _, l := range links {
		end, known := o.ends[l.UUID]
		c := certificate{use, label(l.UUID), end}
		same := func(have certificate) bool { return have.use == c.use && have.uuid == c.uuid }
		switch {
		case !known:
		case len(m.certificates) >= maxCertificatesOfOne, o.certificates >= maxCertificates, slices.ContainsFunc(m.certificates, same):
			o.dropped++
		default:
			m.certificates = append(m.certificates, c)
			o.certificates++
		}
	}
}

// parseExpiry reads ONTAP's date and time, which some releases write with a blank in the
// middle (ONTAP REST reference, security/certificates, expiry_time).
func parseExpiry(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, strings.Replace(s, " ", "T", 1))
	return t, err == nil
}
