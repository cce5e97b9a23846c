package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/status"
)

// statusPath is where programs read what the daemon knows.
const statusPath = "/api/v1/status"

// maxRendered bounds the reports that are being written at the same time: each is in memory as
// a whole until its reader has it.
const maxRendered = 8

// statusPages show what the daemon knows, from memory.
type statusPages struct {
	tracker *status.Tracker
	slots   chan struct{}
}

func newStatusPages(t *status.Tracker) *statusPages {
	return &statusPages{t, make(chan struct{}, maxRendered)}
}

func (s *statusPages) register(mux *http.ServeMux) {
	mux.HandleFunc(statusPath, func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, "application/json", func(w io.Writer, rep *status.Report, _ bool) error { return rep.JSON(w) })
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", status.PagePolicy())
		s.answer(w, r, "text/html; charset=utf-8", status.Page)
	})
}

// answer writes a report of the clusters that the query names, or of all.
func (s *statusPages) answer(w http.ResponseWriter, r *http.Request, kind string, render func(io.Writer, *status.Report, bool) error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		http.Error(w, "too many readers at the same time", http.StatusServiceUnavailable)
		return
	}
	only := r.URL.Query()["cluster"]
	report, missing := s.tracker.Report(time.Now(), only...)
	if len(missing) > 0 {
		http.Error(w, fmt.Sprintf("the file in use has no cluster %s", plan.Safe(strings.Join(missing, ", "))), http.StatusNotFound)
		return
	}
	var b bytes.Buffer
	if err := render(&b, report, len(only) > 0); err != nil {
		http.Error(w, "the report could not be written", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.Write(b.Bytes()) // a reader that has gone away misses nothing
}
