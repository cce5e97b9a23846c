package desired

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/resource"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGood(t *testing.T) {
	for name, text := range testdata(t, "good") {
		t.Run(name, func(t *testing.T) {
			state, err := Parse(name, text)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata/good", strings.TrimSuffix(name, ".yaml")+".golden"), dump(state))
		})
	}
}

func TestBad(t *testing.T) {
	for name, text := range testdata(t, "bad") {
		t.Run(name, func(t *testing.T) {
			state, err := Parse(name, text)
			if err == nil || state != nil {
				t.Fatalf("Parse = %v, %v; want nil and faults", state, err)
			}
			if strings.Contains(err.Error(), "hunter") {
				t.Errorf("a fault repeats a secret:\n%v", err)
			}
			golden(t, filepath.Join("testdata/bad", strings.TrimSuffix(name, ".yaml")+".golden"), err.Error()+"\n")
		})
	}
}

// testdata returns the files of a directory by name.
func testdata(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatal("no files in testdata/"+dir, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = text
	}
	return files
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// dump writes a state with the places of everything in it.
func dump(s *State) string {
	var b strings.Builder
	for _, c := range s.Clusters {
		fmt.Fprintf(&b, "cluster %s (%s)\n", c.Name, c.Source)
		fmt.Fprintf(&b, "  endpoint=%s uuid=%s tls=%+v\n", c.Endpoint, c.UUID, c.TLS)
		fmt.Fprintf(&b, "  auth=%T%+v mode=%s policy=%+v interval=%s health=%s\n", c.Auth, c.Auth, c.Mode, c.Policy, c.Interval, c.HealthInterval)
		for _, o := range c.Objects {
			dumpObject(&b, "  ", o)
		}
	}
	return b.String()
}

func dumpObject(b *strings.Builder, indent string, o *resource.Object) {
	fmt.Fprintf(b, "%s%s absent=%t (%s)\n", indent, o.Addr, o.Absent, o.Source)
	for i, f := range o.Kind.Fields {
		if v := o.Values[i]; v.IsSet() {
			text := v.Text()
			if f.Type == resource.Secret {
				text = v.Secret().String()
			}
			fmt.Fprintf(b, "%s  %s = %q (%s)\n", indent, f.Name, text, o.Place(i))
		}
	}
	for _, c := range o.Children {
		dumpObject(b, indent+"    ", c)
	}
}
