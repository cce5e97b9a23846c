package desired

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kmagent/internal/resource"
	"kmagent/internal/rules"
	"kmagent/internal/schedule"
	"kmagent/internal/secret"
)

// A decoder walks the tree. Its methods report what is wrong with a node and say whether
// there is a value; a broken node has been reported and is passed over in silence.
type decoder struct {
	*faultLog
	seconds  bool                       // schedules may have seconds
	followed map[schedule.Spec]followed // see follow
}

// A place is a node and the path that leads to it. Private: nothing of its text may be
// repeated in a fault.
type place struct {
	*node
	path    string
	private bool
}

// in returns the place of a value under key.
func (p place) in(key string, n *node) place { return place{n, join(p.path, key), p.private} }

// at returns the place of item i.
func (p place) at(i int) place {
	return place{p.items[i], fmt.Sprintf("%s[%d]", p.path, i), p.private}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// wrong reports what is wrong with the value at p.
func (d *decoder) wrong(p place, format string, args ...any) {
	d.fault(p.pos, p.path, format, args...)
}

// echo returns the text at p in quotes, or what stands for it where it is private.
func (p place) echo() string {
	if p.private {
		return "the value"
	}
	return quote(p.text)
}

// is says whether the value at p is of the wanted kind, and reports it if it is of another.
func (d *decoder) is(p place, want nodeKind) bool {
	switch p.kind {
	case want:
		return true
	case broken:
	case null:
		d.wrong(p, "has no value; write %s, or leave it out", want)
	default:
		d.wrong(p, "must be %s, not %s", want, p.kind)
	}
	return false
}

// String returns the word for the kind in a message.
func (k nodeKind) String() string {
	switch k {
	case scalar:
		return "a single value"
	case list:
		return "a list ([a, b])"
	case mapping:
		return "a mapping ({key: value}, or {} for none)"
	default:
		return "nothing"
	}
}

// keys returns the values of a mapping that may have no other keys than known. A key that
// stands twice keeps its first value.
func (d *decoder) keys(p place, known ...string) (map[string]place, bool) {
	if !d.is(p, mapping) {
		return nil, false
	}
	found := make(map[string]place, len(known))
	lines := make(map[string]int, len(known))
	for _, kv := range p.pairs {
		switch {
		case !slices.Contains(known, kv.key):
			d.unknownKey(p, kv, known, nil)
		case lines[kv.key] != 0:
			d.fault(kv.at, join(p.path, kv.key), "already set at line %d", lines[kv.key])
		default:
			found[kv.key] = p.in(kv.key, kv.value)
			lines[kv.key] = kv.at.Line
		}
	}
	return found, true
}

// unknownKey reports a key that the mapping at p cannot have. Elsewhere are words that may
// have been meant too, but do not stand in the mapping as they are.
func (d *decoder) unknownKey(p place, kv pair, known, elsewhere []string) {
	all := strings.Join(known, ", ")
	if p.private {
		d.fault(kv.at, p.path, "unknown key; known here: %s", all)
		return
	}
	if near, ok := nearest(kv.key, slices.Concat(known, elsewhere)); ok {
		d.fault(kv.at, p.path, "unknown key %s; did you mean %s?", quote(kv.key), near)
		return
	}
	d.fault(kv.at, p.path, "unknown key %s; known here: %s", quote(kv.key), all)
}

// missing reports that the mapping at p lacks a key.
func (d *decoder) missing(p place, key, why string) {
	d.fault(p.pos, join(p.path, key), "missing: %s", why)
}

// need returns the value of a key that the mapping at p must have, or reports that it lacks.
func (d *decoder) need(p place, keys map[string]place, key, why string) (place, bool) {
	v, ok := keys[key]
	if !ok {
		d.missing(p, key, why)
	}
	return v, ok
}

// str returns a text that is not empty.
func (d *decoder) str(p place) (string, bool) {
	if !d.is(p, scalar) {
		return "", false
	}
	if p.text == "" {
		d.wrong(p, "must not be empty; leave the key out if there is nothing to say")
		return "", false
	}
	return p.text, true
}

var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// integer returns a decimal integer from low to high. Other spellings are refused: YAML
// reads 010 as eight and 1e3 as a thousand, people do not.
func (d *decoder) integer(p place, low, high int64) (int64, bool) {
	if !d.is(p, scalar) {
		return 0, false
	}
	switch {
	case !decimal.MatchString(p.text):
		d.wrong(p, "%s is not a decimal integer; write digits alone, such as 30", p.echo())
		return 0, false
	case !p.plain:
		d.wrong(p, "%s is a text; write the number without quotes", p.echo())
		return 0, false
	}
	n, err := strconv.ParseInt(p.text, 10, 64)
	if err != nil || n < low || n > high {
		d.wrong(p, "%s is out of range; %s", p.echo(), span(low, high))
		return 0, false
	}
	return n, true
}

// span says what is in a range.
func span(low, high int64) string {
	if high == math.MaxInt64 {
		return fmt.Sprintf("write %d or more", low)
	}
	return fmt.Sprintf("write %d to %d", low, high)
}

// boolean returns true or false. YAML 1.1 has twenty more spellings; they are refused.
func (d *decoder) boolean(p place) (value, ok bool) {
	if !d.is(p, scalar) {
		return false, false
	}
	word := strings.ToLower(p.text)
	switch {
	case p.text == "true" || p.text == "false":
		if !p.plain {
			d.wrong(p, "%s is a text; write %s without quotes", p.echo(), p.text)
		}
		return p.text == "true", p.plain
	case slices.Contains([]string{"true", "yes", "on", "y"}, word):
		d.wrong(p, "%s is not a boolean; write true", p.echo())
	case slices.Contains([]string{"false", "no", "off", "n"}, word):
		d.wrong(p, "%s is not a boolean; write false", p.echo())
	default:
		d.wrong(p, "%s is not a boolean; write true or false", p.echo())
	}
	return false, false
}

// The range of the intervals a file may set.
const (
	shortest = time.Second
	longest  = 24 * time.Hour
)

// duration returns a time span such as 90s, 5m or 1h30m.
func (d *decoder) duration(p place) (time.Duration, bool) {
	if !d.is(p, scalar) {
		return 0, false
	}
	if decimal.MatchString(p.text) {
		d.wrong(p, "a duration has a unit; write %s for seconds", quote(p.text+"s"))
		return 0, false
	}
	t, err := time.ParseDuration(p.text)
	switch {
	case err != nil:
		d.wrong(p, "%s is not a duration; write a number and a unit, such as 90s, 5m or 1h30m", p.echo())
		return 0, false
	case t < shortest || t > longest:
		d.wrong(p, "%s is out of range; write 1s to 24h", p.echo())
		return 0, false
	}
	return t, true
}

// word returns one of the words.
func (d *decoder) word(p place, words ...string) (string, bool) {
	if !d.is(p, scalar) {
		return "", false
	}
	if !slices.Contains(words, p.text) {
		d.wrong(p, "%s is not one of [%s]", p.echo(), strings.Join(words, " "))
		return "", false
	}
	return p.text, true
}

// absolute returns the absolute path of a file on this host.
func (d *decoder) absolute(p place) (string, bool) {
	s, ok := d.str(p)
	if ok && !strings.HasPrefix(s, "/") {
		d.wrong(p, "must be an absolute path; begin it with /")
		return "", false
	}
	return s, ok
}

// ref returns a reference to a secret. What stands there instead of one may be the secret:
// no part of it is repeated.
func (d *decoder) ref(p place) (secret.Ref, bool) {
	if p.kind == broken {
		return secret.Ref{}, false
	}
	r, err := secret.ParseRef(p.text)
	if p.kind != scalar || err != nil {
		d.breaks(rules.KM070, p, "%v", secret.ErrNotRef)
		return secret.Ref{}, false
	}
	return r, true
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// uuid returns a UUID in lower case, as ONTAP writes it.
func (d *decoder) uuid(p place) (string, bool) {
	s, ok := d.str(p)
	if !ok {
		return "", false
	}
	if low := strings.ToLower(s); uuidForm.MatchString(low) {
		return low, true
	}
	d.wrong(p, "%s is not a UUID; write it as 1cd8a442-86d1-11e0-ae1c-123478563412", p.echo())
	return "", false
}

// norm returns the one spelling of s that f has for it.
func (d *decoder) norm(p place, f *resource.Field, s string) (string, bool) {
	if f.Norm == nil {
		return s, true
	}
	n, err := f.Norm(s)
	if err != nil {
		d.breaks(ruleOfForm(f), p, "%s: %v", p.echo(), err)
		return "", false
	}
	return n, true
}
