package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// Schema is the version of the journal's format. A journal with a higher one is left alone.
const Schema = 1

// ErrCorrupt says that a journal is damaged other than by a write that a crash cut short.
var ErrCorrupt = errors.New("journal is corrupt")

// ErrRolledBack says that a journal is older than what was sent: a copy was put back. What it
// has forgotten would be done again.
var ErrRolledBack = errors.New("journal is older than what was sent: a copy of it was put back")

// ErrNewer says that a newer kmagent wrote the journal.
var ErrNewer = errors.New("journal was written by a newer kmagent")

// A record is one event. Exactly one of its parts is set. Sequence numbers are without a
// gap, so that a lost line is seen; that of a begin names its operation from then on.
type record struct {
	Seq    uint64     `json:"n"`
	At     time.Time  `json:"at"`
	Start  *start     `json:"start,omitempty"`
	Pin    string     `json:"pin,omitempty"`
	Seen   []sighting `json:"seen,omitempty"`
	Adopt  []adoption `json:"adopt,omitempty"`
	Slots  []slotNote `json:"slots,omitempty"`
	Begin  *operation `json:"begin,omitempty"`
	Accept *accept    `json:"accept,omitempty"`
	End    *end       `json:"end,omitempty"`
}

// A start opens a journal, or replaces all that came before it.
type start struct {
	Schema  int         `json:"schema"`
	UUID    string      `json:"uuid,omitempty"`
	Objects []object    `json:"objects,omitempty"`
	Open    []operation `json:"open,omitempty"`
	Jobs    []string    `json:"jobs,omitempty"`
}

// An object is what the ledger knows of one.
type object struct {
	Addr    address               `json:"object"`
	ID      string                `json:"id,omitempty"`
	Created bool                  `json:"created,omitempty"`
	Secrets map[string]string     `json:"secrets,omitempty"`
	Adopted map[string]bool       `json:"adopted,omitempty"`
	Refused string                `json:"refused,omitempty"`
	Sent    []plan.Sent           `json:"sent,omitempty"`
	Nodes   []string              `json:"nodes,omitempty"`
	Owed    bool                  `json:"backup_owed,omitempty"`
	Backup  plan.Backup           `json:"backup,omitzero"`
	Slots   map[string]plan.Slots `json:"slots,omitempty"`
}

// A slotNote is what a look made of a schedule.
type slotNote struct {
	Addr    address           `json:"object"`
	Action  string            `json:"action"`
	Line    string            `json:"schedule"`
	Records []schedule.Record `json:"records,omitempty"`
	State   schedule.State    `json:"state"`
	Keys    []string          `json:"keys,omitempty"`
	KeysAt  time.Time         `json:"keys_at,omitzero"`

	Mended   time.Time `json:"mended,omitzero"`
	Verified time.Time `json:"verified,omitzero"`
	Flaw     string    `json:"flaw,omitempty"`
}

type sighting struct {
	Addr address `json:"object"`
	ID   string  `json:"id"`
}

type adoption struct {
	Addr   address  `json:"object"`
	Field  string   `json:"field,omitempty"`
	Digest string   `json:"digest,omitempty"`
	Nodes  []string `json:"nodes,omitempty"`
}

// An operation is what is about to be sent.
type operation struct {
	ID      string            `json:"op,omitempty"` // in a start; elsewhere the record's number
	Op      string            `json:"do"`
	Action  string            `json:"action,omitempty"`
	Addr    address           `json:"object"`
	Beside  *address          `json:"beside,omitempty"`
	Request string            `json:"request,omitempty"`
	Brings  []address         `json:"brings,omitempty"`
	Wishes  []plan.Wish       `json:"wishes,omitempty"`
	Offered map[string]string `json:"secrets,omitempty"`
	Repeat  resource.Repeat   `json:"repeat,omitempty"`
	Nodes   []string          `json:"nodes,omitempty"`
	Backup  bool              `json:"backup,omitempty"`
	Slot    schedule.Slot     `json:"slot,omitzero"`
	For     *address          `json:"for,omitempty"`
	Timed   bool              `json:"timed,omitempty"`
	Before  []string          `json:"keys,omitempty"`
	Plan    string            `json:"plan,omitempty"`
	At      time.Time         `json:"begun,omitzero"`
	Job     string            `json:"job,omitempty"`
	Lost    bool              `json:"lost,omitempty"`
	Doubt   string            `json:"doubt,omitempty"`
	Code    string            `json:"code,omitempty"`
}

