package diff

import (
	"fmt"
	"slices"
	"strings"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

// holdKeys keeps from what could leave a node without keys while it is not known, or not so,
// that every node has all keys of the scope: a removal, a switch, a rekey, a move to another key
// manager. What gives nodes their keys is not among them.
func (d *decider) holdKeys() {
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if s.Status != plan.Ready || !needsKeys(s) {
			continue
		}
		var stores []string
		for _, svm := range s.Scopes() {
			stores = append(stores, d.stores(svm)...)
		}
		if len(stores) == 0 {
			continue
		}
		switch {
		case !d.keysRead(append(slices.Clone(stores), d.stores("")...)):
			d.heed(s, s.Source, unread(plan.Keys, "which keys the nodes have"))
		case d.Have.Keys.Err != "":
			d.block(s, s.Source, plan.Held, plan.Keys, "which keys the nodes have could not be read: "+plan.Safe(d.Have.Keys.Err))
		default:
			d.missingKeys(s, stores)
			d.onlyHolder(s, stores)
			d.keptByCluster(s)
		}
	}
}

// keysRead says whether the keys of those stores were read, and has them read if not.
func (d *decider) keysRead(stores []string) bool {
	if d.Have.Keys.Covers(stores) {
		return true
	}
	for _, uuid := range stores {
		if !slices.Contains(d.plan.WantsKeys, uuid) {
			d.plan.WantsKeys = append(d.plan.WantsKeys, uuid)
		}
	}
	return false
}

// needsKeys says whether a step is one that every node must have its keys for.
func needsKeys(s *plan.Step) bool {
	switch s.Op {
	case plan.Delete:
		return s.Addr.Kind != "auth_key"
	case plan.Act:
		return s.Action == enableAction || s.Action == resource.Migrate || strings.HasPrefix(s.Action, "rekey")
	default:
		return false
	}
}

// stores lists the UUIDs of the key managers in use at a scope.
func (d *decider) stores(svm string) []string {
	var out []string
	for _, o := range d.Have.Objects {
		enabled := o.Value("enabled")
		if o.Addr.SVM == svm && slices.Contains(resource.Managers(), o.Kind) && (!enabled.IsSet() || enabled.Bool()) {
			out = append(out, o.ID)
		}
	}
	slices.Sort(out)
	return out
}

// missingKeys holds a step while a node lacks a key of its scope.
func (d *decider) missingKeys(s *plan.Step, stores []string) {
	if node, n := d.nodeLacking(stores); n > 0 {
		d.block(s, s.Source, plan.Held, plan.Keys, fmt.Sprintf("%s lacks %d keys of this scope: have them restored first (kmagent key restore; of an onboard key manager: synchronize)", node, n))
	}
}

// nodeLacking returns a node that lacks keys of those stores, and how many; none if every node has all.
func (d *decider) nodeLacking(stores []string) (node string, n int) {
	lacks := map[string]bool{}
	for _, k := range d.Have.Keys.Keys {
		if slices.Contains(stores, k.Store) && !k.Restored && (node == "" || node == k.Node) {
			node, lacks[k.ID] = k.Node, true
		}
	}
	return node, len(lacks)
}

// onlyHolder holds the removal of a key server that alone holds a key (65536700).
func (d *decider) onlyHolder(s *plan.Step, stores []string) {
	if s.Op != plan.Delete || s.Addr.Kind != resource.KeyServer.Name {
		return
	}
	holders := map[string]map[string]bool{}
	for _, k := range d.Have.Keys.Keys {
		if k.Server == "" || !slices.Contains(stores, k.Store) {
			continue
		}
		if holders[k.ID] == nil {
			holders[k.ID] = map[string]bool{}
		}
		holders[k.ID][k.Server] = true
	}
	alone := 0
	for _, h := range holders {
		if len(h) == 1 && h[s.Addr.Name] {
			alone++
		}
	}
	if alone > 0 {
		d.block(s, s.Source, plan.Held, plan.Keys, fmt.Sprintf("it alone holds %d keys (65536700): let the others get them first, by replication on the servers or kmagent key restore", alone))
		s.Rule = string(rules.KM040)
	}
}

// keptByCluster is KM050: while keys of an SVM are with the cluster's key manager, its own
// cannot be rekeyed.
func (d *decider) keptByCluster(s *plan.Step) {
	if s.Op != plan.Act || !strings.HasPrefix(s.Action, "rekey") || s.Addr.SVM == "" {
		return
	}
	cluster := d.stores("")
	if slices.ContainsFunc(d.Have.Keys.Keys, func(k resource.HeldKey) bool { return k.User == s.Addr.SVM && slices.Contains(cluster, k.Store) }) {
		d.block(s, s.Source, plan.Held, plan.Keys, "keys of this SVM are in the cluster's key manager (65537547): migrate them first (kmagent key migrate)")
		s.Rule = string(rules.KM050)
	}
}
