package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
)

// A call is one collection GET.
type call struct {
	what     string // for errors
	path     string
	query    url.Values
	identity string
}

// A cache keeps the records of a collection beside what they decode to.
type cache[T any] struct {
	query string
	raw   []json.RawMessage
	vals  []T
}

// update reads a collection and decodes those records that are not, byte for byte, what
// stood in the same place before. It says whether anything changed. What cannot be decoded
// empties the cache: the next answer may be unchanged from it, and must not pass for the one
// before it.
func update[T any](ctx context.Context, get Getter, c *cache[T], k call, decode func(json.RawMessage) (T, error)) (bool, error) {
	raw, unchanged, err := get.List(ctx, k.path, k.query, k.identity)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", k.what, err)
	}
	query := k.query.Encode()
	if unchanged && c.raw != nil && c.query == query {
		return false, nil
	}
	vals := make([]T, len(raw))
	for i, b := range raw {
		if c.query == query && i < len(c.raw) && bytes.Equal(b, c.raw[i]) {
			vals[i] = c.vals[i]
			continue
		}
		if vals[i], err = decode(b); err != nil {
			*c = cache[T]{}
			return false, fmt.Errorf("read %s: record %d: %w", k.what, i, err)
		}
	}
	*c = cache[T]{query, raw, vals}
	return true, nil
}
