// Command ontapsim serves simulated ONTAP clusters over TLS, for whoever tests a client of
// ONTAP's key-management API without a filer. See docs/ontapsim.md.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kmagent/internal/ontapsim"
)

// Exit codes.
const (
	exitOK    = 0  // stopped by SIGINT or SIGTERM
	exitError = 1  // could not serve
	exitUsage = 64 // wrong flags
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags.
type options struct {
	listen    string
	clusters  int
	svms      string
	fixture   string
	role      string
	tlsDir    string
	readyFile string
	cfg       ontapsim.Config
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	opts, help, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, "ontapsim:", err)
		return exitUsage
	}
	if err := serve(ctx, opts, stdout); err != nil {
		fmt.Fprintln(stderr, "ontapsim:", err)
		return exitError
	}
	return exitOK
}

// parse reads the flags. When help is asked for, the error is flag.ErrHelp.
func parse(args []string) (opts *options, help string, err error) {
	o := &options{}
	var out strings.Builder
	f := flag.NewFlagSet("ontapsim", flag.ContinueOnError)
	f.SetOutput(&out)
	f.Usage = func() { fmt.Fprint(&out, usage); f.PrintDefaults() }
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` of the first cluster; the others get the ports after it")
	f.IntVar(&o.clusters, "clusters", 1, "`number` of clusters")
	f.StringVar(&o.cfg.ONTAP, "ontap", "9.16.1", "`release` the clusters run, 9.8.1 to 9.18.1")
	f.IntVar(&o.cfg.Nodes, "nodes", 2, "`number` of nodes of each cluster: node1, node2, …")
	f.StringVar(&o.svms, "svms", "svm1", "`names` of the data SVMs, with commas between")
	f.IntVar(&o.cfg.Managers, "managers", 0, "`number` of further SVMs that have an external key manager with two servers")
	f.Uint64Var(&o.cfg.Seed, "seed", 0, "`number` that the UUIDs are derived from")
	f.StringVar(&o.fixture, "fixture", "", "`file` with what every cluster begins with")
	f.StringVar(&o.tlsDir, "tls-dir", "", "`directory` for ca.pem, client.pem and client.key (a new one below the temporary directory)")
	f.StringVar(&o.cfg.User, "user", "admin", "`name` of the account")
	f.StringVar(&o.cfg.Password, "password", "netapp1!", "`password` of the account")
	f.StringVar(&o.cfg.Token, "token", "", "bearer `token` that is accepted too (from 9.14.1)")
	f.StringVar(&o.role, "role", "", "`file` with what the account may do")
	f.DurationVar(&o.cfg.Latency, "latency", 0, "`time` added to every answer")
	f.StringVar(&o.readyFile, "ready-file", "", "`file` that gets the line of standard output too")
	if err := f.Parse(args); err != nil {
		return nil, out.String(), err
	}
	if f.NArg() > 0 {
		return nil, "", fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return o, "", o.complete()
}

// complete reads the files that flags name and checks what can be checked before serving.
func (o *options) complete() error {
	o.cfg.SVMs = []string{}
	for name := range strings.SplitSeq(o.svms, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.cfg.SVMs = append(o.cfg.SVMs, name)
		}
	}
	if o.clusters < 1 {
		return fmt.Errorf("--clusters %d: at least 1 is needed", o.clusters)
	}
	if o.role != "" {
		text, err := os.ReadFile(o.role)
		if err != nil {
			return err
		}
		if o.cfg.Role, err = ontapsim.ParseRole(text); err != nil {
			return err
		}
	}
	if o.fixture != "" {
		text, err := os.ReadFile(o.fixture)
		if err != nil {
			return err
		}
		o.cfg.Fixture = text
	}
	return o.cfg.Validate()
}

// ready is what is written when all clusters listen.
type ready struct {
	Clusters []endpoint `json:"clusters"`
	CAFile   string     `json:"ca_file"`
}

type endpoint struct {
	Name     string `json:"name"`
	Endpoint string `json:"endpoint"`
}

func serve(ctx context.Context, o *options, stdout io.Writer) error {
	clusters, err := ontapsim.NewFleet(o.clusters, o.cfg)
	if err != nil {
		return err
	}
	if o.tlsDir == "" {
		if o.tlsDir, err = os.MkdirTemp("", "ontapsim-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.tlsDir)
	}
	tlsConfig, err := newTLS(o.tlsDir, o.cfg.User)
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	listeners, err := listen(o.listen, o.clusters)
	if err != nil {
		return err
	}
	line := ready{CAFile: filepath.Join(o.tlsDir, "ca.pem")}
	var servers []*http.Server
	failed := make(chan error, len(clusters))
	for i, c := range clusters {
		s := &http.Server{
			Handler:           c,
			TLSConfig:         tlsConfig.Clone(),
			TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // ONTAP speaks HTTP/1.1
			ReadHeaderTimeout: 30 * time.Second,
			ErrorLog:          log.New(io.Discard, "", 0), // handshakes that clients give up
		}
		servers = append(servers, s)
		line.Clusters = append(line.Clusters, endpoint{c.Name(), "https://" + listeners[i].Addr().String()})
		go func() { failed <- s.ServeTLS(listeners[i], "", "") }()
	}
	err = announce(line, o.readyFile, stdout)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	for _, s := range servers {
		s.Close()
	}
	return err
}

// listen takes consecutive ports. When the first is not given, it looks for a place where
// so many are free.
func listen(address string, n int) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	const tries = 100
	for range tries {
		var all []net.Listener
		if all, err = listenAt(host, port, n); err == nil {
			return all, nil
		}
		if port != "0" {
			break
		}
	}
	return nil, err
}

func listenAt(host, port string, n int) ([]net.Listener, error) {
	first, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	all := []net.Listener{first}
	base := first.Addr().(*net.TCPAddr).Port
	for i := 1; i < n; i++ {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(base+i)))
		if err != nil {
			for _, l := range all {
				l.Close()
			}
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// announce tells that the clusters listen.
func announce(line ready, file string, stdout io.Writer) error {
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(line); err != nil {
		return err
	}
	if file != "" {
		if err := writeAtomically(file, text.Bytes()); err != nil {
			return fmt.Errorf("write the ready file: %w", err)
		}
	}
	_, err := stdout.Write(text.Bytes())
	return err
}

// writeAtomically writes a file that is either not there or complete.
func writeAtomically(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".ontapsim-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
