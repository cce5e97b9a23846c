package resource_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kmagent/internal/gen"
	"kmagent/internal/resource"
)

// M4: the one spelling of a value has one spelling, and the field calls the two equal.
func TestSpellingsAreFinal(t *testing.T) {
	for _, k := range append(resource.All(), resource.KeyServer) {
		for i := range k.Fields {
			f := &k.Fields[i]
			if f.Norm == nil {
				continue
			}
			t.Run(k.Name+"."+f.Name, func(t *testing.T) {
				gen.Check(t, 2000, func(t *rapid.T) {
					s := written(t)
					norm, err := f.Norm(s)
					if err != nil {
						return // it is none
					}
					again, err := f.Norm(norm)
					if err != nil || again != norm {
						t.Fatalf("%q becomes %q, and that %q, %v", s, norm, again, err)
					}
					a, b := resource.Str(s), resource.Str(norm)
					if f.Type == resource.Strings {
						a, b = resource.StrList([]string{s}), resource.StrList([]string{norm})
					}
					if !f.Equal(a, b) || !f.Equal(b, a) {
						t.Fatalf("%q and %q are not equal", s, norm)
					}
				})
			})
		}
	}
}

// written draws what people write for hosts, URLs and names.
func written(t *rapid.T) string {
	host := rapid.SampledFrom([]string{"ks1", "KS1.Example.NET", "a.b.", "192.0.2.1", "::1", "[2001:DB8::1]", "[::ffff:1.2.3.4]", "x_y", "a..b", "", "\u212a.x", "tag 1"}).Draw(t, "host")
	port := rapid.SampledFrom([]string{"", ":443", ":5696", ":05696", ":8443", ":0", ":"}).Draw(t, "port")
	if rapid.Bool().Draw(t, "bare") {
		return host + port
	}
	scheme := rapid.SampledFrom([]string{"https://", "HTTPS://", "Https://", "http://"}).Draw(t, "scheme")
	path := rapid.SampledFrom([]string{"", "/", "//", "/x", "/X/", "/keys/k/1", "/keys/K%2f/1/", "/keys//1", "/keys/k/", "/a b", "/ä", "?q", "/%41", "/keys/k/1//"}).Draw(t, "path")
	if rapid.IntRange(0, 9).Draw(t, "any") == 9 {
		path = "/" + strings.TrimLeft(rapid.String().Draw(t, "path"), "/")
	}
	return scheme + host + port + path
}
