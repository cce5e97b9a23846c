package dump

import (
	"net/url"
	"slices"
	"strings"

	"kmagent/internal/desired"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

// Sanitize returns the source with pseudonyms for every text that somebody chose: names of
// clusters, SVMs, certificates, users, vaults and keys, hosts, paths and UUIDs. A text has
// the same pseudonym wherever it stands, under one key; without the key nobody can find it
// by trying. Numbers, switches and ONTAP's own words stay, and so does the form: a URL is a
// URL, a server keeps its port. The key server and certificates of two clusters can be seen
// to be the same ones, if both were sanitized with one key.
func Sanitize(s Source, k secret.Key) Source {
	p := pseudonyms{k}
	return Source{Spec: p.settings(s.Spec), Have: p.cluster(s.Have), Unread: s.Unread, sanitized: true}
}

// Pseudonyms are made from what they stand for and a key.
type pseudonyms struct{ key secret.Key }

// digits are the hex digits of a pseudonym: enough that of a million names hardly two get
// one, and few enough for the shortest field.
const digits = 12

func (p pseudonyms) digest(s string) string {
	return secret.Digest(p.key, secret.New([]byte(s)), "pseudonym")
}

// name returns the pseudonym of a word. It is a label of a host name too.
func (p pseudonyms) name(s string) string {
	if s == "" {
		return ""
	}
	return "name-" + p.digest(s)[:digits]
}

func (p pseudonyms) uuid(s string) string {
	if s == "" {
		return ""
	}
	d := p.digest(strings.ToLower(s))
	return strings.Join([]string{d[:8], d[8:12], d[12:16], d[16:20], d[20:32]}, "-")
}

// text returns the pseudonym of a text by its form: a UUID, a URL, a host that is more than
// one word, or else a word.
func (p pseudonyms) text(s string) string {
	switch {
	case s == "":
		return ""
	case uuidForm.MatchString(strings.ToLower(s)):
		return p.uuid(s)
	case strings.HasPrefix(strings.ToLower(s), "https://"):
		return p.url(s)
	case strings.ContainsAny(s, ".:"):
		return p.server(s)
	default:
		return p.name(s)
	}
}

// server keeps the port of a host. Two spellings of a host have one pseudonym.
func (p pseudonyms) server(s string) string {
	norm, err := resource.NormServer(s)
	if err != nil {
		return p.name(s)
	}
	host := p.name(resource.HostOf(norm))
	if _, err := resource.NormSecondary(s); err == nil {
		return host // it has no port
	}
	return host + norm[strings.LastIndexByte(norm, ':'):]
}

// structure are the segments of paths that the services' own APIs have.
var structure = []string{"", "keys", "secrets", "v1", "v2.0", "v3"}

// url keeps the form of an address; user, query and fragment are dropped.
func (p pseudonyms) url(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return p.name(s)
	}
	segments := strings.Split(u.EscapedPath(), "/")
	for i, seg := range segments {
		if !slices.Contains(structure, seg) {
			segments[i] = p.name(seg)
		}
	}
	return "https://" + p.text(u.Host) + strings.Join(segments, "/")
}

// settings returns how the cluster is reached, with references to fill in.
func (p pseudonyms) settings(c desired.Cluster) desired.Cluster {
	out := desired.Cluster{
		Name: p.name(c.Name), Endpoint: p.url(c.Endpoint), UUID: p.uuid(c.UUID),
		Interval: c.Interval, HealthInterval: c.HealthInterval, Mode: c.Mode, Policy: c.Policy,
	}
	own := func(path, suffix string) string {
		if path == "" {
			return ""
		}
		return "/etc/kmagent/" + out.Name + suffix
	}
	out.TLS = desired.TLS{CAFile: own(c.TLS.CAFile, ".pem"), ServerName: p.text(c.TLS.ServerName)}
	ref, _ := secret.ParseRef("cred:" + fillMe + "_" + out.Name)
	switch a := c.Auth.(type) {
	case desired.Basic:
		out.Auth = desired.Basic{Username: p.name(a.Username), Password: ref}
	case desired.Bearer:
		out.Auth = desired.Bearer{Token: ref}
	case desired.Certificate:
		out.Auth = desired.Certificate{CertFile: own(a.CertFile, ".crt"), KeyFile: own(a.KeyFile, ".key")}
	}
	return out
}

// cluster returns what of a cluster goes into a file.
func (p pseudonyms) cluster(c *resource.Cluster) *resource.Cluster {
	out := &resource.Cluster{
		Name: p.name(c.Name), UUID: p.uuid(c.UUID), Version: c.Version, At: c.At,
		Objects: make(map[resource.Addr]*resource.Object, len(c.Objects)),
	}
	for _, o := range c.Objects {
		n := p.object(o)
		out.Objects[n.Addr] = n
	}
	for _, o := range c.Links {
		n := p.object(o)
		n.Addr.Name = p.name(o.Addr.Name) // as those have it who name it
		out.Links = append(out.Links, n)
	}
	return out
}

func (p pseudonyms) object(o *resource.Object) *resource.Object {
	addr := resource.Addr{Cluster: p.name(o.Addr.Cluster), Kind: o.Addr.Kind, SVM: p.name(o.Addr.SVM), Name: p.text(o.Addr.Name)}
	n := resource.NewObject(o.Kind, addr)
	n.ID = p.uuid(o.ID)
	for _, id := range o.Twins {
		n.Twins = append(n.Twins, p.uuid(id))
	}
	for i := range o.Kind.Fields {
		n.Values[i] = p.value(o.Kind, &o.Kind.Fields[i], o.Values[i])
	}
	if i := o.Kind.Index(o.Kind.Identity); i >= 0 {
		n.Addr.Name = address(o.Kind, &o.Kind.Fields[i], n.Values[i].Str())
	}
	for _, c := range o.Children {
		n.Children = append(n.Children, p.object(c))
	}
	return n
}

// address is the name that an object of that identity has in addresses: in its one spelling,
// if it has one.
func address(k *resource.Kind, f *resource.Field, identity string) string {
	if f.Norm != nil {
		if norm, err := f.Norm(identity); err == nil {
			return norm
		}
	}
	return k.Named(identity)
}

// value keeps what is not text, and of texts ONTAP's own words: those of a closed list, and
// those that no file can hold.
func (p pseudonyms) value(k *resource.Kind, f *resource.Field, v resource.Value) resource.Value {
	switch {
	case !v.IsSet():
		return v
	case f.Type == resource.Links:
		out := make([]resource.LinkTo, len(v.Links()))
		for i, l := range v.Links() {
			out[i] = p.link(l)
		}
		return resource.LinkList(out)
	case f.Type == resource.Link:
		return resource.LinkValue(p.link(v.Link()))
	case f.ReadOnly(), len(f.Enum) > 0, f.Name == k.Identity && k.Named(v.Str()) == "":
		return v
	case f.Type == resource.String:
		return resource.Str(p.text(v.Str()))
	case f.Type == resource.Strings:
		out := make([]string, len(v.Strings()))
		for i, s := range v.Strings() {
			out[i] = p.text(s)
		}
		return resource.StrList(out)
	default:
		return v
	}
}

func (p pseudonyms) link(l resource.LinkTo) resource.LinkTo {
	return resource.LinkTo{Name: p.name(l.Name), UUID: p.uuid(l.UUID)}
}
