package plan

import (
	"maps"
	"slices"
	"strings"
	"time"

	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// An Operation is a step that set out. It is remembered before its first request leaves, and
// stays in the ledger until its end is known: intent, perhaps accepted as a job, then
// succeeded, failed or unknown. It holds digests, never a secret.
type Operation struct {
	ID      string // unique in the journal of its cluster; as people name it, with the cluster before it
	Op      Op
	Action  string // of an Act
	Addr    resource.Addr
	Beside  resource.Addr     // another object that it is about; the zero Addr if none
	Request string            // method and path of the request that counts
	Brings  []resource.Addr   // of a Create: the children that come with the object
	Wishes  []Wish            // what the object is to be like afterwards
	Offered map[string]string // by field: digests of the secrets in its first request
	Repeat  resource.Repeat   // what may be done when its answer is lost
	Nodes   []string          // UUIDs of the nodes that it gives the object to
	Backup  bool              // a backup is owed from now on
	Slot    schedule.Slot     // of the schedule that it is for; the zero Slot if it is for none
	For     resource.Addr     // the object whose schedule that is, where it is not Addr; the zero Addr if it is
	Timed   bool              // it is one of those that may be scheduled, whoever asked for it
	Before  []string          // of a rekey: the ids of the keys that it replaces
	Plan    string            // id of the plan that it is of; empty if the plan had none
	At      time.Time         // when it set out
	Job     string            // UUID of the job that the cluster took it on as; empty: none that we know
	Lost    bool              // its answer was lost, or its end was not waited for; else whoever sent it may still wait
	Doubt   string            // why nobody knows what became of it although it has a job; empty: that tells
	Code    string            // ONTAP's, of what it said when its end was not known; empty: it said nothing
}

// Name is what people call an operation: "prod-a/17".
func (o *Operation) Name() string { return o.Addr.Cluster + "/" + o.ID }

// Unknown says whether the cluster is not known to work on it: it has no job that we know, or one
// that tells nothing any more.
func (o *Operation) Unknown() bool { return o.Job == "" || o.Doubt != "" }

// Standing says in a word how far an operation has come: intent, accepted as a job, or unknown.
func (o *Operation) Standing() string {
	switch {
	case !o.Unknown():
		return "accepted"
	case o.Lost:
		return "unknown"
	default:
		return "intent"
	}
}

// Halfway says whether it is known to have been done for some nodes and not for others: nothing
// that the cluster shows later tells what is to be done about that.
func (o *Operation) Halfway() bool { return o.Rekeys() && resource.Halfway(o.Code) }

// Touches says whether an operation is about something of a scope, which is an SVM's name or
// empty for the cluster's own.
func (o *Operation) Touches(svm string) bool {
	return o.Addr.SVM == svm || o.Beside != (resource.Addr{}) && o.Beside.SVM == svm
}

// Rekeys is [Step.Rekeys] of what set out.
func (o *Operation) Rekeys() bool { return o.Timed && changesKey(o.Action) }

// Title says what an operation does, for a sentence: "rekey_external" or "create".
func (o *Operation) Title() string {
	if o.Action != "" {
		return o.Action
	}
	return o.Op.String()
}

// After begins the description of the job of any further request of a Create.
func (o *Operation) After() string {
	_, path, _ := strings.Cut(o.Request, " ")
	return "PATCH " + path + "/"
}

// An End is what came of an operation.
type End struct {
	Outcome Outcome
	At      time.Time
	Secrets map[string]string // digests of what was really sent, by field; of an applied one
	Code    string            // ONTAP's, of a failed one, or one that it did in part
	Why     string            // of one that was settled by looking, or by a human: what showed it; of an unknown one, why it is
	Job     string            // of one that was settled by its job: the UUID
	Backup  Backup            // of one that took it
}

// A Sending is a request of an operation that is about to leave.
type Sending struct {
	Method, Path string
	Fields       []string // the dotted names in its body, in order; never a value
	Lifted       []string // the orders by which it passes guards
}

// Begin notes that an operation sets out.
func (l *Ledger) Begin(o Operation) {
	l.Open = append(slices.Clone(l.Open), o)
	if o.Op == Create {
		for _, a := range append(slices.Clone(o.Brings), o.Addr) {
			// Made anew: whatever secret an earlier object of that name had is gone with it.
			l.remember(a, func(m *Remembered) { m.Created, m.Secrets, m.Adopted, m.Refused = true, nil, nil, "" })
		}
	}
	if o.Timed {
		l.beginSlot(o)
	}
	l.remember(o.Addr, func(m *Remembered) {
		*m = m.WithIntent(o.Wishes, o.At)
		m.Owed = m.Owed || o.Backup
	})
}

// Accept notes that the cluster has taken an operation on as a job.
func (l *Ledger) Accept(id, job string) {
	l.change(id, func(o *Operation) { o.Job = job })
	l.owns(job)
}

// maxJobs bounds how many jobs are remembered. ONTAP forgets one within minutes.
const maxJobs = 100

// owns notes that a job is of an operation, so that it is not taken for that of another one.
func (l *Ledger) owns(job string) {
	if job != "" {
		l.Jobs = append(slices.Clone(l.Jobs[max(0, len(l.Jobs)-maxJobs+1):]), job)
	}
}

// End notes what came of an operation. One whose outcome is not known stays open.
func (l *Ledger) End(id string, e End) {
	i := slices.IndexFunc(l.Open, func(o Operation) bool { return o.ID == id })
	if i < 0 {
		return
	}
	o := l.Open[i]
	if e.Outcome == Unknown || e.Outcome == Running {
		l.change(id, func(o *Operation) {
			o.Lost = true
			if e.Outcome == Unknown {
				o.Doubt, o.Code = e.Why, e.Code
			}
		})
		if now := l.Open[i]; e.Outcome == Unknown && o.Timed && now.Unknown() && o.Standing() != "unknown" {
			l.loseSlot(o)
		}
		return
	}
	l.owns(e.Job)
	l.Open = slices.Delete(slices.Clone(l.Open), i, i+1)
	if o.Timed {
		l.endSlot(o, e)
	}
	switch {
	case e.Outcome == Applied && o.Op == Delete:
		l.remember(o.Addr, func(m *Remembered) {
			*m = Remembered{Sent: m.WithSent(o.Wishes, o.At).Sent, Backup: m.Backup, Slots: m.Slots}
			if o.Timed {
				m.Slots = nil // a generation that went does not come back
			}
		})
	case e.Outcome == Applied:
		l.remember(o.Addr, func(m *Remembered) { m.applied(o, e) })
	case resource.Partly(e.Code):
		o.Nodes = []string{NoNode}
		l.remember(o.Addr, func(m *Remembered) { m.applied(o, e) })
	case resource.WrongSecret(e.Code):
		l.remember(o.Addr, func(m *Remembered) { m.refuse(o.proof()) })
	}
}

// refuse notes that ONTAP called a secret wrong. If it was taken to be the one in place, it is
// not: the next one that the file names is.
func (r *Remembered) refuse(digest string) {
	r.Refused = digest
	r.Secrets, r.Adopted = maps.Clone(r.Secrets), maps.Clone(r.Adopted)
	for field, d := range r.Secrets {
		if d == digest && r.Adopted[field] {
			delete(r.Secrets, field)
			delete(r.Adopted, field)
		}
	}
}

// applied notes that an operation on the object has succeeded.
func (r *Remembered) applied(o Operation, e End) {
	*r = r.WithSent(o.Wishes, o.At)
	r.Secrets = maps.Clone(r.Secrets)
	if r.Secrets == nil {
		r.Secrets = map[string]string{}
	}
	maps.Copy(r.Secrets, e.Secrets)
	r.Adopted = maps.Clone(r.Adopted)
	for field := range e.Secrets {
		delete(r.Adopted, field)
	}
	if len(o.Nodes) > 0 {
		r.Nodes = o.Nodes
	}
	if !e.Backup.At.IsZero() {
		r.Backup, r.Owed = e.Backup, false
	}
}

// proof is the digest of the secret by which an operation proved that it may change another;
// empty if there was none.
func (o *Operation) proof() string {
	return o.Offered[resource.Proof]
}

// See notes under which id an object is there.
func (l *Ledger) See(s Sighting) {
	l.remember(s.Addr, func(m *Remembered) { m.ID = s.ID })
}

// Adopt notes what was found in place: a secret, or the nodes that an object was given to.
func (l *Ledger) Adopt(a Adoption) {
	l.remember(a.Addr, func(m *Remembered) {
		if len(a.Nodes) > 0 {
			m.Nodes = a.Nodes
		}
		if a.Field == "" {
			return
		}
		m.Secrets, m.Adopted = maps.Clone(m.Secrets), maps.Clone(m.Adopted)
		if m.Secrets == nil {
			m.Secrets = map[string]string{}
		}
		if m.Adopted == nil {
			m.Adopted = map[string]bool{}
		}
		m.Secrets[a.Field], m.Adopted[a.Field] = a.Digest, true
	})
}

// Clone returns a ledger that may be changed while l stays as it is.
func (l Ledger) Clone() Ledger {
	l.Objects, l.Open = maps.Clone(l.Objects), slices.Clone(l.Open)
	return l
}

func (l *Ledger) remember(a resource.Addr, f func(*Remembered)) {
	if l.Objects == nil {
		l.Objects = map[resource.Addr]Remembered{}
	}
	m := l.Objects[a]
	f(&m)
	l.Objects[a] = m
}

func (l *Ledger) change(id string, f func(*Operation)) {
	l.Open = slices.Clone(l.Open)
	for i := range l.Open {
		if l.Open[i].ID == id {
			f(&l.Open[i])
		}
	}
}

// A Settlement ends an operation of which no answer told the end.
type Settlement struct {
	Op Operation
	End
}

// HalfwayWhy is the doubt about an operation that ended with an error code of [resource.Halfway],
// and what that means.
func HalfwayWhy(code string) string {
	return "it was done on some nodes and not on others (ONTAP error " + code + "): " + resource.Remedy(code)
}
