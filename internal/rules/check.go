package rules

import (
	"cmp"
	"fmt"
	"strings"

	"kmagent/internal/resource"
)

// A Finding is a breach of a rule in the objects of a file.
type Finding struct {
	Rule    ID
	Object  *resource.Object // the one to point at; it may be a child
	Field   string           // of that object; empty for the object as a whole
	Item    int              // of that field, where it is a list; -1 for the field as a whole
	Message string           // what is wrong and what to do, in one line
}

// Object checks how the fields of an object, and of its children, go together. A field that
// is written but has no valid value ([resource.Object.At] without a value) counts as
// written, so that one mistake is one fault. An object that is to be absent has no breaches.
func Object(o *resource.Object) []Finding {
	if o.Absent {
		return nil
	}
	var c checker
	switch o.Kind {
	case resource.External:
		c.singleServer(o)
		primaries := byHost(o.Children)
		for _, s := range o.Children {
			c.credentials(s)
			c.secondaries(s, primaries)
		}
	case resource.Onboard:
		c.passphrases(o)
	case resource.AuthKey:
		c.generations(o)
	case resource.Azure:
		c.azureProof(o)
		c.azureStore(o)
		c.azureHost(o)
	case resource.GCP:
		c.gcpProof(o)
	}
	return c.found
}

// Scopes checks how the objects of one cluster go together, and with their scopes. Their
// addresses must be right, and unique.
func Scopes(objects []*resource.Object) []Finding {
	var c checker
	users := map[string]*resource.Object{}
	for _, o := range objects {
		if o.Absent {
			continue
		}
		c.clusterPolicy(o)
		c.oneInUse(o, users)
	}
	return c.found
}

// A checker collects findings.
type checker struct{ found []Finding }

// field reports a breach by the named field of o, or by o as a whole if field is empty.
func (c *checker) field(id ID, o *resource.Object, field, format string, args ...any) {
	c.found = append(c.found, Finding{id, o, field, -1, fmt.Sprintf(format, args...)})
}

// item reports a breach by a member of a list.
func (c *checker) item(id ID, o *resource.Object, field string, n int, format string, args ...any) {
	c.found = append(c.found, Finding{id, o, field, n, fmt.Sprintf(format, args...)})
}

// has says whether the file has the field, well or badly.
func has(o *resource.Object, name string) bool {
	i := o.Kind.Index(name)
	return i >= 0 && (o.Values[i].IsSet() || i < len(o.At) && o.At[i].Line > 0)
}

// singleServer is KM005. A server that is not valid is there all the same.
func (c *checker) singleServer(o *resource.Object) {
	if len(o.Children) == 1 && len(o.Children[0].Value("secondary_key_servers").Strings()) == 0 {
		c.field(KM005, o, "external.servers", "one key server is no redundancy: a node that boots while it is away gets no keys; add a second, or a secondary")
	}
}

// generations is of no rule: what a scheduled rotation of a key needs of the entry.
func (c *checker) generations(o *resource.Object) {
	if !has(o, "rotate") {
		return
	}
	if has(o, "passphrase") {
		c.field("", o, "passphrase", "every key of rotate%s would have this one; leave it out, and ONTAP makes one up for each", line(o, "rotate"))
	}
	t, tag := o.Value("rotate").Timing(), o.Value("key_tag").Str()
	if longest := resource.LongestTag(t); t.Schedule != "" && len(tag) > longest {
		c.field("", o, "key_tag", "has %d characters; the keys of rotate%s have their date behind it, so write at most %d", len(tag), line(o, "rotate"), longest)
	}
}

// passphrases is KM021, and what a scheduled rotation needs beside it.
func (c *checker) passphrases(o *resource.Object) {
	next, former := o.Value("onboard.passphrase").Secret(), o.Value(resource.Proof).Secret()
	if !former.IsZero() && former == next {
		c.field(KM021, o, resource.Proof, "is the reference of onboard.passphrase; keep the one in use until now under a name of its own")
	}
	if later := o.Value(resource.PassphraseNext).Secret(); !later.IsZero() && later == next {
		c.field(KM021, o, resource.PassphraseNext, "is the reference of onboard.passphrase; keep the next one under a name of its own")
	}
	if has(o, resource.RotatePassphrase) && !has(o, resource.PassphraseNext) {
		c.field("", o, resource.RotatePassphrase, "needs %s: it is what is put in place, and none is made up", resource.PassphraseNext)
	}
}

// credentials is KM007.
func (c *checker) credentials(s *resource.Object) {
	user, password := has(s, "username"), has(s, "password")
	switch {
	case user && !password:
		c.field(KM007, s, "username", "a username needs a password beside it")
	case password && !user:
		c.field(KM007, s, "password", "a password needs a username beside it")
	}
}

