package rules_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/rules"
)

var update = flag.Bool("update", false, "write the manual and the golden files anew")

// What stands between these lines of the manual is made from the catalogue.
const (
	manual      = "../../docs/rules.md"
	manualBegin = "<!-- rules: go test ./internal/rules -run TestManual -update -->\n"
	manualEnd   = "<!-- end of rules -->\n"
)

func TestManual(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), manualBegin)
	got, after, ended := strings.Cut(rest, manualEnd)
	if !begun || !ended {
		t.Fatalf("%s has no place for the rules: %q … %q", manual, manualBegin, manualEnd)
	}
	if *update {
		if err := os.WriteFile(manual, []byte(before+manualBegin+rules.Manual()+manualEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(got, rules.Manual()); diff != "" {
		t.Errorf("%s is stale; run with -update (-manual +code):\n%s", manual, diff)
	}
}

// The text of every rule, as kmagent explain prints it.
func TestText(t *testing.T) {
	const golden = "testdata/text.golden"
	var b strings.Builder
	for _, r := range rules.All() {
		b.WriteString(r.Text() + "\n")
	}
	got := b.String()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
	for line := range strings.Lines(got) {
		prose := !strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "KM")
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); prose && n > 88 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}
