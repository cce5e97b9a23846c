// Package schedule decides when a scheduled action of a storage object may begin: which
// local slots it has, and which of them is due, missed or skipped. It has no clock, no files
// beyond the zone database that package time looks names up in, no network and no log, and
// it begins nothing itself. Equal inputs give equal decisions.
//
// A slot is a local date and time in a zone, and happens once, whatever the clocks do there:
//
//	clocks go forward over it  it is at the first instant after the gap
//	clocks go back over it     it is at the first of the two
//
// so that an hourly schedule runs once in a doubled hour, and what is due at a midnight that
// does not exist is due when that day begins. The lines are parsed, and followed on a
// calendar without such jumps, by robfig/cron; its own way over them skips and repeats.
package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A Spec is a schedule as the file has it.
type Spec struct {
	Schedule    string        // five fields of cron, or one of @hourly, @daily, @weekly, @monthly and @yearly
	Timezone    string        // a name of the IANA database; empty: UTC
	Window      time.Duration // how long after its slot an action may still begin; 0: 4h
	CatchUp     CatchUp       // empty: [None]
	MinInterval time.Duration // between the beginnings of two actions, and between two slots; 0: 20h
	Jitter      time.Duration // up to so much after its slot an object waits; shorter than Window
	MaxAge      time.Duration // of what the action makes anew, until it is to be told; 0: it may have any
}

// CatchUp says what becomes of a slot that nobody saw come.
type CatchUp string

const (
	None CatchUp = "none" // it is missed
	Once CatchUp = "once" // the newest one is due as long as its window is open
)

// Options change what Parse takes, for tests of the whole program.
type Options struct {
	Seconds bool // a sixth field, before the others, windows down to a second, and no MinInterval unless one is set
}

// What a Spec has if it does not say.
const (
	defaultWindow      = 4 * time.Hour
	defaultMinInterval = 20 * time.Hour
)

// The range of every span of a Spec. Options.Seconds makes the shortest one second.
const (
	shortest = time.Minute
	longest  = 366 * 24 * time.Hour
)

// A Fault is what is wrong with a field of a Spec, and what to write instead, in one line.
type Fault struct {
	Field, Remedy string
	Near          bool // it is that two slots are nearer to each other than MinInterval
}

// Error returns the line.
func (f *Fault) Error() string { return f.Field + ": " + f.Remedy }

// Faults is everything that is wrong with a Spec, by the order of its fields.
type Faults []*Fault

// Error returns all of it in one line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "; ")
}

// Unwrap returns them one by one.
func (f Faults) Unwrap() []error {
	out := make([]error, len(f))
	for i := range f {
		out[i] = f[i]
	}
	return out
}

func (f *Faults) add(field, format string, args ...any) {
	*f = append(*f, &Fault{Field: field, Remedy: fmt.Sprintf(format, args...)})
}

// A Schedule is a Spec that can be followed. It is never changed, and may be used by many.
type Schedule struct {
	spec Spec // with defaults, and the line in its one spelling
	line *cron.SpecSchedule
	zone *time.Location

	nearest time.Duration // between two slots, by local times
}

// Spec returns what the schedule was made of: the line in its one spelling, and defaults where
// nothing was said.
func (s *Schedule) Spec() Spec { return s.spec }

// String returns line and zone, "0 3 1 * * Europe/Berlin". A schedule for which it differs is
// another one: slots from before the change are not its own.
func (s *Schedule) String() string { return s.spec.Line() }

// Line is [Schedule.String] of a spec that a schedule has returned.
func (s Spec) Line() string { return s.Schedule + " " + s.Timezone }

// TooOld says whether what was last made anew at that time is older than MaxAge.
func (s *Schedule) TooOld(made, now time.Time) bool {
	return s.spec.MaxAge > 0 && now.Sub(made) > s.spec.MaxAge
}

