package ontap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// What a caller must tell apart; test with [errors.Is].
var (
	// ErrOutcomeUnknown is a request that may or may not have taken effect: it must not be
	// repeated, what became of it must be read. A request that would change something and
	// ends with any other error had no effect.
	ErrOutcomeUnknown = errors.New("what became of it is unknown")
	// ErrAuth is a cluster that refused the credentials. Nothing more is sent to it until
	// they change, or [Client.ResetCredentials]: repeating them could lock the account.
	ErrAuth = errors.New("credentials refused")
	// ErrInconsistent is a collection that changed while its pages were read: read it again.
	ErrInconsistent = errors.New("the collection changed while it was read")
	// ErrJobGone is a job the cluster no longer knows. ONTAP forgets one 300 s after its end
	// (ONTAP REST reference, cluster/jobs), so this says nothing of success or failure.
	ErrJobGone = fmt.Errorf("the job is gone: %w", ErrOutcomeUnknown)
)

// ErrJobRunning is a job that was on its way when we stopped waiting for it: it has not failed,
// and what becomes of it is to be asked later.
var ErrJobRunning = fmt.Errorf("the job goes on: %w", ErrOutcomeUnknown)

// An Error is an answer that says no.
type Error struct {
	Method, Path string
	Status       int
	// Code, Message and Target are ONTAP's; each is empty where it gave none. They are safe to
	// print: cut to 256 bytes, control characters escaped, secrets of the request masked.
	Code, Message, Target string
	// RetryAfter is how long the cluster asked to be left alone, at most 5 minutes.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	text := e.Message
	if text == "" {
		text = "refused"
		if e.Status >= 500 {
			text = "failed"
		}
	}
	if e.Code != "" {
		return fmt.Sprintf("%s %s: %s (ONTAP error %s, HTTP %d)", e.Method, e.Path, text, e.Code, e.Status)
	}
	return fmt.Sprintf("%s %s: %s (HTTP %d)", e.Method, e.Path, text, e.Status)
}

// Is makes a change that the cluster broke off with an error of its own
// [ErrOutcomeUnknown]: a 500 can come after the effect. After a 4xx there was none, except
// for 408, which is about the request's time and not its content.
func (e *Error) Is(target error) bool {
	return target == ErrOutcomeUnknown && e.Method != http.MethodGet &&
		(e.Status >= 500 || e.Status == http.StatusRequestTimeout)
}

// Temporary says whether the same request may fare better later. For a change that is
// [ErrOutcomeUnknown] it is no permission to repeat it.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusInternalServerError:
		return e.Method == http.MethodGet
	}
	return false
}

// NotFound says that the object does not exist. A 404 without ONTAP's code 4 is a path this
// release lacks, or the answer of something else than ONTAP.
func (e *Error) NotFound() bool { return e.Status == http.StatusNotFound && e.Code == "4" }

// Conflict says that the object exists already, or is in use.
func (e *Error) Conflict() bool { return e.Status == http.StatusConflict }

// Denied says that the account's role does not permit the request.
func (e *Error) Denied() bool { return e.Status == http.StatusForbidden }

// Coded says whether ONTAP gave this code.
func (e *Error) Coded(code string) bool { return e.Code == code }

// An AuthError is a request that was refused for its credentials, or not sent because they
// had been refused before. It is [ErrAuth] and has had no effect.
type AuthError struct {
	Method, Path string
	Status       int // 0: not sent
}

func (e *AuthError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("%s %s: not sent: the cluster refused these credentials before", e.Method, e.Path)
	}
	return fmt.Sprintf("%s %s: the cluster refused the credentials (HTTP %d)", e.Method, e.Path, e.Status)
}

// Is makes it [ErrAuth].
func (e *AuthError) Is(target error) bool { return target == ErrAuth }

// An AnswerError is an answer that cannot be believed: no JSON, cut off, too large, a
// redirect, or one that contradicts itself.
type AnswerError struct {
	Method, Path string
	Status       int
	Problem      string // words of ours, never the answer's

	inconsistent bool
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s %s: unusable answer (HTTP %d): %s", e.Method, e.Path, e.Status, e.Problem)
}

// Is makes the unusable answer to a change [ErrOutcomeUnknown], and a collection that
// changed under the reader [ErrInconsistent].
func (e *AnswerError) Is(target error) bool {
	return target == ErrOutcomeUnknown && e.Method != http.MethodGet ||
		target == ErrInconsistent && e.inconsistent
}

// A TransportError is a request that got no answer, or no whole one.
type TransportError struct {
	Method, Path string
	Reason       Reason
	Sent         bool   // the cluster may have received it
	Detail       string // words of ours; may be empty
}

func (e *TransportError) Error() string {
	text := e.Reason.text()
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Is(ErrOutcomeUnknown) {
		text += "; " + ErrOutcomeUnknown.Error()
	}
	return fmt.Sprintf("%s %s: %s", e.Method, e.Path, text)
}

// Is makes a change that may have reached the cluster [ErrOutcomeUnknown].
func (e *TransportError) Is(target error) bool {
	return target == ErrOutcomeUnknown && e.Sent && e.Method != http.MethodGet
}

// Unwrap returns the context's error where that was the reason; the cause itself is not
// passed on, since what the other side said is in it.
func (e *TransportError) Unwrap() error {
	switch e.Reason {
	case Canceled:
		return context.Canceled
	case Timeout:
		return context.DeadlineExceeded
	}
	return nil
}

// Temporary says whether the same request may fare better later, without a human. For a
// change that is [ErrOutcomeUnknown] it is no permission to repeat it.
func (e *TransportError) Temporary() bool { return !e.Reason.TLS() && e.Reason != Canceled }

// A JobError is a job that ended without success. Code and Message are as in [Error].
type JobError struct {
	UUID, Code, Message string
}

func (e *JobError) Error() string {
	text := e.Message
	if text == "" {
		text = "failed"
	}
	if e.Code == "" {
		return fmt.Sprintf("job %s: %s", e.UUID, text)
	}
	return fmt.Sprintf("job %s: %s (ONTAP error %s)", e.UUID, text, e.Code)
}
