package ontapsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// A fault is something that goes wrong with some requests.
type fault struct {
	Method string `json:"method"` // "" or "*" is any
	Path   string `json:"path"`   // with /api; * is any run of characters; with ? the query counts too
	Nth    int    `json:"nth"`    // the first matching request it is for, from when it was set
	Times  int    `json:"times"`  // how many from there; negative: all
	Action action `json:"action"`

	seen int
}

// An action is what goes wrong. Several may be given together.
type action struct {
	Status   int               `json:"status,omitempty"` // answer with this instead, without effect
	Code     string            `json:"code,omitempty"`
	Message  string            `json:"message,omitempty"`
	Body     *string           `json:"body,omitempty"` // sent as it is
	Headers  map[string]string `json:"headers,omitempty"`
	Delay    string            `json:"delay,omitempty"`    // before anything happens
	Drop     string            `json:"drop,omitempty"`     // close the connection: before or after the effect
	Truncate *int              `json:"truncate,omitempty"` // cut the answer after so many bytes of the body
}

const (
	dropBefore = "before"
	dropAfter  = "after"
)

func (a action) delay() time.Duration {
	d, _ := time.ParseDuration(a.Delay) // checked when it was set
	return d
}

// answer is what is sent instead; its status is 0 when the request is to be served.
func (a action) answer() answer {
	if a.Status == 0 {
		return answer{}
	}
	e := problem(a.Status, 0, "", a.Message)
	e.code = a.Code
	text := append(appendJSON(nil, e.body()), '\n')
	if a.Body != nil {
		text = []byte(*a.Body)
	}
	out := newAnswer(a.Status, text)
	out.header.Set("Content-Type", "application/hal+json")
	for name, value := range a.Headers {
		out.header.Set(name, value)
	}
	return out
}

// parseFaults reads one fault or an array of them.
func parseFaults(text []byte) ([]*fault, error) {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		list = []json.RawMessage{text}
	}
	var out []*fault
	for _, one := range list {
		f := &fault{Nth: 1, Times: 1}
		if err := unmarshalStrict(one, f); err != nil {
			return nil, err
		}
		if err := f.check(); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func (f *fault) check() error {
	a := f.Action
	if _, err := time.ParseDuration(a.Delay); a.Delay != "" && err != nil {
		return fmt.Errorf("delay %q is not a duration such as 2s", a.Delay)
	}
	switch {
	case f.Path == "":
		return errors.New("a fault needs a path, as in /api/security/*")
	case f.Nth < 1:
		return errors.New("nth counts from 1")
	case a.Drop != "" && a.Drop != dropBefore && a.Drop != dropAfter:
		return fmt.Errorf("drop %q is neither before nor after", a.Drop)
	case a.Status != 0 && (a.Status < 200 || a.Status > 599):
		return errors.New("status is 200 to 599")
	case a.Status == 0 && (a.Body != nil || a.Code != "" || a.Message != ""):
		return errors.New("an answer needs a status")
	case a.Truncate != nil && *a.Truncate < 0:
		return errors.New("truncate is a number of bytes")
	case a.Status == 0 && a.Delay == "" && a.Drop == "" && a.Truncate == nil:
		return errors.New("an action is one of status, delay, drop, truncate")
	}
	return nil
}

// fault is what goes wrong with a request: the first fault that is for it. Every fault
// counts every request that it matches. The cluster is locked.
func (c *Cluster) fault(method, path, query string) action {
	var act action
	found := false
	for _, f := range c.faults {
		if !f.matches(method, path, query) {
			continue
		}
		f.seen++
		if !found && f.seen >= f.Nth && (f.Times < 0 || f.seen < f.Nth+f.Times) {
			act, found = f.Action, true
		}
	}
	return act
}

func (f *fault) matches(method, path, query string) bool {
	if f.Method != "" && f.Method != "*" && f.Method != method {
		return false
	}
	if strings.Contains(f.Path, "?") {
		path = withQuery(path, query)
	}
	if wild(f.Path, path) {
		return true
	}
	plain, err := url.PathUnescape(path)
	return err == nil && wild(f.Path, plain)
}

// wild matches a pattern with * for any run of characters.
func wild(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	return globMatch(parts, s)
}
