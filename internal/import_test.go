package internal_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rule is one arrow that must not be drawn. Direct rules are about what the package itself
// names; the others about everything that comes with what it imports. Those on os and
// log/slog can only be direct: fmt imports os, and the mask of a secret knows slog.
type rule struct {
	pkg    string   // below kmagent/
	not    []string // import paths; a last /... stands for everything below; "ours" for all of this module
	but    []string // exceptions among ours
	direct bool
	why    string
}

var rules = []rule{
	{pkg: "internal/secret", not: []string{"ours", "net"}, why: "what holds secrets sends nothing and knows nobody"},
	{pkg: "internal/secret", not: []string{"os"}, direct: true, why: "what holds secrets reads nothing"},

	{pkg: "internal/resource", not: []string{"net/http", "gopkg.in/yaml.v3", "github.com/prometheus/..."}, why: "a kind is a table: how it is read, sent or counted is for those who walk it"},
	{pkg: "internal/resource", not: []string{"os", "log/slog"}, direct: true, why: "a table reads nothing and tells nobody"},
	{pkg: "internal/resource", not: []string{"ours"}, but: []string{"internal/secret", "internal/schedule"}, why: "the words that everything else is said in depend on nothing but those for secrets and for schedules"},

	{pkg: "internal/schedule", not: []string{"ours", "net", "os/exec"}, why: "when something is due follows from a line, a zone and a time alone"},
	{pkg: "internal/schedule", not: []string{"os", "log/slog"}, direct: true, why: "a decision about slots reads nothing and tells nobody"},

	{pkg: "internal/desired", not: []string{"net/http", "kmagent/internal/ontap", "kmagent/internal/diff"}, why: "whether a file is right does not depend on a cluster"},

	{pkg: "internal/plan", not: []string{"kmagent/internal/desired", "kmagent/internal/diff", "kmagent/internal/apply", "kmagent/internal/ontap"}, why: "a plan is data: it does not know who made it, or who carries it out"},
	{pkg: "internal/plan", not: []string{"os"}, direct: true, why: "a plan is written to what it is given"},

	{pkg: "internal/diff", not: []string{"net", "net/http", "github.com/prometheus/...", "kmagent/internal/ontap", "kmagent/internal/apply", "kmagent/internal/live"}, why: "a decision must be repeatable without a cluster"},
	{pkg: "internal/diff", not: []string{"os", "log/slog"}, direct: true, why: "a decision reads nothing and tells nobody: it returns a plan"},

	{pkg: "internal/backup", not: []string{"ours", "net/http"}, but: []string{"internal/plan", "internal/resource", "internal/schedule", "internal/secret", "internal/disk", "internal/crashpoint"}, why: "what saves a backup knows neither the cluster's kinds nor how it is reached"},

	{pkg: "internal/live", not: []string{"kmagent/internal/ontap", "kmagent/internal/apply", "kmagent/internal/diff", "kmagent/internal/desired"}, why: "what reads a cluster holds nothing that writes"},

	{pkg: "internal/apply", not: []string{"kmagent/internal/desired", "kmagent/internal/diff", "kmagent/internal/live", "github.com/prometheus/..."}, why: "what carries a plan out does not decide"},

	{pkg: "internal/ontap", not: []string{"ours"}, but: []string{"internal/crashpoint"}, why: "a client of the API knows no kinds"},
	{pkg: "internal/resolve", not: []string{"ours"}, but: []string{"internal/secret"}, why: "what opens secrets does not know what they are for"},
	{pkg: "internal/state", not: []string{"ours"}, but: []string{"internal/plan", "internal/resource", "internal/schedule", "internal/secret", "internal/disk", "internal/crashpoint"}, why: "what is remembered is plain data"},
	{pkg: "internal/audit", not: []string{"ours", "net/http"}, but: []string{"internal/disk", "internal/crashpoint"}, why: "who did what is words on a disk: it must be readable when nothing else works"},
	{pkg: "internal/disk", not: []string{"ours", "net/http"}, but: []string{"internal/crashpoint"}, why: "a directory does not know what is kept in it"},
	{pkg: "internal/crashpoint", not: []string{"ours", "fmt", "net/http"}, why: "it is nothing at all in the program as it is shipped"},
	{pkg: "internal/watch", not: []string{"ours"}, why: "that a file changed does not depend on what is in it"},

	{pkg: "internal/manual", not: []string{"ours", "net/http"}, but: []string{"internal/resource", "internal/rules", "internal/schedule", "internal/secret"}, why: "the manual is made of the tables, or it would tell something else than they do"},

	{pkg: "internal/dump", not: []string{"net/http", "github.com/prometheus/...", "kmagent/internal/ontap", "kmagent/internal/live", "kmagent/internal/apply", "kmagent/internal/diff", "kmagent/internal/resolve"}, why: "what a file says of a cluster depends on what was seen of it alone"},
	{pkg: "internal/dump", not: []string{"os", "log/slog", "gopkg.in/yaml.v3"}, direct: true, why: "it writes text, and what reads files judges it"},

	{pkg: "internal/rules", not: []string{"ours", "net/http"}, but: []string{"internal/resource", "internal/schedule", "internal/secret"}, why: "a rule of the catalogue says what is wrong with a file, whatever cluster it is for"},

	{pkg: "internal/metrics", not: []string{"kmagent/internal/agent", "kmagent/internal/apply", "kmagent/internal/diff", "kmagent/internal/desired", "kmagent/internal/ontap"}, why: "what counts is told; it does not take part"},

	{pkg: "internal/status", not: []string{"ours", "net/http", "github.com/prometheus/..."}, but: []string{"internal/plan", "internal/resource", "internal/schedule", "internal/secret"}, why: "what is known is told to it; it asks nobody, and serves nothing"},
	{pkg: "internal/status", not: []string{"os", "log/slog"}, direct: true, why: "it writes to what it is given"},

	{pkg: "internal/agent", not: []string{"net/http", "os", "github.com/prometheus/...", "kmagent/internal/ontap", "kmagent/internal/live", "kmagent/internal/apply", "kmagent/internal/state", "kmagent/internal/watch", "kmagent/internal/resolve", "kmagent/internal/metrics"}, direct: true, why: "a loop meets the world as interfaces"},

	{pkg: "internal/gen", not: []string{"ours"}, but: []string{"internal/resource", "internal/schedule", "internal/secret", "internal/rules", "internal/plan", "internal/desired", "internal/diff"}, why: "what draws situations knows decisions, and neither who reads nor who sends"},

	{pkg: "internal/ontapsim", not: []string{"ours"}, why: "the simulator checks the tables, so it must not be made of them"},
	{pkg: "cmd/ontapsim", not: []string{"ours"}, but: []string{"internal/ontapsim"}, why: "the simulator is a program of its own"},
}

