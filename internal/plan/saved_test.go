package plan_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/plan"
	"kmagent/internal/secret"
)

func installation(t testing.TB, b byte) secret.Key {
	t.Helper()
	k, err := secret.NewKey(bytes.Repeat([]byte{b}, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var made = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// saved is a kept plan with every sort of content.
func saved() plan.Saved {
	return plan.Saved{
		Made: made, Until: made.Add(time.Hour), Source: strings.Repeat("0a", 32),
		Clusters: []plan.Outline{
			{Cluster: "a", UUID: "u-1", Release: "9.16.1", Steps: []plan.StepOutline{{
				Op: "update", Status: "ready", Address: "a/key_server/vs/ks1:5696",
				Changes:  []plan.ChangeOutline{{Field: "timeout", Old: "25", New: "30"}, {Field: "password", New: secret.Mask}},
				Requests: []plan.RequestOutline{{Method: "PATCH", Path: "/api/x?a=1&b=<2>", Body: "b"}},
				Wishes:   []plan.Wish{{Field: "timeout", Value: "w"}}, Secrets: map[string]string{"password": "d", "other": "e"}, Seen: "s", Terms: "t",
			}, {Op: "act", Action: "enable", Status: "held", Guard: "order", Address: "a/azure_key_vault/vs/\u2028", Terms: "t"}}},
			{Cluster: "b", UUID: "u-2", Release: "9.8", Steps: []plan.StepOutline{}},
		},
	}
}

func encode(t testing.TB, s plan.Saved, k secret.Key) (string, []byte) {
	t.Helper()
	text, err := s.Encode(k)
	if err != nil {
		t.Fatal(err)
	}
	return s.ID, text
}

func TestSaved(t *testing.T) {
	k := installation(t, 1)
	id, text := encode(t, saved(), k)
	got, err := plan.OpenSaved(text, k)
	if err != nil {
		t.Fatal(err)
	}
	want := saved()
	want.ID = id
	if d := cmp.Diff(want, got); d != "" || len(id) != 16 {
		t.Errorf("id %q (-want +got)\n%s", id, d)
	}
	if again, twice := encode(t, saved(), k); again != id || !bytes.Equal(twice, text) {
		t.Error("the same plan is kept in two ways")
	}
	later := saved()
	later.Made = made.Add(time.Second)
	if other, _ := encode(t, later, k); other == id {
		t.Error("two plans have one id")
	}
}

// Whatever this installation did not write, byte for byte, is refused.
func TestSavedAltered(t *testing.T) {
	k := installation(t, 1)
	_, text := encode(t, saved(), k)
	refused := func(what string, text []byte, k secret.Key) {
		t.Helper()
		if s, err := plan.OpenSaved(text, k); !errors.Is(err, plan.ErrAltered) || s.Clusters != nil {
			t.Errorf("%s: %v, %v", what, s, err)
		}
	}
	for i := range text {
		for bit := range 8 {
			other := bytes.Clone(text)
			other[i] ^= 1 << bit
			refused("a flipped bit", other, k)
		}
		refused("an end that is missing", text[:i], k)
	}
	refused("an end that is too much", append(bytes.Clone(text), '\n'), k)
	refused("another installation", text, installation(t, 2))
	refused("no MAC", []byte(`{"kmagent_plan":1}`), k)
	refused("nothing", nil, k)
}

// A form that is not known is refused, though it is authentic.
func TestSavedFormat(t *testing.T) {
	k := installation(t, 1)
	for _, body := range []string{"{\n  \"kmagent_plan\": 2", "{\n  \"made\": \"2026-11-22T03:00:00Z\"", "{\n  \"kmagent_plan\": 1,\n  \"clusters\": 3", "nonsense"} {
		mac := secret.MAC(k.Derive("kmagent saved plan"), []byte(body))
		if _, err := plan.OpenSaved([]byte(body+",\n  \"mac\": \""+mac+"\"\n}\n"), k); !errors.Is(err, plan.ErrFormat) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestHolds(t *testing.T) {
	s := saved()
	for _, c := range []struct {
		at   time.Duration // since it was made
		want error
		why  string
	}{
		{0, nil, ""},
		{time.Hour - time.Nanosecond, nil, ""},
		{time.Hour, plan.ErrExpired, "the end is the end"},
		{24 * time.Hour, plan.ErrExpired, ""},
		{-5 * time.Minute, nil, "clocks differ"},
		{-5*time.Minute - time.Nanosecond, plan.ErrFuture, "but not by so much"},
	} {
		if err := s.Holds(made.Add(c.at)); !errors.Is(err, c.want) {
			t.Errorf("%v after it was made: %v, want %v: %s", c.at, err, c.want, c.why)
		}
	}
}

// A suspend of the machine and a clock that is set back both make older.
func TestAge(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		now, seen time.Time
		want      time.Duration
		why       string
	}{
		{now.Add(time.Minute), now, time.Minute, ""},
		{now.Round(0).Add(time.Hour), now, time.Hour, "a suspend: the monotonic clock stood still"},
		{now.Add(time.Minute), now.Round(0).Add(time.Hour), time.Minute - time.Hour, "no monotonic clock to look at"},
	} {
		if got := plan.Age(c.now, c.seen); got != c.want {
			t.Errorf("%v, want %v: %s", got, c.want, c.why)
		}
	}
	if plan.Age(now, time.Time{}) < 100*365*24*time.Hour {
		t.Error("what was never seen is not old")
	}
}

// What was kept comes back as it was, and one flipped bit is refused.
func FuzzSavedPlan(f *testing.F) {
	f.Add("a", "update", "x/y/z", "[secret]", "password", int64(0), uint16(3), uint8(1))
	f.Add("\xff", "", "\u2028<>&\"\\", "\x00", "", int64(1<<40), uint16(999), uint8(7))
	f.Fuzz(func(t *testing.T, cluster, op, address, text, field string, nanos int64, place uint16, bit uint8) {
		valid := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		cluster, op, address, text, field = valid(cluster), valid(op), valid(address), valid(text), valid(field)
		want := plan.Saved{Made: made.Add(time.Duration(nanos)), Until: made.Add(time.Duration(nanos / 2)), Source: text,
			Clusters: []plan.Outline{{Cluster: cluster, UUID: text, Release: field, Steps: []plan.StepOutline{{
				Op: op, Status: field, Guard: text, Address: address, Action: cluster, Seen: text, Terms: field,
				Changes:  []plan.ChangeOutline{{Field: field, Old: text, New: address}},
				Requests: []plan.RequestOutline{{Method: op, Path: address, Body: text}},
				Wishes:   []plan.Wish{{Field: field, Value: text}}, Secrets: map[string]string{field: text},
			}}}}}
		k := installation(t, 1)
		id, kept := encode(t, want, k)
		want.ID = id
		got, err := plan.OpenSaved(kept, k)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		kept[int(place)%len(kept)] ^= 1 << (bit % 8)
		if _, err := plan.OpenSaved(kept, k); !errors.Is(err, plan.ErrAltered) {
			t.Errorf("one bit is another, and it is %v", err)
		}
	})
}
