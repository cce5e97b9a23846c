package diff

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// keysLast is how long what was seen of an SVM's keys is evidence: whoever has made others since
// then has rekeyed it too lately for another one.
const keysLast = 20 * time.Hour

// elsewhere says whether somebody else has begun the rekey that is due: another agent, which has a
// state of its own, or a human. A job of that name tells, which ONTAP keeps for 300 s, or a key
// store that is being rekeyed, or keys that nobody here has made.
func (d *decider) elsewhere(s *plan.Step, turn *plan.Turn) bool {
	if !d.mayBeElsewhere(s) {
		return false
	}
	job := s.Requests[0].Method + " " + s.Requests[0].Path
	if d.Have.Begun == nil {
		d.plan.WantsJobs = append(d.plan.WantsJobs, job)
		return false // and holdUnseen holds it
	}
	skew := clockSkew
	if d.Seconds {
		skew = time.Second
	}
	for _, j := range *d.Have.Begun {
		if j.Description == job && !slices.Contains(d.Ledger.Jobs, j.UUID) && j.Start.After(turn.Next.At.Add(-skew)) {
			d.note(s.Addr, fmt.Sprintf("%s: somebody else began it at %s, job %s", s.Action, j.Start.UTC().Format(time.RFC3339), plan.Safe(j.UUID)))
			return true
		}
	}
	if slices.ContainsFunc(d.Have.Stores, func(k resource.KeyStore) bool { return k.SVM == s.Addr.SVM && k.State == "svm_kek_rekey" }) {
		d.note(s.Addr, s.Action+": somebody else rekeys the key store at this moment")
		return true
	}
	known := &turn.Slots
	if len(s.Before) > 0 && len(known.Keys) > 0 && !slices.Equal(s.Before, known.Keys) && d.Now.Sub(known.KeysAt) <= keysLast {
		d.note(s.Addr, fmt.Sprintf("%s: the SVM has other keys than at %s, and no rekey of this agent made them", s.Action, known.KeysAt.UTC().Format(time.RFC3339)))
		return true
	}
	return false
}

// mayBeElsewhere says whether a step is a rekey at a slot. Of a passphrase no evidence tells who
// changed it, and ONTAP refuses to change it from one that is not in use any more.
func (d *decider) mayBeElsewhere(s *plan.Step) bool {
	return s.Op == plan.Act && strings.HasPrefix(s.Action, "rekey") && !s.Slot.IsZero() && len(s.Requests) > 0
}

// holdUnseen holds what is due until the jobs have been read that somebody else may have begun.
func (d *decider) holdUnseen() {
	for i := range d.plan.Steps {
		if s := &d.plan.Steps[i]; d.mayBeElsewhere(s) && d.Have.Begun == nil {
			d.heed(s, s.Source, unread(plan.Window, "whether somebody else has begun it"))
		}
	}
}

// noteKeys notes the ids of the keys that a rekey is to replace, where this look has read them since
// they were not known.
func (d *decider) noteKeys(n *plan.SlotNote, have *resource.Object, known *plan.Slots) {
	if r := d.Have.Rekeyed; n.Action == resource.RekeyInternal && KeysUnknown(known, d.Now) && r != nil && r.Err == "" {
		n.Keys, n.KeysAt = keyIDs(r, have.ID, svmKey), d.Now
	}
}

// KeysUnknown says whether a look is to read the ids of the keys that a scheduled rekey replaces.
func KeysUnknown(s *plan.Slots, now time.Time) bool {
	return s.KeysAt.IsZero() || now.Sub(s.KeysAt) > keysLast
}
