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
	text := certificate.Value("expiry_time").Str()
	if text == "" {
		return
	}
	end, err := time.Parse(time.RFC3339, strings.Replace(text, " ", "T", 1))
	left := end.Sub(d.Now)
	if err != nil || left >= expirySoon {
		return
	}
	name, day := plan.Safe(certificate.Addr.Name), end.UTC().Format(time.DateOnly)
	switch {
	case left <= 0:
		d.remark(rules.KM030, want, i, fmt.Sprintf("%s expired on %s", name, day))
	default:
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
	uuid := have.Values[i].Link().UUID
	if uuid == next.ID {
		return
	}
	current := d.links.ids()[uuid]
	if current == nil {
		return
	}
	a, b := keyID(current), keyID(next)
	if a == "" || b == "" || strings.EqualFold(a, b) {
		return
	}
	d.remark(rules.KM031, want, i, fmt.Sprintf("%s has another key than %s", plan.Safe(next.Addr.Name), plan.Safe(cmp.Or(current.Addr.Name, current.ID))))
}

// partnerCodes are the values of status.code that are about the MetroCluster partner.
var partnerCodes = []int64{65536894, 65536896, 65537201, 65537202, 65537203, 65537204, 65537245}

// standing remarks on what ONTAP says remains to be done for a key manager: KM060 if it is the
// MetroCluster partner's.
func (d *decider) standing(want *resource.Object) {
	have := d.Have.Objects[want.Addr]
	if want.Absent || have == nil || have.Kind != want.Kind {
		return
	}
	i := have.Kind.Index("status.code")
	if i < 0 || !have.Values[i].IsSet() {
		return
	}
	code := have.Values[i].Int()
	text := fmt.Sprintf("%d, %s", code, plan.Safe(have.Value("status.message").Str()))
	switch {
	case code == 0 || code == 65537200:
	case slices.Contains(partnerCodes, code):
		d.remark(rules.KM060, want, i, text)
	default:
		d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: want.Source, Text: "status.code: " + text})
	}
}

func keyID(certificate *resource.Object) string {
	return certificate.Value("subject_key_identifier").Str()
}

// holdQuorum changes nothing while a node of the cluster is away: it would miss the change, and
// ONTAP refuses much of it while the node is out of quorum. Key servers stay, too, while
// one joins (KM041): it cannot say yet which of them it needs.
func (d *decider) holdQuorum() {
	i := slices.IndexFunc(d.Have.Nodes, func(n resource.Node) bool { return n.Member && away(n) })
	if i < 0 {
		i = slices.IndexFunc(d.Have.Nodes, away)
	}
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
		switch {
		case s.Status != plan.Ready:
		case s.Op == plan.Delete && s.Addr.Kind == resource.KeyServer.Name:
			d.block(s, s.Source, plan.Held, plan.Nodes, fmt.Sprintf("%s %s: no key server is removed until every node is up and in the cluster", n.Name, what))
			s.Rule = string(rules.KM041)
		case n.Member, s.Timed:
			d.block(s, s.Source, plan.Held, plan.Nodes, fmt.Sprintf("%s %s: nothing is changed until every node of the cluster is up", n.Name, what))
		}
	}
}

// holdRekeys keeps from a rekey while the key service is known not to answer (KM051): the
// key that is in use must be had in order to wrap anew what it protects, and a rekey that
// stops half way leaves some nodes on the old key.
func (d *decider) holdRekeys() {
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if s.Op != plan.Act || s.Status != plan.Ready || !strings.HasPrefix(s.Action, "rekey") {
			continue
		}
		reason := ""
		if !d.Have.Health {
			d.plan.WantsHealth = true
			reason = "reachability was not read in this pass"
		} else if r, bad := unreached(d.Have.Objects[s.Addr]); bad {
			reason = "the key service is not reachable from " + cmp.Or(r.Node, "the cluster")
		}
		if reason != "" {
			d.block(s, s.Source, plan.Held, plan.Reachability, reason)
			s.Rule = string(rules.KM051)
		}
	}
}

// unreached returns the first report of o that its service is not reachable.
func unreached(o *resource.Object) (resource.Reach, bool) {
	for i := range o.Kind.Fields {
		v := o.Values[i]
		if o.Kind.Fields[i].Type == resource.Reachability && v.IsSet() && !v.Reach().OK {
			return v.Reach(), true
		}
		for _, r := range v.Reaches() {
			if !r.OK {
				return r, true
			}
		}
	}
	return resource.Reach{}, false
}

// away says whether a node is known not to serve. What ONTAP does not tell is no ground.
func away(n resource.Node) bool {
	return !n.Member || !slices.Contains([]string{"", "up", "degraded"}, n.State)
}

// cite names the rules that hold or refuse steps, so that people can ask for more.
func (d *decider) cite() {
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if s.Guard == plan.Version {
			s.Rule = string(d.ruleOfRelease(s))
		} else {
			s.Rule = cmp.Or(s.Rule, string(ruleOf(s)))
		}
	}
}

// ruleOf returns the rule that a guard enforces on a step; empty where it is none of the
// catalogue's.
func ruleOf(s *plan.Step) rules.ID {
	server, manager := s.Addr.Kind == resource.KeyServer.Name, s.Addr.Kind == resource.External.Name
	switch s.Guard {
	case plan.KeyStore:
		return rules.KM042
	case plan.Passphrase, plan.Secret:
		return ""
	case plan.MaxDeletes:
		return rules.KM080
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

// ruleOfRelease returns the rule about releases that refuses a step.
func (d *decider) ruleOfRelease(s *plan.Step) rules.ID {
	if s.Addr.Kind == resource.KeyServer.Name && d.secondaries()[s.Source] {
		return rules.KM002
	}
	for _, k := range resource.All() {
		if k.Name == s.Addr.Kind && k.Scopes == resource.SVMScope && d.Have.Version.Before(k.Since) {
			return rules.KM011
		}
	}
	return ""
}

// secondaries returns the places in the file where key servers have secondaries.
func (d *decider) secondaries() map[resource.Pos]bool {
	if d.secondaryAt == nil {
		d.secondaryAt = map[resource.Pos]bool{}
		field := resource.KeyServer.Index("secondary_key_servers")
		for _, w := range d.Want {
			for _, c := range w.Children {
				if c.Kind == resource.KeyServer && c.Values[field].IsSet() {
					d.secondaryAt[c.Place(field)] = true
				}
			}
		}
	}
	return d.secondaryAt
}
