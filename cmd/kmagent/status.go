package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"kmagent/internal/plan"
	"kmagent/internal/secret"
	"kmagent/internal/status"
)

// How long the daemon has to answer, and how much it may say.
const (
	statusDeadline = 5 * time.Second
	statusLimit    = 16 << 20
)

// defaultListen is where the service serves, unless it is told otherwise.
const defaultListen = "127.0.0.1:9469"

func statusCommand(c *common) *cobra.Command {
	s := inquirer{common: c}
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What the running service knows, and what needs a human",
		Long: `Ask the running service what it knows: how every cluster is, what is held and why, which
operations have no known end, which key servers cannot be reached. Clusters are not asked;
everything comes with its age, and what was not seen for two intervals counts as unknown.

Exit 0: every cluster is in sync with the newest file. 1: one is not, or nobody knows, or
the service does not answer.`,
		Example: `  kmagent status
  kmagent status --cluster prod-a -o json
  kmagent status --web.address https://kmagent.example.net:9469 --ca-file ca.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context(), output) },
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text or json")
	f.StringVar(&s.address, "web.address", "", "where the service serves: host:port, or a URL (default the first of $KMAGENT_WEB_LISTEN_ADDRESS, or "+defaultListen+")")
	f.StringVar(&s.caFile, "ca-file", "", "with https: PEM file of its CAs (default the system's)")
	f.StringVar(&s.username, "username", "", "user, where the service asks for one")
	f.StringVar(&s.password, "password", "", "a reference to the user's password, such as cred:NAME")
	return cmd
}

// An inquirer asks the service what it knows.
type inquirer struct {
	*common
	address, caFile    string
	username, password string
}

func (s *inquirer) run(ctx context.Context, output string) error {
	if output != "text" && output != "json" {
		return &exit{exitUsage, fmt.Errorf("--output %q is not one of text, json", output)}
	}
	base, err := s.base()
	if err != nil {
		return &exit{exitUsage, err}
	}
	text, err := s.ask(ctx, base)
	if err != nil {
		return err
	}
	var report status.Report
	if err := json.Unmarshal(text, &report); err != nil || report.Version != 1 {
		return &exit{exitError, fmt.Errorf("what answers at %s is no kmagent that this one understands", base)}
	}
	if output == "json" {
		err = tidyJSON(s.out, text)
	} else {
		err = status.Text(s.out, &report, colour(s.out))
	}
	if err != nil {
		return &exit{exitError, fmt.Errorf("write the status: %w", err)}
	}
	if !report.OK() {
		return &exit{exitError, nil}
	}
	return nil
}

// base is the URL of the service.
func (s *inquirer) base() (*url.URL, error) {
	address := s.address
	if address == "" {
		list, _ := s.env("KMAGENT_WEB_LISTEN_ADDRESS")
		address, _, _ = strings.Cut(list, ",")
		address = cmp.Or(address, defaultListen)
	}
	bad := errors.New("--web.address is host:port, or a URL like https://host:port")
	if !strings.Contains(address, "://") {
		host, port, err := net.SplitHostPort(address)
		if err != nil || port == "" {
			return nil, bad
		}
		return &url.URL{Scheme: "http", Host: net.JoinHostPort(reachable(host), port)}, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, bad // it may hold a password, so it is not repeated
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// reachable is where a listener on every address of the host can be reached.
func reachable(host string) string {
	ip := net.ParseIP(host)
	switch {
	case host == "", ip != nil && ip.To4() != nil && ip.IsUnspecified():
		return "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		return "::1"
	default:
		return host
	}
}

// ask returns the answer of the service.
func (s *inquirer) ask(ctx context.Context, base *url.URL) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, statusDeadline)
	defer cancel()
	req, err := s.request(ctx, base)
	if err != nil {
		return nil, err
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, unanswered(base, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, statusLimit+1))
	switch {
	case err != nil:
		return nil, unanswered(base, err)
	case len(text) > statusLimit:
		return nil, &exit{exitError, errors.New("the answer is larger than 16 MiB; ask for some clusters with --cluster")}
	case resp.StatusCode != http.StatusOK:
		return nil, refusal(base, resp.StatusCode, text)
	}
	return text, nil
}

func (s *inquirer) request(ctx context.Context, base *url.URL) (*http.Request, error) {
	u := base.JoinPath(statusPath)
	u.RawQuery = url.Values{"cluster": s.clusters}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, &exit{exitUsage, errors.New("--web.address is host:port, or a URL like https://host:port")}
	}
	req.Header.Set("User-Agent", "kmagent/"+release)
	if s.username == "" && s.password == "" {
		return req, nil
	}
	if s.username == "" || s.password == "" {
		return nil, &exit{exitUsage, errors.New("--username and --password go together")}
	}
	if ip := net.ParseIP(base.Hostname()); base.Scheme != "https" && (ip == nil || !ip.IsLoopback()) && base.Hostname() != "localhost" {
		return nil, &exit{exitUsage, errors.New("a password is sent by https alone, or to this host; write --web.address https://host:port")}
	}
	ref, err := secret.ParseRef(s.password)
	if err != nil {
		return nil, &exit{exitUsage, fmt.Errorf("--password: %w", err)}
	}
	v, err := s.wiring(1).secrets.Resolve(ctx, ref)
	if err != nil {
		return nil, &exit{exitAccess, err}
	}
	req.SetBasicAuth(s.username, string(v.Expose()))
	return req, nil
}

// client follows no redirect, uses no proxy, and checks certificates.
func (s *inquirer) client() (*http.Client, error) {
	var roots *x509.CertPool // nil: the system's
	if s.caFile != "" {
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return nil, &exit{exitUsage, fmt.Errorf("--ca-file: %w", err)}
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, &exit{exitUsage, fmt.Errorf("--ca-file: %s has no certificate in PEM", s.caFile)}
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// unanswered says that the service does not answer, and what to look at.
func unanswered(base *url.URL, err error) error {
	why := "it could not be reached"
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		why = fmt.Sprintf("no answer within %s", statusDeadline)
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "nothing listens there"
	case errors.As(err, &cert):
		return &exit{exitError, fmt.Errorf("%s: its certificate is not trusted, or is of another host: see --ca-file", base)}
	case errors.As(err, &record):
		return &exit{exitError, fmt.Errorf("%s: what listens there does not speak TLS: write --web.address http://%s", base, base.Host)}
	}
	return &exit{exitError, fmt.Errorf("the service does not answer at %s (%s): is it running? systemctl status kmagent", base, why)}
}

// refusal explains an answer that is no report.
func refusal(base *url.URL, code int, text []byte) error {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	switch {
	case code == http.StatusUnauthorized:
		return &exit{exitError, fmt.Errorf("%s asks for a user and a password: --username and --password", base)}
	case code == http.StatusBadRequest && base.Scheme == "http" && bytes.Contains(first, []byte("HTTPS")):
		return &exit{exitError, fmt.Errorf("%s speaks TLS: write --web.address https://%s", base, base.Host)}
	case code == http.StatusNotFound && bytes.HasPrefix(first, []byte("the file in use has no cluster")):
		return &exit{exitError, errors.New(plan.Safe(string(first)))}
	}
	return &exit{exitError, fmt.Errorf("%s answers HTTP %d: %s", base, code, plan.Safe(string(first)))}
}

// tidyJSON writes JSON with indents. What does not print is escaped: nobody knows for sure who
// answered, and the output may be a terminal.
func tidyJSON(w io.Writer, text []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(text), "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	var out strings.Builder
	out.Grow(b.Len())
	for _, r := range b.String() {
		switch {
		case r == '\n' || r < 0x10000 && unicode.IsPrint(r):
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteString(surrogates(r))
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// surrogates spells a character beyond the first plane as JSON does.
func surrogates(r rune) string {
	r -= 0x10000
	return `\u` + strconv.FormatInt(int64(0xd800+r>>10), 16) + `\u` + strconv.FormatInt(int64(0xdc00+r&0x3ff), 16)
}
