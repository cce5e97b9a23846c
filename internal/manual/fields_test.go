package manual

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"kmagent/internal/desired"
	"kmagent/internal/resource"
)

// entries has a valid entry of each kind, by its title, with dotted names.
var entries = map[string]map[string]any{
	"key_manager.external": {
		"svm": "vs1", "external.client_certificate": "kmip-client", "external.server_ca_certificates": []any{"kmip-ca"},
		"external.servers": []any{map[string]any{"server": "ks1"}},
	},
	"key_manager.onboard": {"onboard.passphrase": "cred:okm"},
	"azure_key_vault": {
		"svm": "vs1", "name": "https://v.example.net", "key_id": "https://v.example.net/keys/k/1",
		"client_id": "c", "tenant_id": "t", "client_secret": "cred:akv",
	},
	"aws_kms": {"svm": "vs1", "region": "eu-central-1", "key_id": "k", "access_key_id": "a", "secret_access_key": "cred:aws"},
	"gcp_kms": {
		"svm": "vs1", "project_id": "p", "key_ring_location": "global", "key_ring_name": "r", "key_name": "k",
		"application_credentials": "cred:gcp",
	},
	"barbican_kms": {
		"svm": "vs1", "configuration.name": "one", "key_id": "https://b.example.net/v1/secrets/s", "keystone_url": "https://k.example.net",
		"application_cred_id": "a", "application_cred_secret": "cred:b",
	},
	"auth_key":           {"key_tag": "nse-2026", "passphrase": "cred:nse"},
	"key_manager_config": {"cc_mode_enabled": false, "health_monitor_policy.akv.enabled": true},
}

// A judge has a file with one entry judged by the schema and by the decoder.
type judge struct {
	t      *testing.T
	kind   *resource.Kind
	schema *jsonschema.Schema
}

// file is a file with one entry. JSON is YAML.
func (j *judge) file(entry map[string]any) []byte {
	var section any = []any{entry}
	if j.kind.Singleton {
		section = entry
	}
	text, err := json.Marshal(map[string]any{
		"version": 1, "clusters": []any{map[string]any{
			"name": "a", "endpoint": "https://a", "auth": map[string]any{"bearer": map[string]any{"token": "cred:t"}},
			j.kind.Section: section,
		}},
	})
	if err != nil {
		j.t.Fatal(err)
	}
	return text
}

func (j *judge) valid(entry map[string]any) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(j.file(entry)))
	if err != nil {
		j.t.Fatal(err)
	}
	return j.schema.Validate(v)
}

// refuse wants both to refuse the entry.
func (j *judge) refuse(reason string, entry map[string]any) {
	j.t.Helper()
	if j.valid(entry) == nil {
		j.t.Errorf("%s: the schema takes %s", reason, j.file(entry))
	}
	if _, err := desired.Parse("f", j.file(entry)); err == nil {
		j.t.Errorf("%s: the decoder takes %s", reason, j.file(entry))
	}
}

// with returns the entry with a field set anew, and nested where its name has dots.
func with(entry map[string]any, name string, value any) map[string]any {
	e := maps.Clone(entry)
	delete(e, name)
	head, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		e[name] = value
		return e
	}
	e[head] = with(map[string]any{}, rest, value)
	return e
}

// Each field of each kind takes what its table says and nothing else, in either spelling;
// the schema and the decoder agree on what is wrong.
func TestFields(t *testing.T) {
	for _, k := range resource.All() {
		t.Run(title(k), func(t *testing.T) {
			entry := entries[title(k)]
			if entry == nil {
				t.Fatal("write a valid entry of the kind into entries")
			}
			j := &judge{t, k, compile(t, resource.All())}
			if err := j.valid(entry); err != nil {
				t.Error(err)
			}
			if _, err := desired.Parse("f", j.file(entry)); err != nil {
				t.Error(err)
			}
			for i := range k.Fields {
				f := &k.Fields[i]
				if f.ReadOnly() {
					j.refuse("read only", with(entry, f.Name, "x"))
					continue
				}
				j.field(entry, f)
			}
			j.refuse("no kind has it", with(entry, "nonsense", "x"))
		})
	}
}

// field tries values of one field.
func (j *judge) field(entry map[string]any, f *resource.Field) {
	j.t.Helper()
	if f.Flags.Has(resource.Required) {
		without := maps.Clone(entry)
		delete(without, f.Name)
		j.refuse(f.Name+" is required", without)
		without["state"] = "absent"
		if f.Name == j.kind.Identity {
			j.refuse(f.Name+" tells which one is absent", without)
		} else if err := j.valid(without); err != nil {
			j.t.Errorf("a tombstone without %s: %v", f.Name, err)
		}
	}
	for _, v := range wrong(f) {
		j.refuse(f.Name, with(entry, f.Name, v))
		dotted := maps.Clone(entry)
		dotted[f.Name] = v
		j.refuse(f.Name, dotted)
	}
	for _, v := range right(f) {
		if err := j.valid(with(entry, f.Name, v)); err != nil {
			j.t.Errorf("%s: %v", f.Name, err)
		}
	}
}

