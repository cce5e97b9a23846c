package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// plan shows the plan, which must end as expected.
func (s *stage) plan(ctx context.Context) error      { return s.planEnding(ctx, 2) }
func (s *stage) planAgain(ctx context.Context) error { return s.planEnding(ctx, 0) }

func (s *stage) planEnding(ctx context.Context, want int) error {
	code, err := s.kmagent(ctx, "plan")
	fmt.Printf("exit %d\n", code)
	if err == nil && code != want {
		err = fmt.Errorf("plan ended with exit %d, not %d", code, want)
	}
	return err
}

// converge waits until every cluster is as the file says.
func (s *stage) converge(ctx context.Context) error {
	for _, c := range s.clusters {
		in := fmt.Sprintf(`kmagent_reconciles_total{cluster="%s",result="in_sync"}`, c)
		if err := s.untilMetric(ctx, in, func(v string) bool { return v != "0" && v != "" }); err != nil {
			return err
		}
	}
	return s.showMetrics("kmagent_changes_total", "kmagent_reconciles_total", "kmagent_drifted_resources")
}

// vandalise removes a key server through the cluster's own API, as an administrator could.
func (s *stage) vandalise(ctx context.Context) error {
	var list struct {
		Records []struct {
			UUID     string
			SVM      struct{ Name string }
			External struct{ Servers []struct{ Server string } }
		}
	}
	q := "/api/security/key-managers?fields=svm.name,external.servers.server"
	if err := s.ontap(ctx, http.MethodGet, q, &list); err != nil {
		return err
	}
	for _, m := range list.Records {
		if m.SVM.Name == s.svms[0] && len(m.External.Servers) > 1 {
			gone := m.External.Servers[1].Server
			path := "/api/security/key-managers/" + m.UUID + "/key-servers/" + url.PathEscape(gone)
			fmt.Printf("DELETE %s\n(%s of SVM %s is gone)\n", path, gone, m.SVM.Name)
			return s.ontap(ctx, http.MethodDelete, path, nil)
		}
	}
	return errors.New("there is no key manager with two servers to remove one of")
}

// heal waits until the drift has been seen and mended.
func (s *stage) heal(ctx context.Context) error {
	seen := fmt.Sprintf(`kmagent_drift_detected_total{cluster="%s",drift="missing",kind="key_server",svm="%s"}`, s.clusters[0], s.svms[0])
	before, err := s.metric(seen)
	if err != nil {
		return err
	}
	drifted := fmt.Sprintf(`kmagent_drifted_resources{cluster="%s",drift="missing",kind="key_server",svm="%s"}`, s.clusters[0], s.svms[0])
	began := time.Now()
	if err := s.untilMetric(ctx, seen, func(v string) bool { return v != before }); err != nil {
		return err
	}
	if err := s.untilMetric(ctx, drifted, func(v string) bool { return v == "0" }); err != nil {
		return err
	}
	fmt.Printf("\nhealed %s after the removal\n\n", time.Since(began).Round(100*time.Millisecond))
	return s.showMetrics("kmagent_drift_detected_total", "kmagent_drifted_resources", "kmagent_changes_total", "kmagent_key_server_reachable")
}

func (s *stage) showWrites(ctx context.Context) error {
	var log struct {
		Requests []struct {
			Method, Path string
			Status       int
		}
	}
	if err := s.ontap(ctx, http.MethodGet, "/sim/requests?since=0", &log); err != nil {
		return err
	}
	gets := 0
	for _, r := range log.Requests {
		if r.Method == http.MethodGet {
			gets++
			continue
		}
		fmt.Printf("%-6s %s  %d\n", r.Method, r.Path, r.Status)
	}
	fmt.Printf("and %d GET\n", gets)
	return nil
}

// ontap makes a request to the first cluster, as anybody with the password could.
func (s *stage) ontap(ctx context.Context, method, path string, into any) error {
	pem, err := os.ReadFile(s.path("tls/ca.pem"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, method, s.endpoints[0]+path, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth("admin", password)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: HTTP %d: %s", method, path, resp.StatusCode, bytes.TrimSpace(body))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// scrape returns the lines of /metrics.
func (s *stage) scrape() ([]string, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(s.agentURL + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return strings.Split(string(b), "\n"), err
}

// metric returns the value of one series, or "" if there is none.
func (s *stage) metric(series string) (string, error) {
	lines, err := s.scrape()
	if err != nil {
		return "", err
	}
	for _, l := range lines {
		if v, ok := strings.CutPrefix(l, series+" "); ok {
			return v, nil
		}
	}
	return "", nil
}

func (s *stage) untilMetric(ctx context.Context, series string, ok func(string) bool) error {
	return until(ctx, series+" changes", func() (bool, error) {
		v, err := s.metric(series)
		return err == nil && ok(v), err
	})
}

// showMetrics prints the series of those names that are not zero.
func (s *stage) showMetrics(names ...string) error {
	lines, err := s.scrape()
	if err != nil {
		return err
	}
	for _, n := range names {
		for _, l := range lines {
			if strings.HasPrefix(l, n+"{") && !strings.HasSuffix(l, " 0") {
				fmt.Println(l)
			}
		}
	}
	return nil
}
