package desired

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// hostile returns texts that cost a YAML parser, or a walk over its nodes, more than they
// should, as large as a file may be unless the name says otherwise.
func hostile() map[string]string {
	fill := func(unit string) string { return strings.Repeat(unit, MaxSize/len(unit)) }
	// full has as many indicators as are read, n of them in each unit, and then spaces.
	full := func(unit string, n int) string {
		s := strings.Repeat(unit, maxIndicators/n-3)
		return s + strings.Repeat(" ", max(0, MaxSize-len(s)-100))
	}
	numbered := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 10))
	}
	return map[string]string{
		"50,000 keys":               numbered("k%d: 1\n", 50_000),
		"most keys":                 numbered("k%d: 1\n", maxIndicators-1),
		"most keys in braces":       "{" + numbered("k%d: 1, ", maxIndicators/2-1) + "}",
		"most wrong keys":           around("    key_managers: [" + strings.Repeat("{external: {"+numbered("clint_certificat%d: , ", 200)+"}},", 100) + "]"),
		"most wrong members":        around("    key_managers: [{external: {server_ca_certificates: [" + strings.Repeat("{},", maxIndicators/2-10) + "]}}]\n"),
		"most clusters":             "version: 1\nclusters:\n" + numbered("- {name: a%d}\n", maxClusters),
		"most members":              around("    key_managers: [{external: {server_ca_certificates: [" + numbered("c%d, ", 30_000) + "]}}]\n"),
		"10,000 brackets":           strings.Repeat("[", 10_000),
		"9,000 closed brackets":     strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
		"10,000 dashes":             strings.Repeat("- ", 10_000),
		"10,000 braces":             strings.Repeat("{a: ", 10_000),
		"9,000 question marks":      strings.Repeat("? ", 9_000),
		"brackets":                  fill("["),
		"dashes":                    fill("- "),
		"braces":                    fill("{a: "),
		"question marks":            fill("? "),
		"commas":                    "[" + fill("a,")[:MaxSize-1],
		"keys without values":       fill("a:\n"),
		"deep brackets, most items": strings.Repeat("[", 9_000) + strings.Repeat("a,", maxIndicators-9_001),
		"most items":                full("- a\n", 1),
		"most empty items":          full("-\n", 1),
		"most pairs":                "[" + full("a: b,", 2),
		"most items of one key":     full("- a: b\n", 2),
		"most nested items":         full("- - - -\n", 4),
		"most commented keys":       full("a: 1 #xxxxxxxxxxxxxxxx\n", 1),
		"most anchors":              numbered("- &a%d x\n", maxIndicators-1),
		"most aliases":              "a: &a x\nb:\n" + full("- *a\n", 1)[:500_000],
		"bomb of aliases":           bomb,
		"anchors in a row":          fill("a: &a "),
		"long line":                 fill("a"),
		"words":                     fill("a "),
		"lines":                     fill("a\n"),
		"comments":                  fill("#\n"),
		"blank lines":               fill("\n"),
		"spaces":                    fill(" "),
		"block text":                "a: |\n" + fill(" x\n")[:MaxSize-5],
		"open quote":                `"` + fill("a")[1:],
		"escapes":                   `"` + fill(`\u0041`)[1:],
		"deep comments":             strings.Repeat("- ", 9_000) + "a\n" + strings.Repeat("#x\n", 300_000),
		"stairs":                    stairs(1400),
		"tags":                      fill("!a "),
		"documents":                 fill("---\n"),
		"directives":                fill("%TAG !a! b\n"),
		"not UTF-8 at the end":      fill("a")[1:] + "\xff",
	}
}

// stairs is n keys, each inside the one before.
func stairs(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// Hostile text is refused, and soon. The bound is generous, so that it holds on a busy
// machine under the race detector, and small beside what a quadratic reader takes. The
// benchmark says how long it takes: some 0.1 s at most.
func TestHostile(t *testing.T) {
	for name, text := range hostile() {
		start := time.Now()
		state, err := Parse("f", []byte(text))
		took := time.Since(start)
		if state != nil || err == nil {
			t.Errorf("%s: Parse = %v, %v", name, state, err)
			continue
		}
		if len(text) > MaxSize {
			t.Errorf("%s: the text is too large to try anything: %d bytes", name, len(text))
		}
		if took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if n := len(err.Error()); n > 1<<18 {
			t.Errorf("%s: the error has %d bytes", name, n)
		}
	}
}

func TestHostileReasons(t *testing.T) {
	texts := hostile()
	for name, want := range map[string]string{
		"50,000 keys":          "f:1:1: the file has 50000 keys, list items and commas; the limit is 40000",
		"10,000 dashes":        "f:1:131: more than 64 levels of nesting",
		"brackets":             "f:1:1: the file has 1048576 keys, list items and commas; the limit is 40000",
		"bomb of aliases":      "f:4:45: the aliases of the file repeat more than 10000 values; write fewer",
		"not UTF-8 at the end": "f:1:1048576: not UTF-8; save the file as UTF-8",
	} {
		_, err := Parse("f", []byte(texts[name]))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %.300v, want %s", name, err, want)
		}
	}
}

func BenchmarkHostile(b *testing.B) {
	for name, text := range hostile() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse("f", []byte(text))
			}
		})
	}
}

// A file of 500 clusters with two key managers each is what a large fleet has.
func BenchmarkFleet(b *testing.B) {
	text := []byte("version: 1\ndefaults: {auth: {basic: {username: kmagent, password: cred:all}}}\nclusters:\n")
	for i := range 500 {
		text = fmt.Appendf(text, "  - name: c%d\n    endpoint: https://c%d.example.net\n    key_managers:\n", i, i)
		for _, svm := range []string{"vs1", "vs2"} {
			text = fmt.Appendf(text, `      - svm: %s
        external:
          client_certificate: kmip-client
          server_ca_certificates: [kmip-ca]
          servers:
            - {server: ks1.example.net, timeout: 30}
            - {server: ks2.example.net, timeout: 30}
`, svm)
		}
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse("f", text); err != nil {
			b.Fatal(err)
		}
	}
}
