package manual

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"kmagent/internal/resource"
)

// compile makes a validator of the schema of these kinds.
func compile(t testing.TB, kinds []*resource.Kind) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(kinds)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("desired.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("desired.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance returns what an editor hands to a validator for the first document of a YAML
// text. It knows decimal integers alone as numbers: editors know more, and a schema that
// takes a number for a text takes them all.
func instance(text []byte) (any, error) {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); err != nil {
		return nil, err
	}
	return plain(doc.Content[0], 0)
}

var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

func plain(n *yaml.Node, depth int) (any, error) {
	if depth > 100 {
		return nil, errors.New("nested too deeply, or an alias inside what it repeats")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return plain(n.Alias, depth+1)
	case yaml.SequenceNode:
		items := make([]any, len(n.Content))
		for i, item := range n.Content {
			v, err := plain(item, depth+1)
			if err != nil {
				return nil, err
			}
			items[i] = v
		}
		return items, nil
	case yaml.MappingNode:
		return mapping(n, depth)
	default:
		return scalar(n), nil
	}
}

// mapping keeps the first of two equal keys, as package desired does.
func mapping(n *yaml.Node, depth int) (any, error) {
	m := map[string]any{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			return nil, fmt.Errorf("line %d: a key that JSON has no word for", key.Line)
		}
		v, err := plain(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if _, ok := m[key.Value]; !ok {
			m[key.Value] = v
		}
	}
	return m, nil
}

func scalar(n *yaml.Node) any {
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	switch {
	case quoted:
		return n.Value
	case n.Tag == "!!null":
		return nil
	case strings.EqualFold(n.Value, "true"), strings.EqualFold(n.Value, "false"):
		return strings.EqualFold(n.Value, "true")
	case decimal.MatchString(n.Value):
		return json.Number(n.Value)
	default:
		return n.Value
	}
}
