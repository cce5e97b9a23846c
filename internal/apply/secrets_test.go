package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

// wanted is a key manager of one server with that password.
func wanted(t testing.TB, password string) *resource.Object {
	t.Helper()
	m := resource.NewObject(resource.External, resource.Addr{Cluster: "c1", Kind: "key_manager", SVM: "vs1"})
	s := resource.NewObject(resource.KeyServer, addr("ks1:5696"))
	s.Values[s.Kind.Index("password")] = resource.SecretRef(reference(t, password))
	m.Children = append(m.Children, s)
	return m
}

var passwordAt = plan.SecretAt{Addr: addr("ks1:5696"), Field: "password"}

// A secret goes into its own field of the body and nowhere else, and its digest is
// remembered once the cluster has it: the one that the next decision compares with.
func TestSecretsOfAStep(t *testing.T) {
	open, k := secrets{"cred:one": "first secret", "cred:two": "second secret"}, key(t)
	one, two := reference(t, "cred:one"), reference(t, "cred:two")
	body := map[string]any{"username": "db", "timeout": int64(30), "password": plan.Sealed{Ref: one, Field: "password"},
		"onboard": map[string]any{"passphrase": plan.Sealed{Ref: two, Field: "onboard.passphrase"}, "enabled": true}}
	step := plan.Step{Op: plan.Update, Addr: addr("ks1:5696"), Requests: []plan.Request{
		{Method: "POST", Path: "/api/x"}, {Method: "PATCH", Path: "/api/x/y", Body: body}}}
	tests := []struct {
		name    string
		answers []error
		want    map[string]string
		why     string
	}{
		{"applied", nil, map[string]string{
			"password":           Digests(t.Context(), open, k, []*resource.Object{wanted(t, "cred:one")})[passwordAt].Digest,
			"onboard.passphrase": secret.Digest(k, secret.New([]byte("second secret")), addr("ks1:5696").String(), "onboard.passphrase"),
		}, "the digest of what was sent is the digest that is compared"},
		{"failed", []error{nil, refused}, nil, "the cluster does not have it"},
		{"unknown", []error{nil, broken}, nil, "nobody knows whether the cluster has it: it is sent again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, j := &cluster{answer: answers(tt.answers...)}, &journal{}
			(&Runner{Writer: c, Secrets: open, Key: k, Journal: j}).Run(t.Context(), planOf(step))
			sent := []map[string]any{nil, {"username": "db", "timeout": int64(30), "password": clear("first secret"),
				"onboard": map[string]any{"passphrase": clear("second secret"), "enabled": true}}}
			if d := cmp.Diff(sent, c.bodies); d != "" {
				t.Errorf("bodies (-want +got)\n%s", d)
			}
			if d := cmp.Diff(tt.want, j.digests); d != "" {
				t.Errorf("digests: %s (-want +got)\n%s", tt.why, d)
			}
			if (body["password"] != plan.Sealed{Ref: one, Field: "password"}) {
				t.Error("the plan's own body has the secret in it now")
			}
		})
	}
}

// A secret that was rotated after the plan was made was not planned: it is not sent, and
// nothing is remembered of it.
func TestSecretRotated(t *testing.T) {
	k, ref := key(t), reference(t, "cred:one")
	planned := Digests(t.Context(), secrets{"cred:one": "as planned"}, k, []*resource.Object{wanted(t, "cred:one")})[passwordAt].Digest
	step := plan.Step{Op: plan.Update, Addr: addr("ks1:5696"), Secrets: map[string]string{"password": planned}, Requests: []plan.Request{
		{Method: "PATCH", Path: "/api/x", Body: map[string]any{"password": plan.Sealed{Ref: ref, Field: "password"}}}}}
	for _, tt := range []struct {
		now  string
		want []string
	}{
		{"as planned", []string{"update ks1:5696: applied", "create b: applied"}},
		{"rotated", []string{"update ks1:5696: not attempted: password: the secret is another one: " + plan.ErrChanged.Error(), "create b: applied"}},
	} {
		c, j := &cluster{}, &journal{}
		rep := (&Runner{Writer: c, Secrets: secrets{"cred:one": tt.now}, Key: k, Journal: j}).Run(t.Context(), planOf(step, post("b")))
		if d := cmp.Diff(tt.want, told(rep)); d != "" {
			t.Errorf("%s (-want +got)\n%s", tt.now, d)
		}
		if len(j.begun) != rep.Count(plan.Applied) || len(c.sent) != len(j.begun) {
			t.Errorf("%s: sent %v, journal %v", tt.now, c.sent, j.lines)
		}
	}
}

