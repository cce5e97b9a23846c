package gen

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"kmagent/internal/desired"
	"kmagent/internal/resource"
)

// A File is what a desired-state file says of one cluster.
type File struct {
	Name     string
	Settings map[string]any // interval, policy and so on
	Entries  []*Entry
}

// An Entry is one of the file. Fields has dotted names and values as JSON knows them.
type Entry struct {
	Kind   *resource.Kind
	SVM    string
	Absent bool
	Fields map[string]any
}

// SVMs are those of every cluster that is drawn.
func SVMs() []string { return []string{"vs1", "vs2", "vs3"} }

// Servers are the key servers of which files and clusters have some.
func Servers() []string {
	return []string{"ks1:5696", "ks2:5696", "ks3:5696", "ks4:5696", "ks5:5696", "ks6:5696"}
}

// Text is a file of those clusters. JSON is YAML.
func Text(files ...*File) []byte {
	clusters := make([]any, len(files))
	for i, f := range files {
		c := map[string]any{"name": f.Name, "endpoint": "https://" + f.Name,
			"auth": map[string]any{"basic": map[string]any{"username": "admin", "password": "cred:login"}}}
		maps.Copy(c, f.Settings)
		for _, e := range f.Entries {
			if e.Kind.Singleton {
				c[e.Kind.Section] = e.document()
				continue
			}
			list, _ := c[e.Kind.Section].([]any)
			c[e.Kind.Section] = append(list, e.document())
		}
		clusters[i] = c
	}
	text, err := json.MarshalIndent(map[string]any{"version": 1, "clusters": clusters}, "", " ")
	if err != nil {
		panic(err) // every value in it can be written
	}
	return text
}

func (e *Entry) document() map[string]any {
	out := maps.Clone(e.Fields)
	if e.SVM != "" {
		out["svm"] = e.SVM
	}
	if e.Absent {
		out["state"] = "absent"
	}
	if s := e.Kind.Selector; s != "" && !slices.ContainsFunc(slices.Collect(maps.Keys(out)), func(k string) bool { return strings.HasPrefix(k, s+".") }) {
		out[s] = map[string]any{}
	}
	return out
}

// Spec is the cluster that the file declares. A file that is not valid is a mistake of the
// generators.
func (f *File) Spec(t Fataler) desired.Cluster {
	s, err := desired.Parse("f", Text(f))
	if err != nil {
		t.Fatalf("a file was drawn that is not valid: %v\n%s", err, Text(f))
	}
	return s.Clusters[0]
}

// A Fataler ends a test; a *testing.T is one, and so is a *rapid.T.
type Fataler interface {
	Fatalf(format string, args ...any)
}

// Clone is a file whose entries may be changed.
func (f *File) Clone() *File {
	out := &File{Name: f.Name, Settings: maps.Clone(f.Settings)}
	for _, e := range f.Entries {
		next := *e
		next.Fields = maps.Clone(e.Fields)
		out.Entries = append(out.Entries, &next)
	}
	return out
}

// NewFile draws what a file says of a cluster: in each scope nothing, a key manager of some
// kind or several configurations of one, here and there what is to be gone.
func NewFile(t *rapid.T, name string) *File {
	f := &File{Name: name, Settings: map[string]any{}}
	f.Entries = append(f.Entries, scope(t, "")...)
	for _, svm := range SVMs() {
		f.Entries = append(f.Entries, scope(t, svm)...)
	}
	for _, tag := range []string{"tag1", "tag2", "tag3"} {
		if often(t, tag, 20) {
			f.Entries = append(f.Entries, named(t, resource.AuthKey, "", "key_tag", tag))
		}
	}
	if often(t, "options", 30) {
		f.Entries = append(f.Entries, Filled(t, &Entry{Kind: resource.Config}))
	}
	return f
}

// scope draws the entries of one scope.
func scope(t *rapid.T, svm string) []*Entry {
	kinds := []*resource.Kind{nil, resource.External, resource.External, resource.Azure, resource.AWS, resource.GCP, resource.Barbican}
	if svm == "" {
		kinds = []*resource.Kind{nil, resource.External, resource.External, resource.Onboard, resource.Azure}
	}
	k := one(t, "kind of "+svm, kinds...)
	switch {
	case k == nil:
		return nil
	case k.Identity == "":
		return []*Entry{dead(t, Filled(t, &Entry{Kind: k, SVM: svm}))}
	}
	return stores(t, k, svm)
}

