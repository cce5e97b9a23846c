package crash

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// sites is how many installations are at work side by side. They wait more than they compute.
const sites = 24

// Killed at each boundary of each operation, and at chosen ones while a connection was lost or
// while it recovered before, the agent comes to its end by itself, and does nothing twice.
func TestBoundaries(t *testing.T) {
	began, before := time.Now(), computed()
	pool := newPool(t, sites)
	stories := pool.stories(t)
	points := inShard(t, enumerate(stories))
	t.Logf("seed %d, shard %s: %d operations, %d points to be killed at; told in %s", *seed, *shard, len(stories), len(points), time.Since(began).Round(time.Second))
	tallies := pool.try(t, points)
	t.Log("\n" + report(stories, tallies))
	t.Logf("%s, %s of it computing", time.Since(began).Round(time.Second), (computed() - before).Round(time.Second))
}

// computed is the processor time of all programs that have ended.
func computed() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A pool is sites, each with a cluster of its own.
type pool struct {
	free  chan *site
	blank string // what a cluster holds that nobody has changed
}

func newPool(t *testing.T, n int) *pool {
	t.Helper()
	p := &pool{free: make(chan *site, n)}
	dir := t.TempDir()
	for i, c := range startClusters(t, n) {
		s, err := newSite(filepath.Join(dir, strconv.Itoa(i)), c)
		if err != nil {
			t.Fatal(err)
		}
		if p.blank == "" {
			h, err := s.holds()
			if err != nil {
				t.Fatal(err)
			}
			p.blank = h.text
		}
		p.free <- s
	}
	return p
}

// stories lets every operation go its way once.
func (p *pool) stories(t *testing.T) []*story {
	t.Helper()
	list := slices.DeleteFunc(operations(), func(o operation) bool { return !strings.Contains(o.name, *only) })
	out := make([]*story, len(list))
	var group errgroup.Group
	for i, o := range list {
		group.Go(func() (err error) {
			s := <-p.free
			defer func() { p.free <- s }()
			if err := s.restore(p.blank, false); err != nil {
				return err
			}
			if out[i], err = tell(s, o); err != nil {
				t.Errorf("%s: %v", o.name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil || t.Failed() {
		t.Fatal("the operations do not go their way undisturbed: ", err)
	}
	return out
}

// enumerate lists the points: each boundary of each pass; each lost connection by itself, and
// with kills at every 48th boundary; and pairs of kills by chance.
func enumerate(stories []*story) []*point {
	var out []*point
	every := 48
	if *all {
		every = 1
	}
	for n, st := range stories {
		rnd := rand.New(rand.NewPCG(*seed, uint64(n)))
		for i := range st.stages {
			stage := &st.stages[i]
			for k, label := range stage.boundaries {
				if *all || k%8 == 0 || changes(label) {
					out = append(out, &point{story: st, stage: i, kills: []int{k + 1}})
				}
			}
			for j, r := range stage.sent {
				for _, when := range []string{"before", "after"} {
					f := &fault{r.Method, r.Path, map[string]string{"drop": when}}
					out = append(out, &point{story: st, stage: i, fault: f})
					for k := 1 + (n+j)%every; k <= len(stage.boundaries); k += every {
						out = append(out, &point{story: st, stage: i, kills: []int{k}, fault: f})
					}
				}
			}
		}
		for range *pairs {
			i := rnd.IntN(len(st.stages))
			p := &point{story: st, stage: i}
			for range *depth {
				p.kills = append(p.kills, 1+rnd.IntN(len(st.stages[i].boundaries)))
			}
			out = append(out, p)
		}
	}
	return out
}

// changes says whether what kill -9 leaves at a boundary may differ from what it leaves at the
// one before. Before something nothing has changed yet; a sync makes no difference to the
// kernel's memory; and what is only read changes nothing, but for jobs, which go on by themselves.
func changes(label string) bool {
	_, label, _ = strings.Cut(label, " ") // its number
	switch {
	case strings.HasPrefix(label, "before GET cluster/jobs"):
		return true
	case strings.HasPrefix(label, "before "), strings.HasPrefix(label, "after sync"):
		return false
	}
	return true
}

// inShard keeps the points of this shard.
func inShard(t *testing.T, points []*point) []*point {
	t.Helper()
	var n, of int
	if _, err := fmt.Sscanf(*shard, "%d/%d", &n, &of); err != nil || n < 1 || n > of {
		t.Fatalf("-crash.shard %q is not like 2/8", *shard)
	}
	var out []*point
	for i, p := range points {
		if p.thorough = i/of%8 == 0; i%of == n-1 {
			out = append(out, p)
		}
	}
	return out
}

// A tally is what the points of one operation came to.
type tally struct{ points, kills, aged, human, again, missed, failed int }

func (t *tally) add(o tally) {
	t.points, t.kills, t.aged, t.human = t.points+o.points, t.kills+o.kills, t.aged+o.aged, t.human+o.human
	t.again, t.missed, t.failed = t.again+o.again, t.missed+o.missed, t.failed+o.failed
}

// mostFailures is how many failures are told.
const mostFailures = 5

// try tries every point.
func (p *pool) try(t *testing.T, points []*point) map[string]*tally {
	t.Helper()
	tallies := map[string]*tally{}
	var mu sync.Mutex
	var failures atomic.Int64
	var group errgroup.Group
	group.SetLimit(cap(p.free))
	for _, at := range points {
		group.Go(func() error {
			s := <-p.free
			defer func() { p.free <- s }()
			o, err := at.try(s)
			mu.Lock()
			defer mu.Unlock()
			c := tallies[at.name]
			if c == nil {
				c = &tally{}
				tallies[at.name] = c
			}
			c.points++
			c.kills += o.killed
			c.aged += o.aged
			for n, is := range map[*int]bool{&c.human: o.human, &c.again: o.again, &c.missed: o.missed} {
				if is {
					*n++
				}
			}
			if err != nil {
				c.failed++
				if failures.Add(1) <= mostFailures {
					t.Error(err)
				}
			}
			return nil
		})
	}
	group.Wait() // the errors are told
	if n := failures.Load(); n > mostFailures {
		t.Errorf("%d points failed", n)
	}
	return tallies
}

// report is a table of what was done.
func report(stories []*story, tallies map[string]*tally) string {
	var b strings.Builder
	var sum tally
	boundaries := 0
	line := func(name string, passes, boundaries int, c tally) {
		fmt.Fprintf(&b, "%-32s %6d %10d %6d %6d %6d %6d %6d %6d %6d\n", name, passes, boundaries, c.points, c.kills, c.aged, c.human, c.again, c.missed, c.failed)
	}
	fmt.Fprintf(&b, "%-32s %6s %10s %6s %6s %6s %6s %6s %6s %6s\n", "operation", "passes", "boundaries", "points", "kills", "waited", "human", "again", "missed", "failed")
	for _, st := range stories {
		c := tallies[st.name]
		if c == nil {
			c = &tally{}
		}
		n := 0
		for _, s := range st.stages {
			n += len(s.boundaries)
		}
		line(st.name, len(st.stages), n, *c)
		boundaries += n
		sum.add(*c)
	}
	line("all", 0, boundaries, sum)
	return b.String()
}
