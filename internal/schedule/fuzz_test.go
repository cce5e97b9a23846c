package schedule_test

import (
	"strings"
	"testing"
	"time"

	"kmagent/internal/schedule"
)

// Whatever a file says, it is refused in one line or has slots that come in order, once each, and
// are those of a scan of all minutes around.
func FuzzSchedule(f *testing.F) {
	for _, line := range append([]string{"TZ=", "@every -1h", "*/99999999999 * * * *", "0 0 31 4 *", "*-5 * * * *", ", * * * *", "30 2 * * 7", "* * * * *", "5/9 1-3/2 */7 FEB-apr *"}, lines...) {
		f.Add(line, "Europe/Berlin", int64(1774746000))
	}
	f.Add("@daily", "America/Havana", int64(1772946000))
	f.Add("*/15 2 * * *", "Australia/Lord_Howe", int64(1791041400))
	f.Add("0 12 * * *", "Pacific/Apia", int64(1325239200))
	f.Add("* * * * *", "UTC", int64(1)<<62)
	f.Add("0 0 29 2 *", "Local", int64(-1)<<62)
	f.Fuzz(func(t *testing.T, line, zone string, instant int64) {
		began := time.Now()
		spec := schedule.Spec{Schedule: line, Timezone: zone, MinInterval: time.Minute, Window: 10 * time.Minute, CatchUp: schedule.Once}
		s, err := schedule.Parse(spec, schedule.Options{})
		schedule.Parse(spec, schedule.Options{Seconds: true})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || s != nil {
				t.Errorf("%q: a schedule beside a fault, or one of several lines", err)
			}
			if strings.Contains(err.Error(), "is not a line of cron") {
				t.Errorf("%q passes the check, and the parser refuses it", line)
			}
			return
		}
		now := time.Unix(instant, 0)
		last, n := schedule.Slot{}, 0
		for slot := range s.Slots(now, now.AddDate(20, 0, 0)) {
			if slot.Local <= last.Local || slot.At.Before(last.At) || !slot.At.After(now) {
				t.Fatalf("after %v comes %v", last, slot)
			}
			if last.IsZero() && s.Next(now) != slot {
				t.Fatalf("next is %v, and the first one %v", s.Next(now), slot)
			}
			if got := s.Last(slot.At); got.At != slot.At || got.Local < slot.Local {
				t.Fatalf("last at %v is %v", slot, got)
			}
			if last = slot; n == 20 {
				break
			}
			n++
		}
		d := s.Decide(schedule.Input{State: schedule.State{Baseline: now.Add(-day)}, Now: now})
		if !d.Due.IsZero() && d.Due.At.After(now) {
			t.Errorf("due %v at %v", d.Due, now)
		}
		if year := now.UTC().Year(); year > 1972 && year < 9990 {
			against(t, s, line, now.Truncate(time.Minute))
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

// against compares the slots of two days with a scan of their minutes.
func against(t *testing.T, s *schedule.Schedule, line string, from time.Time) {
	zone, err := time.LoadLocation(s.Spec().Timezone)
	if err != nil {
		t.Fatal(err)
	}
	shown := func(at time.Time) time.Time {
		_, offset := at.In(zone).Zone()
		return at.UTC().Add(time.Duration(offset) * time.Second)
	}
	if shown(from).Second() != 0 || shown(from.Add(2*day)).Second() != 0 {
		return // an offset of seconds: the scan knows minutes alone
	}
	m := matcherOf(strings.Join(strings.Fields(line), " "))
	var want []string
	high := shown(from)
	for back := time.Minute; back <= 26*hour; back += time.Minute {
		if l := shown(from.Add(-back)); l.After(high) {
			high = l
		}
	}
	for at := from; at.Before(from.Add(2 * day)); at = at.Add(time.Minute) {
		for high.Before(shown(at)) {
			high = high.Add(time.Minute)
			if m.date(high) && m.time(high.Hour()*60+high.Minute()) {
				want = append(want, high.Format("2006-01-02T15:04 ")+at.UTC().Format(time.RFC3339))
			}
		}
	}
	i := 0
	for slot := range s.Slots(from, from.Add(2*day-time.Minute)) {
		got := slot.Local + " " + slot.At.Format(time.RFC3339)
		if i == len(want) || got != want[i] {
			t.Fatalf("slot %d is %s, want those of the scan %v", i, got, want[min(i, len(want)):min(i+1, len(want))])
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d slots, want %d", i, len(want))
	}
}
