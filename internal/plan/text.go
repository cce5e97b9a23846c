package plan

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kmagent/internal/resource"
)

// The marks of a step. Colour never carries meaning alone: a held or refused step says so.
var marks = [...]string{Create: "+", Update: "~", Delete: "-", Act: "!"}

// ANSI colours of the marks, and of what is held.
var colours = [...]string{Create: "\x1b[32m", Update: "\x1b[33m", Delete: "\x1b[31m", Act: "\x1b[35m"}

const (
	dim   = "\x1b[2m"
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

// maxNotes bounds how many notes of a cluster the text shows: ten thousand SVMs that nobody
// put into the file are one fact.
const maxNotes = 20

// Text writes plans for people: the summary first, then each cluster with what it removes
// before anything else. Text of a cluster is escaped.
func Text(w io.Writer, plans []Plan, colour bool) error {
	t := &texter{Writer: bufio.NewWriter(w), colour: colour}
	if len(plans) > 1 {
		t.printf("%s\n\n", t.in(bold, Total(plans)))
	}
	for i := range plans {
		if i > 0 {
			t.printf("\n")
		}
		t.plan(&plans[i])
	}
	return t.Flush()
}

// Total is the summary of several plans in one line.
func Total(plans []Plan) string {
	var sum Counts
	failed := 0
	for i := range plans {
		c := plans[i].Counts()
		sum.Create += c.Create
		sum.Update += c.Update
		sum.Delete += c.Delete
		sum.Act += c.Act
		sum.Held += c.Held
		sum.Refused += c.Refused
		if plans[i].Err != nil {
			failed++
		}
	}
	s := fmt.Sprintf("%d clusters: %s", len(plans), sum)
	if failed > 0 {
		s += fmt.Sprintf("; %d could not be planned", failed)
	}
	return s
}

// String returns "1 to create, 2 to change; 1 held", and "no changes" for none.
func (c Counts) String() string {
	var do, wait []string
	for _, x := range []struct {
		n    int
		word string
		list *[]string
	}{
		{c.Delete, "to remove", &do}, {c.Create, "to create", &do}, {c.Update, "to change", &do}, {c.Act, "to run", &do},
		{c.Held, "held", &wait}, {c.Refused, "refused", &wait},
	} {
		if x.n > 0 {
			*x.list = append(*x.list, fmt.Sprintf("%d %s", x.n, x.word))
		}
	}
	switch {
	case len(do) == 0 && len(wait) == 0:
		return "no changes"
	case len(wait) == 0:
		return strings.Join(do, ", ")
	case len(do) == 0:
		return "nothing to send; " + strings.Join(wait, ", ")
	default:
		return strings.Join(do, ", ") + "; " + strings.Join(wait, ", ")
	}
}

type texter struct {
	*bufio.Writer
	colour bool
}

func (t *texter) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }

func (t *texter) in(code, s string) string {
	if !t.colour {
		return s
	}
	return code + s + reset
}

func (t *texter) plan(p *Plan) {
	if p.Err != nil {
		t.printf("%s: not planned: %s\n", t.in(bold, p.Cluster), Safe(p.Err.Error()))
		return
	}
	t.printf("%s: %s\n", t.in(bold, p.Cluster), p.Counts())
	loud, notes := p.notes()
	for _, n := range loud {
		t.printf("  %s%s %s%s\n", t.in(bold, "WARNING: "), Safe(n.Addr.String()), Safe(n.Text), n.cited())
	}
	for _, s := range ByRisk(p.Steps) {
		t.step(s)
	}
	for i := range p.Turns {
		t.printf("  %s\n", t.in(dim, "scheduled: "+p.Turns[i].Text()))
	}
	for i, n := range notes {
		if i == maxNotes {
			t.printf("  %s\n", t.in(dim, fmt.Sprintf("and %d more notes", len(notes)-i)))
			break
		}
		t.printf("  %s\n", t.in(dim, "note: "+Safe(n.Addr.String())+" "+Safe(n.Text)+n.cited()))
	}
}

// notes returns those notes that come before everything else, and the others.
func (p *Plan) notes() (loud, others []Note) {
	for _, n := range p.Notes {
		if n.Loud {
			loud = append(loud, n)
		} else {
			others = append(others, n)
		}
	}
	return loud, others
}

func (t *texter) step(s *Step) {
	where := ""
	if at := s.Source.String(); at != "" {
		where = "  (" + at + ")"
	}
	t.printf("  %s %s%s\n", t.in(colours[s.Op], marks[s.Op]), Safe(s.Addr.String()), where)
	if s.Status != Ready {
		t.printf("      %s: %s\n", t.in(bold, s.Status.String()), Safe(s.Reason))
	}
	if s.Rule != "" {
		t.printf("      %s\n", t.in(dim, "kmagent explain "+s.Rule))
	}
	if s.Action != "" {
		t.printf("      %s\n", s.Action)
	}
	for _, c := range s.Changes {
		if s.Op == Create || !c.Old.IsSet() {
			t.printf("      %s: %s\n", c.Field, show(c.New))
		} else {
			t.printf("      %s: %s -> %s\n", c.Field, show(c.Old), show(c.New))
		}
	}
}

// cited is the end of a note that names its rule.
func (n *Note) cited() string {
	if n.Rule == "" {
		return ""
	}
	return " [" + n.Rule + "]"
}

func show(v resource.Value) string {
	if s := v.Text(); s != "" {
		return Safe(s)
	}
	return `""`
}

// ByRisk returns the steps with the destructive ones first, each group in order. What follows a
// change of the same object comes last: it is nothing without that.
func ByRisk(steps []Step) []*Step {
	out := make([]*Step, len(steps))
	for i := range steps {
		out[i] = &steps[i]
	}
	rank := [...]int{Delete: 0, Act: 1, Create: 2, Update: 3}
	of := func(s *Step) int {
		if s.After {
			return len(rank)
		}
		return rank[s.Op]
	}
	slices.SortStableFunc(out, func(a, b *Step) int { return cmp.Compare(of(a), of(b)) })
	return out
}

// maxSafe bounds what is shown of one text. What a cluster says in it has been cut to 256 bytes
// before; the rest is ours, and its end is often what to do.
const maxSafe = 1024

// Safe makes text of unknown origin fit for a terminal or a log line: control and format
// characters and bad UTF-8 are escaped, and what is longer than 1024 bytes is cut.
func Safe(s string) string {
	if len(s) > maxSafe {
		cut := maxSafe
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if unsafe(r) {
			q := strconv.QuoteToASCII(s[:n])
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

func unsafe(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
