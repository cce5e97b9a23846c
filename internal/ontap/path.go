package ontap

import (
	"errors"
	"net/url"
	"strings"
)

const apiPrefix = "/api/"

var errPath = errors.New("not a path below /api whose segments are escaped")

// Path joins segments into a path below /api, each escaped, so that no segment can be two,
// another resource, or a query. An empty segment and the dot segments are refused: ONTAP
// resolves them before it routes, and a change meant for one object would reach the
// collection (ONTAP REST reference, path normalisation). Dots and colons are escaped too,
// as names of key servers need it.
func Path(segments ...string) (string, error) {
	if len(segments) == 0 {
		return "", errPath
	}
	var b strings.Builder
	for i, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", errors.New("a path cannot have an empty segment, or one of dots alone")
		}
		if i > 0 {
			b.WriteByte('/')
		}
		for j := range len(s) {
			escapeByte(&b, s[j])
		}
	}
	return b.String(), nil
}

func escapeByte(b *strings.Builder, c byte) {
	const hex = "0123456789ABCDEF"
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '~':
		b.WriteByte(c)
	default:
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}

// cleanPath checks a path that somebody else joined, and cuts the /api/ of links off.
func cleanPath(path string) (string, error) {
	path = strings.TrimPrefix(path, apiPrefix)
	for segment := range strings.SplitSeq(path, "/") {
		s, err := url.PathUnescape(segment)
		if err != nil || s == "" || s == "." || s == ".." || strings.ContainsFunc(segment, needsEscape) {
			return "", errPath
		}
	}
	return path, nil
}

func needsEscape(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`?#"<>\^{}|`+"`", r)
}
