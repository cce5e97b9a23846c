package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

// expirySoon is how long before its end a certificate is remarked on.
const expirySoon = 30 * 24 * time.Hour

// remark adds a note about a breach of a rule that only warns, unless the file ignores it.
func (d *decider) remark(rule rules.ID, want *resource.Object, i int, text string) {
	if slices.Contains(d.Ignored, rule) {
		return
	}
	name := want.Kind.Fields[i].Name
	d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: want.Place(i), Rule: string(rule), Text: name + ": " + text})
}

// certificates remarks on those that an object names and that are, or will soon be, of no
// use. One that is not installed refuses the step that sets it, and is not remarked on.
func (d *decider) certificates(want *resource.Object) {
	if want.Absent {
		return
	}
	for i := range want.Kind.Fields {
		f, v := &want.Kind.Fields[i], want.Values[i]
		if f.To != resource.Certificate || !v.IsSet() {
			continue
		}
		links := v.Links()
		if f.Type == resource.Link {
			links = []resource.LinkTo{v.Link()}
		}
		for _, l := range links {
			if o, ok := d.links.find(f.To, want.Addr.SVM, f.Where, l); ok {
				d.expiry(want, i, o)
				d.keyPair(want, i, o)
			}
		}
	}
}

// expiry is KM030. An end that cannot be read is not remarked on: ONTAP knows better.
func (d *decider) expiry(want *resource.Object, i int, certificate *resource.Object) {
	end, err := time.Parse(time.RFC3339, strings.Replace(certificate.Value("expiry_time").Str(), " ", "T", 1))
	if err != nil {
		return
	}
	name, day := plan.Safe(certificate.Addr.Name), end.UTC().Format(time.DateOnly)
	switch left := end.Sub(d.Now); {
	case left <= 0:
		d.remark(rules.KM030, want, i, fmt.Sprintf("%s expired on %s", name, day))
	case left < expirySoon:
		d.remark(rules.KM030, want, i, fmt.Sprintf("%s expires on %s, in %d days", name, day, int(left/(24*time.Hour))))
	}
}

// keyPair is KM031. The identifier of a key is made of the key, so that two that differ are
// most likely of two keys; certainty is ONTAP's, which refuses.
func (d *decider) keyPair(want *resource.Object, i int, next *resource.Object) {
	have := d.Have.Objects[want.Addr]
	if have == nil || have.Kind != want.Kind || want.Kind.Fields[i].Type != resource.Link {
		return
	}
	current := d.links.ids()[have.Values[i].Link().UUID]
	if current == nil || current.ID == next.ID {
		return
	}
	a, b := keyID(current), keyID(next)
	if a == "" || b == "" || strings.EqualFold(a, b) {
		return
	}
	d.remark(rules.KM031, want, i, fmt.Sprintf("%s has another key than %s", plan.Safe(next.Addr.Name), plan.Safe(cmp.Or(current.Addr.Name, current.ID))))
}

func keyID(certificate *resource.Object) string {
	return certificate.Value("subject_key_identifier").Str()
}

// holdQuorum keeps key servers while a node is away (KM041): it cannot say which of them it
// needs, and ONTAP refuses while it is out of quorum.
func (d *decider) holdQuorum() {
	i := slices.IndexFunc(d.Have.Nodes, away)
	if i < 0 {
		return
	}
	n := d.Have.Nodes[i]
	what := "is not a member of the cluster"
	if n.Member {
		what = "is " + plan.Safe(n.State)
	}
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if s.Op == plan.Delete && s.Status == plan.Ready && s.Addr.Kind == resource.KeyServer.Name {
			d.block(s, s.Source, plan.Held, plan.Nodes, fmt.Sprintf("%s %s: no key server is removed until every node is up and in the cluster", n.Name, what))
			s.Rule = string(rules.KM041)
		}
	}
}

// away says whether a node is known not to serve. What ONTAP does not tell is no ground.
func away(n resource.Node) bool {
	return !n.Member || !slices.Contains([]string{"", "up", "degraded"}, n.State)
}

// cite names the rules that hold or refuse steps, so that people can ask for more.
func (d *decider) cite() {
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		s.Rule = cmp.Or(s.Rule, string(d.ruleOf(s)))
	}
}

// ruleOf returns the rule that a guard enforces on a step; empty where it is none of the
// catalogue's.
func (d *decider) ruleOf(s *plan.Step) rules.ID {
	server, manager := s.Addr.Kind == resource.KeyServer.Name, s.Addr.Kind == resource.External.Name
	switch s.Guard {
	case plan.KeyStore:
		return rules.KM042
	case plan.MaxDeletes:
		return rules.KM080
	case plan.Version:
		return d.ruleOfRelease(s)
	case plan.Immutable:
		if manager && s.Op == plan.Create { // the onboard one stands there
			return rules.KM010
		}
	case plan.Missing:
		if manager && len(s.Changes) > 0 { // without any, it is the SVM that is missing
			return rules.KM030
		}
	case plan.Order, plan.Reachability, plan.Floor:
		switch {
		case server && s.Op == plan.Delete:
			return rules.KM040
		case server && s.Op == plan.Create:
			return rules.KM001
		case manager && s.Op == plan.Update:
			return rules.KM032
		}
	}
	return ""
}

// ruleOfRelease returns the rule about releases that a step breaks.
func (d *decider) ruleOfRelease(s *plan.Step) rules.ID {
	for _, w := range d.Want {
		if w.Addr == s.Addr && w.Kind.Scopes == resource.SVMScope && d.Have.Version.Before(w.Kind.Since) {
			return rules.KM011
		}
		if c := w.Child(s.Addr); c != nil && s.Source == c.Place(c.Kind.Index("secondary_key_servers")) {
			return rules.KM002
		}
	}
	return ""
}
