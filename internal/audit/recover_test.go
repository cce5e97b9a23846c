package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestRecover(t *testing.T) {
	dir, l := openDir(t)
	fill(t, l, 0, 3)
	if moved, err := Recover(dir); err == nil || moved != "" {
		t.Errorf("a whole log was moved to %q, error %v", moved, err)
	}
	must(t, l.Close())
	first := filepath.Join(dir, "audit", segmentName(1))
	text, err := os.ReadFile(first)
	must(t, err)
	text[len(text)-9] ^= 1
	must(t, os.WriteFile(first, text, 0o600))
	broken, err := Verify(dir)
	if err != nil || broken.Entries != 2 || broken.Damage.File != first {
		t.Fatalf("%+v, error %v", broken, err)
	}
	moved, err := Recover(dir)
	must(t, err)
	if !regexp.MustCompile(`^` + regexp.QuoteMeta(dir) + `/audit\.broken-20\d{6}T\d{6}\.\d{3}Z$`).MatchString(moved) {
		t.Errorf("it was moved to %s", moved)
	}
	kept, err := os.ReadFile(filepath.Join(moved, segmentName(1)))
	if err != nil || !bytes.Equal(kept, text) {
		t.Errorf("the evidence is another, error %v", err)
	}
	var got []Entry
	must(t, Read(dir, func(e Entry) error { got = append(got, e); return nil }))
	want := fmt.Sprintf("the log until here is in %s; its last good entry is 2, sum %s", filepath.Base(moved), broken.Sum)
	if len(got) != 1 || got[0].Event != Recovered || got[0].Detail != want || got[0].Actor.PID != os.Getpid() {
		t.Errorf("the new log has %+v, want one entry that says %s", got, want)
	}
	if moved, err := Recover(t.TempDir()); !errors.Is(err, fs.ErrNotExist) || moved != "" {
		t.Errorf("without a log: %q, error %v", moved, err)
	}
}
