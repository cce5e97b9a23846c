package ontap

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// managers is a collection as ONTAP sends it: 680 bytes for each key manager.
func managers(n, changed int) string {
	const record = `{"uuid":"%08d-86d1-11e0-ae1c-123478563412","scope":"svm","svm":{"uuid":"%08d-87d1-11e0-ae1c-123478563412","name":"svm_%d"},` +
		`"policy":"","is_default_data_at_rest_encryption_disabled":false,"external":{"client_certificate":{"uuid":"5fb1701a-d922-11e8-bfe8-005056bb017d","name":"kmip-client"},` +
		`"server_ca_certificates":[{"uuid":"827d7d31-d6c8-11e8-b5bf-005056bb017d","name":"kmip-ca"}],"servers":[` +
		`{"server":"ks1.example.net:5696","timeout":%d,"username":"db","secondary_key_servers":["ks1b.example.net"]},` +
		`{"server":"ks2.example.net:5696","timeout":60,"username":"db","secondary_key_servers":["ks2b.example.net"]}]}}`
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ","+record, i, i, i, 10+changed)
	}
	return fmt.Sprintf(`{"records":[%s],"num_records":%d}`, b.String()[1:], n)
}

// BenchmarkList reads a collection over TLS. Beside the time of a call it reports the ratio
// to what nobody can do without: to read the same bytes and hash them.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		same, other := managers(n, 0), managers(n, 1)
		for name, bodies := range map[string][]string{"unchanged": {same}, "changed": {same, other}} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				ca := newAuthority(b)
				var calls atomic.Int64
				s := serve(b, &tls.Config{Certificates: []tls.Certificate{ca.pair(b, nil)}}, func(w http.ResponseWriter, _ *http.Request) {
					body := bodies[int(calls.Add(1)/2)%len(bodies)] // each is read twice: hashed, and by List
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
					io.WriteString(w, body)
				})
				c := dialTo(b, s, ca, nil)
				if _, _, err := list(b, c); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(same)))
				b.ReportAllocs()
				var floor time.Duration
				for b.Loop() {
					b.StopTimer()
					start := time.Now()
					readAndHash(b, c)
					floor += time.Since(start)
					b.StartTimer()
					_, unchanged, err := c.List(b.Context(), collection, nil, "uuid")
					if err != nil || unchanged && len(bodies) > 1 {
						b.Fatal(unchanged, err)
					}
				}
				b.ReportMetric(float64(b.Elapsed())/float64(floor), "x-floor")
			})
		}
	}
}

func readAndHash(b *testing.B, c *Client) {
	req, err := http.NewRequestWithContext(b.Context(), "GET", c.base+collection, nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var h maphash.Hash
	if _, err := io.Copy(&h, resp.Body); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPage takes a page apart in memory, and has the ratio to encoding/json doing the
// same with the envelope, each record left as it is.
func BenchmarkPage(b *testing.B) {
	body := []byte(managers(10_000, 0))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var std time.Duration
	for b.Loop() {
		b.StopTimer()
		start := time.Now()
		var p struct {
			Records []json.RawMessage `json:"records"`
			Count   int               `json:"num_records"`
		}
		if err := json.Unmarshal(body, &p); err != nil {
			b.Fatal(err)
		}
		std += time.Since(start)
		b.StartTimer()
		if _, err := parsePage(body, collection, []string{"uuid"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(std), "x-encoding/json")
}
