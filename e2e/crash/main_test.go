// Package crash kills the real agent: at every boundary of every operation, at moments of
// chance, and again while it recovers. Then it lets it come to its end, and holds what it did
// against what the simulated cluster knows of it: no effect twice, no job lost, no slot of a
// schedule taken twice, no state that cannot be read, and no need of a human but where nothing
// can tell what came of an operation (a passphrase, a switch of key stores).
//
// By itself it does what fits into a minute or two, the same each time: of boundaries between
// which nothing changes, neither on disk nor on the cluster, one, since kill -9 leaves the same
// at each of them. make gates does the rest, in shards: -crash.all, and more -crash.kills and
// -crash.pairs of other -crash.seed.
package crash

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	seed  = flag.Uint64("crash.seed", 1, "what chance is derived from")
	kills = flag.Int("crash.kills", 2000, "how often the program is killed at a moment of chance")
	pairs = flag.Int("crash.pairs", 2, "how many times, for each operation, it is killed and killed again in its recovery")
	depth = flag.Int("crash.depth", 2, "how often it is killed then")
	all   = flag.Bool("crash.all", false, "kill at every boundary, also where nothing has changed since the one before, and with every lost connection")
	only  = flag.String("crash.only", "", "only the operations whose names have this in them")
	shard = flag.String("crash.shard", "1/1", "the part of the kill points to do, such as 2/8")
)

// The programs under test: as it is shipped, to be killed at its boundaries, and what it talks to.
var kmagent, killable, ontapsim string

// TestMain builds the programs, never with the race detector: it is how they end that counts.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(withPrograms(m.Run))
}

func withPrograms(run func() int) int {
	dir, err := os.MkdirTemp("", "kmagent-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	kmagent, killable, ontapsim = filepath.Join(dir, "kmagent"), filepath.Join(dir, "killable"), filepath.Join(dir, "ontapsim")
	for _, args := range [][]string{
		{"-o", kmagent, "kmagent/cmd/kmagent"},
		{"-tags", "crashpoint", "-o", killable, "kmagent/cmd/kmagent"},
		{"-o", ontapsim, "kmagent/cmd/ontapsim"},
	} {
		args = append([]string{"build", "-buildvcs=false"}, args...)
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(args, " "), err, out)
			return 1
		}
	}
	return run()
}

// The program as it is shipped has nothing of the crash points in it, and the other one has.
func TestShippedHasNoCrashPoint(t *testing.T) {
	for program, want := range map[string]bool{kmagent: false, killable: true} {
		out, err := exec.Command("go", "tool", "nm", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), "kmagent/internal/state.") {
			t.Fatalf("%s: no symbol of ours: this shows nothing", filepath.Base(program))
		}
		text, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(out), "kmagent/internal/crashpoint"); got != want {
			t.Errorf("%s: symbols of crash points: %v, want %v", filepath.Base(program), got, want)
		}
		if got := strings.Contains(string(text), "KMAGENT_CRASH_"); got != want {
			t.Errorf("%s: names of the variables: %v, want %v", filepath.Base(program), got, want)
		}
	}
}
