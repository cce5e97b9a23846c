package diff_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// told is a plan with what became of slots in it.
func told(p plan.Plan) string {
	text := short(p)
	for _, s := range p.Steps {
		if !s.Slot.IsZero() {
			text += fmt.Sprintf("slot %s of %s %s begins\n", s.Slot.Local, s.Addr.Name, s.Action)
		}
	}
	for _, n := range p.Slots {
		for _, r := range n.Records {
			text += fmt.Sprintf("slot %s of %s %s: %s\n", r.Local, n.Action, r.Outcome, r.Reason)
		}
	}
	return text
}

// comes is the state of a schedule "0 3 22 * *", whose slot is now, as it was an hour ago.
func comes(action string) map[string]plan.Slots {
	return map[string]plan.Slots{action: {Line: "0 3 22 * * UTC", State: schedule.State{Baseline: now.Add(-time.Hour)}}}
}

var nowSlot = schedule.Slot{Local: "2026-11-22T03:00", Zone: "UTC", At: now}

var okm = resource.Addr{Cluster: "a", Kind: "key_manager"}

const kept = "backup: {recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}\n"

func TestScheduledBackup(t *testing.T) {
	const file = kept + "key_managers: [{onboard: {passphrase: env:P}, key_backup: {schedule: '0 3 22 * *'}}]"
	const saved = "ready act key_manager/@cluster\n  onboard.key_backup: \"\" -> \"saved, encrypted for 1 recipient\"\n  GET /okm?fields=onboard.key_backup map[]\n"
	for _, c := range []struct {
		name      string
		tune      func(*diff.Input, *plan.Remembered)
		want, why string
	}{
		{"due", nil, saved + "slot 2026-11-22T03:00 of  key_backup begins\n", "the object has not changed, and it is saved all the same"},
		{"not due", func(in *diff.Input, _ *plan.Remembered) { in.Now = now.Add(-time.Minute) }, "", ""},
		{"owed as well", func(_ *diff.Input, m *plan.Remembered) { m.Owed = true }, saved + "slot 2026-11-22T03:00 of  key_backup begins\n", "one step does for both"},
		{"owed between slots", func(in *diff.Input, m *plan.Remembered) { in.Now, m.Owed = now.Add(-time.Minute), true }, saved, "a change does not wait for a slot"},
		{"behind a change", func(_ *diff.Input, m *plan.Remembered) {
			m.Nodes = []string{"n1"}
		}, "ready act key_manager/@cluster\n  nodes: \"\" -> \"[n2]\"\n  PATCH /okm map[onboard:map[existing_passphrase:env:P synchronize:true]]\n" + saved +
			"slot 2026-11-22T03:00 of  key_backup begins\n", "and once, after it"},
		{"behind a change that is held", func(_ *diff.Input, m *plan.Remembered) {
			m.Nodes, m.Refused = []string{"n1"}, "now"
		}, "held act key_manager/@cluster [passphrase] ONTAP refused what onboard.passphrase names as wrong (65536139), and counts that: it is not tried again until it changes\n" +
			"  nodes: \"\" -> \"[n2]\"\n" + saved + "slot 2026-11-22T03:00 of  key_backup begins\n", "the slot has come for a reason of its own"},
		{"nobody to read it", func(in *diff.Input, _ *plan.Remembered) { in.Keepers = 0 },
			"note key_manager/@cluster no key backup is kept: the cluster has no backup.recipients in the file\nslot 2026-11-22T03:00 of key_backup skipped: no_recipients\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := onboard(found())
			for i := range have.Nodes {
				have.Nodes[i].UUID = have.Nodes[i].Name
			}
			in := input(lines(t, file), have)
			in.Keepers = 1
			in.Secrets = plan.Secrets{{Addr: okm, Field: "onboard.passphrase"}: {Digest: "now"}}
			m := plan.Remembered{Secrets: map[string]string{"onboard.passphrase": "now"}, Nodes: []string{"n1", "n2"},
				Backup: plan.Backup{At: now.Add(-time.Hour * 24)}, Slots: comes("key_backup")}
			if c.tune != nil {
				c.tune(&in, &m)
			}
			in.Ledger.Objects = map[resource.Addr]plan.Remembered{okm: m}
			if d := cmp.Diff(c.want, told(diff.Compute(in))); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
		})
	}
}

