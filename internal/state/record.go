package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// Schema is the version of the journal's format. A journal with a higher one is left alone.
const Schema = 1

// ErrCorrupt says that a journal is damaged other than by a write that a crash cut short.
var ErrCorrupt = errors.New("journal is corrupt")

// ErrNewer says that a newer kmagent wrote the journal.
var ErrNewer = errors.New("journal was written by a newer kmagent")

// A record is one event. Exactly one of its parts is set. Sequence numbers are without a
// gap, so that a lost line is seen.
type record struct {
	Seq   uint64     `json:"n"`
	At    time.Time  `json:"at"`
	Start *start     `json:"start,omitempty"`
	Pin   string     `json:"pin,omitempty"`
	Seen  []sighting `json:"seen,omitempty"`
	Adopt []adoption `json:"adopt,omitempty"`
	Begin *step      `json:"begin,omitempty"`
	End   *step      `json:"end,omitempty"`
}

// A start opens a journal, or replaces all that came before it.
type start struct {
	Schema  int      `json:"schema"`
	UUID    string   `json:"uuid,omitempty"`
	Objects []object `json:"objects,omitempty"`
}

// An object is what the ledger knows of one.
type object struct {
	Addr    address           `json:"object"`
	ID      string            `json:"id,omitempty"`
	Created bool              `json:"created,omitempty"`
	Secrets map[string]string `json:"secrets,omitempty"`
	Sent    []plan.Sent       `json:"sent,omitempty"`
	Open    []plan.Sent       `json:"open,omitempty"`
}

type sighting struct {
	Addr address `json:"object"`
	ID   string  `json:"id"`
}

type adoption struct {
	Addr   address `json:"object"`
	Field  string  `json:"field"`
	Digest string  `json:"digest"`
}

// A step is what is about to be sent, or what came of it.
type step struct {
	Op      string            `json:"op"`
	Addr    address           `json:"object"`
	Brings  []address         `json:"brings,omitempty"`
	Wishes  []plan.Wish       `json:"wishes,omitempty"`
	Begun   time.Time         `json:"begun,omitzero"`
	Outcome string            `json:"outcome,omitempty"`
	Secrets map[string]string `json:"secrets,omitempty"`
}

// An address is a [resource.Addr] without its cluster, which is the journal's name.
type address struct {
	Kind string `json:"kind"`
	SVM  string `json:"svm,omitempty"`
	Name string `json:"name,omitempty"`
}

func (a address) in(cluster string) resource.Addr {
	return resource.Addr{Cluster: cluster, Kind: a.Kind, SVM: a.SVM, Name: a.Name}
}

func addressOf(a resource.Addr) address { return address{a.Kind, a.SVM, a.Name} }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// line is the form of a record on disk: its checksum, a blank, its JSON, a line feed.
func (r record) line() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s\n", checksum(b), b), nil
}

func checksum(b []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli)) }

// replay folds a journal into a ledger. It returns how many bytes of it are whole records:
// fewer than all when a crash cut the last one short. Any other damage is [ErrCorrupt], and
// so is a journal without one whole record: the first is never written by itself.
func replay(cluster string, text []byte) (led plan.Ledger, last record, whole int, err error) {
	for whole < len(text) {
		end := bytes.IndexByte(text[whole:], '\n')
		if end < 0 {
			break
		}
		r, err := parseLine(text[whole : whole+end])
		if err != nil {
			return led, last, whole, fmt.Errorf("%w at byte %d: %w", ErrCorrupt, whole, err)
		}
		switch {
		case last.Seq == 0 && r.Start == nil:
			return led, last, whole, fmt.Errorf("%w: it does not begin at its start", ErrCorrupt)
		case last.Seq != 0 && r.Seq != last.Seq+1:
			return led, last, whole, fmt.Errorf("%w: record %d follows record %d", ErrCorrupt, r.Seq, last.Seq)
		case r.Start != nil && r.Start.Schema > Schema:
			return led, last, whole, fmt.Errorf("%w (schema %d; this one knows %d)", ErrNewer, r.Start.Schema, Schema)
		}
		note(cluster, &led, r)
		last, whole = r, whole+end+1
	}
	if whole == 0 {
		return led, last, whole, fmt.Errorf("%w: it has no whole record", ErrCorrupt)
	}
	return led, last, whole, nil
}

func parseLine(line []byte) (record, error) {
	sum, body, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(sum) != 8 {
		return record{}, errors.New("no checksum")
	}
	if string(sum) != checksum(body) {
		return record{}, errors.New("checksum does not match")
	}
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return record{}, errors.New("not a record")
	}
	return r, nil
}

// note changes the ledger as an event says.
func note(cluster string, led *plan.Ledger, r record) {
	switch {
	case r.Start != nil:
		led.UUID = r.Start.UUID
		led.Objects = map[resource.Addr]plan.Remembered{}
		for _, o := range r.Start.Objects {
			led.Objects[o.Addr.in(cluster)] = plan.Remembered{ID: o.ID, Created: o.Created, Secrets: o.Secrets, Sent: o.Sent, Open: o.Open}
		}
	case r.Pin != "":
		if led.UUID != "" && led.UUID != r.Pin {
			// What was sent to another cluster says nothing of this one.
			led.Objects = map[resource.Addr]plan.Remembered{}
		}
		led.UUID = r.Pin
	case r.Seen != nil:
		for _, s := range r.Seen {
			remember(led, s.Addr.in(cluster), func(m *plan.Remembered) { m.ID = s.ID })
		}
	case r.Adopt != nil:
		for _, a := range r.Adopt {
			remember(led, a.Addr.in(cluster), func(m *plan.Remembered) { m.Secrets[a.Field] = a.Digest })
		}
	case r.Begin != nil:
		noteBegin(cluster, led, r)
	case r.End != nil:
		noteEnd(cluster, led, r)
	}
}

func remember(led *plan.Ledger, a resource.Addr, f func(*plan.Remembered)) {
	m := led.Objects[a]
	m.Secrets = maps.Clone(m.Secrets)
	if m.Secrets == nil {
		m.Secrets = map[string]string{}
	}
	f(&m)
	led.Objects[a] = m
}

func noteBegin(cluster string, led *plan.Ledger, r record) {
	if r.Begin.Op == plan.Create.String() {
		for _, a := range append(slices.Clone(r.Begin.Brings), r.Begin.Addr) {
			// Made anew: whatever secret an earlier object of that name had is gone with it.
			remember(led, a.in(cluster), func(m *plan.Remembered) { m.Created, m.Secrets = true, map[string]string{} })
		}
	}
	remember(led, r.Begin.Addr.in(cluster), func(m *plan.Remembered) {
		*m = m.WithIntent(r.Begin.Wishes, r.At)
		if r.Begin.Op == plan.Act.String() {
			*m = m.WithOpen(r.Begin.Wishes, r.At)
		}
	})
}

func noteEnd(cluster string, led *plan.Ledger, r record) {
	remember(led, r.End.Addr.in(cluster), func(m *plan.Remembered) {
		if r.End.Outcome != plan.Unknown.String() {
			*m = m.WithoutOpen(r.End.Begun)
		}
		if r.End.Outcome == plan.Applied.String() {
			*m = m.WithSent(r.End.Wishes, r.End.Begun)
			maps.Copy(m.Secrets, r.End.Secrets)
		}
	})
	if r.End.Op == plan.Delete.String() && r.End.Outcome == plan.Applied.String() {
		remember(led, r.End.Addr.in(cluster), func(m *plan.Remembered) { m.ID, m.Created, m.Secrets = "", false, map[string]string{} })
	}
}
