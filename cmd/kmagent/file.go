package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"kmagent/internal/desired"
	"kmagent/internal/watch"
)

// load reads and checks the file. Its faults are on the error stream when it returns.
func (c *common) load() (*desired.State, error) {
	snap, err := watch.Read(c.file)
	if err != nil {
		fmt.Fprintln(c.err, unreadable(c.file, err))
		return nil, &exit{exitInvalid, nil}
	}
	state, err := desired.ParseWith(c.file, snap.Text, desired.Options{Seconds: c.seconds})
	if err == nil {
		err = state.Expired(time.Now())
	}
	if err != nil {
		fmt.Fprintln(c.err, err)
		return nil, &exit{exitInvalid, nil}
	}
	return c.selected(state)
}

// unreadable says, in the form of a fault, why there is no text.
func unreadable(file string, err error) string {
	what := "cannot be read"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		what = "there is no such file; name it with --file"
	case errors.Is(err, fs.ErrPermission):
		what = "this user may not read it"
	case errors.Is(err, watch.ErrNotRegular):
		what = "not a regular file"
	case errors.Is(err, watch.ErrTooLarge):
		what = "larger than 1 MiB; split the fleet over several agents"
	case errors.Is(err, watch.ErrUnstable):
		what = "is being written; try again"
	}
	return fmt.Sprintf("%s:1:1: file: %s", file, what)
}

// selected reduces a state to the clusters of --cluster.
func (c *common) selected(s *desired.State) (*desired.State, error) {
	out, missing := s.Only(c.clusters)
	if len(missing) == 0 {
		return out, nil
	}
	var known []string
	for _, k := range s.Clusters {
		known = append(known, k.Name)
	}
	return nil, &exit{exitUsage, fmt.Errorf("--cluster %q is not in the file; it has %s", missing[0], strings.Join(known, ", "))}
}