// An accept says that the cluster has taken an operation on as a job.
type accept struct {
	Op  string `json:"op"`
	Job string `json:"job"`
}

// An end is what came of an operation.
type end struct {
	Op      string            `json:"op"`
	Outcome string            `json:"outcome"`
	Secrets map[string]string `json:"secrets,omitempty"`
	Code    string            `json:"code,omitempty"`
	Why     string            `json:"why,omitempty"`
	Job     string            `json:"job,omitempty"`
	Backup  plan.Backup       `json:"backup,omitzero"`
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

// A replayed is a journal folded into a ledger.
type replayed struct {
	led     plan.Ledger
	seq     uint64 // number of the last record
	records int
	last    []byte // the last whole record, with its line feed
	whole   int    // bytes of whole records: fewer than all when a crash cut the last one short
}

// replay folds a journal into a ledger. All damage but a torn end is [ErrCorrupt], and so is
// a journal without one whole record: the first is never written by itself.
func replay(cluster string, text []byte) (out replayed, err error) {
	for out.whole < len(text) {
		end := bytes.IndexByte(text[out.whole:], '\n')
		if end < 0 {
			break
		}
		line := text[out.whole : out.whole+end]
		r, err := parseLine(line)
		if err != nil {
			return out, fmt.Errorf("%w at byte %d: %w", ErrCorrupt, out.whole, err)
		}
		switch {
		case out.seq == 0 && r.Start == nil:
			return out, fmt.Errorf("%w: it does not begin at its start", ErrCorrupt)
		case out.seq != 0 && r.Seq != out.seq+1:
			return out, fmt.Errorf("%w: record %d follows record %d", ErrCorrupt, r.Seq, out.seq)
		case r.Start != nil && r.Start.Schema > Schema:
			return out, fmt.Errorf("%w (schema %d; this one knows %d)", ErrNewer, r.Start.Schema, Schema)
		}
		note(cluster, &out.led, r)
		out.seq, out.last = r.Seq, text[out.whole:out.whole+end+1]
		out.records++
		out.whole += end + 1
	}
	if out.whole == 0 {
		return out, fmt.Errorf("%w: it has no whole record", ErrCorrupt)
	}
	return out, nil
}

// checked is what stands behind the checksum of a line, which must be that of it.
func checked(line []byte) ([]byte, error) {
	sum, body, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(sum) != 8 {
		return nil, errors.New("no checksum")
	}
	if string(sum) != checksum(body) {
		return nil, errors.New("checksum does not match")
	}
	return body, nil
}

func parseLine(line []byte) (record, error) {
	body, err := checked(line)
	if err != nil {
		return record{}, err
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
		*led = r.Start.ledger(cluster)
	case r.Pin != "":
		if led.UUID != "" && led.UUID != r.Pin {
			// What was sent to another cluster says nothing of this one.
			*led = plan.Ledger{Objects: map[resource.Addr]plan.Remembered{}}
		}
		led.UUID = r.Pin
	case r.Seen != nil:
		for _, s := range r.Seen {
			led.See(plan.Sighting{Addr: s.Addr.in(cluster), ID: s.ID})
		}
	case r.Adopt != nil:
		for _, a := range r.Adopt {
			led.Adopt(plan.Adoption{Addr: a.Addr.in(cluster), Field: a.Field, Digest: a.Digest, Nodes: a.Nodes})
		}
	case r.Slots != nil:
		for _, s := range r.Slots {
			led.NoteSlots(plan.SlotNote{Addr: s.Addr.in(cluster), Action: s.Action, Line: s.Line, Records: s.Records, State: s.State, Keys: s.Keys, KeysAt: s.KeysAt, Mended: s.Mended, Verified: s.Verified, Flaw: s.Flaw})
		}
	case r.Begin != nil:
		o := r.Begin.in(cluster)
		o.ID, o.At = strconv.FormatUint(r.Seq, 10), r.At
		led.Begin(o)
	case r.Accept != nil:
		led.Accept(r.Accept.Op, r.Accept.Job)
	case r.End != nil:
		led.End(r.End.Op, plan.End{Outcome: plan.OutcomeOf(r.End.Outcome), At: r.At, Secrets: r.End.Secrets, Code: r.End.Code, Why: r.End.Why, Job: r.End.Job, Backup: r.End.Backup})
	}
}

// ledger is what a start says.
func (s *start) ledger(cluster string) plan.Ledger {
	led := plan.Ledger{UUID: s.UUID, Objects: make(map[resource.Addr]plan.Remembered, len(s.Objects)), Jobs: s.Jobs}
	for _, o := range s.Objects {
		led.Objects[o.Addr.in(cluster)] = plan.Remembered{ID: o.ID, Created: o.Created, Secrets: o.Secrets, Adopted: o.Adopted,
			Refused: o.Refused, Sent: o.Sent, Nodes: o.Nodes, Owed: o.Owed, Backup: o.Backup, Slots: o.Slots}
	}
	for _, o := range s.Open {
		led.Open = append(led.Open, o.in(cluster))
	}
	return led
}

// startOf is the start that says what the ledger does.
func startOf(led plan.Ledger) *start {
	s := &start{Schema: Schema, UUID: led.UUID, Jobs: led.Jobs}
	for a, m := range led.Objects {
		o := object{addressOf(a), m.ID, m.Created, m.Secrets, m.Adopted, m.Refused, m.Sent, m.Nodes, m.Owed, m.Backup, m.Slots}
		if o.known() {
			s.Objects = append(s.Objects, o)
		}
	}
	slices.SortFunc(s.Objects, func(x, y object) int { return x.Addr.in("").Compare(y.Addr.in("")) })
	for _, o := range led.Open {
		s.Open = append(s.Open, operationOf(o))
	}
	return s
}

// known says whether anything is known of an object.
func (o *object) known() bool {
	return o.ID != "" || o.Created || len(o.Secrets) > 0 || o.Refused != "" || len(o.Sent) > 0 || len(o.Nodes) > 0 || o.Owed || !o.Backup.At.IsZero() || len(o.Slots) > 0
}

func (o operation) in(cluster string) plan.Operation {
	p := plan.Operation{ID: o.ID, Op: plan.OpOf(o.Op), Action: o.Action, Addr: o.Addr.in(cluster), Request: o.Request, Wishes: o.Wishes,
		Offered: o.Offered, Repeat: o.Repeat, Nodes: o.Nodes, Backup: o.Backup, Slot: o.Slot, Timed: o.Timed, Before: o.Before, Plan: o.Plan, At: o.At, Job: o.Job, Lost: o.Lost, Doubt: o.Doubt, Code: o.Code}
	for _, a := range o.Brings {
		p.Brings = append(p.Brings, a.in(cluster))
	}
	if o.Beside != nil {
		p.Beside = o.Beside.in(cluster)
	}
	if o.For != nil {
		p.For = o.For.in(cluster)
	}
	return p
}

func operationOf(p plan.Operation) operation {
	o := operation{ID: p.ID, Op: p.Op.String(), Action: p.Action, Addr: addressOf(p.Addr), Request: p.Request, Wishes: p.Wishes,
		Offered: p.Offered, Repeat: p.Repeat, Nodes: p.Nodes, Backup: p.Backup, Slot: p.Slot, Timed: p.Timed, Before: p.Before, Plan: p.Plan, At: p.At.Round(0).UTC(), Job: p.Job, Lost: p.Lost, Doubt: p.Doubt, Code: p.Code}
	for _, a := range p.Brings {
		o.Brings = append(o.Brings, addressOf(a))
	}
	if p.Beside != (resource.Addr{}) {
		a := addressOf(p.Beside)
		o.Beside = &a
	}
	if p.For != (resource.Addr{}) {
		a := addressOf(p.For)
		o.For = &a
	}
	return o
}
