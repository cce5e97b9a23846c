//go:build !guardoff

package plan

// Off says whether a guard is switched off: it never is. A build with the tag guardoff, which
// is for tests alone, can leave one out, to see that the tests notice.
func Off(Guard) bool { return false }
