// Package plan holds what is to be done, what came of it and what is remembered, as plain
// data with its text, JSON and Markdown. It decides nothing and sends nothing.
package plan

import (
	"slices"
	"time"

	"kmagent/internal/resource"
	"kmagent/internal/schedule"
	"kmagent/internal/secret"
)

// A Plan is what one cluster needs. Steps stand in the order in which they are sent.
type Plan struct {
	ID       string // of this plan, for people and the audit log; equal plans have the same, unless it was saved
	Cluster  string
	UUID     string // of the cluster that answered
	Release  string // that it runs
	Steps    []Step
	Notes    []Note
	Adopted  []Adoption
	Settled  []Settlement // operations whose end this look has shown, or that there is none to be seen
	Slots    []SlotNote   // what this look made of schedules, where that is news
	Turns    []Turn       // what is scheduled, in the order of the file
	Observed time.Time    // when the reads that it rests on began
	Decided  time.Time    // when they had ended, and it was made
	Err      error        // why there is no plan; then there are no steps

	// WantsHealth says that steps are held only because reachability was not read.
	WantsHealth bool
	// WantsMetro says that something is to be sent, and whether the cluster is half of a MetroCluster
	// that is switched over was not read.
	WantsMetro bool
	// WantsKeys are the UUIDs of key stores whose keys were not read, and steps are held for that.
	WantsKeys []string
	// WantsJobs are what jobs are called by which somebody else may have begun what is due, where
	// those were not read, and steps are held for that.
	WantsJobs []string
	// WantsStores says that steps are held only because the states of key stores were not read.
	WantsStores bool
}

// An Adoption is what was found in place: a secret, which is taken for the one in the file,
// or the nodes that an object is taken to be on already.
type Adoption struct {
	Addr          resource.Addr
	Field, Digest string
	Nodes         []string
}

// A Note is something a reader of the plan should know that needs no step.
type Note struct {
	Addr   resource.Addr
	Source resource.Pos
	Rule   string // the id of the rule that it is about; empty for others
	Text   string
	Loud   bool // data may become unavailable: it is told before everything else
}

// A Step is one change of one object.
type Step struct {
	Op       Op
	Status   Status
	Addr     resource.Addr
	Source   resource.Pos
	Changes  []Change
	Action   string // the action of an Act, such as "rekey_external"
	Reason   string // why the step is held or refused
	Guard    Guard  // what holds it
	Rule     string // the id of the rule that the guard enforces; empty where it is none of the catalogue's
	Requests []Request
	Parent   resource.Addr   // the step that must be done first; the zero Addr if none
	Beside   resource.Addr   // another object that it is about: what holds its scope holds the step; the zero Addr if none
	Brings   []resource.Addr // of a Create: the children that come with the object
	After    bool            // the steps of the same object that stand before it must have been done first
	Wishes   []Wish          // what the object is to be like afterwards, field by field
	Slot     schedule.Slot   // of the schedule that it is for; the zero Slot if it is for none
	For      resource.Addr   // the object whose schedule that is, where it is not the step's own; the zero Addr if it is
	Timed    bool            // it is one of those that may be scheduled, whoever asked for it
	Before   []string        // of a rekey: the ids of the keys that it replaces
	Repeat   resource.Repeat // what may be done when its answer is lost
	Nodes    []string        // UUIDs of the nodes that it gives the object to
	Backup   bool            // a backup of the object is owed once it has set out
	Asked    bool            // somebody has ordered it: it does not wait for others
	Lifted   []string        // ids of the overrides that let it pass guards; they are used up before it is sent

	Seen    string            // digest of the object as the look found it; empty: it is not there
	Secrets map[string]string // by field: keyed digests of the secrets in its requests, as they were read for the plan
}

// Rekeys says whether the step is one of those of which few may run at a time: one that may be
// scheduled, and that changes a key.
func (s *Step) Rekeys() bool { return s.Timed && changesKey(s.Action) }

// TakesSlot says whether the step is a rekey that a slot of a schedule begins.
func (s *Step) TakesSlot() bool { return s.Rekeys() && !s.Slot.IsZero() }

// Owner is the object whose schedule the step is for.
func (s *Step) Owner() resource.Addr {
	if s.For != (resource.Addr{}) {
		return s.For
	}
	return s.Addr
}

func changesKey(action string) bool {
	return action != resource.KeyBackup && action != resource.RetireKey
}

// Scopes lists the scopes that a step is about: an SVM's name, or empty for the cluster's own.
func (s *Step) Scopes() []string {
	if s.Beside == (resource.Addr{}) || s.Beside.SVM == s.Addr.SVM {
		return []string{s.Addr.SVM}
	}
	return []string{s.Addr.SVM, s.Beside.SVM}
}

// A Sighting is an object that is there, under the id that ONTAP knows it by.
type Sighting struct {
	Addr resource.Addr
	ID   string
}

// A Wish is what one field is to be; its Value is short, holds no secret and is equal for
// equal wishes only. The field "" stands for the object itself, there or gone.
type Wish struct {
	Field string `json:"field,omitempty"`
	Value string `json:"value"`
}

// Op is what a step does to its object.
type Op uint8

// The operations.
const (
	Create Op = iota
	Update
	Delete
	Act
)

