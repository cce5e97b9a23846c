package ontapsim

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A job is a change that takes time. Nothing runs meanwhile: whoever looks at the cluster
// first after a job's end makes its change, as of then.
type job struct {
	UUID        string    `json:"uuid"`
	Description string    `json:"description"`
	State       string    `json:"state"` // running, success, failure
	Message     string    `json:"message,omitempty"`
	Code        int64     `json:"code"`
	Status      int       `json:"status,omitempty"` // the HTTP status of a failure
	Start       time.Time `json:"start_time"`
	End         time.Time `json:"end_time"` // while running: when it will end
	Node        string    `json:"node,omitempty"`
	SVM         string    `json:"svm,omitempty"`
	Outcome     string    `json:"outcome,omitempty"` // what the world had decided when it began
	GoOn        bool      `json:"continue_on_failure,omitempty"`
	Keep        bool      `json:"keep,omitempty"`  // of several calls, those before one that failed stay done
	Calls       []call    `json:"calls,omitempty"` // what is still to be done
}

// jobRetention is how long a job outlives its end (ONTAP REST reference, jobs).
const jobRetention = 300 * time.Second

const (
	running = "running"
	success = "success"
	failure = "failure"

	// Outcomes that the world may have besides the last two.
	stuck  = "stuck"
	hollow = "hollow"
)

// startJob begins a job as the world says: how long it takes and what becomes of it.
func (c *Cluster) startJob(calls []call, goOn bool) *job {
	now := time.Now()
	world := c.state.World.Jobs
	j := &job{
		UUID:        c.state.uuid(),
		Description: calls[0].Method + " " + calls[0].Path,
		State:       running,
		Start:       now,
		End:         now.Add(world.duration()),
		Node:        c.state.Nodes[0].Name,
		SVM:         calls[0].SVM,
		Outcome:     world.Outcome,
		GoOn:        goOn,
		Calls:       calls,
	}
	c.state.Jobs.insert(j)
	return j
}

// settle ends the jobs whose time has come, in the order of their ends, and forgets those
// that ended long ago.
func (c *Cluster) settle() {
	defer c.watchKeys()
	if len(c.state.Jobs) == 0 {
		return
	}
	now := time.Now()
	var due []*job
	for _, j := range c.state.Jobs {
		if j.State == running && j.Outcome != stuck && !now.Before(j.End) {
			due = append(due, j)
		}
	}
	slices.SortStableFunc(due, func(a, b *job) int { return a.End.Compare(b.End) })
	for _, j := range due {
		c.finish(j)
	}
	c.state.Jobs = slices.DeleteFunc(c.state.Jobs, func(j *job) bool {
		return j.State != running && now.Sub(j.End) > c.state.World.Jobs.retention()
	})
}

// finish makes a job's change, or fails as the world said.
func (c *Cluster) finish(j *job) {
	calls := j.Calls
	j.Calls = nil
	err := c.state.World.Jobs.failure()
	switch j.Outcome {
	case failure:
	case hollow:
		err = nil
	default:
		err = c.carryOutAll(j, calls)
	}
	if err == nil {
		j.State, j.Message = success, success
		return
	}
	// carryOutAll may have restored the state, and the job with it: finish that one.
	if restored, ok := c.state.Jobs.find(j.UUID); ok {
		j = restored
	}
	j.Calls = nil
	j.State, j.Message, j.Status = failure, err.message, err.status
	j.Code, _ = strconv.ParseInt(err.code, 10, 64)
}

// carryOutAll carries out the calls of a job. Of many, one that fails ends it, unless it is
// to go on, and takes those before it back, unless they are to stay.
func (c *Cluster) carryOutAll(j *job, calls []call) *apiError {
	if len(calls) == 1 {
		return c.carryOut(calls[0])
	}
	var before *state
	if !j.GoOn && !j.Keep {
		before = c.state.clone()
	}
	var failed *apiError
	for _, one := range calls {
		failed = cmp.Or(failed, c.carryOut(one))
		if failed != nil && !j.GoOn {
			break
		}
	}
	if failed != nil && before != nil {
		c.state = before
		c.epoch++
	}
	return failed
}

// shown is the state of a job as ONTAP reports it: a job is queued for the first tenth of
// its time.
func (j *job) shown() string {
	if j.State == running && time.Since(j.Start) < j.End.Sub(j.Start)/10 {
		return "queued"
	}
	return j.State
}

// link is how an answer refers to a job.
func (j *job) link(hal bool) object {
	o := object{{"uuid", j.UUID}}
	if hal {
		o.put("_links", link("/api/cluster/jobs/"+j.UUID))
	}
	return o
}