// stores draws configurations of a kind of which a scope may have several; one of them at
// most is in use.
func stores(t *rapid.T, k *resource.Kind, svm string) []*Entry {
	var out []*Entry
	used := false
	if k == resource.Azure && often(t, "default", 80) {
		e := dead(t, Filled(t, &Entry{Kind: k, SVM: svm}))
		delete(e.Fields, "enabled")
		out = append(out, e)
	}
	for _, name := range []string{"two", "three"} {
		if !often(t, name, 40) {
			continue
		}
		e := named(t, k, svm, k.Identity, name)
		if !e.Absent {
			switch one(t, "enabled", "", "off", "on") {
			case "":
				delete(e.Fields, "enabled")
			case "off":
				e.Fields["enabled"] = false
			case "on":
				e.Fields["enabled"] = !used
				used = true
			}
		}
		out = append(out, e)
	}
	return out
}

func named(t *rapid.T, k *resource.Kind, svm, field, name string) *Entry {
	e := dead(t, Filled(t, &Entry{Kind: k, SVM: svm, Fields: map[string]any{field: name}}))
	e.Fields[field] = name
	return e
}

// dead makes some entries ones that are to be gone.
func dead(t *rapid.T, e *Entry) *Entry {
	if often(t, "absent", 15) {
		return e.Gone()
	}
	return e
}

// Gone is the entry that says that the same object is to be gone.
func (e *Entry) Gone() *Entry {
	out := &Entry{Kind: e.Kind, SVM: e.SVM, Absent: true, Fields: map[string]any{}}
	if id := e.Kind.Identity; e.Fields[id] != nil {
		out.Fields[id] = e.Fields[id]
	}
	return out
}

// Filled draws anew the fields of an entry, but for the one that says which it is.
func Filled(t *rapid.T, e *Entry) *Entry {
	out := &Entry{Kind: e.Kind, SVM: e.SVM, Fields: map[string]any{}}
	k := e.Kind
	for i := range k.Fields {
		f := &k.Fields[i]
		switch {
		case f.Name == k.Identity:
			if e.Fields[f.Name] != nil {
				out.Fields[f.Name] = e.Fields[f.Name]
			}
		case f.ReadOnly() || f.Flags.Has(resource.Switch) || scheduled(f):
		case f.Flags.Has(resource.Required) || often(t, f.Name, 25):
			out.Fields[f.Name] = value(t, f)
		}
	}
	agree(t, out)
	return out
}

// agree makes the fields of an entry go together as the rules of the catalogue have it.
func agree(t *rapid.T, e *Entry) {
	f := e.Fields
	switch e.Kind {
	case resource.External:
		if e.SVM == "" {
			delete(f, "policy")
		}
	case resource.Azure:
		vault := one(t, "vault", "https://v1.example.net", "https://v2.example.net")
		f["name"], f["key_id"] = vault, vault+"/keys/k/"+one(t, "version", "1", "2", "3")
		proof := one(t, "proof", "client_secret", "client_secret", "client_certificate")
		delete(f, "client_secret")
		delete(f, "client_certificate")
		f[proof] = reference(t)
	case resource.Onboard:
		if f[resource.Proof] == f["onboard.passphrase"] {
			delete(f, resource.Proof)
		}
	case resource.GCP:
		if f["authentication_method"] != "sa_credentials_attachment" {
			delete(f, "gce_metadata_server")
			f["application_credentials"] = reference(t)
		}
	}
}

// value draws what a field may hold.
func value(t *rapid.T, f *resource.Field) any {
	switch {
	case f.Type == resource.Boolean:
		return rapid.Bool().Draw(t, f.Name)
	case f.Type == resource.Integer:
		return one(t, f.Name, f.Min, f.Max, (f.Min+f.Max)/2)
	case f.Type == resource.Secret:
		return reference(t)
	case f.Type == resource.Link:
		return one(t, f.Name, "client1", "client2")
	case f.Type == resource.Links:
		return subset(t, f.Name, 1, "ca1", "ca2", "ca3")
	case f.Type == resource.Children:
		return servers(t, 1)
	case f.Type == resource.Strings:
		return subset(t, f.Name, 0, "sec1", "sec2", "sec3")
	case len(f.Enum) > 0:
		return one(t, f.Name, f.Enum...)
	case f.Norm != nil && !strings.HasSuffix(f.Name, "key_name"):
		return one(t, f.Name, "https://a.example.net/x", "https://b.example.net:8443/y/z")
	default:
		return one(t, f.Name, "a", "b.example.net", "c")
	}
}

