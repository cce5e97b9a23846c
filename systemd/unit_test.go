// Package systemd_test checks the unit files: that systemd understands every line of them,
// that they confine the daemon, and that they agree with each other and with the daemon.
package systemd_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A unit maps "Section.Key" to the values of its assignments, in order.
type unit map[string][]string

// readUnit reads a unit file. It knows no continued lines, and no file here has one.
func readUnit(t *testing.T, path string) unit {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	u := unit{}
	section := ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#':
			continue
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasSuffix(line, `\`) {
			t.Fatalf("%s:%d: neither a section nor an assignment on one line: %s", path, n, line)
		}
		u[section+"."+key] = append(u[section+"."+key], value)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return u
}

// one returns the value of a key that is assigned exactly once.
func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s is assigned %d times, want once", key, len(u[key]))
	}
	return u[key][0]
}

func TestServiceSays(t *testing.T) {
	u := readUnit(t, "kmagent.service")
	for _, c := range []struct{ key, want, why string }{
		{"Service.Type", "notify", "systemd 252 takes notify-reload for simple"},
		{"Service.ExecStart", "/usr/bin/kmagent run --file /etc/kmagent/desired.yaml", "where packages put things"},
		{"Service.ExecReload", "/bin/kill -HUP $MAINPID", "a hang-up makes the daemon read its file again"},
		{"Service.WatchdogSec", "60s", "a loop that hangs is restarted"},
		{"Service.TimeoutStopSec", "30s", "a request in flight is finished first"},
		{"Service.Restart", "on-failure", "a stop that was asked for is no failure"},
		{"Service.RestartSec", "5s", "not a busy loop"},
		{"Service.ConfigurationDirectory", "kmagent", "holds the desired file"},
		{"Service.StateDirectoryMode", "0700", "the ledger is nobody else's business"},
		{"Service.UMask", "0077", "nor is anything else it writes"},
		{"Service.LimitCORE", "0", "a core file would hold secrets"},
		{"Service.MemorySwapMax", "0", "and so would swap"},
		{"Service.SystemCallErrorNumber", "EPERM", "a refused call is an error, not a death"},
		{"Install.WantedBy", "multi-user.target", "starts at boot once enabled"},
	} {
		if got := u.one(t, c.key); got != c.want {
			t.Errorf("%s=%s, want %s: %s", c.key, got, c.want, c.why)
		}
	}
	for _, c := range []struct{ key, why string }{
		{"Service.ExecStartPre", "a broken file must not keep the daemon from observing"},
		{"Service.ProcSubset", "hides process_start_time_seconds from the metrics"},
		{"Service.LoadCredential", "a missing source keeps the unit from starting, so names are for a drop-in"},
		{"Service.DynamicUser", "children cannot look up their user where libnss-systemd is missing"},
	} {
		if got := u[c.key]; got != nil {
			t.Errorf("%s=%s is there: %s", c.key, got, c.why)
		}
	}
}

// Only what another start cannot mend keeps the daemon down.
func TestExitCodesThatPreventARestart(t *testing.T) {
	documented := []struct {
		code  int
		final bool
		means string
	}{
		{0, false, "done: no failure, not restarted anyway"},
		{1, false, "unexpected error"},
		{2, false, "changes pending; plan only"},
		{3, false, "the file is invalid; the daemon lives on with it"},
		{4, false, "refused or held by a guard"},
		{5, false, "some clusters failed"},
		{6, false, "the plan is stale"},
		{7, false, "another instance holds the state: perhaps an apply, which ends"},
		{8, true, "the state is unusable: a human has to look before anything is sent"},
		{9, false, "secret, authentication or TLS problem: these get mended from outside"},
		{64, true, "wrong flags"},
	}
	var want []string
	for _, d := range documented {
		if d.final {
			want = append(want, strconv.Itoa(d.code))
		}
	}
	got := strings.Fields(readUnit(t, "kmagent.service").one(t, "Service.RestartPreventExitStatus"))
	if !slices.Equal(got, want) {
		t.Errorf("RestartPreventExitStatus=%v, want %v", got, want)
	}
}

func TestUserIsTheOneThatSysusersMakes(t *testing.T) {
	u := readUnit(t, "kmagent.service")
	text, err := os.ReadFile("kmagent.sysusers.conf")
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			users = append(users, strings.TrimSpace(line))
		}
	}
	user, home := u.one(t, "Service.User"), "/var/lib/"+u.one(t, "Service.StateDirectory")
	want := []string{`u ` + user + ` - "kmagent, ONTAP key management" ` + home + ` /usr/sbin/nologin`}
	if !slices.Equal(users, want) {
		t.Errorf("sysusers: %q, want %q", users, want)
	}
	if group := u.one(t, "Service.Group"); group != user {
		t.Errorf("Group=%s, but sysusers makes the group %s", group, user)
	}
}

// GOMEMLIMIT too near to MemoryMax leaves no room for what Go does not count, too far from
// it wastes memory.
func TestMemoryLimitsFit(t *testing.T) {
	u := readUnit(t, "kmagent.service")
	limit, ok := strings.CutPrefix(u.one(t, "Service.Environment"), "GOMEMLIMIT=")
	if !ok {
		t.Fatal("no GOMEMLIMIT")
	}
	soft, err := strconv.Atoi(strings.TrimSuffix(limit, "MiB"))
	if err != nil {
		t.Fatal(err)
	}
	hard, err := strconv.Atoi(strings.TrimSuffix(u.one(t, "Service.MemoryMax"), "M")) // of 2^20 bytes
	if err != nil {
		t.Fatal(err)
	}
	if share := float64(soft) / float64(hard); share < 0.7 || share > 0.8 {
		t.Errorf("GOMEMLIMIT is %.0f %% of MemoryMax, want 70 to 80", 100*share)
	}
}

func TestSocketListensWhereTheDaemonWould(t *testing.T) {
	if got, want := readUnit(t, "kmagent.socket").one(t, "Socket.ListenStream"), "127.0.0.1:9469"; got != want {
		t.Errorf("ListenStream=%s, want %s", got, want)
	}
}

// verify returns what systemd-analyze has to say of the units in dir. It says it on
// standard error, and returns 0 even for keys and values that it ignores.
func verify(t *testing.T, dir string, units ...string) string {
	t.Helper()
	args := []string{"verify", "--man=no"}
	for _, name := range units {
		args = append(args, filepath.Join(dir, name))
	}
	out, err := exec.Command(analyze(t), args...).CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}

func analyze(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed: unit not verified by systemd itself")
	}
	return path
}

// install copies the units and the named drop-ins into a new directory. The executable is
// one that exists, since verify looks for it.
func install(t *testing.T, dropIns ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "kmagent.service.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"kmagent.service": "kmagent.service", "kmagent.socket": "kmagent.socket"}
	for _, name := range dropIns {
		files[filepath.Join("examples", name)] = filepath.Join("kmagent.service.d", name)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range files {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		installed := strings.ReplaceAll(string(text), "/usr/bin/kmagent", executable)
		if err := os.WriteFile(filepath.Join(dir, to), []byte(installed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSystemdUnderstandsEveryLine(t *testing.T) {
	for _, c := range []struct {
		name    string
		dropIns []string
	}{
		{"as shipped", nil},
		{"with every example", []string{"credentials.conf", "network.conf", "socket.conf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out := verify(t, install(t, c.dropIns...), "kmagent.service", "kmagent.socket"); out != "" {
				t.Errorf("systemd-analyze verify:\n%s", out)
			}
		})
	}
}

// The test above proves something only if systemd speaks up about what it does not know,
// in drop-ins as well.
func TestSystemdSpeaksUp(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"Nonsense=1", "Nonsense"},
		{"ProtectSystem=srtict", "srtict"},
		{"SystemCallFilter=@sistem-service", "@sistem-service"},
	} {
		dir := install(t)
		dropIn := filepath.Join(dir, "kmagent.service.d", "wrong.conf")
		if err := os.WriteFile(dropIn, []byte("[Service]\n"+c.line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out := verify(t, dir, "kmagent.service"); !strings.Contains(out, c.want) {
			t.Errorf("%s: nothing is said of %s: %q", c.line, c.want, out)
		}
	}
}

func TestExposure(t *testing.T) {
	const tenths = "15" // at most 1.5 of 10
	out, err := exec.Command(analyze(t), "security", "--no-pager", "--offline=true", "--threshold="+tenths,
		filepath.Join(install(t), "kmagent.service")).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "Overall exposure level") {
		t.Errorf("systemd-analyze security gave no level:\n%s", out)
	}
}

func TestSysusersIsUnderstood(t *testing.T) {
	path, err := exec.LookPath("systemd-sysusers")
	if err != nil {
		t.Skip("systemd-sysusers is not installed: kmagent.sysusers.conf not verified by systemd itself")
	}
	conf, err := filepath.Abs("kmagent.sysusers.conf")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "--dry-run", "--root="+t.TempDir(), conf).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Creating user 'kmagent'") {
		t.Errorf("systemd-sysusers: %v\n%s", err, out)
	}
}
