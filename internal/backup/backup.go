// Package backup saves key backups of clusters: it asks for one, encrypts it for the age
// recipients of the file, and writes it where nobody but us can read it. The text itself is
// key material: it is not logged, not returned, and nowhere on disk in the clear.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"kmagent/internal/disk"
	"kmagent/internal/plan"
	"kmagent/internal/secret"
)

// A Getter returns one object of a cluster; *ontap.Client is one.
type Getter interface {
	Get(ctx context.Context, path string, query url.Values) (json.RawMessage, error)
}

// A Keeper saves the backups of one cluster. Each has a file of its own, which is never
// changed: CLUSTER-key_backup-20261125T220406Z.age, with -2 and so on before its end if there
// are several of one second. Beside it stands a .json with its time, the
// cluster, and digests by which the file, and what is in it, can be recognised.
type Keeper struct {
	Cluster    string
	Get        Getter
	Dir        string   // made with mode 0700 if it is not there
	Recipients []string // age recipients; at least one
	Now        func() time.Time
}

// Keep saves what is at a path with a query such as fields=onboard.key_backup, and returns
// what is known of it once it is durable. The digest is that of the text, so that a backup
// can be told from the one before. What could not be kept is not asked for.
func (k *Keeper) Keep(ctx context.Context, path string) (plan.Backup, error) {
	to, err := age.ParseRecipients(strings.NewReader(strings.Join(k.Recipients, "\n")))
	if err != nil {
		return plan.Backup{}, errors.New("key backup: backup.recipients are not age recipients")
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return plan.Backup{}, fmt.Errorf("key backup: %w", err)
	}
	text, err := k.fetch(ctx, path)
	if err != nil {
		return plan.Backup{}, err
	}
	sealed, err := seal(text, to)
	if err != nil {
		return plan.Backup{}, err
	}
	at := k.Now().UTC().Truncate(time.Second)
	b := plan.Backup{At: at, SHA256: digest(text.Expose())}
	if b.File, err = k.write(at, sealed, b.SHA256); err != nil {
		return plan.Backup{}, err
	}
	return b, nil
}

// fetch returns the text. An answer without one is an error that repeats nothing of it.
func (k *Keeper) fetch(ctx context.Context, path string) (secret.Value, error) {
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return secret.Value{}, errors.New("key backup: the query is not one")
	}
	raw, err := k.Get.Get(ctx, path, values)
	if err != nil {
		return secret.Value{}, err
	}
	var answer map[string]any
	if json.Unmarshal(raw, &answer) != nil {
		return secret.Value{}, errors.New("key backup: the answer is no object")
	}
	var at any = answer
	for _, name := range strings.Split(values.Get("fields"), ".") {
		inner, _ := at.(map[string]any)
		at = inner[name]
	}
	text, ok := at.(string)
	if !ok || strings.TrimSpace(text) == "" {
		return secret.Value{}, errors.New("key backup: ONTAP returned none; the account's role may not read it")
	}
	return secret.New([]byte(text)), nil
}

func seal(text secret.Value, to []age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err == nil {
		_, err = w.Write(text.Expose())
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, errors.New("key backup: it could not be encrypted")
	}
	return out.Bytes(), nil
}

// A note stands beside a backup. None of it is secret: the backup is the text that ONTAP wants
// back together with the passphrase, and far too random to be guessed from its digest.
type note struct {
	Version int       `json:"version"`
	Cluster string    `json:"cluster"`
	Time    time.Time `json:"time"`
	File    string    `json:"file"`
	SHA256  string    `json:"sha256"`        // of the file
	Text    string    `json:"backup_sha256"` // of what is in it
}

func (k *Keeper) write(at time.Time, sealed []byte, text string) (file string, err error) {
	base, err := k.free(at)
	if err != nil {
		return "", err
	}
	about, err := json.MarshalIndent(note{1, k.Cluster, at, filepath.Base(base) + ".age", digest(sealed), text}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("key backup: %w", err)
	}
	disk.Dir(filepath.Dir(filepath.Clean(k.Dir))).Sync() // where it is closed to us, we did not make the directory
	d := disk.Dir(k.Dir)
	if err := k.sweep(d); err != nil {
		return "", fmt.Errorf("key backup: %w", err)
	}
	if err := disk.Write(d, filepath.Base(base)+".age", sealed); err != nil {
		return "", fmt.Errorf("key backup: %w", err)
	}
	if err := disk.Write(d, filepath.Base(base)+".json", append(about, '\n')); err != nil {
		return "", fmt.Errorf("key backup: %w", err)
	}
	return base + ".age", nil
}

// sweep removes what a crash left of a backup of this cluster that was being written.
func (k *Keeper) sweep(d disk.Writer) error {
	names, err := d.List()
	for _, name := range names {
		if strings.HasPrefix(name, "."+k.Cluster+"-key_backup-") {
			err = errors.Join(err, d.Remove(name))
		}
	}
	return err
}

// free returns the name, without its end, of a backup that is not there yet: two may be made
// within a second.
func (k *Keeper) free(at time.Time) (string, error) {
	base := filepath.Join(k.Dir, k.Cluster+"-key_backup-"+at.Format("20060102T150405Z"))
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		switch _, err := os.Lstat(name + ".age"); {
		case errors.Is(err, fs.ErrNotExist):
			return name, nil
		case err != nil:
			return "", fmt.Errorf("key backup: %w", err)
		}
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
