//go:build race

package gen

// slowness is by how much fewer cases are tried where everything takes ten times as long: each
// is one goroutine after the other, and there is no race to find in more.
const slowness = 10