// Parse makes a schedule. An error is [Faults].
func Parse(spec Spec, opts Options) (*Schedule, error) {
	var faults Faults
	s := &Schedule{spec: spec}
	s.line, s.spec.Schedule = parseLine(&faults, spec.Schedule, opts.Seconds)
	s.zone, s.spec.Timezone = parseZone(&faults, spec.Timezone)
	s.parseSpans(&faults, opts.Seconds)
	if s.line != nil {
		s.parseDistances(&faults)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return s, nil
}

// localZones are names of the zone of the machine, which the next one may not share.
var localZones = []string{"local", "localtime", "posixrules"}

func parseZone(faults *Faults, name string) (*time.Location, string) {
	const remedy = "write a name such as Europe/Berlin, or UTC"
	if name == "" {
		name = "UTC"
	}
	if len(name) > maxLength {
		faults.add("timezone", "it has more than %d characters; %s", maxLength, remedy)
		return nil, ""
	}
	for _, local := range localZones {
		if strings.EqualFold(name, local) {
			faults.add("timezone", "%q is another zone on another machine; %s", name, remedy)
			return nil, ""
		}
	}
	// Below right/ there are leap seconds, which package time does not know.
	zone, err := time.LoadLocation(name)
	if err != nil || strings.HasPrefix(name, "right/") || strings.HasPrefix(name, "posix/") {
		faults.add("timezone", "%q is not in the zone database; %s", name, remedy)
		return nil, ""
	}
	return zone, name
}

// parseSpans sets the defaults of the spans and checks their ranges.
func (s *Schedule) parseSpans(faults *Faults, seconds bool) {
	least, p := shortest, &s.spec
	if seconds {
		least = time.Second
	}
	if p.Window == 0 {
		p.Window = defaultWindow
	}
	if p.MinInterval == 0 && !seconds {
		p.MinInterval = defaultMinInterval
	}
	inRange := func(field string, d time.Duration) {
		if d != 0 && (d < least || d > longest) {
			faults.add(field, "%s is out of range; write %s to %s, which is 366 days", short(d), short(least), short(longest))
		}
	}
	inRange("window", p.Window)
	switch p.CatchUp {
	case None, Once:
	case "":
		p.CatchUp = None
	default:
		faults.add("catch_up", "%q is not one of [%s %s]", echo(string(p.CatchUp)), None, Once)
	}
	inRange("min_interval", p.MinInterval)
	inRange("jitter", p.Jitter)
	if p.Jitter > 0 && p.Jitter >= p.Window {
		faults.add("jitter", "%s is not shorter than the window of %s; write less, or a longer window", short(p.Jitter), short(p.Window))
	}
	inRange("max_age", p.MaxAge)
}

// parseDistances holds the slots against what depends on how near two of them are. The local
// times count: how clocks are set is no fault of the file, and Decide keeps the interval then.
func (s *Schedule) parseDistances(faults *Faults) {
	a, b := s.closest()
	if a.IsZero() {
		faults.add("schedule", "%q has no occurrence in %d years; write a day that one of its months has", s.spec.Schedule, years)
		return
	}
	near, between := b.Sub(a), local(a)+" and "+local(b)
	s.nearest = near
	if near < s.spec.MinInterval {
		faults.add("schedule", "%s are %s apart, nearer than min_interval %s; write fewer slots, or a min_interval of %s or less",
			between, short(near), short(s.spec.MinInterval), short(near))
		(*faults)[len(*faults)-1].Near = true
	}
	if s.spec.Jitter > 0 && s.spec.Jitter >= near {
		faults.add("jitter", "%s is not shorter than the %s between %s; write less", short(s.spec.Jitter), short(near), between)
	}
}

// short is a span as people write it: 4h, not 4h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if whole, ok := strings.CutSuffix(text, "m0s"); ok {
		text = whole + "m"
	}
	if whole, ok := strings.CutSuffix(text, "h0m"); ok {
		text = whole + "h"
	}
	return text
}

// echo is the beginning of what somebody wrote.
func echo(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}
