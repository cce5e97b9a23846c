package ontapsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A keyServer is a primary key server of an external key manager.
type keyServer struct {
	Server              string   `json:"server"` // host:port
	Timeout             int64    `json:"timeout"`
	CreateRemoveTimeout int64    `json:"create_remove_timeout"`
	Username            string   `json:"username"`
	Password            string   `json:"password"`
	Secondaries         []string `json:"secondary_key_servers,omitempty"`
	text                memo
}

const (
	maxServers     = 4 // primary key servers of a key manager
	maxSecondaries = 3 // secondary key servers of a primary
)

// newKeyServer is a key server as it is when it was added.
func newKeyServer(name string) (*keyServer, bool) {
	name, ok := withPort(name)
	return &keyServer{Server: name, Timeout: 25, CreateRemoveTimeout: 10}, ok
}

func (s *keyServer) id() string { return s.Server }

// A serverRecord is a key server together with its manager.
type serverRecord struct {
	*keyServer
	manager *keyManager
}

func (r serverRecord) owner() string { return r.manager.SVM }
func (r serverRecord) hidden() bool  { return false }
func (r serverRecord) memo() *memo   { return &r.text }

func (r serverRecord) object(c *Cluster, expensive bool) object {
	s := r.keyServer
	o := object{
		{"server", s.Server},
		{"timeout", s.Timeout},
		{"create_remove_timeout", s.CreateRemoveTimeout},
		{"username", s.Username},
	}
	var secondaries []any
	for _, name := range s.Secondaries {
		secondaries = append(secondaries, name)
	}
	o.opt("secondary_key_servers", secondaries)
	if expensive && r.manager.Enabled {
		o.put("connectivity", c.connectivity(s.Server))
	}
	return o
}

// embedded is the server as the record of its key manager shows it.
func (s *keyServer) embedded(c *Cluster, m *keyManager, expensive bool) object {
	o := object{{"server", s.Server}, {"timeout", s.Timeout}, {"username", s.Username}}
	o.opt("secondary_key_servers", strings.Join(s.Secondaries, ", "))
	if expensive {
		o.put("connectivity", c.connectivity(s.Server))
	}
	o.put("_links", link("/api/security/key-managers/"+m.UUID+"/key-servers/"+s.Server+"/"))
	return o
}

func keyServerKind() *kind {
	return &kind{
		path: "security/key-managers/{uuid}/key-servers",
		id:   "server",
		fields: []field{
			{name: "server", on: post | key},
			{name: "records[].server", on: post},
			{name: "records[].timeout", typ: integer, on: post, until: since(11), min: 1, max: 60},
			{name: "records[].username", on: post, until: since(11)},
			{name: "records[].password", typ: secret, on: post, until: since(11)},
			{name: "port", typ: integer, on: patch, since: since(18), min: 1, max: 65535},
			{name: "timeout", typ: integer, on: post | patch | std, until: since(11), min: 1, max: 60},
			{name: "timeout", typ: integer, on: patch | std, since: since(11), min: -1, max: 60},
			{name: "create_remove_timeout", typ: integer, on: patch | std, since: since(14), min: -1, max: 60},
			{name: "username", on: post | patch | std, until: since(11)},
			{name: "username", on: patch | std, since: since(11)},
			{name: "password", typ: secret, on: post | patch, until: since(11)},
			{name: "password", typ: secret, on: patch, since: since(11)},
			{name: "secondary_key_servers[]", on: patch | std, since: since(8)},
			{name: "connectivity.cluster_availability", typ: boolean, on: exp, since: since(7)},
			{name: "connectivity.node_states[].node.uuid", on: exp, since: since(13)},
			{name: "connectivity.node_states[].node.name", on: exp, since: since(13)},
			{name: "connectivity.node_states[].state", on: exp, since: since(13)},
			{name: "connectivity.records[].node.uuid", on: exp, since: since(7), until: since(13)},
			{name: "connectivity.records[].node.name", on: exp, since: since(7), until: since(13)},
			{name: "connectivity.records[].state", on: exp, since: since(7), until: since(13)},
		},
		flags: map[string]map[string]version{
			http.MethodDelete: {"force": since(11)},
		},
		list:       (*Cluster).listKeyServers,
		create:     (*Cluster).addKeyServers,
		change:     (*Cluster).changeKeyServer,
		remove:     (*Cluster).removeKeyServer,
		absent:     (*Cluster).absentKeyServer,
		manyInside: true,
	}
}

