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
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"kmagent/internal/resource"
)

// A Getter is what reading needs of a cluster. Paths are below /api.
type Getter interface {
	// Get returns one object.
	Get(ctx context.Context, path string, query url.Values) (json.RawMessage, error)
	// List returns every record of a collection, over all its pages, or an error. Each record
	// is an object that has the identity field, each another one unless a + stands behind its
	// name. Unchanged says that the answer is, byte for
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
	stores   cache[resource.KeyStore]
	managers map[string]*cache[*resource.Object] // and other objects of the file's kinds, by path
	last     observation                         // the newest one
}

// An observation is what was assembled of those collections. Others may have stayed as they
// were and yet not be in it: which are read depends on the file.
type observation struct {
	cluster *resource.Cluster
	paths   []string
}

// NewReader returns a reader that has at most parallel requests under way.
func NewReader(label string, get Getter, parallel int) *Reader {
	return &Reader{label: label, get: get, parallel: parallel, managers: map[string]*cache[*resource.Object]{}}
}

// Read returns what the cluster has now. With health it reads Advanced fields too: ONTAP
// works them out for the call, so they are not for every pass. Wanted are the objects of
// the file: the collections of their kinds are read beside that of the key managers, and a
// field that only a child's own path returns is read for those parents alone whose entries
// have it.
//
// The result is shared with later calls and must not be changed. If nothing changed since
// the last such call, only its time differs.
func (r *Reader) Read(ctx context.Context, health bool, wanted []*resource.Object) (*resource.Cluster, error) {
	at := time.Now()
	c, err := r.observe(ctx, health, wanted)
	if err != nil {
		// What was half read must not pass for unchanged next time, and which release it is
		// may be what was wrong.
		r.last, r.version = observation{}, resource.Version{}
		return nil, err
	}
	now := *c
	now.At = at
	if err := r.readDetached(ctx, &now, wanted); err != nil {
		return nil, err
	}
	if err := r.readMetro(ctx, &now, wanted); err != nil {
		return nil, err
	}
	return &now, nil
}

// observe returns what is there now but for detached fields: the last observation itself, if
// nothing has changed since.
func (r *Reader) observe(ctx context.Context, health bool, wanted []*resource.Object) (*resource.Cluster, error) {
	kinds := kindsOf(wanted)
	fresh, err := r.fetch(ctx, health, kinds)
	if err != nil {
		return nil, err
	}
	below, news, err := r.readBelow(ctx, health, kinds)
	if err != nil {
		return nil, err
	}
	paths, last := collections(r.version, kinds), r.last
	for _, k := range singles(r.version, kinds) {
		paths = append(paths, k.Path)
	}
	paths = append(paths, below...)
	if fresh = fresh || news; !fresh && last.cluster != nil && last.cluster.Health == health && slices.Equal(last.paths, paths) {
		return last.cluster, nil
	}
	c, err := r.assemble(health, paths)
	if err != nil {
		return nil, err
	}
	r.last = observation{c, paths}
	return c, nil
}

// fetch brings the caches up to date, and says whether anything in them changed. Which
// fields may be named depends on the release: it is assumed to be that of the last pass, or
// at first contact what the cluster says of itself. If the nodes say otherwise, what
// depended on it is read once more; ONTAP says of itself the release of its oldest node.
func (r *Reader) fetch(ctx context.Context, health bool, kinds []*resource.Kind) (fresh bool, err error) {
	reads := []func(context.Context) (bool, error){
		func(ctx context.Context) (bool, error) { return update(ctx, r.get, &r.nodes, nodesCall, decodeNode) },
		func(ctx context.Context) (bool, error) { return update(ctx, r.get, &r.svms, svmsCall, decodeSVM) },
		func(ctx context.Context) (bool, error) { return update(ctx, r.get, &r.links, linksCall, r.decodeLink) },
	}
	assumed := r.version
	if assumed.IsZero() {
		if _, err := r.readSelf(ctx); err != nil {
			return false, err
		}
		assumed = r.oldest()
	} else {
		reads = append(reads, r.readSelf)
	}
	reads = append(reads, r.versioned(assumed, health, kinds)...)
	first := r.version.IsZero()
	if fresh, err = r.all(ctx, reads); err != nil {
		if first && r.nodes.raw == nil {
			// The nodes may say that the assumption was wrong, and this is what it failed of:
			// the next pass knows.
			update(ctx, r.get, &r.nodes, nodesCall, decodeNode)
		}
		return false, err
	}
	if r.version = r.oldest(); r.version == assumed {
		return fresh || first, nil
	}
	_, err = r.all(ctx, r.versioned(r.version, health, kinds))
	return true, err
}

