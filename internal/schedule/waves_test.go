package schedule_test

import (
	"strings"
	"testing"

	"kmagent/internal/schedule"
)

func TestRoom(t *testing.T) {
	tests := []struct {
		waves              string
		objects, succeeded int
		want               int
		why                string
	}{
		{"", 40, 0, 40, "no waves: nobody waits for another"},
		{"1 5% 25% 100%", 1, 0, 1, "one object is its own canary"},
		{"1 5% 25% 100%", 2, 0, 1, "of two objects the second waits for the first"},
		{"1 5% 25% 100%", 2, 1, 2, "and then begins"},
		{"1 5% 25% 100%", 40, 1, 2, "5% of 40"},
		{"1 5% 25% 100%", 40, 2, 10, "25% of 40"},
		{"1 5% 25% 100%", 40, 9, 10, "the last of a wave keeps the next one waiting"},
		{"1 5% 25% 100%", 40, 10, 40, "the rest"},
		{"1 5% 25% 100%", 40, 40, 40, "all have succeeded"},
		{"1 5% 25% 100%", 10, 1, 3, "5% of 10 is one, who has succeeded already: the next wave"},
		{"100%", 40, 0, 40, "no waves"},
		{"3 100%", 2, 0, 2, "more than there are"},
		{"1 2 100%", 40, 1, 2, "numbers alone"},
		{"1 5% 25% 100%", 0, 0, 0, "nobody"},
	}
	for _, tt := range tests {
		var w schedule.Waves
		if tt.waves != "" {
			var err error
			if w, err = schedule.ParseWaves(strings.Fields(tt.waves)); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.Room(tt.objects, tt.succeeded); got != tt.want {
			t.Errorf("%s of %d objects, %d succeeded: room for %d, want %d: %s", tt.waves, tt.objects, tt.succeeded, got, tt.want, tt.why)
		}
	}
}

// However many objects and whatever waves, each success makes room until all have had theirs, and
// never is there room for fewer than before.
func TestRoomGrows(t *testing.T) {
	for _, text := range []string{"1 5% 25% 100%", "100%", "1 2 50% 100%", "1% 2% 3% 100%", "7 100%"} {
		w, err := schedule.ParseWaves(strings.Fields(text))
		if err != nil {
			t.Fatal(err)
		}
		for objects := range 300 {
			before := 0
			for succeeded := range objects {
				room := w.Room(objects, succeeded)
				if room <= succeeded || room > objects || room < before {
					t.Fatalf("%s of %d objects, %d succeeded: room for %d, and %d before", text, objects, succeeded, room, before)
				}
				before = room
			}
		}
	}
}

func TestParseWaves(t *testing.T) {
	if w := (schedule.Waves{}); len(w.Texts()) > 0 || !w.IsZero() {
		t.Errorf("without a word: %v", w.Texts())
	}
	tests := []struct{ texts, want, why string }{
		{"1 5% 25% 100%", "", "as in the documentation"},
		{"100%", "", "all at once"},
		{"", "has 0 members; write 1 to 10", "nobody would ever begin"},
		{"1 2 3 4 5 6 7 8 9 10 100%", "has 11 members; write 1 to 10", "too many"},
		{"0 100%", `"0" is not a wave`, "nobody would ever begin"},
		{"01 100%", `"01" is not a wave`, "one spelling"},
		{"101%", `"101%" is not a wave`, "more than all"},
		{"1.5% 100%", `"1.5%" is not a wave`, "whole percentages"},
		{"20000 100%", `"20000" is not a wave`, "more than a file has"},
		{"5 2 100%", "2 does not come after 5", "smaller than the one before"},
		{"5% 5% 100%", "5% does not come after 5%", "the same as the one before"},
		{"5% 10 100%", "10 does not come after 5%", "which is larger depends on the fleet"},
		{"1 25%", "ends with 25%; end with 100%", "some would never begin"},
	}
	for _, tt := range tests {
		w, err := schedule.ParseWaves(strings.Fields(tt.texts))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%q: %v: %s", tt.texts, err, tt.why)
		case tt.want == "" && strings.Join(w.Texts(), " ") != tt.texts:
			t.Errorf("%q is given back as %v", tt.texts, w.Texts())
		case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)):
			t.Errorf("%q: %v, want %s: %s", tt.texts, err, tt.want, tt.why)
		}
	}
}
