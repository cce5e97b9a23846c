package desired

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

// An Ignore is a rule whose warnings the file does not want to be told, why, and how long.
type Ignore struct {
	Rule   rules.ID
	Reason string
	Until  time.Time    // the end of the last day, in UTC
	Source resource.Pos // of until
}

// Expired returns, as [Faults], the ignores of the file whose last day is over; nil if there
// are none. Parse cannot say so, since it does not know the time: who reads a file to act on
// it asks. A file that expires while it is in use stays in use, and its warnings come back.
func (s *State) Expired(now time.Time) error {
	var faults Faults
	for i, g := range s.Ignores {
		if !now.Before(g.Until) {
			faults = append(faults, Fault{Pos: g.Source, Path: fmt.Sprintf("rules.ignore[%d].until", i),
				Message: fmt.Sprintf("expired: %s is no longer ignored; mend what it warns of and remove the entry, or write a later date", g.Rule)})
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// Ignored lists the rules of which the cluster's file does not want to be told now.
func (c *Cluster) Ignored(now time.Time) []rules.ID {
	var ids []rules.ID
	for _, g := range c.Ignores {
		if now.Before(g.Until) {
			ids = append(ids, g.Rule)
		}
	}
	return ids
}

// ignores reads the root's rules.
func (d *decoder) ignores(p place) []Ignore {
	keys, _ := d.keys(p, "ignore")
	entries, ok := keys["ignore"]
	if !ok || !d.is(entries, list) {
		return nil
	}
	out := make([]Ignore, len(entries.items))
	lines := map[rules.ID]int{}
	for i := range entries.items {
		item := entries.at(i)
		out[i] = d.ignore(item)
		id := out[i].Rule
		if first := lines[id]; id != "" && first != 0 {
			d.wrong(item, "%s is ignored at line %d already; write it once", id, first)
			continue
		}
		lines[id] = item.pos.Line
	}
	return out
}

func (d *decoder) ignore(p place) Ignore {
	keys, ok := d.keys(p, "id", "reason", "until")
	if !ok {
		return Ignore{}
	}
	var g Ignore
	if v, ok := d.need(p, keys, "id", "the rule to ignore, such as KM005"); ok {
		g.Rule = d.warning(v)
	}
	if v, ok := d.need(p, keys, "reason", "why the rule is ignored, for those who come after"); ok {
		g.Reason, _ = d.str(v)
	}
	if v, ok := d.need(p, keys, "until", "the last day on which it is, such as 2027-01-01"); ok {
		g.Source = v.pos
		g.Until = d.endOfDay(v)
	}
	return g
}

// warning returns the id of a rule that can be ignored: one that only warns.
func (d *decoder) warning(p place) rules.ID {
	s, ok := d.str(p)
	if !ok {
		return ""
	}
	r, ok := rules.Find(rules.ID(s))
	switch {
	case !ok:
		d.wrong(p, "%s is not a rule; those that can be ignored are %s", p.echo(), strings.Join(warnings(), ", "))
		return ""
	case r.Severity != rules.Warning:
		d.wrong(p, "%s is an error, which cannot be ignored; those that can be are %s", r.ID, strings.Join(warnings(), ", "))
		return ""
	}
	return r.ID
}

func warnings() []string {
	var ids []string
	for _, r := range rules.All() {
		if r.Severity == rules.Warning {
			ids = append(ids, string(r.ID))
		}
	}
	return ids
}

// endOfDay returns when a date is over in UTC.
func (d *decoder) endOfDay(p place) time.Time {
	s, ok := d.str(p)
	if !ok {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		d.wrong(p, "%s is not a date; write it as 2027-01-01", p.echo())
		return time.Time{}
	}
	return day.AddDate(0, 0, 1)
}

// remarks returns the warnings of the file that it does not ignore.
func (d *decoder) remarks(ignores []Ignore) Faults {
	return d.report(func(f Fault) bool {
		return f.warns() && !slices.ContainsFunc(ignores, func(g Ignore) bool { return g.Rule == f.Rule })
	})
}
