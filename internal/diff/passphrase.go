package diff

import (
	"fmt"
	"slices"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

// prove checks, before a secret is changed whose wrong former values ONTAP counts, that the
// file names the former one and that it is the one that was last sent or found in place. What
// is not known to be right is not tried.
func (d *decider) prove(s *plan.Step, want *resource.Object, i int) {
	f := &want.Kind.Fields[i]
	j := formerOf(want.Kind, f.Name)
	if j < 0 {
		return
	}
	former := &want.Kind.Fields[j]
	if !want.Values[j].IsSet() {
		d.block(s, want.Place(i), plan.Refused, plan.Passphrase,
			fmt.Sprintf("a changed %s is sent together with the one in use: name that one as %s until the change is made", f.Name, former.Name))
		return
	}
	old, new := d.secret(want, j), d.secret(want, i)
	if old.Err != nil {
		d.unreadable(s, want, j, old)
		return
	}
	known := d.Ledger.Objects[want.Addr].Secrets[f.Name]
	switch {
	case old.Digest == new.Digest:
		d.block(s, want.Place(j), plan.Refused, plan.Passphrase, former.Name+" is the same as "+f.Name+": name the one in use until now (65536150)")
		s.Rule = string(rules.KM021)
	case known != "" && known != old.Digest && known != new.Digest:
		d.block(s, want.Place(j), plan.Refused, plan.Passphrase,
			former.Name+" is not the one that was last sent, or taken to be in place: correct it. It is not tried, since ONTAP counts wrong ones")
	default:
		d.spare(s, want, j, old.Digest)
	}
}

// spare holds what would use a secret that ONTAP has called wrong before.
func (d *decider) spare(s *plan.Step, want *resource.Object, i int, digest string) {
	if refused := d.Ledger.Objects[want.Addr].Refused; refused != "" && refused == digest {
		d.block(s, want.Place(i), plan.Held, plan.Passphrase,
			fmt.Sprintf("ONTAP refused what %s names as wrong (65536139), and counts that: it is not tried again until it changes", want.Kind.Fields[i].Name))
	}
}

// formerOf returns the index of the field that holds the former value of a secret, or -1.
func formerOf(k *resource.Kind, name string) int {
	return slices.IndexFunc(k.Fields, func(f resource.Field) bool { return f.As == name })
}

func (d *decider) secret(want *resource.Object, i int) plan.SecretState {
	return d.Secrets[plan.SecretAt{Addr: want.Addr, Field: want.Kind.Fields[i].Name}]
}

// newNodes says whether an object has to be given to nodes that have come since it was last
// given to all, and completes the step that does so.
func (d *decider) newNodes(s *plan.Step, want, have *resource.Object, a resource.Action) bool {
	here := d.nodes()
	known := d.Ledger.Objects[want.Addr].Nodes
	if len(known) == 0 {
		d.plan.Adopted = append(d.plan.Adopted, plan.Adoption{Addr: want.Addr, Nodes: here})
		return false
	}
	var news []string
	for _, n := range d.Have.Nodes {
		if slices.Contains(here, n.UUID) && !slices.Contains(known, n.UUID) {
			news = append(news, n.Name)
		}
	}
	if len(news) == 0 {
		return false
	}
	s.Nodes, s.Backup = here, want.Kind.Backup != ""
	s.Changes = []plan.Change{{Field: "nodes", New: resource.StrList(news)}}
	for _, p := range a.Body {
		i := want.Kind.Index(p.Field)
		if i < 0 || want.Kind.Fields[i].Type != resource.Secret {
			continue
		}
		state, sent := d.secret(want, i), d.Ledger.Objects[want.Addr].Secrets[p.Field]
		switch {
		case state.Err != nil:
			d.unreadable(s, want, i, state)
		case sent != "" && sent != state.Digest:
			d.block(s, s.Source, plan.Held, plan.Order, "first the change of "+p.Field+" must be made")
		default:
			d.spare(s, want, i, state.Digest)
		}
	}
	return true
}

// nodes lists the UUIDs of the nodes that are in the cluster and up: one that is away cannot
// be given anything.
func (d *decider) nodes() []string {
	var out []string
	for _, n := range d.Have.Nodes {
		if !away(n) {
			out = append(out, n.UUID)
		}
	}
	return out
}
