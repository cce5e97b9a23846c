package rules_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"kmagent/internal/rules"
)

var (
	idForm   = regexp.MustCompile(`^KM[0-9]{3}$`)
	codeForm = regexp.MustCompile(`^[1-9][0-9]{5,8}$`)
)

func TestCatalogue(t *testing.T) {
	all := rules.All()
	for i, r := range all {
		if !idForm.MatchString(string(r.ID)) {
			t.Errorf("%s is not an id", r.ID)
		}
		if i > 0 && r.ID <= all[i-1].ID {
			t.Errorf("%s stands after %s", r.ID, all[i-1].ID)
		}
		if strings.HasSuffix(r.Title, ".") || strings.Contains(r.Title, "|") || len(r.Title) > 110 {
			t.Errorf("%s: %q is not a title", r.ID, r.Title)
		}
		if !strings.HasSuffix(r.Why, ".") || !strings.HasSuffix(r.Remedy, ".") || r.Example == "" {
			t.Errorf("%s lacks a reason, a remedy or an example", r.ID)
		}
		if r.Where&^(rules.Offline|rules.Plan) != 0 || r.Where == 0 {
			t.Errorf("%s is checked nowhere", r.ID)
		}
		for _, c := range r.Codes {
			if !codeForm.MatchString(c) {
				t.Errorf("%s: %q is not an ONTAP code", r.ID, c)
			}
		}
		if found, ok := rules.Find(r.ID); !ok || found.Title != r.Title {
			t.Errorf("Find(%s) = %q, %t", r.ID, found.Title, ok)
		}
	}
	if r, ok := rules.Find("KM999"); ok {
		t.Errorf("Find(KM999) = %q", r.Title)
	}
	if got := rules.ID("KM999").Severity(); got != rules.Error {
		t.Errorf("the severity of a rule that is not there is %s", got)
	}
	all[0].Title = "changed"
	if rules.All()[0].Title == "changed" {
		t.Error("All hands out the catalogue itself")
	}
}

// Every rule is shown to be broken and kept, wherever it is checked.
func TestEveryRuleHasItsCases(t *testing.T) {
	for _, r := range rules.All() {
		if r.Where&rules.Offline != 0 && !slices.ContainsFunc(offline, func(c offlineCase) bool { return c.rule == r.ID }) {
			t.Errorf("%s is checked offline, and no case says so", r.ID)
		}
		if r.Where&rules.Plan != 0 && !slices.ContainsFunc(planned, func(c planCase) bool { return c.rule == r.ID }) {
			t.Errorf("%s is checked in the plan, and no case says so", r.ID)
		}
	}
	for _, c := range offline {
		if r, _ := rules.Find(c.rule); r.Where&rules.Offline == 0 {
			t.Errorf("%s has an offline case", c.rule)
		}
	}
	for _, c := range planned {
		if r, _ := rules.Find(c.rule); r.Where&rules.Plan == 0 {
			t.Errorf("%s has a case of a plan", c.rule)
		}
	}
}
