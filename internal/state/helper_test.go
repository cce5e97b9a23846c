package state

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// The tests that need a second process, or one that can be killed, run this binary again.
const roleVariable = "KMAGENT_STATE_TEST_ROLE"

func TestMain(m *testing.M) {
	roles := map[string]func(dir string) error{"hold": hold, "write": writeForEver}
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		if err := role(os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var epoch = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

func server(name string) resource.Addr {
	return resource.Addr{Cluster: "c1", Kind: "key_server", SVM: "vs1", Name: name}
}

func manager(svm string) resource.Addr {
	return resource.Addr{Cluster: "c1", Kind: "key_manager", SVM: svm}
}

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openBook(t testing.TB, s *Store) *Book {
	t.Helper()
	b, err := s.Book("c1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// journal is the path of a cluster's journal.
func journal(dir, cluster string) string { return filepath.Join(journals(dir), cluster+suffix) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// diffLedgers compares what two ledgers say: an object of which nothing is known is as good
// as one that is not mentioned.
func diffLedgers(want, got plan.Ledger) string {
	return cmp.Diff(said(want), said(got), cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0))
}

func said(l plan.Ledger) plan.Ledger {
	out := plan.Ledger{UUID: l.UUID, Open: l.Open, Jobs: l.Jobs, Objects: map[resource.Addr]plan.Remembered{}}
	for a, m := range l.Objects {
		if m.Created || len(m.Secrets) > 0 || len(m.Sent) > 0 {
			out.Objects[a] = m
		}
	}
	return out
}

// text makes a journal of records, whose numbers it fills in.
func text(t testing.TB, records ...record) []byte {
	t.Helper()
	var out []byte
	for i, r := range records {
		if r.Seq == 0 {
			r.Seq = uint64(i + 1)
		}
		if r.At.IsZero() {
			r.At = epoch.Add(time.Duration(i) * time.Minute)
		}
		line, err := r.line()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, line...)
	}
	return out
}

// story is a journal with an event of each sort in it.
func story(t testing.TB) []byte {
	t.Helper()
	vs1, ks1 := addressOf(manager("vs1")), addressOf(server("ks1:5696"))
	there := []plan.Wish{{Value: "there"}}
	return text(t,
		record{Start: &start{Schema: Schema}},
		record{Pin: "uuid-1"},
		record{Begin: &operation{Op: "create", Addr: vs1, Brings: []address{ks1}, Wishes: there}},
		record{End: &end{Op: "3", Outcome: "applied"}},
		record{Adopt: []adoption{{Addr: addressOf(server("old:5696")), Field: "password", Digest: "d0"}}},
		record{Begin: &operation{Op: "update", Addr: ks1, Wishes: []plan.Wish{{Field: "password", Value: "d1"}}}},
		record{End: &end{Op: "6", Outcome: "applied", Secrets: map[string]string{"password": "d1"}}},
		record{Begin: &operation{Op: "act", Action: "rekey_external", Addr: vs1}},
		record{Accept: &accept{Op: "8", Job: "j1"}},
	)
}
