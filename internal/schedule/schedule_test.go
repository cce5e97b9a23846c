package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"kmagent/internal/schedule"
)

const hour, day = time.Hour, 24 * time.Hour

// must is a schedule that is known to be right.
func must(t testing.TB, spec schedule.Spec) *schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(spec, schedule.Options{})
	if err != nil {
		t.Fatalf("%+v: %v", spec, err)
	}
	return s
}

// Each line is what the file says wrong, and what its author is told.
func TestFaults(t *testing.T) {
	type spec = schedule.Spec
	of := func(line string) spec { return spec{Schedule: line} }
	with := func(change func(*spec)) spec {
		s := of("0 3 1 * *")
		change(&s)
		return s
	}
	const minute = ` is no minute; write 0 to 59, *, a range such as 1-3 or a list of those`
	for _, tt := range []struct {
		why  string
		spec spec
		want string
	}{
		{"nothing", of(""), "schedule: it is empty; write five fields such as 0 3 1 * *"},
		{"blanks", of(" \t "), "schedule: it is empty; write five fields such as 0 3 1 * *"},
		{"the parser panics at it", of("TZ="), "schedule: a zone does not belong here; write it as timezone"},
		{"and at this", of("TZ=UTC"), "schedule: a zone does not belong here; write it as timezone"},
		{"it would win over timezone", of("CRON_TZ=Asia/Tokyo 0 3 * * *"), "schedule: a zone does not belong here; write it as timezone"},
		{"it has no slots", of("@every 24h"), "schedule: @every has no local time to keep; write five fields such as 0 3 * * *"},
		{"the parser makes every second of it", of("@every -1h"), "schedule: @every has no local time to keep; write five fields such as 0 3 * * *"},
		{"an alias", of("@midnight"), `schedule: "@midnight" is not one of [@hourly @daily @weekly @monthly @yearly]`},
		{"more than its word", of("@daily 3"), `schedule: "@daily 3" is not one of [@hourly @daily @weekly @monthly @yearly]`},
		{"four fields", of("0 3 * *"), `schedule: "0 3 * *" has 4 fields; write five: minute, hour, day of month, month and day of week`},
		{"six fields", of("0 0 3 * * *"), `schedule: "0 0 3 * * *" has 6 fields; write five: minute, hour, day of month, month and day of week`},
		{"a line break is no blank", of("0 3\n* * *"), "schedule: it has a character that no line of cron has; write five fields such as 0 3 1 * *"},
		{"nor is another kind of blank", of("0\u00a03 * * *"), "schedule: it has a character that no line of cron has; write five fields such as 0 3 1 * *"},
		{"too long", of(strings.Repeat("0,", 200) + "0 3 * * *"), "schedule: it has more than 256 characters; write five fields such as 0 3 1 * *"},
		{"beyond the hour", of("60 3 * * *"), `schedule: "60"` + minute},
		{"negative", of("-1 3 * * *"), `schedule: "-1"` + minute},
		{"signed", of("+5 3 * * *"), `schedule: "+5"` + minute},
		{"nothing between commas", of("1,,2 3 * * *"), `schedule: ""` + minute},
		{"nothing but a comma matches nothing", of(", 3 * * *"), `schedule: ""` + minute},
		{"the parser drops the end", of("*-5 3 * * *"), `schedule: "*-5"` + minute},
		{"Quartz", of("? 3 * * *"), `schedule: "?"` + minute},
		{"three ends", of("1-2-3 3 * * *"), `schedule: "1-2-3"` + minute},
		{"a name that is none", of("0 3 1 janu *"), `schedule: "janu" is no month; write 1 to 12 or JAN to DEC, *, a range such as 2-4 or a list of those`},
		{"a name elsewhere", of("0 jan 1 * *"), `schedule: "jan" is no hour; write 0 to 23, *, a range such as 1-3 or a list of those`},
		{"the other Sunday", of("0 3 * * 7"), `schedule: "7" is no day of week; write 0 to 6 or SUN to SAT, where 0 is Sunday, *, a range such as 1-3 or a list of those`},
		{"no such day", of("0 3 0 * *"), `schedule: "0" is no day of month; write 1 to 31, *, a range such as 2-4 or a list of those`},
		{"over the end of the week", of("0 3 * * FRI-MON"), `schedule: "FRI-MON" of day of week runs backwards; write it as two ranges with a comma`},
		{"an absurd step", of("*/99999999999 3 * * *"), `schedule: the step of "*/99999999999" reaches no second minute; write a step of 1 to 59, or none`},
		{"an hour is no step of minutes", of("*/60 3 * * *"), `schedule: the step of "*/60" reaches no second minute; write a step of 1 to 59, or none`},
		{"no step", of("*/0 3 * * *"), `schedule: the step of "*/0" reaches no second minute; write a step of 1 to 59, or none`},
		{"two steps", of("*/2/2 3 * * *"), `schedule: the step of "*/2/2" reaches no second minute; write a step of 1 to 59, or none`},
		{"half a step", of("0-5/ 3 * * *"), `schedule: the step of "0-5/" reaches no second minute; write a step of 1 to 5, or none`},
		{"a day that its month has not", of("0 0 31 4 *"), `schedule: "0 0 31 4 *" has no occurrence in 5 years; write a day that one of its months has`},
		{"nor has February", of("0 0 30,31 2 *"), `schedule: "0 0 30,31 2 *" has no occurrence in 5 years; write a day that one of its months has`},
		{"every hour", of("@hourly"), "schedule: 2024-01-01T00:00 and 2024-01-01T01:00 are 1h apart, nearer than min_interval 20h; write fewer slots, or a min_interval of 1h or less"},
		{"late and early", of("0 1,23 * * *"), "schedule: 2024-01-01T23:00 and 2024-01-02T01:00 are 2h apart, nearer than min_interval 20h; write fewer slots, or a min_interval of 2h or less"},
		{"the months' ends meet", with(func(s *spec) { s.Schedule, s.MinInterval = "0 0 1,31 * *", 2*day }),
			"schedule: 2024-01-31T00:00 and 2024-02-01T00:00 are 24h apart, nearer than min_interval 48h; write fewer slots, or a min_interval of 24h or less"},
		{"either day counts", with(func(s *spec) { s.Schedule, s.MinInterval = "0 0 13 * FRI", 2*day }),
			"schedule: 2024-01-12T00:00 and 2024-01-13T00:00 are 24h apart, nearer than min_interval 48h; write fewer slots, or a min_interval of 24h or less"},
		{"unknown zone", with(func(s *spec) { s.Timezone = "Europe/Berln" }), `timezone: "Europe/Berln" is not in the zone database; write a name such as Europe/Berlin, or UTC`},
		{"a path", with(func(s *spec) { s.Timezone = "../etc/passwd" }), `timezone: "../etc/passwd" is not in the zone database; write a name such as Europe/Berlin, or UTC`},
		{"the machine's zone", with(func(s *spec) { s.Timezone = "Local" }), `timezone: "Local" is another zone on another machine; write a name such as Europe/Berlin, or UTC`},
		{"by its file", with(func(s *spec) { s.Timezone = "localtime" }), `timezone: "localtime" is another zone on another machine; write a name such as Europe/Berlin, or UTC`},
		{"with leap seconds", with(func(s *spec) { s.Timezone = "right/Europe/Berlin" }), `timezone: "right/Europe/Berlin" is not in the zone database; write a name such as Europe/Berlin, or UTC`},
		{"a long zone", with(func(s *spec) { s.Timezone = strings.Repeat("x", 257) }), "timezone: it has more than 256 characters; write a name such as Europe/Berlin, or UTC"},
		{"a short window", with(func(s *spec) { s.Window = time.Second }), "window: 1s is out of range; write 1m to 8784h, which is 366 days"},
		{"a negative window", with(func(s *spec) { s.Window = -hour }), "window: -1h is out of range; write 1m to 8784h, which is 366 days"},
		{"a long window", with(func(s *spec) { s.Window = 367 * day }), "window: 8808h is out of range; write 1m to 8784h, which is 366 days"},
		{"another catch-up", with(func(s *spec) { s.CatchUp = "all" }), `catch_up: "all" is not one of [none once]`},
		{"a long word", with(func(s *spec) { s.CatchUp = schedule.CatchUp(strings.Repeat("x", 99)) }), `catch_up: "` + strings.Repeat("x", 40) + `…" is not one of [none once]`},
		{"a short interval", with(func(s *spec) { s.MinInterval = 30 * time.Second }), "min_interval: 30s is out of range; write 1m to 8784h, which is 366 days"},
		{"a short jitter", with(func(s *spec) { s.Jitter = time.Millisecond }), "jitter: 1ms is out of range; write 1m to 8784h, which is 366 days"},
		{"it would wait until the window is closed", with(func(s *spec) { s.Jitter = 4 * hour }), "jitter: 4h is not shorter than the window of 4h; write less, or a longer window"},
		{"it would wait until the next slot", with(func(s *spec) { s.Schedule, s.MinInterval, s.Jitter = "@hourly", hour, 90*time.Minute }),
			"jitter: 1h30m is not shorter than the 1h between 2024-01-01T00:00 and 2024-01-01T01:00; write less"},
		{"a short age", with(func(s *spec) { s.MaxAge = time.Second }), "max_age: 1s is out of range; write 1m to 8784h, which is 366 days"},
		{"several at once", spec{Schedule: "@every 1h", Timezone: "Mars", CatchUp: "twice"},
			"schedule: @every has no local time to keep; write five fields such as 0 3 * * *; " +
				`timezone: "Mars" is not in the zone database; write a name such as Europe/Berlin, or UTC; catch_up: "twice" is not one of [none once]`},
	} {
		s, err := schedule.Parse(tt.spec, schedule.Options{})
		if err == nil || err.Error() != tt.want || s != nil {
			t.Errorf("%s:\n got %v\nwant %s", tt.why, err, tt.want)
		}
		var faults schedule.Faults
		if !errors.As(err, &faults) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q is not Faults of one line", tt.why, err)
		}
	}
}

