package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

// A cluster is a Writer that remembers what it was sent and answers as it is told.
type cluster struct {
	mu     sync.Mutex
	sent   []string         // "METHOD path"
	bodies []map[string]any // nil for none; secrets in the clear
	job    string           // that it takes every request on as; empty: as none
	answer func(ctx context.Context, n int, path string) (ontap.Answer, error)
}

func (c *cluster) Send(ctx context.Context, method, path string, body any, accepted func(string)) (ontap.Answer, error) {
	c.mu.Lock()
	n := len(c.sent)
	c.sent = append(c.sent, method+" "+path)
	clear, _ := exposed(body).(map[string]any)
	c.bodies = append(c.bodies, clear)
	c.mu.Unlock()
	if c.job != "" {
		accepted(c.job)
	}
	if c.answer == nil {
		return ontap.Answer{}, nil
	}
	return c.answer(ctx, n, path)
}

// exposed returns a body with its secrets as [text], to tell them from strings.
func exposed(x any) any {
	switch x := x.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[k] = exposed(v)
		}
		return out
	case secret.Value:
		return clear(x.Expose())
	default:
		return x
	}
}

// clear is the type of a secret that was about to go out in the clear.
type clear string

// A journal writes down what it is told, in one line each, and fails when it is told to.
type journal struct {
	lines     []string
	begun     []plan.Operation
	digests   map[string]string // of the last end
	last      plan.End
	beginErr  error
	acceptErr error
	sendErr   error
	endErr    error
}

func (j *journal) Begin(o plan.Operation) (string, error) {
	j.lines = append(j.lines, fmt.Sprintf("begin %s %s", o.Op, o.Addr.Name))
	j.begun = append(j.begun, o)
	return strconv.Itoa(len(j.begun) - 1), j.beginErr
}

func (j *journal) Sending(string, plan.Sending) error { return j.sendErr }

func (j *journal) Accept(id, job string, _ time.Time) error {
	j.lines = append(j.lines, fmt.Sprintf("accept %s: %s", j.operation(id).Addr.Name, job))
	return j.acceptErr
}

func (j *journal) End(id string, e plan.End) error {
	o := j.operation(id)
	j.lines = append(j.lines, fmt.Sprintf("end %s %s: %s", o.Op, o.Addr.Name, e.Outcome))
	j.digests, j.last = maps.Clone(e.Secrets), e
	return j.endErr
}

func (j *journal) operation(id string) plan.Operation {
	i, _ := strconv.Atoi(id)
	return j.begun[i]
}

// Secrets are an Opener.
type secrets map[string]string

var errNoSecret = errors.New("no such secret")

func (s secrets) Resolve(_ context.Context, r secret.Ref) (secret.Value, error) {
	v, ok := s[r.String()]
	if !ok {
		return secret.Value{}, fmt.Errorf("%s: %w", r, errNoSecret)
	}
	return secret.New([]byte(v)), nil
}

func reference(t testing.TB, s string) secret.Ref {
	t.Helper()
	r, err := secret.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func key(t testing.TB) secret.Key {
	t.Helper()
	k, err := secret.NewKey(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func addr(name string) resource.Addr {
	return resource.Addr{Cluster: "c1", Kind: "key_server", SVM: "vs1", Name: name}
}

// post is a step that creates an object of that name.
func post(name string) plan.Step {
	return plan.Step{Op: plan.Create, Addr: addr(name),
		Requests: []plan.Request{{Method: "POST", Path: "/api/" + name, Body: map[string]any{"name": name}}}}
}

func planOf(steps ...plan.Step) *plan.Plan {
	return &plan.Plan{Cluster: "c1", Steps: steps, Observed: time.Now()}
}

// told is a report in lines: what it says of each step.
func told(rep plan.Report) []string {
	var out []string
	for _, r := range rep.Results {
		line := fmt.Sprintf("%s %s: %s", r.Step.Op, r.Step.Addr.Name, r.Outcome)
		if r.Err != nil {
			line += ": " + r.Err.Error()
		}
		out = append(out, line)
	}
	return out
}
