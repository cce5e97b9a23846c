package manual

import (
	"kmagent/internal/resource"
	"kmagent/internal/rules"
	"kmagent/internal/schedule"
)

// Schema returns the JSON Schema (draft 2020-12) of a desired-state file whose clusters may
// have objects of these kinds. What package desired accepts is valid under it, except that
// a text that reads true or false needs quotes, and that an empty mapping of fields that are
// all read only must go. The reverse cannot hold, since a schema sees neither the spelling
// of a value nor two values side by side; but a key, a type, a range or a form that is wrong
// is invalid under both. Equal kinds give equal bytes.
func Schema(kinds []*resource.Kind) []byte {
	root := object("What kmagent keeps: which key managers these clusters and their SVMs use. Field names are ONTAP's own.",
		map[string]*schema{
			"version":  {Description: "The form of this file.", Const: 1},
			"rules":    object("Which rules do not warn of this file.", map[string]*schema{"ignore": list("Rules whose warnings are not wanted, each once.", 0, 0, ignore())}),
			"defaults": object("For every cluster that does not say otherwise.", settings()),
			"clusters": list("The clusters to manage.", 1, 5000, cluster(kinds)),
		})
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "kmagent desired state"
	root.Required = []string{"version", "clusters"}
	root.If = &schema{Required: []string{"defaults"}, Properties: map[string]*schema{"defaults": {Required: []string{"auth"}}}}
	root.Else = &schema{Properties: map[string]*schema{"clusters": {Items: &schema{Required: []string{"auth"}}}}}
	root.Defs = definitions(kinds)
	return root.encode()
}

// ignore is a member of the list of rules that do not warn. A rule that is more than a
// warning cannot be ignored.
func ignore() *schema {
	id := word("The rule; kmagent explain says what it is for.")
	for _, r := range rules.All() {
		if r.Severity == rules.Warning {
			id.Enum = append(id.Enum, string(r.ID))
		}
	}
	s := object("A rule that does not warn until a day is over.", map[string]*schema{
		"id":     id,
		"reason": text("Why the rule is ignored, for those who come after."),
		"until":  form("The last day on which it is, in UTC, such as 2027-01-01.", `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`),
	})
	s.Required = []string{"id", "reason", "until"}
	return s
}

// cluster is a member of the list of clusters.
func cluster(kinds []*resource.Kind) *schema {
	properties := settings()
	properties["name"] = text("The label of the cluster in logs, metrics and addresses; unique.")
	properties["name"].Pattern = `^[A-Za-z0-9._-]{1,63}$`
	properties["endpoint"] = form("Where the cluster's REST API is: https://host or https://host:port. Unique.",
		`^[Hh][Tt][Tt][Pp][Ss]://[^/?#@]+/?$`)
	properties["uuid"] = ref("uuid", "The cluster that must answer; without it, whichever answers first.")
	for name, members := range sections(kinds) {
		properties[name] = members
	}
	s := object("A cluster and what it shall have.", properties)
	s.Required = []string{"name", "endpoint"}
	return s
}

// settings are the keys that defaults and clusters share.
func settings() map[string]*schema {
	mode := word("enforce carries plans out; observe reads and reports, and writes nothing.", "enforce", "observe")
	mode.Default = "enforce"
	return map[string]*schema{
		"tls":             ref("tls", "How the cluster proves that it is the right one."),
		"auth":            ref("auth", "How kmagent proves who it is: exactly one of basic, certificate and bearer."),
		"interval":        ref("duration", "The time between passes; without it, that of kmagent run --interval."),
		"health_interval": ref("duration", "The time between reads of reachability, which costs ONTAP work."),
		"mode":            mode,
		"policy":          ref("policy", "What a pass may take away."),
		"backup":          ref("backup", "For whom key backups are encrypted, and where they are put. Without it none is kept."),
	}
}

// definitions are what the rest of the schema refers to.
func definitions(kinds []*resource.Kind) map[string]*schema {
	defs := map[string]*schema{
		"tls": object("", map[string]*schema{
			"ca_file":     ref("path", "A PEM file with the CAs of the cluster's certificate; without it, the system's."),
			"server_name": text("The name that the cluster's certificate must have; without it, the endpoint's host."),
		}),
		"auth":     auth(),
		"policy":   policy(),
		"backup":   backup(),
		"schedule": timing(),
		"duration": form("From 1s to 24h, such as 90s, 5m or 1h30m.", `^\+?(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`),
		"path":     form("An absolute path on kmagent's host.", `^/`),
		"uuid":     form("A UUID, such as 1cd8a442-86d1-11e0-ae1c-123478563412.", uuidPattern),
		"secret":   form("A reference to a secret: cred:NAME, file:/PATH or env:NAME. Never the secret itself.", secretPattern),
		"link":     link(),
	}
	for _, k := range kinds {
		defs[title(k)] = entry(k, shared(k, kinds))
		for _, child := range children(k) {
			defs[title(child)] = member(child)
		}
	}
	return defs
}

