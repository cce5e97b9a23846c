package state

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"slices"
	"syscall"

	"kmagent/internal/disk"
)

// A volatile is a directory that can lose power, and fails when it is told to. Each change is
// a mark until it is made durable: of a file's content by the file's sync, of names by that
// of the directory, and by nothing else. When power goes, of the marks that are left any may
// survive, in whatever order they were made: a rename without the data, too. A sync that fails
// drops what it was to write: it can be read and never will be on disk.
type volatile struct {
	names map[string]*inode // as they can be read
	safe  map[string]*inode // as they are on disk
	marks []mark
	fail  map[int]bool // by number of the operation
	ops   int
	watch func() // before each operation; nil: nobody does
}

type inode struct{ seen, safe []byte }

// A mark is a change that is not durable yet: of a file, or else of names.
type mark struct {
	file  *inode
	apply func() // makes it durable
	half  func() // makes half of it durable; nil: it is whole or not at all
}

func newVolatile() *volatile {
	return &volatile{names: map[string]*inode{}, safe: map[string]*inode{}, fail: map[int]bool{}}
}

// op counts an operation, and says whether it fails.
func (v *volatile) op() error {
	if v.watch != nil {
		v.watch()
	}
	v.ops++
	if v.fail[v.ops] {
		return syscall.EIO
	}
	return nil
}

func (v *volatile) Where(name string) string { return name }

func (v *volatile) List() ([]string, error) { return slices.Collect(maps.Keys(v.names)), nil }

func (v *volatile) Open(name string) (io.ReadCloser, error) {
	if v.names[name] == nil {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(slices.Clone(v.names[name].seen))), nil
}

func (v *volatile) change(f func(names map[string]*inode)) error {
	if err := v.op(); err != nil {
		return err
	}
	f(v.names)
	v.marks = append(v.marks, mark{apply: func() { f(v.safe) }})
	return nil
}

func (v *volatile) Create(name string) (disk.File, error) {
	if v.names[name] != nil {
		return nil, fs.ErrExist
	}
	i := &inode{}
	return &opened{v, i}, v.change(func(names map[string]*inode) { names[name] = i })
}

func (v *volatile) Reopen(name string) (disk.File, error) {
	if v.names[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &opened{v, v.names[name]}, nil
}

func (v *volatile) Rename(old, name string) error {
	i := v.names[old]
	return v.change(func(names map[string]*inode) { delete(names, old); names[name] = i })
}

func (v *volatile) Remove(name string) error {
	if v.names[name] == nil {
		return fs.ErrNotExist
	}
	return v.change(func(names map[string]*inode) { delete(names, name) })
}

func (v *volatile) Sync() error { return v.settle(nil) }

// settle makes durable what was done to a file, or to names.
func (v *volatile) settle(of *inode) error {
	err := v.op()
	for _, m := range v.marks {
		if m.file == of && err == nil {
			m.apply()
		}
	}
	if err == nil || of != nil { // names are tried again with the next sync
		v.marks = slices.DeleteFunc(v.marks, func(m mark) bool { return m.file == of })
	}
	return err
}

// An opened is a file of a volatile that is open for writing.
type opened struct {
	v *volatile
	i *inode
}

// WriteAt leaves half of what it could not write.
func (o *opened) WriteAt(b []byte, at int64) (int, error) {
	err := o.v.op()
	if err != nil {
		b = b[:len(b)/2]
	}
	text := slices.Clone(b)
	put := func(b []byte) func() { return func() { o.i.safe = patched(o.i.safe, b, at) } }
	o.i.seen = patched(o.i.seen, text, at)
	o.v.marks = append(o.v.marks, mark{o.i, put(text), put(text[:len(text)/2])})
	return len(b), err
}

// patched is a text with another one put into it; what lies between is zeros.
func patched(text, b []byte, at int64) []byte {
	out := slices.Clone(text)
	for int64(len(out)) < at+int64(len(b)) {
		out = append(out, 0)
	}
	copy(out[at:], b)
	return out
}

func (o *opened) Sync() error { return o.v.settle(o.i) }

func (o *opened) Truncate(size int64) error {
	if err := o.v.op(); err != nil {
		return err
	}
	cut := func(text []byte) []byte { return text[:min(size, int64(len(text)))] }
	o.i.seen = cut(o.i.seen)
	o.v.marks = append(o.v.marks, mark{file: o.i, apply: func() { o.i.safe = cut(o.i.safe) }})
	return nil
}

func (o *opened) Close() error { return nil }

// outages are the directories that may be found when power was lost now: with nothing of what
// was not durable, with all of it, with each single change, and with half of each.
func (v *volatile) outages() []*volatile {
	out := []*volatile{v.after(), v.after(v.applies()...)}
	for _, m := range v.marks {
		out = append(out, v.after(m.apply))
		if m.half != nil {
			out = append(out, v.after(m.half))
		}
	}
	return out
}

func (v *volatile) applies() []func() {
	var out []func()
	for _, m := range v.marks {
		out = append(out, m.apply)
	}
	return out
}

// after is the directory after an outage that these changes survived.
func (v *volatile) after(changes ...func()) *volatile {
	names := maps.Clone(v.safe)
	texts := map[*inode][]byte{}
	remember := func(i *inode) { texts[i] = i.safe }
	for _, m := range v.marks {
		if m.file != nil {
			remember(m.file)
		}
	}
	for _, i := range v.names {
		remember(i)
	}
	for _, f := range changes {
		f()
	}
	out := newVolatile()
	for name, i := range v.safe {
		c := &inode{slices.Clone(i.safe), slices.Clone(i.safe)}
		out.names[name], out.safe[name] = c, c
	}
	v.safe = names
	for i, text := range texts {
		i.safe = text
	}
	return out
}
