package plan

import (
	"time"

	"kmagent/internal/resource"
)

// A Ledger is what is remembered of one cluster because no GET can tell it. It never holds
// a secret. The zero Ledger is first contact.
type Ledger struct {
	UUID    string // of the cluster, pinned on first contact
	Objects map[resource.Addr]Remembered
	Open    []Operation // set out, and no end is known; oldest first
	Jobs    []string    // UUIDs of the newest jobs that are known to be of an operation; oldest first
}

// A Memory is of a ledger what people should see.
type Memory struct {
	Open    int       // operations of which no end is known
	Unknown int       // of those, the ones that the cluster is not known to work on
	Backup  time.Time // of the newest key backup; zero if none is known
}

// Memory returns what people should see of it.
func (l *Ledger) Memory() Memory {
	m := Memory{Open: len(l.Open)}
	for _, o := range l.Open {
		if o.Unknown() {
			m.Unknown++
		}
	}
	for _, r := range l.Objects {
		if r.Backup.At.After(m.Backup) {
			m.Backup = r.Backup.At
		}
	}
	return m
}

// Remembered is what is known of one object beyond its configuration.
type Remembered struct {
	ID      string            // ONTAP's, when it was last seen; empty once we deleted it
	Created bool              // we set out to create it: its secrets are ours to send
	Secrets map[string]string // by field: digest of the secret last sent, or adopted
	Adopted map[string]bool   // by field: the digest is of a secret that was in place before us
	Refused string            // digest of a secret that ONTAP said is wrong, where it counts how often
	Sent    []Sent            // what was sent within [FlapWindow], oldest first
	Nodes   []string          // UUIDs of the nodes that were there when the object was last given to all of them; [NoNode]: it is not known which have it
	Owed    bool              // a backup is to be taken: the object has changed since the last one
	Backup  Backup            // the newest backup that was taken
	Slots   map[string]Slots  // by action: what became of the slots of its schedule
}

// NoNode stands in the place of nodes while it is known that some lack the object, and not which.
const NoNode = "-"

// A Backup is one text of a cluster that was saved, encrypted.
type Backup struct {
	At     time.Time `json:"at,omitzero"`
	File   string    `json:"file,omitempty"`
	SHA256 string    `json:"sha256,omitempty"` // of the text itself, as 64 hex digits
}

// Sent is a wish that was carried out.
type Sent struct {
	Wish
	At time.Time `json:"at"`
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

// WithSent returns r with the wishes of a step that was carried out at that time.
func (r Remembered) WithSent(wishes []Wish, at time.Time) Remembered {
	r = r.WithIntent(wishes, at)
	for _, w := range wishes {
		r.Sent = append(r.Sent, Sent{w, at})
	}
	return r
}

// WithIntent returns r as a step with these wishes sets out. What is older than [FlapWindow]
// is forgotten, and so is another wish for the same field: then the file has changed its
// mind, and nobody undid anything. With the object itself everything about it is forgotten:
// its fields went or came with it. The wishes themselves count only once they are known to
// have been carried out: a connection that breaks again and again is nobody's undoing.
func (r Remembered) WithIntent(wishes []Wish, now time.Time) Remembered {
	keep := make([]Sent, 0, len(r.Sent)+len(wishes))
	for _, s := range r.Sent {
		if s.Field == "" && changedMind(s.Wish, wishes) {
			keep = keep[:0]
			break
		}
		if now.Sub(s.At) < FlapWindow && !changedMind(s.Wish, wishes) {
			keep = append(keep, s)
		}
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
