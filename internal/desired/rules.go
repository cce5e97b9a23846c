package desired

import (
	"slices"

	"kmagent/internal/resource"
)

// rules checks what the tables cannot say: how the fields of one object, and of its
// children, go together (ONTAP REST reference, key-servers).
func (d *decoder) rules(e *entry) {
	switch e.object.Kind {
	case resource.KeyServer:
		d.credentials(e)
		d.ownSecondary(e)
	case resource.External:
		d.clusterPolicy(e)
		d.primarySecondary(e)
	}
}

// written returns the place of the named field, if the file has it.
func (e *entry) written(field string) (place, bool) {
	p := e.fields[e.object.Kind.Index(field)]
	return p, p.node != nil
}

// credentials wants a user and a password together (codes 65536845 and 65536846).
func (d *decoder) credentials(e *entry) {
	user, hasUser := e.written("username")
	password, hasPassword := e.written("password")
	switch {
	case hasUser && !hasPassword:
		d.wrong(user, "a username needs a password beside it")
	case hasPassword && !hasUser:
		d.wrong(password, "a password needs a username beside it")
	}
}

// ownSecondary refuses a secondary that is its own primary (code 65538407).
func (d *decoder) ownSecondary(e *entry) {
	host := resource.HostOf(e.object.Value("server").Str())
	d.secondaries(e, func(p place, secondary string) {
		if secondary == host {
			d.wrong(p, "the server is its own secondary; take it out")
		}
	})
}

// primarySecondary refuses a secondary that is another primary of the same key manager
// (code 65538502).
func (d *decoder) primarySecondary(e *entry) {
	for _, c := range e.children {
		own := resource.HostOf(c.object.Value("server").Str())
		d.secondaries(c, func(p place, secondary string) {
			i := slices.IndexFunc(e.children, func(other *entry) bool {
				return resource.HostOf(other.object.Value("server").Str()) == secondary
			})
			if i >= 0 && secondary != own {
				primary, _ := e.children[i].written("server")
				d.wrong(p, "is a primary at line %d; a server is a primary or a secondary, not both", primary.pos.Line)
			}
		})
	}
}

// secondaries calls check for each secondary of a key server.
func (d *decoder) secondaries(e *entry, check func(place, string)) {
	const field = "secondary_key_servers"
	p, _ := e.written(field)
	for n, secondary := range e.object.Value(field).Strings() {
		check(p.at(n), secondary)
	}
}

// clusterPolicy refuses a policy at cluster scope (code 65538120).
func (d *decoder) clusterPolicy(e *entry) {
	if p, ok := e.written("policy"); ok && e.object.Addr.SVM == "" {
		d.wrong(p, "only the key manager of an SVM has a policy; name the svm, or leave it out")
	}
}
