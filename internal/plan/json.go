package plan

import (
	"encoding/json"
	"io"
	"time"

	"kmagent/internal/resource"
)

// The JSON of plans. Its shape is a contract: fields are added, never changed or removed,
// within one version.
type (
	document struct {
		Version  int           `json:"version"`
		Clusters []clusterJSON `json:"clusters"`
	}
	clusterJSON struct {
		Name    string     `json:"name"`
		Summary Counts     `json:"summary"`
		Steps   []stepJSON `json:"steps"`
		Notes   []noteJSON `json:"notes,omitempty"`
		Turns   []turnJSON `json:"scheduled,omitempty"`
		Error   string     `json:"error,omitempty"`
	}
	stepJSON struct {
		Op       string        `json:"op"`
		Status   string        `json:"status"`
		Address  string        `json:"address"`
		Source   string        `json:"source,omitempty"`
		Changes  []changeJSON  `json:"changes"`
		Action   string        `json:"action,omitempty"`
		Guard    string        `json:"guard,omitempty"`
		Rule     string        `json:"rule,omitempty"`
		Reason   string        `json:"reason,omitempty"`
		Requests []requestJSON `json:"requests"`
	}
	changeJSON struct {
		Field string         `json:"field"`
		Old   resource.Value `json:"old"`
		New   resource.Value `json:"new"`
	}
	requestJSON struct {
		Method string `json:"method"`
		Path   string `json:"path"`
	}
	turnJSON struct {
		Address string `json:"address"`
		Source  string `json:"source,omitempty"`
		Action  string `json:"action"`
		Due     bool   `json:"due"`
		Slot    string `json:"slot,omitempty"` // in the time of its zone
		Zone    string `json:"timezone,omitempty"`
		Begin   string `json:"begin,omitempty"` // RFC 3339, as is end
		End     string `json:"end,omitempty"`
		Flaw    string `json:"unverified,omitempty"` // what is wrong since it last succeeded
	}
	noteJSON struct {
		Address  string `json:"address"`
		Source   string `json:"source,omitempty"`
		Rule     string `json:"rule,omitempty"`
		Severity string `json:"severity,omitempty"` // warning, or nothing for a remark
		Text     string `json:"text"`
	}
)

// JSON writes plans for machines: version 1 of the format. Steps stand in the order in
// which they are sent. Only requests of ready steps are listed: the others are not sent.
func JSON(w io.Writer, plans []Plan) error {
	doc := document{Version: 1, Clusters: make([]clusterJSON, len(plans))}
	for i := range plans {
		doc.Clusters[i] = plans[i].json()
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

func (p *Plan) json() clusterJSON {
	c := clusterJSON{Name: p.Cluster, Summary: p.Counts(), Steps: make([]stepJSON, len(p.Steps))}
	if p.Err != nil {
		c.Error = Safe(p.Err.Error())
	}
	for i := range p.Steps {
		c.Steps[i] = p.Steps[i].json()
	}
	for _, n := range p.Notes {
		severity := ""
		if n.Loud {
			severity = "warning"
		}
		c.Notes = append(c.Notes, noteJSON{n.Addr.String(), n.Source.String(), n.Rule, severity, n.Text})
	}
	for _, t := range p.Turns {
		j := turnJSON{Address: t.Addr.String(), Source: t.Source.String(), Action: t.Action, Due: t.Due, Flaw: t.Flaw}
		if !t.Next.IsZero() {
			j.Slot, j.Zone = t.Next.Local, t.Next.Zone
			j.Begin, j.End = t.Next.Begin.UTC().Format(time.RFC3339), t.Next.End.UTC().Format(time.RFC3339)
		}
		c.Turns = append(c.Turns, j)
	}
	return c
}

func (s *Step) json() stepJSON {
	j := stepJSON{
		Op: s.Op.String(), Status: s.Status.String(), Address: s.Addr.String(), Source: s.Source.String(),
		Changes: make([]changeJSON, len(s.Changes)), Action: s.Action,
		Guard: string(s.Guard), Rule: s.Rule, Reason: Safe(s.Reason), Requests: []requestJSON{},
	}
	for i, c := range s.Changes {
		j.Changes[i] = changeJSON(c)
	}
	if s.Status == Ready {
		for _, r := range s.Requests {
			j.Requests = append(j.Requests, requestJSON{r.Method, r.Path})
		}
	}
	return j
}
