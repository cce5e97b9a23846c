package main

import (
	"testing"

	"kmagent/internal/diff"
)

// BenchmarkCompute is P7 alone, for a profiler.
func BenchmarkCompute(b *testing.B) {
	in := input(10_000)
	b.ReportAllocs()
	for b.Loop() {
		diff.Compute(in)
	}
}
