package desired

import (
	"bytes"
	"strconv"
	"strings"
)

// A complaint is what the YAML parser says of text that it cannot read, and what that means
// to whoever wrote it. The parser's own words are not passed on: some repeat the text.
type complaint struct {
	says    string
	remedy  string
	fromTop bool // its line is counted from 0: the parser proper; the scanner counts from 1
}

var complaints = []complaint{
	{"did not find expected key", "a line near here does not fit the mapping it stands in; check indentation and quotes", true},
	{"did not find expected '-' indicator", "a line near here does not fit the list it stands in; check the indentation", true},
	{"did not find expected ',' or ']'", "a list in brackets is not closed; check for a missing comma or ]", true},
	{"did not find expected ',' or '}'", "a mapping in braces is not closed; check for a missing comma or }", true},
	{"did not find expected node content", "a value is missing; check brackets, braces and commas", true},
	{"did not find expected <document start>", "text after the end of the document; a file holds one", true},
	{"found undefined tag handle", "YAML tags (!!int, !name) are not used; write the value alone", true},
	{"found duplicate %", "a repeated % directive; remove it", true},
	{"found incompatible YAML document", "a %YAML directive of another version; remove it", true},
	{"mapping values are not allowed in this context", "a colon where no key can stand; check the indentation, or put text with a colon in quotes", false},
	{"mapping keys are not allowed in this context", "a ? where no key can stand; put the text in quotes", false},
	{"block sequence entries are not allowed in this context", "a list item (-) where none can stand; start the list on a line of its own", false},
	{"could not find expected ':'", "a key without a colon; write key: value", false},
	{"found character that cannot start any token", "a character that cannot begin a value (a tab, @, ` or %); indent with spaces, put text in quotes", false},
	{"found a tab character", "a tab where spaces are expected; indent with spaces", false},
	{"found unexpected end of stream", "quotes are not closed", false},
	{"found unexpected document indicator", "quotes are not closed before --- or ...", false},
	{"found unknown escape character", `an escape that YAML does not know; write \\ for a backslash, or use single quotes`, false},
	{"did not find expected hexdecimal number", `an escape without its digits; write \\ for a backslash, or use single quotes`, false},
	{"found invalid Unicode character escape code", "an escape that is no character", false},
	{"did not find expected alphabetic or numeric character", "an & or * without a name; put text that begins with one in quotes", false},
	{"exceeded max depth", "too many levels of nesting", false},
}

// syntax reports the error with which the YAML parser stopped.
func (l *faultLog) syntax(err error, text []byte) {
	says := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(says, "line "); ok {
		if number, after, ok := strings.Cut(rest, ": "); ok {
			line, _ = strconv.Atoi(number)
			says = after
		}
	}
	if name, ok := strings.CutPrefix(says, "unknown anchor '"); ok {
		l.unknownAnchor(strings.TrimSuffix(name, "' referenced"), text)
		return
	}
	remedy := "not YAML; check the indentation, the quotes and the brackets"
	for _, c := range complaints {
		if strings.HasPrefix(says, c.says) {
			remedy = c.remedy
			if c.fromTop {
				line++
			}
			break
		}
	}
	l.fault(l.pos(max(line, 1), 1), "", "%s", remedy)
}

// unknownAnchor reports an alias to nothing. The parser does not say where it stands, so
// the first that looks like it is taken.
func (l *faultLog) unknownAnchor(name string, text []byte) {
	before, _, _ := bytes.Cut(text, []byte("*"+name))
	if len(before) == len(text) {
		before = nil
	}
	line := 1 + bytes.Count(before, []byte("\n"))
	l.fault(l.pos(line, 1), "", "an alias (*name) without an anchor (&name) before it; put text that begins with * in quotes")
}
