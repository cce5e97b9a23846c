package main

import (
	"math"
	"runtime"
	"slices"
	"time"
)

// median returns the middle of the values, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// slope returns the exponent with which y grows with x, by least squares over the
// logarithms: 1 is linear, 2 is quadratic. It takes two points or more, none of them 0.
func slope(x, y []float64) float64 {
	var mx, my, sxy, sxx float64
	for i := range x {
		mx += math.Log(x[i]) / float64(len(x))
		my += math.Log(y[i]) / float64(len(x))
	}
	for i := range x {
		dx := math.Log(x[i]) - mx
		sxy += dx * (math.Log(y[i]) - my)
		sxx += dx * dx
	}
	return sxy / sxx
}

// A span is an exchange, from its first byte to its last.
type span struct{ from, to time.Time }

// chain returns how many of the spans came one after the other, at least: the round trips
// that no concurrency hid.
func chain(spans []span) int {
	s := slices.SortedFunc(slices.Values(spans), func(a, b span) int { return a.to.Compare(b.to) })
	n := 0
	var end time.Time
	for _, x := range s {
		if !x.from.Before(end) {
			n, end = n+1, x.to
		}
	}
	return n
}

// each runs what it is given in turns, rounds times, and returns the median milliseconds of
// each. In turns, so that whatever else the machine does slows all of them.
func each(rounds int, prepare func() error, work ...func() error) ([]float64, error) {
	took := make([][]float64, len(work))
	for range rounds {
		if err := prepare(); err != nil {
			return nil, err
		}
		for i, w := range work {
			runtime.GC() // nobody pays for what another left behind
			began := time.Now()
			if err := w(); err != nil {
				return nil, err
			}
			took[i] = append(took[i], milliseconds(time.Since(began)))
		}
	}
	out := make([]float64, len(work))
	for i := range took {
		out[i] = median(took[i])
	}
	return out, nil
}

// nothing is the preparation that work needs when it needs none.
func nothing() error { return nil }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