// wrong returns values that the table of the field excludes.
func wrong(f *resource.Field) []any {
	bad := []any{nil, map[string]any{"x": "y"}}
	switch f.Type {
	case resource.String:
		bad = append(bad, []any{"x"})
		if f.Max > 0 && f.Norm == nil { // the length counts in the one spelling, which a schema does not see
			bad = append(bad, strings.Repeat("ä", f.Max+1))
		}
		if f.Min > 0 || f.Flags.Has(resource.Required) || len(f.Enum) > 0 {
			bad = append(bad, "")
		}
		if len(f.Enum) > 0 {
			bad = append(bad, "none-of-them")
		}
	case resource.Integer:
		bad = append(bad, "1", true, 1.5)
		if f.Min != 0 || f.Max != 0 {
			bad = append(bad, f.Min-1, f.Max+1)
		}
	case resource.Boolean:
		bad = append(bad, "true", 1, "yes")
	case resource.Secret:
		bad = append(bad, "hunter2", "", 7, []any{"cred:x"})
	case resource.Link:
		bad = append(bad, []any{"x"}, "")
	default:
		bad = append(bad, "x", []any{[]any{}}, make([]any, f.Max+1))
		if f.Min > 0 {
			bad = append(bad, []any{})
		}
	}
	return bad
}

// right returns values that the table of the field allows. Those of a field with one
// spelling are its own matter; see entries.
func right(f *resource.Field) []any {
	switch f.Type {
	case resource.String:
		if len(f.Enum) > 0 {
			return []any{f.Enum[0], f.Enum[len(f.Enum)-1]}
		}
		good := []any{"x", 7}
		if f.Max > 0 {
			good = append(good, strings.Repeat("ä", f.Max))
		}
		if f.Min == 0 && !f.Flags.Has(resource.Required) {
			good = append(good, "")
		}
		return good
	case resource.Integer:
		return []any{f.Min, f.Max}
	case resource.Boolean:
		return []any{true, false}
	case resource.Secret:
		return []any{"cred:x", "file:/x", "env:X"}
	default:
		return nil
	}
}

// Kinds that share a section are told apart by their selectors.
func TestSharedSection(t *testing.T) {
	other := &resource.Kind{
		Name: "key_manager", Section: resource.External.Section, Selector: "other", Scopes: resource.ClusterScope,
		Fields: []resource.Field{{Name: "other.size", Type: resource.Integer, Flags: resource.Create}},
	}
	j := &judge{t, resource.External, compile(t, []*resource.Kind{resource.External, other})}
	for _, tc := range []struct {
		reason string
		entry  map[string]any
		valid  bool
	}{
		{"the first", entries["key_manager.external"], true},
		{"the second", map[string]any{"other": map[string]any{}}, true},
		{"the second, dotted", map[string]any{"other.size": 1}, true},
		{"of the second there is no more to say", map[string]any{"other": map[string]any{}, "state": "absent"}, true},
		{"neither, to be gone: it is of the first", map[string]any{"state": "absent"}, true},
		{"neither", map[string]any{}, false},
		{"both", with(entries["key_manager.external"], "other.size", 1), false},
		{"the second is the cluster's", map[string]any{"svm": "vs1", "other.size": 1}, false},
	} {
		if err := j.valid(tc.entry); (err == nil) != tc.valid {
			t.Errorf("%s: valid = %t, want %t: %v", tc.reason, err == nil, tc.valid, err)
		}
	}
}

// A name of three words may be nested at any of its dots.
func TestSpellings(t *testing.T) {
	deep := &resource.Kind{
		Name: "deep", Section: "deeps", Scopes: resource.ClusterScope,
		Fields: []resource.Field{{Name: "a.b.c", Type: resource.Boolean, Flags: resource.Required | resource.Create}},
	}
	j := &judge{t, deep, compile(t, []*resource.Kind{deep})}
	for _, entry := range []map[string]any{
		{"a.b.c": true},
		{"a.b": map[string]any{"c": true}},
		{"a": map[string]any{"b.c": true}},
		{"a": map[string]any{"b": map[string]any{"c": true}}},
	} {
		if err := j.valid(entry); err != nil {
			t.Error(err)
		}
	}
	for _, entry := range []map[string]any{
		{},
		{"a": map[string]any{}},
		{"a": map[string]any{"b": map[string]any{}}},
		{"a.b": map[string]any{}},
		{"a": map[string]any{"c": true}},
		{"b.c": true},
	} {
		if j.valid(entry) == nil {
			t.Errorf("%v is valid", entry)
		}
	}
}
