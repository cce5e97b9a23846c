package plan_test

import (
	"testing"

	"kmagent/internal/plan"
)

// A file that has lost more than half of what the last one had is not taken for meant.
func TestShrunk(t *testing.T) {
	of := func(pairs map[string]plan.Extent) plan.Baseline { return plan.Baseline{Clusters: pairs} }
	both := of(map[string]plan.Extent{"a": {4, 8}, "b": {4, 8}})
	for _, tt := range []struct {
		name  string
		old   plan.Baseline
		next  plan.Baseline
		names []string
		want  string
		why   string
	}{
		{"first contact", plan.Baseline{}, both, nil, "", "there is nothing to lose"},
		{"the same", both, both, nil, "", ""},
		{"half", both, of(map[string]plan.Extent{"a": {2, 4}, "b": {2, 4}}), nil, "", "half is not more than half"},
		{"more than half of one", both, of(map[string]plan.Extent{"a": {1, 8}, "b": {4, 8}}), nil, "of a 1 of 4 objects are left", "another cluster does not make up for it"},
		{"servers", both, of(map[string]plan.Extent{"a": {4, 8}, "b": {4, 3}}), nil, "of b 3 of 8 key servers are left", "a list that was cut short"},
		{"a cluster left", both, of(map[string]plan.Extent{"a": {4, 8}}), nil, "", "it is let alone, and half is left"},
		{"most clusters left", of(map[string]plan.Extent{"a": {2, 4}, "b": {2, 4}, "c": {2, 4}}), of(map[string]plan.Extent{"a": {2, 4}}), nil, "2 of 6 objects are left", "a directory that was half written"},
		{"one that was not asked for", both, of(map[string]plan.Extent{"a": {4, 8}, "b": {0, 0}}), []string{"a"}, "", "only what is looked after counts"},
		{"one server is gone of two", of(map[string]plan.Extent{"a": {1, 2}}), of(map[string]plan.Extent{"a": {1, 1}}), nil, "", "everyday work"},
	} {
		if got, shrunk := tt.old.Shrunk(tt.next, tt.names); got != tt.want || shrunk != (tt.want != "") {
			t.Errorf("%s: %q, want %q: %s", tt.name, got, tt.want, tt.why)
		}
	}
}