// A pending is a write whose job the client may want to wait for.
type pending struct {
	target   target
	call     call
	wish     *wish
	job      *job
	location string
	batch    object // of a change of several records: what is said besides the jobs
}

// await waits for a job as long as the client asked for, and answers with what there is.
func (c *Cluster) await(ctx context.Context, q *request, p *pending) (answer, error) {
	deadline := time.Now().Add(p.wish.timeout)
	if !p.job.End.After(deadline) && p.job.Outcome != stuck {
		deadline = p.job.End
	}
	if p.wish.timeout > 0 {
		if err := wait(ctx, time.Until(deadline)); err != nil {
			return answer{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	j, ok := c.state.Jobs.find(p.job.UUID)
	if !ok {
		j = p.job
	}
	a := c.jobAnswer(q, p, j)
	if p.location != "" && a.status < 300 {
		a.header.Set("Location", p.location)
	}
	return a, nil
}

func (c *Cluster) jobAnswer(q *request, p *pending, j *job) answer {
	body := object{{"job", j.link(q.hal())}}
	if p.batch != nil {
		body = append(object{{"jobs", []any{j.link(q.hal())}}}, p.batch...)
	}
	switch {
	case p.wish.timeout == 0 || j.State == running:
		return q.answer(http.StatusAccepted, body)
	case j.State == failure:
		return q.fail(&apiError{j.Status, strconv.FormatInt(j.Code, 10), j.Message, ""})
	case p.call.Method != http.MethodPost:
		return q.answer(http.StatusOK, body)
	}
	if p.wish.records && p.location != "" {
		made := target{p.target.kind, p.target.at, p.call.UUID}
		if rec, err := c.find(made, nil); err == nil {
			body.put("num_records", int64(1))
			body.put("records", []any{c.echo(q, p.target, p.call, rec)})
		}
	}
	return q.answer(http.StatusCreated, body)
}

func (j *job) id() string    { return j.UUID }
func (j *job) owner() string { return j.SVM }
func (j *job) hidden() bool  { return false }
func (j *job) memo() *memo   { return nil }

func (j *job) object(c *Cluster, _ bool) object {
	o := object{}
	o.put("uuid", j.UUID)
	o.put("description", j.Description)
	switch word := c.state.World.Jobs.State; {
	case j.State != running || word == "":
		o.put("state", j.shown())
	case word != "none":
		o.put("state", word)
	}
	o.opt("message", j.Message)
	o.put("code", j.Code)
	if j.State == failure {
		o.put("error", object{{"message", j.Message}, {"code", strconv.FormatInt(j.Code, 10)}})
	}
	o.put("start_time", stamp(j.Start))
	if j.State != running {
		o.put("end_time", stamp(j.End))
	}
	o.put("node", object{{"name", j.Node}})
	if s, ok := c.state.SVMs.find(j.SVM); ok {
		o.put("svm", s.reference())
	}
	return o
}

// stamp writes a time as ONTAP does: with an offset, to the second.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

func jobKind() *kind {
	return &kind{
		path: "cluster/jobs",
		id:   "uuid",
		fields: []field{
			{name: "uuid", on: key},
			{name: "description", on: std},
			{name: "state", on: std},
			{name: "message", on: std},
			{name: "code", typ: integer, on: std},
			{name: "error.message", on: std, since: since(9)},
			{name: "error.code", on: std, since: since(9)},
			{name: "error.arguments[].code", on: std, since: since(9)},
			{name: "error.arguments[].message", on: std, since: since(9)},
			{name: "start_time", typ: moment, on: std},
			{name: "end_time", typ: moment, on: std},
			{name: "node.name", on: std, since: since(10)},
			{name: "svm.uuid", on: std},
			{name: "svm.name", on: std},
		},
		list: func(c *Cluster, _ []string) ([]record, *apiError) { return records(c.state.Jobs), nil },
		act:  (*Cluster).jobAction,
	}
}

// jobAction answers PATCH ?action=. No job here can be paused or cancelled.
func (c *Cluster) jobAction(w *write, r record) (effect, *apiError) {
	j := r.(*job)
	refuse := func(code int, message string) (effect, *apiError) {
		return effect{}, problem(http.StatusBadRequest, code, "action", message)
	}
	action := w.action()
	switch {
	case !slices.Contains([]string{"pause", "resume", "cancel"}, action):
		return effect{}, errInvalid(action, "action")
	case j.State != running:
		return refuse(458762, "The job has already ended.")
	case action == "resume":
		return refuse(458771, "The job is running.")
	case action == "pause":
		return refuse(458783, "The job does not support pausing.")
	}
	return refuse(458784, "The job does not support "+strings.TrimSuffix(action, "e")+"ling.")
}
