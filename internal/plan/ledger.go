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
}

// Remembered is what is known of one object beyond its configuration.
type Remembered struct {
	Created bool              // we set out to create it: its secrets are ours to send
	Secrets map[string]string // by field: digest of the secret last sent, or adopted
	Sent    []Sent            // what was sent within [FlapWindow], oldest first
}

// Sent is a step that was carried out.
type Sent struct {
	Step string // [Step.ID]
	At   time.Time
}

// The flap rule (two reversals within an hour stop writes to the object): a step that is
// due again after it was carried out was undone by somebody.
const (
	FlapWindow = time.Hour
	FlapLimit  = 2
)

// Reversals counts how often the step of that id was carried out within [FlapWindow]
// before now. If it is due again, so often was it undone.
func (r Remembered) Reversals(step string, now time.Time) int {
	n := 0
	for _, s := range r.Sent {
		if s.Step == step && now.Sub(s.At) < FlapWindow && !s.At.After(now) {
			n++
		}
	}
	return n
}
