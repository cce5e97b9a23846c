package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/time/rate"

	"kmagent/internal/agent"
	"kmagent/internal/apply"
	"kmagent/internal/backup"
	"kmagent/internal/desired"
	"kmagent/internal/live"
	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resolve"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
	"kmagent/internal/state"
)

// connectRate bounds attempts to connect, over all clusters, in one second.
const connectRate = 50

// A wiring joins the edges of clusters to what they share.
type wiring struct {
	stateDir string
	audit    *auditor // of what is sent; nil where nothing is
	secrets  *resolve.Resolver
	dials    *rate.Limiter
	conns    int           // to one cluster at the same time
	jobWait  time.Duration // for a job that was sent; 0: as the client has it
	exchange func(cluster string, x ontap.Exchange)
	retried  func(cluster string, err error)
}

func (c *common) wiring(clusters int) *wiring {
	dir := c.credentialsDir
	if dir == "" {
		dir, _ = c.env("CREDENTIALS_DIRECTORY")
	}
	w := &wiring{
		stateDir: c.stateDir,
		secrets:  &resolve.Resolver{CredentialsDir: dir, Roots: c.secretsRoots, Env: c.env},
		dials:    rate.NewLimiter(connectRate, connectRate),
		conns:    2,
		exchange: func(string, ontap.Exchange) {},
		retried:  func(string, error) {},
	}
	if c.seconds {
		w.jobWait = 3 * time.Second // so that a test sees what happens while a job goes on
	}
	if clusters == 1 {
		w.conns = 4 // a single cluster is worth the speed; a fleet is not worth the load
	}
	return w
}

// client returns the way to one cluster.
func (w *wiring) client(spec desired.Cluster) (*ontap.Client, error) {
	cfg := ontap.Config{
		Endpoint:    spec.Endpoint,
		ServerName:  spec.TLS.ServerName,
		Credentials: w.credentials(spec.Auth),
		Dial:        w.dials.Wait,
		Observe:     func(x ontap.Exchange) { w.exchange(spec.Name, x) },
		Retried:     func(err error) { w.retried(spec.Name, err) },
		MaxConns:    w.conns,
		JobWait:     w.jobWait,
		UserAgent:   "kmagent/" + release,
	}
	if spec.TLS.CAFile != "" {
		cfg.CAFiles = []string{spec.TLS.CAFile}
	}
	client, err := ontap.New(cfg)
	if err != nil {
		return nil, &exit{exitAccess, err}
	}
	return client, nil
}

// credentials returns what asks for them: before every request, so that a rotated secret is
// used at once.
func (w *wiring) credentials(auth desired.Auth) func(context.Context) (ontap.Credential, error) {
	switch a := auth.(type) {
	case desired.Basic:
		return func(ctx context.Context) (ontap.Credential, error) {
			v, err := w.secrets.Resolve(ctx, a.Password)
			if err != nil {
				return ontap.Credential{}, err
			}
			return ontap.Basic(a.Username, v.Expose())
		}
	case desired.Bearer:
		return func(ctx context.Context) (ontap.Credential, error) {
			v, err := w.secrets.Resolve(ctx, a.Token)
			if err != nil {
				return ontap.Credential{}, err
			}
			return ontap.Bearer(v.Expose())
		}
	case desired.Certificate:
		return func(context.Context) (ontap.Credential, error) {
			cert, err := os.ReadFile(a.CertFile)
			if err != nil {
				return ontap.Credential{}, &exit{exitAccess, fmt.Errorf("client certificate %s cannot be read", a.CertFile)}
			}
			key, err := os.ReadFile(a.KeyFile)
			if err != nil {
				return ontap.Credential{}, &exit{exitAccess, fmt.Errorf("key of the client certificate %s cannot be read", a.KeyFile)}
			}
			return ontap.ClientCertificate(cert, key)
		}
	default:
		return func(context.Context) (ontap.Credential, error) {
			return ontap.Credential{}, fmt.Errorf("no credentials of type %T", auth)
		}
	}
}

