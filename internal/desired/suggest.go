package desired

import "strings"

// longestWord bounds the words that a suggestion is sought for.
const longestWord = 64

// nearest returns the known word that was probably meant: the same in another case, or
// with one word the beginning of the other, or at most two letters away. A dotted word may
// be known by its last part.
func nearest(word string, known []string) (string, bool) {
	if len(word) > longestWord {
		return "", false
	}
	low := strings.ToLower(word)
	for _, k := range known {
		if k == low || strings.HasSuffix(k, "."+low) {
			return k, true
		}
	}
	best, least := "", 3
	for _, k := range known {
		if diff := len(k) - len(low); diff < -2 || diff > 2 {
			continue
		}
		if n := distance(low, k); n < least && n < len(k) {
			best, least = k, n
		}
	}
	if best != "" {
		return best, true
	}
	for _, k := range known {
		if len(low) >= 3 && strings.HasPrefix(k, low) || len(k) >= 3 && strings.HasPrefix(low, k) {
			return k, true
		}
	}
	return "", false
}

// distance is the number of letters to put in, take out or exchange to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
