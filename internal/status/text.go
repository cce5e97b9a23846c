package status

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"kmagent/internal/plan"
)

// ANSI colours. They never carry meaning alone: the word is there too.
const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	dim    = "\x1b[2m"
	bold   = "\x1b[1m"
	reset  = "\x1b[0m"
)

// maxAdvice bounds what the text says of one cluster, and of all.
const (
	maxAdviceOfOne = 12
	maxAdvice      = 60
)

// Text writes a report for people: one line of all, one for each cluster with those that need
// a human first, then what a human should see to.
func Text(w io.Writer, r *Report, colour bool) error {
	t := &texter{Writer: bufio.NewWriter(w), colour: colour}
	t.printf("%s\n", t.in(bold, r.headline()))
	if len(r.Clusters) > 0 {
		t.printf("\n")
	}
	t.table(r)
	t.advice(r)
	return t.Flush()
}

// headline is the report in one line.
func (r *Report) headline() string {
	s := count(r.Summary.Clusters, "cluster")
	if words := r.Summary.words(); words != "" {
		s += ": " + words
	}
	if r.Source.Revision != "" {
		s += fmt.Sprintf("; file %.12s in use", plan.Safe(r.Source.Revision))
		if !r.Source.Loaded.IsZero() {
			s += " for " + since(r.At, r.Source.Loaded)
		}
	}
	return s
}

// words lists the states that clusters are in: "1 failing, 2 held, 7 in sync".
func (s Summary) words() string {
	var out []string
	for _, x := range s.each() {
		if *x.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", *x.n, x.state.Word()))
		}
	}
	return strings.Join(out, ", ")
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

// table writes a line for each cluster.
func (t *texter) table(r *Report) {
	rows := tabwriter.NewWriter(t, 0, 0, 2, ' ', 0)
	for i := range r.Clusters {
		c := &r.Clusters[i]
		// A colour has no width, but tabwriter counts it: it goes to every line alike.
		fmt.Fprintf(rows, "%s\t%s\t%s", plan.Safe(c.Name), t.in(c.State.colour(), c.State.Word()), c.seen(r.At))
		if gist := c.gist(r.At); gist != "" {
			fmt.Fprintf(rows, "\t%s", gist)
		}
		fmt.Fprintln(rows)
	}
	rows.Flush()
}

func (s State) colour() string {
	switch s {
	case Held, Pending, Waiting:
		return yellow
	case Changed, Observed, InSync:
		return green
	default:
		return red
	}
}

// seen says when a cluster was last looked at.
func (c *Cluster) seen(now time.Time) string {
	if c.Observed.IsZero() {
		return "never seen"
	}
	return "seen " + since(now, c.Observed) + " ago"
}

// gist is a cluster in a few words.
func (c *Cluster) gist(now time.Time) string {
	switch {
	case c.State == Failing:
		return plan.Safe(c.Error)
	case c.State == Unsettled:
		n := 0
		for i := range c.Operations {
			if c.Operations[i].unsettled() {
				n++
			}
		}
		return count(n, "operation") + " without a known end"
	case c.Plan.Pending():
		return c.Plan.String()
	}
	if n := len(c.advice(now)); n > 0 && c.State != Stale {
		return count(n, "thing") + " to look at"
	}
	return ""
}

func (t *texter) advice(r *Report) {
	s := section{texter: t, title: "needs a human:", left: maxAdvice}
	s.tell("", r.advice())
	for i := range r.Clusters {
		s.tell(plan.Safe(r.Clusters[i].Name)+": ", r.Clusters[i].advice(r.At))
	}
	(&section{texter: t, title: "in force:", left: maxAdvice}).tell("", r.inForce())
	s = section{texter: t, title: "scheduled:", left: maxAdvice}
	for i := range r.Clusters {
		s.tell(plan.Safe(r.Clusters[i].Name)+": ", r.Clusters[i].scheduled(r.At))
	}
}

// A section is a part of the text that is left out where there is nothing to tell.
type section struct {
	*texter
	title string
	left  int // how much may still be told
	begun bool
}

func (s *section) tell(of string, list []Advice) {
	for i, a := range list {
		if !s.begun {
			s.printf("\n%s\n", s.in(bold, s.title))
			s.begun = true
		}
		if s.left == 0 || i == maxAdviceOfOne {
			s.printf("  %s\n", s.in(dim, fmt.Sprintf("%sand %d more", of, len(list)-i)))
			return
		}
		s.left--
		s.printf("  %s%s\n", of, safe(a.What))
		if a.Command != "" {
			s.printf("      %s\n", safe(a.Command))
		}
	}
}

// safe escapes like [plan.Safe] and leaves room for a sentence around a text that was cut.
func safe(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := min(len(s), 200)
		for n < len(s) && n > 0 && s[n]&0xc0 == 0x80 {
			n-- // not inside a rune
		}
		if n == 0 {
			n = 1
		}
		b.WriteString(plan.Safe(s[:n]))
		s = s[n:]
		if b.Len() > 2048 {
			return b.String() + "…"
		}
	}
	return b.String()
}
