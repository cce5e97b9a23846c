package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

// plans has every sort of step, note and failure, and text that means harm.
func plans(t *testing.T) []plan.Plan {
	ref, err := secret.ParseRef("cred:ks1")
	if err != nil {
		t.Fatal(err)
	}
	at := func(line int) resource.Pos { return resource.Pos{File: "desired.yaml", Line: line, Col: 9} }
	server := func(name string) resource.Addr {
		return resource.Addr{Cluster: "prod-a", Kind: "key_server", SVM: "vs_db", Name: name}
	}
	manager := resource.Addr{Cluster: "prod-a", Kind: "key_manager"}
	return []plan.Plan{
		{Cluster: "prod-a", Steps: []plan.Step{
			{Op: plan.Create, Addr: manager, Source: at(3),
				Changes:  []plan.Change{{Field: "external.servers", New: resource.StrList([]string{"ks1:5696", "ks2:5696"})}},
				Requests: []plan.Request{{Method: "POST", Path: "/api/security/key-managers", Body: map[string]any{"x": ref}}}},
			{Op: plan.Update, Addr: server("ks1:5696"), Source: at(7),
				Changes: []plan.Change{
					{Field: "timeout", Old: resource.Int(25), New: resource.Int(30)},
					{Field: "username", Old: resource.Str("a|b*<i>\x1b[31m\u202e"), New: resource.Str("")},
					{Field: "password", Old: resource.SecretRef(ref), New: resource.SecretRef(ref)},
				},
				Requests: []plan.Request{{Method: "PATCH", Path: "/api/security/key-managers/u/key-servers/ks1%3A5696"}}},
			{Op: plan.Update, Status: plan.Refused, Guard: plan.Immutable, Addr: manager, Source: at(4), Reason: "policy cannot be changed in place: delete it",
				Changes: []plan.Change{{Field: "policy", Old: resource.Str("a"), New: resource.Str("b")}}},
			{Op: plan.Delete, Status: plan.Held, Guard: plan.Reachability, Addr: server("ks9:5696"), Source: at(7), Reason: "ks1:5696 stays and is unknown on n2",
				Requests: []plan.Request{{Method: "DELETE", Path: "/api/never/shown"}}},
			{Op: plan.Delete, Addr: server("ks8:5696"), Source: at(7),
				Requests: []plan.Request{{Method: "DELETE", Path: "/api/security/key-managers/u/key-servers/ks8%3A5696"}}},
		}, Notes: []plan.Note{
			{Addr: server("ks1:5696"), Source: at(9), Text: "password is taken to be current"},
			{Addr: manager, Source: at(4), Rule: "KM061", Text: "a switch | is on\x1b[2J", Loud: true},
		}},
		{Cluster: "prod-b", Err: errors.New("read the cluster: no answer\nforged line")},
		{Cluster: "prod-c"},
	}
}

func TestRender(t *testing.T) {
	for _, c := range []struct {
		golden string
		render func(*bytes.Buffer, []plan.Plan) error
	}{
		{"plans.txt", func(b *bytes.Buffer, p []plan.Plan) error { return plan.Text(b, p, false) }},
		{"plans.colour.txt", func(b *bytes.Buffer, p []plan.Plan) error { return plan.Text(b, p, true) }},
		{"plans.json", func(b *bytes.Buffer, p []plan.Plan) error { return plan.JSON(b, p) }},
		{"plans.md", func(b *bytes.Buffer, p []plan.Plan) error { return plan.Markdown(b, p) }},
	} {
		var got, again bytes.Buffer
		if err := c.render(&got, plans(t)); err != nil {
			t.Fatal(err)
		}
		if err := c.render(&again, plans(t)); err != nil || !bytes.Equal(got.Bytes(), again.Bytes()) {
			t.Errorf("%s: equal plans render differently (%v)", c.golden, err)
		}
		path := filepath.Join("testdata", c.golden)
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.golden, d)
		}
	}
}

