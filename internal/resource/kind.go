// Package resource describes what kmagent manages: every kind of ONTAP object as one table
// of fields and actions, and the plain values that instances of those tables hold. The
// decoder of the file, the reader of a cluster, the diff, the request bodies, the manual
// and the metrics all walk these tables; none of them knows a kind by name. The package
// reads nothing and sends nothing.
package resource

import "strings"

// A Kind is one kind of object that ONTAP's REST API knows, described once.
// Kinds are package variables that nothing changes; compare them by address.
type Kind struct {
	Name     string  // the word in addresses, logs and metrics: "key_manager"
	Type     string  // what ONTAP calls this sort of key manager ("external"); empty for others
	Section  string  // the list, or a singleton's mapping, under a cluster in the file; empty for a kind that is only read
	Selector string  // the key that tells kinds of one section apart; empty if there is one
	Path     string  // the collection, below /api; for a child and with Under, the last segment
	Identity string  // the field that tells siblings of one scope apart; empty if there is one
	ID       string  // the field whose value is the last segment of an object's path
	Scopes   Scopes  // where an object of this kind may live
	Since    Version // the first release with the resource
	Limit    int     // how many siblings a parent takes; 0 means no limit
	Guard    Guard   // what must hold before a member of the kind goes
	Hidden   bool    // GET does not return an object while it has no children, though it is there
	Store    *Store  // set if its objects are key stores, of which a scope has one in use
	Backup   string  // a text that GET returns when it is named, to be saved after every change: key material, never read otherwise
	Fields   []Field
	Actions  []Action
	Doc      string // one line of the manual

	// Under is the kind below whose object, of the same scope and in use, the collection lives.
	// Unlike a child, an object stands in a section of its own: its list is not complete, and
	// the object above it neither brings it nor lists it. Where that one is not there, neither
	// is the collection.
	Under    *Kind
	NeedsAll bool // one is made only while all children of the object that it lives under are available on every node

	Tagged    bool // several of a scope may have the same identity: see [Object.Twins]
	Singleton bool // there is exactly one, always, at the collection's own path: it is neither created nor deleted
}

// Collection returns the path of the collection below /api, with a place holder in braces
// for the id of the object that it lives under.
func (k *Kind) Collection() string {
	if k.Under == nil {
		return k.Path
	}
	return k.Under.Collection() + "/{" + k.Under.ID + "}/" + k.Path
}

// A Store says how a kind takes part in security/key-stores: there a configuration is put
// to use, and there one that is not in use is deleted.
type Store struct {
	Unnamed  string  // the identity that a configuration has when nobody named it; addresses leave it out
	Inactive Version // since when POST takes create_inactive; zero: never
	Born     bool    // every configuration is made inactive, without asking
	NoDelete bool    // the resource itself has no DELETE: only an inactive one can go
}

// An Action is what a request does to an object beyond changing fields: a POST on a path below
// it or, without a path, a PATCH of the object itself.
type Action struct {
	Name   string // as the file and plans have it: "rekey_external"
	Path   string // the last segment: "rekey-external"
	Below  string // the collection that the path is in, where that is not the kind's own
	Since  Version
	Body   []Part // what makes its body
	Due    Due    // when it is taken
	Repeat Repeat // what may be done when its answer is lost
	Again  bool   // of an OnDifference: it makes something new of equal values, too
	Doc    string // one line of the manual
}

// A Part is one field of an action's body.
type Part struct {
	Field string // whose wanted value it carries; empty: Const, or what was asked for
	As    string // the name in the body; empty: Field
	Const Value
	Asked bool // whoever asks for the action says what it is
}

// Due says when an action is taken.
type Due uint8

const (
	// OnRequest actions are taken when somebody asks for them.
	OnRequest Due = iota
	// OnDifference actions change the fields whose Via names them, when one differs.
	OnDifference
	// OnNewNode actions give an object to all nodes, when one has come since the last time.
	OnNewNode
)

// Repeat says what may be done with a change whose answer was lost, when it is not seen.
type Repeat uint8

const (
	// Repeatable changes may be sent again: they are declarative, or a duplicate is refused.
	Repeatable Repeat = iota
	// Converges says that it may be sent again once it surely is not under way any more.
	Converges
	// Never says that without evidence, or a human, it is not sent again: a second time would
	// do harm, or a wrong one is counted.
	Never
)

// Action returns the action of that name; ok is false if the kind has none.
func (k *Kind) Action(name string) (Action, bool) {
	for _, a := range k.Actions {
		if a.Name == name {
			return a, true
		}
	}
	return Action{}, false
}

// Named returns the name that an object of that identity has in addresses: none, if nobody
// gave it one.
func (k *Kind) Named(identity string) string {
	if k.Store != nil && identity == k.Store.Unnamed {
		return ""
	}
	return identity
}

// Scopes is the set of places where a kind may live.
type Scopes uint8

// The scopes of ONTAP: the cluster itself (its admin SVM), or a data SVM.
const (
	ClusterScope Scopes = 1 << iota
	SVMScope
)

// A Guard is a condition on the removal of an object.
type Guard uint8

