package diff

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// The wishes about an object as a whole.
var (
	there = plan.Wish{Value: "there"}
	gone  = plan.Wish{Value: "gone"}
)

// wishOf is short, and equal for equal values only.
func wishOf(v resource.Value) string {
	text := v.Text()
	for _, l := range append(v.Links(), v.Link()) {
		text += "\x00" + l.UUID
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// assign puts v at a dotted name: "a.b" becomes {"a":{"b":v}}.
func assign(body map[string]any, name string, v any) {
	for {
		head, rest, nested := strings.Cut(name, ".")
		if !nested {
			body[name] = v
			return
		}
		inner, ok := body[head].(map[string]any)
		if !ok {
			inner = map[string]any{}
			body[head] = inner
		}
		body, name = inner, rest
	}
}

// holds says whether the dotted name is in the body.
func holds(body map[string]any, name string) bool {
	for {
		head, rest, nested := strings.Cut(name, ".")
		v, ok := body[head]
		if !nested || !ok {
			return ok
		}
		inner, ok := v.(map[string]any)
		if !ok {
			return false
		}
		body, name = inner, rest
	}
}

// wire is the value as a request carries it. A secret stays a reference: what sends the
// request opens it.
func wire(f *resource.Field, v resource.Value) any {
	switch {
	case !v.Secret().IsZero():
		return plan.Sealed{Ref: v.Secret(), Field: f.Name, As: f.As, Base64: f.Flags.Has(resource.Base64)}
	case v.Link() != resource.LinkTo{}:
		return map[string]any{"uuid": v.Link().UUID}
	case v.Links() != nil:
		out := make([]any, len(v.Links()))
		for i, l := range v.Links() {
			out[i] = map[string]any{"uuid": l.UUID}
		}
		return out
	default:
		return v.Plain()
	}
}