var ops = [...]string{"create", "update", "delete", "act"}

// String returns the word of the plan's JSON.
func (o Op) String() string { return ops[o] }

// OpOf returns the operation of that word; Create for any other.
func OpOf(word string) Op { return Op(max(slices.Index(ops[:], word), 0)) }

// Ops lists the operations, for counters that must exist before they count.
func Ops() []Op { return []Op{Create, Update, Delete, Act} }

// Status says whether a step may be sent.
type Status uint8

const (
	// Ready steps are sent.
	Ready Status = iota
	// Held steps wait for the world: the next pass asks again.
	Held
	// Refused steps wait for the file: they will not be sent as they are.
	Refused
)

var statuses = [...]string{"ready", "held", "refused"}

// String returns the word of the plan's JSON.
func (s Status) String() string { return statuses[s] }

// A Guard names what holds or refuses a step; a closed set, fit for a label.
type Guard string

// The guards.
const (
	NoGuard      Guard = ""
	Order        Guard = "order"        // something else must be seen to work first
	Reachability Guard = "reachability" // what would remain is not available on every node
	Floor        Guard = "floor"        // too few servers would remain
	MaxDeletes   Guard = "max_deletes"  // enough was removed in this pass
	Flap         Guard = "flap"         // somebody else keeps undoing it
	Version      Guard = "version"      // the cluster's release does not know it
	Nodes        Guard = "nodes"        // nodes are down, out of the cluster or of mixed releases
	Immutable    Guard = "immutable"    // nothing changes it in place
	Missing      Guard = "missing"      // it names something the cluster does not have
	Secret       Guard = "secret"       // its secret cannot be read
	Mode         Guard = "mode"         // the cluster or the daemon only observes
	Source       Guard = "source"       // the file in use is not the newest one
	State        Guard = "state"        // what must be remembered cannot be written
	Unsettled    Guard = "unsettled"    // an operation in the scope is under way, or nobody knows what became of it
	KeyStore     Guard = "key_store"    // the scope's key store is not in a state for it
	Passphrase   Guard = "passphrase"   // the one in use is not named, or was refused
	Keys         Guard = "keys"         // a node lacks keys that it needs
	Paused       Guard = "paused"       // somebody ordered a rest
	Window       Guard = "window"       // it waits for the slot of its schedule
	Shrink       Guard = "shrink"       // the file has lost much of what the last one had

	// Those that end a pass or a step and hold none.
	Identity  Guard = "identity"   // another cluster answers
	Stale     Guard = "stale"      // what a step rests on was seen too long ago
	Recorded  Guard = "recorded"   // no request without a record of it that is durable
	WholePath Guard = "whole_path" // a request goes to one object, by its whole path
	Ambiguous Guard = "ambiguous"  // several objects have the name, and nothing tells which is meant
)

// A Change is one field of a step. An unset Old is a field that the cluster does not have.
type Change struct {
	Field    string
	Old, New resource.Value
}

// A Request is one call of the REST API.
type Request struct {
	Method string
	// Path begins with /api and may have a query. [ParentID] in it stands for the id of an
	// object that the parent step, or the step's own first request, creates.
	Path string
	// Body is a JSON object whose leaves may be a [Sealed], where the secret itself goes; nil
	// sends none.
	Body map[string]any
	// Instead is sent if ONTAP answers that the path is not there (HTTP 404); nil: nothing is.
	Instead *Request
	// ID is that of the step's object, where the request is not the one that creates it and
	// the answer names another; empty: the answer tells.
	ID string
}

// A Sealed stands in a body for the secret that it names: whoever sends the request opens it.
type Sealed struct {
	Ref    secret.Ref
	Field  string // under which its digest is kept
	As     string // the field in whose place the digest is made; empty: Field
	Base64 bool   // its bytes are sent in base64
}

// String returns the reference: what it names is not known here.
func (s Sealed) String() string { return s.Ref.String() }

// ParentID stands in a path for an id that is not known before the parent exists.
const ParentID = "{uuid}"

// Counts is the summary of a plan. Create, Update, Delete and Act count ready steps.
type Counts struct {
	Create  int `json:"create"`
	Update  int `json:"update"`
	Delete  int `json:"delete"`
	Act     int `json:"act"`
	Held    int `json:"held"`
	Refused int `json:"refused"`
}

// Pending says whether there is anything to do, held or refused.
func (c Counts) Pending() bool { return c != Counts{} }

// Ready says how many steps would be sent.
func (c Counts) Ready() int { return c.Create + c.Update + c.Delete + c.Act }

// Counts counts the steps.
func (p *Plan) Counts() Counts {
	var c Counts
	for i := range p.Steps {
		switch s := &p.Steps[i]; {
		case s.Status == Held:
			c.Held++
		case s.Status == Refused:
			c.Refused++
		case s.Op == Create:
			c.Create++
		case s.Op == Update:
			c.Update++
		case s.Op == Delete:
			c.Delete++
		default:
			c.Act++
		}
	}
	return c
}

// Hold marks every ready step as held: what observe mode and a broken file do to a plan.
func (p *Plan) Hold(g Guard, reason string) {
	if Off(g) {
		return
	}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Status == Ready {
			s.Status, s.Guard, s.Reason = Held, g, reason
		}
	}
}
