package agent

import (
	"math/rand/v2"
	"time"
)

// The pauses of a cluster that fails: between one second and five minutes, at random below
// a bound that doubles, so that a thousand clusters that failed together do not come back
// together.
const (
	leastPause = time.Second
	mostPause  = 5 * time.Minute
)

// pause returns how long to wait after so many failures in a row, which is at least one.
func pause(failures int, random func(time.Duration) time.Duration) time.Duration {
	bound := mostPause
	if shift := failures - 1; shift < 9 {
		bound = min(leastPause<<shift, mostPause)
	}
	return max(leastPause, random(bound)+1)
}

// spread puts a regular pass a little before or after its time, by a tenth at most.
func spread(interval time.Duration, random func(time.Duration) time.Duration) time.Duration {
	return interval - interval/20 + random(interval/10+1)
}

// random draws for a cluster, from what the fleet was given or else from the runtime.
func (f *Fleet) random(cluster string) func(time.Duration) time.Duration {
	if f.Random == nil {
		return rand.N[time.Duration]
	}
	return func(n time.Duration) time.Duration { return f.Random(cluster, n) }
}
