package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kmagent/bench/floor"
	"kmagent/internal/diff"
	"kmagent/internal/resource"
)

// tooLong ends a series whose next size, ten times as large, would take too long.
const tooLong = 5 * time.Second

// decide measures P7: diff.Compute in memory, nothing to do, against a comparison of structs
// that were decoded.
func (b *bench) decide(context.Context) error {
	var sizes, took []float64
	for _, n := range []int{1000, 10_000, 100_000} {
		in := input(n)
		want, have := structs(n)
		t, err := each(b.rounds(12), nothing,
			func() error { return compare(want, have) },
			func() error {
				if p := diff.Compute(in); len(p.Steps) > 0 {
					return fmt.Errorf("%d steps where there is nothing to do", len(p.Steps))
				}
				return nil
			})
		if err != nil {
			return err
		}
		r := row{goal: "P7", work: fmt.Sprintf("diff.Compute, %d managers x 2 servers, floor: structs", n), unit: "ms", floor: t[0], ours: t[1]}
		if n == 10_000 {
			r.max = 50
		}
		b.add(r)
		sizes, took = append(sizes, float64(n)), append(took, t[1])
		if t[1] > milliseconds(tooLong)/10 {
			break
		}
	}
	b.add(row{goal: "P7", work: fmt.Sprintf("  exponent of growth, to %.0f", sizes[len(sizes)-1]), ours: slope(sizes, took), max: 1.1})
	return nil
}

// input is what a decision about n SVMs rests on, where everything is as it should be. Each
// SVM has certificates of its own, as the most demanding clusters do.
func input(n int) diff.Input {
	v := resource.Version{Generation: 9, Major: 16, Minor: 1}
	c := &resource.Cluster{Name: "c", UUID: "c", Version: v, Nodes: []resource.Node{{Name: "n1", State: "up", Member: true, Version: v}},
		SVMs: map[string]resource.SVM{}, Objects: map[resource.Addr]*resource.Object{}, At: time.Now()}
	in := diff.Input{Cluster: "c", Have: c, Policy: diff.Policy{MaxDeletes: 1}, Now: time.Now()}
	for i := range n {
		svm := fmt.Sprintf("km%06d", i)
		client, ca := certificate(svm, "client"), certificate(svm, "server_ca")
		c.Links = append(c.Links, client, ca)
		c.SVMs[svm] = resource.SVM{Name: svm, UUID: svm, State: "running"}
		m := manager(svm, resource.LinkTo{Name: client.Addr.Name, UUID: client.ID}, resource.LinkTo{Name: ca.Addr.Name, UUID: ca.ID})
		m.ID = "id-" + svm
		c.Objects[m.Addr] = m
		in.Want = append(in.Want, manager(svm, resource.LinkTo{Name: client.Addr.Name}, resource.LinkTo{Name: ca.Addr.Name}))
	}
	return in
}

func certificate(svm, kind string) *resource.Object {
	o := resource.NewObject(resource.Certificate, resource.Addr{Cluster: "c", Kind: "certificate", SVM: svm, Name: "kmip-" + kind})
	o.ID = kind + "-" + svm
	set(o, "name", resource.Str(o.Addr.Name))
	set(o, "type", resource.Str(kind))
	return o
}

func manager(svm string, client, ca resource.LinkTo) *resource.Object {
	m := resource.NewObject(resource.External, resource.Addr{Cluster: "c", Kind: resource.External.Name, SVM: svm})
	set(m, "external.client_certificate", resource.LinkValue(client))
	set(m, "external.server_ca_certificates", resource.LinkList([]resource.LinkTo{ca}))
	set(m, "external.servers", resource.ChildrenListed())
	for i := range 2 {
		name := fmt.Sprintf("ks%d.example.net:5696", i+1)
		k := resource.NewObject(resource.KeyServer, resource.Addr{Cluster: "c", Kind: resource.KeyServer.Name, SVM: svm, Name: name})
		k.ID = name
		set(k, "server", resource.Str(name))
		set(k, "timeout", resource.Int(25))
		m.Children = append(m.Children, k)
	}
	return m
}

func set(o *resource.Object, field string, v resource.Value) { o.Values[o.Kind.Index(field)] = v }

// structs is the same as the floor would have it.
func structs(n int) (want []floor.Manager, have map[string]floor.Manager) {
	have = make(map[string]floor.Manager, n)
	for i := range n {
		var m floor.Manager
		m.SVM.Name = fmt.Sprintf("km%06d", i)
		m.External.ClientCertificate = floor.Ref{Name: "kmip-client", UUID: "client-" + m.SVM.Name}
		m.External.ServerCAs = []floor.Ref{{Name: "kmip-ca", UUID: "ca-" + m.SVM.Name}}
		m.External.Servers = []floor.Server{{Server: "ks1.example.net:5696", Timeout: 25}, {Server: "ks2.example.net:5696", Timeout: 25}}
		want = append(want, m)
		m.External.ServerCAs, m.External.Servers = slices.Clone(m.External.ServerCAs), slices.Clone(m.External.Servers)
		have[m.SVM.Name] = m
	}
	return want, have
}

func compare(want []floor.Manager, have map[string]floor.Manager) error {
	for _, w := range want {
		h, ok := have[w.SVM.Name]
		if !ok || w.External.ClientCertificate != h.External.ClientCertificate || !slices.Equal(w.External.ServerCAs, h.External.ServerCAs) ||
			!slices.EqualFunc(w.External.Servers, h.External.Servers, sameServer) {
			return errors.New("what is equal compares as different")
		}
	}
	return nil
}

func sameServer(a, b floor.Server) bool {
	return a.Server == b.Server && a.Timeout == b.Timeout && a.Username == b.Username && slices.Equal(a.Secondary, b.Secondary)
}
