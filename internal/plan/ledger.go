package plan

import (
	"slices"
	"time"

	"kmagent/internal/resource"
)

// A Ledger is what is remembered of one cluster because no GET can tell it. It never holds
// a secret. The zero Ledger is first contact.
type Ledger struct {
	UUID    string // of the cluster, pinned on first contact
	Objects map[resource.Addr]Remembered
}

// Remembered is what is known of one object beyond its configuration.
type Remembered struct {
	Created bool              // we set out to create it: its secrets are ours to send
	Secrets map[string]string // by field: digest of the secret last sent, or adopted
	Sent    []Sent            // what was sent within [FlapWindow], oldest first
}

// Sent is a wish that was carried out.
type Sent struct {
	Wish
	At time.Time
}

// The flap rule (two reversals within an hour stop writes to the object): a wish that has
// to be sent again after it was carried out was undone by somebody.
const (
	FlapWindow = time.Hour
	FlapLimit  = 2
)

// Reversals counts how often w was carried out within [FlapWindow] before now. If it is due
// again, so often was it undone.
func (r Remembered) Reversals(w Wish, now time.Time) int {
	n := 0
	for _, s := range r.Sent {
		if s.Wish == w && now.Sub(s.At) < FlapWindow && !s.At.After(now) {
			n++
		}
	}
	return n
}

// WithSent returns r with the wishes of a step added, as of now. What is older than
// [FlapWindow] is forgotten, and so is another wish for the same field: then the file has
// changed its mind, and nobody undid anything.
func (r Remembered) WithSent(wishes []Wish, now time.Time) Remembered {
	keep := make([]Sent, 0, len(r.Sent)+len(wishes))
	for _, s := range r.Sent {
		if now.Sub(s.At) < FlapWindow && !changedMind(s.Wish, wishes) {
			keep = append(keep, s)
		}
	}
	for _, w := range wishes {
		keep = append(keep, Sent{w, now})
	}
	r.Sent = keep
	return r
}

func changedMind(old Wish, wishes []Wish) bool {
	for _, w := range wishes {
		if w.Field == old.Field && w.Value != old.Value {
			return true
		}
	}
	return false
}

// WithoutSent returns r without what WithSent added for a step that then failed.
func (r Remembered) WithoutSent(wishes []Wish, at time.Time) Remembered {
	keep := make([]Sent, 0, len(r.Sent))
	for _, s := range r.Sent {
		if !s.At.Equal(at) || !slices.Contains(wishes, s.Wish) {
			keep = append(keep, s)
		}
	}
	r.Sent = keep
	return r
}