func TestRotatePassphrase(t *testing.T) {
	const entry = "- onboard: {passphrase: 'env:P', passphrase_next: 'env:N'}\n  rotate_passphrase: {schedule: '0 3 22 * *'}"
	const change = "  onboard.passphrase: \"[secret]\" -> \"[secret]\"\n"
	const sent = "ready act key_manager/@cluster\n" + change + "  PATCH /okm map[onboard:map[existing_passphrase:env:P passphrase:env:N]]\n"
	const noBackup = "note key_manager/@cluster no key backup is kept: the cluster has no backup.recipients in the file\n"
	const begins = "slot 2026-11-22T03:00 of  rotate_passphrase begins\n"
	const place = "note key_manager/@cluster passphrase_next is in place: name it as passphrase, and a new passphrase_next\n"
	field := func(name string) plan.SecretAt { return plan.SecretAt{Addr: okm, Field: name} }
	for _, c := range []struct {
		name      string
		tune      func(*diff.Input, *plan.Remembered)
		want, why string
	}{
		{"due", nil, sent + noBackup + begins, ""},
		{"not due", func(in *diff.Input, _ *plan.Remembered) { in.Now = now.Add(-time.Minute) }, noBackup, "a passphrase_next that is named is not sent before"},
		{"another one is in use", func(_ *diff.Input, m *plan.Remembered) { m.Secrets["onboard.passphrase"] = "else" },
			"refused update key_manager/@cluster [passphrase] a changed onboard.passphrase is sent together with the one in use: name that one as onboard.existing_passphrase until the change is made\n" + change +
				"held act key_manager/@cluster [order] first the change of onboard.passphrase must be made\n" + change + noBackup + begins, "what is not known to be in use is not tried"},
		{"refused before", func(_ *diff.Input, m *plan.Remembered) { m.Refused = "now" },
			"held act key_manager/@cluster [passphrase] ONTAP refused what onboard.passphrase names as wrong (65536139), and counts that: it is not tried again until it changes\n" + change + noBackup + begins, "ONTAP counts wrong ones"},
		{"not in place for sure", func(_ *diff.Input, m *plan.Remembered) { delete(m.Secrets, "onboard.passphrase") },
			sent + "note key_manager/@cluster onboard.passphrase is taken to be current, since the object was there before us; apply --resend-secrets sends it\n" + noBackup + begins, "as with a change by hand"},
		{"unreadable", func(in *diff.Input, _ *plan.Remembered) {
			in.Secrets[field(resource.PassphraseNext)] = plan.SecretState{Err: errors.New("cred:N cannot be read")}
		}, "held act key_manager/@cluster [secret] cred:N cannot be read\n" + change + noBackup + begins, "it waits until the window closes"},
		{"the same", func(in *diff.Input, _ *plan.Remembered) {
			in.Secrets[field(resource.PassphraseNext)] = plan.SecretState{Digest: "now"}
		}, noBackup + "slot 2026-11-22T03:00 of rotate_passphrase skipped: unchanged\n", "65536150 is foreseen"},
		{"none is named", func(in *diff.Input, _ *plan.Remembered) {
			in.Want[0].Values[resource.Onboard.Index(resource.PassphraseNext)] = resource.Value{}
		}, noBackup + "slot 2026-11-22T03:00 of rotate_passphrase skipped: no_next\n", "validation refuses it, and none is made up here either"},
		{"done", func(in *diff.Input, m *plan.Remembered) {
			in.Now, m.Secrets["onboard.passphrase"] = now.Add(-time.Minute), "next"
		}, place + noBackup, "what the file still has as passphrase is not put back"},
		{"done, with its time", func(in *diff.Input, m *plan.Remembered) {
			in.Now, m.Secrets["onboard.passphrase"] = now.Add(-time.Minute), "next"
			s := m.Slots["rotate_passphrase"]
			s.Succeeded = now.Add(-time.Hour)
			m.Slots["rotate_passphrase"] = s
		}, "note key_manager/@cluster passphrase_next is in place since 2026-11-22T02:00:00Z: name it as passphrase, and a new passphrase_next\n" + noBackup, ""},
		{"done, and resent", func(in *diff.Input, m *plan.Remembered) {
			in.Now, in.Resend, m.Secrets["onboard.passphrase"] = now.Add(-time.Minute), true, "next"
		}, place + noBackup, "nobody asks for the former one that way"},
		{"done, and the former one is gone", func(in *diff.Input, m *plan.Remembered) {
			in.Now, m.Secrets["onboard.passphrase"] = now.Add(-time.Minute), "next"
			in.Secrets[field("onboard.passphrase")] = plan.SecretState{Err: errors.New("gone")}
		}, place + noBackup, "nothing needs it any more"},
		{"done, and the slot comes again", func(_ *diff.Input, m *plan.Remembered) { m.Secrets["onboard.passphrase"] = "next" },
			place + noBackup + "slot 2026-11-22T03:00 of rotate_passphrase skipped: unchanged\n", "there is no other one to put in place"},
		{"done, and a node comes", func(in *diff.Input, m *plan.Remembered) {
			in.Now, m.Secrets["onboard.passphrase"], m.Nodes = now.Add(-time.Minute), "next", []string{plan.NoNode}
		}, "ready act key_manager/@cluster\n  nodes: \"\" -> \"[n1 n2]\"\n  PATCH /okm map[onboard:map[existing_passphrase:env:N synchronize:true]]\n" + place + noBackup,
			"the one in place is what nodes need, as after 65536407"},
		{"a lost answer", func(in *diff.Input, m *plan.Remembered) {
			in.Ledger.Open = []plan.Operation{{ID: "7", Op: plan.Act, Action: "rotate_passphrase", Addr: okm, Repeat: resource.Never, Timed: true, Lost: true, At: now.Add(-2 * time.Hour),
				Wishes: []plan.Wish{{Field: "onboard.passphrase", Value: "next"}}}}
		}, noBackup + "slot 2026-11-22T03:00 of rotate_passphrase skipped: overlap\n", "nothing shows which one is in place: a human says so"},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := onboard(found())
			for i := range have.Nodes {
				have.Nodes[i].UUID = have.Nodes[i].Name
			}
			in := input(wanted(t, entry), have)
			in.Secrets = plan.Secrets{field("onboard.passphrase"): {Digest: "now"}, field(resource.PassphraseNext): {Digest: "next"}}
			m := plan.Remembered{Secrets: map[string]string{"onboard.passphrase": "now"}, Nodes: []string{"n1", "n2"}, Slots: comes("rotate_passphrase")}
			if c.tune != nil {
				c.tune(&in, &m)
			}
			in.Ledger.Objects = map[resource.Addr]plan.Remembered{okm: m}
			p := diff.Compute(in)
			if d := cmp.Diff(c.want, told(p)); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
			for _, s := range p.Steps {
				if s.Action == "rotate_passphrase" && s.Status == plan.Ready {
					if !s.Backup || !s.Timed || s.Repeat != resource.Never {
						t.Errorf("a backup must follow, the slot be counted and a lost answer not be repeated: %+v", s)
					}
					if d := cmp.Diff(map[string]string{"onboard.passphrase": "next", resource.Proof: "now"}, s.Secrets); d != "" {
						t.Errorf("secrets (-want +got)\n%s", d)
					}
				}
			}
		})
	}
}

