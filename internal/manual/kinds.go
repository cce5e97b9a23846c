package manual

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"kmagent/internal/resource"
)

// intro has ' for ` and the oldest release that is managed as %s.
const intro = `# Kinds

<!-- Written from the tables by: go test ./internal/manual -update -->

What a desired-state file may say of each kind of object. Names, and what they mean, are those of
the ONTAP REST API. [desired.schema.json](desired.schema.json) says the same to editors.

A dotted name may be written nested, 'external: {servers: [...]}', or dotted, 'external.servers: [...]'.
A field that the file leaves out is neither compared nor sent. Any entry of a list under a cluster
may have 'state: absent': then the object is deleted, and nothing but what tells it from others is
needed.

**Required** is what an entry must have; *always* means with 'state: absent' too.

**Use** is what ONTAP does with a field. *create* takes it when the object is made, *change* changes
it in place, *read* returns it, and *read on request* returns it only when it is named, which costs the
cluster work. A word such as *rekey_external* is the action that changes what nothing else can;
*key-stores* is the path that puts another configuration to use. What can only be read is not
written in the file.

**Since** is the first ONTAP release that knows the field. kmagent manages ONTAP %s and newer.

A **secret** is a reference in the file: 'cred:NAME', 'file:/PATH' or 'env:NAME'. Its length is that of
the secret.
`

// Kinds returns the reference of these kinds, of what lives inside them and of what they
// name, in Markdown. Equal kinds give equal bytes.
func Kinds(kinds []*resource.Kind) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, strings.ReplaceAll(intro, "'", "`"), resource.Oldest)
	for _, k := range kinds {
		describe(&b, k, home(k))
		for _, child := range children(k) {
			describe(&b, child, "In the list of its `"+k.Name+"`")
		}
	}
	for _, k := range linked(kinds) {
		describe(&b, k, "Named in the file, not declared: kmagent reads it and does not change it")
	}
	return b.Bytes()
}

// home says where in the file entries of the kind stand.
func home(k *resource.Kind) string {
	s := "In the file under `" + k.Section + "`"
	if k.Singleton {
		s += ", which is a mapping and not a list"
	}
	if k.Selector != "" {
		s += ", as `" + k.Selector + "`"
	}
	return s
}

func describe(b *bytes.Buffer, k *resource.Kind, home string) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", title(k), k.Doc)
	fmt.Fprintf(b, "- %s.\n- Scope: %s.\n- ONTAP %s and newer: `/api/%s`.\n", home, scope(k.Scopes), k.Since, path(k))
	for _, fact := range facts(k) {
		fmt.Fprintf(b, "- %s\n", fact)
	}
	b.WriteString("\n| Field | Type | Required | Use | Since | Values | Meaning |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for i := range k.Fields {
		f := &k.Fields[i]
		row(b, "`"+f.Name+"`", typeOf(f), required(k, f), use(f), since(k, f.Since), values(f), meaning(f))
	}
	if len(k.Actions) == 0 {
		return
	}
	b.WriteString("\n| Action | Since | Sends | What it does |\n| --- | --- | --- | --- |\n")
	for _, a := range k.Actions {
		row(b, "`"+a.Name+"`", a.Since.String(), sends(a), a.Doc)
	}
}

// sends lists the fields of an action's body.
func sends(a resource.Action) string {
	names := make([]string, len(a.Body))
	for i, p := range a.Body {
		names[i] = cmp.Or(p.As, p.Field)
	}
	return code(names)
}

// path is where ONTAP has the kind: a child's stands below its parent's.
func path(k *resource.Kind) string {
	if k.Section == "" && !strings.Contains(k.Path, "/") {
		return "…/{uuid}/" + k.Path
	}
	return k.Collection()
}

func scope(s resource.Scopes) string {
	switch s {
	case resource.ClusterScope:
		return "the cluster"
	case resource.SVMScope:
		return "an SVM"
	default:
		return "the cluster or an SVM"
	}
}

// facts says what holds for the objects of a kind as a whole.
func facts(k *resource.Kind) []string {
	var r []string
	if k.Identity != "" {
		r = append(r, "`"+k.Identity+"` tells one from another in its scope.")
	}
	if k.Tagged {
		r = append(r, "ONTAP may have several with the same: then none is made or deleted.")
	}
	if k.Singleton {
		r = append(r, "A cluster always has exactly one: it is neither created nor deleted, and has no `state`.")
	}
	if k.Under != nil {
		r = append(r, "Lives in the `"+k.Under.Name+"` of type `"+k.Under.Type+"` of its scope, and is made once that is there.")
	}
	if k.NeedsAll {
		r = append(r, "One is made only while every `"+k.Under.Fields[k.Under.Children()].To.Name+"` of that is available on every node.")
	}
	if k.Limit > 0 {
		r = append(r, fmt.Sprintf("At most %d beside each other.", k.Limit))
	}
	if k.Guard == resource.Reachable {
		r = append(r, "One is removed only while those that stay are available on every node.")
	}
	if k.Store == nil {
		return r
	}
	if k.Store.Born {
		r = append(r, "A scope has one in use and may keep others in store. Every one is made in store and put to use by `enabled: true`.")
	}
	if since := k.Store.Inactive; !since.IsZero() {
		r = append(r, "From ONTAP "+since.String()+" a scope has one in use and may keep others in store, made with `enabled: false`.")
	}
	if k.Store.Unnamed != "" {
		r = append(r, "One that has no `"+k.Identity+"` is called `"+k.Store.Unnamed+"` by ONTAP.")
	}
	if k.Store.NoDelete {
		r = append(r, "Only one that is not in use can be deleted.")
	}
	return r
}

