package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"kmagent/internal/backup"
)

const text = "----BEGIN BACKUP----\nTmV0QXBwIEtleSBCbG9iAAEAAAAEAAAAcAEAAAAAAAA\n----END BACKUP----\n"

// A cluster answers with a text, or an error.
type cluster struct {
	answer string
	err    error
	asked  []string
}

func (c *cluster) Get(_ context.Context, path string, query url.Values) (json.RawMessage, error) {
	c.asked = append(c.asked, path+"?"+query.Encode())
	return json.RawMessage(c.answer), c.err
}

func answer(text string) string {
	b, _ := json.Marshal(map[string]any{"onboard": map[string]any{"key_backup": text}})
	return string(b)
}

func keeper(t *testing.T, c *cluster) (*backup.Keeper, *age.X25519Identity) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 25, 23, 4, 6, 7, time.FixedZone("", 3600))
	return &backup.Keeper{Cluster: "prod-a", Get: c, Dir: filepath.Join(t.TempDir(), "a", "b"), Recipients: []string{id.Recipient().String()},
		Now: func() time.Time { return at }}, id
}

const path = "/api/security/key-managers/u?fields=onboard.key_backup"

func TestKeep(t *testing.T) {
	c := &cluster{answer: answer(text)}
	k, id := keeper(t, c)
	b, err := k.Keep(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(k.Dir, "prod-a-key_backup-20261125T220406Z.age"); b.File != want || b.SHA256 != digest([]byte(text)) || b.At.Nanosecond() != 0 {
		t.Errorf("kept %+v, want %s with the digest of the text", b, want)
	}
	if len(c.asked) != 1 || c.asked[0] != "/api/security/key-managers/u?fields=onboard.key_backup" {
		t.Errorf("asked %q", c.asked)
	}
	for name, mode := range map[string]os.FileMode{k.Dir: 0o700, b.File: 0o600, strings.TrimSuffix(b.File, ".age") + ".json": 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, mode %v, want %v", name, err, info.Mode().Perm(), mode)
		}
	}
	sealed := read(t, b.File)
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(r); string(got) != text {
		t.Errorf("in it is %q", got)
	}
	var note map[string]any
	if err := json.Unmarshal(read(t, strings.TrimSuffix(b.File, ".age")+".json"), &note); err != nil {
		t.Fatal(err)
	}
	if note["cluster"] != "prod-a" || note["file"] != filepath.Base(b.File) || note["time"] != "2026-11-25T22:04:06Z" ||
		note["sha256"] != digest(sealed) || note["backup_sha256"] != b.SHA256 {
		t.Errorf("the note says %v", note)
	}
}

// Two backups of one second are two files.
func TestNeverChanged(t *testing.T) {
	c := &cluster{answer: answer(text)}
	k, _ := keeper(t, c)
	first, err := k.Keep(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, first.File)
	second, err := k.Keep(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if second.File != strings.TrimSuffix(first.File, ".age")+"-2.age" || !bytes.Equal(before, read(t, first.File)) {
		t.Errorf("first %s, second %s", first.File, second.File)
	}
	if files, _ := os.ReadDir(k.Dir); len(files) != 4 {
		t.Errorf("%d files, want 4", len(files))
	}
}

// What cannot be kept is an error that repeats nothing of it, and leaves nothing behind.
func TestKeepFails(t *testing.T) {
	for _, c := range []struct {
		name string
		cluster
		tune func(*backup.Keeper)
		want string
	}{
		{"no answer", cluster{err: errors.New("no way")}, nil, "no way"},
		{"no object", cluster{answer: `["` + "TmV0QXBw" + `"]`}, nil, "the answer is no object"},
		{"cut", cluster{answer: answer(text)[:80]}, nil, "the answer is no object"},
		{"none", cluster{answer: `{"onboard":{"enabled":true}}`}, nil, "ONTAP returned none"},
		{"empty", cluster{answer: answer(" \n")}, nil, "ONTAP returned none"},
		{"no text", cluster{answer: `{"onboard":{"key_backup":{"TmV0QXBw":1}}}`}, nil, "ONTAP returned none"},
		{"wrong recipient", cluster{answer: answer(text)}, func(k *backup.Keeper) { k.Recipients = []string{"age1nonsense"} }, "are not age recipients"},
		{"below a file", cluster{answer: answer(text)}, func(k *backup.Keeper) {
			os.MkdirAll(filepath.Dir(k.Dir), 0o700)
			os.WriteFile(k.Dir, nil, 0o600)
			k.Dir = filepath.Join(k.Dir, "below")
		}, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, _ := keeper(t, &c.cluster)
			if c.tune != nil {
				c.tune(k)
			}
			b, err := k.Keep(t.Context(), path)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "TmV0QXBw") || !b.At.IsZero() {
				t.Errorf("%+v, %v; want %q", b, err, c.want)
			}
			if c.tune != nil && len(c.asked) > 0 {
				t.Error("it was asked for, and could not have been kept")
			}
			if files, _ := os.ReadDir(k.Dir); len(files) != 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
