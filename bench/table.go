package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A row is one figure, beside the same of the floor. A target of 0 is none.
type row struct {
	goal, work, unit string
	floor, ours      float64 // a floor of 0: there is none

	ratioMax float64 // ours / floor at most
	max, min float64 // ours at most, at least
}

func (r row) ratio() float64 { return r.ours / r.floor }

func (r row) target() string {
	var parts []string
	if r.ratioMax > 0 {
		parts = append(parts, fmt.Sprintf("<= %gx", r.ratioMax))
	}
	if r.max > 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("<= %g %s", r.max, r.unit)))
	}
	if r.min > 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf(">= %g %s", r.min, r.unit)))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// met says whether every target is; "-" where there is none.
func (r row) met() string {
	switch {
	case r.target() == "-":
		return "-"
	case r.ratioMax > 0 && r.ratio() > r.ratioMax, r.max > 0 && r.ours > r.max, r.min > 0 && r.ours < r.min:
		return "no"
	default:
		return "yes"
	}
}

// printTable writes the rows as one table.
func printTable(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GOAL\tWORK\tFLOOR\tOURS\tRATIO\tTARGET\tMET")
	for _, r := range rows {
		floor, ratio := "-", "-"
		if r.floor > 0 {
			floor, ratio = figure(r.floor, r.unit), fmt.Sprintf("%.2f", r.ratio())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.goal, r.work, floor, figure(r.ours, r.unit), ratio, r.target(), r.met())
	}
	return t.Flush()
}

// figure writes three digits or all of a whole number.
func figure(x float64, unit string) string {
	text := fmt.Sprintf("%.3g", x)
	if x >= 1000 || x == float64(int64(x)) {
		text = fmt.Sprintf("%.0f", x)
	}
	return strings.TrimSpace(text + " " + unit)
}
