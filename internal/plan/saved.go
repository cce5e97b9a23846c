package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kmagent/internal/secret"
)

// A Saved is what was planned, kept for somebody to approve. It is nothing that could be
// carried out: whoever carries it out plans anew, and goes on only if that comes to the same.
type Saved struct {
	ID       string    `json:"-"`      // set by Encode and OpenSaved
	Made     time.Time `json:"made"`   // when the plan was made
	Until    time.Time `json:"until"`  // when it is too old
	Source   string    `json:"source"` // digest of the desired file, as 64 hex digits
	Clusters []Outline `json:"clusters"`
}

// savedFormat is the form of a saved plan. Another one is refused: what it binds to is not
// known.
const savedFormat = 1

// savedLabel is the use of the key that authenticates saved plans.
const savedLabel = "kmagent saved plan"

// Errors of saved plans that must not be carried out.
var (
	ErrAltered = errors.New("the plan was altered, or is from another installation")
	ErrFormat  = errors.New("the plan is of another version of kmagent")
	ErrExpired = errors.New("the plan is too old")
	ErrFuture  = errors.New("the plan is from the future: one of the clocks is wrong")
)

// savedJSON is the document of a saved plan. The MAC stands behind it, and is that of every byte before.
type savedJSON struct {
	Format int `json:"kmagent_plan"`
	*Saved
}

// Encode returns the plan as it is kept, authenticated with the key of an installation, and
// sets its ID.
func (s *Saved) Encode(installation secret.Key) ([]byte, error) {
	s.Made, s.Until = s.Made.Round(0).UTC(), s.Until.Round(0).UTC()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(savedJSON{savedFormat, s}); err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n}\n"))
	mac := secret.MAC(installation.Derive(savedLabel), body)
	s.ID = mac[:idLength]
	return append(body, savedEnd(mac)...), nil
}

// savedEnd is what follows the bytes that a MAC is made of.
func savedEnd(mac string) string { return ",\n  \"mac\": \"" + mac + "\"\n}\n" }

// OpenSaved is the reverse of [Saved.Encode]. A plan that differs in a single byte from what
// this installation wrote is [ErrAltered].
func OpenSaved(text []byte, installation secret.Key) (Saved, error) {
	key := installation.Derive(savedLabel)
	n := len(text) - len(savedEnd(secret.MAC(key, nil)))
	if n < 0 {
		return Saved{}, ErrAltered
	}
	mac := secret.MAC(key, text[:n])
	if !secret.SameMAC(string(text[n:]), savedEnd(mac)) {
		return Saved{}, ErrAltered
	}
	var form struct {
		Format int `json:"kmagent_plan"`
	}
	if err := json.Unmarshal(text, &form); err != nil || form.Format != savedFormat {
		return Saved{}, ErrFormat
	}
	var s Saved
	if err := json.Unmarshal(text, &s); err != nil {
		return Saved{}, ErrFormat
	}
	s.ID = mac[:idLength]
	return s, nil
}

// maxAhead is how far ahead the clock may be that a plan was made by.
const maxAhead = 5 * time.Minute

// Holds says whether the plan may be carried out at that time.
func (s *Saved) Holds(now time.Time) error {
	switch {
	case s.Made.Sub(now) > maxAhead:
		return fmt.Errorf("%w (made %s, and now it is %s)", ErrFuture, stamp(s.Made), stamp(now))
	case !now.Before(s.Until):
		return fmt.Errorf("%w (made %s, valid until %s)", ErrExpired, stamp(s.Made), stamp(s.Until))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