// A caller that knows where each field stands finds what is said of it.
func TestFaultsOneByOne(t *testing.T) {
	_, err := schedule.Parse(schedule.Spec{Timezone: "Mars"}, schedule.Options{})
	var fault *schedule.Fault
	if !errors.As(err, &fault) || fault.Field != "schedule" {
		t.Errorf("got %+v, want the fault of the schedule", fault)
	}
}

func TestDefaults(t *testing.T) {
	s := must(t, schedule.Spec{Schedule: " 0  3\t1 JAN-mar */2 "})
	want := schedule.Spec{Schedule: "0 3 1 JAN-mar */2", Timezone: "UTC", Window: 4 * hour, CatchUp: schedule.None, MinInterval: 20 * hour}
	if got := s.Spec(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := s.String(), "0 3 1 JAN-mar */2 UTC"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What is right, in ways that could be taken for wrong.
func TestRight(t *testing.T) {
	for _, tt := range []struct {
		why  string
		spec schedule.Spec
	}{
		{"the example of the manual", schedule.Spec{Schedule: "0 3 1 * *", Timezone: "Europe/Berlin", Window: 4 * hour, CatchUp: schedule.Once}},
		{"a leap day comes within five years", schedule.Spec{Schedule: "0 0 29 2 *"}},
		{"every hour, said twice", schedule.Spec{Schedule: "@hourly", MinInterval: hour}},
		{"every minute", schedule.Spec{Schedule: "* * * * *", MinInterval: time.Minute, Window: time.Minute}},
		{"each day has 24 hours where clocks are not looked at", schedule.Spec{Schedule: "@daily", Timezone: "Europe/Berlin", MinInterval: day}},
		{"a step from a number on", schedule.Spec{Schedule: "0 3 5/10 * *"}},
		{"a step of one", schedule.Spec{Schedule: "0 3 5-5/1 * *"}},
		{"all the days", schedule.Spec{Schedule: "0 3 * * sun,MON,2-6"}},
		{"once a year", schedule.Spec{Schedule: "@yearly", MinInterval: 365 * day, Window: 366 * day}},
	} {
		must(t, tt.spec)
	}
}

// Tests of the whole program cannot wait for a minute.
func TestSeconds(t *testing.T) {
	seconds := schedule.Options{Seconds: true}
	s, err := schedule.Parse(schedule.Spec{Schedule: "*/2 * * * * *", Window: time.Second}, seconds)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 1, 500, time.UTC)
	if got := s.Next(at); got.ID() != "2026-03-01T12:00:02[UTC]" || !got.At.Equal(at.Truncate(time.Second).Add(time.Second)) {
		t.Errorf("got %v", got)
	}
	if got := s.Last(at); got.ID() != "2026-03-01T12:00[UTC]" {
		t.Errorf("got %v", got)
	}
	in := schedule.Input{State: schedule.State{Last: s.Next(at)}, Now: at.Add(3 * time.Second), Tolerance: time.Second}
	if d := s.Decide(in); d.Due.Local != "2026-03-01T12:00:04" || len(d.Records) > 0 {
		t.Errorf("after one that is on record: got %+v", d)
	}
	if _, err := schedule.Parse(schedule.Spec{Schedule: "0 3 * * *"}, seconds); err != nil {
		t.Errorf("five fields: %v", err)
	}
	_, err = schedule.Parse(schedule.Spec{Schedule: "* * * * * *", MinInterval: 2 * time.Second}, seconds)
	if want := "schedule: 2024-01-01T00:00 and 2024-01-01T00:00:01 are 1s apart, nearer than min_interval 2s; write fewer slots, or a min_interval of 1s or less"; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestTooOld(t *testing.T) {
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	aging := must(t, schedule.Spec{Schedule: "@weekly", MaxAge: 10 * day})
	if aging.TooOld(made, made.Add(10*day)) || !aging.TooOld(made, made.Add(10*day+1)) {
		t.Error("a key may be ten days old, and no older")
	}
	if must(t, schedule.Spec{Schedule: "@weekly"}).TooOld(time.Time{}, made) {
		t.Error("without max_age it may have any age")
	}
}
