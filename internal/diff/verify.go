package diff

import (
	"fmt"
	"slices"
	"strings"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// verify looks, after a scheduled action has succeeded, whether all is well with what it made, and
// notes when it is, or what is not. Until it is those that share its slot wait. When its window is
// over nobody does any more, and only what is read anyway is looked at.
func (d *decider) verify(n *plan.SlotNote, turn *plan.Turn, want, have *resource.Object) {
	known := &turn.Slots
	if known.Outcome == plan.Failed.String() && d.Have.At.After(known.Ended) && !d.running(want.Addr) && d.mended(n.Action, known, want, have) {
		n.Mended = d.Now
		return
	}
	if !known.Unverified(n.Action) || !d.Have.At.After(known.Succeeded) || d.running(want.Addr) {
		return
	}
	turn.Flaw = known.Flaw
	if !d.Have.Health && d.Now.Sub(known.Succeeded) > turn.Timing.Window {
		return
	}
	flaw, looked := d.flaw(n.Action, known, want, have)
	if !looked {
		return
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
func (d *decider) flaw(action string, known *plan.Slots, want, have *resource.Object) (flaw string, looked bool) {
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
		return "which keys the nodes have could not be read", true // why is another thing with each look
	}
	if node, lacks := d.nodeLacking(stores); lacks > 0 {
		return fmt.Sprintf("%s lacks %d keys of this scope", plan.Safe(node), lacks), true
	}
	if made := (plan.Operation{Wishes: known.Made}); strings.HasPrefix(action, "rekey") && len(made.Wishes) > 0 && !d.fulfilled(&made, have) {
		return made.Wishes[0].Field + " is not what was asked for", true
	}
	if len(known.Replaced) > 0 && slices.Equal(known.Replaced, keyIDs(d.Have.Keys, have.ID, svmKey)) {
		return "the SVM has the keys that it had before", true
	}
	return "", true
}

// mended says whether what an action was to make is there, although it has failed: it did its work in
// part and something else the rest, or somebody saw to it.
func (d *decider) mended(action string, known *plan.Slots, want, have *resource.Object) bool {
	i := want.Timing(action)
	switch action {
	case resource.RotatePassphrase:
		j := want.Kind.Index(resource.PassphraseNext)
		given := !slices.Contains(d.Ledger.Objects[want.Addr].Nodes, plan.NoNode) // to all nodes, by a synchronize
		return j >= 0 && given && d.succeeded(want, want.Kind.Index(want.Kind.Fields[j].As))
	case resource.RotateKey:
		key := want.Addr
		key.Name = resource.GenerationTag(want.Addr.Name, want.Values[i].Timing(), known.Turn)
		return !known.Turn.IsZero() && d.Have.Objects[key] != nil
	}
	made := plan.Operation{Wishes: known.Made}
	return d.fulfilled(&made, have)
}