// Every secret of a step is opened before its first request: half a step is worse than none.
func TestSecretMissing(t *testing.T) {
	c, j := &cluster{}, &journal{}
	step := plan.Step{Op: plan.Update, Addr: addr("ks1:5696"), Requests: []plan.Request{
		{Method: "POST", Path: "/api/x"},
		{Method: "PATCH", Path: "/api/x/y", Body: map[string]any{"in": map[string]any{"password": plan.Sealed{Ref: reference(t, "cred:none")}}}}}}
	rep := (&Runner{Writer: c, Secrets: secrets{}, Key: key(t), Journal: j}).Run(t.Context(), planOf(step, post("b")))
	want := []string{"update ks1:5696: failed: cred:none: no such secret", "create b: applied"}
	if d := cmp.Diff(want, told(rep)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff([]string{"POST /api/b"}, c.sent); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff([]string{"begin create b", "end create b: applied"}, j.lines); d != "" {
		t.Errorf("what was never to be sent is in the journal (-want +got)\n%s", d)
	}
}

func TestDigests(t *testing.T) {
	long := strings.Repeat("x", 257)
	open, k := secrets{"cred:one": "a secret", "cred:same": "a secret", "cred:long": long, "cred:empty": ""}, key(t)
	absent := wanted(t, "cred:one")
	absent.Absent = true
	unset := wanted(t, "cred:one")
	unset.Children[0].Values[unset.Children[0].Kind.Index("password")] = resource.Value{}
	digest := secret.Digest(k, secret.New([]byte("a secret")), addr("ks1:5696").String(), "password")
	tests := []struct {
		name string
		want *resource.Object
		is   map[plan.SecretAt]string // its digest, or the error
		why  string
	}{
		{"read", wanted(t, "cred:one"), map[plan.SecretAt]string{passwordAt: digest}, "one secret, one digest"},
		{"the same from elsewhere", wanted(t, "cred:same"), map[plan.SecretAt]string{passwordAt: digest}, "where it is kept does not matter"},
		{"missing", wanted(t, "cred:none"), map[plan.SecretAt]string{passwordAt: "cred:none: no such secret"}, "the step that needs it is held with this reason"},
		{"too long", wanted(t, "cred:long"), map[plan.SecretAt]string{passwordAt: "password: what cred:long names must have 1 to 256 bytes"}, "ONTAP would refuse it, and some refusals are counted"},
		{"empty", wanted(t, "cred:empty"), map[plan.SecretAt]string{passwordAt: "password: what cred:empty names must have 1 to 256 bytes"}, "an empty file is no password"},
		{"absent", absent, map[plan.SecretAt]string{}, "what is to go needs no secret"},
		{"unmanaged", unset, map[plan.SecretAt]string{}, "what the file leaves out is not asked for"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := map[plan.SecretAt]string{}
			for at, s := range Digests(t.Context(), open, k, []*resource.Object{tt.want}) {
				got[at] = s.Digest
				if s.Err != nil {
					got[at] = s.Err.Error()
				}
			}
			if d := cmp.Diff(tt.is, got); d != "" {
				t.Errorf("%s (-want +got)\n%s", tt.why, d)
			}
		})
	}
	if got := Digests(t.Context(), open, k, []*resource.Object{wanted(t, "cred:none")})[passwordAt]; !errors.Is(got.Err, errNoSecret) {
		t.Errorf("error %v: the cause is lost", got.Err)
	}
}
