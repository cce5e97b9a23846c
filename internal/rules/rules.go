// Package rules is the catalogue of what kmagent checks before it sends anything: each rule
// with an id that never changes its meaning, what it is for, the ONTAP codes that it prevents
// and what to do about it. The rules between the fields and objects of one file are checked
// here too; those that a table can say are checked by package desired, and those that need a
// cluster by package diff, which name the rule by its id. The package reads nothing, asks no
// cluster and decides nothing about what is sent.
package rules

import "slices"

// An ID names a rule, in messages, in the file and on the command line. It is KM and three
// digits, and is never given to another rule.
type ID string

// The rules.
const (
	KM001 ID = "KM001"
	KM002 ID = "KM002"
	KM003 ID = "KM003"
	KM004 ID = "KM004"
	KM005 ID = "KM005"
	KM006 ID = "KM006"
	KM007 ID = "KM007"
	KM008 ID = "KM008"
	KM010 ID = "KM010"
	KM011 ID = "KM011"
	KM012 ID = "KM012"
	KM013 ID = "KM013"
	KM014 ID = "KM014"
	KM015 ID = "KM015"
	KM016 ID = "KM016"
	KM020 ID = "KM020"
	KM021 ID = "KM021"
	KM022 ID = "KM022"
	KM030 ID = "KM030"
	KM031 ID = "KM031"
	KM032 ID = "KM032"
	KM040 ID = "KM040"
	KM041 ID = "KM041"
	KM042 ID = "KM042"
	KM050 ID = "KM050"
	KM051 ID = "KM051"
	KM052 ID = "KM052"
	KM060 ID = "KM060"
	KM061 ID = "KM061"
	KM070 ID = "KM070"
	KM080 ID = "KM080"
)

// A Rule is one thing that is checked.
type Rule struct {
	ID       ID
	Title    string // what is right, in one line
	Severity Severity
	Where    Where
	Codes    []string // the ONTAP error codes that it prevents; none where ONTAP would not object
	Why      string   // what happens without it
	Remedy   string   // what to do
	Example  string   // lines of a file, or of a plan, that show it
}

// Severity says what a breach of a rule does.
type Severity uint8

const (
	// Error keeps the file from being used, or the step from being sent.
	Error Severity = iota
	// Warning is told and stops nothing. A file may ignore it.
	Warning
)

// String returns the word of messages and of the manual.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Where says when a rule is checked.
type Where uint8

// A rule is checked where the file alone tells, in the plan, or in both.
const (
	Offline Where = 1 << iota
	Plan
)

// String returns the words of the manual.
func (w Where) String() string {
	switch w {
	case Offline:
		return "offline"
	case Plan:
		return "in the plan"
	default:
		return "offline and in the plan"
	}
}

// All returns the rules in the order of their ids.
func All() []Rule { return slices.Clone(catalogue[:]) }

// Find returns the rule of that id; ok is false if there is none.
func Find(id ID) (r Rule, ok bool) {
	i := slices.IndexFunc(catalogue[:], func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return catalogue[i], true
}

// Severity returns that of the rule; Error for an id that no rule has.
func (id ID) Severity() Severity {
	r, _ := Find(id)
	return r.Severity
}
