package schedule

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// maxLength is how long a line, or the name of a zone, may be.
const maxLength = 256

var descriptors = []string{"@hourly", "@daily", "@weekly", "@monthly", "@yearly"}

// A unit is what one field of a line counts.
type unit struct {
	name     string
	min, max int
	names    []string // of the numbers from min on
}

var units = []unit{
	{"second", 0, 59, nil},
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// parseLine returns the line and its one spelling; nil if it has a fault. The parser is given
// only what is known to be right: it panics at a zone in the line, and takes "*-5", "1,,2",
// "+5" and steps beyond every end for something.
func parseLine(faults *Faults, text string, seconds bool) (*cron.SpecSchedule, string) {
	if remedy := checkLine(text, seconds); remedy != "" {
		faults.add("schedule", "%s", remedy)
		return nil, ""
	}
	text = strings.Join(strings.Fields(text), " ")
	parsed, err := parser.Parse(text)
	line, ok := parsed.(*cron.SpecSchedule)
	if err != nil || !ok {
		faults.add("schedule", "%q is not a line of cron; write one such as 0 3 1 * *", echo(text))
		return nil, ""
	}
	line.Location = time.UTC // a calendar where clocks are never set
	return line, text
}

// checkLine returns what is wrong with a line; "" if nothing is.
func checkLine(text string, seconds bool) string {
	if len(text) > maxLength {
		return fmt.Sprintf("it has more than %d characters; write five fields such as 0 3 1 * *", maxLength)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }) {
		return "it has a character that no line of cron has; write five fields such as 0 3 1 * *"
	}
	fields := strings.Fields(text)
	of := units[1:]
	switch {
	case len(fields) == 0:
		return "it is empty; write five fields such as 0 3 1 * *"
	case strings.Contains(text, "TZ="):
		return "a zone does not belong here; write it as timezone"
	case fields[0] == "@every":
		return "@every has no local time to keep; write five fields such as 0 3 * * *"
	case strings.HasPrefix(fields[0], "@"):
		if !slices.Contains(descriptors, strings.Join(fields, " ")) {
			return fmt.Sprintf("%q is not one of %s", echo(strings.Join(fields, " ")), descriptors)
		}
		return ""
	case seconds && len(fields) == len(units):
		of = units
	case len(fields) != len(of):
		return fmt.Sprintf("%q has %d fields; write five: minute, hour, day of month, month and day of week", echo(text), len(fields))
	}
	for i, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			if remedy := of[i].check(item); remedy != "" {
				return remedy
			}
		}
	}
	return ""
}

// check returns what is wrong with one item of a field; "" if nothing is.
func (u unit) check(item string) string {
	values, step, stepped := strings.Cut(item, "/")
	first, last, ranged := strings.Cut(values, "-")
	from, to, ok := u.min, u.max, true
	if values != "*" {
		from, ok = u.value(first)
		if !stepped {
			to = from
		}
		if ok && ranged {
			to, ok = u.value(last)
		}
	}
	if !ok {
		return fmt.Sprintf("%q is no %s; write %s", echo(item), u.name, u.remedy())
	}
	if from > to {
		return fmt.Sprintf("%q of %s runs backwards; write it as two ranges with a comma", item, u.name)
	}
	if n, ok := number(step); stepped && (!ok || n < 1 || n > max(to-from, 1)) {
		return fmt.Sprintf("the step of %q reaches no second %s; write a step of 1 to %d, or none", echo(item), u.name, max(to-from, 1))
	}
	return ""
}

// value is a number or a name of the unit.
func (u unit) value(text string) (int, bool) {
	if i := slices.Index(u.names, strings.ToLower(text)); i >= 0 {
		return u.min + i, true
	}
	n, ok := number(text)
	return n, ok && n >= u.min && n <= u.max
}

