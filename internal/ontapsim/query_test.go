package ontapsim

import (
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// querySchema is a schema with a field of every type and use.
func querySchema() *node {
	return newSchema([]field{
		{name: "name", on: key},
		{name: "size", typ: integer, on: std},
		{name: "on", typ: boolean, on: std},
		{name: "at", typ: moment, on: std},
		{name: "part.a", on: std},
		{name: "part.b", on: std},
		{name: "part.slow.x", on: exp},
		{name: "part.slow.y", on: exp},
		{name: "part.label", on: named},
		{name: "outer.part.a", on: std},
		{name: "outer.part.label", on: named},
		{name: "list[].server", on: std},
		{name: "list[].port", typ: integer, on: std},
		{name: "password", typ: secret, on: post},
	}, newest)
}

func TestFields(t *testing.T) {
	cases := []struct {
		why, fields string
		collection  bool
		want        string
	}{
		{"a collection shows identities", "", true, "name"},
		{"an instance shows what is standard", "", false, "name size on at part.a part.b outer.part.a list.server list.port"},
		{"a star is that too", "*", true, "name size on at part.a part.b outer.part.a list.server list.port"},
		{"two stars are everything", "**", true, "name size on at part.a part.b part.slow.x part.slow.y part.label outer.part.a outer.part.label list.server list.port"},
		{"identities are always there", "size", true, "name size"},
		{"a group is its standard fields, and those that must be named in it", "part", true, "name part.a part.b part.label"},
		{"a group around it is not", "outer", true, "name outer.part.a"},
		{"an expensive group is itself", "part.slow", true, "name part.slow.x part.slow.y"},
		{"one expensive field", "part.slow.y", true, "name part.slow.y"},
		{"a field that must be named", "part.label", true, "name part.label"},
		{"braces", "part.{a,slow.{x,y}},size", true, "name size part.a part.slow.x part.slow.y"},
		{"exclusion", "*,!part", true, "name size on at outer.part.a list.server list.port"},
		{"exclusion with braces", "**,!part.{a,slow}", true, "name size on at part.b part.label outer.part.a outer.part.label list.server list.port"},
		{"exclusion alone", "!part", true, "name size on at outer.part.a list.server list.port"},
		{"identities cannot be excluded", "size,!name", true, "name size"},
		{"through an array", "list.port", true, "name list.port"},
		{"unknown", "colour", true, "error 262197"},
		{"unknown inside", "part.c", true, "error 262197"},
		{"write-only", "password", true, "error 262249"},
		{"an opening brace", "part.{a", true, "error 262286"},
		{"a closing brace", "part.a}", true, "error 262286"},
		{"a brace in the middle", "part.{a}b", true, "error 262286"},
	}
	for _, c := range cases {
		schema := querySchema()
		got := ""
		terms, err := parseFields(c.fields)
		var s selection
		if err == nil {
			s, err = schema.choose(terms, c.collection, false)
		}
		if err != nil {
			got = "error " + err.code
		} else {
			var names []string
			schema.leaves(func(n *node) {
				if s.nodes[n] {
					names = append(names, n.path)
				}
			})
			got = strings.Join(names, " ")
		}
		if got != c.want {
			t.Errorf("%s: fields=%s\n got %s\nwant %s", c.why, c.fields, got, c.want)
		}
	}
}

func TestFilters(t *testing.T) {
	records := []object{
		{{"name", "alpha"}, {"size", int64(5)}, {"on", true}, {"at", "2030-01-01T00:00:00+00:00"}, {"list", []any{object{{"server", "a"}, {"port", int64(1)}}, object{{"server", "b"}, {"port", int64(2)}}}}},
		{{"name", "beta*"}, {"size", int64(30)}, {"on", false}, {"at", "2031-01-01T01:00:00+01:00"}, {"list", []any{object{{"server", "b"}, {"port", int64(1)}}}}},
		{{"name", "a|b"}},
	}
	cases := []struct{ why, name, value, want string }{
		{"exact", "name", "alpha", "alpha"},
		{"exact means all of it", "name", "alph", ""},
		{"a prefix", "name", "a*", "alpha a|b"},
		{"in the middle", "name", "*et*", "beta*"},
		{"several stars", "name", "*l*h*", "alpha"},
		{"a quoted star", "name", `"beta*"`, "beta*"},
		{"a bar in braces", "name", "{a|b}", "a|b"},
		{"any of a list", "name", "alpha|beta*", "alpha beta*"},
		{"none of a list", "name", "!alpha|beta*", "a|b"},
		{"not", "name", "!alpha", "beta* a|b"},
		{"not with a star", "name", "!a*", "beta*"},
		{"greater", "size", ">5", "beta*"},
		{"at least", "size", ">=5", "alpha beta*"},
		{"less: an unset field never matches", "size", "<30", "alpha"},
		{"at most", "size", "<=30", "alpha beta*"},
		{"numbers are compared as numbers", "size", "<6", "alpha"},
		{"a range", "size", "5..29", "alpha"},
		{"unset", "size", "null", "a|b"},
		{"set", "size", "!null", "alpha beta*"},
		{"the word null in quotes", "name", `"null"`, ""},
		{"a boolean", "on", "true", "alpha"},
		{"a boolean as Python writes it", "on", "False", "beta*"},
		{"a time is compared as such", "at", "2031-01-01T00:00:00Z", "beta*"},
		{"before a time", "at", "<2030-06-01T00:00:00Z", "alpha"},
		{"any element of an array", "list.server", "b", "alpha beta*"},
		{"no element of an array", "list.server", "!a", "beta* a|b"},
	}
	schema := querySchema()
	for _, c := range cases {
		f, err := schema.newFilter(c.name, c.value)
		if err != nil {
			t.Errorf("%s: %s=%s: %s", c.why, c.name, c.value, err.message)
			continue
		}
		var names []string
		for _, r := range records {
			if f.accepts(r) {
				name, _ := r.text("name")
				names = append(names, name)
			}
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %s=%s: got %q, want %q", c.why, c.name, c.value, got, c.want)
		}
	}
}

func TestUnmatchedArrayElementsAreTrimmed(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.external("", "ks1")
	_, got := k.text("GET", m[:len(managersPath)]+"?fields=status.code&external.servers.connectivity.node_states.node.name=node2&return_unmatched_nested_array_objects=false", "")
	if strings.Contains(got, "node1") || !strings.Contains(got, "node2") {
		t.Errorf("got %s, want node2 alone", got)
	}
}

func TestSearchAcrossFields(t *testing.T) {
	k := newCaller(t, Config{SVMs: []string{"red", "green", "blue"}})
	o := k.must("GET", "/api/svm/svms?query=*re*&query_fields=name,state&order_by=name", "")
	list, _ := o.list("records")
	var names []string
	for _, v := range list {
		name, _ := v.(object).text("name")
		names = append(names, name)
	}
	if diff := gocmp.Diff([]string{"green", "red"}, names); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// literal writes a value so that nothing in it is special.
func literal(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			i = len(s)
		}
		if i == 0 {
			b.WriteString(`{"}`)
			i = 1
		} else {
			b.WriteString(`"` + s[:i] + `"`)
		}
		s = s[i:]
	}
	return b.String()
}

