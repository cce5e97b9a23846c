package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func read(t *testing.T, d Reader, name string) string {
	t.Helper()
	f, err := d.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A file that is replaced is another one: who had the old one open keeps that, and what a
// crash left beside is taken away.
func TestReplace(t *testing.T) {
	d := Dir(t.TempDir())
	if err := Write(d, "a", []byte("one")); err != nil {
		t.Fatal(err)
	}
	old, err := d.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := os.WriteFile(d.Where(".a.new"), []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Replace(d, "a", []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(", three"), 3); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d, "a"); got != "two, three" {
		t.Errorf("the name has %q", got)
	}
	if text, err := io.ReadAll(old); err != nil || string(text) != "one" {
		t.Errorf("the old file has %q, error %v", text, err)
	}
	if names, err := d.List(); err != nil || len(names) != 1 {
		t.Errorf("files %v, error %v; want one", names, err)
	}
	if info, err := os.Stat(d.Where("a")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

func TestRefuses(t *testing.T) {
	d := Dir(t.TempDir())
	if err := errors.Join(Write(d, "a", nil), os.Symlink(d.Where("a"), d.Where("link")), syscall.Mkfifo(d.Where("fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		try  func() error
		want error // nil: some error
	}{
		{"reading a link", func() error { _, err := d.Open("link"); return err }, syscall.ELOOP},
		{"writing to a link", func() error { _, err := d.Reopen("link"); return err }, syscall.ELOOP},
		{"reading a FIFO", func() error { _, err := d.Open("fifo"); return err }, nil},
		{"making what is there", func() error { _, err := d.Create("a"); return err }, fs.ErrExist},
		{"writing to what is not there", func() error { _, err := d.Reopen("b"); return err }, fs.ErrNotExist},
		{"a directory that is gone", func() error { return Write(Dir(filepath.Join(string(d), "gone")), "a", nil) }, fs.ErrNotExist},
	}
	for _, tt := range tests {
		if err := tt.try(); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}
