package desired

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: faults or a state, never both or neither; a state is the same with other line
// ends; faults and warnings are in order, on one line each, and have a place.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"good", "bad"} {
		for _, text := range testdata(f, dir) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		state, err := Parse("f", text)
		if (state == nil) == (err == nil) {
			t.Fatalf("Parse = %v, %v", state, err)
		}
		if err != nil {
			checkFaults(t, err)
			return
		}
		checkFaults(t, state.Warnings)
		unix := bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		dos, err := Parse("f", bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")))
		if err != nil {
			if !strings.Contains(err.Error(), "the limit is") { // CRs make it longer
				t.Fatalf("with CRLF: %v", err)
			}
			return
		}
		if got, want := dump(dos), dump(state); got != want {
			t.Errorf("with CRLF:\n%s\nwith LF:\n%s", got, want)
		}
	})
}

func checkFaults(t *testing.T, err error) {
	t.Helper()
	faults, ok := err.(Faults)
	if !ok {
		t.Fatalf("the error is a %T", err)
	}
	for i, fault := range faults {
		if fault.Pos.Line < 1 || fault.Pos.Col < 1 || fault.Message == "" {
			t.Errorf("a fault without place or message: %+v", fault)
		}
		if i > 0 && comparePos(faults[i-1].Pos, fault.Pos) > 0 {
			t.Errorf("%v stands before %v", faults[i-1], fault)
		}
		if text := fault.Error(); !utf8.ValidString(text) || !printable(text) {
			t.Errorf("a fault that cannot be printed: %q", text)
		}
	}
}

// FuzzSecret: what stands in the place of a secret, or under auth, is in no fault, however
// it is written.
func FuzzSecret(f *testing.F) {
	for _, s := range []string{"hunter2-hunter2", "cred:hunter2 2", "env:HUNTER2-", "file:hunter2", "https://u:p@hunter2", "12345678901", "yes: hunter2", "*hunter2", "!!hunter2"} {
		f.Add(s)
	}
	templates := []string{
		around("    key_managers: [{external: {servers: [{server: a, username: b, password: SECRET}]}}]"),
		around("    key_managers: [{external: {servers: [{server: a, password: {SECRET: SECRET}}]}}]"),
		around("    key_managers: [{external: {servers: [{server: a, password: [SECRET, SECRET]}]}}]"),
		"defaults: {auth: SECRET}",
		"defaults: {auth: {basic: SECRET}}",
		"defaults: {auth: {SECRET: x, SECRET: y}}",
		"defaults: {auth: {basic: {SECRET: SECRET}, bearer: {token: [SECRET]}}}",
		"defaults: {auth: {basic: {username: {SECRET: x}, password: SECRET}}}",
		"defaults: {auth: {certificate: {cert_file: SECRET, key_file: SECRET}}}",
	}
	own := ownWords()
	innocent := make([]string, len(templates))
	for i, text := range templates {
		innocent[i] = faultsWith(text, `"x"`) + own
	}
	f.Fuzz(func(t *testing.T, canary string) {
		if len(canary) < 6 || !utf8.ValidString(canary) {
			return // a short one is in our own words by chance
		}
		for i, text := range templates {
			for _, spelling := range []string{strconv.Quote(canary), "'" + strings.ReplaceAll(canary, "'", "''") + "'"} {
				got := faultsWith(text, spelling)
				if strings.Count(got, canary) > strings.Count(innocent[i], canary) {
					t.Errorf("a fault repeats %q:\n%s", canary, got)
				}
			}
		}
	})
}

// faultsWith returns the faults of a template with a secret in its places, or "".
func faultsWith(template, secret string) string {
	if _, err := Parse("f", []byte(strings.ReplaceAll(template, "SECRET", secret))); err != nil {
		return err.Error()
	}
	return ""
}

// ownWords returns the messages that depend on the form of a secret.
func ownWords() string {
	var b strings.Builder
	for _, c := range complaints {
		b.WriteString(c.remedy + "\n")
	}
	for _, text := range []string{`"\n"`, `""`, `!x y`, `"`, "'a' b", "\x00"} {
		b.WriteString(faultsWith("defaults: {auth: {basic: {username: SECRET, password: SECRET}}}", text) + "\n")
	}
	return b.String()
}