// A filter of an exact value selects exactly the records that have it, whatever the value.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"", "a", "a*b", "!x", "a|b", "null", "<5", "1..2", `"`, `{}`, `a"b{c}|*`, "!"} {
		f.Add(s, "a")
	}
	schema := querySchema()
	f.Fuzz(func(t *testing.T, value, other string) {
		exact, err := schema.newFilter("name", literal(value))
		if err != nil {
			t.Fatalf("%q is refused: %s", value, err.message)
		}
		for _, have := range []string{value, other} {
			if got := exact.accepts(object{{"name", have}}); got != (have == value) {
				t.Errorf("the filter for %q selects %q: %v", value, have, got)
			}
		}
		for _, name := range []string{"name", "size", "on", "at", "list.server"} {
			raw, err := schema.newFilter(name, value)
			if err != nil {
				continue
			}
			record := object{{"name", other}, {"size", int64(3)}, {"on", true}}
			plain, _ := schema.newFilter(name, "!"+value)
			if !strings.HasPrefix(value, "!") && raw.accepts(record) == plain.accepts(record) {
				t.Errorf("%s=%q and its negation agree on %q", name, value, other)
			}
		}
	})
}

// Whatever `fields` asks for, the answer has the identities, nothing that can only be
// written, and nothing twice over.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"", "*", "**", "part.{a,slow.{x}}", "!part", "a{", "}", "part.{{a}}", ",,", "password"} {
		f.Add(s)
	}
	schema := querySchema()
	full := object{
		{"name", "n"}, {"size", int64(1)}, {"password", "p"},
		{"part", object{{"a", "1"}, {"slow", object{{"x", "2"}}}}},
		{"list", []any{object{{"server", "s"}}}},
	}
	f.Fuzz(func(t *testing.T, s string) {
		terms, err := parseFields(s)
		if err != nil {
			return
		}
		if slices.ContainsFunc(terms, func(x term) bool { return strings.ContainsAny(x.name, "{},") }) {
			t.Errorf("fields=%q leaves braces or commas in %v", s, terms)
		}
		chosen, err := schema.choose(terms, true, false)
		if err != nil {
			return
		}
		o := chosen.project(schema, full)
		if !o.has("name") || o.has("password") {
			t.Errorf("fields=%q gives %s", s, appendJSON(nil, o))
		}
		again := chosen.project(schema, o)
		if diff := gocmp.Diff(string(appendJSON(nil, o)), string(appendJSON(nil, again))); diff != "" {
			t.Errorf("fields=%q: selecting twice differs:\n%s", s, diff)
		}
	})
}

// What decodeJSON reads, appendJSON writes so that it reads the same.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2.5,"x\n",null,true]}`, `{"a.b":1,"a":{"c":2}}`, `{"a":1,"a":2}`, `[`, "\"\u2028\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := decodeJSON([]byte(s))
		if err != nil {
			return
		}
		text := appendJSON(nil, v)
		again, err := decodeJSON(text)
		if err != nil {
			t.Fatalf("%s was written as %s, which does not read: %v", s, text, err)
		}
		if string(appendJSON(nil, again)) != string(text) {
			t.Errorf("%s changes: %s", text, appendJSON(nil, again))
		}
		if o, ok := v.(object); ok {
			if wide, err := expand(o); err == nil {
				twice, err := expand(wide)
				if err != nil || string(appendJSON(nil, twice)) != string(appendJSON(nil, wide)) {
					t.Errorf("expanding %s twice differs (%v)", text, err)
				}
			}
		}
	})
}
