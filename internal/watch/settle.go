package watch

import "time"

// patience is how long a file may go on changing before that is a state of its own.
const patience = time.Minute

// A settler decides when what was seen counts: when every look saw the same for a while.
// Errors settle like contents do, so that a file which is deleted and written anew was
// never missing. It looks at nothing itself, not even at the clock.
type settler struct {
	settle time.Duration // two equal looks at least this far apart count

	candidate reading   // what the latest looks agree on; zero: nothing
	since     time.Time // end of the first look that saw candidate
	restless  time.Time // since when nothing has counted; zero: candidate counts
	impatient bool      // ErrUnstable was announced in this restless time
	owed      bool      // the next state that counts is announced even if it is no news

	state State
}

// settled reports whether what the latest look saw counts.
func (s *settler) settled() bool { return s.restless.IsZero() && !s.since.IsZero() }

// due is when the next look may make candidate count. Only of use while not settled.
func (s *settler) due() time.Time { return s.since.Add(s.settle) }

// restart makes everything be seen twice again, and the outcome announced.
func (s *settler) restart(now time.Time) {
	if s.owed {
		return // already on its way; or requests faster than settle would starve it
	}
	s.owed = true
	s.candidate, s.since = reading{}, time.Time{}
	s.restless, s.impatient = now, false
}

// observe takes one look, made between the two times, and reports whether state is news.
func (s *settler) observe(r reading, from, to time.Time) bool {
	switch {
	case !r.same(s.candidate):
		if s.restless.IsZero() {
			s.restless, s.impatient = from, false
		}
		s.candidate, s.since = r, to
	case s.settled():
		return false
	case from.Sub(s.since) >= s.settle:
		s.restless, s.impatient = time.Time{}, false
		return s.accept(r)
	}
	if s.impatient || from.Sub(s.restless) < patience {
		return false
	}
	s.impatient, s.owed = true, false
	s.state.Err = ErrUnstable
	return true
}

// accept makes a reading that counts the state.
func (s *settler) accept(r reading) bool {
	next := State{Good: s.state.Good, Err: r.err}
	if r.err == nil && r.Digest != next.Good.Digest {
		next.Good = r.Snapshot
	}
	news := s.owed || next.Good.Digest != s.state.Good.Digest || words(next.Err) != words(s.state.Err)
	s.state, s.owed = next, false
	return news
}

func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
