package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kmagent/internal/resource"
	"kmagent/internal/rules"
)

// A Fault is one thing that is wrong with the file, and what to do about it; or, where it
// breaks a rule that only warns, one that is doubtful.
type Fault struct {
	Pos     resource.Pos
	Path    string   // such as clusters[0].key_managers[1].svm; empty where the fault is not of a value
	Message string   // one line; names the rule and the remedy
	Rule    rules.ID // the rule that is broken; empty where it is the form of the file
}

// Error returns "file:line:col: path: message [KM006]", with "warning: " before the message
// of a warning.
func (f Fault) Error() string {
	s := f.Pos.String() + ": "
	if f.Path != "" {
		s += f.Path + ": "
	}
	if f.warns() {
		s += "warning: "
	}
	s += f.Message
	if f.Rule != "" {
		s += " [" + string(f.Rule) + "]"
	}
	return s
}

func (f Fault) warns() bool { return f.Rule != "" && f.Rule.Severity() == rules.Warning }

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
	all  Faults // warnings among them
}

func (l *faultLog) add(f Fault) { l.all = append(l.all, f) }

func (l *faultLog) fault(at resource.Pos, path, format string, args ...any) {
	l.add(Fault{Pos: at, Path: path, Message: fmt.Sprintf(format, args...)})
}

// pos returns a place in the file.
func (l *faultLog) pos(line, col int) resource.Pos {
	return resource.Pos{File: l.file, Line: line, Col: col}
}

// faults returns the collected faults as an error, or an untyped nil.
func (l *faultLog) faults() error {
	if faults := l.report(func(f Fault) bool { return !f.warns() }); len(faults) > 0 {
		return faults
	}
	return nil
}

// report returns the collected faults that count, in file order.
func (l *faultLog) report(counts func(Fault) bool) Faults {
	all := slices.DeleteFunc(slices.Clone(l.all), func(f Fault) bool { return !counts(f) })
	slices.SortFunc(all, func(a, b Fault) int {
		return cmp.Or(
			comparePos(a.Pos, b.Pos),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message),
		)
	})
	all = slices.Compact(all) // an alias repeats the faults of its anchor
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
