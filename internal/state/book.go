package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// compactAfter is how many records a journal takes on before it is written anew as one.
const compactAfter = 4096

// maxJournal bounds what is read of a journal, far above what compaction lets it grow to.
const maxJournal = 256 << 20

// A Book is the journal of one cluster, open for writing, and the ledger that it adds up
// to. It belongs to one goroutine. Once a write failed, every later one fails too: what is
// on disk is then unknown, and a restart reads it.
type Book struct {
	cluster string
	path    string
	f       *os.File
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
	b := &Book{cluster: cluster, path: journal(s.dir, cluster)}
	err = b.open()
	if errors.Is(err, fs.ErrNotExist) {
		b.seq = sent // a number that was given is not given again
		err = b.compact()
	}
	if err == nil && b.seq < sent {
		err = errors.Join(fmt.Errorf("%w (it ends at %d, and operation %d was sent)", ErrRolledBack, b.seq, sent), b.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.path, err)
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
	entries, err := os.ReadDir(filepath.Join(dir, "clusters"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok {
			out = append(out, name)
		}
	}
	return out, nil
}

// suffix ends the name of a journal.
const suffix = ".journal"

func journal(dir, cluster string) string {
	return filepath.Join(dir, "clusters", cluster+suffix)
}

// Read returns what is remembered of a cluster, beside whoever writes to it. A directory or
// journal that is not there is an empty ledger.
func Read(dir, cluster string) (plan.Ledger, error) {
	path := journal(dir, cluster)
	text, err := readAll(path)
	if errors.Is(err, fs.ErrNotExist) {
		return plan.Ledger{}, nil
	}
	if err != nil {
		return plan.Ledger{}, err
	}
	led, _, _, err := replay(cluster, text)
	if err != nil {
		return plan.Ledger{}, fmt.Errorf("%s: %w", path, err)
	}
	return led, nil
}

func readAll(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxJournal {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorrupt, info.Size())
	}
	return os.ReadFile(path)
}

// open replays a journal that is there and makes it ready for the next record. A journal is
// born by a rename, whole, so one without a whole record is damaged and not new.
func (b *Book) open() error {
	f, err := os.OpenFile(b.path, os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	if err := b.load(f); err != nil {
		return errors.Join(err, f.Close())
	}
	b.f = f
	return nil
}

func (b *Book) load(f *os.File) error {
	text, err := readAll(b.path)
	if err != nil {
		return err
	}
	led, last, whole, err := replay(b.cluster, text)
	if err != nil {
		return err
	}
	if whole < len(text) {
		if err := f.Truncate(int64(whole)); err != nil {
			return fmt.Errorf("cut torn record: %w", err)
		}
	}
	b.led, b.seq = led, last.Seq
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
		r.Slots = append(r.Slots, slotNote{addressOf(n.Addr), n.Action, n.Line, n.Records, n.State})
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

// Close closes the journal.
func (b *Book) Close() error { return b.f.Close() }

func (b *Book) write(r record) error {
	if b.failed != nil {
		return b.failed
	}
	r.Seq, r.At = b.seq+1, r.At.Round(0).UTC()
	line, err := r.line()
	if err == nil {
		_, err = b.f.Write(line)
	}
	if err == nil {
		err = b.f.Sync()
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

// compact writes the journal anew as one record, beside the old one, and puts it in its
// place. A crash leaves the one or the other.
func (b *Book) compact() error {
	r := record{Seq: b.seq + 1, At: time.Now().UTC(), Start: startOf(b.led)}
	line, err := r.line()
	if err == nil {
		err = writeFile(b.path, line)
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(b.path, os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	}
	if err != nil {
		b.failed = fmt.Errorf("compact journal: %w", err)
		return b.failed
	}
	if b.f != nil {
		b.f.Close() // what it would complain about has been replaced
	}
	b.f, b.seq, b.records = f, r.Seq, 1
	if b.led.Objects == nil {
		b.led.Objects = map[resource.Addr]plan.Remembered{}
	}
	return nil
}
