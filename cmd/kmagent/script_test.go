package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Each script of testdata/script runs the real kmagent against the real ontapsim. The file
// README there lists the commands that scripts have beside those of testscript.
func TestScript(t *testing.T) {
	t.Parallel()
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"ontap": command((*script).ontap), "sim": command((*script).sim), "expand": command((*script).expand),
		"writes": command((*script).writes), "requests": command((*script).requests),
		"daemon": command((*script).startDaemon), "signal": command((*script).signal), "deafen": command((*script).deafen),
		"walk": command((*script).walk), "until": command((*script).until), "swap": command((*script).swap), "take": command((*script).take),
	}
	for name, c := range checks() {
		commands[name] = check(c)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", Setup: setup, Cmds: commands,
		RequireUniqueNames: true, UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// TestMain builds both programs as they are shipped, and puts them first in PATH.
func TestMain(m *testing.M) {
	os.Exit(withPrograms(m.Run))
}

func withPrograms(run func() int) int {
	flag.Parse()
	// Scripts wait more than they compute, so more of them than processors run at a time,
	// unless somebody asks for another number.
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		flag.Set("test.parallel", "8")
	}
	dir, err := os.MkdirTemp("", "kmagent-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	args := []string{"build", "-buildvcs=false", "-o", dir + "/", ".", "../ontapsim"}
	if raceDetector() {
		args = slices.Insert(args, 1, "-race")
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(args, " "), err, out)
		return 1
	}
	os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return run()
}

// raceDetector says whether this test was built with it: then so are the programs.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// A script is what one script has started and seen.
type script struct {
	*testscript.TestScript // of the command that runs
	work                   string
	simulator              *simulation       // nil until ontap
	uuids                  map[string]string // by UUID, the short name that scripts see
	daemon                 *running
}

type scriptKey struct{}

// setup gives a script the environment of a small installation: the flags' defaults as
// variables, and the password of the simulator's account as cred:cluster.
func setup(e *testscript.Env) error {
	s := &script{work: e.WorkDir, uuids: map[string]string{}}
	e.Values[scriptKey{}] = s
	e.Defer(s.killDaemon)
	e.Defer(s.stopSimulator)
	repo, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	e.Setenv("REPO", repo)
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	e.Setenv("REPO", filepath.Join(here, "..", ".."))
	e.Setenv("KMAGENT_FILE", "desired.yaml")
	e.Setenv("KMAGENT_STATE_DIR", filepath.Join(e.WorkDir, "state"))
	e.Setenv("KMAGENT_CREDENTIALS_DIR", filepath.Join(e.WorkDir, "cred"))
	e.Setenv("GORACE", "atexit_sleep_ms=0")
	if err := os.MkdirAll(filepath.Join(e.WorkDir, "cred"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(e.WorkDir, "cred", "cluster"), []byte("netapp1!\n"), 0o600)
}

// command makes a command of a script, which must succeed.
func command(f func(*script, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command takes no !")
		}
		s := ts.Value(scriptKey{}).(*script)
		s.TestScript = ts
		ts.Check(f(s, args))
	}
}

// A checker finds out whether something is so, and says what is so instead.
type checker func(s *script, args []string) error

// checks are the commands that may be waited for with until, and negated with !.
func checks() map[string]checker {
	return map[string]checker{
		"exits":  (*script).exits,
		"sent":   (*script).sent,
		"logged": (*script).logged,
		"metric": (*script).metric,
		"http":   (*script).http,
		"ended":  (*script).ended,
	}
}

func check(f checker) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		s := ts.Value(scriptKey{}).(*script)
		s.TestScript = ts
		err := f(s, args)
		if neg && err == nil {
			err = errors.New("is so")
		} else if neg {
			err = nil
		}
		ts.Check(err)
	}
}

// until DURATION CHECK [ARGUMENT...] asks again and again until the check holds.
func (s *script) until(args []string) error {
	if len(args) < 2 || checks()[args[1]] == nil {
		return errors.New("usage: until DURATION CHECK [ARGUMENT...]")
	}
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	deadline := time.Now().Add(limit)
	for {
		err := checks()[args[1]](s, args[2:])
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", limit, err)
		}
		time.Sleep(20 * time.Millisecond) // between looks, not instead of one
	}
}

// exits CODE PROGRAM [ARGUMENT...] runs a program that must end with that very code.
func (s *script) exits(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	err := s.Exec(args[1], args[2:]...)
	code := "0"
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = strconv.Itoa(e.ExitCode())
	} else if err != nil {
		return err
	}
	if code != args[0] {
		return fmt.Errorf("%s exits %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
	return nil
}

// expand FILE... replaces $NAME in files by the script's variables.
func (s *script) expand(args []string) error {
	for _, name := range args {
		path := s.MkAbs(name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(os.Expand(string(text), s.Getenv)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// swap FILE OLD NEW rewrites a file in place, with every OLD replaced by NEW.
func (s *script) swap(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: swap FILE OLD NEW")
	}
	path := s.MkAbs(args[0])
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), args[1]) {
		return fmt.Errorf("%s has no %q", args[0], args[1])
	}
	return os.WriteFile(path, []byte(strings.ReplaceAll(string(text), args[1], args[2])), 0o600)
}

// take NAME PATTERN sets a variable to what the first group of the pattern matches in the output
// of the last program.
func (s *script) take(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: take NAME PATTERN")
	}
	re, err := regexp.Compile(`(?m)` + args[1])
	if err != nil {
		return err
	}
	m := re.FindStringSubmatch(s.ReadFile("stdout"))
	if len(m) < 2 {
		return fmt.Errorf("no match of %q with a group in:\n%s", args[1], s.ReadFile("stdout"))
	}
	s.Setenv(args[0], m[1])
	return nil
}

// find looks for a pattern in a text, line by line: as often as wanted, or at all if wanted
// is empty.
func find(pattern, text, wanted string) error {
	re, err := regexp.Compile(`(?m)` + pattern)
	if err != nil {
		return err
	}
	n := len(re.FindAllString(text, -1))
	if wanted == "" && n == 0 || wanted != "" && strconv.Itoa(n) != wanted {
		return fmt.Errorf("%d matches of %q, want %s, in:\n%s", n, pattern, cmp.Or(wanted, "one or more"), text)
	}
	return nil
}