// secondaries is KM006. Primaries are those of the same key manager.
func (c *checker) secondaries(s *resource.Object, primaries map[string]*resource.Object) {
	const field = "secondary_key_servers"
	for n, secondary := range s.Value(field).Strings() {
		if secondary == host(s) {
			c.item(KM006, s, field, n, "the server is its own secondary; take it out")
		} else if p := primaries[secondary]; p != nil {
			c.item(KM006, s, field, n, "is a primary%s; a server is a primary or a secondary, not both", line(p, "server"))
		}
	}
}

// byHost returns the first server of each host.
func byHost(servers []*resource.Object) map[string]*resource.Object {
	hosts := make(map[string]*resource.Object, len(servers))
	for _, s := range servers {
		if hosts[host(s)] == nil {
			hosts[host(s)] = s
		}
	}
	return hosts
}

func host(s *resource.Object) string { return resource.HostOf(s.Value("server").Str()) }

// line says where a field, or else its object, stands.
func line(o *resource.Object, field string) string {
	at := o.Source
	if i := o.Kind.Index(field); i >= 0 {
		at = o.Place(i)
	}
	if at.Line == 0 {
		return ""
	}
	return fmt.Sprintf(" at line %d", at.Line)
}

// clusterPolicy is KM008.
func (c *checker) clusterPolicy(o *resource.Object) {
	if o.Kind == resource.External && o.Addr.SVM == "" && has(o, "policy") {
		c.field(KM008, o, "policy", "only the key manager of an SVM has a policy; name the svm, or leave it out")
	}
}

// oneInUse is KM012, of key managers. Users holds, by SVM, the object that was found to be in
// use before.
func (c *checker) oneInUse(o *resource.Object, users map[string]*resource.Object) {
	if o.Kind.Type == "" || !inUse(o) {
		return
	}
	first, ok := users[o.Addr.SVM]
	if !ok {
		users[o.Addr.SVM] = o
		return
	}
	switch {
	case mayTakeOver(o, first):
		users[o.Addr.SVM] = o
		return
	case mayTakeOver(first, o):
		return
	}
	field := ""
	if has(o, "enabled") {
		field = "enabled"
	}
	c.field(KM012, o, field, "%s uses the %s%s already; a scope has one key manager in use",
		cmp.Or(o.Addr.SVM, "the cluster"), first.Kind.Name, line(first, ""))
}

// inUse says whether an entry is in use as soon as it is created, or is to be put to use.
func inUse(o *resource.Object) bool {
	switch s := o.Kind.Store; {
	case s == nil || !has(o, "enabled"):
		return bornInUse(o)
	default:
		return o.Value("enabled").Bool()
	}
}

func bornInUse(o *resource.Object) bool {
	s := o.Kind.Store
	return s == nil || !s.Born && o.Addr.Name == ""
}

// mayTakeOver says whether next is to be put to use in place of first, an entry of a kind
// with a store that does not say whether it is in use.
func mayTakeOver(next, first *resource.Object) bool {
	return first.Kind.Store != nil && !has(first, "enabled") && next.Value("enabled").Bool()
}

// azureProof is KM013.
func (c *checker) azureProof(o *resource.Object) {
	secret, certificate := has(o, "client_secret"), has(o, "client_certificate")
	switch {
	case secret && certificate:
		c.field(KM013, o, "client_certificate", "client_secret%s is there too; write one of them", line(o, "client_secret"))
	case !secret && !certificate:
		c.field(KM013, o, "", "needs a client_secret or a client_certificate")
	}
}

// azureStore is KM014.
func (c *checker) azureStore(o *resource.Object) {
	if off := o.Value("enabled"); off.IsSet() && !off.Bool() && o.Addr.Name == "" && !has(o, "configuration.name") {
		c.field(KM014, o, "enabled", "a configuration without a name is created in use; give it a configuration.name, or leave enabled out")
	}
}

// azureHost is KM015.
func (c *checker) azureHost(o *resource.Object) {
	vault, key := authority(o.Value("name").Str()), authority(o.Value("key_id").Str())
	if vault != "" && key != "" && vault != key {
		c.field(KM015, o, "key_id", "is a key of another vault than name%s; correct one of them", line(o, "name"))
	}
}

// authority returns the host and port of an https URL in its one spelling.
func authority(url string) string {
	rest, _ := strings.CutPrefix(url, "https://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// gcpProof is KM016.
func (c *checker) gcpProof(o *resource.Object) {
	method := o.Value("authentication_method")
	if has(o, "authentication_method") && !method.IsSet() {
		return // which one was meant is not known
	}
	attached := method.Str() == "sa_credentials_attachment"
	if !attached && !has(o, "application_credentials") {
		c.field(KM016, o, "", "needs application_credentials, or authentication_method: sa_credentials_attachment")
	}
	if !attached && has(o, "gce_metadata_server") {
		c.field(KM016, o, "gce_metadata_server", "is used with authentication_method: sa_credentials_attachment alone; leave it out, or write that")
	}
}
