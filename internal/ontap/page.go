package ontap

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A page is one answer of a collection, checked. Its slices are parts of the body.
type page struct {
	query   string // that it answers
	body    []byte
	records []json.RawMessage
	ids     [][]byte // of the records
	next    string   // query of the page after it; empty: it is the last
}

// parsePage takes a page apart. It has no error only if the page is what ONTAP sends for a
// collection, whole and not contradicting itself: anything less could pass for "nothing
// there" (ONTAP REST reference, collection responses). Path is the collection's.
func parsePage(body []byte, path string, identity []string) (*page, error) {
	p := &page{body: body}
	s := scanner{text: body}
	count, hasRecords := int64(-1), false
	seen := map[string]bool{}
	if s.peek() != '{' {
		return nil, errors.New("not an object")
	}
	err := s.object(func(name []byte) error {
		key := string(name)
		switch key {
		case "records", "num_records", "_links", "error":
			if seen[key] {
				return fmt.Errorf("%s is given twice", key)
			}
			seen[key] = true
		}
		switch key {
		case "error":
			return errors.New("an error inside a success")
		case "records":
			hasRecords = true
			return p.scanRecords(&s, identity)
		case "num_records":
			var err error
			count, err = s.count()
			return err
		case "_links":
			return p.scanLinks(&s, path)
		}
		return s.skip()
	})
	if err == nil {
		err = s.end()
	}
	switch {
	case err != nil:
		return nil, err
	case !hasRecords && count != 0:
		return nil, errors.New("no records, and it is not said that there are none")
	case count >= 0 && count != int64(len(p.records)):
		return nil, fmt.Errorf("%d records where num_records says %d", len(p.records), count)
	}
	return p, nil
}

func (s *scanner) count() (int64, error) {
	raw, err := s.raw()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		return 0, errors.New("num_records is not a count")
	}
	return n, nil
}

func (p *page) scanRecords(s *scanner, identity []string) error {
	if s.peek() != '[' {
		return errors.New("records is not a list")
	}
	return s.array(func() error {
		if s.peek() != '{' {
			return errors.New("a record is not an object")
		}
		if len(p.records) == maxRecords {
			return errTooMany
		}
		start := s.pos
		id, err := s.identity(identity)
		if err != nil {
			return err
		}
		if len(id) == 0 {
			return errors.New("a record without " + strings.Join(identity, "."))
		}
		p.records = append(p.records, s.text[start:s.pos:s.pos])
		p.ids = append(p.ids, id)
		return nil
	})
}

// identity walks over an object and returns the string at a path in it; nil is none.
func (s *scanner) identity(path []string) (id []byte, err error) {
	found := false
	err = s.object(func(name []byte) error {
		if string(name) != path[0] {
			return s.skip()
		}
		if found {
			return errors.New("a record with two of " + path[0])
		}
		found = true
		var err error
		switch c := s.peek(); {
		case len(path) > 1 && c == '{':
			id, err = s.identity(path[1:])
		case len(path) == 1 && c == '"':
			id, err = s.str()
		default:
			err = s.skip()
		}
		return err
	})
	return id, err
}

// scanLinks finds the link to the next page. No other link matters.
func (p *page) scanLinks(s *scanner, path string) error {
	found := false
	return s.object(func(name []byte) error {
		if string(name) != "next" {
			return s.skip()
		}
		if found {
			return errors.New("two links to the next page")
		}
		found = true
		raw, err := s.raw()
		if err != nil {
			return err
		}
		link, err := decodeObject(raw)
		if err != nil {
			return errors.New("the link to the next page is not an object")
		}
		href, _ := link["href"].(string)
		p.next, err = nextQuery(href, path)
		return err
	})
}

// maxLink bounds a link; ONTAP repeats the query in it, and a query names every field.
const maxLink = 32 << 10

// nextQuery returns the query of a link to the next page. Only a relative link to the same
// collection is one, so that an answer cannot send the credentials anywhere else.
func nextQuery(href, path string) (string, error) {
	u, err := url.Parse(href)
	want, _ := url.PathUnescape(apiPrefix + path)
	if err != nil || len(href) > maxLink || u.Scheme != "" || u.Host != "" || u.User != nil || u.Fragment != "" ||
		strings.TrimSuffix(u.Path, "/") != want || u.RawQuery == "" || strings.ContainsFunc(u.RawQuery, isUnsafe) {
		return "", errors.New("the link to the next page leads elsewhere")
	}
	return u.RawQuery, nil
}

func isUnsafe(r rune) bool { return r <= ' ' || r >= 0x7f }