// A pkg is what go list says of a package of this module.
type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string // without those of tests
	Deps       []string
	GoFiles    []string
}

const module = "kmagent/"

// packages lists the packages of this module by path below it.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,Deps,GoFiles", module+"...")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	out := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

func (r rule) forbids(path string) bool {
	if own, ours := strings.CutPrefix(path, module); ours && slices.Contains(r.not, "ours") {
		return !slices.Contains(r.but, own)
	}
	for _, n := range r.not {
		if prefix, below := strings.CutSuffix(n, "/..."); path == n || below && strings.HasPrefix(path, prefix+"/") {
			return true
		}
	}
	return false
}

func TestImports(t *testing.T) {
	all := packages(t)
	ruled := map[string]bool{}
	for _, r := range rules {
		p, ok := all[r.pkg]
		if !ok {
			t.Errorf("%s does not exist, and has a rule", r.pkg)
			continue
		}
		ruled[r.pkg] = true
		paths := p.Deps
		if r.direct {
			paths = p.Imports
		}
		for _, path := range paths {
			if r.forbids(path) {
				t.Errorf("%s imports %s: %s", r.pkg, path, r.why)
			}
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "internal/") && !ruled[name] {
			t.Errorf("%s has no rule: what must it never import?", name)
		}
	}
}

