package desired

import (
	"errors"
	"regexp"
	"strconv"
	"time"

	"kmagent/internal/resource"
	"kmagent/internal/rules"
	"kmagent/internal/schedule"
)

// timing reads when an action is taken by itself. Whether a schedule can be followed is for the
// package of schedules to say.
func (d *decoder) timing(p place, f *resource.Field) (resource.Timing, bool) {
	keys, ok := d.keys(p, "schedule", "timezone", "window", "catch_up", "min_interval", "jitter", "max_age", "keep")
	if !ok {
		return resource.Timing{}, false
	}
	before := len(d.all)
	var t resource.Timing
	if v, ok := d.need(p, keys, "schedule", `when it is taken: minute hour day month weekday, such as "0 3 1 * *"`); ok {
		t.Schedule, _ = d.str(v)
	}
	if v, ok := keys["timezone"]; ok {
		t.Timezone, _ = d.str(v)
	}
	if v, ok := keys["catch_up"]; ok {
		word, _ := d.word(v, string(schedule.None), string(schedule.Once))
		t.CatchUp = schedule.CatchUp(word)
	}
	for _, s := range []struct {
		name string
		to   *time.Duration
	}{{"window", &t.Window}, {"min_interval", &t.MinInterval}, {"jitter", &t.Jitter}, {"max_age", &t.MaxAge}} {
		if v, ok := keys[s.name]; ok {
			*s.to, _ = d.span(v)
		}
	}
	generations := f.Runs == resource.RotateKey
	if generations {
		t.Keep = resource.KeepKeys
	}
	switch v, ok := keys["keep"]; {
	case ok && !generations:
		d.wrong(v, "%s has no generations to keep; leave keep out", f.Name)
	case ok:
		n, _ := d.integer(v, 1, 100)
		t.Keep = int(n)
	}
	if len(d.all) > before {
		return t, false
	}
	read := d.follow(t.Spec)
	if read.err != nil {
		d.unfollowable(p, keys, read.err)
		return t, false
	}
	t.Spec = read.spec
	return t, true
}

// A followed is what came of reading a schedule: with its defaults, and the line in its one
// spelling, or why it cannot be followed.
type followed struct {
	spec schedule.Spec
	err  error
}

// follow reads a schedule, and each but once: that of ten thousand entries is the same one, and
// looking for its nearest slots takes a millisecond.
func (d *decoder) follow(spec schedule.Spec) followed {
	read, ok := d.followed[spec]
	if ok {
		return read
	}
	if s, err := schedule.Parse(spec, schedule.Options{Seconds: d.seconds}); err != nil {
		read.err = err
	} else {
		read.spec = s.Spec()
	}
	if d.followed == nil {
		d.followed = map[schedule.Spec]followed{}
	}
	d.followed[spec] = read
	return read
}

// unfollowable reports why a schedule cannot be followed, each reason where it stands.
func (d *decoder) unfollowable(p place, keys map[string]place, err error) {
	faults, ok := errors.AsType[schedule.Faults](err)
	if !ok {
		d.wrong(p, "%v", err)
		return
	}
	for _, f := range faults {
		at, ok := keys[f.Field]
		if !ok {
			at = p.in(f.Field, p.node)
		}
		if f.Near {
			d.breaks(rules.KM052, at, "%s", f.Remedy)
		} else {
			d.wrong(at, "%s", f.Remedy)
		}
	}
}

var days = regexp.MustCompile(`^([0-9]{1,4})d$`)

// span reads a length of time that may be of days: 20d, 4h, 30m.
func (d *decoder) span(p place) (time.Duration, bool) {
	if !d.is(p, scalar) {
		return 0, false
	}
	if m := days.FindStringSubmatch(p.text); m != nil {
		n, _ := strconv.Atoi(m[1]) // digits alone
		return time.Duration(n) * 24 * time.Hour, true
	}
	t, err := time.ParseDuration(p.text)
	if err != nil || t <= 0 {
		d.wrong(p, "%s is not a length of time; write a number and a unit, such as 30m, 4h or 20d", p.echo())
		return 0, false
	}
	return t, true
}
