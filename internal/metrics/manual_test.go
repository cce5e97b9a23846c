package metrics

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What stands between these lines of the manual is made from the families.
const (
	manual      = "../../docs/metrics.md"
	manualBegin = "<!-- tables: go test ./internal/metrics -run TestManual -update -->\n"
	manualEnd   = "<!-- end of tables -->\n"
)

func tables() string {
	var b strings.Builder
	for _, g := range groups() {
		fmt.Fprintf(&b, "\n### %s\n\n| Name | Type | Labels | Help |\n| --- | --- | --- | --- |\n", g.title)
		for _, f := range g.families {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind, strings.Join(f.labels, ", "), f.help)
		}
	}
	return b.String() + "\n"
}

func TestManual(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), manualBegin)
	got, after, ended := strings.Cut(rest, manualEnd)
	if !begun || !ended {
		t.Fatalf("%s has no place for the tables: %q … %q", manual, manualBegin, manualEnd)
	}
	if *update {
		if err := os.WriteFile(manual, []byte(before+manualBegin+tables()+manualEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(got, tables()); diff != "" {
		t.Errorf("%s is stale; run with -update (-manual +code):\n%s", manual, diff)
	}
}

// Every metric that the manual talks of exists.
func TestManualNamesMetrics(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"kmagent_build_info": true}
	for _, g := range groups() {
		for _, f := range g.families {
			known[f.name] = true
		}
	}
	inName := func(r rune) bool { return r == '_' || 'a' <= r && r <= 'z' }
	for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return !inName(r) }) {
		if strings.HasPrefix(word, prefix) && !known[word] {
			t.Errorf("%s is no metric", word)
		}
	}
}
