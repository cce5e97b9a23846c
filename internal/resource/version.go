package resource

import "fmt"

// A Version is a release of ONTAP, such as 9.16.1. The zero Version is older than any.
type Version struct{ Generation, Major, Minor int }

// Oldest is the first release that kmagent manages.
var Oldest = Version{9, 8, 0}

// String returns "9.16.1", and "9.16" for a release train.
func (v Version) String() string {
	if v.Minor == 0 {
		return fmt.Sprintf("%d.%d", v.Generation, v.Major)
	}
	return fmt.Sprintf("%d.%d.%d", v.Generation, v.Major, v.Minor)
}

// Before says whether v is an older release than w.
func (v Version) Before(w Version) bool {
	if v.Generation != w.Generation {
		return v.Generation < w.Generation
	}
	if v.Major != w.Major {
		return v.Major < w.Major
	}
	return v.Minor < w.Minor
}

// IsZero says whether v names no release.
func (v Version) IsZero() bool { return v == Version{} }
