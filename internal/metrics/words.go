package metrics

import "kmagent/internal/plan"

// Result is what came of a pass.
type Result string

// The results of a pass.
const (
	InSync  Result = "in_sync" // there was nothing to do
	Applied Result = "applied" // everything that was to be done was done
	Planned Result = "planned" // there is something to do, and the mode forbids it
	Blocked Result = "blocked" // something is held or refused
	Failed  Result = "failed"  // the cluster could not be read, or a step failed
)

// Results lists the results of a pass.
func Results() []Result { return []Result{InSync, Applied, Planned, Blocked, Failed} }

// FetchResult is what came of reading the desired state.
type FetchResult string

// The results of a fetch.
const (
	FetchSuccess   FetchResult = "success"   // a new content was read
	FetchUnchanged FetchResult = "unchanged" // the content is the one that was known
	FetchError     FetchResult = "error"
)

// FetchResults lists the results of a fetch.
func FetchResults() []FetchResult {
	return []FetchResult{FetchSuccess, FetchUnchanged, FetchError}
}

// Mode is what the agent may do to a cluster.
type Mode string

// The modes.
const (
	ModeObserve   Mode = "observe"   // compare and tell
	ModePlan      Mode = "plan"      // propose, and wait to be told
	ModeEnforce   Mode = "enforce"   // carry out
	ModeSuspended Mode = "suspended" // do nothing
)

// Modes lists the modes.
func Modes() []Mode { return []Mode{ModeObserve, ModePlan, ModeEnforce, ModeSuspended} }

// RetryReason is why a request was sent again.
type RetryReason string

// The reasons of a retry.
const (
	RetryTimeout RetryReason = "timeout"
	RetryConnect RetryReason = "connect" // no connection, or one that broke before the answer
	RetryTooMany RetryReason = "status_429"
	RetryServer  RetryReason = "status_5xx"
)

// RetryReasons lists the reasons of a retry.
func RetryReasons() []RetryReason {
	return []RetryReason{RetryTimeout, RetryConnect, RetryTooMany, RetryServer}
}

// A ReadOnlyReason is why every change rests.
type ReadOnlyReason string

// The reasons of rest.
const (
	ReadOnlyAudit  ReadOnlyReason = "audit"
	ReadOnlyState  ReadOnlyReason = "state"
	ReadOnlySource ReadOnlyReason = "source"
	ReadOnlyShrink ReadOnlyReason = "shrink"
)

// ReadOnlyReasons lists the reasons of rest.
func ReadOnlyReasons() []ReadOnlyReason {
	return []ReadOnlyReason{ReadOnlyAudit, ReadOnlyState, ReadOnlySource, ReadOnlyShrink}
}

// drifts are the ways in which a resource differs from the desired state, by [drift].
var drifts = [...]string{missing: "missing", unexpected: "unexpected", changed: "changed"}

// actions are the words for what a step does, by [plan.Op].
var actions = [...]string{plan.Create: "create", plan.Update: "update", plan.Delete: "delete", plan.Act: "rotate"}

// changeResults are the results of what was sent.
var changeResults = [...]string{"success", "error", "unknown"}

// changeResult is the word for what came of a step, and whether it was sent at all.
func changeResult(o plan.Outcome) (string, bool) {
	switch o {
	case plan.Applied:
		return "success", true
	case plan.Failed:
		return "error", true
	case plan.Unknown:
		return "unknown", true
	default:
		return "", false
	}
}

// rekeyResults are the results of a rekey whose slot has come, or that was asked for.
var rekeyResults = [...]string{"success", "error", "skipped", "missed", "unknown"}

// The reasons why a plan waits. Only a guard makes one wait so far.
const guardReason = "guard"

var blockReasons = [...]string{"approval", "window", guardReason, "not_leader"}

// severities of findings in the desired state.
const (
	severityError   = "error"
	severityWarning = "warning"
)

// The states of a key manager.
const (
	managerAvailable   = "available"
	managerDegraded    = "degraded"
	managerUnavailable = "unavailable"
	managerUnknown     = "unknown"
)

var managerStates = [...]string{managerAvailable, managerDegraded, managerUnavailable, managerUnknown}

// The states of a key server on a node, in ONTAP's words (ONTAP REST reference,
// key-servers, connectivity.node_states).
const (
	serverAvailable     = "available"
	serverNotResponding = "not_responding"
	serverUnknown       = "unknown"
)

var serverStates = [...]string{serverAvailable, serverNotResponding, serverUnknown}
