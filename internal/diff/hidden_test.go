package diff_test

import (
	"fmt"
	"testing"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A manager that lost its last server hides: it gets its servers back under the id that we
// knew it by, and only if that is gone a new one is created.
func TestHiddenManagerGetsItsServersBack(t *testing.T) {
	addr := resource.Addr{Cluster: "a", Kind: "key_manager", SVM: "vs"}
	for _, c := range []struct {
		file, path, body string
		known            string
	}{
		{manager("{server: ks1}"), "/api/security/key-managers/km-1/key-servers", "map[server:ks1:5696]", "km-1"},
		{manager("{server: ks1}", "{server: ks2}"), "/api/security/key-managers/km-1/key-servers", "map[records:[map[server:ks1:5696] map[server:ks2:5696]]]", "km-1"},
		{manager("{server: ks1}"), "/api/security/key-managers", "", ""},
	} {
		in := input(wanted(t, c.file), found())
		in.Ledger.Objects = map[resource.Addr]plan.Remembered{addr: {ID: c.known}}
		r := diff.Compute(in).Steps[0].Requests[0]
		if r.Method != "POST" || r.Path != c.path {
			t.Errorf("known %q: %s %s, want POST %s", c.known, r.Method, r.Path, c.path)
		}
		if c.known == "" {
			continue
		}
		if got := fmt.Sprint(r.Body); got != c.body || r.ID != c.known || r.Instead == nil || r.Instead.Path != "/api/security/key-managers" {
			t.Errorf("body %s, id %q, instead %+v", got, r.ID, r.Instead)
		}
	}
}
