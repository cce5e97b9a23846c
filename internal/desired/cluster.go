package desired

import (
	"math"
	"regexp"
	"strings"

	"filippo.io/age"

	"kmagent/internal/resource"
	"kmagent/internal/rules"
	"kmagent/internal/schedule"
)

// maxClusters bounds the fleet of one file.
const maxClusters = 5000

// settings are what defaults may say for every cluster.
type settings struct {
	cluster Cluster
	auth    bool // auth is written, well or badly
}

// settingKeys are the keys of defaults, and of a cluster too.
var settingKeys = []string{"tls", "auth", "interval", "health_interval", "mode", "policy", "backup"}

// root reads the document: its clusters, and the rules that it ignores.
func (d *decoder) root(n *node) ([]Cluster, []Ignore) {
	p := place{node: n}
	keys, ok := d.keys(p, "version", "rules", "defaults", "clusters")
	if !ok {
		return nil, nil
	}
	d.version(p, keys)
	base := settings{cluster: Cluster{Policy: Policy{MaxDeletes: 1}}}
	if v, ok := keys["rules"]; ok {
		base.cluster.Ignores = d.ignores(v)
	}
	if defaults, ok := keys["defaults"]; ok {
		if under, ok := d.keys(defaults, settingKeys...); ok {
			d.settings(under, &base)
		}
	}
	clusters, ok := d.need(p, keys, "clusters", "the list of the clusters to manage")
	if !ok {
		return nil, nil
	}
	return d.clusters(clusters, base), base.cluster.Ignores
}

func (d *decoder) version(p place, keys map[string]place) {
	v, ok := d.need(p, keys, "version", "write version: 1, the form of this file")
	if !ok {
		return
	}
	if n, ok := d.integer(v, 0, math.MaxInt64); ok && n != 1 {
		d.wrong(v, "this kmagent reads version 1 of the file, not %d", n)
	}
}

func (d *decoder) clusters(p place, base settings) []Cluster {
	if !d.is(p, list) {
		return nil
	}
	if n := len(p.items); n == 0 || n > maxClusters {
		d.wrong(p, "has %d clusters; write 1 to %d", n, maxClusters)
		return nil
	}
	names, endpoints := map[string]resource.Pos{}, map[string]resource.Pos{}
	clusters := make([]Cluster, len(p.items))
	for i := range p.items {
		clusters[i] = d.cluster(p.at(i), base, names, endpoints)
	}
	return clusters
}

// cluster reads one member of the list. Names and endpoints hold those of the members
// before it, with their places.
func (d *decoder) cluster(p place, base settings, names, endpoints map[string]resource.Pos) Cluster {
	s := base
	c := &s.cluster
	c.Source = p.pos
	known := append([]string{"name", "endpoint", "uuid"}, settingKeys...)
	keys, ok := d.keys(p, append(known, resource.Sections()...)...)
	if !ok {
		return *c
	}
	d.settings(keys, &s)
	if !s.auth {
		d.missing(p, "auth", "how kmagent proves who it is: basic, certificate or bearer, here or under defaults")
	}
	if name, ok := d.need(p, keys, "name", "the label of the cluster in logs, metrics and addresses"); ok {
		if c.Name, ok = d.clusterName(name); ok {
			d.unique(name, names, c.Name)
		}
	}
	if endpoint, ok := d.need(p, keys, "endpoint", "where the cluster's REST API is: https://host or https://host:port"); ok {
		if c.Endpoint, ok = d.endpoint(endpoint); ok {
			d.unique(endpoint, endpoints, c.Endpoint)
		}
	}
	if uuid, ok := keys["uuid"]; ok {
		c.UUID, _ = d.uuid(uuid)
	}
	_, written := keys["backup"] // one that is wrong is one fault
	c.Objects = d.sections(c.Name, keys, written || len(c.Backup.Recipients) > 0)
	return *c
}

var clusterForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,63}$`)

func (d *decoder) clusterName(p place) (string, bool) {
	s, ok := d.str(p)
	if ok && !clusterForm.MatchString(s) {
		d.wrong(p, "%s is not a cluster name; write 1 to 63 letters, digits, dots, dashes and underscores", p.echo())
		return "", false
	}
	return s, ok
}

func (d *decoder) endpoint(p place) (string, bool) {
	s, ok := d.str(p)
	if !ok {
		return "", false
	}
	norm, err := normEndpoint(s)
	if err != nil {
		d.wrong(p, "%v", err)
		return "", false
	}
	return norm, true
}

// unique reports a value that a cluster before this one has, and notes it otherwise.
func (d *decoder) unique(p place, seen map[string]resource.Pos, value string) {
	if first, ok := seen[value]; ok {
		d.wrong(p, "same as line %d (%s); no two clusters share it", first.Line, value)
		return
	}
	seen[value] = p.pos
}

// settings reads the keys that defaults and clusters share over what s has: a key that is
// not written keeps its value.
func (d *decoder) settings(keys map[string]place, s *settings) {
	c := &s.cluster
	if v, ok := keys["tls"]; ok {
		d.tls(v, &c.TLS)
	}
	if v, ok := keys["auth"]; ok {
		s.auth = true
		c.Auth = d.auth(v)
	}
	if v, ok := keys["interval"]; ok {
		c.Interval, _ = d.duration(v)
	}
	if v, ok := keys["health_interval"]; ok {
		c.HealthInterval, _ = d.duration(v)
	}
	if v, ok := keys["mode"]; ok {
		if word, ok := d.word(v, Enforce.String(), Observe.String()); ok {
			c.Mode = Enforce
			if word == Observe.String() {
				c.Mode = Observe
			}
		}
	}
	if v, ok := keys["policy"]; ok {
		d.policy(v, &c.Policy)
	}
	if v, ok := keys["backup"]; ok {
		d.backup(v, &c.Backup)
	}
}

// maxRecipients bounds for how many a backup is encrypted.
const maxRecipients = 20

func (d *decoder) backup(p place, b *Backup) {
	keys, _ := d.keys(p, "recipients", "dir")
	if v, ok := keys["dir"]; ok {
		b.Dir, _ = d.absolute(v)
	}
	v, ok := d.need(p, keys, "recipients", "whom key backups are encrypted for: age recipients, age1…")
	if !ok || !d.is(v, list) {
		return
	}
	if n := len(v.items); n == 0 || n > maxRecipients {
		d.wrong(v, "has %d members; write 1 to %d, or leave backup out", n, maxRecipients)
		return
	}
	b.Recipients = nil // not joined with those of the defaults
	for i := range v.items {
		if r, ok := d.recipient(v.at(i)); ok {
			b.Recipients = append(b.Recipients, r)
		}
	}
}

// recipient reads an age recipient. What looks like an identity is a secret in the wrong
// place, and is not repeated.
func (d *decoder) recipient(p place) (string, bool) {
	s, ok := d.str(p)
	if !ok {
		return "", false
	}
	if _, err := age.ParseRecipients(strings.NewReader(s)); err != nil {
		if strings.HasPrefix(strings.ToUpper(s), "AGE-SECRET-KEY") {
			d.breaks(rules.KM070, p, "is an age identity, which is a secret; write its recipient, age1…, and keep the identity away from here")
			return "", false
		}
		d.wrong(p, "is not an age recipient; write age1…, as age-keygen prints it")
		return "", false
	}
	return s, true
}

func (d *decoder) tls(p place, t *TLS) {
	keys, _ := d.keys(p, "ca_file", "server_name")
	if v, ok := keys["ca_file"]; ok {
		t.CAFile, _ = d.absolute(v)
	}
	if v, ok := keys["server_name"]; ok {
		t.ServerName, _ = d.host(v)
	}
}

// host returns a host name or an address, without a port, in its one spelling.
func (d *decoder) host(p place) (string, bool) {
	s, ok := d.str(p)
	if !ok {
		return "", false
	}
	norm, err := resource.NormSecondary(s)
	if err != nil {
		d.wrong(p, "%s is not a host name or an address without a port", p.echo())
		return "", false
	}
	return norm, true
}

func (d *decoder) policy(p place, policy *Policy) {
	keys, _ := d.keys(p, "max_concurrent_rekeys", "max_deletes", "min_reachable_servers", "waves")
	if v, ok := keys["max_concurrent_rekeys"]; ok {
		if n, ok := d.integer(v, 1, 100); ok {
			policy.MaxRekeys = int(n)
		}
	}
	if v, ok := keys["max_deletes"]; ok {
		if n, ok := d.integer(v, 0, 1000); ok {
			policy.MaxDeletes = int(n)
		}
	}
	if v, ok := keys["min_reachable_servers"]; ok {
		if n, ok := d.integer(v, 1, 100); ok {
			policy.MinReachableServers = int(n)
		}
	}
	if v, ok := keys["waves"]; ok && d.is(v, list) {
		d.waves(v, policy)
	}
}

// waves reads how a fleet takes a slot. A member is a number or a percentage, so what it is
// stands in its text.
func (d *decoder) waves(p place, policy *Policy) {
	var texts []string
	for i := range p.items {
		if !d.is(p.at(i), scalar) {
			return
		}
		texts = append(texts, p.at(i).text)
	}
	w, err := schedule.ParseWaves(texts)
	if err != nil {
		d.wrong(p, "%v", err)
		return
	}
	policy.Waves = w
}
