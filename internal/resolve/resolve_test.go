package resolve

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kmagent/internal/secret"
)

// again marks a run of these tests that is inside one of them.
const again = "KMAGENT_TEST_UNPRIVILEGED"

const canary = "canary-4711"

func ref(t *testing.T, s string) secret.Ref {
	t.Helper()
	r, err := secret.ParseRef(s)
	if err != nil {
		t.Fatalf("ParseRef(%q): %v", s, err)
	}
	return r
}

func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // umask
		t.Fatal(err)
	}
	return path
}

// wantReason fails the test unless err is an [*Error] of that reason which names the
// reference and says nothing of the secret.
func wantReason(t *testing.T, err error, r secret.Ref, want Reason) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Reason != want || e.Ref != r {
		t.Errorf("%s: error %v, want reason %q", r, err, want)
		return
	}
	if strings.Contains(err.Error(), canary) || !strings.HasPrefix(err.Error(), r.String()+": ") {
		t.Errorf("%s: text %q", r, err)
	}
}

func TestContent(t *testing.T) {
	for _, c := range []struct{ content, want, why string }{
		{canary, canary, "as it is"},
		{canary + "\n", canary, "an editor ends a file with LF"},
		{canary + "\r\n", canary, "or with CRLF"},
		{canary + "\n\n", canary + "\n", "one is removed, the other may be meant"},
		{canary + "\r", canary + "\r", "a lone CR ends no line"},
		{canary + "\n\r", canary + "\n\r", "nor does this"},
		{" " + canary + "\t", " " + canary + "\t", "spaces are part of a passphrase"},
		{"\ufeff" + canary, "\ufeff" + canary, "so is a byte order mark"},
		{"a\x00b\xff", "a\x00b\xff", "a PKCS #12 bundle is bytes"},
		{strings.Repeat("x", maxSize), strings.Repeat("x", maxSize), "the largest"},
		{strings.Repeat("x", maxSize-1) + "\n", strings.Repeat("x", maxSize-1), "the largest with its LF"},
	} {
		dir := t.TempDir()
		rv := &Resolver{CredentialsDir: dir, Roots: []string{dir},
			Env: func(string) (string, bool) { return c.content, true }}
		write(t, filepath.Join(dir, "s"), c.content, 0o600)
		for _, s := range []string{"cred:s", "file:" + dir + "/s", "env:S"} {
			v, err := rv.Resolve(t.Context(), ref(t, s))
			if err != nil || !bytes.Equal(v.Expose(), []byte(c.want)) {
				t.Errorf("%s: %.40q, %v, want %.40q: %s", s, v.Expose(), err, c.want, c.why)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "secrets")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(top, "outside"), canary, 0o600)
	write(t, filepath.Join(top, "secrets-of-others"), canary, 0o600)
	write(t, filepath.Join(dir, "empty"), "", 0o600)
	write(t, filepath.Join(dir, "newline"), "\n", 0o600)
	write(t, filepath.Join(dir, "huge"), strings.Repeat("x", maxSize)+"\n", 0o600)
	write(t, filepath.Join(dir, "good"), canary, 0o600)
	write(t, filepath.Join(dir, "group"), canary, 0o640)
	write(t, filepath.Join(dir, "world"), canary, 0o604)
	for link, target := range map[string]string{
		"escape":     "../outside",
		"absolute":   filepath.Join(top, "outside"),
		"up":         "..",
		"inside":     "sub/../good",
		"dangling":   "nothing",
		"round":      "round",
		"to-world":   "world",
		"escape-far": "/etc/passwd",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	rv := &Resolver{CredentialsDir: dir, Roots: []string{dir}, Env: func(string) (string, bool) { return "", false }}
	for _, c := range []struct {
		ref  string
		want Reason
		why  string
	}{
		{"file:" + dir + "/none", Missing, "no such file"},
		{"cred:none", Missing, "no such credential"},
		{"env:NONE", Missing, "no such variable"},
		{"file:" + dir + "/dangling", Missing, "a link to nothing"},
		{"file:" + dir + "/round", Unreadable, "a link to itself"},
		{"file:" + dir + "/empty", Empty, "an empty file"},
		{"cred:newline", Empty, "nothing but its LF"},
		{"file:" + dir + "/huge", TooLarge, "a byte too many"},
		{"file:" + dir + "/sub", NotRegular, "a directory"},
		{"cred:sub", NotRegular, "a directory among the credentials"},
		{"file:" + dir + "/group", Exposed, "the group may read it"},
		{"file:" + dir + "/world", Exposed, "everybody may read it"},
		{"file:" + dir + "/to-world", Exposed, "the file counts, not the link"},
		{"file:" + dir, Outside, "the root itself"},
		{"file:" + dir + "/", Outside, "the root, with a slash"},
		{"file:/", Outside, "the root of all"},
		{"file:/etc/passwd", Outside, "a file of somebody else's"},
		{"file:" + top + "/outside", Outside, "beside the root"},
		{"file:" + top + "/secrets-of-others", Outside, "the root is a prefix of its name only"},
		{"file:" + dir + "/../outside", Outside, "out by dots"},
		{"file:" + dir + "/sub/../good", Outside, "dots that come back"},
		{"file:" + dir + "//good", Outside, "an empty segment"},
		{"file:" + dir + "/escape", Outside, "a link out"},
		{"file:" + dir + "/absolute", Outside, "an absolute link out"},
		{"file:" + dir + "/escape-far", Outside, "an absolute link far out"},
		{"file:" + dir + "/up/outside", Outside, "a link in the middle of the path"},
		{"cred:escape", Outside, "a credential that is a link out"},
	} {
		r := ref(t, c.ref)
		_, err := rv.Resolve(t.Context(), r)
		if err == nil {
			t.Errorf("%s was opened: %s", c.ref, c.why)
			continue
		}
		wantReason(t, err, r, c.want)
	}
	for _, ok := range []string{"file:" + dir + "/inside", "file:" + dir + "/good", "cred:world"} {
		if _, err := rv.Resolve(t.Context(), ref(t, ok)); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	_, err := rv.Resolve(t.Context(), ref(t, "file:"+dir+"/world"))
	if want := "file:" + dir + "/world: others than its owner have access; chmod 0600 " + dir + "/world"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestNotConfigured(t *testing.T) {
	for s, want := range map[string]Reason{
		"cred:a":         NoCredentials,
		"file:/a":        Outside,
		"env:KMAGENT_NO": Missing,
	} {
		_, err := new(Resolver).Resolve(t.Context(), ref(t, s))
		wantReason(t, err, ref(t, s), want)
	}
	_, err := new(Resolver).Resolve(t.Context(), secret.Ref{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Reason != Unknown {
		t.Errorf("the zero reference: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := new(Resolver).Resolve(ctx, ref(t, "env:PATH")); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	t.Setenv("KMAGENT_SET", canary)
	if v, err := new(Resolver).Resolve(t.Context(), ref(t, "env:KMAGENT_SET")); err != nil || string(v.Expose()) != canary {
		t.Errorf("the process's own environment is not the default: %v", err)
	}
}

func TestRotationIsSeen(t *testing.T) {
	dir := t.TempDir()
	rv := &Resolver{Roots: []string{dir}}
	for _, want := range []string{"first", "second"} {
		write(t, filepath.Join(dir, "s"), want, 0o600)
		v, err := rv.Resolve(t.Context(), ref(t, "file:"+dir+"/s"))
		if err != nil || string(v.Expose()) != want {
			t.Errorf("%q, %v, want %q", v.Expose(), err, want)
		}
	}
}

func TestFIFODoesNotHang(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "s"), 0o600); err != nil {
		t.Skip("no FIFO can be made here: ", err)
	}
	done := make(chan error, 1)
	r := ref(t, "file:"+dir+"/s")
	go func() {
		_, err := (&Resolver{Roots: []string{dir}}).Resolve(context.Background(), r)
		done <- err
	}()
	select {
	case err := <-done:
		wantReason(t, err, r, NotRegular)
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a writer")
	}
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away; NOT TESTED: a file of another user is refused")
	}
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "s"), canary, 0o600)
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Skip("no file can be given away here: ", err)
	}
	r := ref(t, "file:"+path)
	_, err := (&Resolver{Roots: []string{dir}}).Resolve(t.Context(), r)
	wantReason(t, err, r, Foreign)
	if _, err := (&Resolver{CredentialsDir: dir}).Resolve(t.Context(), ref(t, "cred:s")); err != nil {
		t.Errorf("a credential of another user: %v", err)
	}
}

func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything; TestUnprivileged runs this as somebody else")
	}
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "s"), canary, 0)
	r := ref(t, "file:"+path)
	_, err := (&Resolver{Roots: []string{dir}}).Resolve(t.Context(), r)
	wantReason(t, err, r, Unreadable)
	if _, err := os.Stat("/etc/shadow"); err == nil {
		r := ref(t, "file:/etc/shadow")
		if _, err := (&Resolver{Roots: []string{"/etc"}}).Resolve(t.Context(), r); err == nil {
			t.Error("/etc/shadow was opened")
		}
	}
}

