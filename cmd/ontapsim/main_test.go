package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ontapsim": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": waitReady,
			"call":  call,
		},
	})
}

func TestSIGTERMEndsItWell(t *testing.T) {
	stdout, w := io.Pipe()
	code := make(chan int, 1)
	go func() { code <- run(t.Context(), []string{"--tls-dir", t.TempDir()}, w, io.Discard) }()
	var line ready
	if err := json.NewDecoder(stdout).Decode(&line); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != exitOK {
		t.Errorf("got %d, want %d", got, exitOK)
	}
}

// Consecutive ports are found even where some are taken.
func TestListenFindsConsecutivePorts(t *testing.T) {
	all, err := listen("127.0.0.1:0", 20)
	if err != nil {
		t.Fatal(err)
	}
	first := all[0].Addr().(*net.TCPAddr).Port
	for i, l := range all {
		if got := l.Addr().(*net.TCPAddr).Port; got != first+i {
			t.Errorf("listener %d has port %d, want %d", i, got, first+i)
		}
		defer l.Close()
	}
	if _, err := listen(all[3].Addr().String(), 2); err == nil {
		t.Error("a taken port is given twice")
	}
}

// ready FILE waits until the clusters listen.
func waitReady(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}

// call FILE CLUSTER METHOD PATH [BODY] sends one request to a cluster of a ready file and
// writes status, protocol and body to standard output. CERT in the environment names a
// client certificate and key instead of the password.
func call(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	var line ready
	ts.Check(json.Unmarshal([]byte(text), &line))
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var body io.Reader
	if len(args) > 4 {
		body = strings.NewReader(args[4])
	}
	r, err := http.NewRequest(args[2], line.Clusters[n].Endpoint+args[3], body)
	ts.Check(err)
	r.Header.Set("Accept", "application/json")
	client, err := clientFor(ts, line, r)
	ts.Check(err)
	resp, err := client.Do(r)
	if neg {
		if err == nil {
			ts.Fatalf("got an answer")
		}
		return
	}
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s %s\n", resp.StatusCode, resp.Proto, bytes.TrimSpace(answer))
}

func clientFor(ts *testscript.TestScript, line ready, r *http.Request) (*http.Client, error) {
	ca, err := os.ReadFile(ts.MkAbs(line.CAFile))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	cfg := &tls.Config{RootCAs: pool, NextProtos: []string{"h2", "http/1.1"}}
	if names := ts.Getenv("CERT"); names != "" {
		cert, key, _ := strings.Cut(names, ":")
		pair, err := tls.LoadX509KeyPair(ts.MkAbs(cert), ts.MkAbs(key))
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	} else {
		r.SetBasicAuth("admin", ts.Getenv("PASSWORD"))
	}
	return &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true, ForceAttemptHTTP2: true},
	}, nil
}