// reference draws a reference to a secret.
func reference(t *rapid.T) string { return one(t, "secret", "cred:s1", "cred:s2", "cred:s3") }

// subset draws at least so many members, in any order.
func subset(t *rapid.T, label string, least int, of ...string) []any {
	all := rapid.Permutation(of).Draw(t, label)
	out := []any{}
	for _, s := range all[:rapid.IntRange(least, len(of)).Draw(t, label)] {
		out = append(out, s)
	}
	return out
}

// servers draws a list of key servers.
func servers(t *rapid.T, least int) []any {
	names := rapid.Permutation(Servers()).Draw(t, "servers")[:rapid.IntRange(least, 4).Draw(t, "servers")]
	out := make([]any, len(names))
	for i, n := range names {
		out[i] = server(t, n)
	}
	return out
}

// server draws what a file says of a key server.
func server(t *rapid.T, name string) map[string]any {
	s := map[string]any{"server": name}
	for i := range resource.KeyServer.Fields {
		f := &resource.KeyServer.Fields[i]
		if !f.ReadOnly() && f.Name != "server" && f.With == "" && often(t, f.Name, 12) {
			s[f.Name] = value(t, f)
		}
	}
	if often(t, "user", 12) {
		s["username"], s["password"] = one(t, "user", "u1", "u2"), reference(t)
	}
	return s
}

// Edited draws a file that differs from f here and there: entries are changed, gone, marked
// as gone, of another kind, or have come.
func Edited(t *rapid.T, f *File) *File {
	out := &File{Name: f.Name, Settings: f.Settings}
	taken := map[string]bool{}
	for _, e := range f.Entries {
		taken[e.SVM] = taken[e.SVM] || e.Kind.Type != "" || e.Kind == resource.Barbican
		if next := edited(t, e); next != nil {
			out.Entries = append(out.Entries, next)
		}
	}
	for _, svm := range append([]string{""}, SVMs()...) {
		if !taken[svm] && often(t, "new in "+svm, 20) {
			out.Entries = append(out.Entries, scope(t, svm)...)
		}
	}
	return out
}

// edited draws what becomes of one entry; nil: it is not in the file any more.
func edited(t *rapid.T, e *Entry) *Entry {
	switch one(t, "edit", "keep", "keep", "keep", "field", "field", "anew", "drop", "gone", "back") {
	case "field":
		return e.Changed(t)
	case "anew":
		if !e.Absent {
			return e.keepSwitch(Filled(t, e))
		}
	case "drop":
		return nil
	case "gone":
		if !e.Kind.Singleton {
			return e.Gone()
		}
	case "back":
		if e.Absent {
			next := Filled(t, e)
			if e.Fields[e.Kind.Identity] != nil && e.Kind.Store != nil {
				next.Fields["enabled"] = false
			}
			return next
		}
	}
	return e
}

// keepSwitch lets the entry that takes the place of e say the same of what is in use: a scope
// has one in use.
func (e *Entry) keepSwitch(next *Entry) *Entry {
	delete(next.Fields, "enabled")
	if v, ok := e.Fields["enabled"]; ok {
		next.Fields["enabled"] = v
	}
	return next
}

// Changed draws an entry with one field that is drawn anew.
func (e *Entry) Changed(t *rapid.T) *Entry {
	if e.Absent {
		return e
	}
	out := &Entry{Kind: e.Kind, SVM: e.SVM, Fields: maps.Clone(e.Fields)}
	i := upTo(t, "field", len(e.Kind.Fields)-1)
	f := &e.Kind.Fields[i]
	if f.ReadOnly() || f.Name == e.Kind.Identity || f.Flags.Has(resource.Switch) || scheduled(f) {
		return out
	}
	out.Fields[f.Name] = value(t, f)
	if e.Kind != resource.Azure {
		agree(t, out)
		return out
	}
	vault := fmt.Sprint(e.Fields["name"])
	agree(t, out)
	if f.Name != "name" {
		out.Fields["name"], out.Fields["key_id"] = vault, vault+"/keys/k/"+one(t, "version", "1", "2", "3")
	}
	return out
}

// scheduled says whether a field is about a schedule: those have tests of their own.
func scheduled(f *resource.Field) bool {
	return f.Type == resource.Timed || f.Flags.Has(resource.Next)
}
