package ontap

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

var errTooLarge = errors.New("too large")

// chunks are what bodies are compared with what is kept of them, piece by piece.
var chunks = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// readBody reads a body to its end, or an error. While it is, byte for byte, the kept one it
// is not copied, and if it is to its end, the kept one itself is returned: most answers of
// most passes are. The limit stands after decompression, where the size is the real one.
func readBody(r io.Reader, kept []byte) (body []byte, size int64, err error) {
	r = io.LimitReader(r, maxBody+1)
	chunk := chunks.Get().(*[32 << 10]byte)
	defer chunks.Put(chunk)
	same := 0
	for {
		n, err := r.Read(chunk[:])
		equal := n <= len(kept)-same && bytes.Equal(chunk[:n], kept[same:same+n])
		if !equal {
			return readRest(r, kept, same, chunk[:n], err)
		}
		same += n
		switch {
		case err == io.EOF && same == len(kept):
			return kept, int64(same), nil
		case err != nil:
			return readRest(r, kept, same, nil, err)
		}
	}
}

// readRest goes on where a body departs from the kept one, to whose size it is likely to
// come; err is what the last chunk came with.
func readRest(r io.Reader, kept []byte, same int, chunk []byte, err error) ([]byte, int64, error) {
	var b bytes.Buffer
	b.Grow(max(len(kept), same+len(chunk)) + bytes.MinRead)
	b.Write(kept[:same])
	b.Write(chunk)
	if err == nil {
		_, err = b.ReadFrom(r)
	}
	switch {
	case err != nil && err != io.EOF:
		return nil, int64(b.Len()), err
	case b.Len() > maxBody:
		return nil, int64(b.Len()), errTooLarge
	}
	text := b.Bytes()
	if cap(text)-len(text) > len(text)/8 {
		text = bytes.Clone(text) // it is kept for long; what it grew by is not
	}
	return text, int64(len(text)), nil
}
