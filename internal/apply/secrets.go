package apply

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

// An Opener turns a reference into the secret it names. Its errors name the reference and
// say nothing of the secret.
type Opener interface {
	Resolve(ctx context.Context, r secret.Ref) (secret.Value, error)
}

// Digests opens every secret that the objects want and returns their keyed digests, or why
// one cannot be had. The secrets themselves do not leave it.
func Digests(ctx context.Context, o Opener, k secret.Key, want []*resource.Object) plan.Secrets {
	out := plan.Secrets{}
	for _, w := range want {
		if w.Absent {
			continue
		}
		for _, x := range append([]*resource.Object{w}, w.Children...) {
			for i := range x.Kind.Fields {
				f := &x.Kind.Fields[i]
				if f.Type != resource.Secret || !x.Values[i].IsSet() {
					continue
				}
				v, err := open(ctx, o, f, x.Values[i].Secret())
				_, unfit := errors.AsType[*unfitError](err)
				state := plan.SecretState{Err: err, Unfit: unfit}
				if err == nil {
					state.Digest = digest(k, v, x.Addr, cmp.Or(f.As, f.Name))
				}
				out[plan.SecretAt{Addr: x.Addr, Field: f.Name}] = state
			}
		}
	}
	return out
}

func digest(k secret.Key, v secret.Value, a resource.Addr, field string) string {
	return secret.Digest(k, v, a.String(), field)
}

// open resolves one secret and checks its length against the table, so that a wrong one is
// not sent only to be refused: some refusals are counted.
func open(ctx context.Context, o Opener, f *resource.Field, ref secret.Ref) (secret.Value, error) {
	v, err := o.Resolve(ctx, ref)
	if err != nil {
		return secret.Value{}, err
	}
	clear := v.Expose()
	least := max(f.Min, 1) // an empty file is a mistake, not a secret
	if n := len(clear); f.Max > 0 && (n < least || n > f.Max) {
		return secret.Value{}, &unfitError{fmt.Sprintf("%s: what %s names must have %d to %d bytes", f.Name, ref, least, f.Max)}
	}
	if f.Flags.Has(resource.ASCII) && slices.ContainsFunc(clear, func(b byte) bool { return b < 0x20 || b > 0x7e }) {
		return secret.Value{}, &unfitError{fmt.Sprintf("%s: what %s names must be printable ASCII", f.Name, ref)}
	}
	return v, nil
}

// An unfitError says that a secret was read and cannot be what its field holds.
type unfitError struct{ text string }

func (e *unfitError) Error() string { return e.text }

// A body is what a request carries, with its secrets in the clear, and what the one that may
// be sent instead of it carries.
type body struct{ clear, instead map[string]any }

// open replaces the references in the bodies of a step by what they name, and returns the
// digests of what is about to be sent, request by request.
func (r *run) open(ctx context.Context, s *plan.Step) (bodies []body, digests []map[string]string, err error) {
	digests = make([]map[string]string, len(s.Requests))
	bodies = make([]body, len(s.Requests))
	for i, q := range s.Requests {
		digests[i] = map[string]string{}
		if bodies[i].clear, err = r.clear(ctx, s.Addr, q.Body, digests[i]); err != nil {
			return nil, nil, err
		}
		if q.Instead == nil {
			continue
		}
		if bodies[i].instead, err = r.clear(ctx, s.Addr, q.Instead.Body, digests[i]); err != nil {
			return nil, nil, err
		}
	}
	return bodies, digests, nil
}

// clear returns a copy of a body, or of an object in it, with its secrets in the clear.
func (r *run) clear(ctx context.Context, a resource.Addr, body map[string]any, digests map[string]string) (map[string]any, error) {
	if body == nil {
		return nil, nil
	}
	out := make(map[string]any, len(body))
	for k, x := range body {
		switch x := x.(type) {
		case map[string]any:
			inner, err := r.clear(ctx, a, x, digests)
			if err != nil {
				return nil, err
			}
			out[k] = inner
		case plan.Sealed:
			v, err := r.Secrets.Resolve(ctx, x.Ref)
			if err != nil {
				return nil, err
			}
			digests[x.Field] = digest(r.Key, v, a, cmp.Or(x.As, x.Field))
			if x.Base64 {
				v = secret.New([]byte(base64.StdEncoding.EncodeToString(v.Expose())))
			}
			out[k] = v
		default:
			out[k] = x
		}
	}
	return out, nil
}
