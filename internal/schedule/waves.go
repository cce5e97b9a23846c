package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// Waves say how a fleet takes one slot: in each wave so many of the objects that share the slot
// may have begun, and the next wave begins once all of this one have succeeded. The zero Waves
// are none: nobody waits for another.
type Waves struct {
	list [maxWaves]wave
	n    int
}

// A wave is a number of objects, or a part of all of them.
type wave struct{ count, percent int }

const maxWaves = 10

// ParseWaves reads waves as the file has them: numbers of objects, and percentages of all. The
// last one is 100%, or there would be objects that never take their turn.
func ParseWaves(texts []string) (Waves, error) {
	var w Waves
	if len(texts) == 0 || len(texts) > maxWaves {
		return w, fmt.Errorf("has %d members; write 1 to %d", len(texts), maxWaves)
	}
	var last wave
	for i, text := range texts {
		next, ok := parseWave(text)
		if !ok {
			return Waves{}, fmt.Errorf("%q is not a wave; write a number of objects, 1 to 10000, or a part of all, 1%% to 100%%", echo(text))
		}
		if next.count > 0 && (last.percent > 0 || next.count <= last.count) || next.percent > 0 && next.percent <= last.percent {
			return Waves{}, fmt.Errorf("%s does not come after %s; write numbers first, then percentages, each larger than the one before", next, last)
		}
		w.list[i], w.n, last = next, i+1, next
	}
	if last.percent != 100 {
		return Waves{}, fmt.Errorf("ends with %s; end with 100%%, or some objects never take their turn", last)
	}
	return w, nil
}

func parseWave(text string) (wave, bool) {
	digits, part := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || n < 1 || strconv.Itoa(n) != digits:
		return wave{}, false
	case part:
		return wave{percent: n}, n <= 100
	default:
		return wave{count: n}, n <= 10000
	}
}

// String returns the wave as the file has it.
func (w wave) String() string {
	if w.percent > 0 {
		return strconv.Itoa(w.percent) + "%"
	}
	return strconv.Itoa(w.count)
}

// Equal says whether two are the same in every word.
func (w Waves) Equal(other Waves) bool { return w == other }

// IsZero says whether there are none.
func (w Waves) IsZero() bool { return w.n == 0 }

// String returns the waves in one line.
func (w Waves) String() string { return strings.Join(w.Texts(), " ") }

// Texts returns the waves as the file has them.
func (w Waves) Texts() []string {
	var out []string
	for _, one := range w.list[:w.n] {
		out = append(out, one.String())
	}
	return out
}

// Room returns how many of so many objects may have begun at a slot once so many of them have
// succeeded at it: at least one more than have succeeded, if there is one more.
func (w Waves) Room(objects, succeeded int) int {
	for _, one := range w.list[:w.n] {
		size := min(one.count, objects)
		if one.percent > 0 {
			size = (objects*one.percent + 99) / 100
		}
		if size > succeeded {
			return size
		}
	}
	return objects
}
