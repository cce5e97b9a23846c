package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kmagent/internal/disk"
	"kmagent/internal/plan"
	"kmagent/internal/secret"
	"kmagent/internal/state"
)

// A saver keeps a plan that was made; the zero saver keeps none.
type saver struct {
	path     string
	validFor time.Duration
	key      secret.Key
}

// maxValid is the longest that a plan may be kept: what it rests on changes with the days.
const maxValid = 24 * time.Hour

// prepare finds out, before anything is looked at, whether a plan can be kept.
func (s *saver) prepare(stateDir string) error {
	switch {
	case s.path == "":
		return nil
	case s.validFor < time.Second || s.validFor > maxValid:
		return &exit{exitUsage, fmt.Errorf("--valid-for %s is not between 1s and %s", s.validFor, maxValid)}
	}
	if info, err := os.Stat(s.path); err == nil && !info.Mode().IsRegular() {
		return &exit{exitUsage, fmt.Errorf("--out %s: it is not a regular file", s.path)}
	}
	if info, err := os.Stat(filepath.Dir(s.path)); err != nil || !info.IsDir() {
		return &exit{exitUsage, fmt.Errorf("--out %s: there is no such directory", s.path)}
	}
	var err error
	s.key, err = state.OwnKey(stateDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &exit{exitState, fmt.Errorf("no plan can be kept: %s has no state yet, whose key would authenticate it, and plan makes none; name the service's directory with --state-dir, or let the service start once (kmagent run --observe writes to no cluster)", stateDir)}
	case err != nil:
		return &exit{exitState, fmt.Errorf("no plan can be kept: %w", err)}
	}
	return nil
}

// keep writes the plan, if every cluster could be planned, and tells its id.
func (s *saver) keep(c *common, form, digest string, passes []looked) error {
	if s.path == "" {
		return nil
	}
	failed := 0
	saved := plan.Saved{Made: time.Now(), Source: digest}
	saved.Until = saved.Made.Add(s.validFor)
	for i := range passes {
		if passes[i].Err != nil {
			failed++
			continue
		}
		saved.Clusters = append(saved.Clusters, plan.OutlineOf(&passes[i].Plan))
	}
	if failed > 0 {
		fmt.Fprintf(c.err, "kmagent: no plan was kept: %d of %d clusters could not be planned\n", failed, len(passes))
		return nil // the exit code is that of the failure
	}
	text, err := saved.Encode(s.key)
	if err == nil {
		err = disk.Write(disk.Dir(filepath.Dir(s.path)), filepath.Base(s.path), text)
	}
	if err != nil {
		return &exit{exitError, fmt.Errorf("keep the plan: %w", err)}
	}
	until := saved.Until.Format(time.RFC3339)
	switch form {
	case "json": // its form is a contract
		_, err = fmt.Fprintf(c.err, "plan %s is in %s, valid until %s\n", saved.ID, s.path, until)
	case "text":
		_, err = fmt.Fprintf(c.out, "\nplan %s is in %s, valid until %s\n", saved.ID, s.path, until)
	default:
		err = plan.MarkdownEnd(c.out, saved.ID, saved.Until)
	}
	if err != nil {
		return &exit{exitError, fmt.Errorf("write the plan: %w", err)}
	}
	return nil
}

// maxPlanFile bounds what is read of a saved plan: ten thousand steps are about ten mebibytes.
const maxPlanFile = 64 << 20

// readPlan reads a file that a plan was kept in.
func readPlan(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxPlanFile:
		return nil, fmt.Errorf("%s is larger than any plan", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxPlanFile))
}

// open returns a plan that was kept, once it is known that this installation wrote it and
// that it is not too old.
func (a *applier) open(path string) (*plan.Saved, error) {
	text, err := readPlan(path)
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	key, err := state.OwnKey(a.stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &exit{exitStale, fmt.Errorf("%s: %w (%s has no state); nothing was sent", path, plan.ErrAltered, a.stateDir)}
	}
	if err != nil {
		return nil, &exit{exitState, err}
	}
	saved, err := plan.OpenSaved(text, key)
	if err == nil {
		err = saved.Holds(time.Now())
	}
	if err != nil {
		return nil, &exit{exitStale, fmt.Errorf("%s: %w; nothing was sent", path, err)}
	}
	return &saved, nil
}

// runSaved carries out a plan that was kept.
func (a *applier) runSaved(ctx context.Context, path string) error {
	switch {
	case a.wait > 0:
		return &exit{exitUsage, errors.New("--wait makes passes beyond the plan, and PLANFILE is all that was approved: leave one of them out")}
	case len(a.clusters) > 0:
		return &exit{exitUsage, errors.New("--cluster is settled by PLANFILE: leave it out, or plan again with it")}
	case a.orders.Resend:
		return &exit{exitUsage, errors.New("--resend-secrets is not in PLANFILE: leave one of them out")}
	}
	saved, err := a.open(path)
	if err != nil {
		return err
	}
	want, err := a.load()
	if err != nil {
		return err
	}
	if want.Digest != saved.Source {
		return &exit{exitStale, fmt.Errorf("%s is not the file that %s was made from (its digest was %.12s…, and is %.12s…); nothing was sent", a.file, path, saved.Source, want.Digest)}
	}
	var names []string
	for _, c := range saved.Clusters {
		names = append(names, c.Cluster)
	}
	want, _ = want.Only(names) // the file has them all: it is the same
	a.saved, a.orders.ID = saved, saved.ID
	fmt.Fprintf(a.out, "plan %s, made %s, valid until %s\n\n", saved.ID, saved.Made.Format(time.RFC3339), saved.Until.Format(time.RFC3339))
	return a.run(ctx, want)
}
