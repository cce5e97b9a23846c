package schedule_test

import (
	"archive/zip"
	"flag"
	"fmt"
	"io"
	"iter"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kmagent/internal/schedule"
)

var everyZone = flag.String("every-zone", "", "compare the slots of every zone, 2000 to 2040, with a scan of all minutes; 1/1 is all of them, 3/8 the third part of eight")

// list is slots as text: their local times, each with the day and time of its instant.
func list(slots ...schedule.Slot) string {
	var out []string
	for _, s := range slots {
		out = append(out, s.Local+"="+s.At.Format("02T15:04Z"))
	}
	return strings.Join(out, " ")
}

// Where clocks jump.
func TestSlotsAcrossJumps(t *testing.T) {
	for _, tt := range []struct {
		why, zone, line, after, until, want string
	}{
		{"forward over it: at the first instant after", "Europe/Berlin", "30 2 * * *", "2026-03-28T00:00Z", "2026-03-30T12:00Z",
			"2026-03-28T02:30=28T01:30Z 2026-03-29T02:30=29T01:00Z 2026-03-30T02:30=30T00:30Z"},
		{"back over it: the first of two", "Europe/Berlin", "30 2 * * *", "2026-10-24T12:00Z", "2026-10-26T12:00Z",
			"2026-10-25T02:30=25T00:30Z 2026-10-26T02:30=26T01:30Z"},
		{"every half hour forward: those of the gap share an instant with the one after", "Europe/Berlin", "*/30 * * * *", "2026-03-29T00:00Z", "2026-03-29T01:30Z",
			"2026-03-29T01:30=29T00:30Z 2026-03-29T02:00=29T01:00Z 2026-03-29T02:30=29T01:00Z 2026-03-29T03:00=29T01:00Z 2026-03-29T03:30=29T01:30Z"},
		{"every half hour back: none in the second hour", "Europe/Berlin", "*/30 * * * *", "2026-10-25T00:00Z", "2026-10-25T02:30Z",
			"2026-10-25T02:30=25T00:30Z 2026-10-25T03:00=25T02:00Z 2026-10-25T03:30=25T02:30Z"},
		{"from within the second hour", "Europe/Berlin", "*/30 * * * *", "2026-10-25T01:10Z", "2026-10-25T02:10Z", "2026-10-25T03:00=25T02:00Z"},
		{"from within a gap's instant", "Europe/Berlin", "*/30 * * * *", "2026-03-29T01:00Z", "2026-03-29T01:30Z", "2026-03-29T03:30=29T01:30Z"},
		{"a midnight that does not exist", "America/Havana", "@daily", "2026-03-07T12:00Z", "2026-03-09T12:00Z",
			"2026-03-08T00:00=08T05:00Z 2026-03-09T00:00=09T04:00Z"},
		{"a midnight that exists twice", "America/Havana", "0 0,1 1 * *", "2026-10-31T12:00Z", "2026-11-01T12:00Z",
			"2026-11-01T00:00=01T04:00Z 2026-11-01T01:00=01T06:00Z"},
		{"half an hour forward", "Australia/Lord_Howe", "*/15 2 * * *", "2026-10-03T12:00Z", "2026-10-04T12:00Z",
			"2026-10-04T02:00=03T15:30Z 2026-10-04T02:15=03T15:30Z 2026-10-04T02:30=03T15:30Z 2026-10-04T02:45=03T15:45Z"},
		{"half an hour back", "Australia/Lord_Howe", "*/15 1,2 * * *", "2026-04-04T12:00Z", "2026-04-05T12:00Z",
			"2026-04-05T01:00=04T14:00Z 2026-04-05T01:15=04T14:15Z 2026-04-05T01:30=04T14:30Z 2026-04-05T01:45=04T14:45Z " +
				"2026-04-05T02:00=04T15:30Z 2026-04-05T02:15=04T15:45Z 2026-04-05T02:30=04T16:00Z 2026-04-05T02:45=04T16:15Z"},
		{"a day that does not exist", "Pacific/Apia", "0 12 * * *", "2011-12-29T00:00Z", "2011-12-31T12:00Z",
			"2011-12-29T12:00=29T22:00Z 2011-12-30T12:00=30T10:00Z 2011-12-31T12:00=30T22:00Z"},
		{"a day that exists twice", "Pacific/Kwajalein", "0 12 * * *", "1969-09-29T12:00Z", "1969-10-02T00:00Z",
			"1969-09-30T12:00=30T01:00Z 1969-10-01T12:00=02T00:00Z"},
		{"back for Ramadan", "Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00Z", "2026-02-16T12:00Z",
			"2026-02-15T02:30=15T01:30Z 2026-02-16T02:30=16T02:30Z"},
		{"an odd offset", "Asia/Kathmandu", "0 0 * * *", "2026-01-01T00:00Z", "2026-01-02T00:00Z", "2026-01-02T00:00=01T18:15Z"},
		{"the last day of a leap year, of which package time does not know the end", "Europe/Berlin", "0 0,1,2 * * *", "2096-12-30T22:30Z", "2097-01-01T00:00Z",
			"2096-12-31T00:00=30T23:00Z 2096-12-31T01:00=31T00:00Z 2096-12-31T02:00=31T01:00Z 2097-01-01T00:00=31T23:00Z 2097-01-01T01:00=01T00:00Z"},
		{"a leap day is eight years away", "UTC", "0 0 29 2 *", "2090-01-01T00:00Z", "2105-01-01T00:00Z", "2092-02-29T00:00=29T00:00Z 2096-02-29T00:00=29T00:00Z 2104-02-29T00:00=29T00:00Z"},
		{"both ends", "UTC", "0 0 * * *", "2026-01-01T00:00Z", "2026-01-02T00:00Z", "2026-01-02T00:00=02T00:00Z"},
		{"nothing", "UTC", "0 0 * * *", "2026-01-01T00:00Z", "2026-01-01T23:59Z", ""},
	} {
		s := must(t, schedule.Spec{Schedule: tt.line, Timezone: tt.zone, MinInterval: time.Minute})
		after, until := at(t, tt.after), at(t, tt.until)
		slots := slices.Collect(s.Slots(after, until))
		if got := list(slots...); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.why, got, tt.want)
		}
		if len(slots) == 0 {
			continue
		}
		if got := s.Next(after); got != slots[0] {
			t.Errorf("%s: next is %v, want the first of the slots", tt.why, got)
		}
		if got := s.Last(until); got != slots[len(slots)-1] {
			t.Errorf("%s: last is %v, want the last of the slots", tt.why, got)
		}
	}
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02T15:04Z07:00", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Looking for what comes once in years ends, whenever it begins.
func TestFarAway(t *testing.T) {
	s := must(t, schedule.Spec{Schedule: "0 0 29 2 *"})
	for year := 1; year < 9990; year += 51 {
		from := time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC)
		next, last := s.Next(from), s.Last(from)
		if d := next.At.Sub(from); d <= 0 || d > 8*366*day {
			t.Fatalf("after %v comes %v", from, next)
		}
		if d := from.Sub(last.At); year > 8 && (d < 0 || d > 8*366*day) {
			t.Fatalf("before %v came %v", from, last)
		}
	}
	for _, far := range []time.Time{{}, time.Unix(1<<62, 0), time.Unix(-1<<62, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)} {
		if next := s.Next(far); !next.IsZero() && next.ID() != "0004-02-29T00:00[UTC]" {
			t.Errorf("after %v comes %v", far, next)
		}
		if last := s.Last(far); !last.IsZero() && last.ID() != "9996-02-29T00:00[UTC]" {
			t.Errorf("before %v came %v", far, last)
		}
	}
}