func typeOf(f *resource.Field) string {
	switch f.Type {
	case resource.String:
		return "text"
	case resource.Integer:
		return "integer"
	case resource.Boolean:
		return "boolean"
	case resource.Strings:
		return "list of texts"
	case resource.Secret:
		return "secret"
	case resource.Timed:
		return "schedule"
	case resource.Link:
		return named(f)
	case resource.Links:
		return "list, each a " + named(f)
	case resource.Children:
		return "list of `" + f.To.Name + "`"
	case resource.NodeStates:
		return "state for each node"
	case resource.Reachability:
		return "reachability"
	case resource.NodeReachability:
		return "reachability for each node"
	}
	panic("no word for the type of " + f.Name) // a mistake in the tables, which a test finds
}

// named is how the file names another object.
func named(f *resource.Field) string {
	return fmt.Sprintf("`%s` of type `%s`: its name, or `{uuid: …}`", f.To.Name, f.Where)
}

func required(k *resource.Kind, f *resource.Field) string {
	switch {
	case !f.Flags.Has(resource.Required):
		return ""
	case f.Name == k.Identity:
		return "always"
	default:
		return "yes"
	}
}

// use lists what ONTAP does with a field.
func use(f *resource.Field) string {
	var u []string
	if f.Flags.Has(resource.Create) {
		u = append(u, "create")
	}
	change := ""
	switch {
	case f.Flags.Has(resource.Patch):
		change = "change"
	case f.Via != "":
		change = f.Via
	case f.Flags.Has(resource.Switch):
		change = "key-stores"
	case f.Type == resource.Timed:
		return "kmagent: takes " + f.Runs
	}
	if change != "" && !f.PatchSince.IsZero() {
		change += " from " + f.PatchSince.String()
	}
	if change != "" {
		u = append(u, change)
	}
	switch {
	case f.Flags.Has(resource.Modifier), f.Type == resource.Secret:
	case f.Flags.Has(resource.Advanced):
		u = append(u, "read on request")
	default:
		u = append(u, "read")
	}
	return strings.Join(u, ", ")
}

// since is the release that brought a field; one without was there from the start.
func since(k *resource.Kind, v resource.Version) string {
	if v.IsZero() {
		v = k.Since
	}
	return v.String()
}

// values says which values a field takes, and which it has when nobody set it.
func values(f *resource.Field) string {
	var v []string
	if len(f.Enum) > 0 {
		v = append(v, code(f.Enum))
	} else if f.Min != 0 || f.Max != 0 {
		v = append(v, span(f))
	}
	if f.Flags.Has(resource.Unordered) {
		v = append(v, "in any order")
	}
	if f.Default.IsSet() {
		v = append(v, "default `"+f.Default.Text()+"`")
	}
	return strings.Join(v, "; ")
}

// span is the range of an integer or of a length, with its unit.
func span(f *resource.Field) string {
	unit := ""
	low := f.Min
	switch f.Type {
	case resource.Integer:
	case resource.String:
		unit = " characters"
	case resource.Secret:
		unit = " bytes"
		low = max(low, 1)
	default:
		unit = " members"
	}
	if low == 0 && f.Type != resource.Integer {
		return fmt.Sprintf("at most %d%s", f.Max, unit)
	}
	return fmt.Sprintf("%d to %d%s", low, f.Max, unit)
}

func meaning(f *resource.Field) string {
	s := f.Doc
	if f.With != "" {
		s += " Sent together with `" + f.With + "`."
	}
	if f.Needs != "" {
		s += " To turn it on, `" + f.Needs + "` is needed."
	}
	if f.Flags.Has(resource.Hazard) {
		s += " While it is on, plans warn of it."
	}
	if f.WayOut != "" {
		s += " Cannot be changed in place: " + f.WayOut + "."
	}
	return s
}

func code(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "`" + w + "`"
	}
	return strings.Join(quoted, ", ")
}

// row writes one row of a table. A bar would end its cell.
func row(b *bytes.Buffer, cells ...string) {
	for _, c := range cells {
		b.WriteString("| ")
		if c != "" {
			b.WriteString(strings.ReplaceAll(c, "|", `\|`) + " ")
		}
	}
	b.WriteString("|\n")
}
