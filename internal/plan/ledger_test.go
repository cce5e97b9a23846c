package plan_test

import (
	"testing"
	"time"

	"kmagent/internal/plan"
)

// A wish counts as undone as often as it was carried out within the hour and the file stood
// by it.
func TestReversals(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	there, gone := plan.Wish{Value: "there"}, plan.Wish{Value: "gone"}
	short, long := plan.Wish{Field: "timeout", Value: "5"}, plan.Wish{Field: "timeout", Value: "50"}
	type step struct {
		wish plan.Wish
		sent bool // known to have been carried out
	}
	for _, tt := range []struct {
		name  string
		steps []step // one a minute
		after time.Duration
		wish  plan.Wish
		want  int
		why   string
	}{
		{"never", nil, 0, there, 0, "nothing was sent"},
		{"twice", []step{{short, true}, {short, true}}, 0, short, 2, "somebody else sets it"},
		{"of another field", []step{{short, true}}, 0, there, 0, "one field tells nothing of another"},
		{"unknown", []step{{there, false}, {there, false}}, 0, there, 0, "a broken connection is nobody's undoing"},
		{"changed its mind", []step{{short, true}, {long, true}}, 0, short, 0, "the file undid it"},
		{"set out to change", []step{{short, true}, {long, false}}, 0, short, 0, "whatever became of it"},
		{"made anew", []step{{there, true}, {short, true}, {gone, true}, {there, true}, {short, true}}, 0, short, 1, "the field went with the object, by the file's wish"},
		{"an hour later", []step{{short, true}}, time.Hour, short, 0, "the hour is over"},
	} {
		var r plan.Remembered
		now := start
		for _, s := range tt.steps {
			now = now.Add(time.Minute)
			r = r.WithIntent([]plan.Wish{s.wish}, now)
			if s.sent {
				r = r.WithSent([]plan.Wish{s.wish}, now)
			}
		}
		if got := r.Reversals(tt.wish, now.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %d, want %d: %s", tt.name, got, tt.want, tt.why)
		}
	}
}