func (c *Cluster) listKeyServers(at []string) ([]record, *apiError) {
	m, ok := c.state.KeyManagers.find(at[0])
	if !ok {
		return nil, errNotFound("uuid")
	}
	var out []record
	if m.External != nil {
		for _, s := range m.External.Servers {
			out = append(out, serverRecord{s, m})
		}
	}
	return out, nil
}

// absentKeyServer is the answer when a path names a server that is not configured.
func (c *Cluster) absentKeyServer(t target, method string) *apiError {
	if method == http.MethodGet || method == http.MethodHead {
		return errNotFound("server")
	}
	if m, ok := c.state.KeyManagers.find(t.at[0]); ok && (m.External == nil || m.hidden()) {
		return c.code(65536828)
	}
	return c.code(65536843)
}

// checkServers tells whether the servers of a manager can be changed at all. Until 9.11 the
// rules for SVM scope held for removal as well.
func (c *Cluster) checkServers(m *keyManager, w *write) *apiError {
	removal := w.method == http.MethodDelete
	strict := !removal || c.version.before(since(11))
	switch {
	case m.SVM != "" && c.effective().before(since(6)):
		return c.code(65536822)
	case strict && m.SVM != "" && c.state.World.MetroCluster != nil:
		return c.code(65536824)
	case m.External == nil || !m.Enabled:
		return c.code(65536828)
	case !w.flags["force"] && slices.ContainsFunc(c.state.Nodes, func(n *clusterNode) bool { return !n.Quorum }):
		return c.code(65536600)
	}
	return nil
}

// addKeyServers answers POST: one server, or several in `records`.
func (c *Cluster) addKeyServers(w *write) (effect, *apiError) {
	m, ok := c.state.KeyManagers.find(w.at[0])
	if !ok || w.tunnel != nil && m.SVM != w.tunnel.UUID {
		return effect{}, errNotFound("uuid")
	}
	if err := c.checkServers(m, w); err != nil {
		return effect{}, err
	}
	added, err := c.newServers(w, m)
	if err != nil {
		return effect{}, err
	}
	if err := c.broken("POST security/key-managers/{uuid}/key-servers"); err != nil {
		return effect{}, err
	}
	for _, uuid := range append([]string{m.External.Client}, m.External.CAs...) {
		if _, ok := c.state.Certificates.find(uuid); !ok {
			return effect{}, c.code(65536821)
		}
	}
	for _, s := range added {
		if err := c.contact(s.Server, true); err != nil {
			return effect{}, err
		}
	}
	return effect{
		made:  func() record { return serverRecord{added[0], m} },
		touch: []record{m},
		apply: func() *apiError {
			for _, s := range added {
				m.External.Servers.insert(s)
			}
			return nil
		},
	}, nil
}

// newServers reads and checks the servers of a POST. Until 9.11 they could come with their
// timeout and credentials.
func (c *Cluster) newServers(w *write, m *keyManager) ([]*keyServer, *apiError) {
	single := w.body.has("server")
	list, many := w.body.list("records")
	rows := []object{w.body}
	switch {
	case single && many:
		return nil, errTogether("server", "records")
	case !single && len(list) == 0:
		return nil, errMissing("server")
	case many:
		rows = nil
		for _, v := range list {
			row := v.(object)
			if !row.has("server") {
				return nil, errMissing("records.server")
			}
			rows = append(rows, row)
		}
	}
	var added table[*keyServer]
	for _, row := range rows {
		name, _ := row.text("server")
		s, ok := newKeyServer(name)
		if !ok {
			return nil, errValue(quoted(name), "server")
		}
		if _, twice := added.find(s.Server); twice {
			return nil, c.code(65536871)
		}
		if _, known := m.External.Servers.find(s.Server); known {
			return nil, c.code(65536870)
		}
		if m.External.isSecondary(s.Server) {
			return nil, c.code(65536042)
		}
		if n, ok := row.integer("timeout"); ok {
			s.Timeout = n
		}
		s.Username, _ = row.text("username")
		s.Password, _ = row.text("password")
		added.insert(s)
	}
	if len(m.External.Servers)+len(added) > maxServers {
		return nil, c.code(65536038)
	}
	return added, nil
}

// isSecondary tells whether a server is a secondary of a primary.
func (e *external) isSecondary(server string) bool {
	for _, s := range e.Servers {
		for _, name := range s.Secondaries {
			if full, _ := withPort(name); full == server {
				return true
			}
		}
	}
	return false
}

