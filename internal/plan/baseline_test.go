package plan_test

import (
	"testing"

	"kmagent/internal/plan"
)

// A file that has lost more than half of what the last one had is not taken for meant.
func TestShrunk(t *testing.T) {
	type extents = map[string]plan.Extent
	of := func(clusters extents) plan.Baseline { return plan.Baseline{Clusters: clusters} }
	three := plan.Extent{"x": 2, "y": 2, "z": 0}
	for _, tt := range []struct {
		name  string
		old   extents
		next  extents
		names []string
		want  string
		why   string
	}{
		{"first contact", nil, extents{"a": three}, nil, "", "there is nothing to lose"},
		{"the same", extents{"a": three}, extents{"a": three}, nil, "", ""},
		{"half", extents{"a": {"x": 2, "y": 2}}, extents{"a": {"x": 2}}, nil, "", "half is not more than half"},
		{"more than half", extents{"a": three}, extents{"a": {"x": 2}}, nil, "of a 1 of 3 objects are left", "it was cut off"},
		{"one of two, and another", extents{"a": {"x": 2, "y": 2}}, extents{"a": {"v": 2}}, nil, "", "two are too few to tell a mishap from an edit"},
		{"others in their place", extents{"a": three}, extents{"a": {"x": 2, "v": 2, "w": 2}}, nil, "of a 1 of 3 objects are left", "what came does not make up for what went"},
		{"to be gone", extents{"a": three}, extents{"a": {"x": -1, "y": -1, "z": -1}}, nil, "", "each of them says so"},
		{"were to be gone", extents{"a": {"x": -1, "y": -1, "z": 2}}, extents{"a": {"z": 2}}, nil, "", "the entry of what is gone goes too"},
		{"servers", extents{"a": {"x": 3, "y": 0}}, extents{"a": {"x": 1, "y": 0}}, nil, "of a 1 of 3 key servers are left", "a list that was cut short"},
		{"half of the servers", extents{"a": {"x": 2}}, extents{"a": {"x": 1}}, nil, "", "everyday work"},
		{"servers of what left", extents{"a": {"x": 4, "y": 1}}, extents{"a": {"y": 1}}, nil, "", "it is let alone with its servers"},
		{"another cluster", extents{"a": three, "b": three}, extents{"a": {"x": 2}, "b": three}, nil, "of a 1 of 3 objects are left", "it does not make up for it"},
		{"a cluster left", extents{"a": three, "b": three}, extents{"a": three}, nil, "", "it is let alone, and half is left"},
		{"most clusters left", extents{"a": three, "b": three, "c": three}, extents{"a": three}, nil, "3 of 9 objects are left", "a list of clusters that was cut short"},
		{"one that was not asked for", extents{"a": three, "b": three}, extents{"a": three, "b": {}}, []string{"a"}, "", "only what is looked after counts"},
	} {
		if got, shrunk := of(tt.old).Shrunk(of(tt.next), tt.names); got != tt.want || shrunk != (tt.want != "") {
			t.Errorf("%s: %q, want %q: %s", tt.name, got, tt.want, tt.why)
		}
	}
}
