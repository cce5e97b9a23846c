package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"time"

	"kmagent/internal/disk"
)

// A Report is what [Verify] found.
type Report struct {
	Entries     uint64 // those of the chain, up to the damage if there is one
	Segments    int    // files that have some of them
	First, Last time.Time
	Sum         string  // that of the last entry
	Torn        bool    // behind it stands a line without its end: a write under way, or cut short by a crash
	Damage      *Damage // the first one
}

// OK says whether the chain is whole.
func (r Report) OK() bool { return r.Damage == nil }

// A Damage is what is wrong with a log, and where. It is an [ErrBroken].
type Damage struct {
	File   string
	Line   int   // from 1
	Offset int64 // of the line's first byte in the file
	What   string
	Remedy string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("%s:%d: %s (byte %d); %s", d.File, d.Line, d.What, d.Offset, d.Remedy)
}

func (d *Damage) Unwrap() error { return ErrBroken }

const remedy = "stop kmagent and keep a copy of the directory; then put the file back from a backup, or run kmagent audit recover"

// Verify checks the log of a state directory, beside whoever writes to it, in memory that
// does not grow with it. An error is one of reading, and [fs.ErrNotExist] if there is no log
// yet; damage is in the report.
func Verify(dir string) (Report, error) {
	return verify(disk.Dir(filepath.Join(dir, subdir)))
}

func verify(r disk.Reader) (Report, error) {
	s, err := scan(r, nil)
	return s.Report, err
}

// Read hands the entries of a state directory's log to f, the oldest first, each checked. It
// ends at the first damage with that as its error, or with the error of f. [fs.ErrNotExist]
// says that there is no log yet.
func Read(dir string, f func(Entry) error) error {
	return read(disk.Dir(filepath.Join(dir, subdir)), f)
}

func read(r disk.Reader, f func(Entry) error) error {
	s, err := scan(r, f)
	if err == nil && s.Damage != nil {
		return s.Damage
	}
	return err
}

// A survey is a walk along the chain, and then what it found.
type survey struct {
	Report
	disk  disk.Reader
	visit func(Entry) error
	buf   *bufio.Reader

	head    mark
	noHead  error // why head says nothing
	headed  bool  // the chain has the entry that head names
	numbers []int // of the segments
	stray   bool  // behind the newest segment is one without a whole line

	segment int   // the newest, or where the walk is
	lines   int   // of it
	size    int64 // bytes of its lines
	void    int64 // where the segment before was given up; 0 if it was not
	last    mark
	line    []byte // that of last
}

// scan walks along a log and hands each entry to visit, if there is one. It returns an error
// where it could not read; damage is in the report.
func scan(r disk.Reader, visit func(Entry) error) (*survey, error) {
	s := &survey{disk: r, visit: visit, buf: bufio.NewReaderSize(nil, maxLine), last: mark{Sum: zeros}}
	err := s.look()
	for i, n := range s.numbers {
		if err != nil {
			break
		}
		if n != i+1 {
			err = &Damage{s.disk.Where(segmentName(i + 1)), 1, 0, "it is missing", remedy}
			break
		}
		err = s.walk(n, i == len(s.numbers)-1)
	}
	if err == nil {
		err = s.compare()
	}
	s.Entries, s.Sum = s.last.Seq, s.last.Sum
	if d, ok := errors.AsType[*Damage](err); ok {
		s.Damage = d
		return s, nil
	}
	return s, err
}

// look finds out what there is to read. The head comes first: whatever it names is then in
// the segments, whoever writes meanwhile.
func (s *survey) look() error {
	s.head, s.noHead = readHead(s.disk)
	names, err := s.disk.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(name, "audit-%d.jsonl", &n); err == nil && n > 0 && name == segmentName(n) {
			s.numbers = append(s.numbers, n)
		}
	}
	slices.Sort(s.numbers)
	if errors.Is(s.noHead, fs.ErrNotExist) {
		if len(s.numbers) == 0 {
			return s.noHead
		}
		s.head, s.noHead = readHead(s.disk) // unless it came since
	}
	if s.noHead != nil && !errors.Is(s.noHead, fs.ErrNotExist) && !errors.Is(s.noHead, errNoHead) {
		return s.noHead
	}
	if n := len(s.numbers); n > 0 {
		_, err := s.firstLine(s.numbers[n-1])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, fs.ErrNotExist): // the writer has just taken it back
			s.stray = errors.Is(err, io.EOF)
			s.numbers = s.numbers[:n-1]
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
	return nil
}

// firstLine returns the first line of a segment, with its line feed, until buf is used
// again. The error is io.EOF if it has none, and that of bufio if it is too long.
func (s *survey) firstLine(n int) ([]byte, error) {
	f, err := s.disk.Open(segmentName(n))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s.buf.Reset(f)
	return s.buf.ReadSlice('\n')
}

