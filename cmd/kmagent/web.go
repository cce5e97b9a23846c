package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/net/netutil"
)

// webFlags say where metrics are served, and how.
type webFlags struct {
	addresses []string
	config    string
	socket    bool
}

// maxConnections bounds the scrapers and the curious.
const maxConnections = 64

// A webServer serves metrics, what we know and whether we are well. Nothing can be changed through it.
type webServer struct {
	http http.Server
	done chan struct{}
	log  *slog.Logger
}

// health is what the pages about ourselves ask.
type health interface {
	live() bool
	ready() error
}

// serve opens the listeners and serves until stop. The addresses it got are in the log.
func (f webFlags) serve(metrics http.Handler, status *statusPages, h health, log *slog.Logger) (*webServer, error) {
	if err := web.Validate(f.config); err != nil {
		return nil, fmt.Errorf("--web.config.file: %w", err)
	}
	listeners, err := f.listen()
	if err != nil {
		return nil, err
	}
	s := &webServer{done: make(chan struct{}), log: log, http: http.Server{
		Handler:           getOnly(pages(metrics, status, h)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	for i, l := range listeners {
		log.Info("serving metrics", "event", "web.listen", "address", l.Addr().String())
		listeners[i] = netutil.LimitListener(l, maxConnections)
	}
	no := false
	flags := &web.FlagConfig{WebListenAddresses: &f.addresses, WebSystemdSocket: &no, WebConfigFile: &f.config}
	go func() {
		defer close(s.done)
		if err := web.ServeMultiple(listeners, &s.http, flags, log.With("event", "web.serve")); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "event", "web.failed", "err", err)
		}
	}()
	return s, nil
}

func (f webFlags) listen() ([]net.Listener, error) {
	if f.socket {
		l, err := activation.Listeners()
		if err == nil && len(l) == 0 {
			err = errors.New("systemd passed no socket")
		}
		if err != nil {
			return nil, fmt.Errorf("--web.systemd-socket: %w", err)
		}
		return l, nil
	}
	var out []net.Listener
	for _, a := range f.addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			for _, open := range out {
				open.Close()
			}
			return nil, fmt.Errorf("--web.listen-address: %w", err)
		}
		out = append(out, l)
	}
	return out, nil
}

// stop lets answers under way end, for a moment.
func (s *webServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
	}
	<-s.done
}

func pages(metrics http.Handler, status *statusPages, h health) http.Handler {
	mux := http.NewServeMux()
	status.register(mux)
	mux.Handle("/metrics", metrics)
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
		if !h.live() {
			http.Error(w, "the loop does not turn", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// getOnly refuses whatever is not a GET or HEAD, and bodies.
func getOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		if r.ContentLength != 0 {
			http.Error(w, "no body is taken", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
