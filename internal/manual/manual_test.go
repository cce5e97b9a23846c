package manual

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/resource"
)

var update = flag.Bool("update", false, "write the generated documents anew")

// The documents are those of the tables, and the tables give the same twice.
func TestDocuments(t *testing.T) {
	for _, doc := range []struct {
		file     string
		generate func([]*resource.Kind) []byte
	}{
		{"../../docs/kinds.md", Kinds},
		{"../../docs/desired.schema.json", Schema},
	} {
		t.Run(filepath.Base(doc.file), func(t *testing.T) {
			want := doc.generate(resource.All())
			if again := doc.generate(resource.All()); !bytes.Equal(want, again) {
				t.Error("two runs give two documents")
			}
			if *update {
				if err := os.WriteFile(doc.file, want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(doc.file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(got), string(want)); diff != "" {
				t.Errorf("%s is stale; run with -update (-document +tables):\n%s", doc.file, diff)
			}
		})
	}
}

// Every field and every action of every kind that a file can reach has its row.
func TestKindsNamesEverything(t *testing.T) {
	text := string(Kinds(resource.All()))
	kinds := append(resource.All(), linked(resource.All())...)
	for _, k := range resource.All() {
		kinds = append(kinds, children(k)...)
	}
	for _, k := range kinds {
		_, rest, ok := strings.Cut(text, "\n## "+title(k)+"\n")
		if !ok {
			t.Errorf("no section for %s", title(k))
			continue
		}
		section, _, _ := strings.Cut(rest, "\n## ")
		rows := map[string]int{} // an action and the field that schedules it share a name
		for _, f := range k.Fields {
			rows[f.Name]++
		}
		for _, a := range k.Actions {
			rows[a.Name]++
		}
		for name, n := range rows {
			if got := strings.Count(section, "\n| `"+name+"` |"); got != n {
				t.Errorf("%s: %d rows for %s, want %d", title(k), got, name, n)
			}
		}
	}
}

// A table's rows have as many cells as its head, whatever the texts in them.
func TestKindsTables(t *testing.T) {
	bars := 0
	for line := range strings.Lines(string(Kinds(resource.All()))) {
		if !strings.HasPrefix(line, "|") {
			bars = 0
			continue
		}
		n := strings.Count(line, "|") - strings.Count(line, `\|`)
		if bars != 0 && n != bars {
			t.Errorf("%d bars in a table with %d: %s", n, bars, line)
		}
		bars = n
	}
}

func TestUse(t *testing.T) {
	for _, tc := range []struct {
		reason, want string
		field        resource.Field
	}{
		{"what no request carries is only read", "read",
			resource.Field{}},
		{"an expensive field is read when it is named", "read on request",
			resource.Field{Flags: resource.Advanced}},
		{"a release may have made a field changeable", "create, change from 9.11.1, read",
			resource.Field{Flags: resource.Create | resource.Patch, PatchSince: resource.Version{Generation: 9, Major: 11, Minor: 1}}},
		{"an action changes what PATCH cannot", "create, rekey_external, read",
			resource.Field{Flags: resource.Create, Via: "rekey_external"}},
		{"the action may have come later than the field", "create, rekey_external from 9.18, read",
			resource.Field{Flags: resource.Create, Via: "rekey_external", PatchSince: resource.Version{Generation: 9, Major: 18}}},
		{"ONTAP never returns a secret", "create, change",
			resource.Field{Type: resource.Secret, Flags: resource.Create | resource.Patch}},
		{"how to make a change is no state that could be read", "change",
			resource.Field{Flags: resource.Patch | resource.Modifier}},
		{"key-stores switch between configurations", "key-stores, read",
			resource.Field{Flags: resource.Switch}},
	} {
		if got := use(&tc.field); got != tc.want {
			t.Errorf("%s: use = %q, want %q", tc.reason, got, tc.want)
		}
	}
}

func TestValues(t *testing.T) {
	for _, tc := range []struct {
		reason, want string
		field        resource.Field
	}{
		{"nothing to say", "", resource.Field{}},
		{"words stand for a range", "`http`, `https`", resource.Field{Enum: []string{"http", "https"}, Max: 5}},
		{"an integer may be negative", "-1 to 60; default `25`",
			resource.Field{Type: resource.Integer, Min: -1, Max: 60, Default: resource.Int(25)}},
		{"a secret is not empty", "1 to 256 bytes", resource.Field{Type: resource.Secret, Max: 256}},
		{"false is a default too", "default `false`",
			resource.Field{Type: resource.Boolean, Default: resource.Bool(false)}},
		{"a list counts its members", "1 to 64 members; in any order",
			resource.Field{Type: resource.Links, Flags: resource.Unordered, Min: 1, Max: 64}},
	} {
		if got := values(&tc.field); got != tc.want {
			t.Errorf("%s: values = %q, want %q", tc.reason, got, tc.want)
		}
	}
}
