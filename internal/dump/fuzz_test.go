package dump

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"kmagent/internal/desired"
	"kmagent/internal/resource"
)

// FuzzFile: whatever a cluster calls its things, its file is valid, plans to nothing, has no
// entry that is not the cluster's, and shows nothing that an editor does not; and so has the
// file of its pseudonyms.
func FuzzFile(f *testing.F) {
	f.Add("vs1", "ks1:5696", "db", "kmip-client", "https://v/keys/k/1", "c", int64(30))
	f.Add("", "[fd00::1]:5697", "null", "1", "https://v", "a\nversion: 2", int64(-1))
	f.Add("@cluster", "KS1", "a: b #c", clientID, "x", "\u202e\x00\ufeff", int64(1<<40))
	f.Add("- x", "ks1:", "", "]", "https://v/keys/k/1", "\xff", int64(25))
	f.Fuzz(func(t *testing.T, svm, name, user, cert, url, text string, n int64) {
		for _, s := range []*string{&svm, &name, &user, &cert, &url, &text} {
			*s = strings.ToValidUTF8(*s, "?") // what comes out of JSON is valid
		}
		str := resource.Str
		ext := external(svm, server(svm, name, values{"timeout": resource.Int(n), "username": str(user), "secondary_key_servers": resource.StrList([]string{user, text})}), server(svm, "ks2:5696", nil))
		ext.Values[resource.External.Index("policy")] = str(text)
		s := with(source(ext,
			found(resource.Azure, svm, resource.Azure.Named(text), values{
				"configuration.name": str(text), "enabled": resource.Bool(n%2 == 0), "name": str(url), "key_id": str(url), "client_id": str(user),
				"tenant_id": str(text), "proxy_host": str(name), "proxy_port": resource.Int(n), "proxy_type": str(text), "authentication_method": str(user)}),
			found(resource.AWS, "aws", "", values{"region": str(text), "key_id": str(url), "access_key_id": str(user), "host": str(name), "timeout": resource.Int(n)}),
			found(resource.Onboard, svm, "onboard", nil),
			found(resource.AuthKey, "", text, values{"key_tag": str(text)}),
			found(resource.Config, "", "", values{"health_monitor_polling_interval": resource.Int(n), "health_monitor_policy.akv.manage_volume_offline": resource.Bool(n%2 == 0)}),
		), certificate(clusterID, "", cert, "client"), certificate(clientID, svm, cert, "client"))
		s.Have.Name = text
		for _, s := range []Source{s, Sanitize(s, keyOf(t, 7))} {
			out := file(t, s)
			state := plansToNothing(t, s, out)
			for _, o := range state.Clusters[0].Objects {
				have := s.Have.Objects[resource.Addr{Cluster: anyOf(s), Kind: o.Kind.Name, SVM: o.Addr.SVM, Name: o.Addr.Name}]
				if have == nil || len(have.Children) != len(o.Children) {
					t.Errorf("%s is not what the cluster has\n%s", o.Addr, out)
				}
			}
			if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(out) {
				t.Errorf("a character that editors do not show, at %d of %q", i, out)
			}
		}
	})
}

// anyOf returns the cluster's label in the addresses of a source.
func anyOf(s Source) string {
	for a := range s.Have.Objects {
		return a.Cluster
	}
	return ""
}

// FuzzQuote: what is quoted is read back as it was, alone and in a list.
func FuzzQuote(f *testing.F) {
	for _, s := range append(words, "a", "Null", "~", "1", "0x1", "1e3", "a:", "a: b", "a #b", "- a", "[", "'", `"\`, "é", "https://h/", ".inf", "1:2", "-", "=", "<<", "&a", "*a", "!a", "%", "@", "`", " a ", "\u2028", "\U0001f511") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || len(s) > 200 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Skip("no file holds it")
		}
		text := "version: 1\nclusters:\n  - name: a\n    endpoint: https://a\n    auth: {basic: {username: " + quote(s) + ", password: cred:x}}\n" +
			"    aws_kms:\n      - region: r\n        svm: v\n        key_id: " + quote(s) + "\n        access_key_id: a\n        secret_access_key: cred:x\n"
		state, err := desired.Parse("f", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		c := state.Clusters[0]
		if got := c.Auth.(desired.Basic).Username; got != s {
			t.Errorf("in a list %q, want %q", got, s)
		}
		if got := c.Objects[0].Value("key_id").Str(); got != s {
			t.Errorf("%q, want %q", got, s)
		}
	})
}
