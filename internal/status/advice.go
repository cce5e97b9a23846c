package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kmagent/internal/plan"
)

// Advice is something that a human should see to, and the command to begin with.
type Advice struct {
	What    string
	Command string // may be empty; whatever a cluster said of it is quoted for a shell
}

// advice lists what a human should see to of the desired state.
func (r *Report) advice() []Advice {
	var out []Advice
	s := &r.Source
	switch {
	case s.Problem != "":
		what := fmt.Sprintf("the newest file is not in use, and all writes rest, for %s: %s", since(r.At, s.ProblemAt), s.Problem)
		if s.Faults > 1 {
			what += " (and " + count(s.Faults-1, "more fault") + ")"
		}
		out = append(out, Advice{what, "kmagent validate --file " + quote(s.File)})
	case s.Revision == "":
		out = append(out, Advice{"no desired state has been read yet", "journalctl -u kmagent -n 50"})
	case plan.Guard(s.Hold) == plan.Shrink:
		out = append(out, Advice{"all writes rest: " + s.Reason, "kmagent ack " + quote(fmt.Sprintf("%.12s", s.Revision)) + " --reason WHY"})
	case s.Hold != "":
		out = append(out, Advice{"all writes rest: " + s.Reason, "journalctl -u kmagent -n 50"})
	}
	return out
}

// inForce lists the pauses and overrides: each once, however many clusters it is about.
func (r *Report) inForce() []Advice {
	var out []Advice
	told := map[string]bool{}
	for i := range r.Clusters {
		c := &r.Clusters[i]
		for _, p := range c.Pauses {
			if !told[p.ID] {
				out = append(out, Advice{fmt.Sprintf("writes to %s rest until %s, as %s ordered: %s", rests(p), p.Until.Format(time.RFC3339), p.By, p.Reason), resume(p)})
			}
			told[p.ID] = true
		}
		for _, o := range c.Overrides {
			if !told[o.ID] {
				out = append(out, Advice{fmt.Sprintf("one step on %s may pass the guard %s until %s, as %s ordered: %s", o.Address, o.Rule, o.Until.Format(time.RFC3339), o.By, o.Reason), "kmagent override revoke " + quote(o.ID)})
			}
			told[o.ID] = true
		}
	}
	return out
}

// advice lists what a human should see to of a cluster, the worst first.
func (c *Cluster) advice(now time.Time) []Advice {
	var out []Advice
	add := func(command, format string, args ...any) {
		out = append(out, Advice{fmt.Sprintf(format, args...), command})
	}
	only := " --cluster " + quote(c.Name)
	switch c.State {
	case Failing:
		then := ""
		if c.ErrorKind == accessError {
			then = "; once that is mended"
		}
		add(c.remedy(only), "failing for %s: %s%s", since(now, c.Failing), c.Error, then)
	case Stale:
		add("journalctl -u kmagent -n 50", "not looked at for %s; nobody knows how it is", since(now, c.Observed))
	}
	for _, o := range c.Operations {
		if o.unsettled() {
			add("kmagent operations resolve "+quote(o.ID)+" --outcome OUTCOME --reason WHY",
				"%s of %s, sent %s ago: %s; look at the cluster, then say succeeded or failed", o.title(), o.Address, since(now, o.At), cmp.Or(o.Why, "nobody knows what became of it"))
		}
	}
	if c.OperationsCut > 0 {
		add("kmagent operations"+only, "%s without an end", count(c.OperationsCut, "more operation"))
	}
	c.held(only, add)
	c.late(only, now, add)
	for i := range c.Managers {
		c.Managers[i].advice(now, add)
	}
	c.unreached(now, add)
	c.ending(now, add)
	if b := c.Backup; b != nil && b.Owed > 0 {
		add("", "no key backup has been taken since the last change of %s", count(b.Owed, "key manager"))
	}
	return out
}

// What an error is about, where that decides what to do about it.
const (
	accessError = "access" // a secret, the authentication or TLS
	stateError  = "state"  // nothing can be remembered
)

// remedy is the command to begin with when a cluster fails. A restart has a refused password
// tried once more, and systemd hand over a credential that has changed.
func (c *Cluster) remedy(only string) string {
	switch c.ErrorKind {
	case accessError:
		return "systemctl restart kmagent"
	case stateError:
		return "journalctl -u kmagent -n 50"
	default:
		return "kmagent plan" + only
	}
}

