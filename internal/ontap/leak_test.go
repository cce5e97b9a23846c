package ontap

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// leaks is how many answers are made up in which a cluster repeats a secret.
const leaks = 5000

// Whatever a cluster repeats of a secret, and in whichever spelling, nothing of it gets into an
// error or a log: 5,000 answers of chance to requests that carry secrets of chance.
func TestNothingLeaks(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	words := []string{"Invalid value", "for field", "passphrase", "\u202e", "…", "\t", "}", "is not allowed", strings.Repeat("x", 300)}
	masked := 0
	for i := range leaks {
		secret := chanceSecret(random)
		how, echo := chanceEcho(random, secret)
		var said []string
		for range 1 + random.IntN(4) {
			said = append(said, words[random.IntN(len(words))])
		}
		at := random.IntN(len(said) + 1)
		message := strings.Join(said[:at], " ") + " " + echo + " " + strings.Join(said[at:], " ")
		text, err := json.Marshal(map[string]any{"error": map[string]any{"code": "262247", "message": message, "target": "x." + echo}})
		if err != nil {
			t.Fatal(err)
		}
		body := map[string]any{"name": "open", "deep": []any{map[string]any{"password": hidden(secret)}}}
		_, err = newFake(t, always(400, string(text))).Send(t.Context(), "POST", collection, body, nil)
		if err == nil {
			t.Fatal("no error")
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Error("failed", "err", err)
		slog.New(slog.NewTextHandler(&log, nil)).Error("failed", "err", err)
		out := err.Error() + fmt.Sprintf("%+v %#v", err, err) + log.String()
		for _, form := range planted(secret) {
			if strings.Contains(out, form) {
				t.Fatalf("case %d: %q, repeated as %s, stands in %s", i, secret, how, out)
			}
		}
		if strings.Contains(out, "[secret]") {
			masked++
		}
	}
	if masked < leaks/2 {
		t.Errorf("only %d of %d answers had something to mask: the test shows little", masked, leaks)
	}
}

// chanceSecret is a passphrase, a PEM block or a JSON document.
func chanceSecret(random *rand.Rand) string {
	const alphabet = `abcXYZ0189-_+/="\'<>&%äß€ `
	runes := []rune(alphabet)
	part := func(n int) string {
		out := make([]rune, n)
		for i := range out {
			out[i] = runes[random.IntN(len(runes))]
		}
		return "canary" + string(out)
	}
	switch random.IntN(3) {
	case 0:
		return "-----BEGIN PRIVATE KEY-----\n" + part(20) + "\n" + part(20) + "\n-----END PRIVATE KEY-----\n"
	case 1:
		text, _ := json.Marshal(map[string]string{"client_email": "a@b", "private_key": part(30)})
		return string(text)
	default:
		return part(20 + random.IntN(40))
	}
}

// chanceEcho repeats a secret in a spelling of chance.
func chanceEcho(random *rand.Rand, secret string) (how, text string) {
	quoted, _ := json.Marshal(secret)
	lines := strings.Split(strings.TrimSpace(secret), "\n")
	all := [][2]string{
		{"it is", secret}, {"a line", lines[random.IntN(len(lines))]}, {"JSON", string(quoted)}, {"Go", strconv.Quote(secret)},
		{"query", url.QueryEscape(secret)}, {"path", url.PathEscape(secret)}, {"hex", hex.EncodeToString([]byte(secret))},
		{"base64", base64.StdEncoding.EncodeToString([]byte(secret))}, {"base64url", base64.URLEncoding.EncodeToString([]byte(secret))},
	}
	pick := all[random.IntN(len(all))]
	return pick[0], pick[1]
}

// planted are forms of which none may be found. They are made here and not by the code that masks.
func planted(secret string) []string {
	out := []string{hex.EncodeToString([]byte(secret)), base64.RawStdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		url.QueryEscape(secret), url.PathEscape(secret)}
	for line := range strings.SplitSeq(secret, "\n") {
		if !strings.Contains(line, "canary") {
			continue
		}
		quoted, _ := json.Marshal(line)
		out = append(out, line, string(quoted[1:len(quoted)-1]))
	}
	return append(out, "canary") // each secret has it, and nothing else
}
