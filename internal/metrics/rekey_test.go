package metrics

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

const rekeyExternal = "rekey_external"

// rekeyed is a key vault that the file rekeys each month; the name is that of its configuration.
func rekeyed(svm, name string) *resource.Object {
	o := azure(svm, "", true)
	o.Addr.Name = name
	return set(o, rekeyExternal, resource.TimingValue(resource.Timing{Spec: schedule.Spec{
		Schedule: "0 3 1 * *", Timezone: "Europe/Berlin", MaxAge: 40 * 24 * time.Hour,
	}}))
}

// slots is a ledger in which that is known of the vault of vs_hr.
func slots(s plan.Slots, open ...plan.Operation) *plan.Ledger {
	hr := addr("azure_key_vault", "vs_hr", "")
	return &plan.Ledger{Objects: map[resource.Addr]plan.Remembered{hr: {Slots: map[string]plan.Slots{rekeyExternal: s}}}, Open: open}
}

// turns is a plan that tells of the next slot.
func turns(next time.Time) *plan.Plan {
	return &plan.Plan{Turns: []plan.Turn{{Addr: addr("azure_key_vault", "vs_hr", ""), Action: rekeyExternal, Next: schedule.Turn{Begin: next}}}}
}

func TestRekeys(t *testing.T) {
	hr := addr("azure_key_vault", "vs_hr", "")
	sample := func(name, result string) string {
		if result != "" {
			result = `result="` + result + `",`
		}
		return "kmagent_rekey" + name + `{cluster="prod-a",` + result + `svm="vs_hr",target="azure_key_vault/rekey_external"} `
	}
	due := turns(start)
	due.Turns[0].Due, due.Turns[0].Next.Slot = true, schedule.Slot{Local: "2026-03-01T13:00", Zone: "Europe/Berlin", At: start}
	zero := []string{"success", "error", "skipped", "missed", "unknown"}
	type want = map[string]string // sample -> value; empty: there is none
	tests := []struct {
		name string
		pass []Pass
		want want
		why  string
	}{
		{
			"no pass yet", nil,
			want{sample("_max_age_seconds", ""): "3.456e+06", sample("_running", ""): "", sample("s_total", "missed"): ""},
			"the file tells the age; a count of 0 that becomes what the ledger holds would look like as many events",
		},
		{
			"first contact", []Pass{{Plan: turns(start), Ledger: &plan.Ledger{}}},
			want{
				sample("_next_run_timestamp_seconds", ""): "1.7723664e+09", sample("_running", ""): "0",
				sample("_last_success_timestamp_seconds", ""): "",
				sample("s_total", zero[0]):                    "0", sample("s_total", zero[1]): "0", sample("s_total", zero[2]): "0",
				sample("s_total", zero[3]): "0", sample("s_total", zero[4]): "0",
			},
			"counters are there before they count; a success that never was has no time",
		},
		{
			"missed while nobody ran", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{Missed: 3, Done: 1})}},
			want{sample("s_total", "missed"): "3", sample("s_total", "success"): "1"},
			"2 were counted before the restart: what counted from 0 would say 1, which is no increase",
		},
		{
			"sent, and its answer lost", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{Unknown: 1}, plan.Operation{Addr: hr, Action: rekeyExternal, Lost: true})}},
			want{sample("_running", ""): "1", sample("s_total", "unknown"): "1"},
			"nobody knows, so it may still be under way",
		},
		{
			"another operation is open", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{}, plan.Operation{Addr: hr, Action: "rekey_internal"}, plan.Operation{Op: plan.Update, Addr: hr})}},
			want{sample("_running", ""): "0"},
			"that is another action",
		},
		{
			"a key is made for it", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{}, plan.Operation{Op: plan.Create, Addr: addr("azure_key_vault", "vs_hr", "new"), For: hr, Action: rekeyExternal})}},
			want{sample("_running", ""): "1"},
			"an operation may be about another object than the one whose schedule it is for",
		},
		{
			"not verified", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{Succeeded: start})}},
			want{sample("_unverified", ""): "1"},
			"no look since",
		},
		{
			"verified", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{Succeeded: start, Verified: start.Add(time.Second)})}},
			want{sample("_unverified", ""): "0"},
			"",
		},
		{
			"it took a while", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{State: schedule.State{LastStart: start}, Ended: start.Add(90 * time.Second)})}},
			want{sample("_last_duration_seconds", ""): "90"},
			"from its intent to its end",
		},
		{
			"it takes a while", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{State: schedule.State{LastStart: start}, Ended: start.Add(-90 * time.Second)})}},
			want{sample("_last_duration_seconds", ""): ""},
			"the end on record is of the one before",
		},
		{
			"no slot comes", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{})}, {Plan: turns(time.Time{}), Ledger: slots(plan.Slots{})}},
			want{sample("_next_run_timestamp_seconds", ""): ""},
			"a schedule may end",
		},
		{
			"its slot has come", []Pass{{Plan: due, Ledger: slots(plan.Slots{})}},
			want{sample("_next_run_timestamp_seconds", ""): "1.7723664e+09"},
			"it waits, and that can be seen",
		},
		{
			"it has begun", []Pass{{Plan: due, Ledger: slots(plan.Slots{State: schedule.State{Last: due.Turns[0].Next.Slot}})}},
			want{sample("_next_run_timestamp_seconds", ""): ""},
			"the slot is taken, and the plan was made before that",
		},
		{
			"the cluster cannot be read", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{Done: 1})}, {Plan: &plan.Plan{Err: errors.New("down")}, Ledger: slots(plan.Slots{Done: 1})}},
			want{sample("_next_run_timestamp_seconds", ""): "1.7723664e+09", sample("s_total", "success"): "1"},
			"the last picture stays, and its times age",
		},
		{
			"nothing can be remembered", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{Missed: 2})}, {Plan: turns(start)}},
			want{sample("s_total", "missed"): "2"},
			"a counter that fell to 0 and came back would count everything twice",
		},
		{
			"the object is not there", []Pass{{Plan: turns(start), Ledger: slots(plan.Slots{Missed: 2})}, {Plan: &plan.Plan{}, Ledger: slots(plan.Slots{Missed: 2})}},
			want{sample("s_total", "missed"): "2", sample("_next_run_timestamp_seconds", ""): ""},
			"what has happened has happened, and nothing comes",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, reg := fresh(t)
			m.Clusters([]Cluster{{Name: "prod-a", Wanted: []*resource.Object{rekeyed("vs_hr", "")}}})
			for _, p := range tt.pass {
				p.Result, p.Ended = InSync, start
				m.Pass("prod-a", p)
			}
			text := scrape(t, reg)
			for s, value := range tt.want {
				want := ""
				if value != "" {
					want = s + value + "\n"
				}
				if got := lines(text, s); got != want {
					t.Errorf("got %q, want %q: %s", got, want, tt.why)
				}
			}
		})
	}
}

