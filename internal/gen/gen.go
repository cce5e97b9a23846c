// Package gen draws what decisions rest on: files, clusters as they were seen, ledgers,
// secrets, orders of people. It is for tests alone, which share it, so that what one layer
// has learned to draw every layer meets. [Model] is a cluster that does what a plan says and
// nothing else. The package draws from the tables of package resource and sends nothing.
package gen

import (
	"flag"
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// The environment variables by which a run is made another or a longer one. A run without
// them draws the same cases each time.
const (
	seedVar   = "SEED"   // which cases are drawn; 1 unless given
	factorVar = "FACTOR" // how many times as many; 1 unless given
)

// Seed is the seed of this run.
func Seed() uint64 { return number(seedVar) }

// Cases is how many cases a run has that has n without being asked for more.
func Cases(n int) int { return max(n*int(number(factorVar))/slowness, 1) }

func number(name string) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 32); err == nil && n > 0 {
		return n
	}
	return 1
}

// Check tries the property on that many cases. The flags -rapid.checks and -rapid.seed win.
func Check(t *testing.T, cases int, property func(*rapid.T)) {
	t.Helper()
	defer set(t, "rapid.seed", strconv.FormatUint(Seed(), 10))()
	defer set(t, "rapid.checks", strconv.Itoa(Cases(cases)))()
	rapid.Check(t, property)
}

// set gives a flag a value that nobody gave it, and returns what takes it back.
func set(t *testing.T, name, value string) (back func()) {
	t.Helper()
	f := flag.Lookup(name)
	if f == nil || f.Value.String() != f.DefValue {
		return func() {}
	}
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	return func() { f.Value.Set(f.DefValue) }
}

// one draws a member.
func one[T any](t *rapid.T, label string, of ...T) T { return rapid.SampledFrom(of).Draw(t, label) }

// often is true in so many of a hundred cases, and false in the simplest.
func often(t *rapid.T, label string, percent int) bool {
	return rapid.IntRange(0, 99).Draw(t, label) >= 100-percent
}

// upTo draws a number from 0 to n.
func upTo(t *rapid.T, label string, n int) int { return rapid.IntRange(0, n).Draw(t, label) }
