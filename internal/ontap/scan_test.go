package ontap

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestDepth(t *testing.T) {
	nest := func(n int, open, shut string) string { return strings.Repeat(open, n) + "1" + strings.Repeat(shut, n) }
	for _, c := range []struct {
		text string
		want error
		why  string
	}{
		{nest(maxDepth, "[", "]"), nil, "as deep as may be"},
		{nest(maxDepth+1, "[", "]"), errDeep, "one list too many"},
		{nest(maxDepth+1, `{"a":`, "}"), errDeep, "one object too many"},
		{strings.Repeat("[", 10_000_000), errDeep, "no stack overflow"},
		{"[" + strings.Repeat("[],", 1000) + "[]]", nil, "wide is not deep"},
	} {
		if got := checkJSON([]byte(c.text)); got != c.want {
			t.Errorf("%.20q…: %v, want %v: %s", c.text, got, c.want, c.why)
		}
	}
}

// The scanner takes what encoding/json takes, and nothing else, but for the depth.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		``, ` `, `{}`, `[]`, `null`, `nul`, `nullx`, `true false`, `"a"`, `"a`, `"\u00e9\n"`, `"\u12"`, `"\x"`, "\"\x01\"", `"\`,
		`0`, `-0`, `01`, `-`, `1.`, `1.5e+10`, `1e`, `.5`, `+1`, `{"a":1,}`, `{"a":1,"a":[1,{"b":null}]}`, `{a:1}`, `{"a" 1}`,
		`[1,]`, `[,1]`, `[1 2]`, "\ufeff{}", "{}\x00", "\x00", "[\xff]", "\"\xff\"", `{"a":1}}`, "\t\n\r [ ] ", `{"\u0061":1}`, "\v1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := checkJSON(text)
		if err == errDeep {
			return
		}
		if got, want := err == nil, json.Valid(text); got != want {
			t.Errorf("%q: valid %t, want %t", text, got, want)
		}
	})
}

func TestSafe(t *testing.T) {
	for _, c := range []struct{ in, want, why string }{
		{"entry doesn't exist", "entry doesn't exist", "plain words"},
		{"a\nb\x1b[31m\x00", `a\nb\x1b[31m\x00`, "no line and no colour of its own"},
		{"Schlüssel „x“", "Schlüssel „x“", "letters are letters"},
		{"a\u202eb", `a\u202eb`, "no change of direction"},
		{"a\xffb", "a\ufffdb", "not UTF-8"},
		{strings.Repeat("x", 1000), strings.Repeat("x", maxText-3) + "…", "cut"},
		{strings.Repeat("\x00", 1000), strings.Repeat(`\x00`, 63) + "…", "cut after escaping, not inside an escape"},
	} {
		if got := safe(c.in); got != c.want || len(got) > maxText {
			t.Errorf("safe(%q) = %q, want %q: %s", c.in, got, c.want, c.why)
		}
	}
}
