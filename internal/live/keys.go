package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"kmagent/internal/resource"
)

// keysSince is the first release that lists the keys of a node.
var keysSince = resource.Version{Generation: 9, Major: 11}

// Keys returns which keys the stores of those UUIDs hold, and which nodes of the cluster have
// them: a GET for each store and node, so it is for decisions that wait for it. What could not
// be read is in the report, and is no error of the pass: it holds what waits for it alone.
func (r *Reader) Keys(ctx context.Context, c *resource.Cluster, stores []string) *resource.KeyReport {
	if c.Version.Before(keysSince) {
		return &resource.KeyReport{Stores: stores}
	}
	var reads []func(context.Context) ([]resource.HeldKey, error)
	for _, store := range stores {
		for _, n := range c.Nodes {
			reads = append(reads, func(ctx context.Context) ([]resource.HeldKey, error) { return r.keysOn(ctx, store, n) })
		}
	}
	found, failed := make([][]resource.HeldKey, len(reads)), make([]error, len(reads))
	var group errgroup.Group
	group.SetLimit(r.parallel)
	for i, read := range reads {
		group.Go(func() error {
			failed[i] = guard(func() (err error) { found[i], err = read(ctx); return })()
			return nil
		})
	}
	group.Wait() // the errors stand in failed
	for _, err := range failed {
		if err != nil { // the first by order, not by time: equal looks say equal things
			passOn(err)
			return &resource.KeyReport{Stores: stores, Err: err.Error()}
		}
	}
	report := &resource.KeyReport{Stores: stores}
	for _, keys := range found {
		report.Keys = append(report.Keys, keys...)
	}
	return report
}

func (r *Reader) keysOn(ctx context.Context, store string, n resource.Node) ([]resource.HeldKey, error) {
	path := "security/key-managers/" + resource.Segment(store) + "/keys/" + resource.Segment(n.UUID) + "/key-ids"
	raw, _, err := r.get.List(ctx, path, fields(smallPage, "key_id", "key_type", "key_user", "key_server", "restored"), "key_id+")
	if foreign(err) {
		return nil, nil // ONTAP lists no keys of this sort of store
	}
	if err != nil {
		return nil, fmt.Errorf("read the keys of %s: %w", n.Name, err)
	}
	out := make([]resource.HeldKey, len(raw))
	seen := map[[2]string]bool{}
	for i, b := range raw {
		var d struct {
			ID       string `json:"key_id"`
			Type     string `json:"key_type"`
			User     string `json:"key_user"`
			Server   string `json:"key_server"`
			Restored *bool
		}
		if err := json.Unmarshal(b, &d); err != nil || d.Restored == nil {
			return nil, implausible("a key of which is not said whether the node has it")
		}
		if at := [2]string{d.ID, d.Server}; seen[at] {
			return nil, implausible("the same key twice on one server")
		} else {
			seen[at] = true
		}
		out[i] = resource.HeldKey{Store: store, Node: n.Name, ID: d.ID, Type: d.Type, User: d.User, Server: d.Server, Restored: *d.Restored}
	}
	return out, nil
}

// foreign says whether ONTAP answered that the UUID is not a key manager (ONTAP REST reference,
// key-ids, code 65537125): of some sorts of key stores it lists no keys.
func foreign(err error) bool {
	no, ok := errors.AsType[refusal](err)
	return ok && no.Coded("65537125")
}
