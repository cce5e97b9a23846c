//go:build !crashpoint

// Package crashpoint lets a test kill the agent at each of its boundaries: before and after
// each request and each change of a file that must survive. It exists under the build tag
// crashpoint alone; in the program as it is shipped nothing of it is left.
//
// With the tag, KMAGENT_CRASH_AT=n kills the process with SIGKILL at the n-th boundary, and
// KMAGENT_CRASH_COUNT=file adds a line to that file for each that is passed.
package crashpoint

// On says whether the program was built to be killed.
const On = false

// Pass is a boundary: when (before, after), what and on which object or file.
func Pass(when, what, where string) {}
