package desired

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/rules"
)

// ignoring returns a file with a single key server, against KM005, and this list of ignores
// from line 2 on.
func ignoring(list string) string {
	return strings.Replace(server("timeout: 7"), "\n", "\nrules: {ignore: ["+list+"]}\n", 1)
}

func TestIgnore(t *testing.T) {
	const warned = "f:7:94: clusters[0].key_managers[0].external.servers: warning: one key server is no redundancy: a node that boots while it is away gets no keys; add a second, or a secondary [KM005]"
	const choices = "KM005, KM014, KM015, KM030, KM031, KM060, KM061"
	for _, c := range []struct{ list, want, why string }{
		{"", warned, "nothing is ignored"},
		{"{id: KM005, reason: spring, until: 2027-01-01}", "", "what is ignored is not told"},
		{"{id: KM015, reason: spring, until: 2027-01-01}", warned, "another rule is"},
		{"{id: KM005, until: 2027-01-01}", "f:2:18: rules.ignore[0].reason: missing: why the rule is ignored, for those who come after", "those who come after want to know"},
		{"{id: KM005, reason: '', until: 2027-01-01}", "f:2:38: rules.ignore[0].reason: must not be empty; leave the key out if there is nothing to say", "and not nothing"},
		{"{id: KM005, reason: spring}", "f:2:18: rules.ignore[0].until: missing: the last day on which it is, such as 2027-01-01", "for ever is too long"},
		{"{id: KM005, reason: spring, until: 1.1.2027}", `f:2:53: rules.ignore[0].until: "1.1.2027" is not a date; write it as 2027-01-01`, "a date has one spelling"},
		{"{id: KM005, reason: spring, until: 2027-02-29}", `f:2:53: rules.ignore[0].until: "2027-02-29" is not a date; write it as 2027-01-01`, "there is no such day"},
		{"{reason: spring, until: 2027-01-01}", "f:2:18: rules.ignore[0].id: missing: the rule to ignore, such as KM005", "which one"},
		{"{id: KM999, reason: spring, until: 2027-01-01}", `f:2:23: rules.ignore[0].id: "KM999" is not a rule; those that can be ignored are ` + choices, "no such rule"},
		{"{id: km005, reason: spring, until: 2027-01-01}", `f:2:23: rules.ignore[0].id: "km005" is not a rule; those that can be ignored are ` + choices, "an id has one spelling"},
		{"{id: KM006, reason: spring, until: 2027-01-01}", "f:2:23: rules.ignore[0].id: KM006 is an error, which cannot be ignored; those that can be are " + choices, "an error stays one"},
		{"{id: KM005, reason: a, until: 2027-01-01}, {id: KM005, reason: b, until: 2028-01-01}", "f:2:61: rules.ignore[1]: KM005 is ignored at line 2 already; write it once", "which day counts"},
		{"{id: KM005, reason: a, untill: 2027-01-01}", "f:2:18: rules.ignore[0].until: missing: the last day on which it is, such as 2027-01-01\n" +
			`f:2:41: rules.ignore[0]: unknown key "untill"; did you mean until?`, "a key that is not known"},
		{"KM005", "f:2:18: rules.ignore[0]: must be a mapping ({key: value}, or {} for none), not a single value", "an id alone has no reason"},
	} {
		state, err := Parse("f", []byte(ignoring(c.list)))
		got := ""
		if err != nil {
			got = err.Error()
		} else if len(state.Warnings) > 0 {
			got = state.Warnings.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.list, c.why, diff)
		}
	}
}

// An ignore holds until its last day is over, wherever the day is read.
func TestExpired(t *testing.T) {
	state, err := Parse("f", []byte(ignoring("{id: KM015, reason: a, until: 2028-02-29}, {id: KM005, reason: spring, until: 2027-01-01}")))
	if err != nil {
		t.Fatal(err)
	}
	east := time.FixedZone("east", 3600)
	const expired = "f:2:96: rules.ignore[1].until: expired: KM005 is no longer ignored; mend what it warns of and remove the entry, or write a later date"
	for _, c := range []struct {
		now     time.Time
		want    string
		ignored []rules.ID
		why     string
	}{
		{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "", []rules.ID{rules.KM015, rules.KM005}, "long before"},
		{time.Date(2027, 1, 1, 23, 59, 59, 0, time.UTC), "", []rules.ID{rules.KM015, rules.KM005}, "the last second of the last day"},
		{time.Date(2027, 1, 2, 0, 59, 59, 0, east), "", []rules.ID{rules.KM015, rules.KM005}, "the same second elsewhere"},
		{time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC), expired, []rules.ID{rules.KM015}, "the day after"},
		{time.Date(2028, 3, 1, 0, 0, 0, 0, time.UTC), "f:2:48: rules.ignore[0].until: expired: KM015 is no longer ignored; mend what it warns of and remove the entry, or write a later date\n" + expired, nil, "the day after the other, a leap day"},
	} {
		got := ""
		if err := state.Expired(c.now); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, diff)
		}
		if got := state.Clusters[0].Ignored(c.now); !slices.Equal(got, c.ignored) {
			t.Errorf("%s: ignored are %v", c.why, got)
		}
	}
}
