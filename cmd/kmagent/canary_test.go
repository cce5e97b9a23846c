package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A canary is a secret that must be found nowhere.
type canary struct{ name, text string }

// shortest is the length below which a form says nothing: it may stand anywhere by chance.
const shortest = 12

// forms are the spellings in which a secret, or a line of one, could be found in what somebody
// wrote: as it is, escaped, or encoded with whatever stands around it.
func (c canary) forms() map[string]string {
	forms := map[string]string{}
	parts := append([]string{c.text}, strings.FieldsFunc(c.text, func(r rune) bool { return r == '\n' || r == '\x00' })...)
	for i, part := range parts {
		for how, form := range spellings(part) {
			if len(form) >= shortest {
				forms[fmt.Sprintf("part %d, %s", i, how)] = form
			}
		}
	}
	return forms
}

func spellings(s string) map[string]string {
	quoted, _ := json.Marshal(s)
	goQuoted := strconv.Quote(s)
	out := map[string]string{
		"raw": s, "hex": hex.EncodeToString([]byte(s)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(s))),
		"JSON": string(quoted[1 : len(quoted)-1]), "Go": goQuoted[1 : len(goQuoted)-1], "ASCII": strings.Trim(strconv.QuoteToASCII(s), `"`),
		"query": url.QueryEscape(s), "path": url.PathEscape(s), "bytes": strings.Trim(fmt.Sprint([]byte(s)), "[]"),
	}
	for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for before := range 3 {
			// Only those digits count that are made of nothing but the secret.
			text := enc.EncodeToString(append(make([]byte, before), s...))
			first, last := (before*8+5)/6, (before+len(s))*8/6
			out[fmt.Sprintf("%s after %d", name, before)] = text[first:last]
		}
	}
	return out
}

// A hunt looks for canaries in all that a program says and writes.
type hunt struct {
	t     *testing.T
	forms map[string]string // by what it is a form of
	seen  int               // bytes that were looked through
}

func newHunt(t *testing.T, canaries ...canary) *hunt {
	h := &hunt{t: t, forms: map[string]string{}}
	h.add(canaries...)
	return h
}

func (h *hunt) add(canaries ...canary) {
	for _, c := range canaries {
		for how, form := range c.forms() {
			h.forms[c.name+", "+how] = form
		}
	}
}

// find returns what of a text is a canary.
func (h *hunt) find(text string) []string {
	h.seen += len(text)
	var found []string
	for name, form := range h.forms {
		if strings.Contains(text, form) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// in wants no canary in a text.
func (h *hunt) in(where, text string) {
	h.t.Helper()
	if found := h.find(text); len(found) > 0 {
		h.t.Errorf("%s has secrets in it: %s", where, strings.Join(found, "; "))
	}
}

// below wants no canary in any file of a directory, nor in its name, but for the files that
// hold the secrets themselves.
func (h *hunt) below(dir string, but ...string) {
	h.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		h.in("the name "+path, path)
		if slices.Contains(but, path) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		h.in(path, string(text))
		return err
	})
	if err != nil {
		h.t.Error(err)
	}
}

// A hunt that finds nothing is worth something only if it would find.
func TestHunt(t *testing.T) {
	secret := "Tr0ub4dor & \"3\" <ünicode>\n-----second line of it-----"
	h := newHunt(t, canary{"c", secret})
	quoted, _ := json.Marshal(map[string]string{"x": secret})
	for how, text := range map[string]string{
		"raw": "a" + secret + "b", "JSON": string(quoted), "Go": fmt.Sprintf("%q", secret), "hex": fmt.Sprintf("%x", secret), "HEX": fmt.Sprintf("%X", secret),
		"query": "https://x/?p=" + url.QueryEscape(secret), "path": url.PathEscape(secret), "bytes": fmt.Sprint([]byte("a" + secret)),
		"base64 0": base64.StdEncoding.EncodeToString([]byte(secret + "x")), "base64 1": base64.StdEncoding.EncodeToString([]byte("x" + secret)),
		"base64 2": base64.URLEncoding.EncodeToString([]byte("xy" + secret)), "basic": base64.StdEncoding.EncodeToString([]byte("admin:" + secret)),
		"one line": "-----second line of it-----",
	} {
		if len(h.find(text)) == 0 {
			t.Errorf("not found: %s", how)
		}
	}
	if found := h.find("nothing of the sort"); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}

// A fixture writes a file of the installation.
func (c installation) fixture(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(os.Expand(text, c.sim.variable)), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// says runs a command that must end with a code, and returns all that it says.
func (c installation) says(code int, args ...string) string {
	c.t.Helper()
	cmd := c.command(args...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("kmagent %s exits %d, want %d:\n%s", strings.Join(args, " "), got, code, out)
	}
	return string(out)
}

// A background is a kmagent run of an installation under way, and its log.
type background struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     string // the file
	address string
}

// serve starts the service with its log in a file of the installation, and waits until it
// serves metrics.
func (c installation) serve(args ...string) *background {
	c.t.Helper()
	s := &background{t: c.t, cmd: c.command(append([]string{"run", "--web.listen-address", "127.0.0.1:0"}, args...)...), log: filepath.Join(c.dir, "service.log")}
	log, err := os.Create(s.log)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { s.cmd.Process.Kill() })
	s.until("it listens", func() bool {
		m := listening.FindStringSubmatch(s.said())
		if m != nil {
			s.address = m[1]
		}
		return m != nil
	})
	return s
}

func (s *background) said() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// get returns what the service answers, with its headers.
func (s *background) get(path string) string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.address + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint(resp.Header) + "\n" + string(text)
}

func (s *background) until(what string, f func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("never: %s\n%s", what, s.said())
		}
	}
}

// stop ends the service as systemd does.
func (s *background) stop() {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("run: %v\n%s", err, s.said())
	}
}

// jsonText is a text as JSON has it; what is no UTF-8 does not come through.
func jsonText(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}
