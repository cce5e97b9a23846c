package desired

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"timeout", "create_remove_timeout", "server", "secondary_key_servers", "uuid", "external.servers", "svm"}
	for _, c := range []struct{ word, want, why string }{
		{"timeot", "timeout", "a letter is missing"},
		{"tiemout", "timeout", "two letters changed places"},
		{"Timeout", "timeout", "another case"},
		{"servers", "external.servers", "it stands elsewhere"},
		{"serve", "server", "one letter"},
		{"secondary", "secondary_key_servers", "a beginning"},
		{"create", "create_remove_timeout", "a beginning"},
		{"ca", "", "too short to guess from"},
		{"x", "", "three letters away from svm is another word"},
		{"password", "", "nothing like it"},
	} {
		if got, ok := nearest(c.word, known); got != c.want || ok != (c.want != "") {
			t.Errorf("nearest(%q) = %q, %t; want %q: %s", c.word, got, ok, c.want, c.why)
		}
	}
}
