package diff

import (
	"fmt"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// backupAction is what saving an object's backup is called.
const backupAction = resource.KeyBackup

// backup saves the text that an object's keys can be recovered with: after each step that
// changes it, when it is owed from an earlier one, and when none is known, as of an object that
// was there before; and at the slots of a schedule. It is never read otherwise.
func (d *decider) backup(want *resource.Object) {
	k := want.Kind
	if k.Backup == "" || want.Absent {
		return
	}
	if d.Keepers == 0 {
		d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: want.Addr, Source: want.Source,
			Text: "no key backup is kept: the cluster has no backup.recipients in the file"})
		return
	}
	s := plan.Step{Op: plan.Act, Addr: want.Addr, Source: want.Source, Action: backupAction,
		Changes: []plan.Change{{Field: k.Backup, New: resource.Str(forReaders(d.Keepers))}}}
	have := d.Have.Objects[want.Addr]
	path := "/api/" + k.Path + "/" + plan.ParentID
	if have != nil && have.Kind == k {
		path = d.path(have)
	}
	for i := range d.plan.Steps {
		before := &d.plan.Steps[i]
		if before.Addr == want.Addr && before.Backup && before.Status == plan.Ready {
			s.After = true
		}
	}
	known := d.Ledger.Objects[want.Addr]
	turn, due := d.backups[want.Addr]
	if !s.After && (have == nil || have.Kind != k || !known.Owed && !known.Backup.At.IsZero() && !due) {
		return
	}
	s.Timed = due || want.Timing(backupAction) >= 0
	if due {
		// Owed from when it sets out: what goes wrong is tried again by the next pass.
		s.Slot, s.Backup, s.Lifted = turn.slot, true, turn.lifted
		if !s.After {
			s.Source = turn.source
		}
	}
	s.Requests = []plan.Request{{Method: "GET", Path: path + "?fields=" + k.Backup}}
	d.add(s)
}

// forReaders says for how many recipients a backup is encrypted.
func forReaders(n int) string {
	if n == 1 {
		return "saved, encrypted for 1 recipient"
	}
	return fmt.Sprintf("saved, encrypted for %d recipients", n)
}
