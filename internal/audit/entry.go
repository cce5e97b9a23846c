package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// The events.
const (
	Intent    = "intent"    // a request is about to be sent
	Result    = "result"    // what came of it
	Command   = "command"   // somebody told kmagent to do something
	Recovered = "recovered" // the log before this one is broken and lies aside
)

// An Entry is one event. Texts may come from anywhere: they are cut to 256 bytes, and what a
// terminal would obey is escaped. A value of a field has no place in it.
type Entry struct {
	Seq      uint64    `json:"seq"`  // set by Append: 1, 2, 3, ...
	Time     time.Time `json:"time"` // in UTC; Append sets it where the caller did not
	Event    string    `json:"event"`
	Cluster  string    `json:"cluster,omitempty"`
	Actor    Actor     `json:"actor"`
	Revision string    `json:"revision,omitempty"` // digest of the desired file
	Plan     string    `json:"plan,omitempty"`     // id of the plan
	Op       string    `json:"op,omitempty"`       // id of the operation, the same in intent and result
	Object   string    `json:"object,omitempty"`   // its address
	Action   string    `json:"action,omitempty"`   // create, update, delete, or the word of an action
	Method   string    `json:"method,omitempty"`
	Path     string    `json:"path,omitempty"`
	Fields   []string  `json:"fields,omitempty"` // names alone, at most 64 of 64 bytes
	Outcome  string    `json:"outcome,omitempty"`
	Code     string    `json:"code,omitempty"` // ONTAP's
	Detail   string    `json:"detail,omitempty"`

	// VoidAfter is set by Append in the first entry of a segment that takes the place of one in
	// which a write failed: what stands there after so many bytes is no part of the log.
	VoidAfter int64  `json:"void_after,omitempty"`
	Prev      string `json:"prev"`          // set by Append: the sum of the entry before
	Sum       string `json:"sum,omitempty"` // set by Append

	line []byte
}

// An Actor is who did it. [Self] makes that of this process.
type Actor struct {
	Kind     string  `json:"kind"` // daemon or operator
	UID      int     `json:"uid"`
	LoginUID *uint32 `json:"login_uid,omitempty"` // who logged in, over su and sudo; nil: nobody, or unknown
	User     string  `json:"user,omitempty"`
	TTY      string  `json:"tty,omitempty"`
	PID      int     `json:"pid"`
	Host     string  `json:"host,omitempty"`
	Version  string  `json:"version,omitempty"` // of the binary
}

// Line returns the entry as it stands in the log, byte for byte, without its line feed. It
// is nil for an entry that was not read from one.
func (e Entry) Line() []byte { return e.line }

const (
	maxLine   = 64 << 10 // bytes of a line, with its line feed; none that Append writes is longer
	maxText   = 256      // bytes of a text
	maxFields = 64       // names of fields, and bytes of each
)

// zeros stands where the sum of an entry would, before the first one.
var zeros = strings.Repeat("0", 2*sha256.Size)

// encode returns the line of an entry, with its line feed, and its sum. The sum is that of
// every byte of the line before it.
func (e Entry) encode() (line []byte, sum string, err error) {
	e.tidy()
	e.Sum = ""
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, "", fmt.Errorf("encode entry: %w", err)
	}
	body := escape(bytes.TrimSuffix(b.Bytes(), []byte("}\n")))
	sum = sumOf(body)
	line = append(append(body, ending(sum)...), '\n')
	if len(line) > maxLine {
		return nil, "", fmt.Errorf("encode entry: %d bytes are too many", len(line))
	}
	return line, sum, nil
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// ending is what follows the bytes that the sum was made of.
func ending(sum string) string { return `,"sum":"` + sum + `"}` }

// decode is the reverse of encode, for a line without its line feed. Nothing is accepted
// that differs in a single byte from what the sum was made of.
func decode(line []byte) (Entry, error) {
	n := len(line) - len(ending(zeros))
	if n < 0 || string(line[n:]) != ending(sumOf(line[:n])) {
		return Entry{}, errors.New("the line does not match its sum")
	}
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, errors.New("the line is no entry")
	}
	return e, nil
}

// tidy bounds what an entry says.
func (e *Entry) tidy() {
	e.Time = e.Time.UTC()
	for _, s := range []*string{
		&e.Event, &e.Cluster, &e.Actor.Kind, &e.Actor.User, &e.Actor.TTY, &e.Actor.Host, &e.Actor.Version, &e.Revision,
		&e.Plan, &e.Op, &e.Object, &e.Action, &e.Method, &e.Path, &e.Outcome, &e.Code, &e.Detail,
	} {
		*s = cut(*s, maxText)
	}
	list := e.Fields
	e.Fields = nil
	for i, name := range list {
		if i == maxFields-1 && len(list) > maxFields {
			e.Fields = append(e.Fields, "…")
			break
		}
		e.Fields = append(e.Fields, cut(name, maxFields))
	}
}

// cut returns at most so many bytes of a text, as valid UTF-8; a cut one ends in an ellipsis.
func cut(s string, limit int) string {
	short := s
	if len(short) > 2*limit {
		short = short[:2*limit] // bound the work before it is done
	}
	short = strings.ToValidUTF8(short, string(utf8.RuneError))
	if len(short) <= limit && len(s) <= 2*limit {
		return short
	}
	end := min(limit-len("…"), len(short))
	for end > 0 && end < len(short) && !utf8.RuneStart(short[end]) {
		end--
	}
	return short[:end] + "…"
}

// escape writes as \uXXXX what JSON permits inside a string and a terminal obeys or hides:
// DEL, the controls above it, and what changes the direction of a text.
func escape(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(ending(zeros))+1)
	for _, r := range string(text) {
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
