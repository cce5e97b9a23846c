package main

import (
	"errors"
	"fmt"
	"testing"

	"kmagent/internal/agent"
	"kmagent/internal/apply"
	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resolve"
)

// The scripts show the codes that a cluster can bring about at once. This table has those
// that take a minute, a full disk or a restart to come about, too.
func TestCodeOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"nothing", nil, exitOK},
		{"whatever else", errors.New("x"), exitFailed},
		{"no state", &agent.MemoryError{Err: errors.New("x")}, exitState},
		{"full disk", &apply.JournalError{Err: errors.New("x")}, exitState},
		{"secret", &resolve.Error{}, exitAccess},
		{"credentials", &ontap.AuthError{}, exitAccess},
		{"certificate", &ontap.TransportError{Reason: ontap.TLSExpired}, exitAccess},
		{"no connection", &ontap.TransportError{Reason: ontap.Refused}, exitFailed},
		{"stale", plan.ErrStale, exitStale},
		{"changed", plan.ErrChanged, exitStale},
	} {
		if got := codeOf(tt.err); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
		if tt.err == nil {
			continue
		}
		if got := codeOf(fmt.Errorf("around it: %w", tt.err)); got != tt.want {
			t.Errorf("%s, wrapped: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Where several codes are true, a script has to know of the gravest.
func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		codes []int
		want  int
	}{
		{nil, exitOK},
		{[]int{exitOK, exitPending}, exitPending},
		{[]int{exitPending, exitHeld}, exitHeld},
		{[]int{exitHeld, exitStale}, exitStale},
		{[]int{exitStale, exitFailed}, exitFailed},
		{[]int{exitFailed, exitAccess}, exitAccess},
		{[]int{exitAccess, exitLocked}, exitLocked},
		{[]int{exitLocked, exitState}, exitState},
		{[]int{exitState, exitInvalid}, exitInvalid},
	} {
		if got := worst(tt.codes...); got != tt.want {
			t.Errorf("worst of %v: %d, want %d", tt.codes, got, tt.want)
		}
	}
}

// A step that failed outdoes those that were left, and those outdo what is held.
func TestReportCode(t *testing.T) {
	result := func(o plan.Outcome, err error) plan.Result {
		return plan.Result{Step: &plan.Step{}, Outcome: o, Err: err}
	}
	applied, stale := result(plan.Applied, nil), result(plan.NotAttempted, plan.ErrStale)
	held := plan.Plan{Steps: []plan.Step{{Status: plan.Held, Guard: plan.Floor}}}
	for _, tt := range []struct {
		name string
		pass agent.Pass
		want int
	}{
		{"done", agent.Pass{Report: &plan.Report{Results: []plan.Result{applied}}}, exitOK},
		{"left", agent.Pass{Report: &plan.Report{Results: []plan.Result{applied, stale}}, Plan: held}, exitStale},
		{"failed and left", agent.Pass{Report: &plan.Report{Results: []plan.Result{result(plan.Failed, errors.New("x")), stale}}}, exitFailed},
		{"held", agent.Pass{Report: &plan.Report{Results: []plan.Result{applied}}, Plan: held}, exitHeld},
		{"not looked at", agent.Pass{Err: errors.New("x")}, exitFailed},
	} {
		if got := reportCode(&tt.pass); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A held secret is a matter of access; anything else that waits is not.
func TestWaitCode(t *testing.T) {
	step := func(s plan.Status, g plan.Guard) plan.Step { return plan.Step{Status: s, Guard: g} }
	for _, tt := range []struct {
		steps []plan.Step
		want  int
	}{
		{nil, exitOK},
		{[]plan.Step{step(plan.Ready, plan.NoGuard)}, exitOK},
		{[]plan.Step{step(plan.Held, plan.Floor)}, exitHeld},
		{[]plan.Step{step(plan.Refused, plan.Missing), step(plan.Held, plan.Secret)}, exitAccess},
	} {
		if got := waitCode(&plan.Plan{Steps: tt.steps}); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.steps, got, tt.want)
		}
	}
}
