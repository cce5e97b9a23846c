package state

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kmagent/internal/disk"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// compactAfter is how many records a journal takes on before it is written anew as one.
const compactAfter = 4096

// maxJournal bounds what is read of a journal, far above what compaction lets it grow to.
const maxJournal = 256 << 20

// A Book is the journal of one cluster, open for writing, and the ledger that it adds up
// to. It belongs to one goroutine. Once a write failed, every later one fails too, since
// nobody knows what is on disk then, until [Book.Renew] has made another file.
type Book struct {
	cluster string
	dir     disk.Writer
	name    string // of its file in dir
	f       disk.File
	size    int64  // of the whole records in f
	doubt   []byte // the last of them, while it may be in the kernel's memory alone
	led     plan.Ledger
	seq     uint64
	begun   uint64 // number of the newest begin
	records int
	failed  error
}

// Book opens the journal of a cluster and replays it, or begins one where there is none. A
// last line that a crash cut short is dropped; other damage is [ErrCorrupt], and nothing is
// written then.
func (s *Store) Book(cluster string) (*Book, error) {
	sent, err := s.highWater(cluster)
	if err != nil {
		return nil, err
	}
	return bookIn(disk.Dir(journals(s.dir)), cluster, sent)
}

// bookIn opens a journal in a directory; sent is the highest number of an operation that is
// known to have been sent.
func bookIn(d disk.Writer, cluster string, sent uint64) (*Book, error) {
	b := &Book{cluster: cluster, dir: d, name: cluster + suffix}
	err := b.open()
	if errors.Is(err, fs.ErrNotExist) {
		b.seq = sent // a number that was given is not given again
		err = b.compact()
	}
	if err == nil && b.seq < sent {
		err = errors.Join(fmt.Errorf("%w (it ends at %d, and operation %d was sent)", ErrRolledBack, b.seq, sent), b.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Where(b.name), err)
	}
	return b, nil
}

func (s *Store) highWater(cluster string) (uint64, error) {
	if s.HighWater == nil {
		return 0, nil
	}
	return s.HighWater(cluster)
}

// Clusters lists the clusters that a state directory has journals of, in order.
func Clusters(dir string) ([]string, error) {
	names, err := disk.Dir(journals(dir)).List()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		if cluster, ok := strings.CutSuffix(name, suffix); ok {
			out = append(out, cluster)
		}
	}
	return out, nil
}

// suffix ends the name of a journal.
const suffix = ".journal"

// journals is where the journals of a state directory are.
func journals(dir string) string { return filepath.Join(dir, "clusters") }

// Read returns what is remembered of a cluster, beside whoever writes to it. A directory or
// journal that is not there is an empty ledger.
func Read(dir, cluster string) (plan.Ledger, error) {
	led, err := read(disk.Dir(journals(dir)), cluster)
	if errors.Is(err, fs.ErrNotExist) {
		return plan.Ledger{}, nil
	}
	return led, err
}

func read(d disk.Reader, cluster string) (plan.Ledger, error) {
	text, err := readAll(d, cluster+suffix)
	if err != nil {
		return plan.Ledger{}, err
	}
	r, err := replay(cluster, text)
	if err != nil {
		return plan.Ledger{}, fmt.Errorf("%s: %w", d.Where(cluster+suffix), err)
	}
	return r.led, nil
}

// open replays a journal that is there and makes it ready for the next record. A journal is
// born by a rename, whole, so one without a whole record is damaged and not new.
func (b *Book) open() error {
	text, err := readAll(b.dir, b.name)
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	r, err := replay(b.cluster, text)
	if err != nil {
		return err
	}
	f, err := b.dir.Reopen(b.name)
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	if r.whole < len(text) {
		if err := f.Truncate(int64(r.whole)); err != nil {
			return errors.Join(fmt.Errorf("cut torn record: %w", err), f.Close())
		}
	}
	b.f, b.led, b.seq, b.records = f, r.led, r.seq, r.records
	b.size, b.doubt = int64(r.whole), r.last
	return nil
}

// Ledger returns what is remembered now. The caller must not change it, and must not use it
// after the next write.
func (b *Book) Ledger() plan.Ledger { return b.led }

// Pin remembers which cluster the endpoint belongs to.
func (b *Book) Pin(uuid string, at time.Time) error {
	return b.write(record{At: at, Pin: uuid})
}

// See remembers under which ids objects are there.
func (b *Book) See(list []plan.Sighting, at time.Time) error {
	if len(list) == 0 {
		return nil
	}
	r := record{At: at}
	for _, s := range list {
		r.Seen = append(r.Seen, sighting{addressOf(s.Addr), s.ID})
	}
	return b.write(r)
}

