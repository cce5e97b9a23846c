package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"kmagent/internal/resource"
)

// jobFields are what is asked of a job. Its message is not: some releases put control
// characters in it, and it is nobody's key.
const jobFields = "uuid,description,state,code,start_time"

// Jobs returns the jobs that are looked for, so far as the cluster remembers them: it forgets
// one 300 s after its end (ONTAP REST reference, cluster/jobs).
func (r *Reader) Jobs(ctx context.Context, sought []resource.JobSought) ([]resource.Job, error) {
	var out []resource.Job
	for _, s := range sought {
		var raw []json.RawMessage
		var err error
		if s.UUID != "" {
			raw, err = r.jobOf(ctx, s.UUID)
		} else {
			raw, _, err = r.get.List(ctx, "cluster/jobs", url.Values{"fields": {jobFields}, "description": {s.Description}}, "uuid")
		}
		if err != nil {
			return nil, fmt.Errorf("read jobs: %w", err)
		}
		for _, b := range raw {
			j, err := decodeJob(b)
			if err != nil {
				return nil, fmt.Errorf("read jobs: %w", err)
			}
			out = append(out, j)
		}
	}
	return out, nil
}

// jobOf returns the job of that UUID; none if the cluster does not know it.
func (r *Reader) jobOf(ctx context.Context, uuid string) ([]json.RawMessage, error) {
	raw, err := r.get.Get(ctx, "cluster/jobs/"+resource.Segment(uuid), url.Values{"fields": {jobFields}})
	if e, ok := errors.AsType[interface {
		error
		NotFound() bool
	}](err); ok && e.NotFound() {
		return nil, nil
	}
	return []json.RawMessage{raw}, err
}

func decodeJob(raw json.RawMessage) (resource.Job, error) {
	var d struct {
		UUID, Description, State string
		Code                     json.Number
		Start                    string `json:"start_time"`
	}
	if err := json.Unmarshal(raw, &d); err != nil || d.UUID == "" {
		return resource.Job{}, implausible("a job without its UUID")
	}
	start, _ := time.Parse(time.RFC3339, d.Start) // one that cannot be read is no evidence
	j := resource.Job{UUID: d.UUID, Description: d.Description, State: d.State, Code: d.Code.String(), Start: start}
	if j.Code == "0" {
		j.Code = ""
	}
	return j, nil
}
