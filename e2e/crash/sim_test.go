package crash

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A cluster is one simulated cluster.
type cluster struct {
	endpoint string
	ca       string
	http     *http.Client
	next     int // number of the first request that nobody has asked for yet
}

// A request is a line of the simulator's log.
type request struct {
	N      int       `json:"n"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Body   any       `json:"body"`
	Status int       `json:"status"`
	At     time.Time `json:"at"`
}

func (r request) effective() bool { return r.Status >= 200 && r.Status < 300 }

func (r request) String() string {
	body, _ := json.Marshal(r.Body) // it was JSON
	return fmt.Sprintf("%s %s %s: %d", r.Method, r.Path, body, r.Status)
}

// release is what the clusters run.
const release = "9.18.1"

// startClusters starts a simulator of n clusters that share nothing.
func startClusters(t *testing.T, n int) []*cluster {
	t.Helper()
	cmd := exec.Command(ontapsim, "--tls-dir", t.TempDir(), "--ontap", release, "--clusters", strconv.Itoa(n), "--svms", "svm1,svm2,svm3,svm4")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	var ready struct {
		Clusters []struct{ Endpoint string }
		CAFile   string `json:"ca_file"`
	}
	if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
		t.Fatalf("ontapsim does not listen: %v", err)
	}
	pem, err := os.ReadFile(ready.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 2}}
	var out []*cluster
	for _, c := range ready.Clusters {
		out = append(out, &cluster{endpoint: c.Endpoint, ca: ready.CAFile, http: client})
	}
	return out
}

// call makes a request to the control surface, or to the API as somebody else would.
func (c *cluster) call(method, path, body string) (string, error) {
	req, err := http.NewRequest(method, c.endpoint+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth("admin", "netapp1!")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: HTTP %d: %s", method, path, resp.StatusCode, text)
	}
	return string(text), err
}

// since returns the requests to the API from number n on.
func (c *cluster) since(n int) ([]request, error) {
	text, err := c.call(http.MethodGet, "/sim/requests?since="+strconv.Itoa(n), "")
	if err != nil {
		return nil, err
	}
	var log struct {
		Next     int
		Requests []request
	}
	err = json.Unmarshal([]byte(text), &log)
	c.next = log.Next
	return log.Requests, err
}

// now returns the number of the next request.
func (c *cluster) now() (int, error) {
	_, err := c.since(c.next)
	return c.next, err
}

// arrive waits until the last request of a client that was killed is dealt with. One that was
// lost on its way is not waited for for long.
func (c *cluster) arrive() error {
	from := c.next
	for began := time.Now(); time.Since(began) < 300*time.Millisecond; time.Sleep(5 * time.Millisecond) {
		list, err := c.since(from)
		if err != nil || len(list) == 0 || list[len(list)-1].Status != 0 {
			return err
		}
	}
	return nil
}

// writes are the requests that are to change something.
func writes(list []request) []request {
	return slices.DeleteFunc(slices.Clone(list), func(r request) bool { return r.Method == http.MethodGet })
}

// A holding is what a cluster holds.
type holding struct {
	text string
	doc  map[string]any
}

func (c *cluster) holds() (holding, error) {
	text, err := c.call(http.MethodGet, "/sim/state", "")
	if err != nil {
		return holding{}, err
	}
	h := holding{text: text}
	return h, json.Unmarshal([]byte(text), &h.doc)
}

// quiet waits until no job is under way.
func (c *cluster) quiet() error {
	for {
		h, err := c.holds()
		if err != nil || !strings.Contains(essence(h.doc["jobs"]), "state: running") {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// counters are how often a cluster did what it counts.
func (h holding) counters() map[string]float64 {
	out := map[string]float64{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if n, ok := inner.(float64); ok && slices.Contains(counted, name) {
					out[name] += n
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(h.doc)
	return out
}

var counted = []string{"passphrase_changes", "rekeyed_external", "rekeyed_internal", "key_migrations", "done_in_part"}

// restore has a cluster hold what another one did, without its jobs, and without faults.
func (c *cluster) restore(state string, keepJobs bool) error {
	if _, err := c.call(http.MethodDelete, "/sim/faults", ""); err != nil {
		return err
	}
	if !keepJobs {
		return c.putWithoutJobs(state)
	}
	_, err := c.call(http.MethodPut, "/sim/state", state)
	return err
}

func (c *cluster) putWithoutJobs(state string) error {
	var doc map[string]any
	if err := json.Unmarshal([]byte(state), &doc); err != nil {
		return err
	}
	doc["jobs"] = []any{}
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	_, err = c.call(http.MethodPut, "/sim/state", string(text))
	return err
}

// forgetJobs has the cluster forget its jobs, once they have ended.
func (c *cluster) forgetJobs() error {
	if err := c.quiet(); err != nil {
		return err
	}
	h, err := c.holds()
	if err != nil {
		return err
	}
	return c.putWithoutJobs(h.text)
}

// essence is what a cluster holds without what differs from run to run: names that the cluster
// gives, times, jobs, how often a secret arrived, and how often was done what may be repeated.
func (h holding) essence() string {
	doc := maps.Clone(h.doc)
	for _, name := range []string{"name", "sequence", "seed", "jobs", "received"} {
		delete(doc, name)
	}
	if world, ok := doc["world"].(map[string]any); ok {
		doc["world"] = map[string]any{"volumes": world["volumes"], "missing_keys": world["missing_keys"]}
	}
	return essence(doc)
}

func essence(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var out []string
		for name, inner := range v {
			if name != "synchronized" && name != "restores" {
				out = append(out, plain(name)+": "+essence(inner))
			}
		}
		slices.Sort(out)
		return "{" + strings.Join(out, "\n") + "}"
	case []any:
		var out []string
		for _, inner := range v {
			out = append(out, essence(inner))
		}
		slices.Sort(out)
		return "[" + strings.Join(out, "\n") + "]"
	case string:
		return plain(v)
	default:
		return fmt.Sprint(v)
	}
}

// plain is a text, but for a UUID and a time.
func plain(s string) string {
	switch {
	case len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-':
		return "uuid"
	case len(s) >= 20 && s[4] == '-' && s[7] == '-' && s[10] == 'T':
		return "time"
	}
	return s
}
