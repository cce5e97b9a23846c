package live

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"kmagent/internal/resource"
)

// readDetached reads, for those parents whose entries have a field that the parent's own
// collection does not return, the collection of their children. Nobody else pays for it.
func (r *Reader) readDetached(ctx context.Context, c *resource.Cluster, wanted []*resource.Object) error {
	cloned := false
	for _, w := range wanted {
		parent := c.Objects[w.Addr]
		if parent == nil || parent.Kind != w.Kind || w.Absent || !wantsDetached(w, c.Version) {
			continue
		}
		full, err := r.withDetached(ctx, parent)
		if err != nil {
			return err
		}
		if !cloned {
			c.Objects, cloned = maps.Clone(c.Objects), true
		}
		c.Objects[w.Addr] = full
	}
	return nil
}

func wantsDetached(w *resource.Object, v resource.Version) bool {
	for _, child := range w.Children {
		for i := range child.Kind.Fields {
			f := &child.Kind.Fields[i]
			if f.Flags.Has(resource.Detached) && child.Values[i].IsSet() && !v.Before(f.Since) {
				return true
			}
		}
	}
	return false
}

// withDetached returns the parent with the detached fields of its children filled in.
func (r *Reader) withDetached(ctx context.Context, parent *resource.Object) (*resource.Object, error) {
	field := &parent.Kind.Fields[parent.Kind.Children()]
	kind := field.To
	names := []string{kind.ID}
	for i := range kind.Fields {
		if kind.Fields[i].Flags.Has(resource.Detached) {
			names = append(names, kind.Fields[i].Name)
		}
	}
	path := parent.Kind.Path + "/" + resource.Segment(parent.ID) + "/" + kind.Path
	raw, _, err := r.get.List(ctx, path, fields(cheapPage, names...), kind.ID)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", kind.Path, parent.Addr, err)
	}
	full := *parent
	full.Children = slices.Clone(parent.Children)
	for _, b := range raw {
		rec, err := decodeRecord(b)
		if err != nil {
			return nil, err
		}
		own, err := r.object(kind, rec)
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", kind.Path, parent.Addr, err)
		}
		fill(&full, own)
	}
	return &full, nil
}

// fill copies the detached fields of own into a copy of the child of that id.
func fill(parent *resource.Object, own *resource.Object) {
	i := slices.IndexFunc(parent.Children, func(c *resource.Object) bool { return c.ID == own.ID })
	if i < 0 {
		return // added since the parent was read: the next pass sees it
	}
	child := *parent.Children[i]
	child.Values = slices.Clone(child.Values)
	for j := range child.Kind.Fields {
		if child.Kind.Fields[j].Flags.Has(resource.Detached) {
			child.Values[j] = own.Values[j]
		}
	}
	parent.Children[i] = &child
}
