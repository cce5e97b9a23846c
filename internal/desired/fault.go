package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kmagent/internal/resource"
)

// A Fault is one thing that is wrong with the file, and what to do about it.
type Fault struct {
	Pos     resource.Pos
	Path    string // such as clusters[0].key_managers[1].svm; empty where the fault is not of a value
	Message string // one line; names the rule and the remedy
}

// Error returns "file:line:col: path: message".
func (f Fault) Error() string {
	s := f.Pos.String() + ": "
	if f.Path != "" {
		s += f.Path + ": "
	}
	return s + f.Message
}

// maxFaults bounds a report: nobody reads on, and a hostile file has many.
const maxFaults = 1000

// Faults is every fault of a file, in file order. Of a file with more than 1,000 it is the
// first 1,000 and one that counts the others.
type Faults []Fault

// Error returns one line for each fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// A faultLog collects the faults of one file in any order.
type faultLog struct {
	file string
	all  Faults
}

func (l *faultLog) fault(at resource.Pos, path, format string, args ...any) {
	l.all = append(l.all, Fault{at, path, fmt.Sprintf(format, args...)})
}

// pos returns a place in the file.
func (l *faultLog) pos(line, col int) resource.Pos {
	return resource.Pos{File: l.file, Line: line, Col: col}
}

// faults returns the collected faults as an error, or an untyped nil.
func (l *faultLog) faults() error {
	if len(l.all) == 0 {
		return nil
	}
	slices.SortFunc(l.all, func(a, b Fault) int {
		return cmp.Or(
			comparePos(a.Pos, b.Pos),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message),
		)
	})
	all := slices.Compact(l.all) // an alias repeats the faults of its anchor
	if len(all) > maxFaults {
		more := Fault{Pos: all[maxFaults].Pos, Message: fmt.Sprintf("and %d more faults", len(all)-maxFaults)}
		all = append(all[:maxFaults:maxFaults], more)
	}
	return all
}

// comparePos orders places of one file.
func comparePos(a, b resource.Pos) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}

// maxQuote bounds what a message repeats of the file, in bytes.
const maxQuote = 64

// quote returns s in quotes, without control characters, cut to maxQuote bytes.
func quote(s string) string {
	if len(s) <= maxQuote {
		return strconv.Quote(s)
	}
	cut := maxQuote
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "…"
}
