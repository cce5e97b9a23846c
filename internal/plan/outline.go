package plan

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kmagent/internal/resource"
)

// An Outline is what a plan comes to: everything that decides what is sent, as words and
// digests. Unlike a plan it can be written down; like a plan it holds no secret. Plans of equal
// outlines send the same, for the same reasons, to the same cluster. Where a step stands in the
// file, and the words of a reason, are not in it.
type Outline struct {
	Cluster string        `json:"name"`
	UUID    string        `json:"uuid"`
	Release string        `json:"release"`
	Steps   []StepOutline `json:"steps"`
}

// A StepOutline is one step of an [Outline].
type StepOutline struct {
	Op       string            `json:"op"`
	Status   string            `json:"status"`
	Guard    string            `json:"guard,omitempty"`
	Address  string            `json:"address"`
	Action   string            `json:"action,omitempty"`
	Changes  []ChangeOutline   `json:"changes,omitempty"`
	Requests []RequestOutline  `json:"requests,omitempty"`
	Wishes   []Wish            `json:"wishes,omitempty"`
	Secrets  map[string]string `json:"secrets,omitempty"` // by field: keyed digests
	Seen     string            `json:"seen,omitempty"`
	Terms    string            `json:"terms"` // digest of what it depends on, and of what is remembered of it
}

// A ChangeOutline is one field of a step, as people see it.
type ChangeOutline struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// A RequestOutline is one request of a step.
type RequestOutline struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Body   string `json:"body"` // digest of it, and of what may be sent instead
}

// OutlineOf returns the outline of a plan.
func OutlineOf(p *Plan) Outline {
	o := Outline{Cluster: p.Cluster, UUID: p.UUID, Release: p.Release, Steps: make([]StepOutline, len(p.Steps))}
	for i := range p.Steps {
		o.Steps[i] = p.Steps[i].outline()
	}
	return o
}

func (s *Step) outline() StepOutline {
	o := StepOutline{
		Op: s.Op.String(), Status: s.Status.String(), Guard: string(s.Guard), Address: valid(s.Addr.String()), Action: s.Action,
		Wishes: slices.Clone(s.Wishes), Secrets: maps.Clone(s.Secrets), Seen: s.Seen,
		Terms: digestOf(s.Parent.String(), addresses(s.Brings), s.After, s.Repeat, s.Nodes, s.Backup, s.Lifted),
	}
	for _, c := range s.Changes {
		o.Changes = append(o.Changes, ChangeOutline{c.Field, Safe(c.Old.Text()), Safe(c.New.Text())})
	}
	for i := range s.Requests {
		q := &s.Requests[i]
		o.Requests = append(o.Requests, RequestOutline{q.Method, valid(q.Path), digestOf(q.wire())})
	}
	return o
}

// valid replaces what JSON has no spelling for.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func addresses(list []resource.Addr) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return out
}

// wire is all of a request as JSON knows it.
func (q *Request) wire() map[string]any {
	out := map[string]any{"method": q.Method, "path": q.Path, "id": q.ID, "body": plain(q.Body)}
	if q.Instead != nil {
		out["instead"] = q.Instead.wire()
	}
	return out
}

// plain returns a body with the references in it as words.
func plain(x any) any {
	switch x := x.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[k] = plain(v)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, v := range x {
			out[i] = plain(v)
		}
		return out
	case Sealed:
		return map[string]any{"sealed": x.Ref.String(), "field": x.Field, "as": x.As, "base64": x.Base64}
	default:
		return x
	}
}

