package ontap

import (
	"encoding/json"
	"slices"
	"sync"
)

// What is kept of collections: a cluster has about ten, and the largest 7 MB.
const (
	maxKept      = 32
	maxKeptBytes = 64 << 20
)

// A memory keeps the last answers of collections, so that equal ones need not be taken apart
// again. What has not been asked for the longest goes first.
type memory struct {
	mu    sync.Mutex
	known []entry // the latest last
}

type entry struct {
	key string
	listing
}

// A listing is a collection as it was read. It is not changed afterwards.
type listing struct {
	pages   []*page
	records []json.RawMessage
}

func (l listing) size() (n int) {
	for _, p := range l.pages {
		n += len(p.body)
	}
	return n
}

// recall returns what is kept; the zero listing is nothing.
func (m *memory) recall(key string) listing {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.find(key)
	if i < 0 {
		return listing{}
	}
	e := m.known[i]
	m.known = append(slices.Delete(m.known, i, i+1), e)
	return e.listing
}

func (m *memory) keep(key string, l listing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.find(key); i >= 0 {
		m.known = slices.Delete(m.known, i, i+1)
	}
	m.known = append(m.known, entry{key, l})
	for len(m.known) > maxKept || m.size() > maxKeptBytes {
		m.known = slices.Delete(m.known, 0, 1)
	}
}

func (m *memory) find(key string) int {
	return slices.IndexFunc(m.known, func(e entry) bool { return e.key == key })
}

func (m *memory) size() (n int) {
	for _, e := range m.known {
		n += e.size()
	}
	return n
}
