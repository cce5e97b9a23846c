package diff

import (
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// uncover gives the create of an object that GET may hide another beginning. An external key
// manager whose last server went is still there: it is not returned, it blocks a create, and
// it comes back when it gets a server (ONTAP REST reference, key-managers, create). If we
// knew one at this place, its children are added to it; only if ONTAP answers that it is
// gone is a new one created.
func (d *decider) uncover(want *resource.Object, create plan.Request) plan.Request {
	i := want.Kind.Children()
	id := d.Ledger.Objects[want.Addr].ID
	if !want.Kind.Hidden || i < 0 || id == "" || len(want.Children) == 0 {
		return create
	}
	kind := want.Kind.Fields[i].To
	var records []any
	for _, c := range want.Children {
		records = append(records, map[string]any{kind.Identity: c.Addr.Name})
	}
	body := map[string]any{"records": records}
	if len(records) == 1 {
		body = map[string]any{kind.Identity: want.Children[0].Addr.Name}
	}
	return plan.Request{
		Method: "POST", Path: "/api/" + want.Kind.Path + "/" + resource.Segment(id) + "/" + kind.Path,
		Body: body, ID: id, Instead: &create,
	}
}
