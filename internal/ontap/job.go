package ontap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A Job is how far the cluster has come with something that takes time.
type Job struct {
	UUID  string
	State string // queued, running, paused, success, failure; safe to print, may be none of them
	// Message and Code are as in [Error]; while the job runs, Message is its progress.
	Code, Message string
}

// Succeeded says whether the job did. Only one word does; ONTAP's documents have both error
// and failure for the opposite (ONTAP REST reference, job object).
func (j Job) Succeeded() bool { return j.State == "success" }

// Failed says whether the job ended without success. One of which neither is true is on its
// way, whatever its state is called.
func (j Job) Failed() bool { return j.State == "failure" || j.State == "error" }

// Running says whether the job was seen on its way, in a word that ONTAP has for that.
func (j Job) Running() bool {
	return j.State == "queued" || j.State == "running" || j.State == "paused"
}

// Job returns the state of a job. A job that the cluster does not know is [ErrJobGone].
func (c *Client) Job(ctx context.Context, uuid string) (Job, error) {
	return c.job(ctx, uuid, nil)
}

// job masks, in what the cluster says of the job, the secrets of the request that began it.
func (c *Client) job(ctx context.Context, uuid string, secrets []string) (Job, error) {
	path, err := Path("cluster", "jobs", uuid)
	if err != nil {
		return Job{}, fmt.Errorf("job: %w", err)
	}
	r := request{method: http.MethodGet, path: path, query: url.Values{"fields": {"state,message,code"}}.Encode()}
	rep, err := c.read(ctx, r, nil)
	if e, ok := errors.AsType[*Error](err); ok && e.NotFound() {
		return Job{}, fmt.Errorf("job %s: %w", safe(uuid), ErrJobGone)
	}
	if err != nil {
		return Job{}, err
	}
	j, err := parseJob(rep.body, secrets)
	if err != nil {
		return Job{}, &AnswerError{Method: r.method, Path: r.path, Status: rep.status, Problem: err.Error()}
	}
	j.UUID = safe(uuid)
	return j, nil
}

func parseJob(body []byte, secrets []string) (Job, error) {
	v, err := decodeObject(spaced(body))
	if err != nil {
		return Job{}, err
	}
	said, _ := v["error"].(map[string]any)
	told := func(name string) string {
		s := text(said[name])
		if s == "" {
			s = text(v[name])
		}
		return safe(mask(s, secrets))
	}
	j := Job{State: safe(text(v["state"])), Code: told("code"), Message: told("message")}
	if j.Code == "0" {
		j.Code = "" // as good as none
	}
	return j, nil
}

// How often a job is asked for: most take well under a second, a rekey of many volumes hours.
const (
	firstPoll = 200 * time.Millisecond
	lastPoll  = 5 * time.Second
)

// WaitJob waits until a job has ended, for as long as ctx allows. No error means success, and
// [*JobError] failure; with every other error the outcome is unknown: [ErrOutcomeUnknown], and
// [ErrJobRunning] if the job was seen on its way last.
func (c *Client) WaitJob(ctx context.Context, uuid string) error {
	return c.waitJob(ctx, uuid, nil)
}

func (c *Client) waitJob(ctx context.Context, uuid string, secrets []string) error {
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		j, err := c.job(ctx, uuid, secrets)
		switch {
		case err != nil && !goOn(ctx, err):
			return fmt.Errorf("wait for job %s: %w", safe(uuid), unknown(err))
		case err == nil && j.Succeeded():
			return nil
		case err == nil && j.Failed():
			return &JobError{UUID: j.UUID, Code: j.Code, Message: j.Message}
		}
		if stop := sleep(ctx, pause); stop != nil && err == nil && j.Running() {
			return fmt.Errorf("wait for job %s: %w: %w", safe(uuid), ErrJobRunning, stop)
		} else if stop != nil {
			return fmt.Errorf("wait for job %s: %w", safe(uuid), unknown(stop))
		}
	}
}

// goOn says whether to ask for a job again after an error.
func goOn(ctx context.Context, err error) bool {
	_, garbled := errors.AsType[*AnswerError](err)
	e, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ctx.Err() == nil && (garbled || ok && e.Temporary())
}

// unknown makes every error [ErrOutcomeUnknown]: the job may be running all the same.
func unknown(err error) error {
	if errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}
