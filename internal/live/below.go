package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"kmagent/internal/resource"
)

// readBelow reads the collections that live below objects which this pass has seen in use.
// It returns their paths, and whether anything in them changed. Where the object above is
// not there, nothing is read, and nothing is known to be there.
func (r *Reader) readBelow(ctx context.Context, health bool, kinds []*resource.Kind) (paths []string, fresh bool, err error) {
	var reads []func(context.Context) (bool, error)
	for _, k := range kinds {
		if k.Under == nil || r.version.Before(k.Since) {
			continue
		}
		for _, above := range r.kept(k.Under.Path).vals {
			if above == nil || above.Kind != k.Under || above.Addr.Name != "" || !lives(k, above.Addr.SVM) {
				continue
			}
			path := k.Under.Path + "/" + resource.Segment(above.ID) + "/" + k.Path
			c := r.kept(path)
			paths = append(paths, path)
			reads = append(reads, func(ctx context.Context) (bool, error) {
				return update(ctx, r.get, c, kindCall(k, path, r.version, health), func(raw json.RawMessage) (*resource.Object, error) {
					return r.below(k, above, raw)
				})
			})
		}
	}
	if len(reads) == 0 {
		return nil, false, nil
	}
	fresh, err = r.all(ctx, reads)
	return paths, fresh, err
}

// lives says whether objects of the kind may be at the scope.
func lives(k *resource.Kind, svm string) bool {
	if svm == "" {
		return k.Scopes&resource.ClusterScope != 0
	}
	return k.Scopes&resource.SVMScope != 0
}

// below decodes an object that lives below another, whose scope it has.
func (r *Reader) below(k *resource.Kind, above *resource.Object, raw json.RawMessage) (*resource.Object, error) {
	rec, err := decodeRecord(raw)
	if err != nil {
		return nil, err
	}
	o, err := r.object(k, rec)
	if err != nil {
		return nil, err
	}
	o.Addr.SVM = above.Addr.SVM
	return o, nil
}

// twinned returns one object for two with the same tag, that of the lesser id, which knows
// the ids of the others. Those that it is made of are shared, and stay as they are.
func twinned(a, b *resource.Object) *resource.Object {
	ids := append([]string{a.ID, b.ID}, a.Twins...)
	if b.ID < a.ID {
		a = b
	}
	one := *a
	slices.Sort(ids)
	one.Twins = ids[1:]
	return &one
}

// readSingle reads the one object of a kind that is always there.
func (r *Reader) readSingle(ctx context.Context, k *resource.Kind, v resource.Version, health bool) (changed bool, err error) {
	q := kindCall(k, k.Path, v, health)
	q.query.Del("max_records")
	raw, err := r.get.Get(ctx, q.path, q.query)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", q.what, err)
	}
	c, query := r.kept(k.Path), q.query.Encode()
	if c.query == query && len(c.raw) == 1 && bytes.Equal(raw, c.raw[0]) {
		return false, nil
	}
	o, err := r.single(k, raw)
	if err != nil {
		*c = cache[*resource.Object]{}
		return false, fmt.Errorf("read %s: %w", q.what, err)
	}
	*c = cache[*resource.Object]{query, []json.RawMessage{bytes.Clone(raw)}, []*resource.Object{o}}
	return true, nil
}

// single decodes it. One that tells nothing of itself would pass for one that nobody set.
func (r *Reader) single(k *resource.Kind, raw json.RawMessage) (*resource.Object, error) {
	rec, err := decodeRecord(raw)
	if err != nil {
		return nil, err
	}
	o, err := r.object(k, rec)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(o.Values, resource.Value.IsSet) {
		return nil, implausible("a " + k.Name + " without any of its fields")
	}
	return o, nil
}
