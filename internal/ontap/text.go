package ontap

import (
	"bytes"
	"encoding/json"
	"errors"
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
func mask(said string, secrets []string) string {
	for _, s := range secrets {
		if s != "" {
			said = strings.ReplaceAll(said, s, "[secret]")
		}
	}
	return said
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