// held adds the steps that are held or refused, but for what is said of the whole cluster, of
// the file or of a pause.
func (c *Cluster) held(only string, add func(command, format string, args ...any)) {
	for _, s := range c.Steps {
		command := "kmagent plan" + only
		switch plan.Guard(s.Guard) {
		case plan.Mode, plan.Source, plan.Paused, plan.Shrink:
			continue
		case plan.Unsettled:
			command = "kmagent operations" + only
		case plan.State:
			command = "journalctl -u kmagent -n 50"
		default:
			if s.Rule != "" {
				command = "kmagent explain " + quote(s.Rule)
			}
		}
		where := ""
		if s.Source != "" {
			where = " (" + s.Source + ")"
		}
		add(command, "%s %s%s is %s by the guard %s: %s", s.title(), s.Address, where, s.Status, s.Guard, s.Reason)
	}
	if c.StepsCut > 0 {
		add("kmagent plan"+only, "%s held or refused", count(c.StepsCut, "more step"))
	}
}

// advice adds what is the matter with a key manager.
func (m *Manager) advice(now time.Time, add func(command, format string, args ...any)) {
	read := since(now, m.Read) + " ago"
	switch m.State {
	case degraded:
		add("", "%s is degraded, %s: %s", m.Address, read, m.Message)
	case unavailable:
		add("", "the service of %s is not reachable, %s: %s", m.Address, read, m.Message)
	}
	if len(m.Nodes) > 0 {
		add("", "the embedded KMIP servers of %s: %s, %s", m.Address, nodes(m.Nodes, m.NodesCut), read)
	}
}

// unreached adds the key servers that nodes do not reach: each once, however many key managers
// have it.
func (c *Cluster) unreached(now time.Time, add func(command, format string, args ...any)) {
	var list group
	for i := range c.Managers {
		m := &c.Managers[i]
		for _, x := range m.Servers {
			if len(x.Nodes) > 0 {
				list.add(fmt.Sprintf("key server %s of ", x.Server), m.Address, fmt.Sprintf(" is %s, %s ago", nodes(x.Nodes, x.NodesCut), since(now, m.Read)))
			}
		}
	}
	for _, s := range list {
		add("", "%s", s)
	}
}

// ending adds the certificates that end soon, likewise.
func (c *Cluster) ending(now time.Time, add func(command, format string, args ...any)) {
	var list group
	for _, x := range c.Certificates {
		when := fmt.Sprintf(" ends on %s, in %s", x.Ends.Format(time.DateOnly), span(x.Ends.Sub(now)))
		if !x.Ends.After(now) {
			when = " ended on " + x.Ends.Format(time.DateOnly)
		}
		list.add(fmt.Sprintf("certificate %s (%s) of ", x.Name, x.Use), x.Address, when)
	}
	for _, s := range list {
		add("kmagent explain KM030", "%s", s)
	}
	if c.CertificatesCut > 0 {
		add("kmagent explain KM030", "%s about to end", count(c.CertificatesCut, "more use of a certificate"))
	}
}

// A group is facts that are the same but for the key manager that they are about.
type group []fact

type fact struct {
	before, address, after string
	more                   int
}

func (g *group) add(before, address, after string) {
	same := func(f fact) bool { return f.before == before && f.after == after }
	if i := slices.IndexFunc(*g, same); i >= 0 {
		(*g)[i].more++
		return
	}
	*g = append(*g, fact{before, address, after, 0})
}

func (f fact) String() string {
	if f.more > 0 {
		return f.before + f.address + " and " + count(f.more, "more key manager") + f.after
	}
	return f.before + f.address + f.after
}

// nodes says which nodes see what: "not_responding on node1, node2 and 3 more nodes".
func nodes(list []Node, more int) string {
	var parts []string
	for len(list) > 0 {
		state := list[0].State
		var names []string
		list = slices.DeleteFunc(slices.Clone(list), func(n Node) bool {
			if n.State == state {
				names = append(names, n.Node)
			}
			return n.State == state
		})
		parts = append(parts, state+" on "+strings.Join(names, ", "))
	}
	s := strings.Join(parts, "; ")
	if more > 0 {
		s += " and " + count(more, "more node")
	}
	return s
}

func resume(p Order) string {
	s := "kmagent resume"
	if p.Cluster != "" {
		s += " --cluster " + quote(p.Cluster)
	}
	if p.SVM != "" {
		s += " --svm " + quote(p.SVM)
	}
	return s
}

func rests(p Order) string {
	switch {
	case p.Cluster == "":
		return "every cluster"
	case p.SVM != "":
		return p.Cluster + "/" + p.SVM
	default:
		return p.Cluster
	}
}

// title says what a step or operation does: "rekey_external" or "create".
func (s *Step) title() string      { return title(s.Op, s.Action) }
func (o *Operation) title() string { return title(o.Op, o.Action) }

func title(op, action string) string {
	if action != "" {
		return action
	}
	return op
}

// count says how many there are of what a word says.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// since says how long ago something was, in its largest unit.
func since(now, then time.Time) string {
	if then.IsZero() {
		return "ever"
	}
	return span(now.Sub(then))
}

func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "0s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// quote makes one word of a shell out of any text. It may have come from a cluster, and the
// command is there to be copied.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./_-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(plan.Safe(s), "'", `'\''`) + "'"
}
