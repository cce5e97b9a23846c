package ontapsim

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// A version is an ONTAP release: generation, major, minor, as in 9.16.1.
type version struct{ generation, major, minor int }

// since is how the tables write a release: the reference names trains, and a train begins
// with its first minor release.
func since(major int) version { return version{9, major, 0} }

func (v version) String() string {
	return fmt.Sprintf("%d.%d.%d", v.generation, v.major, v.minor)
}

func (v version) before(w version) bool {
	return cmp.Or(cmp.Compare(v.generation, w.generation), cmp.Compare(v.major, w.major), cmp.Compare(v.minor, w.minor)) < 0
}

// parseVersion reads "9.16.1"; "9.16" is "9.16.0".
func parseVersion(s string) (version, error) {
	parts := strings.Split(s, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return version{}, fmt.Errorf("version %q is not of the form 9.16.1", s)
	}
	var n [3]int
	for i, p := range parts {
		d, err := strconv.Atoi(p)
		if err != nil || d < 0 || d > 999 {
			return version{}, fmt.Errorf("version %q is not of the form 9.16.1", s)
		}
		n[i] = d
	}
	return version{n[0], n[1], n[2]}, nil
}
