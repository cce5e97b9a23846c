package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"kmagent/internal/disk"
)

const (
	headName = "head"
	newHead  = ".head" // before it takes the place of the other
)

// A mark names one entry of the chain, or with zeros the place before the first.
type mark struct {
	Seq uint64 `json:"seq"`
	Sum string `json:"sum"`
}

func (m mark) text() []byte {
	return fmt.Appendf(nil, `{"seq":%d,"sum":"%s"}`+"\n", m.Seq, m.Sum)
}

var errNoHead = errors.New("it does not name an entry")

// readHead returns what the head names. It has one spelling and no other.
func readHead(r disk.Reader) (mark, error) {
	f, err := r.Open(headName)
	if err != nil {
		return mark{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText))
	if err != nil {
		return mark{}, fmt.Errorf("read %s: %w", r.Where(headName), err)
	}
	var m mark
	if json.Unmarshal(text, &m) != nil || !bytes.Equal(text, m.text()) || m.Seq == 0 && m.Sum != zeros {
		return mark{}, errNoHead
	}
	return m, nil
}

// writeHead makes the head name m. A crash leaves the old head or the new one, whole. It is
// not waited for that the rename is durable: see the package comment.
func writeHead(d disk.Writer, m mark) error {
	if err := d.Remove(newHead); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.Create(newHead)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(m.text(), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.Rename(newHead, headName)
	}
	if err != nil {
		d.Remove(newHead) // it takes room that may be short; what matters is err
	}
	return err
}