func auth() *schema {
	basic := object("A user name and a password.", map[string]*schema{
		"username": text("The cluster's user."),
		"password": ref("secret", "A reference to the user's password."),
	})
	basic.Required = []string{"username", "password"}
	certificate := object("A client certificate.", map[string]*schema{
		"cert_file": ref("path", "The PEM file of the certificate."),
		"key_file":  ref("path", "The PEM file of its key."),
	})
	certificate.Required = []string{"cert_file", "key_file"}
	bearer := object("An OAuth 2.0 access token.", map[string]*schema{
		"token": ref("secret", "A reference to the token."),
	})
	bearer.Required = []string{"token"}
	s := object("", map[string]*schema{"basic": basic, "certificate": certificate, "bearer": bearer})
	s.MinProperties, s.MaxProperties = 1, 1
	return s
}

func policy() *schema {
	deletes := integer("Deletions in one pass over a cluster; 0 for none.", 0, 1000)
	deletes.Default = 1
	rekeys := integer("Rekeys that may run at a time in a cluster.", 1, 100)
	rekeys.Default = 1
	wave := &schema{AnyOf: []*schema{integer("A number of objects.", 1, 10000), form("A part of all of them.", `^([1-9][0-9]?|100)%$`)}}
	waves := list("How many of the objects that share a slot may have begun, wave after wave; the next one waits until all have succeeded. The last is 100%, and the first failure ends the slot; without it each cluster is on its own.", 1, 10, wave)
	return object("", map[string]*schema{
		"max_concurrent_rekeys": rekeys,
		"max_deletes":           deletes,
		"min_reachable_servers": integer("Key servers that must stay available on every node; without it, two of a list of two or more, else one.", 1, 100),
		"waves":                 waves,
	})
}

func timing() *schema {
	span := func(doc string) *schema {
		return form(doc, `^([0-9]{1,4}d|\+?(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+|0)$`)
	}
	catchUp := word("What becomes of a slot that passed while nobody could take it: none misses it, once takes the newest one inside its window.", string(schedule.None), string(schedule.Once))
	catchUp.Default = string(schedule.None)
	s := object("", map[string]*schema{
		"schedule":     text("When: minute, hour, day, month and weekday as cron has them, or a word such as @monthly."),
		"timezone":     text("The IANA zone of the schedule, such as Europe/Berlin; without it UTC."),
		"window":       span("How long after its slot the action may begin; without it 4h."),
		"catch_up":     catchUp,
		"min_interval": span("Two slots are never nearer to each other; without it 20h."),
		"jitter":       span("By how much, at most, each object is later than its slot, always by the same."),
		"max_age":      span("The age of a key after which somebody should be told."),
		"keep":         integer("Of the keys that rotate has made: how many stay; without it 2.", 1, 100),
	})
	s.Required = []string{"schedule"}
	return s
}

func backup() *schema {
	s := object("", map[string]*schema{
		"recipients": list("Whom key backups are encrypted for: age recipients.", 1, 20, form("", `^age1`)),
		"dir":        ref("path", "Where they are put; without it, backups below the state directory."),
	})
	s.Required = []string{"recipients"}
	return s
}

const uuidPattern = `^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`

// secretPattern is the form of what secret.ParseRef takes. It is here once more because an
// editor cannot call that; a test holds the two together.
const secretPattern = `^(cred:[!-.0-9;-~]{1,255}|file:/[^\x00-\x1f\x7f]*|env:[A-Za-z_][A-Za-z0-9_]*)$`

// link names another object.
func link() *schema {
	name := text("")
	name.Not = &schema{Type: types{"string"}, Pattern: uuidPattern}
	either := object("", map[string]*schema{"name": name, "uuid": ref("uuid", "")})
	either.MinProperties, either.MaxProperties = 1, 1
	return &schema{AnyOf: []*schema{name, either}}
}