// changeKeyServer answers PATCH.
func (c *Cluster) changeKeyServer(w *write, r record) (effect, *apiError) {
	s, m := r.(serverRecord).keyServer, r.(serverRecord).manager
	if len(w.body) == 0 {
		return effect{}, c.code(65536880)
	}
	if err := c.checkServers(m, w); err != nil {
		return effect{}, err
	}
	next := *s
	next.text = memo{}
	for _, change := range []func(*Cluster, *write, *keyManager, *keyServer) *apiError{
		(*Cluster).setTimeouts, (*Cluster).setCredentials, (*Cluster).setSecondaries, (*Cluster).setPort,
	} {
		if err := change(c, w, m, &next); err != nil {
			return effect{}, err
		}
	}
	return effect{
		touch: []record{m},
		apply: func() *apiError {
			m.External.Servers.remove(s)
			*s = next
			m.External.Servers.insert(s)
			return nil
		},
	}, nil
}

func (c *Cluster) setTimeouts(w *write, _ *keyManager, s *keyServer) *apiError {
	if n, ok := w.body.integer("timeout"); ok {
		if n < 1 && c.version.before(since(14)) {
			return errValue(strconv.FormatInt(n, 10), "timeout")
		}
		s.Timeout = n
	}
	if n, ok := w.body.integer("create_remove_timeout"); ok {
		s.CreateRemoveTimeout = n
	}
	return nil
}

// setCredentials takes user name and password, which come together; an empty user name
// clears both.
func (c *Cluster) setCredentials(w *write, _ *keyManager, s *keyServer) *apiError {
	username, named := w.body.text("username")
	password, secret := w.body.text("password")
	switch {
	case !named && !secret:
		return nil
	case !named:
		return c.code(65536845)
	case !secret && username != "":
		return c.code(65536846)
	}
	s.Username, s.Password = username, password
	if c.unreachable(s.Server) || c.anyState(s.Server, "refusing") {
		return c.code(65536921)
	}
	return nil
}

func (c *Cluster) setSecondaries(w *write, m *keyManager, s *keyServer) *apiError {
	list, ok := w.body.list("secondary_key_servers")
	if !ok {
		return nil
	}
	if c.effective().before(version{9, 11, 1}) {
		return c.code(65538503)
	}
	if len(list) > maxSecondaries {
		return c.code(65537400)
	}
	s.Secondaries = nil
	var full []string
	for _, v := range list {
		name, _ := v.(string)
		server, ok := withPort(name)
		switch _, primary := m.External.Servers.find(server); {
		case !ok:
			return c.code(65538413)
		case server == s.Server:
			return c.code(65538407)
		case slices.Contains(full, server):
			return c.code(65538408)
		case primary:
			return c.code(65538502)
		}
		full = append(full, server)
		s.Secondaries = append(s.Secondaries, name)
	}
	return nil
}

func (c *Cluster) setPort(w *write, m *keyManager, s *keyServer) *apiError {
	port, ok := w.body.integer("port")
	if !ok {
		return nil
	}
	if c.effective().before(version{9, 18, 1}) {
		return c.code(65537002)
	}
	host := s.Server[:strings.LastIndexByte(s.Server, ':')]
	moved := host + ":" + strconv.FormatInt(port, 10)
	if _, taken := m.External.Servers.find(moved); taken && moved != s.Server {
		return c.code(65536870)
	}
	s.Server = moved
	return nil
}

// removeKeyServer answers DELETE.
func (c *Cluster) removeKeyServer(w *write, r record) (effect, *apiError) {
	s, m := r.(serverRecord).keyServer, r.(serverRecord).manager
	if err := c.checkServers(m, w); err != nil {
		return effect{}, err
	}
	if c.soleHolder(m, s) {
		return effect{}, c.code(65536700)
	}
	return effect{
		touch: []record{m},
		apply: func() *apiError { m.External.Servers.remove(s); return nil },
	}, nil
}

// soleHolder tells whether a server holds a key that no other configured server of the
// manager holds. ONTAP does not ask whether the others can be reached.
func (c *Cluster) soleHolder(m *keyManager, s *keyServer) bool {
	holds := c.state.World.HoldsKeys
	elsewhere := map[string]bool{}
	for _, other := range m.External.Servers {
		if other == s {
			continue
		}
		for _, name := range append([]string{other.Server}, other.Secondaries...) {
			full, _ := withPort(name)
			for _, k := range holds[full] {
				elsewhere[k] = true
			}
		}
	}
	return slices.ContainsFunc(holds[s.Server], func(k string) bool { return !elsewhere[k] })
}