// reading returns what opens clusters for looking: nothing can be sent, and nothing is
// written to the state, so it may run beside the service.
func (w *wiring) reading(stateDir string) func(desired.Cluster) (agent.Edges, error) {
	return func(spec desired.Cluster) (agent.Edges, error) {
		led, err := state.Read(stateDir, spec.Name)
		if err != nil {
			return agent.Edges{}, &agent.MemoryError{Err: err}
		}
		key, err := state.ReadKey(stateDir)
		if err != nil {
			return agent.Edges{}, &agent.MemoryError{Err: err}
		}
		client, err := w.client(spec)
		if err != nil {
			return agent.Edges{}, err
		}
		return agent.Edges{
			Reader:   live.NewReader(spec.Name, client, w.conns),
			Actor:    actor{&apply.Runner{Secrets: w.secrets, Key: key}},
			Memory:   recollection{led},
			Standing: w.standing,
			Instance: instance(stateDir),
			Close:    func() error { client.CloseIdle(); return nil },
		}, nil
	}
}

// instance tells the agent of a state directory from every other; empty where there is none yet.
func instance(stateDir string) string {
	key, err := state.OwnKey(stateDir)
	if err != nil {
		return ""
	}
	return secret.MAC(key, []byte("instance"))
}

// standing returns what people have ordered.
func (w *wiring) standing() (plan.Standing, error) { return state.ReadOrders(w.stateDir) }

// A recollection is a ledger that was read and is not written.
type recollection struct{ led plan.Ledger }

func (r recollection) Ledger() plan.Ledger                      { return r.led }
func (recollection) Pin(string, time.Time) error                { return errReadOnly }
func (recollection) See([]plan.Sighting, time.Time) error       { return errReadOnly }
func (recollection) Adopt([]plan.Adoption, time.Time) error     { return errReadOnly }
func (recollection) NoteSlots([]plan.SlotNote, time.Time) error { return errReadOnly }
func (recollection) End(string, plan.End) error                 { return errReadOnly }

var errReadOnly = fmt.Errorf("the state was opened for reading")

// writing returns what opens clusters for writing, under a state that this process holds.
func (w *wiring) writing(store *stateStore, done func(plan.Result)) func(desired.Cluster) (agent.Edges, error) {
	return func(spec desired.Cluster) (agent.Edges, error) {
		client, err := w.client(spec)
		if err != nil {
			return agent.Edges{}, err
		}
		orders := state.Orders{Dir: w.stateDir}
		e := agent.Edges{Reader: live.NewReader(spec.Name, client, w.conns), Again: client.ResetCredentials, Standing: w.standing}
		runner := &apply.Runner{Writer: client, Secrets: w.secrets, Key: store.key(), Done: done, Keeper: w.keeper(spec, client), Use: orders.Use}
		e.Actor = actor{runner}
		var book *state.Book
		e.Reopen = func() (agent.Memory, error) {
			if book != nil {
				if err := book.Renew(); err != nil {
					return nil, err
				}
				return runner.Journal.(*auditedBook), nil
			}
			taken, err := store.get()
			if err != nil {
				return nil, err
			}
			if book, err = taken.Book(spec.Name); err != nil {
				return nil, err
			}
			runner.Key = taken.Key()
			audited := &auditedBook{book, w.audit, spec.Name}
			runner.Journal = audited
			return audited, nil
		}
		e.Memory, e.MemoryErr = e.Reopen()
		e.Instance = instance(w.stateDir)
		e.Close = func() error {
			client.CloseIdle()
			if book == nil {
				return nil
			}
			return book.Close()
		}
		return e, nil
	}
}

// keeper returns what saves the key backups of a cluster; nil if the file names nobody who
// could read them.
func (w *wiring) keeper(spec desired.Cluster, client *ontap.Client) apply.Keeper {
	if len(spec.Backup.Recipients) == 0 {
		return nil
	}
	return &backup.Keeper{
		Cluster: spec.Name, Get: client, Recipients: spec.Backup.Recipients, Now: time.Now,
		Dir: cmp.Or(spec.Backup.Dir, filepath.Join(w.stateDir, "backups")),
	}
}

// An actor gives a runner the form that a loop knows.
type actor struct{ *apply.Runner }

func (a actor) Digests(ctx context.Context, want []*resource.Object) plan.Secrets {
	return apply.Digests(ctx, a.Secrets, a.Key, want)
}
