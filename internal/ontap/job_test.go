package ontap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const begun = `{"job":{"uuid":"7f0c"}}`

func state(s string) func() (*http.Response, error) {
	return answer(200, fmt.Sprintf(`{"state":%q}`, s))
}

func TestJobs(t *testing.T) {
	type script = []func() (*http.Response, error)
	const wait = "POST security/key-managers: wait for job 7f0c: "
	for _, c := range []struct {
		answers script
		want    string // empty: success
		unknown bool
		gone    bool
		why     string
	}{
		{script{state("success")}, "", false, false, "done when first asked"},
		{script{state("queued"), state("running"), state("paused"), state("restarting"), answer(200, `{}`), state("success")}, "", false, false,
			"no other word is an end"},
		{script{answer(503, ""), fails(syscall.ECONNRESET), fails(syscall.ECONNREFUSED), answer(200, `<html>`), state("success")}, "", false, false,
			"accidents while asking are not the job's"},
		{script{answer(200, `{"state":"failure","message":"entry doesn't exist","code":4,"error":{"message":"entry doesn't exist","code":"4"}}`)},
			"POST security/key-managers: job 7f0c: entry doesn't exist (ONTAP error 4)", false, false, "a failure"},
		{script{answer(200, "{\"state\":\"failure\",\"message\":\"line\none\",\"code\":65536700}")},
			"POST security/key-managers: job 7f0c: line one (ONTAP error 65536700)", false, false, "raw control characters"},
		{script{answer(200, `{"state":"error","code":0}`)}, "POST security/key-managers: job 7f0c: failed", false, false, "the other word for it"},
		{script{state("running"), answer(404, `{"error":{"code":"4","message":"entry doesn't exist"}}`)},
			wait + "job 7f0c: the job is gone: what became of it is unknown", true, true, "forgotten"},
		{script{answer(404, ``)}, wait + "what became of it is unknown: GET cluster/jobs/7f0c: refused (HTTP 404)", true, false, "not ONTAP's 404"},
		{script{answer(403, `{"error":{"code":"6","message":"no"}}`)},
			wait + "what became of it is unknown: GET cluster/jobs/7f0c: no (ONTAP error 6, HTTP 403)", true, false, "the role cannot read jobs"},
		{script{answer(401, ``)},
			wait + "what became of it is unknown: GET cluster/jobs/7f0c: the cluster refused the credentials (HTTP 401)", true, false, "locked out meanwhile"},
		{script{state("running")}, wait + "the job goes on: what became of it is unknown: context deadline exceeded", true, false, "without end"},
		{script{state("SUCCESS")}, wait + "what became of it is unknown: context deadline exceeded", true, false, "another word"},
		{script{answer(200, `{"State":"success"}`)}, wait + "what became of it is unknown: context deadline exceeded", true, false, "another member"},
		{script{answer(200, `{"state":["success"]}`)}, wait + "what became of it is unknown: context deadline exceeded", true, false, "another shape"},
	} {
		synctest.Test(t, func(t *testing.T) {
			all := append(script{answer(202, begun)}, c.answers...)
			f := &fake{answer: func(n int, _ *http.Request) (*http.Response, error) { return all[min(n, len(all)-1)]() }}
			start := time.Now()
			a, err := newFake(t, f).Send(t.Context(), "POST", collection, nil, nil)
			switch {
			case c.want == "" && (err != nil || a.Job != "7f0c"):
				t.Errorf("%s: %+v, %v", c.why, a, err)
			case c.want != "" && (err == nil || err.Error() != c.want):
				t.Errorf("%s\n got %v\nwant %s", c.why, err, c.want)
			case errors.Is(err, ErrOutcomeUnknown) != c.unknown || errors.Is(err, ErrJobGone) != c.gone:
				t.Errorf("%s: wrong class of %v", c.why, err)
			}
			if _, failed := errors.AsType[*JobError](err); failed != (err != nil && !c.unknown) {
				t.Errorf("%s: a job that failed: %t", c.why, failed)
			}
			if time.Since(start) > 10*time.Minute {
				t.Errorf("%s: waited for %s", c.why, time.Since(start))
			}
		})
	}
}

func TestJobPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			return state("running")()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := newFake(t, f).WaitJob(ctx, "a/b")
		if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		want := "[0s 200ms 600ms 1.4s 3s 6.2s 11.2s 16.2s]"
		if got := fmt.Sprint(at); got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
		if want := "GET /api/cluster/jobs/a%2Fb?fields=state%2Cmessage%2Ccode"; f.requests[0] != want {
			t.Errorf("%s, want %s", f.requests[0], want)
		}
	})
}

func TestJob(t *testing.T) {
	for _, c := range []struct {
		body, want     string
		success, fails bool
	}{
		{`{"state":"running","message":"1 of 2","code":0}`, "{7f0c running  1 of 2}", false, false},
		{`{"state":"success","code":0}`, "{7f0c success  }", true, false},
		{`{"state":"failure","code":4,"message":"x","error":{"code":"5","message":"y"}}`, "{7f0c failure 5 y}", false, true},
		{`{"state":"a\u001b[2J"}`, `{7f0c a\x1b[2J  }`, false, false},
	} {
		j, err := newFake(t, always(200, c.body)).Job(t.Context(), "7f0c")
		if got := fmt.Sprint(j); got != c.want || err != nil || j.Succeeded() != c.success || j.Failed() != c.fails {
			t.Errorf("%s: %s, %v, want %s", c.body, got, err, c.want)
		}
	}
	if _, err := newFake(t, always(200, `{}`)).Job(t.Context(), ""); err == nil {
		t.Error("a job without UUID: all jobs")
	}
}

func TestWaitIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := newFake(t, script(state("running"))).WaitJob(ctx, "x")
		if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Whatever the answers are, in whatever order: only the word success, in an object of JSON,
// is success, and only failure or error a failure.
func FuzzJob(f *testing.F) {
	f.Add("200 {\"state\":\"running\"}\x1e200 {\"state\":\"success\"}")
	f.Add("200 {\"state\":\"failure\",\"code\":4}")
	f.Add("404 {\"error\":{\"code\":\"4\"}}")
	f.Add("200 {\"state\":\"running\"}\x1e503 \x1e401 ")
	f.Add("200 {\"state\":\"success\"\x1e200 {\"state\":\"succ\x01ess\"}")
	f.Fuzz(func(t *testing.T, script string) {
		answers := strings.Split(script, "\x1e")
		if len(answers) > 8 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			last := ""
			fk := &fake{answer: func(n int, _ *http.Request) (*http.Response, error) {
				var status int
				last = answers[min(n, len(answers)-1)]
				if len(last) < 4 {
					return nil, io.ErrUnexpectedEOF
				}
				if _, err := fmt.Sscanf(last[:3], "%d", &status); err != nil || status < 100 {
					return nil, syscall.ECONNRESET
				}
				last = last[4:]
				return says(status, last), nil
			}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := newFake(t, fk).WaitJob(ctx, "x")
			var said map[string]any
			json.Unmarshal(spaced([]byte(last)), &said)
			_, failed := errors.AsType[*JobError](err)
			switch {
			case err == nil && said["state"] != "success":
				t.Errorf("%q is a success", last)
			case failed && said["state"] != "failure" && said["state"] != "error":
				t.Errorf("%q is a failure", last)
			case err != nil && failed == errors.Is(err, ErrOutcomeUnknown):
				t.Errorf("%q: %v is both or neither", last, err)
			}
		})
	})
}
