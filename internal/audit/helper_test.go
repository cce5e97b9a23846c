package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kmagent/internal/disk"
)

var epoch = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample is the nth entry of a log of samples.
func sample(n int) Entry {
	login := uint32(1001)
	return Entry{
		Time: epoch.Add(time.Duration(n) * time.Second), Event: Intent, Cluster: "prod-a",
		Actor:  Actor{Kind: "operator", LoginUID: &login, User: "root", TTY: "pts/0", PID: 4711, Host: "h1", Version: "1.2.3"},
		Op:     fmt.Sprint("op", n),
		Object: "prod-a/key_server/vs1/ks1:5696", Action: "update", Method: "PATCH",
		Path: "/api/security/key-managers/uuid/key-servers/ks1", Fields: []string{"timeout"},
	}
}

// fill appends so many samples, whose numbers begin after from.
func fill(t testing.TB, l *Log, from, count int) {
	t.Helper()
	for n := from + 1; n <= from+count; n++ {
		must(t, l.Append(sample(n)))
	}
}

// smallSegments is a limit that makes three segments of twenty samples.
const smallSegments = 4700

func openMemory(t testing.TB, m *memory) *Log {
	t.Helper()
	l, err := open(m, smallSegments)
	must(t, err)
	return l
}

// filled is a disk with a log of twenty samples in three segments.
func filled(t testing.TB) *memory {
	t.Helper()
	m := newMemory()
	fill(t, openMemory(t, m), 0, 20)
	if len(m.names) != 4 {
		t.Fatalf("%d files, want three segments and a head", len(m.names))
	}
	return m
}

// ops lists the operations that a log has, in its order.
func ops(t testing.TB, r disk.Reader) []string {
	t.Helper()
	var out []string
	must(t, read(r, func(e Entry) error {
		out = append(out, e.Op)
		return nil
	}))
	return out
}

func whole(t testing.TB, r disk.Reader, entries int) Report {
	t.Helper()
	rep, err := verify(r)
	if err != nil || !rep.OK() || rep.Entries != uint64(entries) {
		t.Fatalf("%d entries, damage %v, error %v; want %d whole ones", rep.Entries, rep.Damage, err, entries)
	}
	return rep
}

// openDir opens the log of a new state directory.
func openDir(t testing.TB) (string, *Log) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	must(t, os.Mkdir(dir, 0o700))
	l, err := Open(dir)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return dir, l
}
