package metrics

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

var update = flag.Bool("update", false, "rewrite the golden files and the tables of the manual")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); run with -update and read the change:\n%s", path, diff)
	}
}

// madeUp is a fleet in which everything that can be exported happens once.
func madeUp(m *Metrics) {
	wanted := []*resource.Object{
		external("", "", 0, keyServer("", "ks1.example.net:5696")),
		external("vs_db", "", 0, keyServer("vs_db", "ks1.example.net:5696"), keyServer("vs_db", "ks2.example.net:5696")),
		rekeyed("vs_hr", ""),
	}
	m.Source(SourceState{
		Ref: "main", Revision: "4f2a1c", SignedBy: "ops@example.net",
		Valid: false, Errors: 2, Warnings: 1, Loaded: start.Add(-time.Hour),
	})
	m.Fetched(FetchSuccess, start.Add(-time.Hour))
	m.Fetched(FetchUnchanged, start)
	m.Fetched(FetchError, start.Add(time.Minute))
	m.Clusters([]Cluster{
		{Name: "prod-a", Interval: 5 * time.Minute, Mode: ModeEnforce, Wanted: wanted},
		{Name: "prod-b", Interval: time.Hour, Mode: ModeObserve},
	})

	m.Exchange("prod-a", "GET", "/api/security/key-managers?fields=*", 200, 20*time.Millisecond)
	m.Exchange("prod-a", "PATCH", "/api/security/key-managers/u1/key-servers/ks1%3A5696", 202, 80*time.Millisecond)
	m.Exchange("prod-b", "GET", "/api/cluster", 0, 30*time.Second)
	m.Retried("prod-b", RetryTimeout)

	ks1 := set(keyServer("vs_db", "ks1.example.net:5696", "available", "not_responding"),
		"secondary_key_servers", resource.StrList([]string{"ks1b.example.net", "ks1c.example.net"}))
	p := &plan.Plan{Cluster: "prod-a", Observed: start, Steps: []plan.Step{
		{Op: plan.Create, Addr: addr("key_server", "vs_db", "ks3.example.net:5696")},
		{Op: plan.Update, Addr: addr("key_manager", "vs_db", "")},
		{Op: plan.Delete, Status: plan.Held, Guard: plan.Reachability, Addr: addr("key_server", "vs_db", "ks9.example.net:5696")},
	}}
	hr := addr("azure_key_vault", "vs_hr", "")
	p.Turns = []plan.Turn{{Addr: hr, Action: "rekey_external", Next: schedule.Turn{Begin: start.Add(36 * time.Hour)}}}
	m.Pass("prod-a", Pass{
		Result: Failed, Ended: start.Add(3 * time.Second), Took: 3 * time.Second,
		Observed: observed("PROD_A",
			azure("vs_hr", "uuid-hr", true, "node1", "node2"),
			external("", "uuid-0", 65537204, keyServer("", "ks1.example.net:5696", "available", "available")),
			external("vs_db", "uuid-1", 65537200, ks1, keyServer("vs_db", "ks2.example.net:5696", "unknown")),
			external("vs_other", "uuid-2", 0)),
		Plan: p,
		Report: &plan.Report{Results: []plan.Result{
			{Step: &p.Steps[0], Outcome: plan.Applied},
			{Step: &p.Steps[1], Outcome: plan.Failed, Err: errors.New("entry doesn't exist")},
			{Step: &p.Steps[2], Outcome: plan.NotAttempted},
		}},
		Memory: &plan.Memory{Open: 2, Unknown: 1, Backup: start.Add(-24 * time.Hour)},
		Ledger: &plan.Ledger{
			Objects: map[resource.Addr]plan.Remembered{hr: {Slots: map[string]plan.Slots{"rekey_external": {
				Done: 7, Failed: 1, Skipped: 2, Missed: 3, Unknown: 1, Succeeded: start.Add(-30 * 24 * time.Hour),
				State: schedule.State{LastStart: start.Add(-30*24*time.Hour - 2*time.Minute)}, Ended: start.Add(-30 * 24 * time.Hour),
			}}}},
			Open: []plan.Operation{{Addr: hr, Op: plan.Act, Action: "rekey_external"}},
		},
	})
	m.Pass("prod-b", Pass{Result: Failed, Ended: start.Add(31 * time.Second), Took: 31 * time.Second})
}

func TestExposition(t *testing.T) {
	tests := []struct {
		name string
		make func(*Metrics)
	}{
		{"start.prom", func(*Metrics) {}},
		{"declared.prom", func(m *Metrics) {
			m.Clusters([]Cluster{{Name: "prod-a", Interval: time.Minute, Mode: ModePlan, Wanted: []*resource.Object{external("vs_db", "", 0), rekeyed("vs_db", "")}}})
		}},
		{"fleet.prom", madeUp},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, reg := fresh(t)
			tt.make(m)
			golden(t, tt.name, scrape(t, reg))
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			problems, err := promlint.NewWithMetricFamilies(families).Lint()
			if err != nil || len(problems) > 0 {
				t.Errorf("lint: %v %v", problems, err)
			}
		})
	}
}

// Every metric of the table is in the golden of the fleet, so none can be forgotten.
func TestEveryFamilyIsExported(t *testing.T) {
	m, reg := fresh(t)
	madeUp(m)
	text := scrape(t, reg)
	for _, g := range groups() {
		for _, f := range g.families {
			if !strings.Contains(text, "# TYPE "+f.name+" "+f.kind+"\n") {
				t.Errorf("%s %s is not exported", f.kind, f.name)
			}
		}
	}
}

