package agent

import (
	"sync/atomic"
	"testing"
	"time"

	"kmagent/internal/desired"
	"kmagent/internal/plan"
)

// A file that is held by what it is changes nothing until that is over; then nobody has to
// touch the file.
func TestJudged(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		var holds atomic.Bool
		holds.Store(true)
		w.fleet.Judge = func(*desired.State) Orders {
			if holds.Load() {
				return Orders{Hold: plan.Shrink, Reason: "much is gone"}
			}
			return Orders{}
		}
		var revisions []Revision
		w.fleet.Loaded = func(r Revision) { revisions = append(revisions, r) }
		w.start(stateDir(t))
		defer w.stop()
		w.src.set(file(one("c1", "ks1")), nil)
		after(time.Hour)
		if writes := w.writes("c1", 0); len(writes) > 0 {
			t.Errorf("written all the same: %v", writes)
		}
		if len(revisions) != 1 || revisions[0].Hold.Hold != plan.Shrink {
			t.Errorf("told %d times, %+v; want once, with the hold", len(revisions), revisions)
		}
		holds.Store(false)
		w.fleet.Wake()
		after(time.Minute)
		if servers, _ := w.managers("c1"); len(servers["vs1"]) != 1 {
			t.Error("it is not held any more, and nothing happens")
		}
		if len(revisions) != 2 || revisions[1].Hold.Hold != plan.NoGuard {
			t.Errorf("told %d times; want once more", len(revisions))
		}
	})
}
