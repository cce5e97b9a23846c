package internal_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Every guard of package plan, and the test that fails without it.
var guarded = map[string]struct{ pkg, test string }{
	"order":        {"rules", "TestPlan"},
	"reachability": {"rules", "TestPlan"},
	"floor":        {"diff", "TestCompute"},
	"max_deletes":  {"rules", "TestPlan"},
	"window":       {"diff", "TestScheduledExternal"},
	"flap":         {"diff", "TestFlap"},
	"version":      {"rules", "TestPlan"},
	"nodes":        {"rules", "TestPlan"},
	"immutable":    {"rules", "TestPlan"},
	"missing":      {"rules", "TestPlan"},
	"secret":       {"diff", "TestSecrets"},
	"mode":         {"agent", "TestObserve"},
	"source":       {"agent", "TestBrokenSource"},
	"state":        {"agent", "TestDamagedJournal"},
	"unsettled":    {"diff", "TestUnknownBlocksItsScope"},
	"key_store":    {"rules", "TestPlan"},
	"passphrase":   {"rules", "TestPlan"},
	"keys":         {"rules", "TestPlan"},
	"paused":       {"diff", "TestStanding"},
	"shrink":       {"agent", "TestJudged"},
	"ambiguous":    {"diff", "TestAuthKeys"},
	"identity":     {"agent", "TestIdentity"},
	"stale":        {"apply", "TestStale"},
	"recorded":     {"apply", "TestJournalFails"},
	"whole_path":   {"apply", "TestNoEmptySegment"},
}

// guards lists the words of package plan's guards, as its source has them.
func guards(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("plan", "plan.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Guard" {
			return true
		}
		word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if word != "" {
			out = append(out, word)
		}
		return true
	})
	return out
}

// A guard that could be left out without a test failing is not there for long. Each is
// switched off, one at a time, in a build of the tests that can do that.
func TestGuardsAreMissed(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: every guard is switched off once, which takes a while")
	}
	words := guards(t)
	if len(words) != len(guarded) {
		t.Errorf("%d guards, and %d of them have a test that fails without", len(words), len(guarded))
	}
	dir := t.TempDir()
	built := map[string]string{}
	for _, word := range words {
		g, ok := guarded[word]
		if !ok {
			t.Errorf("no test fails without the guard %s", word)
			continue
		}
		if built[g.pkg] == "" {
			built[g.pkg] = filepath.Join(dir, g.pkg+".test")
			if out, err := exec.Command("go", "test", "-c", "-tags", "guardoff", "-o", built[g.pkg], "./"+g.pkg).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		t.Run(word, func(t *testing.T) {
			if out, err := run(g.pkg, built[g.pkg], g.test, ""); err != nil {
				t.Fatalf("%s fails with every guard in place: %v\n%s", g.test, err, out)
			}
			out, err := run(g.pkg, built[g.pkg], g.test, word)
			if err == nil || !bytes.Contains(out, []byte("--- FAIL: "+g.test)) {
				t.Errorf("without the guard %s %s passes: %v\n%s", word, g.test, err, out)
			}
		})
	}
}

func run(pkg, binary, test, off string) ([]byte, error) {
	cmd := exec.Command(binary, "-test.run", "^"+test+"$")
	cmd.Dir = pkg
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KMAGENT_GUARD_OFF=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "KMAGENT_GUARD_OFF="+off)
	return cmd.CombinedOutput()
}