// Configurations of one scope are told apart, names that look alike do not spoil the scrape,
// and what the file does not schedule, or wants gone, has no series whatever is remembered.
func TestRekeyTargets(t *testing.T) {
	gone := rekeyed("vs_gone", "")
	gone.Absent = true
	m, reg := fresh(t)
	m.Clusters([]Cluster{{Name: "prod-a", Wanted: []*resource.Object{
		rekeyed("vs_hr", "spare"), rekeyed("vs_hr", "x\x00"), rekeyed("vs_hr", "x\x01"), azure("vs_plain", "", true), gone,
	}}})
	l := slots(plan.Slots{Done: 1})
	l.Objects[addr("azure_key_vault", "vs_plain", "")] = l.Objects[addr("azure_key_vault", "vs_hr", "")]
	m.Pass("prod-a", Pass{Result: InSync, Ended: start, Plan: turns(start), Ledger: l})
	text := scrape(t, reg)
	if got := strings.Count(lines(text, "kmagent_rekey_running"), "\n"); got != 2 {
		t.Errorf("%d targets, want 2:\n%s", got, lines(text, "kmagent_rekey_running"))
	}
	if lines(text, `target="azure_key_vault/spare/rekey_external"`) == "" {
		t.Error("no series of the configuration spare")
	}
	if got := lines(text, "kmagent_rekey_next_run"); got != "" {
		t.Errorf("the slot of an object that the file does not schedule:\n%s", got)
	}
}
