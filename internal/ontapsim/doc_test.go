package ontapsim

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The manual names every word of the world, every state of a key server and every part that
// may be broken, with its code.
func TestTheManualIsComplete(t *testing.T) {
	text, err := os.ReadFile("../../docs/ontapsim.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, word := range worldNames() {
		want = append(want, `"`+word+`"`)
	}
	for _, state := range serverStates {
		want = append(want, "`"+state+"`")
	}
	for part, code := range Parts() {
		want = append(want, fmt.Sprintf("`%s` (%d)", part, code))
	}
	for _, w := range want {
		if !strings.Contains(string(text), w) {
			t.Errorf("docs/ontapsim.md does not have %s", w)
		}
	}
}