func (u unit) remedy() string {
	text := fmt.Sprintf("%d to %d", u.min, u.max)
	if len(u.names) > 0 {
		text += fmt.Sprintf(" or %s to %s", strings.ToUpper(u.names[0]), strings.ToUpper(u.names[len(u.names)-1]))
	}
	if u.name == "day of week" {
		text += ", where 0 is Sunday"
	}
	return text + ", *, a range such as " + fmt.Sprintf("%d-%d", u.min+1, u.min+3) + " or a list of those"
}

// number is one or two digits.
func number(text string) (int, bool) {
	if len(text) < 1 || len(text) > 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 8)
	return int(n), err == nil
}

// after returns the first local time of the line that is later than l, as if it were in UTC;
// the zero Time if there is none. The parser's own search ends after five years, and there is
// a 29 February only every eight where a century has none.
func (s *Schedule) after(l time.Time) time.Time {
	for range 2 {
		if l.Year() < 1 || l.Year() > 9999 {
			break
		}
		if next := s.line.Next(l); next.Year() > 9999 {
			break
		} else if !next.IsZero() {
			return next
		}
		l = time.Date(l.Year()+years+1, time.January, 1, 0, 0, -1, 0, time.UTC)
	}
	return time.Time{}
}

// before returns the last local time of the line that is not later than l; the zero Time if
// there is none. It looks back in longer and longer spans, and then halves.
func (s *Schedule) before(l time.Time) time.Time {
	for _, span := range []time.Duration{time.Minute, time.Hour, day, 32 * day, 366 * day, 9 * 366 * day} {
		found := s.after(l.Add(-span - time.Second))
		if found.IsZero() || found.After(l) {
			continue
		}
		for end := l; ; { // found is of the line; what is later than end is too late
			mid := found.Add(end.Sub(found) / 2).Truncate(time.Second)
			if next := s.after(mid); !next.IsZero() && !next.After(l) {
				found = next
			} else if end = mid; !end.After(found) {
				return found
			}
		}
	}
	return time.Time{}
}

// How far to look whether a line has an occurrence, and how near two may be.
const (
	years = 5
	day   = 24 * time.Hour
)

// closest returns two local times of the line than which no two that follow each other are
// nearer, within five years that have two leap days; zero Times if it has none. All days have the
// same times, so that one of them is looked at whole, and of the others the ends.
func (s *Schedule) closest() (a, b time.Time) {
	at := time.Date(2024, time.January, 1, 0, 0, -1, 0, time.UTC)
	end := at.AddDate(years, 0, 0)
	consider := func(x, y time.Time) {
		if y.IsZero() || y.After(end) && !a.IsZero() {
			return
		}
		if a.IsZero() || y.Sub(x) < b.Sub(a) {
			a, b = x, y
		}
	}
	first := s.after(at)
	if first.IsZero() {
		return a, b
	}
	for x := first; ; {
		y := s.after(x)
		consider(x, y)
		if y.Sub(x) == time.Second || y.YearDay() != first.YearDay() || y.Year() != first.Year() {
			break
		}
		x = y
	}
	evening := time.Duration(highest(s.line.Hour))*time.Hour + time.Duration(highest(s.line.Minute))*time.Minute +
		time.Duration(highest(s.line.Second))*time.Second
	for x := first; !x.IsZero() && x.Before(end); {
		last := x.Truncate(day).Add(evening)
		x = s.after(last)
		consider(last, x)
		if x.Sub(last.Truncate(day)) < 2*day {
			break // the next day: no two days are nearer
		}
	}
	return a, b
}

// highest is the highest number of a field of the line, of which the last bit means a star.
func highest(field uint64) int { return bits.Len64(field&^(1<<63)) - 1 }

// Daily says whether no two slots of a line share a date: it has one time of the day. What is no
// line is not daily.
func Daily(line string) bool {
	var none Faults
	parsed, _ := parseLine(&none, line, true)
	if parsed == nil {
		return false
	}
	for _, field := range []uint64{parsed.Second, parsed.Minute, parsed.Hour} {
		if bits.OnesCount64(field&^(1<<63)) != 1 {
			return false
		}
	}
	return true
}
