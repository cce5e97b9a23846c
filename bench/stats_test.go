package main

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"none", nil, 0},
		{"one", []float64{3}, 3},
		{"odd, unsorted: one slow round must not show", []float64{900, 1, 2}, 2},
		{"even: between the two in the middle", []float64{4, 1, 2, 100}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := median(test.values); got != test.want {
				t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
			}
		})
	}
}

func TestMedianLeavesItsInput(t *testing.T) {
	in := []float64{3, 1, 2}
	median(in)
	if diff := cmp.Diff([]float64{3, 1, 2}, in); diff != "" {
		t.Error(diff)
	}
}

func TestSlope(t *testing.T) {
	for _, test := range []struct {
		name string
		x, y []float64
		want float64
	}{
		{"linear, whatever the factor", []float64{1e3, 1e4, 1e5}, []float64{7, 70, 700}, 1},
		{"quadratic", []float64{1e3, 1e4, 1e5}, []float64{1, 100, 1e4}, 2},
		{"constant", []float64{1e3, 1e4}, []float64{5, 5}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := slope(test.x, test.y); math.Abs(got-test.want) > 1e-9 {
				t.Errorf("slope = %v, want %v", got, test.want)
			}
		})
	}
}

func TestChain(t *testing.T) {
	at := func(from, to int) span {
		epoch := time.Unix(0, 0)
		return span{epoch.Add(time.Duration(from)), epoch.Add(time.Duration(to))}
	}
	for _, test := range []struct {
		name  string
		spans []span
		want  int
	}{
		{"none", nil, 0},
		{"side by side is one round trip", []span{at(0, 20), at(1, 22), at(2, 21)}, 1},
		{"one after the other", []span{at(0, 20), at(20, 40), at(41, 60)}, 3},
		{"a long one hides two short ones, which still came one after the other", []span{at(0, 50), at(0, 20), at(20, 40)}, 2},
		{"in any order", []span{at(40, 60), at(0, 20), at(20, 40)}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := chain(test.spans); got != test.want {
				t.Errorf("chain = %d, want %d", got, test.want)
			}
		})
	}
}

func TestEachTakesTurns(t *testing.T) {
	var order string
	say := func(s string) func() error { return func() error { order += s; return nil } }
	got, err := each(2, say("p"), say("a"), say("b"))
	if err != nil || len(got) != 2 || order != "pabpab" {
		t.Errorf("each = %v, %v after %q, want two medians after %q", got, err, order, "pabpab")
	}
}

func TestEachStopsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := each(3, nothing, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v", err, broken)
	}
}

func TestRowMet(t *testing.T) {
	for _, test := range []struct {
		name string
		row  row
		want string
	}{
		{"a ratio within", row{ratioMax: 1.5, floor: 10, ours: 15}, "yes"},
		{"a ratio beyond", row{ratioMax: 1.5, floor: 10, ours: 16}, "no"},
		{"a figure within", row{max: 70, floor: 20, ours: 70}, "yes"},
		{"both are asked, one is beyond", row{ratioMax: 2, max: 70, floor: 60, ours: 71}, "no"},
		{"a least figure", row{min: 95, ours: 94}, "no"},
		{"without a target it is for information", row{floor: 10, ours: 1000}, "-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.row.met(); got != test.want {
				t.Errorf("met = %q, want %q", got, test.want)
			}
		})
	}
}

func TestPrintTable(t *testing.T) {
	var out strings.Builder
	if err := printTable(&out, []row{
		{goal: "P4", work: "pass", unit: "ms", floor: 10, ours: 12.34, ratioMax: 1.2},
		{goal: "P2", work: "writes", ours: 10, floor: 10, max: 10, min: 10},
		{work: "  without a floor", unit: "ms", ours: 1234.5},
	}); err != nil {
		t.Fatal(err)
	}
	want := `GOAL  WORK               FLOOR  OURS     RATIO  TARGET        MET
P4    pass               10 ms  12.3 ms  1.23   <= 1.2x       no
P2    writes             10     10       1.00   <= 10, >= 10  yes
        without a floor  -      1234 ms  -      -             -
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
