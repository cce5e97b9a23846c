package ontapsim

import (
	"strings"
	"sync"
	"testing"
)

// The backup changes with the passphrase and with a synchronization, and has its markers.
func TestBackup(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.onboard()
	backup := func() string {
		s, _ := k.must("GET", m+"?fields=onboard.key_backup", "").text("onboard.key_backup")
		return s
	}
	first := backup()
	if !strings.HasPrefix(first, "--------------------------BEGIN BACKUP--------------------------\n") ||
		!strings.HasSuffix(first, "---------------------------END BACKUP---------------------------\n") {
		t.Errorf("the backup has no markers: %s", first)
	}
	k.must("PATCH", m, passphrases)
	second := backup()
	k.must("PATCH", m, `{"onboard":{"existing_passphrase":"`+secretTwo+`","synchronize":true}}`)
	if third := backup(); first == second || second == third {
		t.Error("the backup does not change")
	}
	if got := k.code("PATCH", m, strings.Replace(passphrases, "two", "one", 1)); got != "400 65536139" {
		t.Errorf("the old passphrase: got %s, want 400 65536139", got)
	}
}

// A node that misses the keys shows in the status until it is synchronized.
func TestSynchronize(t *testing.T) {
	k := newCaller(t, Config{})
	m := k.onboard()
	status := func() int64 {
		n, _ := k.must("GET", m+"?fields=status", "").integer("status.code")
		return n
	}
	k.world(`{"nodes":{"node2":{"onboard":"missing"}}}`)
	if got := status(); got != 65536903 {
		t.Errorf("with a new node: got %d, want 65536903", got)
	}
	k.must("PATCH", m, `{"onboard":{"existing_passphrase":"`+secretOne+`","synchronize":true}}`)
	if got := status(); got != healthyStatus {
		t.Errorf("synchronized: got %d, want %d", got, healthyStatus)
	}
}

// On a MetroCluster the partner's onboard key manager is taken over.
func TestPartnerIsTakenOver(t *testing.T) {
	k := newCaller(t, Config{})
	k.world(`{"metrocluster":{"key_manager":"onboard"}}`)
	k.must("POST", managersPath, synchronizing)
	o := k.must("GET", managersPath+"?fields=status.code,onboard.enabled", "")
	list, _ := o.list("records")
	if code, _ := list[0].(object).integer("status.code"); code != healthyStatus {
		t.Errorf("got status %d, want %d", code, healthyStatus)
	}
}

// The port of a key server can be changed from 9.18.1 on.
func TestPort(t *testing.T) {
	k := newCaller(t, Config{ONTAP: "9.18.1"})
	m := k.external("", "ks1", "ks1:7")
	if got := k.code("PATCH", m+"/key-servers/ks1:5696", `{"port":7}`); got != "400 65536870" {
		t.Errorf("a port that is taken: got %s, want 400 65536870", got)
	}
	k.must("PATCH", m+"/key-servers/ks1:5696", `{"port":9}`)
	if got := k.code("GET", m+"/key-servers/ks1:9", ""); got != "200" {
		t.Errorf("the server under its new port: got %s, want 200", got)
	}
}

// NetApp's own modules repeat the SVM in a PATCH.
func TestTheOwnSVMMayBeRepeated(t *testing.T) {
	k := newCaller(t, Config{SVMs: []string{"a", "b"}})
	m := k.external("a", "ks1")
	body := `{"svm":{"name":"a"},"external":{"server_ca_certificates":[{"name":"kmip-ca"}]}}`
	if got := k.code("PATCH", m, body); got != "200" {
		t.Errorf("the own SVM: got %s, want 200", got)
	}
	if got := k.code("PATCH", m, strings.Replace(body, `"a"`, `"b"`, 1)); got != "400 262196" {
		t.Errorf("another SVM: got %s, want 400 262196", got)
	}
}

// Many callers at once, beside changes of the world, get whole answers.
func TestManyCallers(t *testing.T) {
	k := newCaller(t, Config{Managers: 5})
	server := managersPath + "/" + k.c.state.KeyManagers[0].UUID + "/key-servers/ks1.example.net:5696"
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				o := k.must("GET", managersPath+"?fields=**", "")
				if n, _ := o.integer("num_records"); n != 5 {
					t.Errorf("%d records, want 5", n)
				}
				k.world(`{"key_servers":{"ks1.example.net":{"node1":"not_responding"}}}`)
				k.must("PATCH", server, `{"timeout":9}`)
			}
		})
	}
	all.Wait()
}