// What the ledger makes of a rotation, whatever its end.
func TestRotatedLedger(t *testing.T) {
	op := plan.Operation{ID: "7", Op: plan.Act, Action: "rotate_passphrase", Addr: okm, Repeat: resource.Never, Timed: true, Slot: nowSlot, Backup: true, At: now,
		Offered: map[string]string{"onboard.passphrase": "next", resource.Proof: "now"}}
	for _, c := range []struct {
		name   string
		end    plan.End
		secret string
		nodes  []string
	}{
		{"applied", plan.End{Outcome: plan.Applied, Secrets: op.Offered}, "next", []string{"n1"}},
		{"partly", plan.End{Outcome: plan.Failed, Code: "65536407", Secrets: op.Offered}, "next", []string{plan.NoNode}},
		{"wrong", plan.End{Outcome: plan.Failed, Code: "65536139"}, "now", []string{"n1"}},
	} {
		led := plan.Ledger{Objects: map[resource.Addr]plan.Remembered{okm: {Secrets: map[string]string{"onboard.passphrase": "now"}, Nodes: []string{"n1"}}}}
		led.Begin(op)
		led.End("7", c.end)
		m := led.Objects[okm]
		if m.Secrets["onboard.passphrase"] != c.secret || !cmp.Equal(m.Nodes, c.nodes) || !m.Owed || m.Slots["rotate_passphrase"].State.Last != nowSlot {
			t.Errorf("%s: %+v", c.name, m)
		}
		if c.name == "wrong" && m.Refused != "now" {
			t.Errorf("wrong, and counted as %q", m.Refused)
		}
	}
}

