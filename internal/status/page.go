package status

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// PagePolicy is the Content-Security-Policy of the page: its own style, and nothing else.
func PagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// What the page shows of many clusters: every one has a line, the first have their details,
// and each has a page of its own.
const (
	maxPageAdvice  = 30
	maxPageDetails = 50
)

// Page writes a report as a page for people, in which nothing can be changed. With only, it is
// of some clusters that were asked for.
func Page(w io.Writer, r *Report, only bool) error {
	p := page{Report: r, Only: only, Style: template.CSS(pageStyle)}
	p.head()
	for _, a := range r.advice() {
		p.Todo = append(p.Todo, todo{Advice: a, Class: "bad"})
	}
	for i := range r.Clusters {
		c := view{&r.Clusters[i], r.At}
		p.Rows = append(p.Rows, c)
		for _, a := range c.advice(r.At) {
			p.Todo = append(p.Todo, todo{Advice: a, Cluster: c.Name, Class: c.urgency()})
		}
	}
	p.InForce, _ = cut(r.inForce(), maxPageAdvice)
	p.Todo, p.TodoCut = cut(p.Todo, maxPageAdvice)
	p.Details, p.DetailsCut = cut(p.Rows, maxPageDetails)
	return pageTemplate.Execute(w, p)
}

// A page is a report as its template wants it.
type page struct {
	*Report
	Style      template.CSS
	Only       bool
	Title      string
	Headline   string
	Class      string
	Counts     []pageCount
	Todo       []todo
	TodoCut    int
	InForce    []Advice
	Rows       []view
	Details    []view
	DetailsCut int
}

type pageCount struct {
	N           int
	Word, Class string
}

type todo struct {
	Advice
	Cluster, Class string
}

func (p *page) head() {
	r := p.Report
	for _, x := range r.Summary.each() {
		if *x.n > 0 {
			p.Counts = append(p.Counts, pageCount{*x.n, x.state.Word(), x.state.class()})
		}
	}
	s := r.Summary
	switch {
	case r.Source.Revision == "":
		p.Headline, p.Class = "No desired state has been read", "bad"
	case len(p.Counts) == 0:
		p.Headline, p.Class = "No clusters", "none"
	case s.InSync == s.Clusters:
		p.Headline, p.Class = "Every cluster is in sync", "good"
	default:
		p.Headline, p.Class = fmt.Sprintf("%d of %d clusters in sync", s.InSync, s.Clusters), p.Counts[0].Class
	}
	if r.Source.Problem != "" {
		p.Headline, p.Class = p.Headline+"; the newest file is not in use", "bad"
	} else if r.Source.Hold != "" {
		p.Headline, p.Class = p.Headline+"; all writes rest", "bad"
	}
	words := s.words()
	if words == "" {
		words = "no clusters"
	}
	p.Title = words + " · kmagent"
}

// Time shows a time with its age.
func (p page) Time(t time.Time) string {
	switch {
	case t.IsZero():
		return "never"
	case !t.Before(p.At):
		return t.Format("2006-01-02 15:04:05 MST")
	default:
		return fmt.Sprintf("%s, %s ago", t.Format("2006-01-02 15:04:05 MST"), since(p.At, t))
	}
}

// Since says how long ago a time was.
func (p page) Since(t time.Time) string { return since(p.At, t) }

// Until says when a certificate ends.
func (p page) Until(t time.Time) string {
	if !t.After(p.At) {
		return "ended on " + t.Format(time.DateOnly)
	}
	return fmt.Sprintf("ends on %s, in %s", t.Format(time.DateOnly), span(t.Sub(p.At)))
}

// A view is a cluster as the template wants it.
type view struct {
	*Cluster
	now time.Time
}

// Class is the colour and the mark of a cluster: one that is in sync may have other worries.
func (v view) Class() string {
	c := v.State.class()
	if (c == "good" || c == "calm") && len(v.advice(v.now)) > 0 {
		return "warn"
	}
	return c
}

func (v view) Word() string  { return v.State.Word() }
func (v view) Seen() string  { return strings.TrimPrefix(v.seen(v.now), "seen ") }
func (v view) Gist() string  { return v.gist(v.now) }
func (v view) Every() string { return span(time.Duration(v.Interval * float64(time.Second))) }
func (v view) Orders() []Order {
	return append(append([]Order(nil), v.Pauses...), v.Overrides...)
}

// Passed says when the last pass ended, and how.
func (v view) Passed() string {
	if v.LastPass.IsZero() {
		return "none yet"
	}
	return since(v.now, v.LastPass) + " ago"
}

// Sync is whether the cluster is in sync, in a word.
func (v view) Sync() string {
	switch {
	case v.InSync == nil:
		return "unknown"
	case *v.InSync:
		return "yes"
	default:
		return "no"
	}
}

// Contents says what the details have.
func (v view) Contents() string {
	var parts []string
	for _, x := range []struct {
		n    int
		word string
	}{
		{v.Plan.Held + v.Plan.Refused, "waiting step"}, {len(v.Operations) + v.OperationsCut, "operation"},
		{len(v.Pauses), "pause"}, {len(v.Overrides), "override"},
		{len(v.Schedules) + v.SchedulesCut, "schedule"},
		{len(v.Certificates) + v.CertificatesCut, "ending certificate"}, {len(v.Managers) + v.ManagersCut, "key manager"},
	} {
		if x.n > 0 {
			parts = append(parts, count(x.n, x.word))
		}
	}
	return strings.Join(parts, ", ")
}

// urgency is the class of what there is to see to of a cluster.
func (v view) urgency() string {
	if c := v.Class(); c == "bad" {
		return c
	}
	return "warn"
}

// class is the colour and the mark of a state.
func (s State) class() string {
	switch s {
	case Held, Pending:
		return "warn"
	case Waiting:
		return "none"
	case Changed, Observed:
		return "calm"
	case InSync:
		return "good"
	default:
		return "bad"
	}
}

// Class is the colour and the mark of a key manager.
func (m Manager) Class() string {
	switch {
	case m.trouble():
		return "bad"
	case m.Stored || m.State == unknown:
		return "none"
	default:
		return "good"
	}
}
