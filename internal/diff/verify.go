package diff

import (
	"fmt"
	"slices"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// verify looks, after a scheduled action has succeeded, whether all is well with what it made, and
// notes when it is, or what is not. Until it is those that share its slot wait. When its window is
// over nobody does any more, and only what is read anyway is looked at.
func (d *decider) verify(n *plan.SlotNote, turn *plan.Turn, want, have *resource.Object) {
	known := &turn.Slots
	if n.Action == resource.KeyBackup || !known.Unverified() || !d.Have.At.After(known.Succeeded) || d.running(want.Addr) {
		return
	}
	turn.Flaw = known.Flaw
	if !d.Have.Health && d.Now.Sub(known.Succeeded) > turn.Timing.Window {
		return
	}
	flaw, looked := d.flaw(n.Action, want, have)
	if !looked {
		return
	}
	if flaw == "" && len(known.Replaced) > 0 && slices.Equal(known.Replaced, keyIDs(d.Have.Keys, have.ID, svmKey)) {
		flaw = "the SVM has the keys that it had before"
	}
	switch turn.Flaw = flaw; flaw {
	case "":
		n.Verified = d.Now
	case known.Flaw:
	default:
		n.Flaw = flaw
	}
}

// flaw says what is not as it is to be after an action, empty if nothing is; looked is false where
// that has to be read first.
func (d *decider) flaw(action string, want, have *resource.Object) (flaw string, looked bool) {
	stores := d.stores(want.Addr.SVM)
	if !d.Have.Health {
		d.plan.WantsHealth = true
	}
	if looked = d.keysRead(stores) && d.Have.Health; !looked {
		return "", false
	}
	if i := slices.IndexFunc(d.Have.Nodes, away); i >= 0 {
		return plan.Safe(d.Have.Nodes[i].Name) + " is away", true
	}
	if r, bad := unreached(have); bad {
		return "the key service is not reachable from " + orCluster(plan.Safe(r.Node)), true
	}
	if d.Have.Keys.Err != "" {
		return "which keys the nodes have could not be read: " + plan.Safe(d.Have.Keys.Err), true
	}
	if node, lacks := d.nodeLacking(stores); lacks > 0 {
		return fmt.Sprintf("%s lacks %d keys of this scope", plan.Safe(node), lacks), true
	}
	if f := notAsAsked(action, want, have); f != "" {
		return f + " is not as the file says", true
	}
	return "", true
}

// notAsAsked returns a field that the action sets and that is not as wanted; empty if there is none.
func notAsAsked(action string, want, have *resource.Object) string {
	for i := range want.Kind.Fields {
		f := &want.Kind.Fields[i]
		if f.Via == action && want.Values[i].IsSet() && !f.Equal(want.Values[i], have.Values[i]) {
			return f.Name
		}
	}
	return ""
}
