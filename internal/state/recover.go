package state

import (
	"errors"
	"fmt"
	"time"

	"kmagent/internal/disk"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A Recovered says what became of a journal that could not be used.
type Recovered struct {
	Moved string // where the old one is now
	Cause error  // what was wrong with it
	UUID  string // of the cluster, if the old one still told it
	Open  int    // operations of which no end is known, which the new one has too
}

// ErrSound says that a journal is whole, so that there is nothing to recover from.
var ErrSound = errors.New("the journal is whole")

// Recover moves a journal that cannot be used aside and begins a new one: with the cluster's
// UUID and the open operations that the old one still told, so that none of them is done again
// on a guess, and with nothing else. Secrets are then taken to be those of the file, as on
// first contact. A journal of a newer kmagent is left where it is.
func (s *Store) Recover(cluster string, at time.Time) (Recovered, error) {
	d := disk.Dir(journals(s.dir))
	name := cluster + suffix
	text, err := readAll(d, name)
	if err != nil {
		return Recovered{}, fmt.Errorf("read journal: %w", err)
	}
	sent, err := s.highWater(cluster)
	if err != nil {
		return Recovered{}, err
	}
	r, cause := replay(cluster, text)
	switch {
	case errors.Is(cause, ErrNewer):
		return Recovered{}, fmt.Errorf("%s: %w; use that kmagent", d.Where(name), cause)
	case cause == nil && r.seq < sent:
		cause = ErrRolledBack
	case cause == nil:
		return Recovered{}, ErrSound
	}
	moved := name + ".broken-" + at.UTC().Format("20060102T150405Z")
	if err := errors.Join(d.Rename(name, moved), d.Sync()); err != nil {
		return Recovered{}, fmt.Errorf("move journal aside: %w", err)
	}
	b := &Book{cluster: cluster, dir: d, name: name, seq: max(r.seq, sent), led: salvaged(r.led)}
	if err := b.compact(); err != nil {
		return Recovered{}, err
	}
	return Recovered{Moved: d.Where(moved), Cause: cause, UUID: r.led.UUID, Open: len(b.led.Open)}, b.Close()
}

// salvaged is what is believed of a ledger whose end is not known.
func salvaged(led plan.Ledger) plan.Ledger {
	out := plan.Ledger{UUID: led.UUID, Objects: map[resource.Addr]plan.Remembered{}}
	for _, o := range led.Open {
		o.Lost = true
		out.Open = append(out.Open, o)
	}
	return out
}
