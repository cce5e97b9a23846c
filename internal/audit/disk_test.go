package audit

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"kmagent/internal/disk"
)

// A memory is a disk that fails when it is told to, and can lose power. As on ext4, XFS, btrfs
// and ZFS, changes of names become durable in their order, and with any sync. After a failed
// sync what was to be written looks written, and never will be unless it is written again.
type memory struct {
	mu      sync.Mutex
	names   map[string]*content
	safe    map[string]*content
	pending []func(map[string]*content)
	fail    func(op string) error // nil: nothing fails
	ops     int
	syncs   int
}

type content struct {
	seen, safe []byte
	dirty      []bool
}

func newMemory() *memory {
	return &memory{names: map[string]*content{}, safe: map[string]*content{}}
}

// try counts an operation and says whether it fails.
func (m *memory) try(op string) error {
	m.ops++
	if op == "sync" || op == "sync directory" {
		m.syncs++
	}
	if m.fail == nil {
		return nil
	}
	return m.fail(op)
}

func (m *memory) Where(name string) string { return name }

func (m *memory) List() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.names)), nil
}

func (m *memory) Open(name string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.names[name]
	if c == nil {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(slices.Clone(c.seen))), nil
}

func (m *memory) change(op string, f func(map[string]*content)) error {
	if err := m.try(op); err != nil {
		return err
	}
	f(m.names)
	m.pending = append(m.pending, f)
	return nil
}

func (m *memory) Create(name string) (disk.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] != nil {
		return nil, fs.ErrExist
	}
	c := &content{}
	if err := m.change("create", func(names map[string]*content) { names[name] = c }); err != nil {
		return nil, err
	}
	return &handle{m, c}, nil
}

func (m *memory) Reopen(name string) (disk.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &handle{m, m.names[name]}, m.try("reopen")
}

func (m *memory) Rename(old, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.change("rename", func(names map[string]*content) { names[name] = names[old]; delete(names, old) })
}

func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return fs.ErrNotExist
	}
	return m.change("remove", func(names map[string]*content) { delete(names, name) })
}

func (m *memory) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.try("sync directory"); err != nil {
		return err
	}
	m.settle()
	return nil
}

func (m *memory) settle() {
	for _, f := range m.pending {
		f(m.safe)
	}
	m.pending = nil
}

// lose is the disk after power was lost: some of the changes of names that were not durable,
// the first ones, are there, and of each file some of what was not.
func (m *memory) lose(rnd *rand.Rand) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.pending[:rnd.IntN(len(m.pending)+1)] {
		f(m.safe)
	}
	out := newMemory()
	for _, name := range slices.Sorted(maps.Keys(m.safe)) {
		text := m.safe[name].after(rnd)
		c := &content{slices.Clone(text), text, make([]bool, len(text))}
		out.names[name], out.safe[name] = c, c
	}
	return out
}

// after is what power loss leaves of a file: what is safe, or all, or something in between.
func (c *content) after(rnd *rand.Rand) []byte {
	out := slices.Clone(c.safe)
	written := 0
	for _, d := range c.dirty {
		if d {
			written++
		}
	}
	written = rnd.IntN(written + 1)
	for i := 0; written > 0; i++ {
		if !c.dirty[i] {
			continue
		}
		for len(out) <= i {
			out = append(out, 0)
		}
		out[i] = c.seen[i]
		written--
	}
	if len(c.seen) < len(out) && rnd.IntN(2) == 0 {
		out = out[:len(c.seen)] // a truncation
	}
	return out
}

// put makes a file of that text, all of it durable.
func (m *memory) put(name string, text []byte) {
	c := &content{slices.Clone(text), slices.Clone(text), make([]bool, len(text))}
	m.names[name], m.safe[name] = c, c
}

// clone is another disk with what can be seen of this one.
func (m *memory) clone() *memory {
	out := newMemory()
	for name, c := range m.names {
		out.put(name, c.seen)
	}
	return out
}

// A handle is an open file of a memory.
type handle struct {
	m *memory
	c *content
}

// WriteAt leaves half of what it could not write.
func (h *handle) WriteAt(b []byte, at int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	err := h.m.try("write")
	if err != nil {
		b = b[:len(b)/2]
	}
	for i, x := range b {
		for int64(len(h.c.seen)) <= at+int64(i) {
			h.c.seen, h.c.dirty = append(h.c.seen, 0), append(h.c.dirty, true)
		}
		h.c.seen[at+int64(i)], h.c.dirty[at+int64(i)] = x, true
	}
	return len(b), err
}

func (h *handle) Sync() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.try("sync"); err != nil {
		clear(h.c.dirty)
		return err
	}
	text := make([]byte, len(h.c.seen))
	copy(text, h.c.safe)
	for i, d := range h.c.dirty {
		if d {
			text[i] = h.c.seen[i]
		}
	}
	h.c.safe = text
	clear(h.c.dirty)
	h.m.settle()
	return nil
}

func (h *handle) Truncate(size int64) error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.try("truncate"); err != nil {
		return err
	}
	if int64(len(h.c.seen)) < size {
		return errors.New("truncate makes nothing longer here")
	}
	h.c.seen, h.c.dirty = h.c.seen[:size], h.c.dirty[:size]
	return nil
}

func (h *handle) Close() error { return nil }
