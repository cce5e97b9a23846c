package audit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// A line is read by jq, by eye and by releases to come: its words are a contract.
func TestLine(t *testing.T) {
	login := uint32(1001)
	e := Entry{
		Seq: 7, Time: epoch.In(time.FixedZone("", 3600)), Event: Result, Cluster: "prod-a",
		Actor:    Actor{Kind: "operator", LoginUID: &login, User: "root", TTY: "pts/0", PID: 4711, Host: "h1", Version: "1.2.3"},
		Revision: "r1", Plan: "p1", Op: "o1", Object: "prod-a/key_server/vs1/ks1:5696", Action: "update",
		Method: "PATCH", Path: "/api/x?a=1&b=<2>", Fields: []string{"timeout", "password"},
		Outcome: "failed", Code: "65536845", Detail: "refused", VoidAfter: 12, Prev: zeros, Sum: "whatever",
	}
	line, sum, err := e.encode()
	must(t, err)
	body := `{"seq":7,"time":"2026-11-22T12:00:00.123456789Z","event":"result","cluster":"prod-a",` +
		`"actor":{"kind":"operator","uid":0,"login_uid":1001,"user":"root","tty":"pts/0","pid":4711,"host":"h1","version":"1.2.3"},` +
		`"revision":"r1","plan":"p1","op":"o1","object":"prod-a/key_server/vs1/ks1:5696","action":"update",` +
		`"method":"PATCH","path":"/api/x?a=1&b=<2>","fields":["timeout","password"],` +
		`"outcome":"failed","code":"65536845","detail":"refused","void_after":12,"prev":"` + zeros + `"`
	wantSum := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
	if want := body + `,"sum":"` + wantSum + "\"}\n"; string(line) != want || sum != wantSum {
		t.Errorf("got  %swant %s", line, want)
	}
}

// Whatever a text holds, the line is ASCII where a terminal could obey it, and tells the text.
func TestTexts(t *testing.T) {
	long := strings.Repeat("x", maxText)
	for _, tt := range []struct{ name, text, line, back, why string }{
		{"plain", `a "b" \ c`, `a \"b\" \\ c`, `a "b" \ c`, "JSON's own"},
		{"markup", "<a>&amp;", "<a>&amp;", "<a>&amp;", "nobody puts it in a page, and grep finds it"},
		{"letters", "Schlüssel 鍵", "Schlüssel 鍵", "Schlüssel 鍵", "read by eye"},
		{"line feed", "a\n{\"seq\":1}\n", `a\n{\"seq\":1}\n`, "a\n{\"seq\":1}\n", "a text cannot begin a line"},
		{"escape", "\x1b[2J", `\u001b[2J`, "\x1b[2J", "it clears the screen"},
		{"DEL and C1", "\x7f\u009b2J", `\u007f\u009b2J`, "\x7f\u009b2J", "8-bit controls are obeyed too"},
		{"line separators", "\u2028\u2029", `\u2028\u2029`, "\u2028\u2029", "JavaScript takes them for ends of lines"},
		{"direction", "\u202egnp", `\u202egnp`, "\u202egnp", "a name that reads as another"},
		{"above the BMP", "\U000e0041", `\udb40\udc41`, "\U000e0041", "tags do not show"},
		{"no UTF-8", "a\xff\xc3", `a�`, "a\ufffd", "the line stays UTF-8"},
		{"long", long + "x", long[3:] + "…", long[3:] + "…", "256 bytes, with the mark of a cut"},
		{"just fits", long, long, long, "nothing is cut"},
		{"cut inside a rune", strings.Repeat("x", 252) + "üüü", strings.Repeat("x", 252) + "…", strings.Repeat("x", 252) + "…", "no half runes"},
		{"far too long", strings.Repeat("ü", 1<<20), strings.Repeat("ü", 126) + "…", strings.Repeat("ü", 126) + "…", "bounded before it is looked at"},
		{"far too long, and shorter for the worse", strings.Repeat("\xff", 1<<20), "�…", "�…", "a run of what is no UTF-8 becomes one mark"},
	} {
		line, _, err := Entry{Seq: 1, Time: epoch, Detail: tt.text, Prev: zeros}.encode()
		must(t, err)
		if want := `"detail":"` + tt.line + `"`; !strings.Contains(string(line), want) {
			t.Errorf("%s: %s has no %s: %s", tt.name, line, want, tt.why)
		}
		e, err := decode(line[:len(line)-1])
		if err != nil || e.Detail != tt.back {
			t.Errorf("%s: reads %q, error %v; want %q: %s", tt.name, e.Detail, err, tt.back, tt.why)
		}
	}
}

// No entry makes a line that is too long to be read, and no text reaches the terminal raw.
func TestLongestEntry(t *testing.T) {
	for _, worst := range []string{strings.Repeat("\x01", 999), strings.Repeat("\U000e0041", 999), strings.Repeat("\x01\xff", 999), strings.Repeat("\u2028", 999)} {
		e := Entry{
			Time: epoch, Event: worst, Cluster: worst,
			Actor:    Actor{Kind: worst, UID: 1 << 31, User: worst, TTY: worst, PID: 1 << 31, Host: worst, Version: worst},
			Revision: worst, Plan: worst, Op: worst, Object: worst, Action: worst, Method: worst, Path: worst,
			Outcome: worst, Code: worst, Detail: worst,
		}
		for range 200 {
			e.Fields = append(e.Fields, worst)
		}
		m := newMemory()
		l := openMemory(t, m)
		must(t, l.Append(e))
		must(t, l.Append(e))
		whole(t, m, 2)
		must(t, read(m, func(e Entry) error {
			if len(e.Fields) != maxFields || e.Fields[maxFields-1] != "…" {
				t.Errorf("%d fields, the last is %q", len(e.Fields), e.Fields[len(e.Fields)-1])
			}
			for _, r := range string(e.Line()) {
				if r < ' ' || r == 0x7f || r == utf8.RuneError && !strings.Contains(worst, "\xff") {
					t.Fatalf("the line has %q in it", r)
				}
			}
			return nil
		}))
	}
}

// An entry that JSON cannot say is refused, and the log takes the next one.
func TestUnsayable(t *testing.T) {
	m := newMemory()
	l := openMemory(t, m)
	e := sample(1)
	e.Time = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := l.Append(e); err == nil {
		t.Error("the year 12026 was written")
	}
	fill(t, l, 0, 1)
	whole(t, m, 1)
}

func TestLoginUID(t *testing.T) {
	for _, tt := range []struct{ text, want, why string }{
		{"1001\n", "1001", "who logged in"},
		{"0", "0", "root can log in"},
		{"4294967295", "null", "a service has no login"},
		{"", "null", "a kernel without it"},
		{"-1", "null", "not a number of the kernel"},
	} {
		if got, err := json.Marshal(loginUID(tt.text)); string(got) != tt.want {
			t.Errorf("%q: %s, error %v; want %s: %s", tt.text, got, err, tt.want, tt.why)
		}
	}
}
