package diff

import (
	"fmt"
	"slices"
	"time"

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
	return slices.IndexFunc(k.Fields, func(f resource.Field) bool { return f.As == name && !f.Flags.Has(resource.Next) })
}

// nextOf returns the index of the field that holds what is to take the place of a secret, or -1.
func nextOf(k *resource.Kind, name string) int {
	return slices.IndexFunc(k.Fields, func(f resource.Field) bool { return f.As == name && f.Flags.Has(resource.Next) })
}

// succeeded says whether what was to take the place of secret i has done so: then what the file
// has for i is the former one, and is not put back.
func (d *decider) succeeded(want *resource.Object, i int) bool {
	f := &want.Kind.Fields[i]
	j := nextOf(want.Kind, f.Name)
	if j < 0 || !want.Values[j].IsSet() {
		return false
	}
	in, next := d.Ledger.Objects[want.Addr].Secrets[f.Name], d.secret(want, j)
	return in != "" && next.Err == nil && in == next.Digest && in != d.secret(want, i).Digest
}

// inPlace notes what the file is to say now.
func (d *decider) inPlace(want *resource.Object, i int) {
	f := &want.Kind.Fields[i]
	j := nextOf(want.Kind, f.Name)
	next := want.Kind.Fields[j].Key()
	text := next + " is in place"
	if at := d.Ledger.Objects[want.Addr].Slots[resource.RotatePassphrase].Succeeded; !at.IsZero() {
		text += " since " + at.UTC().Format(time.RFC3339)
	}
	d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: want.Place(j),
		Text: fmt.Sprintf("%s: name it as %s, and a new %s", text, f.Key(), next)})
}

// rotate is the step that puts the next passphrase in place of the one in use; ok is false if
// there is nothing for it to do. Only one that is known to be in use, or taken to be, is sent as
// such.
func (d *decider) rotate(want, have *resource.Object) (s plan.Step, ok bool) {
	const field = "onboard.passphrase"
	i, j := want.Kind.Index(field), want.Kind.Index(resource.PassphraseNext)
	if !want.Values[j].IsSet() {
		return s, false
	}
	f, proof := &want.Kind.Fields[i], &want.Kind.Fields[want.Kind.Index(resource.Proof)]
	now, next, known := d.secret(want, i), d.secret(want, j), d.Ledger.Objects[want.Addr].Secrets[field]
	if next.Err == nil && (known == next.Digest || known == "" && now.Err == nil && now.Digest == next.Digest) {
		return s, false
	}
	body := map[string]any{}
	assign(body, f.Name, plan.Sealed{Ref: want.Values[j].Secret(), Field: f.Name, As: f.Name})
	assign(body, proof.Name, plan.Sealed{Ref: want.Values[i].Secret(), Field: proof.Name, As: f.Name})
	s = plan.Step{Op: plan.Act, Addr: want.Addr, Source: want.Source, Action: resource.RotatePassphrase, Timed: true,
		Repeat: resource.Never, Backup: want.Kind.Backup != "",
		Changes: []plan.Change{{Field: f.Name, Old: want.Values[i], New: want.Values[j]}},
		Wishes:  []plan.Wish{{Field: f.Name, Value: next.Digest}},
	}
	s.Requests = []plan.Request{{Method: "PATCH", Path: d.path(have), Body: body}}
	switch {
	case next.Err != nil:
		d.unreadable(&s, want, j, next)
	case now.Err != nil:
		d.unreadable(&s, want, i, now)
	case d.changes(want.Addr, field):
		d.block(&s, want.Place(i), plan.Held, plan.Order, "first the change of "+field+" must be made")
	case known != "" && known != now.Digest:
		d.block(&s, want.Place(i), plan.Refused, plan.Passphrase,
			field+" is not the one that was last sent, or taken to be in place: correct it. It is not tried, since ONTAP counts wrong ones")
	default:
		d.spare(&s, want, i, now.Digest)
	}
	if want.Value(resource.Synchronize).Bool() {
		d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: want.Place(j), Rule: string(rules.KM060),
			Text: "the MetroCluster partner keeps the old one until " + f.Name + " is changed there as well"})
	}
	return s, true
}

// changes says whether the plan has an update of that field already.
func (d *decider) changes(a resource.Addr, field string) bool {
	return slices.ContainsFunc(d.plan.Steps, func(s plan.Step) bool {
		return s.Addr == a && s.Op == plan.Update && slices.ContainsFunc(s.Changes, func(c plan.Change) bool { return c.Field == field })
	})
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
		if d.succeeded(want, i) {
			i = nextOf(want.Kind, p.Field)
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