func TestWhatIsGoneVanishes(t *testing.T) {
	m, reg := fresh(t)
	madeUp(m)

	t.Run("objects of a cluster", func(t *testing.T) {
		m.Pass("prod-a", Pass{Result: InSync, Ended: start, Observed: observed("PROD_A", external("", "uuid-0", 0)), Plan: &plan.Plan{}})
		text := scrape(t, reg)
		if got := lines(text, "ks1.example.net") + lines(text, "uuid-1") + lines(text, "kmagent_drift_first_seen"); got != "" {
			t.Errorf("series of gone objects:\n%s", got)
		}
	})
	t.Run("an SVM of the file", func(t *testing.T) {
		m.Clusters([]Cluster{{Name: "prod-a", Wanted: []*resource.Object{external("", "", 0)}}, {Name: "prod-b"}})
		if got := lines(scrape(t, reg), "vs_db"); got != "" {
			t.Errorf("series of an SVM that left the file:\n%s", got)
		}
	})
	t.Run("a schedule of the file", func(t *testing.T) {
		if got := lines(scrape(t, reg), "kmagent_rekey"); got != "" {
			t.Errorf("series of a schedule that left the file:\n%s", got)
		}
	})
	t.Run("a cluster", func(t *testing.T) {
		m.Clusters([]Cluster{{Name: "prod-b"}})
		m.Exchange("prod-a", "GET", "/api/cluster", 200, time.Second)
		m.Retried("prod-a", RetryTimeout)
		m.Pass("prod-a", Pass{Result: InSync, Ended: start, Observed: observed("PROD_A")})
		text := scrape(t, reg)
		if got := lines(text, "prod-a"); got != "" {
			t.Errorf("series of a cluster that left the file:\n%s", got)
		}
		if lines(text, "prod-b") == "" {
			t.Error("the cluster that stays has lost its series")
		}
	})
}

// A cluster that cannot be read keeps its last picture; only what its requests and passes
// count moves on.
func TestUnreadable(t *testing.T) {
	m, reg := fresh(t)
	madeUp(m)
	before := scrape(t, reg)
	m.Exchange("prod-a", "GET", "/api/cluster", 0, time.Second)
	m.Pass("prod-a", Pass{Result: Failed, Ended: start.Add(time.Hour), Took: time.Second,
		Plan: &plan.Plan{Err: errors.New("no answer")}})
	after := scrape(t, reg)

	moves := []string{
		"kmagent_ontap_", "kmagent_reconcile_duration_seconds", "kmagent_reconciles_total", "kmagent_reconcile_last_run",
	}
	still := func(text string) string {
		var b strings.Builder
	line:
		for line := range strings.Lines(text) {
			for _, prefix := range moves {
				if strings.Contains(line, prefix) {
					continue line
				}
			}
			b.WriteString(line)
		}
		return b.String()
	}
	if diff := cmp.Diff(still(before), still(after)); diff != "" {
		t.Errorf("the picture changed (-before +after):\n%s", diff)
	}
	for _, want := range []string{
		`kmagent_ontap_up{cluster="prod-a"} 0`,
		`kmagent_reconciles_total{cluster="prod-a",result="failed"} 2`,
		`kmagent_reconcile_last_run_timestamp_seconds{cluster="prod-a"} 1.77237e+09`,
	} {
		if !strings.Contains(after, want+"\n") {
			t.Errorf("no %s in\n%s", want, lines(after, "prod-a"))
		}
	}
}

// A scrape sees a pass or does not: never an observation beside the plan of another one.
func TestScrapeWhilePassesGoOn(t *testing.T) {
	m, reg := fresh(t)
	m.Clusters([]Cluster{{Name: "prod-a", Wanted: []*resource.Object{external("vs_db", "", 0)}}})
	pictures := make([]Pass, 2)
	for i := range pictures {
		var managers []*resource.Object
		var p plan.Plan
		if i == 1 {
			managers = append(managers, external("vs_db", "uuid-1", 0))
		} else {
			p.Steps = []plan.Step{{Op: plan.Create, Addr: addr("key_manager", "vs_db", "")}}
		}
		pictures[i] = Pass{Result: InSync, Ended: start, Observed: observed("PROD_A", managers...), Plan: &p}
	}
	m.Pass("prod-a", pictures[0])

	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				m.Pass("prod-a", pictures[i%2])
			}
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				m.Exchange("prod-a", "GET", "/api/cluster", 200, time.Millisecond)
				m.Clusters([]Cluster{{Name: "prod-a", Wanted: []*resource.Object{external("vs_db", "", 0)}}})
			}
		}
	})
	for range 200 {
		text := scrape(t, reg)
		found := lines(text, "kmagent_key_manager_info", "vs_db") != ""
		missing := lines(text, `kmagent_drifted_resources`, `drift="missing",kind="key_manager"`, "vs_db", "} 1") != ""
		if found == missing {
			t.Fatalf("found %t and missing %t at once", found, missing)
		}
	}
	close(done)
	wg.Wait()
}

func TestHandler(t *testing.T) {
	reg := NewRegistry("1.2.3", "4f2a1c\x00")
	New(reg, "desired.yaml")
	var log bytes.Buffer
	h := Handler(reg, slog.New(slog.NewTextHandler(&log, nil)))
	for range 2 { // promhttp_* counts the scrapes before this one
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		text := w.Body.String()
		for _, want := range []string{
			`kmagent_build_info{`, `version="1.2.3"`, `revision="4f2a1c` + "\uFFFD" + `"`,
			"\ngo_goroutines ", "\nprocess_start_time_seconds ", "\npromhttp_metric_handler_requests_total{",
			"\nkmagent_config_last_load_successful{",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s", want)
			}
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
}
