package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	for _, c := range []struct {
		in   string
		ok   bool
		why  string
		name string
	}{
		{"cred:prod-a", true, "a systemd credential", "prod-a"},
		{"file:/run/kmagent/token", true, "an absolute path", "/run/kmagent/token"},
		{"env:KMAGENT_TEST_1", true, "a variable", "KMAGENT_TEST_1"},
		{"hunter2", false, "a literal has no scheme", ""},
		{"pass:hunter2", false, "an unknown scheme is a literal with a colon", ""},
		{"file:relative", false, "what a relative path is relative to is nobody's guess", ""},
		{"cred:", false, "no name", ""},
		{"cred:../shadow", false, "a credential is one file name", ""},
		{"cred:..", false, "nor its parent", ""},
		{"cred:a b", false, "systemd refuses white space", ""},
		{"cred:" + strings.Repeat("a", 256), false, "longer than a file name", ""},
		{"env:1A", false, "a variable does not begin with a digit", ""},
		{"env:A-B", false, "nor has it a dash", ""},
		{"file:/a\nb", false, "control characters forge lines", ""},
		{"CRED:a", false, "schemes are lower case", ""},
		{"", false, "nothing", ""},
	} {
		r, err := ParseRef(c.in)
		if (err == nil) != c.ok {
			t.Errorf("ParseRef(%q) = %v, %v: %s", c.in, r, err, c.why)
			continue
		}
		if c.ok && (r.String() != c.in || r.Name() != c.name) {
			t.Errorf("ParseRef(%q) = %q named %q", c.in, r, r.Name())
		}
		if !c.ok && !errors.Is(err, ErrNotRef) {
			t.Errorf("ParseRef(%q): %v is not ErrNotRef", c.in, err)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"cred:a", "file:/a/../b", "env:A", "hunter2-canary", "cred:\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			if len(s) > 5 && strings.Contains(err.Error(), s) && !strings.Contains(ErrNotRef.Error(), s) {
				t.Errorf("the error repeats %q", s)
			}
			return
		}
		if r.String() != s {
			t.Errorf("ParseRef(%q).String() = %q", s, r)
		}
	})
}

// holder has its secret in an unexported field: there fmt does not ask the type's methods.
type holder struct {
	v   Value
	k   Key
	Pub Value
}

func TestValueCannotBePrinted(t *testing.T) {
	const canary = "canary-7f3a"
	v := New([]byte(canary))
	k, err := NewKey([]byte(strings.Repeat("canary-8", 4)))
	if err != nil {
		t.Fatal(err)
	}
	h := holder{v, k, v}
	var out strings.Builder
	for _, x := range []any{v, &v, k, h, &h, []Value{v}, map[string]holder{"a": h}, [1]any{h}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
		j, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
		log := slog.New(slog.NewTextHandler(&out, nil))
		log.Info("x", "v", x)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", x)
	}
	func() {
		defer func() { fmt.Fprint(&out, recover()) }()
		panic(h)
	}()
	for _, leak := range []string{canary, "canary-8", fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint([]byte(canary))} {
		if strings.Contains(out.String(), strings.Trim(leak, "[]")) {
			t.Errorf("a formatter printed %q", leak)
		}
	}
	if !bytes.Equal(v.Expose(), []byte(canary)) {
		t.Error("Expose does not give what New took")
	}
}

func TestDigest(t *testing.T) {
	key := func(b byte) Key {
		k, err := NewKey(bytes.Repeat([]byte{b}, KeySize))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	v := New([]byte("s"))
	base := Digest(key(1), v, "ab", "c")
	for _, c := range []struct{ got, why string }{
		{Digest(key(2), v, "ab", "c"), "another installation"},
		{Digest(key(1), v, "a", "bc"), "another place with the same letters"},
		{Digest(key(1), v, "ab"), "a shorter place"},
		{Digest(key(1), New([]byte("t")), "ab", "c"), "another secret"},
	} {
		if c.got == base {
			t.Errorf("equal digests for %s", c.why)
		}
	}
	if again := Digest(key(1), New([]byte("s")), "ab", "c"); again != base || len(base) != 32 {
		t.Errorf("digest %q, then %q", base, again)
	}
	if _, err := NewKey(nil); err == nil {
		t.Error("a short key was taken")
	}
}

// A key for one use is of no use for another.
func TestDerive(t *testing.T) {
	k, err := NewKey(bytes.Repeat([]byte{1}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewKey(bytes.Repeat([]byte{2}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("text")
	mac := MAC(k.Derive("a"), text)
	for _, c := range []struct{ got, why string }{
		{MAC(k, text), "the key itself"},
		{MAC(k.Derive("b"), text), "another label"},
		{MAC(other.Derive("a"), text), "another installation"},
		{MAC(k.Derive("a"), []byte("texu")), "another text"},
	} {
		if SameMAC(c.got, mac) {
			t.Errorf("equal for %s", c.why)
		}
	}
	if again := MAC(k.Derive("a"), []byte("text")); !SameMAC(again, mac) || len(mac) != 64 {
		t.Errorf("MAC %q, then %q", mac, again)
	}
}