// The simulator is for tests, for users' CI and for measuring; nothing that manages a
// cluster may have it inside.
func TestSimulatorStaysOutside(t *testing.T) {
	const sim = module + "internal/ontapsim"
	for name, p := range packages(t) {
		if name == "cmd/ontapsim" || name == "bench" || strings.HasPrefix(name, "bench/") || name == "internal/ontapsim" {
			continue
		}
		if slices.Contains(p.Deps, sim) {
			t.Errorf("%s imports the simulator", name)
		}
	}
}

// What draws situations is for tests: nothing else may have it inside, nor what it draws with.
func TestGeneratorsStayOutside(t *testing.T) {
	for name, p := range packages(t) {
		for _, path := range []string{module + "internal/gen", "pgregory.net/rapid"} {
			if name != "internal/gen" && slices.Contains(p.Deps, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// A ban is a selector that no file outside tests may have, in the directories below in, or
// everywhere.
type ban struct{ x, sel, in, why string }

var bans = []ban{
	{"http", "DefaultClient", "", "a client that follows redirects, has no deadline and is shared by everybody"},
	{"http", "DefaultTransport", "", "TLS and proxies of one cluster must not reach another"},
	{"http", "Get", "", "it uses the default client"},
	{"http", "Post", "", "it uses the default client"},
	{"slog", "Default", "", "a log is passed in"},
	{"time", "Now", "internal/diff", "a decision is given its time"},
	{"time", "Since", "internal/diff", "a decision is given its time"},
	{"time", "Until", "internal/diff", "a decision is given its time"},
	{"time", "Now", "internal/status", "every age counts from the time of the report"},
	{"time", "Since", "internal/status", "every age counts from the time of the report"},
	{"time", "Until", "internal/status", "every age counts from the time of the report"},
	{"time", "Now", "internal/schedule", "a decision is given its time"},
	{"time", "Since", "internal/schedule", "a decision is given its time"},
	{"time", "Until", "internal/schedule", "a decision is given its time"},
}

func TestBans(t *testing.T) {
	for name, p := range packages(t) {
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if errors.Is(err, fs.ErrNotExist) {
				continue // it went away since it was listed
			}
			if err != nil {
				t.Fatal(err)
			}
			at := func(n ast.Node) string { return name + "/" + file + ":" + set.Position(n.Pos()).String()[len(path)+1:] }
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					x, _ := n.X.(*ast.Ident)
					for _, b := range bans {
						if x != nil && x.Name == b.x && n.Sel.Name == b.sel && strings.HasPrefix(name, b.in) {
							t.Errorf("%s: %s.%s: %s", at(n), b.x, b.sel, b.why)
						}
					}
				case *ast.Ident:
					if n.Name == "InsecureSkipVerify" {
						t.Errorf("%s: InsecureSkipVerify: a certificate is always checked", at(n))
					}
				case *ast.FuncDecl:
					if n.Name.Name == "init" && n.Recv == nil {
						t.Errorf("%s: func init: what a program does begins in main", at(n))
					}
				}
				return true
			})
		}
	}
}

// What the documents name is there.
func TestDocumentsNameFiles(t *testing.T) {
	name := regexp.MustCompile("`((?:internal|cmd|docs|examples|systemd|tools)/[A-Za-z0-9_./-]+)`|\\]\\(([a-zA-Z][A-Za-z0-9_./-]*)\\)")
	for _, doc := range []string{"../ARCHITECTURE.md", "../README.md"} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join("..", m[1]+m[2])); err != nil {
				t.Errorf("%s names %s: %v", doc, m[1]+m[2], err)
			}
		}
	}
}
