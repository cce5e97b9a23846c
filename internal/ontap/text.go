package ontap

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// decodeObject decodes a small body, in which every member may count, with its numbers as
// [json.Number].
func decodeObject(body []byte) (map[string]any, error) {
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil || v == nil {
		return nil, errors.New("not an object")
	}
	return v, nil
}

// text returns a string or a number as text: ONTAP gives codes as either (ONTAP REST
// reference, error body and job object).
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// spaced puts spaces in the place of control characters, which some releases are known to
// leave raw in the strings of job messages (seen in 9.18.1) and which no JSON may have.
// Between tokens a space means what they mean.
func spaced(body []byte) []byte {
	out := bytes.Clone(body)
	for i, c := range out {
		if c < ' ' {
			out[i] = ' '
		}
	}
	return out
}

// mask takes secrets out of what the cluster said: several of ONTAP's messages repeat the
// value they complain of (ONTAP REST reference, codes 262185 and 262247).
//
// A cluster, or what stands before it, may repeat a secret in another spelling, or a line of one
// that has several: those are masked, too.
func mask(said string, secrets []string) string {
	var all []string
	for _, s := range secrets {
		for _, part := range append([]string{s, strings.TrimSpace(s)}, strings.FieldsFunc(s, lineEnd)...) {
			if part == s || len(part) >= shortLine {
				all = append(all, spellings(part)...)
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // or a part would hide the whole
	for _, s := range all {
		if s != "" {
			said = strings.ReplaceAll(said, s, "[secret]")
		}
	}
	return said
}

// shortLine is the length of a line below which it says nothing: a brace, a blank.
const shortLine = 8

func lineEnd(r rune) bool { return r == '\n' || r == '\r' }

// spellings are how a text may stand in another.
func spellings(s string) []string {
	if s == "" {
		return nil
	}
	quoted, _ := json.Marshal(s) // of a string it cannot fail
	var bare bytes.Buffer
	enc := json.NewEncoder(&bare)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	goQuoted, ascii, lower := strconv.Quote(s), strconv.QuoteToASCII(s), hex.EncodeToString([]byte(s))
	plain := strings.TrimSuffix(bare.String(), "\n")
	return []string{s, string(spaced([]byte(s))), string(quoted[1 : len(quoted)-1]), plain[1 : len(plain)-1], goQuoted[1 : len(goQuoted)-1],
		ascii[1 : len(ascii)-1], url.QueryEscape(s), url.PathEscape(s), lower, strings.ToUpper(lower),
		base64.RawStdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s))}
}

// maxText bounds what of the cluster's words gets into an error.
const maxText = 256

// safe makes a text of the cluster printable on one line, and short.
func safe(s string) string {
	var b strings.Builder
	for _, r := range s {
		e := escapeRune(r)
		if b.Len()+len(e) > maxText-len("…") {
			b.WriteString("…")
			break
		}
		b.WriteString(e)
	}
	return b.String()
}

// escapeRune returns a printable spelling. Controls of the direction of text, too, are not
// printable.
func escapeRune(r rune) string {
	if strconv.IsPrint(r) {
		return string(r)
	}
	q := strconv.QuoteRuneToASCII(r)
	return q[1 : len(q)-1]
}
