package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// A family is one metric: the single place for its name, its labels and its words, from
// which the collectors are made and the manual's tables are checked.
type family struct {
	name   string
	kind   string // one of the following
	help   string
	labels []string
	desc   *prometheus.Desc
}

const prefix = "kmagent_"

// The types of metrics, in Prometheus's words.
const (
	gaugeKind     = "gauge"
	counterKind   = "counter"
	histogramKind = "histogram"
)

func define(kind, name, help string, labels []string) *family {
	name = prefix + name
	return &family{name, kind, help, labels, prometheus.NewDesc(name, help, labels, nil)}
}

func gauge(name, help string, labels ...string) *family {
	return define(gaugeKind, name, help, labels)
}

func counter(name, help string, labels ...string) *family {
	return define(counterKind, name, help, labels)
}

func histogram(name, help string, labels ...string) *family {
	return define(histogramKind, name, help, labels)
}

// told says whether its series are made at the scrape, of what is known then. That of rekeys is
// a counter all the same: somebody else counts.
func (f *family) told() bool { return f.kind == gaugeKind || f.name == prefix+"rekeys_total" }

func (f *family) counter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.name, Help: f.help}, f.labels)
}

func (f *family) histogram(buckets ...float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: f.name, Help: f.help, Buckets: buckets}, f.labels)
}

// A group is a table of the manual.
type group struct {
	title    string
	families []*family
}

// groups lists every metric, in the order of the manual.
func groups() []group {
	return []group{
		{"Desired state", []*family{sourceInfo, sourceFetches, sourceLastSuccess, configValid, configLoaded, configProblems, managedResources}},
		{"Reconcile", []*family{reconciles, reconcileDuration, lastRun, lastSuccess, reconcileInterval, reconcileMode, pendingChanges, planBlocked, changes, openOperations, operationUnknown}},
		{"Drift", []*family{driftedResources, driftFirstSeen, driftDetected}},
		{"Key managers", []*family{clusterInfo, managerInfo, managerState, serverInfo, serverReachable, serverState, serverLastReachable, cloudReachable, ekmipReachable, certificateNotAfter, lastBackup, droppedObjects}},
		{"Rekey", []*family{rekeys, rekeyLastSuccess, rekeyNextRun, rekeyMaxAge, rekeyRunning, rekeyDuration, rekeyUnverified}},
		{"ONTAP API", []*family{ontapUp, ontapRequests, requestDuration, ontapRetries}},
		{"Agent", []*family{readOnlyMode}},
	}
}

// Desired state.
var (
	sourceInfo = gauge("source_info",
		"Revision of the desired state in use; constant 1.",
		"source", "ref", "revision", "signed_by")
	sourceFetches = counter("source_fetches_total",
		"Attempts to read the desired state, by result (success, unchanged, error).",
		"source", "result")
	sourceLastSuccess = gauge("source_last_success_timestamp_seconds",
		"Unix time of the last successful read of the desired state.",
		"source")
	configValid = gauge("config_last_load_successful",
		"Whether the newest desired state parsed and validated (1) or the previous one is still in use (0).",
		"source")
	configLoaded = gauge("config_last_load_success_timestamp_seconds",
		"Unix time of the last desired state that parsed and validated.",
		"source")
	configProblems = gauge("config_problems",
		"Validation findings in the newest desired state, by severity (error, warning).",
		"source", "severity")
	managedResources = gauge("managed_resources",
		"Resources declared in the desired state.",
		"cluster", "svm", "kind")
)

// Reconcile.
var (
	reconciles = counter("reconciles_total",
		"Reconcile passes, by result (in_sync, applied, planned, blocked, failed).",
		"cluster", "result")
	reconcileDuration = histogram("reconcile_duration_seconds",
		"Wall time of one reconcile pass.",
		"cluster")
	lastRun = gauge("reconcile_last_run_timestamp_seconds",
		"Unix time at which the last reconcile pass ended, whatever its result.",
		"cluster")
	lastSuccess = gauge("reconcile_last_success_timestamp_seconds",
		"Unix time at which a reconcile pass last ended without an error.",
		"cluster")
	reconcileInterval = gauge("reconcile_interval_seconds",
		"Configured interval between reconcile passes.",
		"cluster")
	reconcileMode = gauge("reconcile_mode",
		"Mode in force (observe, plan, enforce, suspended): 1 for the current mode, 0 for the others.",
		"cluster", "mode")
	pendingChanges = gauge("plan_pending_changes",
		"Changes in the newest plan that are not applied yet, by action (create, update, delete, rotate).",
		"cluster", "svm", "kind", "action")
	planBlocked = gauge("plan_blocked",
		"Whether a plan waits (1), by reason (approval, window, guard, not_leader).",
		"cluster", "reason")
	changes = counter("changes_total",
		"Changes sent to ONTAP, by result (success, error, unknown).",
		"cluster", "kind", "action", "result")
	openOperations = gauge("journal_open_operations",
		"Operations that were sent and of which no end is known.",
		"cluster")
	operationUnknown = gauge("operation_unknown",
		"Whether (1) the cluster is not known to work on one of the open operations: its answer was lost, or its job tells no end.",
		"cluster")
)

