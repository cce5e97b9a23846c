package ontap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Limits of a collection, over all its pages.
const (
	maxRecords = 100_000
	maxPages   = 1_000
	maxBytes   = 128 << 20
)

var errTooMany = fmt.Errorf("more than %d records", maxRecords)

// Get returns one object, as it stands in the answer: checked to be one JSON object without
// an error in it, and not decoded.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	r, err := newRequest(http.MethodGet, path, query)
	if err != nil {
		return nil, err
	}
	rep, err := c.read(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	if err := checkInstance(rep.body); err != nil {
		return nil, &AnswerError{Method: r.method, Path: r.path, Status: rep.status, Problem: err.Error()}
	}
	return rep.body, nil
}

// checkInstance says whether body is one object that can be what was asked for. An empty one
// cannot: ONTAP answers a GET with at least the identity.
func checkInstance(body []byte) error {
	s := scanner{text: body}
	if s.peek() != '{' {
		return errors.New("not an object")
	}
	members := 0
	err := s.object(func(name []byte) error {
		if members++; string(name) == "error" {
			return errors.New("an error inside a success")
		}
		return s.skip()
	})
	if err != nil {
		return err
	}
	if members == 0 {
		return errors.New("an empty object")
	}
	return s.end()
}

// List returns all records of a collection, over all its pages, in the order of the answers,
// or an error: never a part, and none only if the cluster said that there are none. Each is
// a JSON object with a string at identity, a dotted name, that no other record has there. With
// a + behind the name several records may have the same: then whoever asks must see whether
// the collection changed while it was read.
//
// A record is not decoded, since whoever remembers what it was need not decode it again.
// unchanged says more: that records is the very slice which the previous call with the same
// path and query returned, as every page was, byte for byte, the same. The records are
// shared with later calls and must not be changed.
func (c *Client) List(ctx context.Context, path string, query url.Values, identity string) (records []json.RawMessage, unchanged bool, err error) {
	r, err := newRequest(http.MethodGet, path, query)
	if err != nil {
		return nil, false, err
	}
	key := r.path + "?" + r.query + "#" + identity
	kept := c.memory.recall(key)
	name, repeats := strings.CutSuffix(identity, "+")
	pages, err := c.pages(ctx, r, strings.Split(name, "."), kept)
	if err != nil {
		return nil, false, err
	}
	if slices.Equal(pages, kept.pages) {
		return kept.records, true, nil
	}
	if records, err = join(pages, repeats); err != nil {
		return nil, false, &AnswerError{Method: r.method, Path: r.path, Status: http.StatusOK, Problem: err.Error(),
			inconsistent: errors.Is(err, ErrInconsistent)}
	}
	c.memory.keep(key, listing{pages, records})
	return records, false, nil
}

// pages follows the links from page to page. A page that is as it was kept is that page.
func (c *Client) pages(ctx context.Context, r request, identity []string, kept listing) ([]*page, error) {
	var pages []*page
	seen := map[string]bool{}
	for {
		old := &page{}
		if i := len(pages); i < len(kept.pages) && kept.pages[i].query == r.query {
			old = kept.pages[i]
		}
		rep, err := c.read(ctx, r, old.body)
		if err != nil {
			return nil, err
		}
		p := old
		if old.body == nil || !sameSlice(rep.body, old.body) {
			if p, err = parsePage(rep.body, r.path, identity); err != nil {
				return nil, &AnswerError{Method: r.method, Path: r.path, Status: rep.status, Problem: err.Error()}
			}
			p.query = r.query
		}
		pages = append(pages, p)
		if p.next == "" {
			return pages, nil
		}
		seen[r.query] = true
		if seen[p.next] || len(pages) == maxPages {
			return nil, &AnswerError{Method: r.method, Path: r.path, Status: rep.status, Problem: "its pages have no end"}
		}
		r.query = p.next
	}
}

func sameSlice(a, b []byte) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}

// join makes one list of all pages. An identity that comes twice is a record that moved from
// page to page between two answers, and another may have moved the other way unseen.
func join(pages []*page, repeats bool) ([]json.RawMessage, error) {
	total := 0
	for _, p := range pages {
		total += len(p.records)
	}
	if total > maxRecords {
		return nil, errTooMany
	}
	records := make([]json.RawMessage, 0, total)
	seen := make(map[string]struct{}, total)
	for _, p := range pages {
		for i, r := range p.records {
			seen[string(p.ids[i])] = struct{}{}
			records = append(records, r)
		}
	}
	if len(seen) != total && !repeats {
		return nil, ErrInconsistent
	}
	return records, nil
}