// generation is the address of a key that the rotation of t has made.
func generation(tag string) resource.Addr {
	return resource.Addr{Cluster: "a", Kind: "auth_key", Name: tag}
}

func TestRotateKey(t *testing.T) {
	const entry = atCluster + "\nauth_keys: [{key_tag: t, rotate: {schedule: '0 3 22 * *', keep: 2}}]"
	const made = "ready create auth_key/@cluster/t-2026-11-22\n  key_tag: \"\" -> \"t-2026-11-22\"\n  POST /km-1/auth-keys map[key_tag:t-2026-11-22]\n"
	const begins = "slot 2026-11-22T03:00 of t-2026-11-22 rotate begins\n"
	gone := func(tag string) string {
		return "ready delete auth_key/@cluster/" + tag + "\n  DELETE /km-1/auth-keys/id-" + tag + " map[]\nslot 2026-11-22T03:00 of " + tag + " retire begins\n"
	}
	done := map[string]plan.Slots{"rotate": {Line: "0 3 22 * * UTC", State: schedule.State{Baseline: now.Add(-time.Hour), Last: nowSlot, LastStart: now}}}
	retired := plan.Remembered{Slots: map[string]plan.Slots{"retire": {State: schedule.State{Last: nowSlot, LastStart: now}}}}
	for _, c := range []struct {
		name      string
		tags      []string // of the keys that are there beside t
		slots     map[string]plan.Slots
		tune      func(*diff.Input)
		want, why string
	}{
		{"due", nil, comes("rotate"), nil, made + begins, ""},
		{"not due", []string{"t-2026-10-22"}, comes("rotate"), func(in *diff.Input) { in.Now = now.Add(-time.Minute) }, "", "a generation is no stranger to the file"},
		{"it is there", []string{"t-2026-11-22"}, comes("rotate"), nil, "slot 2026-11-22T03:00 of rotate skipped: unchanged\n", "a tag is never given twice"},
		{"a server is away", nil, comes("rotate"), func(in *diff.Input) { in.Have.Health = false },
			"held create auth_key/@cluster/t-2026-11-22 [reachability] reachability was not read in this pass\n  key_tag: \"\" -> \"t-2026-11-22\"\n" + begins, "a new key goes to every one"},
		{"too many, and one comes", []string{"t-2026-08-22", "t-2026-09-22", "t-2026-10-22"}, comes("rotate"), nil, made + begins, "first the new one must be there"},
		{"too many", []string{"t-2026-11-22", "t-2026-09-22", "t-2026-10-22"}, done, nil, gone("t-2026-09-22"), "the newest two stay"},
		{"as many as are to stay", []string{"t-2026-11-22", "t-2026-10-22"}, done, nil, "", ""},
		{"no slot has passed", []string{"t-2026-11-22", "t-2026-09-22", "t-2026-10-22"}, comes("rotate"), func(in *diff.Input) { in.Now = now.Add(-time.Minute) }, "", "where the state is lost nothing is removed"},
		{"tried", []string{"t-2026-11-22", "t-2026-09-22", "t-2026-10-22"}, done, func(in *diff.Input) {
			in.Ledger.Objects[generation("t-2026-09-22")] = retired
		}, "", "drives use it: once between two slots is enough"},
		{"two too many, one tried", []string{"t-2026-11-22", "t-2026-09-22", "t-2026-10-22", "t-2026-08-22"}, done, func(in *diff.Input) {
			in.Ledger.Objects[generation("t-2026-08-22")] = retired
		}, gone("t-2026-09-22"), "the other has its turn"},
		{"others", []string{"t-2026", "t-2026-11-22-b", "t-2026-9-22", "t-old", "tt-2026-09-22", "t-2026-09-22T3"}, done, nil,
			"note auth_key/@cluster/t-2026 is not in the file: left alone\nnote auth_key/@cluster/t-2026-09-22T3 is not in the file: left alone\n" +
				"note auth_key/@cluster/t-2026-11-22-b is not in the file: left alone\nnote auth_key/@cluster/t-2026-9-22 is not in the file: left alone\n" +
				"note auth_key/@cluster/t-old is not in the file: left alone\nnote auth_key/@cluster/tt-2026-09-22 is not in the file: left alone\n", "only the exact shape is a generation"},
		{"hourly ones from before", []string{"t-2026-11-22", "t-2026-10-22T0300", "t-2026-10-22T0400"}, done, nil, gone("t-2026-10-22T0300"), "a schedule may have changed"},
		{"twins", []string{"t-2026-11-22", "t-2026-10-22", "t-2026-09-22"}, done, func(in *diff.Input) {
			in.Have.Objects[generation("t-2026-09-22")].Twins = []string{"x"}
		}, "note auth_key/@cluster/t-2026-09-22 2 have this key_tag, and nothing tells which is meant: it stays\n", ""},
		{"a lost answer, and it is there", []string{"t-2026-11-22"}, done, func(in *diff.Input) { in.Ledger.Open = []plan.Operation{lostKey} }, "settled applied\n", "its tag tells"},
		{"a lost answer, and it is not there", nil, done, func(in *diff.Input) { in.Ledger.Open = []plan.Operation{lostKey} }, "settled failed\n", "the slot has had its turn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := keyed(nil, "id-t")
			for _, tag := range c.tags {
				k := resource.NewObject(resource.AuthKey, generation(tag))
				k.ID = "id-" + tag
				set(k, "key_tag", resource.Str(tag))
				have.Objects[k.Addr] = k
			}
			in := input(lines(t, entry), have)
			in.Ledger.Objects = map[resource.Addr]plan.Remembered{keyAddr: {Slots: maps.Clone(c.slots)}}
			if c.tune != nil {
				c.tune(&in)
			}
			p := diff.Compute(in)
			got := told(p)
			for _, s := range p.Settled {
				got += "settled " + s.Outcome.String() + "\n"
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, d)
			}
			for _, s := range p.Steps {
				if s.Op == plan.Create && (s.For != keyAddr || s.Action != "rotate" || !s.Timed) {
					t.Errorf("its slot is not that of the key in the file: %+v", s)
				}
			}
		})
	}
}

