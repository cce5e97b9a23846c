// Package status holds what the running agent knows of its file and its clusters, as plain
// data with its text, JSON and page. It is told of every pass and remembers what a human
// would ask for; it asks nobody anything. Text of a cluster is made safe as it comes in, and
// again where it is shown, since a report may come from elsewhere.
//
// Everything that is known has an age, and what has not been seen lately is not known: the
// age is judged when a report is made.
package status

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"kmagent/internal/plan"
)

// What a report lists of one cluster at most; it says how many more there are.
const (
	maxSteps        = 20
	maxOperations   = 20
	maxOrders       = 20
	maxSchedules    = 20
	maxManagers     = 64
	maxCertificates = 20
	maxNodes        = 8 // of one key server
)

// What a report lists of all clusters together, so that one of a large fleet stays within
// 16 MiB: the more clusters, the fewer of each.
const (
	maxManagersOfAll  = 6000
	maxSchedulesOfAll = 1500
)

func managersOfEach(clusters int) int {
	return max(4, min(maxManagers, maxManagersOfAll/max(clusters, 1)))
}

func schedulesOfEach(clusters int) int {
	return max(3, min(maxSchedules, maxSchedulesOfAll/max(clusters, 1)))
}

// A Report is what is known at one time: version 1 of the form that programs read. Fields are
// added, never changed or removed.
type Report struct {
	Version  int       `json:"version"`
	At       time.Time `json:"at"` // when it was made: every age counts from here
	Agent    Agent     `json:"agent"`
	Source   Source    `json:"source"`
	Summary  Summary   `json:"summary"`
	Clusters []Cluster `json:"clusters"` // those that need a human first
}

// Agent is the program itself.
type Agent struct {
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	Started time.Time `json:"started"`
}

// Source is the desired state.
type Source struct {
	File     string    `json:"file"`
	Revision string    `json:"revision,omitempty"` // SHA-256 of the content in use; empty: there is none
	Loaded   time.Time `json:"loaded_at,omitzero"` // when that was taken into use
	// Problem says why the newest content is not in use, so that all writes rest.
	Problem   string    `json:"problem,omitempty"`
	ProblemAt time.Time `json:"problem_at,omitzero"` // when that was found
	Newest    string    `json:"newest,omitempty"`    // SHA-256 of that content, if it could be read
	Faults    int       `json:"faults,omitempty"`    // how many it has
	// Hold names the guard that rests all writes for what is, or is not, in the content in use.
	Hold   string `json:"hold,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Summary counts the clusters by their state.
type Summary struct {
	Clusters  int `json:"clusters"`
	Failing   int `json:"failing"`
	Stale     int `json:"stale"`
	Unsettled int `json:"unsettled"`
	Held      int `json:"held"`
	Pending   int `json:"pending"`
	Observed  int `json:"observed"`
	Changed   int `json:"changed"`
	Waiting   int `json:"waiting"`
	InSync    int `json:"in_sync"`
}

// A Cluster is one cluster of the file.
type Cluster struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	InSync *bool  `json:"in_sync"` // nil: nobody knows

	UUID    string `json:"uuid,omitempty"`
	ONTAP   string `json:"ontap_name,omitempty"`
	Release string `json:"release,omitempty"`
	Mode    string `json:"mode"`

	Result      string    `json:"result,omitempty"` // of the last pass
	LastPass    time.Time `json:"last_pass,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	Observed    time.Time `json:"observed_at,omitzero"` // when the newest complete look began
	Interval    float64   `json:"interval_seconds"`
	Took        float64   `json:"pass_seconds"`

	Error     string    `json:"error,omitempty"`
	ErrorKind string    `json:"error_kind,omitempty"` // access, state or cluster
	Failing   time.Time `json:"failing_since,omitzero"`

	Plan     plan.Counts `json:"plan"` // what was still to be done after the newest look
	Steps    []Step      `json:"steps,omitempty"`
	StepsCut int         `json:"steps_more,omitempty"`

	Operations    []Operation `json:"operations,omitempty"`
	OperationsCut int         `json:"operations_more,omitempty"`
	Pauses        []Order     `json:"pauses,omitempty"`
	Overrides     []Order     `json:"overrides,omitempty"`
	OrdersCut     int         `json:"orders_more,omitempty"`

	Schedules    []Schedule `json:"schedules,omitempty"` // failed and overdue ones first
	SchedulesCut int        `json:"schedules_more,omitempty"`

	Managers        []Manager     `json:"key_managers,omitempty"` // those in trouble first
	ManagersCut     int           `json:"key_managers_more,omitempty"`
	Certificates    []Certificate `json:"certificates,omitempty"` // that end within 30 days, or have ended
	CertificatesCut int           `json:"certificates_more,omitempty"`
	Backup          *Backup       `json:"backup,omitempty"`
}