// all makes several reads side by side, and says whether any of them found a change.
func (r *Reader) all(ctx context.Context, reads []func(context.Context) (bool, error)) (bool, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.parallel)
	changed := make([]bool, len(reads))
	for i, read := range reads {
		group.Go(guard(func() (err error) { changed[i], err = read(ctx); return }))
	}
	if err := group.Wait(); err != nil {
		passOn(err)
		return false, err
	}
	return slices.Contains(changed, true), nil
}

// Stores returns the key stores of a cluster and their states, for decisions that wait for
// them; an empty list, and not none, if there are none.
func (r *Reader) Stores(ctx context.Context, c *resource.Cluster) ([]resource.KeyStore, error) {
	var fresh cache[resource.KeyStore] // what later passes find there would be old
	_, err := update(ctx, r.get, &fresh, storesCall(c.Version), decodeStore)
	return fresh.vals, err
}

// versioned returns the reads whose fields depend on the release.
func (r *Reader) versioned(v resource.Version, health bool, kinds []*resource.Kind) []func(context.Context) (bool, error) {
	var reads []func(context.Context) (bool, error)
	for _, path := range collections(v, kinds) {
		c := r.kept(path)
		reads = append(reads, func(ctx context.Context) (bool, error) {
			return update(ctx, r.get, c, managersCall(path, v, health), func(raw json.RawMessage) (*resource.Object, error) {
				return r.decodeManager(path, raw)
			})
		})
	}
	for _, k := range singles(v, kinds) {
		reads = append(reads, func(ctx context.Context) (bool, error) { return r.readSingle(ctx, k, v, health) })
	}
	if wantsStores(v, kinds) {
		reads = append(reads, func(ctx context.Context) (bool, error) {
			return update(ctx, r.get, &r.stores, storesCall(v), decodeStore)
		})
	}
	return reads
}

// kept returns the cache of the objects of a path.
func (r *Reader) kept(path string) *cache[*resource.Object] {
	if r.managers[path] == nil {
		r.managers[path] = &cache[*resource.Object]{}
	}
	return r.managers[path]
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
func (r *Reader) assemble(health bool, paths []string) (*resource.Cluster, error) {
	c := &resource.Cluster{
		Name: r.cluster.Name, UUID: r.cluster.UUID, Version: r.version, Health: health,
		Nodes: r.nodes.vals, Links: r.links.vals, Stores: r.stores.vals,
		SVMs:    make(map[string]resource.SVM, len(r.svms.vals)),
		Objects: map[resource.Addr]*resource.Object{},
	}
	if len(c.Nodes) == 0 {
		return nil, implausible("a cluster without nodes")
	}
	for _, s := range r.svms.vals {
		c.SVMs[s.Name] = s
	}
	for _, path := range paths {
		if err := addObjects(c, r.managers[path].vals); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func addObjects(c *resource.Cluster, objects []*resource.Object) error {
	for _, o := range objects {
		if o == nil {
			continue // of a kind that is not ours
		}
		if first, twice := c.Objects[o.Addr]; twice {
			if !o.Kind.Tagged {
				return implausible("two of " + o.Addr.String())
			}
			o = twinned(first, o)
		}
		c.Objects[o.Addr] = o
	}
	return nil
}

// An implausible answer is well formed and cannot be true.
type implausible string

func (e implausible) Error() string { return "implausible answer: " + string(e) }
