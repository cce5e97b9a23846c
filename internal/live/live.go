// Package live reads a cluster: GETs in, objects out. It holds a value that can only read,
// so nothing in it can write. An answer that is incomplete or implausible is an error of
// that cluster, never "nothing there".
package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"kmagent/internal/resource"
)

// A Getter is what reading needs of a cluster. Paths are below /api.
type Getter interface {
	// Get returns one object.
	Get(ctx context.Context, path string, query url.Values) (json.RawMessage, error)
	// List returns every record of a collection, over all its pages, or an error. Each record
	// is an object that has the identity field. Unchanged says that the answer is, byte for
	// byte, the one that the same call gave before. The records are shared: they must not be
	// changed.
	List(ctx context.Context, path string, query url.Values, identity string) (records []json.RawMessage, unchanged bool, err error)
}

// A Reader reads one cluster, again and again. It remembers what it decoded, and decodes
// only what has changed since. Its calls must not overlap.
type Reader struct {
	label    string // the cluster's name in the file, which addresses carry
	get      Getter
	parallel int
	version  resource.Version // of the last pass; zero at first

	self     json.RawMessage
	cluster  identity
	nodes    cache[resource.Node]
	svms     cache[resource.SVM]
	links    cache[*resource.Object]
	managers map[bool]*cache[*resource.Object] // by whether Advanced fields are in it
	last     map[bool]*resource.Cluster        // complete observations, likewise
}

// NewReader returns a reader that has at most parallel requests under way.
func NewReader(label string, get Getter, parallel int) *Reader {
	return &Reader{label: label, get: get, parallel: parallel,
		managers: map[bool]*cache[*resource.Object]{false: {}, true: {}},
		last:     map[bool]*resource.Cluster{}}
}

// Read returns what the cluster has now. With health it reads Advanced fields too: ONTAP
// works them out for the call, so they are not for every pass. Wanted are the objects of
// the file: a field that only a child's own path returns is read for those parents alone
// whose entries have it.
//
// The result is shared with later calls and must not be changed. If nothing changed since
// the last such call, only its time differs.
func (r *Reader) Read(ctx context.Context, health bool, wanted []*resource.Object) (*resource.Cluster, error) {
	at := time.Now()
	fresh, err := r.fetch(ctx, health)
	if err != nil {
		// What was half read must not pass for unchanged next time.
		r.last = map[bool]*resource.Cluster{}
		return nil, err
	}
	c := r.last[health]
	if fresh || c == nil {
		if c, err = r.assemble(health); err != nil {
			return nil, err
		}
		r.last = map[bool]*resource.Cluster{health: c}
	}
	now := *c
	now.At = at
	if err := r.readDetached(ctx, &now, wanted); err != nil {
		return nil, err
	}
	return &now, nil
}

// fetch brings the caches up to date, and says whether anything in them changed. Which
// fields may be named depends on the release: it is assumed to be that of the last pass,
// and if that was wrong, or at first contact, a second round reads what depended on it.
func (r *Reader) fetch(ctx context.Context, health bool) (fresh bool, err error) {
	assumed := r.version
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(r.parallel)
	changed := make([]bool, 5)
	group.Go(func() (err error) { changed[0], err = r.readSelf(gctx); return })
	group.Go(func() (err error) { changed[1], err = update(gctx, r.get, &r.nodes, nodesCall, decodeNode); return })
	group.Go(func() (err error) { changed[2], err = update(gctx, r.get, &r.svms, svmsCall, decodeSVM); return })
	group.Go(func() (err error) { changed[3], err = update(gctx, r.get, &r.links, linksCall, r.decodeLink); return })
	if !assumed.IsZero() {
		group.Go(func() (err error) { changed[4], err = r.readManagers(gctx, assumed, health); return })
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	if r.version = r.oldest(); r.version != assumed {
		if changed[4], err = r.readManagers(ctx, r.version, health); err != nil {
			return false, err
		}
	}
	for _, c := range changed {
		fresh = fresh || c
	}
	return fresh, nil
}

func (r *Reader) readManagers(ctx context.Context, v resource.Version, health bool) (bool, error) {
	return update(ctx, r.get, r.managers[health], managersCall(v, health), r.decodeManager)
}

// oldest is the release that the whole cluster has: what one node lacks cannot be used.
func (r *Reader) oldest() resource.Version {
	v := r.cluster.Version
	for _, n := range r.nodes.vals {
		if !n.Version.IsZero() && n.Version.Before(v) {
			v = n.Version
		}
	}
	return v
}

func (r *Reader) readSelf(ctx context.Context) (changed bool, err error) {
	raw, err := r.get.Get(ctx, "cluster", url.Values{"fields": {"name,uuid,version"}})
	if err != nil {
		return false, fmt.Errorf("read the cluster: %w", err)
	}
	if bytes.Equal(raw, r.self) {
		return false, nil
	}
	id, err := decodeIdentity(raw)
	if err != nil {
		return false, fmt.Errorf("read the cluster: %w", err)
	}
	r.self, r.cluster = bytes.Clone(raw), id
	return true, nil
}

// assemble makes an observation of what was fetched, and checks that it makes sense.
func (r *Reader) assemble(health bool) (*resource.Cluster, error) {
	c := &resource.Cluster{
		Name: r.cluster.Name, UUID: r.cluster.UUID, Version: r.version, Health: health,
		Nodes: r.nodes.vals, Links: r.links.vals,
		SVMs:    make(map[string]resource.SVM, len(r.svms.vals)),
		Objects: make(map[resource.Addr]*resource.Object, len(r.managers[health].vals)),
	}
	if len(c.Nodes) == 0 {
		return nil, implausible("a cluster without nodes")
	}
	for _, s := range r.svms.vals {
		c.SVMs[s.Name] = s
	}
	for _, o := range r.managers[health].vals {
		if o == nil {
			continue // of a kind that is not ours
		}
		if _, twice := c.Objects[o.Addr]; twice {
			return nil, implausible("two of " + o.Addr.String())
		}
		c.Objects[o.Addr] = o
	}
	return c, nil
}

// An implausible answer is well formed and cannot be true.
type implausible string

func (e implausible) Error() string { return "implausible answer: " + string(e) }
