package ontapsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// control answers a call of the control surface.
func (c *Cluster) control(method, path string, query url.Values, body []byte) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	out, err := c.controlCall(method+" "+strings.TrimSuffix(path, "/"), query, body)
	status := http.StatusOK
	switch {
	case errors.Is(err, errNoControl):
		status = http.StatusNotFound
	case err != nil:
		status = http.StatusBadRequest
	}
	if err != nil {
		out = map[string]string{"error": err.Error()}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return newAnswer(http.StatusInternalServerError, []byte("{}\n"))
	}
	a := newAnswer(status, text.Bytes())
	a.header.Set("Content-Type", "application/json")
	return a
}

var errNoControl = errors.New("the control surface is GET /sim/requests, GET, POST and DELETE /sim/faults, GET and PATCH /sim/world, GET and PUT /sim/state")

func (c *Cluster) controlCall(call string, query url.Values, body []byte) (any, error) {
	none := struct{}{}
	switch call {
	case "GET /sim/requests":
		return c.controlRequests(query)
	case "GET /sim/faults":
		return append([]*fault{}, c.faults...), nil
	case "POST /sim/faults":
		faults, err := parseFaults(body)
		if err == nil {
			c.faults = append(c.faults, faults...)
		}
		return none, err
	case "DELETE /sim/faults":
		c.faults = nil
		return none, nil
	case "GET /sim/world":
		return c.state.World, nil
	case "PATCH /sim/world":
		return none, c.patchWorld(body)
	case "GET /sim/state":
		return c.state, nil
	case "PUT /sim/state":
		return none, c.putState(body)
	}
	return nil, errNoControl
}

// Set changes the simulated world as PATCH /sim/world does.
func (c *Cluster) Set(world string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	return c.patchWorld([]byte(world))
}

// Fault sets faults as POST /sim/faults does.
func (c *Cluster) Fault(text string) error {
	faults, err := parseFaults([]byte(text))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, faults...)
	return err
}

// unmarshalStrict reads exactly one JSON value into a Go value and refuses unknown names.
func unmarshalStrict(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the JSON value")
	}
	return nil
}

// putState replaces everything the cluster holds.
func (c *Cluster) putState(text []byte) error {
	s := &state{}
	if err := unmarshalStrict(text, s); err != nil {
		return err
	}
	if s.UUID == "" || len(s.Nodes) == 0 {
		return errors.New("not a state: it has no uuid or no nodes")
	}
	if s.ONTAP != c.version.String() {
		return fmt.Errorf("the state is of ONTAP %s, the cluster runs %s", s.ONTAP, c.version)
	}
	if err := checkServices(s.CloudKMS); err != nil {
		return err
	}
	s.sort()
	c.state = s
	c.epoch++
	return nil
}

// Fixture is the JSON text that a cluster may begin with: a state as GET /sim/state writes
// it (the cluster keeps its own name and UUID), then a world as for PATCH /sim/world, then
// changes that are sent to the API in order and must succeed.
type Fixture struct {
	State    json.RawMessage `json:"state,omitempty"`
	World    json.RawMessage `json:"world,omitempty"`
	Requests []struct {
		Method string `json:"method"`
		Path   string `json:"path"`
		Body   object `json:"body"`
	} `json:"requests,omitempty"`
}

func (c *Cluster) load(text []byte) error {
	var f Fixture
	if err := unmarshalStrict(text, &f); err != nil {
		return err
	}
	if f.State != nil {
		name, uuid := c.state.Name, c.state.UUID
		if err := c.putState(f.State); err != nil {
			return fmt.Errorf("state: %w", err)
		}
		c.state.Name, c.state.UUID = name, uuid
	}
	if f.World != nil {
		if err := c.patchWorld(f.World); err != nil {
			return fmt.Errorf("world: %w", err)
		}
	}
	for _, r := range f.Requests {
		one := call{Method: r.Method, Path: r.Path, Body: r.Body}
		if r.Method == http.MethodPost {
			one.UUID = c.state.uuid()
		}
		if err := c.carryOut(one); err != nil {
			return fmt.Errorf("%s %s: %s (ONTAP error %s)", r.Method, r.Path, err.message, err.code)
		}
	}
	return nil
}