// digestOf is short, and the same for the same values only. They are such that JSON can spell.
func digestOf(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic("plan: what a step sends is not JSON: " + err.Error()) // its leaves are of our own making
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// idLength is how much of a digest names a plan, in hex digits.
const idLength = 16

// Fingerprint names a plan by what it comes to: equal plans have the same, whenever made.
func Fingerprint(p *Plan) string {
	return digestOf(OutlineOf(p))[:idLength]
}

// Differences says how a plan of now differs from an earlier one, in a line each; none if it
// sends the same for the same reasons.
func (o Outline) Differences(now *Plan) []string {
	n := OutlineOf(now)
	if same(o, n) {
		return nil
	}
	var out []string
	say := func(where, format string, args ...any) {
		out = append(out, Safe(where)+": "+fmt.Sprintf(format, args...))
	}
	if o.UUID != n.UUID {
		say(o.Cluster, "another cluster answers: its UUID is %s, and the plan is for %s", Safe(n.UUID), Safe(o.UUID))
	}
	if o.Release != n.Release {
		say(o.Cluster, "it runs ONTAP %s, and ran %s when the plan was made", Safe(n.Release), Safe(o.Release))
	}
	before, after := byName(o.Steps), byName(n.Steps)
	told := map[string]bool{} // objects, of which one line is enough
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was := before[name]
		is, ok := after[name]
		if told[was.Address] || ok && same(was, is) {
			continue
		}
		if !ok {
			say(was.Address, "%s is not to be done any more", was.title())
			continue
		}
		told[was.Address] = true
		say(was.Address, "%s", was.difference(is))
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if is := after[name]; !told[is.Address] && before[name] == nil {
			say(is.Address, "%s is to be done, and was not in the plan", is.title())
		}
	}
	if len(out) == 0 {
		say(o.Cluster, "the steps stand in another order")
	}
	return out
}

// same says whether two outlines, or parts of such, are equal.
func same(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// byName gives the steps names: those that do the same to the same object are counted.
func byName(steps []StepOutline) map[string]*StepOutline {
	out := make(map[string]*StepOutline, len(steps))
	for i := range steps {
		s := &steps[i]
		for n := 0; ; n++ {
			name := fmt.Sprintf("%s\x00%s\x00%d", s.Address, s.title(), n)
			if out[name] == nil {
				out[name] = s
				break
			}
		}
	}
	return out
}

// title says what a step does, for a sentence.
func (s *StepOutline) title() string { return cmp.Or(s.Action, s.Op) }

// difference says in what a step that is still there is another one.
func (s *StepOutline) difference(now *StepOutline) string {
	switch {
	case s.Seen == "" && now.Seen != "":
		return "the object was not there, and is there now"
	case s.Seen != "" && now.Seen == "":
		return "the object was there, and is not there any more"
	case s.Seen != now.Seen:
		return "the object has changed on the cluster"
	case s.Status != now.Status || s.Guard != now.Guard:
		return fmt.Sprintf("%s was %s, and is %s", s.title(), s.standing(), now.standing())
	}
	for _, field := range slices.Sorted(maps.Keys(s.Secrets)) {
		if digest, ok := now.Secrets[field]; ok && digest != s.Secrets[field] {
			return field + ": the secret has changed"
		}
	}
	for _, w := range now.Wishes {
		switch before := slices.IndexFunc(s.Wishes, func(x Wish) bool { return x.Field == w.Field }); {
		case before < 0:
			return w.Field + " is to be set too"
		case s.Wishes[before] != w:
			return w.Field + " is to be another"
		}
	}
	return s.title() + " would send something else"
}

func (s *StepOutline) standing() string {
	if s.Guard == "" {
		return s.Status
	}
	return s.Status + " [" + s.Guard + "]"
}

// Same says whether another step does the same for the same reasons, and may be sent in the
// place of s. Where whoever asks has changed something in the scope meanwhile, what the look
// found and how the requests are put is another of necessity; nothing may come of it that was
// not to come of s.
func (s *Step) Same(other *Step, changed bool) bool {
	if s.Addr != other.Addr || s.Op != other.Op || s.Action != other.Action || s.Status != other.Status {
		return false
	}
	if !changed {
		return same(s.outline(), other.outline())
	}
	for _, w := range other.Wishes {
		if !slices.Contains(s.Wishes, w) {
			return false
		}
	}
	for field, digest := range other.Secrets {
		if s.Secrets[field] != digest {
			return false
		}
	}
	return true
}
