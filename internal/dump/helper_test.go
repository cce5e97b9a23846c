package dump

import (
	"testing"
	"time"

	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

var (
	release = resource.Version{Generation: 9, Major: 17, Minor: 1}
	seen    = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
)

const (
	clientID  = "11111111-0000-4000-8000-000000000001"
	caID      = "11111111-0000-4000-8000-000000000002"
	clusterID = "11111111-0000-4000-8000-000000000003"
)

type values map[string]resource.Value

// found makes an object as a reader does.
func found(k *resource.Kind, svm, name string, v values, children ...*resource.Object) *resource.Object {
	o := resource.NewObject(k, resource.Addr{Cluster: "a", Kind: k.Name, SVM: svm, Name: name})
	o.ID = "22222222-0000-4000-8000-000000000001"
	for field, value := range v {
		o.Values[k.Index(field)] = value
	}
	o.Children = children
	return o
}

func certificate(id, svm, name, sort string) *resource.Object {
	o := found(resource.Certificate, svm, name, values{"name": resource.Str(name), "type": resource.Str(sort)})
	o.ID = id
	return o
}

// server makes a key server; its address has the one spelling of its name.
func server(svm, name string, v values) *resource.Object {
	norm, err := resource.NormServer(name)
	if err != nil {
		norm = name
	}
	o := found(resource.KeyServer, svm, norm, v)
	o.ID = name
	o.Values[resource.KeyServer.Index("server")] = resource.Str(name)
	return o
}

// external makes an external key manager with the certificates that every cluster here has.
func external(svm string, servers ...*resource.Object) *resource.Object {
	return found(resource.External, svm, "", values{
		"external.client_certificate":     resource.LinkValue(resource.LinkTo{UUID: clientID}),
		"external.server_ca_certificates": resource.LinkList([]resource.LinkTo{{UUID: caID}}),
	}, servers...)
}

// source is a cluster that has these objects.
func source(objects ...*resource.Object) Source {
	ref, _ := secret.ParseRef("cred:prod-a")
	c := &resource.Cluster{
		Name: "prod-a", UUID: clusterID, Version: release, At: seen,
		Nodes:   []resource.Node{{Name: "n1", State: "up", Member: true, Version: release}},
		SVMs:    map[string]resource.SVM{},
		Objects: map[resource.Addr]*resource.Object{},
		Links:   []*resource.Object{certificate(clientID, "", "kmip-client", "client"), certificate(caID, "", "kmip-ca", "server_ca")},
	}
	for _, o := range objects {
		c.Objects[o.Addr] = o
		c.SVMs[o.Addr.SVM] = resource.SVM{Name: o.Addr.SVM}
	}
	return Source{Have: c, Spec: desired.Cluster{
		Name: "a", Endpoint: "https://a.example.net", UUID: clusterID, Policy: desired.Policy{MaxDeletes: 1},
		Auth: desired.Basic{Username: "kmagent", Password: ref},
	}}
}

func file(t testing.TB, sources ...Source) string {
	t.Helper()
	text, err := File(sources)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// plansToNothing checks that the file of a source is valid, and that nothing is to be done
// for it once every secret is there.
func plansToNothing(t testing.TB, s Source, text string) *desired.State {
	t.Helper()
	state, err := desired.Parse("f", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := state.Clusters[0].Objects
	secrets := plan.Secrets{}
	for _, w := range want {
		for _, o := range append([]*resource.Object{w}, w.Children...) {
			for i := range o.Kind.Fields {
				if f := &o.Kind.Fields[i]; f.Type == resource.Secret && o.Values[i].IsSet() {
					secrets[plan.SecretAt{Addr: o.Addr, Field: f.Name}] = plan.SecretState{Digest: "x"}
				}
			}
		}
	}
	p := diff.Compute(diff.Input{Cluster: "a", Want: want, Have: s.Have, Secrets: secrets, Policy: diff.Policy{MaxDeletes: 1}, Now: seen})
	for _, step := range p.Steps {
		t.Errorf("a step: %s %s %v: %s\n%s", step.Op, step.Addr, step.Changes, step.Reason, text)
	}
	return state
}
