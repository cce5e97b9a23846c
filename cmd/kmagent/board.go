package main

import (
	"fmt"
	"sync"

	"kmagent/internal/metrics"
)

// A board is what systemctl status shows in one line: how the clusters are.
type board struct {
	show func(string) // told when the line changes

	mu       sync.Mutex
	revision string
	bad      string // why the newest file is not in use
	results  map[string]metrics.Result
	shown    string
}

// pass notes what came of a pass.
func (b *board) pass(cluster string, r metrics.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.results[cluster]; known {
		b.results[cluster] = r
		b.refresh()
	}
}

// load notes what came of a look at the file: the clusters it has, and a problem if it
// cannot be used.
func (b *board) load(revision string, clusters []string, problem string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revision, b.bad = revision, problem
	old := b.results
	b.results = make(map[string]metrics.Result, len(clusters))
	for _, c := range clusters {
		b.results[c] = old[c]
	}
	b.refresh()
}

func (b *board) refresh() {
	count := map[metrics.Result]int{}
	for _, r := range b.results {
		count[r]++
	}
	line := fmt.Sprintf("%d clusters: %d in sync, %d changed, %d held, %d observed, %d failing; revision %.12s", len(b.results),
		count[metrics.InSync], count[metrics.Applied], count[metrics.Blocked], count[metrics.Planned], count[metrics.Failed], b.revision)
	if b.bad != "" {
		line += "; the newest file is not in use, and writes rest"
	}
	if line != b.shown {
		b.shown = line
		b.show(line)
	}
}