var lostKey = plan.Operation{ID: "7", Op: plan.Create, Action: "rotate", Addr: generation("t-2026-11-22"), For: keyAddr, Slot: nowSlot, Timed: true, Lost: true, At: now.Add(-time.Minute)}

// The slot of a new generation is remembered with the key that the file has, and a removal that
// was tried with the generation, until that is gone.
func TestGenerationLedger(t *testing.T) {
	var led plan.Ledger
	led.Begin(lostKey)
	led.End("7", plan.End{Outcome: plan.Applied, At: now})
	if s := led.Objects[keyAddr].Slots["rotate"]; s.State.Last != nowSlot || s.Fired != 1 || !s.Succeeded.Equal(now) {
		t.Errorf("%+v", s)
	}
	old := generation("t-2026-09-22")
	op := plan.Operation{ID: "8", Op: plan.Delete, Action: "retire", Addr: old, Slot: nowSlot, Timed: true, At: now}
	led.Begin(op)
	led.End("8", plan.End{Outcome: plan.Kept, Code: "65536859", At: now})
	if s := led.Objects[old].Slots["retire"]; len(led.Open) != 0 || s.State.Last != nowSlot || s.Outcome != "kept" {
		t.Errorf("open %v, %+v", led.Open, s)
	}
	led.Begin(op)
	led.End("8", plan.End{Outcome: plan.Applied, At: now})
	if s := led.Objects[old].Slots; s != nil {
		t.Errorf("what is gone has slots: %v", s)
	}
}

// One date may have several slots, and then the time is in the tag.
func TestGenerationTag(t *testing.T) {
	for _, c := range []struct{ schedule, local, want string }{
		{"0 3 1 * *", "2026-11-01T03:00", "nse-2026-11-01"},
		{"@monthly", "2026-11-01T00:00", "nse-2026-11-01"},
		{"0 3,15 * * *", "2026-11-01T15:00", "nse-2026-11-01T1500"},
		{"@hourly", "2026-11-01T04:00", "nse-2026-11-01T0400"},
		{"*/15 * * * * *", "2026-11-01T03:00:15", "nse-2026-11-01T030015"},
		{"*/15 * * * * *", "2026-11-01T03:00", "nse-2026-11-01T0300"},
	} {
		timing := resource.Timing{Spec: schedule.Spec{Schedule: c.schedule}}
		got := resource.GenerationTag("nse", timing, schedule.Slot{Local: c.local})
		if got != c.want || !resource.IsGeneration(got, "nse") {
			t.Errorf("%s at %s: %s, want %s", c.schedule, c.local, got, c.want)
		}
		if longest := resource.LongestTag(timing); longest+len(got)-len("nse") > 32 {
			t.Errorf("%s: a tag of %d makes one that is too long", c.schedule, longest)
		}
	}
}
