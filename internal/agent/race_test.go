//go:build race

package agent

// raceDetector says whether this is a build in which everything takes ten times as long.
const raceDetector = true