// walk goes along one segment.
func (s *survey) walk(n int, newest bool) error {
	limit := int64(math.MaxInt64)
	if !newest {
		// A damaged first line is found when the walk gets there.
		if line, err := s.firstLine(n + 1); err == nil {
			if e, err := decode(line[:len(line)-1]); err == nil && e.VoidAfter > 0 {
				limit = e.VoidAfter
			}
		}
	}
	s.segment, s.lines, s.size = n, 0, 0
	f, err := s.disk.Open(segmentName(n))
	if errors.Is(err, fs.ErrNotExist) {
		return s.damage("it is missing")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s.buf.Reset(io.LimitReader(f, limit))
	if err := s.walkLines(newest); err != nil {
		return err
	}
	s.void = 0
	if limit != math.MaxInt64 {
		s.void = limit
	}
	switch {
	case s.lines == 0:
		return s.damage("it has no entry")
	case s.void > s.size:
		return s.damage(fmt.Sprintf("it ends here, and the segment after it counts on %d bytes", s.void))
	}
	s.Segments++
	return nil
}

func (s *survey) walkLines(newest bool) error {
	for {
		line, err := s.buf.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case errors.Is(err, io.EOF) && newest:
			s.Torn = true
			return nil
		case errors.Is(err, io.EOF):
			return s.damage("the line has no end")
		case errors.Is(err, bufio.ErrBufferFull):
			return s.damage("the line is longer than any entry")
		case err != nil:
			return fmt.Errorf("read %s: %w", s.disk.Where(segmentName(s.segment)), err)
		}
		if err := s.take(line); err != nil {
			return err
		}
	}
}

// take checks the next line of the chain.
func (s *survey) take(line []byte) error {
	e, err := decode(line[:len(line)-1])
	if err != nil {
		return s.damage(err.Error())
	}
	void := int64(0)
	if s.lines == 0 {
		void = s.void
	}
	switch {
	case e.Seq != s.last.Seq+1:
		return s.damage(fmt.Sprintf("entry %d follows entry %d", e.Seq, s.last.Seq))
	case e.Prev != s.last.Sum:
		return s.damage(fmt.Sprintf("it does not continue entry %d as that is now", s.last.Seq))
	case e.VoidAfter != void:
		return s.damage("it declares void what it has no say in")
	}
	if e.Seq == 1 {
		s.First = e.Time
	}
	s.Last = e.Time
	s.last = mark{e.Seq, e.Sum}
	s.headed = s.headed || s.last == s.head
	s.line = append(s.line[:0], line...)
	s.lines++
	s.size += int64(len(line))
	if s.visit == nil {
		return nil
	}
	e.line = slices.Clone(line[:len(line)-1])
	return s.visit(e)
}

// damage is one of the line that comes next.
func (s *survey) damage(what string) error {
	return &Damage{s.disk.Where(segmentName(s.segment)), s.lines + 1, s.size, what, remedy}
}

// compare holds the end of the chain against the head: the one of before the walk must be in
// it, and the one of now must not be behind by more than a crash leaves.
func (s *survey) compare() error {
	wrong := func(what string) error { return &Damage{s.disk.Where(headName), 1, 0, what, remedy} }
	switch {
	case errors.Is(s.noHead, fs.ErrNotExist):
		return wrong("it is missing, and there are entries")
	case s.noHead != nil:
		return wrong(s.noHead.Error())
	case s.head.Seq > s.last.Seq:
		return s.short()
	case s.head.Seq > 0 && !s.headed:
		return wrong(fmt.Sprintf("it names another entry %d than there is", s.head.Seq))
	case s.last.Seq <= s.head.Seq+1:
		return nil
	}
	now, err := readHead(s.disk)
	if err != nil {
		return err
	}
	if s.last.Seq > now.Seq+1 {
		return wrong(fmt.Sprintf("it names entry %d, and there are entries up to %d: it is older than a crash can leave it", now.Seq, s.last.Seq))
	}
	return nil
}

// short tells what is missing of a chain that ends before the entry that the head names.
func (s *survey) short() error {
	switch {
	case s.stray:
		s.segment, s.lines, s.size = s.segment+1, 0, 0
		fallthrough
	case s.Torn:
		return s.damage(fmt.Sprintf("the line has no end, and the head says that entry %d was whole", s.head.Seq))
	}
	s.segment = max(s.segment, 1)
	return s.damage(fmt.Sprintf("the log ends at entry %d, and the head names entry %d", s.last.Seq, s.head.Seq))
}

// segmentName is the file of segment n.
func segmentName(n int) string { return fmt.Sprintf("audit-%08d.jsonl", n) }
