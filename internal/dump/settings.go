package dump

import (
	"strconv"
	"strings"
	"time"

	"kmagent/internal/desired"
)

// Label makes the name of a cluster fit for a file: what may not stand there becomes a dash,
// and what is too long is cut.
func Label(name string) string {
	fit := strings.Map(func(r rune) rune {
		if plain(r) {
			return r
		}
		return '-'
	}, name)
	if fit == "" {
		return "cluster"
	}
	return fit[:min(len(fit), maxLabel)]
}

// maxLabel is the most that a file takes of a cluster's name.
const maxLabel = 63

// plain says whether r needs quotes nowhere: not in YAML, not in names, not in paths.
func plain(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_'
}

// settings lays out how a cluster is reached and treated, but for what is so anyway.
func settings(c desired.Cluster) []line {
	out := []line{{dash: true, text: "name: " + quote(c.Name)}}
	add := func(depth int, key, value string) {
		if value != "" {
			out = append(out, line{depth: depth, text: key + ": " + quote(value)})
		}
	}
	open := func(depth int, key string) { out = append(out, line{depth: depth, text: key + ":"}) }
	add(0, "endpoint", c.Endpoint)
	add(0, "uuid", c.UUID)
	if c.TLS != (desired.TLS{}) {
		open(0, "tls")
		add(1, "ca_file", c.TLS.CAFile)
		add(1, "server_name", c.TLS.ServerName)
	}
	if c.Auth != nil {
		open(0, "auth")
	}
	switch a := c.Auth.(type) {
	case desired.Basic:
		open(1, "basic")
		add(2, "username", a.Username)
		add(2, "password", a.Password.String())
	case desired.Certificate:
		open(1, "certificate")
		add(2, "cert_file", a.CertFile)
		add(2, "key_file", a.KeyFile)
	case desired.Bearer:
		open(1, "bearer")
		add(2, "token", a.Token.String())
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"interval", c.Interval}, {"health_interval", c.HealthInterval}} {
		if d.value != 0 {
			out = append(out, line{text: d.key + ": " + span(d.value)})
		}
	}
	if c.Mode != desired.Enforce {
		add(0, "mode", c.Mode.String())
	}
	return append(out, policy(c.Policy)...)
}

// policy lays out the limits, if they are not those of a file that says nothing of them.
func policy(p desired.Policy) []line {
	if p == (desired.Policy{MaxDeletes: 1}) {
		return nil
	}
	out := []line{{text: "policy:"}, {depth: 1, text: "max_deletes: " + strconv.Itoa(p.MaxDeletes)}}
	if p.MaxRekeys > 0 {
		out = append(out, line{depth: 1, text: "max_concurrent_rekeys: " + strconv.Itoa(p.MaxRekeys)})
	}
	if p.MinReachableServers > 0 {
		out = append(out, line{depth: 1, text: "min_reachable_servers: " + strconv.Itoa(p.MinReachableServers)})
	}
	if !p.Waves.IsZero() {
		out = append(out, line{depth: 1, text: "waves: [" + strings.Join(p.Waves.Texts(), ", ") + "]"})
	}
	return out
}

// span writes a duration as people do: 5m, and not 5m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