// TestUnprivileged runs all tests as a user without rights: for root no mode is in the way,
// and a test of one can pass by accident.
func TestUnprivileged(t *testing.T) {
	if os.Getenv(again) != "" {
		return
	}
	if os.Geteuid() != 0 {
		return // already
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("no setpriv; NOT TESTED: anything as another user than root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	// Where go test puts the binary nobody else may look, and t.TempDir is below such a place.
	dir, err := os.MkdirTemp("", "kmagent-resolve-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(dir+"/tmp", 0o700), os.Chown(dir+"/tmp", 65534, 65534),
		os.WriteFile(dir+"/test", text, 0o600), os.Chmod(dir+"/test", 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", dir+"/test", "-test.v")
	cmd.Dir = dir
	cmd.Env = []string{again + "=1", "TMPDIR=" + dir + "/tmp", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestUnreadable") {
		t.Errorf("as another user: %v\n%s", err, out)
	}
}

func FuzzFileNeverLeavesRoot(f *testing.F) {
	for _, s := range []string{"/s", "/../outside", "/./s", "//s", "/sub/../../outside", "/s/", "/S", "/up/outside"} {
		f.Add(s)
	}
	top := f.TempDir()
	dir := filepath.Join(top, "secrets")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(top+"/outside", []byte("outside"), 0o600),
		os.WriteFile(dir+"/s", []byte("inside"), 0o600), os.Symlink("..", dir+"/up")); err != nil {
		f.Fatal(err)
	}
	rv := &Resolver{Roots: []string{dir}}
	f.Fuzz(func(t *testing.T, tail string) {
		r, err := secret.ParseRef("file:" + dir + tail)
		if err != nil {
			return
		}
		v, err := rv.Resolve(t.Context(), r)
		if err == nil && string(v.Expose()) != "inside" {
			t.Errorf("%s gave %q", r, v.Expose())
		}
		if _, ok := errors.AsType[*Error](err); err != nil && !ok {
			t.Errorf("%s: %T", r, err)
		}
	})
}
