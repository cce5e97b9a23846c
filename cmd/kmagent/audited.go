package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"kmagent/internal/audit"
	"kmagent/internal/plan"
	"kmagent/internal/state"
)

// An auditor is the audit log as those see it who send: it is opened when it is first needed,
// and again after it could not be. While it is not there nothing is sent.
type auditor struct {
	dir      string
	actor    audit.Actor
	told     func(err error) // after each attempt to write; nil: it was written
	revision func() string   // digest of the file in use

	mu   sync.Mutex
	log  *audit.Log
	sent map[string]uint64 // by cluster: the highest number of an operation that was sent before we began
}

func newAuditor(stateDir, kind string, revision func() string) *auditor {
	return &auditor{dir: stateDir, actor: audit.Self(kind, release), told: func(error) {}, revision: revision}
}

// ready says why nothing could be written now, as far as that can be told before.
func (a *auditor) ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log != nil {
		return nil
	}
	log, err := audit.Open(a.dir)
	if err != nil {
		err = fmt.Errorf("the audit log cannot be written: %w", err)
		a.told(err)
		return err
	}
	if a.sent, err = highest(a.dir); err != nil {
		return fmt.Errorf("the audit log cannot be read: %w", errors.Join(err, log.Close()))
	}
	a.log = log
	return nil
}

// highest returns, for each cluster, the highest number of an operation that the log has.
func highest(dir string) (map[string]uint64, error) {
	out := map[string]uint64{}
	err := audit.Read(dir, func(e audit.Entry) error {
		i := strings.LastIndexByte(e.Op, '/')
		if n, err := strconv.ParseUint(e.Op[i+1:], 10, 64); err == nil && i > 0 {
			out[e.Op[:i]] = max(out[e.Op[:i]], n)
		}
		return nil
	})
	return out, err
}

// highWater is [state.Store.HighWater]: what was put on record has been sent, or nearly.
func (a *auditor) highWater(cluster string) (uint64, error) {
	if err := a.ready(); err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent[cluster], nil
}

// recoveredEntry puts on record that a journal was begun anew.
func recoveredEntry(cluster string, r state.Recovered) audit.Entry {
	return audit.Entry{Event: audit.Command, Cluster: cluster, Action: "state recover", Detail: fmt.Sprintf("%v; moved to %s", r.Cause, r.Moved)}
}

// append makes an entry durable.
func (a *auditor) append(e audit.Entry) error {
	if err := a.ready(); err != nil {
		return err
	}
	e.Actor, e.Revision = a.actor, a.revision()
	err := a.log.Append(e)
	if err != nil {
		err = fmt.Errorf("the audit log cannot be written: %w", err)
	}
	a.told(err)
	return err
}

func (a *auditor) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log == nil {
		return nil
	}
	return a.log.Close()
}

// An auditedBook is the journal of a cluster with every change of it on record in the audit
// log: each request before it leaves, and what came of each operation. Where either cannot
// be written the request is not sent.
type auditedBook struct {
	*state.Book
	auditor *auditor
	cluster string
}

// Begin makes sure that there is an audit log before an operation sets out.
func (b *auditedBook) Begin(o plan.Operation) (id string, err error) {
	if err := b.auditor.ready(); err != nil {
		return "", err
	}
	return b.Book.Begin(o)
}

// Sending puts a request on record that is about to leave.
func (b *auditedBook) Sending(id string, q plan.Sending) error {
	e := b.entry(audit.Intent, id)
	e.Method, e.Path, e.Fields = q.Method, q.Path, q.Fields
	e.Detail = strings.Join(q.Lifted, " ")
	if e.Detail != "" {
		e.Detail = "passes a guard by order " + e.Detail
	}
	return b.auditor.append(e)
}

// End puts on record what came of an operation.
func (b *auditedBook) End(id string, end plan.End) error {
	e := b.entry(audit.Result, id)
	if err := b.Book.End(id, end); err != nil {
		return err
	}
	e.Outcome, e.Code, e.Detail = end.Outcome.String(), end.Code, end.Why
	return b.auditor.append(e)
}

// entry is what every entry about an operation says; it must be one that is open.
func (b *auditedBook) entry(event, id string) audit.Entry {
	e := audit.Entry{Event: event, Cluster: b.cluster, Op: b.cluster + "/" + id, Time: time.Now().UTC()}
	for _, o := range b.Ledger().Open {
		if o.ID == id {
			e.Object, e.Action, e.Plan = o.Addr.String(), cmp.Or(o.Action, o.Op.String()), o.Plan
		}
	}
	return e
}
