package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"kmagent/internal/agent"
	"kmagent/internal/desired"
	"kmagent/internal/dump"
	"kmagent/internal/live"
	"kmagent/internal/ontap"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

func dumpCommand(c *common) *cobra.Command {
	d := dumper{common: c}
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Write what clusters have as a file; sends only GET",
		Long: `Read clusters and write a desired-state file that declares what they have: the
one of --endpoint, or those of the file. A plan of what is written finds nothing to do.
ONTAP tells no secret, so they come out as references to fill in, cred:FILL_ME_...; plan
says which of them are missing. What a file cannot say is a comment, with the reason.

With --sanitize, names, hosts and UUIDs become pseudonyms, for bug reports and questions.
They differ from run to run, unless --salt gives the same secret to each.`,
		Example: `  kmagent dump --endpoint https://prod-a.example.net --username kmagent --password cred:prod-a
  kmagent dump -f desired.yaml --cluster prod-a
  kmagent dump -f desired.yaml --sanitize`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&d.endpoint, "endpoint", "", "the cluster to read, https://host or https://host:port, in place of those of the file")
	f.StringVar(&d.caFile, "ca-file", "", "with --endpoint: PEM file of its CAs (default the system's)")
	f.StringVar(&d.username, "username", "", "with --endpoint: the cluster's user")
	f.StringVar(&d.password, "password", "", "with --endpoint: a reference to the user's password, such as cred:NAME")
	f.BoolVar(&d.sanitize, "sanitize", false, "write pseudonyms for names, hosts and UUIDs")
	f.StringVar(&d.salt, "salt", "", "with --sanitize: a reference to a secret that the pseudonyms are made with (default a random one)")
	return cmd
}

type dumper struct {
	*common
	endpoint, caFile   string
	username, password string
	sanitize           bool
	salt               string
}

func (d *dumper) run(ctx context.Context) error {
	specs, err := d.specs()
	if err != nil {
		return err
	}
	var key secret.Key
	if d.sanitize {
		if key, err = d.key(ctx); err != nil {
			return err
		}
	} else if d.salt != "" {
		return &exit{exitUsage, errors.New("--salt goes with --sanitize")}
	}
	sources, err := d.read(ctx, specs)
	if err != nil {
		return err
	}
	if d.sanitize {
		for i := range sources {
			sources[i] = dump.Sanitize(sources[i], key)
		}
	}
	text, err := dump.File(sources)
	if err != nil {
		return &exit{exitError, fmt.Errorf("what the clusters have is no file: %w", err)}
	}
	if _, err := d.out.Write(text); err != nil {
		return &exit{exitError, fmt.Errorf("write the file: %w", err)}
	}
	return nil
}

// specs returns the clusters to read: that of the flags, or those of the file.
func (d *dumper) specs() ([]desired.Cluster, error) {
	if d.endpoint == "" {
		if d.caFile+d.username+d.password != "" {
			return nil, &exit{exitUsage, errors.New("--ca-file, --username and --password go with --endpoint; a cluster of the file has its own")}
		}
		state, err := d.load()
		if err != nil {
			return nil, err
		}
		return state.Clusters, nil
	}
	spec, err := d.flagged()
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	return []desired.Cluster{spec}, nil
}

// flagged returns the cluster that the flags name. Its name is that of its host, until it
// has told its own.
func (d *dumper) flagged() (desired.Cluster, error) {
	if len(d.clusters) > 0 {
		return desired.Cluster{}, errors.New("--cluster is of the file; --endpoint names one that need not be in it")
	}
	if d.username == "" || d.password == "" {
		return desired.Cluster{}, errors.New("--endpoint needs --username and --password")
	}
	password, err := secret.ParseRef(d.password)
	if err != nil {
		return desired.Cluster{}, fmt.Errorf("--password: %w", err)
	}
	spec := desired.Cluster{
		Name: "cluster", Endpoint: d.endpoint,
		Auth: desired.Basic{Username: d.username, Password: password}, Policy: desired.Policy{MaxDeletes: 1},
	}
	if d.caFile != "" {
		if spec.TLS.CAFile, err = filepath.Abs(d.caFile); err != nil {
			return desired.Cluster{}, fmt.Errorf("--ca-file: %w", err)
		}
	}
	if spec, err = dump.Check(spec); err != nil {
		return desired.Cluster{}, err
	}
	if u, err := url.Parse(spec.Endpoint); err == nil {
		spec.Name = dump.Label(u.Host)
	}
	return spec, nil
}

