package ontapsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An object is a JSON object that keeps the order of its members, so that answers are the
// same bytes every time and read in the order of the reference. A member's value is a
// string, an int64, a float64, a bool, nil, an object or a []any of these.
type object []member

type member struct {
	name  string
	value any
}

// put adds a member, whatever its value.
func (o *object) put(name string, value any) { *o = append(*o, member{name, value}) }

// opt adds a member unless its value is empty: ONTAP leaves unset values out.
func (o *object) opt(name string, value any) {
	if !empty(value) {
		o.put(name, value)
	}
}

func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case object:
		return len(v) == 0
	}
	return false
}

func (o object) member(name string) (any, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// get finds a value by its dotted name. It does not look into arrays.
func (o object) get(path string) (any, bool) {
	head, rest, nested := strings.Cut(path, ".")
	v, ok := o.member(head)
	if !ok || !nested {
		return v, ok
	}
	inner, ok := v.(object)
	if !ok {
		return nil, false
	}
	return inner.get(rest)
}

// text is the string at a dotted name, and whether there is one.
func (o object) text(path string) (string, bool) {
	v, _ := o.get(path)
	s, ok := v.(string)
	return s, ok
}

// integer is the number at a dotted name, and whether there is one.
func (o object) integer(path string) (int64, bool) {
	v, _ := o.get(path)
	n, ok := v.(int64)
	return n, ok
}

// truth is the boolean at a dotted name, and whether there is one.
func (o object) truth(path string) (value, ok bool) {
	v, _ := o.get(path)
	value, ok = v.(bool)
	return value, ok
}

// has tells whether a dotted name is there.
func (o object) has(path string) bool {
	_, ok := o.get(path)
	return ok
}

// list is the array at a dotted name, and whether there is one.
func (o object) list(path string) ([]any, bool) {
	v, _ := o.get(path)
	l, ok := v.([]any)
	return l, ok
}

// values visits every value at a dotted name, looking through arrays as ONTAP's dotted
// notation does.
func (o object) values(path []string, visit func(any)) {
	v, ok := o.member(path[0])
	if ok {
		descend(v, path[1:], visit)
	}
}

func descend(v any, path []string, visit func(any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			descend(e, path, visit)
		}
	case object:
		if len(path) > 0 {
			v.values(path, visit)
		}
	default:
		if len(path) == 0 {
			visit(v)
		}
	}
}

// appendJSON appends the compact JSON text of a value.
func appendJSON(dst []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendString(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e)
		}
		return append(dst, ']')
	case object:
		dst = append(dst, '{')
		for i, m := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, m.name), ':')
			dst = appendJSON(dst, m.value)
		}
		return append(dst, '}')
	}
	panic(fmt.Sprintf("ontapsim: no JSON for a %T", value))
}

const hexDigits = "0123456789abcdef"

// appendString quotes as JSON does. Unlike encoding/json it leaves <, > and & alone, as
// ONTAP does.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		b := s[i]
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b == '\n':
			dst = append(dst, '\\', 'n')
		case b < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		case b < utf8.RuneSelf:
			dst = append(dst, b)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}

// MarshalJSON makes an object part of what encoding/json writes.
func (o object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o), nil }

// UnmarshalJSON reads an object back.
func (o *object) UnmarshalJSON(text []byte) error {
	v, err := decodeJSON(text)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		*o = nil
	case object:
		*o = v
	default:
		return errors.New("not a JSON object")
	}
	return nil
}

// maxDepth bounds the nesting of a request body.
const maxDepth = 64

// errDuplicate is the error of decodeJSON for a member given twice.
type errDuplicate struct{ name string }

func (e *errDuplicate) Error() string { return "member " + strconv.Quote(e.name) + " is given twice" }

// decodeJSON reads exactly one JSON value. Numbers without fraction are int64.
func decodeJSON(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := decodeValue(dec, maxDepth)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return v, nil
}

func decodeValue(dec *json.Decoder, depth int) (any, error) {
	if depth == 0 {
		return nil, errors.New("JSON is nested too deeply")
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '[' {
			return decodeArray(dec, depth)
		}
		return decodeObject(dec, depth)
	case json.Number:
		if n, err := tok.Int64(); err == nil {
			return n, nil
		}
		return tok.Float64()
	}
	return tok, nil // string, bool or nil
}

func decodeArray(dec *json.Decoder, depth int) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := decodeValue(dec, depth-1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.Token() // the closing bracket
	return list, err
}

func decodeObject(dec *json.Decoder, depth int) (any, error) {
	o := object{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := tok.(string) // the decoder admits nothing else here
		if _, twice := o.member(name); twice {
			return nil, &errDuplicate{name}
		}
		v, err := decodeValue(dec, depth-1)
		if err != nil {
			return nil, err
		}
		o.put(name, v)
	}
	_, err := dec.Token() // the closing brace
	return o, err
}

// expand turns dotted members into nested objects: {"svm.name":"a"} is {"svm":{"name":"a"}}.
func expand(o object) (object, error) {
	out := object{}
	for _, m := range o {
		value, err := expandValue(m.value)
		if err != nil {
			return nil, err
		}
		if out, err = graft(out, strings.Split(m.name, "."), value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func expandValue(value any) (any, error) {
	switch v := value.(type) {
	case object:
		return expand(v)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			e, err := expandValue(e)
			if err != nil {
				return nil, err
			}
			list[i] = e
		}
		return list, nil
	}
	return value, nil
}

// graft puts a value at a path, merging objects that are given in parts.
func graft(o object, path []string, value any) (object, error) {
	for i := range o {
		if o[i].name != path[0] {
			continue
		}
		inner, ok := o[i].value.(object)
		if !ok {
			return nil, &errDuplicate{path[0]}
		}
		if len(path) > 1 {
			inner, err := graft(inner, path[1:], value)
			o[i].value = inner
			return o, err
		}
		more, ok := value.(object)
		if !ok {
			return nil, &errDuplicate{path[0]}
		}
		for _, m := range more {
			var err error
			if inner, err = graft(inner, []string{m.name}, m.value); err != nil {
				return nil, err
			}
		}
		o[i].value = inner
		return o, nil
	}
	if len(path) > 1 {
		inner, err := graft(object{}, path[1:], value)
		return append(o, member{path[0], inner}), err
	}
	return append(o, member{path[0], value}), nil
}