func TestJitter(t *testing.T) {
	seen := map[time.Duration]int{}
	for i := range 10000 {
		seed := "prod-" + strconv.Itoa(i) + "/azure_key_vault/vs1 rekey_internal"
		j := schedule.JitterOf(seed, 10*time.Second)
		if j != schedule.JitterOf(seed, 10*time.Second) {
			t.Fatal("it is not the same each time")
		}
		seen[j]++
	}
	for j, n := range seen {
		if j < 0 || j > 10*time.Second || n < 700 || n > 1100 {
			t.Errorf("%d of 10000 wait %v", n, j)
		}
	}
	if len(seen) != 11 {
		t.Errorf("there are %d, want 0s to 10s", len(seen))
	}
	if got := schedule.JitterOf("prod-a/azure_key_vault/vs1 rekey_internal", hour); got != 55*time.Minute+30*time.Second {
		t.Errorf("got %v: objects would move when kmagent is updated", got)
	}
	if got := schedule.JitterOf("x", 0) + schedule.JitterOf("x", -hour); got != 0 {
		t.Errorf("without jitter: got %v", got)
	}
}

// lines are compared with the scan: what is common, what is rare, and what meets jumps of clocks.
var lines = []string{
	"0 3 1 * *", "30 2 * * *", "@daily", "@weekly", "@monthly", "@yearly", "0 0 29 2 *", "0 0 31 * *", "59 23 * * *",
	"0 1 * * sun", "30 1 * mar,apr,sep,oct,nov sun", "*/30 0-4 * 2-4,9-11 0,6", "15 0 13 * FRI", "0 12 30 12 *",
}

