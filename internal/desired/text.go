package desired

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxSize is the size in bytes of the largest file that is read.
const MaxSize = 1 << 20

// maxIndicators bounds the bytes that can begin a key or a list item. The YAML parser is
// linear but takes some 2 µs and 400 bytes for each node, and a document has at most three
// nodes for each indicator: without a bound, 1 MiB of "a:\n" takes half a second. A file of
// MaxSize that people write has fewer.
const maxIndicators = 40_000

var byteOrderMark = []byte("\ufeff")

// checkText returns the text without its byte order mark, or reports the first thing about
// the bytes that keeps them from being read as YAML.
func checkText(log *faultLog, text []byte) ([]byte, bool) {
	start := log.pos(1, 1)
	if len(text) > MaxSize {
		log.fault(start, "", "the file has %d bytes; the limit is %d", len(text), MaxSize)
		return nil, false
	}
	text = bytes.TrimPrefix(text, byteOrderMark)
	if !checkRunes(log, text) {
		return nil, false
	}
	if n := indicators(text); n > maxIndicators {
		log.fault(start, "", "the file has %d keys, list items and commas; the limit is %d", n, maxIndicators)
		return nil, false
	}
	return text, true
}

// checkRunes reports the first byte or character that must not stand in the file.
func checkRunes(log *faultLog, text []byte) bool {
	line, col := 1, 1
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if problem := runeProblem(r, size, text[i+size:]); problem != "" {
			log.fault(log.pos(line, col), "", "%s", problem)
			return false
		}
		i += size
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return true
}

func runeProblem(r rune, size int, rest []byte) string {
	switch {
	case r == utf8.RuneError && size == 1:
		return "not UTF-8; save the file as UTF-8"
	case r == '\r' && !bytes.HasPrefix(rest, []byte("\n")):
		return "a carriage return without a line feed; end lines with LF or CRLF"
	case r == '\n', r == '\r', r == '\t':
		return ""
	case unprintable(r):
		return fmt.Sprintf("a character that editors do not show (%U); remove it", r)
	}
	return ""
}

// unprintable says whether r makes text look other than it is: control characters, line
// breaks that only YAML 1.1 knows, marks that turn the direction of writing, and code
// points that are not characters.
func unprintable(r rune) bool {
	switch {
	case r < 0x20, 0x7f <= r && r <= 0x9f: // C0, DEL, C1
		return true
	case r < 0x7f:
		return false
	case r == 0x2028, r == 0x2029, r == 0xfeff, r == 0xfffe, r == 0xffff:
		return true
	}
	return unicode.Is(unicode.Bidi_Control, r)
}

// indicators counts the bytes that may begin a key or a list item, wherever they stand: in
// a comment too, which keeps the count simple and never too low.
func indicators(text []byte) int {
	n := 0
	for i, b := range text {
		switch b {
		case ',', '[', '{':
			n++
		case '-', ':', '?':
			if i+1 == len(text) || text[i+1] <= ' ' {
				n++
			}
		}
	}
	return n
}
