// Package resolve opens secret references: it turns cred:NAME, file:/PATH and env:NAME into
// the secret that is kept there. It keeps nothing: a secret is read every time it is asked
// for, so that a rotated one is seen. It never says anything of a secret's content, not even
// its length, and never reads a file that a reference from the desired state may not name.
package resolve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"kmagent/internal/secret"
)

// DefaultRoot is where file: references may point when nothing else is configured.
const DefaultRoot = "/etc/kmagent/secrets"

// maxSize bounds a secret: a PKCS #12 bundle with a long chain has 20 KiB.
const maxSize = 64 << 10

// A Resolver opens references. Its fields must not be changed once it is used; then several
// goroutines may use it.
type Resolver struct {
	// CredentialsDir is systemd's $CREDENTIALS_DIRECTORY or what stands in for it. Who may
	// read it is the affair of whoever made it. Empty: every cred: is an error.
	CredentialsDir string
	// Roots are the directories below which a file: may be. None: [DefaultRoot].
	Roots []string
	// Env looks a variable up. nil: [os.LookupEnv].
	Env func(string) (string, bool)
}

// Resolve returns the secret that r names, without one LF or CRLF at its end, which editors
// and echo leave there; all else belongs to the secret, NUL bytes too. Its errors are
// [*Error], or those of ctx.
func (rv *Resolver) Resolve(ctx context.Context, r secret.Ref) (secret.Value, error) {
	if err := ctx.Err(); err != nil {
		return secret.Value{}, err
	}
	b, err := rv.read(r)
	if err != nil {
		return secret.Value{}, err
	}
	if len(b) > maxSize {
		return secret.Value{}, &Error{r, TooLarge}
	}
	if cut, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		b = bytes.TrimSuffix(cut, []byte("\r"))
	}
	if len(b) == 0 {
		return secret.Value{}, &Error{r, Empty}
	}
	return secret.New(b), nil
}

func (rv *Resolver) read(r secret.Ref) ([]byte, error) {
	switch r.Scheme() {
	case "cred":
		if rv.CredentialsDir == "" {
			return nil, &Error{r, NoCredentials}
		}
		return readBelow(rv.CredentialsDir, r.Name(), r, false)
	case "file":
		root, name, ok := rv.root(r.Name())
		if !ok {
			return nil, &Error{r, Outside}
		}
		return readBelow(root, name, r, true)
	case "env":
		look := rv.Env
		if look == nil {
			look = os.LookupEnv
		}
		s, ok := look(r.Name())
		if !ok {
			return nil, &Error{r, Missing}
		}
		return []byte(s), nil
	}
	return nil, &Error{r, Unknown}
}

// root returns the root that a path is below, and the rest of the path. A path that is not
// in its shortest form is below none: with a symbolic link in it, what .. means is not what
// it looks like.
func (rv *Resolver) root(path string) (root, name string, ok bool) {
	roots := rv.Roots
	if len(roots) == 0 {
		roots = []string{DefaultRoot}
	}
	if path != filepath.Clean(path) {
		return "", "", false
	}
	for _, root := range roots {
		name, ok := strings.CutPrefix(path, strings.TrimSuffix(filepath.Clean(root), "/")+"/")
		if ok && name != "" {
			return root, name, true
		}
	}
	return "", "", false
}

// readBelow reads a file below a directory. Symbolic links are followed as long as they stay
// below it, since deployment tools swap them. What was opened is checked, and not what was
// at the path before. O_NONBLOCK is for a FIFO, whose opening would wait for a writer.
func readBelow(dir, name string, r secret.Ref, guarded bool) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &Error{r, reasonOf(err)}
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, &Error{r, reasonOf(err)}
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, &Error{r, Unreadable}
	case !info.Mode().IsRegular():
		return nil, &Error{r, NotRegular}
	case guarded && !ownedWell(info):
		return nil, &Error{r, Foreign}
	case guarded && info.Mode().Perm()&0o077 != 0:
		return nil, &Error{r, Exposed}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, &Error{r, Unreadable}
	}
	return b, nil
}

func reasonOf(err error) Reason {
	if errors.Is(err, fs.ErrNotExist) {
		return Missing
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return Unreadable
	}
	return Outside // os.Root's own error: the path leaves it
}
