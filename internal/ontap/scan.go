package ontap

import (
	"encoding/json"
	"errors"
)

// maxDepth bounds the nesting of an answer; ONTAP's own stay below ten.
const maxDepth = 64

// A scanner walks one JSON text once, without decoding what nobody asked for. Decoding a page
// of thousands of records with encoding/json takes several passes over it, each slower than
// this one, and its structs match the names of members regardless of case. What is decoded,
// and that only when a record has changed, is for the caller to say.
type scanner struct {
	text  []byte
	pos   int
	depth int
}

var (
	errSyntax = errors.New("not JSON")
	errDeep   = errors.New("JSON nested too deeply")
)

// checkJSON says whether text is one JSON value, nested no deeper than maxDepth.
func checkJSON(text []byte) error {
	s := scanner{text: text}
	if err := s.skip(); err != nil {
		return err
	}
	return s.end()
}

// end says whether only white space is left.
func (s *scanner) end() error {
	if s.peek() != 0 || s.pos != len(s.text) {
		return errSyntax
	}
	return nil
}

// peek returns the first byte of the next token; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// raw returns the next value as it stands.
func (s *scanner) raw() ([]byte, error) {
	s.peek()
	start := s.pos
	if err := s.skip(); err != nil {
		return nil, err
	}
	return s.text[start:s.pos:s.pos], nil
}

// skip walks over the next value, and says whether it is one.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, err := s.str()
		return err
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// object walks over the members of an object. At each, value must walk over the value.
func (s *scanner) object(value func(name []byte) error) error {
	return s.container('{', '}', func() error {
		if s.peek() != '"' {
			return errSyntax
		}
		name, err := s.str()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return errSyntax
		}
		s.pos++
		return value(name)
	})
}

// array walks over the elements of an array. At each, element must walk over it.
func (s *scanner) array(element func() error) error {
	return s.container('[', ']', element)
}

func (s *scanner) container(open, shut byte, item func() error) error {
	if s.peek() != open {
		return errSyntax
	}
	if s.depth++; s.depth > maxDepth {
		return errDeep
	}
	s.pos++
	if s.peek() == shut {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case shut:
			s.pos++
			s.depth--
			return nil
		default:
			return errSyntax
		}
	}
}

// str walks over a string and returns its content: as it stands if it has no escapes, which
// is nearly always.
func (s *scanner) str() ([]byte, error) {
	start, escaped := s.pos, false
	for i := start + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			if escaped {
				return unescape(s.text[start:s.pos])
			}
			return s.text[start+1 : i], nil
		case c == '\\':
			escaped = true
			i++ // whether the escape is one, unescape says
		case c < ' ':
			return nil, errSyntax
		}
	}
	return nil, errSyntax
}

func unescape(quoted []byte) ([]byte, error) {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return nil, errSyntax
	}
	return []byte(s), nil
}

func (s *scanner) word(w string) error {
	if len(s.text)-s.pos < len(w) || string(s.text[s.pos:s.pos+len(w)]) != w {
		return errSyntax
	}
	s.pos += len(w)
	return nil
}

// number walks over -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number() error {
	s.accept("-")
	if !s.accept("0") && !s.digits() {
		return errSyntax
	}
	if s.accept(".") && !s.digits() {
		return errSyntax
	}
	if s.accept("eE") {
		s.accept("+-")
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) accept(any string) bool {
	if s.pos < len(s.text) {
		for i := range len(any) {
			if s.text[s.pos] == any[i] {
				s.pos++
				return true
			}
		}
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}
