package plan

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Markdown writes plans for a merge request: a heading for each cluster with its summary,
// then a table whose destructive lines come first.
func Markdown(w io.Writer, plans []Plan) error {
	b := bufio.NewWriter(w)
	if len(plans) > 1 {
		fmt.Fprintf(b, "%s\n\n", Total(plans))
	}
	for i := range plans {
		if i > 0 {
			fmt.Fprintln(b)
		}
		markdown(b, &plans[i])
	}
	return b.Flush()
}

func markdown(b *bufio.Writer, p *Plan) {
	if p.Err != nil {
		fmt.Fprintf(b, "### %s: not planned\n\n%s\n", cell(p.Cluster), cell(p.Err.Error()))
		return
	}
	fmt.Fprintf(b, "### %s: %s\n", cell(p.Cluster), p.Counts())
	loud, notes := p.notes()
	if len(loud) > 0 {
		fmt.Fprintln(b)
	}
	for _, n := range loud {
		fmt.Fprintf(b, "- **WARNING: %s %s**\n", cell(n.Addr.String()), cell(n.Text+n.cited()))
	}
	if len(p.Steps) > 0 {
		fmt.Fprint(b, "\n| | Object | Changes | Status |\n|---|---|---|---|\n")
	}
	for _, s := range ByRisk(p.Steps) {
		status := s.Status.String()
		if s.Status != Ready {
			status = "**" + status + "**: " + cell(s.Reason)
		}
		if s.Rule != "" {
			status += " (" + s.Rule + ")"
		}
		where := ""
		if at := s.Source.String(); at != "" {
			where = " (" + cell(at) + ")"
		}
		fmt.Fprintf(b, "| %s | %s%s | %s | %s |\n", s.Op, cell(s.Addr.String()), where, changes(s), status)
	}
	for i, n := range notes {
		if i == 0 {
			fmt.Fprintln(b)
		}
		if i == maxNotes {
			fmt.Fprintf(b, "- and %d more notes\n", len(notes)-i)
			break
		}
		fmt.Fprintf(b, "- %s %s\n", cell(n.Addr.String()), cell(n.Text+n.cited()))
	}
}

// MarkdownEnd writes what a reader of a merge request has to know of a plan that was kept.
func MarkdownEnd(w io.Writer, id string, until time.Time) error {
	_, err := fmt.Fprintf(w, "\nPlan `%s`, valid until %s. It is carried out as it stands here, or not at all.\n", id, stamp(until))
	return err
}

func changes(s *Step) string {
	var parts []string
	if s.Action != "" {
		parts = append(parts, s.Action)
	}
	for _, c := range s.Changes {
		if s.Op == Create || !c.Old.IsSet() {
			parts = append(parts, fmt.Sprintf("%s: %s", cell(c.Field), cell(show(c.New))))
		} else {
			parts = append(parts, fmt.Sprintf("%s: %s → %s", cell(c.Field), cell(show(c.Old)), cell(show(c.New))))
		}
	}
	return strings.Join(parts, "<br>")
}

// markdownSafe escapes what would end a cell, start markup or make a link or a mention.
var markdownSafe = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "|", `\|`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "@", "&#64;", "#", `\#`, "!", `\!`, "~", `\~`)

func cell(s string) string { return markdownSafe.Replace(Safe(s)) }