const (
	// NoGuard leaves a removal to the limits on all removals.
	NoGuard Guard = iota
	// Reachable wants the siblings that stay to be available on every node, and enough of
	// them: what is removed may hold the only copy of a key that a node can reach.
	Reachable
)

// A Field is one property of a kind, under ONTAP's own dotted name.
type Field struct {
	Name       string
	Type       Type
	Flags      Flags
	Since      Version                      // the first release whose API knows the field
	PatchSince Version                      // the first release that lets a PATCH change it
	Min, Max   int                          // an integer's range, a string's length, a list's length; both 0: no limit
	Enum       []string                     // the words a string may be; empty: any
	Norm       func(string) (string, error) // the one spelling of a value that has several; its error is a remedy
	Default    Value                        // what ONTAP holds when nobody set the field
	To         *Kind                        // Link, Links: what is referred to. Children: the kind of the children
	Where      string                       // Link, Links: the type that the object referred to must have
	With       string                       // a field that goes into every PATCH that carries this one, or what the file has for it
	For        string                       // of a secret: another one, in place of which the file may have this one
	Told       Told                         // of a secret: what shows whether it is the one in use; zero: nothing does
	As         string                       // of a secret: the field of which this is a former value, or with Next a later one; their digests are comparable
	Needs      string                       // of a boolean: a field that the file must have for this one to be turned on
	Via        string                       // the action that changes what PATCH cannot
	Runs       string                       // of a Timed: the action that is taken
	WayOut     string                       // what to do about a difference that nothing can change in place
	Doc        string
}

// Told is the one readable trace of a secret that has an alternative: a field that says which
// of them is in use, and its word for this one.
type Told struct{ Field, Word string }

// Type is the sort of value a field holds.
type Type uint8

// The types of fields.
const (
	String           Type = iota
	Integer               // a JSON integer
	Boolean               //
	Strings               // a list of strings; in some answers one string, separated by commas
	Secret                // in the file a reference, on the wire the value, in a GET never
	Link                  // another object, by name or UUID
	Links                 // a list of such
	Children              // objects of their own kind and path, listed inside their parent
	NodeStates            // per node, whether it reaches the object: available, not_responding or unknown
	Reachability          // whether a service is reachable, with a code and a message
	NodeReachability      // the same for each node
	Timed                 // when an action is taken by itself; ONTAP does not know the field
)

// Flags says how a field may be used.
type Flags uint16

// The flags of fields. A field with neither Create nor Patch is read only.
const (
	Required  Flags = 1 << iota // the file must have it, unless the entry is absent
	Create                      // POST takes it
	Patch                       // PATCH takes it
	Advanced                    // expensive: GET returns it only when it is named
	Unordered                   // a list whose order says nothing
	GrowFirst                   // a list that takes the new members before it drops the old, which is guarded like a removal
	Switch                      // puts one of several configurations to use, through security/key-stores
	Hazard                      // of a boolean: while it is on, ONTAP may make data unavailable by itself; plans warn of it, and a dump never declares it
	NoMetro                     // of a boolean: it cannot be on in a MetroCluster
	Base64                      // of a secret: its bytes are sent in base64
	Modifier                    // says how a change is to be made: it goes along with one of With and is never compared
	Detached                    // the parent's embedded list may leave it out: read it at the child's own path
	ASCII                       // of a secret: printable ASCII alone
	Counted                     // of a secret: ONTAP counts wrong ones, so that none is ever tried, and a change of it never repeated
	Next                        // of a secret: what takes the place of As at a slot of a schedule; no other request has it
)

// Has says whether all of want are set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// ReadOnly says whether neither a request may carry the field nor the file have it.
func (f *Field) ReadOnly() bool { return f.Flags&(Create|Patch|Switch) == 0 && f.Type != Timed }

// Key is the field's last word, as the file may write it inside a nested mapping.
func (f *Field) Key() string { return f.Name[strings.LastIndexByte(f.Name, '.')+1:] }

// Index returns the place of the field in the table, or -1. Objects hold their values in
// the same order.
func (k *Kind) Index(name string) int {
	for i := range k.Fields {
		if k.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Children returns the index of the field that lists the kind's children, or -1.
func (k *Kind) Children() int {
	for i := range k.Fields {
		if k.Fields[i].Type == Children {
			return i
		}
	}
	return -1
}

// All lists the kinds that a file may declare, in the order of the manual.
func All() []*Kind { return []*Kind{External, Onboard, Azure, AWS, GCP, Barbican, AuthKey, Config} }

// Managers lists the kinds of key managers that a cluster is asked for, by collection. Where
// kinds share one, a record is of the first kind whose selector it has.
func Managers() []*Kind { return []*Kind{External, Onboard, Azure, AWS, GCP, Barbican} }

// InSection returns the kinds that share a list of the file.
func InSection(section string) []*Kind {
	var kinds []*Kind
	for _, k := range All() {
		if k.Section == section {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// Sections lists the lists, and the mappings of singletons, that a cluster of the file may
// have, each once, in the order of [All].
func Sections() []string {
	var names []string
	seen := map[string]bool{}
	for _, k := range All() {
		if !seen[k.Section] {
			seen[k.Section] = true
			names = append(names, k.Section)
		}
	}
	return names
}