// A scan of minutes knows nothing of slots: it walks through every minute that there was, and
// writes down when clocks first showed each local minute, or went over it.
type scan struct {
	from  time.Time // the local minute of the first entry, as if in UTC
	first []int32   // the minute, from from on, at which clocks first showed this one or a later one
}

//go:norace
func scanMinutes(zone *time.Location, fromYear, toYear int) *scan {
	sc := &scan{from: time.Date(fromYear, 1, 1, 0, 0, 0, 0, time.UTC)}
	end := time.Date(toYear, 1, 1, 0, 0, 0, 0, time.UTC)
	n := int(end.Sub(sc.from) / time.Minute)
	sc.first = make([]int32, 0, n)
	offset := func(m int) int {
		_, seconds := sc.from.Add(time.Duration(m) * time.Minute).In(zone).Zone()
		if seconds%60 != 0 {
			panic(zone.String() + " has an offset of seconds")
		}
		return seconds / 60
	}
	now, steady := 0, false
	for m := -2 * 24 * 60; len(sc.first) < n; m++ {
		if m%60 == 0 { // an hour whose ends agree is all the same
			now = offset(m)
			steady = offset(m+59) == now
		}
		if !steady {
			now = offset(m)
		}
		for len(sc.first) <= m+now && len(sc.first) < n {
			sc.first = append(sc.first, int32(m))
		}
	}
	return sc
}

func (sc *scan) at(local time.Time) time.Time {
	return sc.from.Add(time.Duration(sc.first[local.Sub(sc.from)/time.Minute]) * time.Minute)
}

// localsOf is the local minutes that a line names, in the years.
func localsOf(line string, fromYear, toYear int) []time.Time {
	m := matcherOf(line)
	var times []time.Duration
	for i := range 24 * 60 {
		if m.time(i) {
			times = append(times, time.Duration(i)*time.Minute)
		}
	}
	var out []time.Time
	for date := time.Date(fromYear, 1, 1, 0, 0, 0, 0, time.UTC); date.Year() < toYear; date = date.AddDate(0, 0, 1) {
		if m.date(date) {
			for _, i := range times {
				out = append(out, date.Add(i))
			}
		}
	}
	return out
}

// A matcher is a second reading of a line, made of its text alone.
type matcher [5]string

func matcherOf(line string) matcher {
	switch line {
	case "@hourly":
		line = "0 * * * *"
	case "@daily":
		line = "0 0 * * *"
	case "@weekly":
		line = "0 0 * * 0"
	case "@monthly":
		line = "0 0 1 * *"
	case "@yearly":
		line = "0 0 1 1 *"
	}
	line = strings.ToLower(line)
	for i, name := range strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec") {
		line = strings.ReplaceAll(line, name, strconv.Itoa(i+1))
	}
	for i, name := range strings.Fields("sun mon tue wed thu fri sat") {
		line = strings.ReplaceAll(line, name, strconv.Itoa(i))
	}
	return matcher(strings.Fields(line))
}

func (m matcher) time(minute int) bool {
	return names(m[0], minute%60, 0, 59) && names(m[1], minute/60, 0, 23)
}

// date: where both days are restricted, either counts.
func (m matcher) date(d time.Time) bool {
	dom, dow := names(m[2], d.Day(), 1, 31), names(m[4], int(d.Weekday()), 0, 6)
	open := func(field string) bool {
		return slices.ContainsFunc(strings.Split(field, ","), func(item string) bool { return item == "*" || item == "*/1" })
	}
	if open(m[2]) || open(m[4]) {
		return names(m[3], int(d.Month()), 1, 12) && dom && dow
	}
	return names(m[3], int(d.Month()), 1, 12) && (dom || dow)
}

func names(field string, n, least, most int) bool {
	for item := range strings.SplitSeq(field, ",") {
		values, by, stepped := strings.Cut(item, "/")
		from, to, ranged := strings.Cut(values, "-")
		a, b, step := least, most, 1
		if values != "*" {
			a, _ = strconv.Atoi(from)
			if b = a; ranged {
				b, _ = strconv.Atoi(to)
			} else if stepped {
				b = most
			}
		}
		if stepped {
			step, _ = strconv.Atoi(by)
		}
		if a <= n && n <= b && (n-a)%step == 0 {
			return true
		}
	}
	return false
}

