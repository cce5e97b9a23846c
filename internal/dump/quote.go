package dump

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// words mean something else than themselves to some reader of YAML.
var words = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

// quote returns the YAML that stands for s, in a list too: s itself where no reader can take
// it for anything else, and otherwise s in double quotes. What strconv escapes, YAML reads.
func quote(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if bare(s) {
		return s
	}
	return strconv.Quote(s)
}

// bare says whether s is a UUID, or begins with a letter or a slash, which no number does,
// and goes on with characters that end nothing. A colon may not be the last: it would end a
// key.
func bare(s string) bool {
	if s == "" || strings.HasSuffix(s, ":") || slices.Contains(words, strings.ToLower(s)) {
		return false
	}
	if uuidForm.MatchString(s) {
		return true
	}
	if first := s[0]; first != '/' && (first|0x20 < 'a' || first|0x20 > 'z') {
		return false
	}
	for _, r := range s {
		if !plain(r) && r != '/' && r != ':' {
			return false
		}
	}
	return true
}

// list writes a list on one line.
func list(items []string) string { return "[" + strings.Join(items, ", ") + "]" }

// The most that a comment repeats of one text, in bytes: of a cluster's or a fault's, and of
// what would have been a line of the file.
const (
	maxRemark = 256
	maxShown  = 1024
)

// remark makes text of unknown origin fit for a comment.
func remark(s string) string { return excerpt(s, maxRemark) }

// excerpt returns what fits into so many bytes of s, on one line and without what editors do
// not show. It leaves quotes and backslashes as they are: in a comment they end nothing.
func excerpt(s string, most int) string {
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most] + "…"
	}
	q := strconv.Quote(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q[1 : len(q)-1])
}
