package manual

import (
	"bytes"
	"encoding/json"
)

// A schema is a JSON Schema, with the keywords that are used here in the order in which
// people read them.
type schema struct {
	Schema               string              `json:"$schema,omitempty"`
	Ref                  string              `json:"$ref,omitempty"`
	Title                string              `json:"title,omitempty"`
	Description          string              `json:"description,omitempty"`
	Type                 types               `json:"type,omitempty"`
	Const                any                 `json:"const,omitempty"`
	Enum                 []string            `json:"enum,omitempty"`
	Default              any                 `json:"default,omitempty"`
	Pattern              string              `json:"pattern,omitempty"`
	MinLength            int                 `json:"minLength,omitempty"`
	MaxLength            int                 `json:"maxLength,omitempty"`
	Minimum              *int                `json:"minimum,omitempty"`
	Maximum              *int                `json:"maximum,omitempty"`
	MinItems             int                 `json:"minItems,omitempty"`
	MaxItems             int                 `json:"maxItems,omitempty"`
	UniqueItems          bool                `json:"uniqueItems,omitempty"`
	Items                *schema             `json:"items,omitempty"`
	Required             []string            `json:"required,omitempty"`
	DependentRequired    map[string][]string `json:"dependentRequired,omitempty"`
	MinProperties        int                 `json:"minProperties,omitempty"`
	MaxProperties        int                 `json:"maxProperties,omitempty"`
	Properties           map[string]*schema  `json:"properties,omitempty"`
	AdditionalProperties *bool               `json:"additionalProperties,omitempty"`
	Not                  *schema             `json:"not,omitempty"`
	AllOf                []*schema           `json:"allOf,omitempty"`
	AnyOf                []*schema           `json:"anyOf,omitempty"`
	If                   *schema             `json:"if,omitempty"`
	Then                 *schema             `json:"then,omitempty"`
	Else                 *schema             `json:"else,omitempty"`
	Defs                 map[string]*schema  `json:"$defs,omitempty"`
}

// types are the JSON types that a value may have.
type types []string

// MarshalJSON writes a single type without brackets, as schemas usually have it.
func (t types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// object is a mapping with these keys and no others.
func object(doc string, properties map[string]*schema) *schema {
	return &schema{Description: doc, Type: types{"object"}, Properties: properties, AdditionalProperties: new(false)}
}

// text is a single value that is taken as it is written. kmagent takes 1234 for the text
// "1234", so an editor that knows it for a number must not complain.
func text(doc string) *schema {
	return &schema{Description: doc, Type: types{"string", "number"}, MinLength: 1}
}

// form is a text of a form that no number has.
func form(doc, pattern string) *schema {
	return &schema{Description: doc, Type: types{"string"}, Pattern: pattern}
}

func word(doc string, words ...string) *schema {
	return &schema{Description: doc, Type: types{"string"}, Enum: words}
}

func integer(doc string, low, high int) *schema {
	return &schema{Description: doc, Type: types{"integer"}, Minimum: &low, Maximum: &high}
}

func list(doc string, low, high int, items *schema) *schema {
	return &schema{Description: doc, Type: types{"array"}, MinItems: low, MaxItems: high, Items: items}
}

// ref refers to a definition, with a description of its own.
func ref(name, doc string) *schema {
	return &schema{Ref: "#/$defs/" + name, Description: doc}
}

// encode returns the schema as indented JSON with a line feed at the end.
func (s *schema) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic(err) // strings, numbers and booleans alone: there is nothing that cannot be encoded
	}
	return b.Bytes()
}