// Adopt remembers what was found in place.
func (b *Book) Adopt(list []plan.Adoption, at time.Time) error {
	if len(list) == 0 {
		return nil
	}
	r := record{At: at}
	for _, a := range list {
		r.Adopt = append(r.Adopt, adoption{addressOf(a.Addr), a.Field, a.Digest, a.Nodes})
	}
	return b.write(r)
}

// NoteSlots makes it durable what a look made of schedules.
func (b *Book) NoteSlots(list []plan.SlotNote, at time.Time) error {
	if len(list) == 0 {
		return nil
	}
	r := record{At: at}
	for _, n := range list {
		r.Slots = append(r.Slots, slotNote{addressOf(n.Addr), n.Action, n.Line, n.Records, n.State, n.Keys, n.KeysAt, n.Mended, n.Verified, n.Flaw})
	}
	return b.write(r)
}

// Begin makes it durable that an operation is about to set out, and returns its id. No
// request of it may leave if Begin fails.
func (b *Book) Begin(o plan.Operation) (id string, err error) {
	r := operationOf(o)
	r.ID, r.At = "", time.Time{} // the record's
	if err := b.write(record{At: o.At, Begin: &r}); err != nil {
		return "", err
	}
	return strconv.FormatUint(b.begun, 10), nil
}

// Sending says that a request of an operation is about to leave. The journal knows that by the
// begin of the operation already; there may be others who want to know each request.
func (b *Book) Sending(string, plan.Sending) error { return b.failed }

// Accept makes it durable that the cluster has taken an operation on as a job.
func (b *Book) Accept(id, job string, at time.Time) error {
	return b.write(record{At: at, Accept: &accept{id, job}})
}

// End makes it durable what came of an operation.
func (b *Book) End(id string, e plan.End) error {
	return b.write(record{At: e.At, End: &end{id, e.Outcome.String(), e.Secrets, e.Code, e.Why, e.Job, e.Backup}})
}

// Renew makes a book that failed take records again. All that is remembered, which is what
// was acknowledged and nothing else, is written into a new file: the kernel may have dropped
// what it held of the old one, and a second sync would not tell. It does nothing to a book
// that has not failed; one that cannot be renewed stays as it is.
func (b *Book) Renew() error {
	if b.failed == nil {
		return nil
	}
	return b.compact()
}

// Close closes the journal.
func (b *Book) Close() error { return b.f.Close() }

func (b *Book) write(r record) error {
	if b.failed != nil {
		return b.failed
	}
	r.Seq, r.At = b.seq+1, r.At.Round(0).UTC()
	line, err := r.line()
	if err == nil {
		err = b.append(line)
	}
	if err != nil {
		b.failed = fmt.Errorf("write journal: %w", err)
		return b.failed
	}
	b.seq++
	b.records++
	if r.Begin != nil {
		b.begun = b.seq
	}
	note(b.cluster, &b.led, r)
	if b.records >= compactAfter {
		return b.compact()
	}
	return nil
}

// append adds a line. The last one that was found when the journal was opened is written once
// more along with it, and its name made sure of: if a sync failed before, or another process
// was killed before it, they can be read and are not on disk, and never would be.
func (b *Book) append(line []byte) error {
	text := slices.Concat(b.doubt, line)
	if _, err := b.f.WriteAt(text, b.size-int64(len(b.doubt))); err != nil {
		return err
	}
	err := b.f.Sync()
	if err == nil && b.doubt != nil {
		err = b.dir.Sync()
	}
	if err != nil {
		return err
	}
	b.size += int64(len(line))
	b.doubt = nil
	return nil
}

// compact writes the journal anew as one record, beside the old one, and puts it in its
// place. A crash leaves the one or the other.
func (b *Book) compact() error {
	r := record{Seq: b.seq + 1, At: time.Now().UTC(), Start: startOf(b.led)}
	line, err := r.line()
	var f disk.File
	if err == nil {
		f, err = disk.Replace(b.dir, b.name, line)
	}
	if err != nil {
		b.failed = fmt.Errorf("compact journal: %w", err)
		return b.failed
	}
	if b.f != nil {
		b.f.Close() // what it would complain about has been replaced
	}
	b.f, b.size, b.doubt, b.failed = f, int64(len(line)), nil, nil
	b.seq, b.records = r.Seq, 1
	if b.led.Objects == nil {
		b.led.Objects = map[resource.Addr]plan.Remembered{}
	}
	return nil
}