// key returns what pseudonyms are made with.
func (d *dumper) key(ctx context.Context) (secret.Key, error) {
	if d.salt == "" {
		salt := make([]byte, secret.KeySize)
		rand.Read(salt) // it never fails
		return secret.NewKey(salt)
	}
	ref, err := secret.ParseRef(d.salt)
	if err != nil {
		return secret.Key{}, &exit{exitUsage, fmt.Errorf("--salt: %w", err)}
	}
	v, err := d.wiring(1).secrets.Resolve(ctx, ref)
	if err != nil {
		return secret.Key{}, &exit{exitAccess, err}
	}
	sum := sha256.Sum256(v.Expose())
	return secret.NewKey(sum[:])
}

// read reads every cluster, several at a time. A file of some of them would say of the
// others that nothing is to be managed there: if one cannot be read, there is none.
func (d *dumper) read(ctx context.Context, specs []desired.Cluster) ([]dump.Source, error) {
	sources, errs := make([]dump.Source, len(specs)), make([]error, len(specs))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, spec := range specs {
		group.Go(func() error {
			sources[i], errs[i] = d.source(ctx, spec)
			return nil
		})
	}
	group.Wait() // the errors are in errs
	var codes []int
	for i, err := range errs {
		if err != nil {
			fmt.Fprintf(d.err, "kmagent: %s: not read: %v\n", specs[i].Name, err)
			codes = append(codes, codeOf(err))
		}
	}
	if len(codes) > 0 {
		return nil, &exit{worst(codes...), nil}
	}
	return sources, nil
}

// source reads one cluster.
func (d *dumper) source(ctx context.Context, spec desired.Cluster) (dump.Source, error) {
	w := d.wiring(1)
	client, err := w.client(spec)
	if err != nil {
		return dump.Source{}, err
	}
	defer client.CloseIdle()
	s := dump.Source{Spec: spec}
	reader := live.NewReader(spec.Name, client, w.conns)
	if s.Have, s.Unread, err = readAll(ctx, reader); err != nil {
		return dump.Source{}, err
	}
	if spec.UUID != "" && spec.UUID != s.Have.UUID {
		return dump.Source{}, &agent.IdentityError{Want: spec.UUID, Have: s.Have.UUID, By: "the file"}
	}
	s.Spec.UUID = s.Have.UUID
	if d.endpoint != "" {
		s.Spec.Name = dump.Label(s.Have.Name)
	}
	return s, nil
}

// readAll reads the objects of every kind that a file may have, and returns the kinds that
// the account's role does not let it read: the role of a site has what its file needs.
func readAll(ctx context.Context, r *live.Reader) (*resource.Cluster, []*resource.Kind, error) {
	kinds := resource.All()
	have, err := r.Read(ctx, false, dump.Wanted(kinds, nil))
	var unread []*resource.Kind
	if denied(err) {
		if kinds, unread, err = readable(ctx, r, kinds); err == nil {
			have, err = r.Read(ctx, false, dump.Wanted(kinds, nil))
		}
	}
	if err != nil {
		return nil, nil, err
	}
	have, err = r.Read(ctx, false, dump.Wanted(kinds, have))
	return have, unread, err
}

// readable tells the kinds that may be read from those that may not. Without any the role
// lacks what everybody needs, which is an error.
func readable(ctx context.Context, r *live.Reader, kinds []*resource.Kind) (may, mayNot []*resource.Kind, err error) {
	if _, err := r.Read(ctx, false, nil); err != nil {
		return nil, nil, err
	}
	for _, k := range kinds {
		_, err := r.Read(ctx, false, dump.Wanted([]*resource.Kind{k}, nil))
		switch {
		case err == nil:
			may = append(may, k)
		case denied(err):
			mayNot = append(mayNot, k)
		default:
			return nil, nil, err
		}
	}
	return may, mayNot, nil
}

// denied says whether the account's role does not permit a request.
func denied(err error) bool {
	e, ok := errors.AsType[*ontap.Error](err)
	return ok && e.Denied()
}