// A Step is one that is held or refused.
type Step struct {
	Op      string `json:"op"`
	Status  string `json:"status"`
	Address string `json:"address"`
	Action  string `json:"action,omitempty"`
	Source  string `json:"source,omitempty"`
	Guard   string `json:"guard,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// An Operation is one that set out and of which no end is known, in the words of
// kmagent operations.
type Operation struct {
	ID      string    `json:"id"`
	Op      string    `json:"op"`
	Action  string    `json:"action,omitempty"`
	Address string    `json:"address"`
	At      time.Time `json:"at"`
	Job     string    `json:"job,omitempty"`
	State   string    `json:"state"`         // intent, accepted or unknown
	Why     string    `json:"why,omitempty"` // nobody knows what became of it, although it has a job
}

// An Order is a pause or an override that is in force.
type Order struct {
	ID      string    `json:"id"`
	Cluster string    `json:"cluster,omitempty"` // of a pause; empty: every cluster
	SVM     string    `json:"svm,omitempty"`
	Rule    string    `json:"rule,omitempty"` // of an override: the guard that may be passed
	Address string    `json:"address,omitempty"`
	Until   time.Time `json:"until"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
}

// A Manager is a key manager that was found, whether the file declares it or not.
type Manager struct {
	Address   string    `json:"address"`
	Kind      string    `json:"kind"`                  // external, onboard, azure, …
	Stored    bool      `json:"stored,omitempty"`      // kept beside the one in use
	State     string    `json:"state,omitempty"`       // available, degraded, unavailable or unknown
	Message   string    `json:"message,omitempty"`     // ONTAP's, where something remains to be done
	Reachable *bool     `json:"reachable,omitempty"`   // of a cloud service; absent: nothing is known
	Servers   []Server  `json:"servers,omitempty"`     // the primary key servers
	Nodes     []Node    `json:"unreachable,omitempty"` // of the embedded KMIP servers of a cloud key manager
	NodesCut  int       `json:"unreachable_more,omitempty"`
	Read      time.Time `json:"read_at,omitzero"` // when state and reachability were read
}

// A Server is a primary key server.
type Server struct {
	Server   string `json:"server"`
	Known    bool   `json:"known"`                 // whether reachability has been read
	Nodes    []Node `json:"unreachable,omitempty"` // the nodes that do not reach it
	NodesCut int    `json:"unreachable_more,omitempty"`
}

// A Node is one that does not reach a server: not_responding or unknown.
type Node struct {
	Node  string `json:"node"`
	State string `json:"state"`
}

// A Certificate is one that a key manager in use depends on.
type Certificate struct {
	Name    string    `json:"name"`
	UUID    string    `json:"uuid"`
	Use     string    `json:"use"` // client or server_ca
	Address string    `json:"address"`
	Ends    time.Time `json:"not_after"`
}

// A Backup is the newest key backup that kmagent took.
type Backup struct {
	At      time.Time `json:"at,omitzero"`
	Address string    `json:"address,omitempty"`
	Owed    int       `json:"owed"` // key managers that have changed since their last one
}

// JSON writes a report for programs.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	return enc.Encode(r)
}

// OK says whether every cluster is in sync with the newest file, which nothing holds.
func (r *Report) OK() bool {
	return r.Source.Revision != "" && r.Source.Problem == "" && r.Source.Hold == "" &&
		!slices.ContainsFunc(r.Clusters, func(c Cluster) bool { return c.InSync == nil || !*c.InSync })
}

// cut returns the first n members, and how many more there are.
func cut[T any](list []T, n int) ([]T, int) {
	if len(list) <= n {
		return list, 0
	}
	return list[:n:n], len(list) - n
}