// compare holds the slots of lines in a zone against the scan: each local slot once, in order, at
// its instant. It returns how many there were.
func compare(t *testing.T, zone string, lines map[string][]time.Time, fromYear, toYear int) int {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	sc, total := scanMinutes(loc, fromYear, toYear), 0
	for line, locals := range lines {
		if len(locals) == 0 {
			t.Errorf("%s: nothing to compare", line)
		}
		s, err := schedule.Parse(schedule.Spec{Schedule: line, Timezone: zone, MinInterval: time.Minute}, schedule.Options{})
		if err != nil {
			t.Fatal(err)
		}
		next, stop := iter.Pull(s.Slots(sc.from.Add(-15*hour), sc.from.AddDate(100, 0, 0)))
		defer stop()
		first, _ := next()
		for first.Local < sc.from.Format("2006") {
			first, _ = next()
		}
		got := first
		for i, local := range locals {
			if i > 0 {
				got, _ = next()
			}
			at := sc.at(local)
			if want := local.Format("2006-01-02T15:04"); got.Local != want || !got.At.Equal(at) {
				t.Errorf("%s %s: got %v, want %s at %v", line, zone, got, want, at)
				break
			}
			total++
			if total%197 > 0 {
				continue
			}
			if again := s.Next(at.Add(-time.Second)); again.At != got.At || again.Local > got.Local {
				t.Errorf("%s %s: next before %v is %v", line, zone, got, again)
			}
			if again := s.Last(at); again.At != got.At || again.Local < got.Local {
				t.Errorf("%s %s: last at %v is %v", line, zone, got, again)
			}
		}
	}
	return total
}

// localsOfAll is localsOf for many lines.
func localsOfAll(lines []string, fromYear, toYear int) map[string][]time.Time {
	out := map[string][]time.Time{}
	for _, line := range lines {
		out[line] = localsOf(line, fromYear, toYear)
	}
	return out
}

func TestSlotsAgreeWithAMinuteScan(t *testing.T) {
	zones := []string{
		"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "America/Havana", "America/Sao_Paulo", "America/Santiago",
		"America/Asuncion", "America/Caracas", "Australia/Lord_Howe", "Australia/Sydney", "Pacific/Apia", "Pacific/Chatham", "Africa/Casablanca",
		"Africa/Cairo", "Asia/Kathmandu", "Asia/Tehran", "Asia/Gaza", "Asia/Pyongyang",
	}
	total, locals := 0, localsOfAll(lines, 2007, 2017)
	for _, zone := range zones {
		total += compare(t, zone, locals, 2007, 2017)
	}
	t.Logf("compared %d slots of %d lines in %d zones, 2007 to 2017", total, len(lines), len(zones))
}

// The long form, for releases: every zone of the database that package time embeds, 40 years, and
// 200 lines.
func TestSlotsOfEveryZone(t *testing.T) {
	if *everyZone == "" {
		t.Skip("for releases: go test ./internal/schedule -run SlotsOfEveryZone -timeout 3h -every-zone 1/1")
	}
	var part, parts int
	if n, err := fmt.Sscanf(*everyZone, "%d/%d", &part, &parts); n != 2 || err != nil || part < 1 || part > parts {
		t.Fatalf("-every-zone %s: write a part such as 1/1 or 3/8", *everyZone)
	}
	many := slices.Clone(lines)
	for i := len(many); i < 200; i++ {
		many = append(many, fmt.Sprintf("%d %d %d-28/%d * *", i*7%60, i%6, i%9+1, i%11+2))
	}
	zones, locals := everyZoneOnce(t), localsOfAll(many, 2000, 2041)
	var mu sync.Mutex
	var wg sync.WaitGroup
	total, work := 0, make(chan string)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for zone := range work {
				n := compare(t, zone, locals, 2000, 2041)
				mu.Lock()
				total += n
				mu.Unlock()
			}
		})
	}
	for i, zone := range zones {
		if i%parts == part-1 {
			work <- zone
		}
	}
	close(work)
	wg.Wait()
	t.Logf("compared %d slots of %d lines in part %s of %d different zones, 2000 to 2040", total, len(many), *everyZone, len(zones))
}

// everyZoneOnce is a name of each zone of Go's database; of those that are the same, one.
func everyZoneOnce(t *testing.T) []string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out []string
	known := map[string]bool{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "TZif") || known[string(text)] || f.Name == "Factory" {
			continue
		}
		known[string(text)] = true
		out = append(out, f.Name)
	}
	return out
}
