package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// systemd tells the service manager how we are, if there is one.
type systemd struct {
	log      *slog.Logger
	watchdog time.Duration // how often it wants to hear from us; 0: it does not
}

func newSystemd(log *slog.Logger) *systemd {
	s := &systemd{log: log}
	var err error
	if s.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("watchdog settings of systemd not understood", "event", "systemd", "err", err)
	}
	return s
}

// beatEvery is how often the fleet must give a sign of life: thrice within systemd's limit.
func (s *systemd) beatEvery() time.Duration {
	if s.watchdog > 0 {
		return max(s.watchdog/3, time.Second)
	}
	return 10 * time.Second
}

func (s *systemd) ready()    { s.notify(daemon.SdNotifyReady) }
func (s *systemd) stopping() { s.notify(daemon.SdNotifyStopping) }

// reloading carries the monotonic clock, which Type=notify-reload wants.
func (s *systemd) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		s.log.Warn("no monotonic clock", "event", "systemd", "err", err)
	}
	s.notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000))
}

func (s *systemd) alive() {
	if s.watchdog > 0 {
		s.notify(daemon.SdNotifyWatchdog)
	}
}

func (s *systemd) status(text string) { s.notify("STATUS=" + text) }

func (s *systemd) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd not told", "event", "systemd", "err", err)
	}
}
