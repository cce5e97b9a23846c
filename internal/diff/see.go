package diff

import (
	"cmp"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// bind notes with each step what it rests on: the object as it was found, and the secrets that
// its requests carry, so that a plan is known to be the same later.
func (d *decider) bind() {
	if len(d.plan.Steps) == 0 {
		return
	}
	have, want := d.found(), d.wanted()
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		s.Seen = plan.Seen(have(s.Addr))
		for j := range s.Requests {
			for q := &s.Requests[j]; q != nil; q = q.Instead {
				d.sealed(s, want(s.Addr), q.Body)
			}
		}
	}
}

// found returns what finds an object of the cluster, be it a child. Children are put in order
// only if somebody asks for one.
func (d *decider) found() func(resource.Addr) *resource.Object {
	var children map[resource.Addr]*resource.Object
	return func(a resource.Addr) *resource.Object {
		if o := d.Have.Objects[a]; o != nil {
			return o
		}
		if children == nil {
			children = map[resource.Addr]*resource.Object{}
			for _, o := range d.Have.Objects {
				for _, c := range o.Children {
					children[c.Addr] = c
				}
			}
		}
		return children[a]
	}
}

// wanted likewise finds an entry of the file.
func (d *decider) wanted() func(resource.Addr) *resource.Object {
	var all map[resource.Addr]*resource.Object
	return func(a resource.Addr) *resource.Object {
		if all == nil {
			all = make(map[resource.Addr]*resource.Object, len(d.Want))
			for _, w := range d.Want {
				all[w.Addr] = w
				for _, c := range w.Children {
					all[c.Addr] = c
				}
			}
		}
		return all[a]
	}
}

// sealed notes the digests of the secrets in a body.
func (d *decider) sealed(s *plan.Step, want *resource.Object, body map[string]any) {
	for _, x := range body {
		switch x := x.(type) {
		case map[string]any:
			d.sealed(s, want, x)
		case plan.Sealed:
			if s.Secrets == nil {
				s.Secrets = map[string]string{}
			}
			s.Secrets[x.Field] = d.digestOf(want, x)
		}
	}
}

// digestOf returns the digest of what a body's secret names, as the plan's own look read it; ""
// if it could not be read.
func (d *decider) digestOf(want *resource.Object, x plan.Sealed) string {
	if want == nil {
		return ""
	}
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if f.Type != resource.Secret || want.Values[i].Secret() != x.Ref {
			continue
		}
		if place := cmp.Or(f.As, f.Name); place == cmp.Or(x.As, x.Field) {
			return d.secret(want, i).Digest
		}
	}
	return ""
}