// The contract of the JSON, as a script reads it.
func TestJSONContract(t *testing.T) {
	var b bytes.Buffer
	if err := plan.JSON(&b, plans(t)); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Version  int
		Clusters []struct {
			Name    string
			Summary map[string]int
			Steps   []struct {
				Op, Status, Address, Source string
				Changes                     []struct {
					Field    string
					Old, New any
				}
				Requests []struct{ Method, Path string }
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	a := doc.Clusters[0]
	if d := cmp.Diff(map[string]int{"create": 1, "update": 1, "delete": 1, "act": 0, "held": 1, "refused": 1}, a.Summary); doc.Version != 1 || d != "" {
		t.Errorf("version %d, summary (-want +got)\n%s", doc.Version, d)
	}
	if s := a.Steps[0]; s.Address != "prod-a/key_manager/@cluster" || s.Source != "desired.yaml:3:9" || s.Changes[0].Old != nil {
		t.Errorf("step %+v", s)
	}
	if s := a.Steps[1]; s.Changes[0].New != 30.0 || s.Changes[2].Old != "[secret]" || s.Changes[2].New != "[secret]" {
		t.Errorf("a number is a number and a secret is not told: %+v", s.Changes)
	}
	if s := a.Steps[3]; len(s.Requests) != 0 {
		t.Errorf("a held step lists requests that are not sent: %+v", s.Requests)
	}
	if doc.Clusters[2].Steps == nil || doc.Clusters[1].Steps == nil {
		t.Error("no steps are an empty list, not null")
	}
}

func TestManyNotesAreCut(t *testing.T) {
	p := plan.Plan{Cluster: "a"}
	for range 10_000 {
		p.Notes = append(p.Notes, plan.Note{Text: "is not in the file: left alone"})
	}
	var b bytes.Buffer
	if err := plan.Text(&b, []plan.Plan{p}, false); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 22 || !strings.Contains(b.String(), "and 9980 more notes") {
		t.Errorf("%d lines", n)
	}
}

// What is loud is told however much else there is.
func TestLoudNotesAreNotCut(t *testing.T) {
	p := plan.Plan{Cluster: "a"}
	for range 100 {
		p.Notes = append(p.Notes, plan.Note{Text: "is not in the file: left alone"})
	}
	p.Notes = append(p.Notes, plan.Note{Text: "data may go offline", Loud: true})
	for _, render := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return plan.Text(b, []plan.Plan{p}, false) },
		func(b *bytes.Buffer) error { return plan.Markdown(b, []plan.Plan{p}) },
	} {
		var b bytes.Buffer
		if err := render(&b); err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(b.String(), "left alone")
		if !strings.Contains(first, "WARNING: ") || !strings.Contains(b.String(), "and 80 more notes") {
			t.Errorf("not before everything else:\n%s", b.String())
		}
	}
}

func TestCounts(t *testing.T) {
	for _, c := range []struct {
		counts plan.Counts
		want   string
	}{
		{plan.Counts{}, "no changes"},
		{plan.Counts{Create: 1}, "1 to create"},
		{plan.Counts{Delete: 1, Create: 2, Update: 3, Act: 4, Held: 5, Refused: 6}, "1 to remove, 2 to create, 3 to change, 4 to run; 5 held, 6 refused"},
		{plan.Counts{Held: 2}, "nothing to send; 2 held"},
	} {
		if got := c.counts.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// Whatever a cluster sends, what is shown is one printable line of bounded length.
func FuzzSafe(f *testing.F) {
	for _, s := range []string{"", "plain", "a\nb", "\x1b[2J", "\xff\xfe", strings.Repeat("ü", 1300), "\u202egnp", "\u200b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := plan.Safe(s)
		if !utf8.ValidString(out) || strings.ContainsAny(out, "\n\r\x1b\u202e") || len(out) > 10*1024+3 {
			t.Errorf("Safe(%q) = %q", s, out)
		}
		if len(out) <= 1024 && plan.Safe(out) != out {
			t.Errorf("Safe is not idempotent on %q", s)
		}
	})
}