// Drift.
var (
	driftedResources = gauge("drifted_resources",
		"Resources that differ from the desired state, by drift (missing, unexpected, changed).",
		"cluster", "svm", "kind", "drift")
	driftFirstSeen = gauge("drift_first_seen_timestamp_seconds",
		"Unix time at which the present drift was first seen; the series is absent while there is none.",
		"cluster", "svm", "kind")
	driftDetected = counter("drift_detected_total",
		"Resources that went from matching to differing.",
		"cluster", "svm", "kind", "drift")
)

// Key managers.
var (
	clusterInfo = gauge("cluster_info",
		"Identity of a managed ONTAP cluster; constant 1.",
		"cluster", "ontap_name", "cluster_uuid", "version")
	managerInfo = gauge("key_manager_info",
		"A key manager found on the cluster; constant 1.",
		"cluster", "svm", "scope", "type", "uuid")
	managerState = gauge("key_manager_state",
		"State of a key manager as ONTAP reports it (available, degraded, unavailable, unknown): 1 for the current state.",
		"cluster", "svm", "type", "state")
	serverInfo = gauge("key_server_info",
		"A key server configured on the cluster; constant 1. Role is primary or secondary.",
		"cluster", "svm", "key_server", "role", "position")
	serverReachable = gauge("key_server_reachable",
		"Whether a node reaches a key server, as ONTAP reports it: 1 available, 0 anything else.",
		"cluster", "svm", "node", "key_server")
	serverState = gauge("key_server_state",
		"State word of a key server on a node (available, not_responding, unknown): 1 for the current state.",
		"cluster", "svm", "node", "key_server", "state")
	serverLastReachable = gauge("key_server_last_reachable_timestamp_seconds",
		"Unix time at which a node last reached a key server.",
		"cluster", "svm", "node", "key_server")
	cloudReachable = gauge("cloud_kms_reachable",
		"Whether the cloud key service of an SVM is reachable, as ONTAP reports it.",
		"cluster", "svm", "type")
	ekmipReachable = gauge("ekmip_reachable",
		"Whether the EKMIP server on a node is reachable, as ONTAP reports it.",
		"cluster", "svm", "node")
	certificateNotAfter = gauge("certificate_not_after_timestamp_seconds",
		"End of validity of a certificate that a key manager uses; use is client or server_ca.",
		"cluster", "svm", "use", "uuid")
	lastBackup = gauge("key_backup_last_timestamp_seconds",
		"Unix time of the newest key backup of the onboard key manager; the series is absent while none is known.",
		"cluster")
	droppedObjects = gauge("dropped_objects",
		"Key managers, key servers, their states on nodes, and certificates of a cluster that have no series, because there are too many or one looks like another.",
		"cluster")
)

// Rekey. These are about the actions that the file has a schedule for.
var (
	rekeys = counter("rekeys_total",
		"Rekey runs, by result (success, error, skipped, missed, unknown); counted in the state directory, not since the agent started.",
		"cluster", "svm", "target", "result")
	rekeyLastSuccess = gauge("rekey_last_success_timestamp_seconds",
		"Unix time at which a rekey last succeeded; the series is absent while none is known.",
		"cluster", "svm", "target")
	rekeyNextRun = gauge("rekey_next_run_timestamp_seconds",
		"Unix time of the next scheduled rekey; in the past, its slot has come and it waits. The series is absent while no slot is known.",
		"cluster", "svm", "target")
	rekeyMaxAge = gauge("rekey_max_age_seconds",
		"Greatest age of a key that the desired state allows; the series is absent where it allows any.",
		"cluster", "svm", "target")
	rekeyDuration = gauge("rekey_last_duration_seconds",
		"Duration of the last rekey that ended, from its intent to when its end was known; the series is absent while none is known.",
		"cluster", "svm", "target")
	rekeyUnverified = gauge("rekey_unverified",
		"Whether a rekey has succeeded, and no look since has found every node up, with its keys, and in reach of the key service.",
		"cluster", "svm", "target")
	rekeyRunning = gauge("rekey_running",
		"Whether a rekey is under way: it was sent, and no end of it is known.",
		"cluster", "svm", "target")
)

// Agent.
var (
	readOnlyMode = gauge("read_only_mode",
		"Whether every change rests (1), by reason: the audit log cannot be written, the state cannot, the newest file is not usable, or it has lost much of what the last one had.",
		"reason")
)

// ONTAP API.
var (
	ontapUp = gauge("ontap_up",
		"Whether the last request to the cluster's management API was answered.",
		"cluster")
	ontapRequests = counter("ontap_requests_total",
		"Requests to ONTAP, by path template, method and status code (0: no answer).",
		"cluster", "endpoint", "method", "code")
	requestDuration = histogram("ontap_request_duration_seconds",
		"Time from sending a request to ONTAP to the end of its answer.",
		"cluster", "method")
	ontapRetries = counter("ontap_retries_total",
		"Requests sent again, by reason (timeout, connect, status_429, status_5xx).",
		"cluster", "reason")
)
