package resource

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"kmagent/internal/secret"
)

// A Value is what one field holds. The zero Value is "not set", which on the side of the
// file means unmanaged and on the side of a cluster means that ONTAP did not return it.
type Value struct{ v any }

// A LinkTo names another object. In the file it has a name or a UUID, from a cluster
// always a UUID and, where ONTAP sends it, a name.
type LinkTo struct{ Name, UUID string }

// String returns the name, or else the UUID.
func (l LinkTo) String() string {
	if l.Name != "" {
		return l.Name
	}
	return l.UUID
}

// A NodeState says how one node sees an object: ONTAP's words are available,
// not_responding and unknown.
type NodeState struct{ Node, State string }

// A Reach says whether a service is reachable, from a node or from all of them.
type Reach struct {
	Node          string // empty for all of them
	OK            bool
	Code, Message string // ONTAP's; "0" and "" when all is well
}

// Constructors of values, one for each [Type].
func Str(s string) Value                { return Value{s} }
func Int(n int64) Value                 { return Value{n} }
func Bool(b bool) Value                 { return Value{b} }
func StrList(s []string) Value          { return Value{s} }
func SecretRef(r secret.Ref) Value      { return Value{r} }
func LinkValue(l LinkTo) Value          { return Value{l} }
func LinkList(l []LinkTo) Value         { return Value{l} }
func NodeStateList(s []NodeState) Value { return Value{s} }
func ReachValue(r Reach) Value          { return Value{r} }
func ReachList(r []Reach) Value         { return Value{r} }
func ChildrenListed() Value             { return Value{childrenListed{}} }

// childrenListed marks a Children field that the file has, so that it is managed; the
// children themselves are in [Object.Children].
type childrenListed struct{}

// IsSet says whether the field has a value.
func (v Value) IsSet() bool { return v.v != nil }

// Accessors return the zero value of their type when v holds something else.
func (v Value) Str() string             { s, _ := v.v.(string); return s }
func (v Value) Int() int64              { n, _ := v.v.(int64); return n }
func (v Value) Bool() bool              { b, _ := v.v.(bool); return b }
func (v Value) Strings() []string       { s, _ := v.v.([]string); return s }
func (v Value) Secret() secret.Ref      { r, _ := v.v.(secret.Ref); return r }
func (v Value) Link() LinkTo            { l, _ := v.v.(LinkTo); return l }
func (v Value) Links() []LinkTo         { l, _ := v.v.([]LinkTo); return l }
func (v Value) NodeStates() []NodeState { s, _ := v.v.([]NodeState); return s }
func (v Value) Reach() Reach            { r, _ := v.v.(Reach); return r }
func (v Value) Reaches() []Reach        { r, _ := v.v.([]Reach); return r }

// Plain returns a scalar or a list of strings as JSON knows it; nil for anything else.
func (v Value) Plain() any {
	switch v.v.(type) {
	case string, int64, bool, []string:
		return v.v
	default:
		return nil
	}
}

// Text returns the value as a plan shows it: scalars as they are, lists in brackets, a
// secret as [secret.Mask], nothing as "". Text from a cluster is returned as it came: what
// prints it must escape it.
func (v Value) Text() string {
	switch x := v.v.(type) {
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	case bool:
		return strconv.FormatBool(x)
	case []string:
		return "[" + strings.Join(x, " ") + "]"
	case secret.Ref:
		return secret.Mask
	case Timing:
		return x.String()
	case LinkTo:
		return x.String()
	case []LinkTo:
		names := make([]string, len(x))
		for i, l := range x {
			names[i] = l.String()
		}
		return "[" + strings.Join(names, " ") + "]"
	default:
		return ""
	}
}

// MarshalJSON writes the value as the plan's JSON shows it: numbers and booleans as such,
// links by name or else UUID, a secret as [secret.Mask], nothing as null.
func (v Value) MarshalJSON() ([]byte, error) {
	switch x := v.v.(type) {
	case string, int64, bool, []string:
		return json.Marshal(x)
	case secret.Ref:
		return json.Marshal(secret.Mask)
	case Timing:
		return json.Marshal(x.String())
	case LinkTo:
		return json.Marshal(x.String())
	case []LinkTo:
		names := make([]string, len(x))
		for i, l := range x {
			names[i] = l.String()
		}
		return json.Marshal(names)
	default:
		return []byte("null"), nil
	}
}

// empty says whether v is what ONTAP leaves out of an answer: unset, "", or no members.
func (v Value) empty() bool {
	switch x := v.v.(type) {
	case nil:
		return true
	case string:
		return x == ""
	case []string:
		return len(x) == 0
	case []LinkTo:
		return len(x) == 0
	default:
		return false
	}
}

// Equal says whether a cluster that holds have is as the file wants it. A field that ONTAP
// did not return counts as its default. Links are compared by UUID: resolve the wanted one
// first. Secrets and children are never equal here; they are compared elsewhere.
func (f *Field) Equal(want, have Value) bool {
	if !have.IsSet() && f.Default.IsSet() {
		have = f.Default
	}
	if want.empty() || have.empty() {
		return want.empty() && have.empty()
	}
	switch f.Type {
	case String:
		return want.Str() == have.Str() || f.spell(want.Str()) == f.spell(have.Str())
	case Integer:
		return want.Int() == have.Int()
	case Boolean:
		return want.Bool() == have.Bool()
	case Strings:
		return f.equalLists(f.spellAll(want.Strings()), f.spellAll(have.Strings()))
	case Link:
		return want.Link().UUID == have.Link().UUID
	case Links:
		return f.equalLists(uuids(want.Links()), uuids(have.Links()))
	default:
		return false
	}
}

// Spell returns a value with its strings in their one spelling.
func (f *Field) Spell(v Value) Value {
	switch x := v.v.(type) {
	case string:
		return Value{f.spell(x)}
	case []string:
		return Value{f.spellAll(x)}
	default:
		return v
	}
}

// spell returns the one spelling of s, or s itself where it has none: what a cluster holds
// may be older than our rules.
func (f *Field) spell(s string) string {
	if f.Norm == nil {
		return s
	}
	if n, err := f.Norm(s); err == nil {
		return n
	}
	return s
}

func (f *Field) spellAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = f.spell(s)
	}
	return out
}

func (f *Field) equalLists(a, b []string) bool {
	if f.Flags.Has(Unordered) {
		slices.Sort(a)
		slices.Sort(b)
	}
	return slices.Equal(a, b)
}

func uuids(links []LinkTo) []string {
	out := make([]string, len(links))
	for i, l := range links {
		out[i] = l.UUID
	}
	return out
}
