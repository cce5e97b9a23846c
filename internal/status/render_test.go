package status

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func text(t *testing.T, r *Report, colour bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, r, colour); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func html(t *testing.T, r *Report, only bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := Page(&b, r, only); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func asJSON(t testing.TB, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRender(t *testing.T) {
	r, _ := fleet().Report(night)
	golden(t, "fleet.txt", text(t, r, false))
	golden(t, "fleet.colour.txt", text(t, r, true))
	golden(t, "fleet.html", strings.Replace(html(t, r, false), pageStyle, "…", 1))
	var b bytes.Buffer
	if err := json.Indent(&b, asJSON(t, r), "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "fleet.json", b.String())

	// What the service sends is what the command shows.
	var back Report
	if err := json.Unmarshal(asJSON(t, r), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text(t, r, false), text(t, &back, false)); diff != "" {
		t.Errorf("the text changes on its way (-before +after):\n%s", diff)
	}
}

// fields lists the names of all fields of a report.
func fields() []string {
	seen := map[string]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(t.Elem())
		case reflect.Struct:
			if t == reflect.TypeFor[time.Time]() {
				return
			}
			for i := range t.NumField() {
				name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
				seen[name] = true
				walk(t.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[Report]())
	return slices.Sorted(maps.Keys(seen))
}
