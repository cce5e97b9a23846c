//go:build !race

package gen

const slowness = 1
