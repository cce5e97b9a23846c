package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kmagent/internal/resource"
)

// An identity is what a cluster says of itself.
type identity struct {
	Name, UUID string
	Version    resource.Version
}

type version struct {
	Generation, Major, Minor int
}

func (v version) release() resource.Version {
	return resource.Version{Generation: v.Generation, Major: v.Major, Minor: v.Minor}
}

func decodeIdentity(raw json.RawMessage) (identity, error) {
	var d struct {
		Name, UUID string
		Version    version
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return identity{}, errors.New("not what a cluster says of itself")
	}
	if d.UUID == "" || d.Version.Generation == 0 {
		return identity{}, implausible("a cluster without UUID or version")
	}
	return identity{d.Name, d.UUID, d.Version.release()}, nil
}

func decodeNode(raw json.RawMessage) (resource.Node, error) {
	var d struct {
		Name, UUID, State, Membership string
		Version                       version
	}
	if err := json.Unmarshal(raw, &d); err != nil || d.Name == "" {
		return resource.Node{}, implausible("a node without a name")
	}
	return resource.Node{Name: d.Name, UUID: d.UUID, State: d.State,
		Member: d.Membership == "member" || d.Membership == "", Version: d.Version.release()}, nil
}

func decodeSVM(raw json.RawMessage) (resource.SVM, error) {
	var d struct{ Name, UUID, State string }
	if err := json.Unmarshal(raw, &d); err != nil || d.Name == "" {
		return resource.SVM{}, implausible("an SVM without a name")
	}
	return resource.SVM{Name: d.Name, UUID: d.UUID, State: d.State}, nil
}

// decodeLink decodes an object that others name.
func (r *Reader) decodeLink(raw json.RawMessage) (*resource.Object, error) {
	rec, err := decodeRecord(raw)
	if err != nil {
		return nil, err
	}
	return r.scoped(resource.Certificate, rec)
}

// decodeManager decodes a key manager of whichever kind it is; nil is one of a kind that no
// table describes.
func (r *Reader) decodeManager(path string, raw json.RawMessage) (*resource.Object, error) {
	rec, err := decodeRecord(raw)
	if err != nil {
		return nil, err
	}
	for _, k := range resource.Managers() {
		if k.Path != path {
			continue
		}
		if k.Selector == "" {
			return r.scoped(k, rec)
		}
		switch lookUp(rec, k.Selector).(type) {
		case nil:
		case map[string]any:
			return r.scoped(k, rec)
		default:
			return nil, fmt.Errorf("%s: %w", k.Selector, errNotObject)
		}
	}
	return nil, nil
}

// decodeStore decodes a record of security/key-stores.
func decodeStore(raw json.RawMessage) (resource.KeyStore, error) {
	var d struct {
		UUID, Scope, State string
		Enabled            bool
		SVM                struct{ Name string }
	}
	if err := json.Unmarshal(raw, &d); err != nil || d.UUID == "" {
		return resource.KeyStore{}, implausible("a key store without its UUID")
	}
	return resource.KeyStore{UUID: d.UUID, SVM: d.SVM.Name, Enabled: d.Enabled, State: d.State}, nil
}

// scoped decodes a record that stands by itself: it must say whose it is, or that of an SVM
// would pass for the cluster's own.
func (r *Reader) scoped(k *resource.Kind, rec map[string]any) (*resource.Object, error) {
	svm, _ := lookUp(rec, "svm.name").(string)
	if scope, _ := rec["scope"].(string); svm == "" && scope != "cluster" {
		return nil, implausible("an object of an SVM that has no name")
	}
	return r.object(k, rec)
}

func decodeRecord(raw json.RawMessage) (map[string]any, error) {
	var rec map[string]any
	if err := json.Unmarshal(raw, &rec); err != nil {
		return nil, errNotObject
	}
	return rec, nil
}

// object decodes one record of a kind, with its children.
func (r *Reader) object(k *resource.Kind, rec map[string]any) (*resource.Object, error) {
	svm, _ := lookUp(rec, "svm.name").(string)
	o := resource.NewObject(k, resource.Addr{Cluster: r.label, Kind: k.Name, SVM: svm})
	o.ID, _ = rec[k.ID].(string)
	for i := range k.Fields {
		f := &k.Fields[i]
		x := lookUp(rec, f.Name)
		if f.Type == resource.Children {
			if err := r.children(o, f, x); err != nil {
				return nil, err
			}
			continue
		}
		v, err := decodeValue(f, x)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		o.Values[i] = v
	}
	o.Addr.Name = name(o)
	return o, nil
}

// name tells siblings apart: by the field the table says, and a configuration that is in
// store beside the one in use by its own name.
func name(o *resource.Object) string {
	if o.Kind.Identity != "" {
		return o.Kind.Named(o.Value(o.Kind.Identity).Str())
	}
	if enabled := o.Value("enabled"); enabled.IsSet() && !enabled.Bool() {
		if n := o.Value("configuration.name").Str(); n != "" {
			return n
		}
		return o.ID
	}
	return ""
}

func (r *Reader) children(parent *resource.Object, f *resource.Field, x any) error {
	list, ok := x.([]any)
	if !ok && x != nil {
		return fmt.Errorf("%s: %w", f.Name, errNotList)
	}
	for _, m := range list {
		rec, ok := m.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %w", f.Name, errNotList)
		}
		c, err := r.object(f.To, rec)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if c.ID == "" {
			return implausible("a " + f.To.Name + " without its " + f.To.ID)
		}
		c.Addr.SVM = parent.Addr.SVM
		c.Addr.Name = spell(f.To, c.Addr.Name)
		parent.Children = append(parent.Children, c)
	}
	return nil
}

// spell gives an identity the spelling that the file's has.
func spell(k *resource.Kind, s string) string {
	if i := k.Index(k.Identity); i >= 0 && k.Fields[i].Norm != nil {
		if n, err := k.Fields[i].Norm(s); err == nil {
			return n
		}
	}
	return s
}

// lookUp follows a dotted name; nil is nothing.
func lookUp(rec map[string]any, name string) any {
	for {
		head, rest, nested := strings.Cut(name, ".")
		v := rec[head]
		if !nested {
			return v
		}
		inner, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		rec, name = inner, rest
	}
}

// What is wrong with a value; what it was is not repeated.
var (
	errNotString  = errors.New("not a string")
	errNotInteger = errors.New("not an integer")
	errNotBoolean = errors.New("not a boolean")
	errNotList    = errors.New("not a list of the expected sort")
	errNotObject  = errors.New("not an object")
	errNotLink    = errors.New("not a reference with a UUID")
)

// decodeValue turns what JSON gave into the field's type. A field that ONTAP left out is
// unset, and null is the same. Some releases write numbers as strings, and one list as a
// string with commas (ONTAP REST reference, key-managers, fields).
func decodeValue(f *resource.Field, x any) (resource.Value, error) {
	if x == nil {
		return resource.Value{}, nil
	}
	switch f.Type {
	case resource.String:
		s, ok := x.(string)
		if !ok {
			return resource.Value{}, errNotString
		}
		return resource.Str(s), nil
	case resource.Integer:
		return decodeInteger(x)
	case resource.Secret:
		return resource.Value{}, nil // no GET returns one; what does all the same is not kept
	case resource.Boolean:
		b, ok := x.(bool)
		if !ok {
			return resource.Value{}, errNotBoolean
		}
		return resource.Bool(b), nil
	case resource.Strings:
		return decodeStrings(x)
	case resource.Link:
		l, err := decodeLinkTo(x)
		return resource.LinkValue(l), err
	case resource.Links:
		return decodeLinks(x)
	case resource.NodeStates:
		return decodeNodeStates(x)
	case resource.Reachability:
		return decodeReachability(x)
	case resource.NodeReachability:
		return decodeNodeReachability(x)
	default:
		return resource.Value{}, fmt.Errorf("a field of type %d is not read", f.Type)
	}
}

func decodeInteger(x any) (resource.Value, error) {
	switch n := x.(type) {
	case float64:
		if i := int64(n); float64(i) == n {
			return resource.Int(i), nil
		}
	case string:
		if i, err := strconv.ParseInt(n, 10, 64); err == nil {
			return resource.Int(i), nil
		}
	}
	return resource.Value{}, errNotInteger
}

func decodeStrings(x any) (resource.Value, error) {
	var out []string
	switch v := x.(type) {
	case string:
		for _, s := range strings.Split(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	case []any:
		for _, m := range v {
			s, ok := m.(string)
			if !ok {
				return resource.Value{}, errNotList
			}
			out = append(out, s)
		}
	default:
		return resource.Value{}, errNotList
	}
	return resource.StrList(out), nil
}

func decodeLinkTo(x any) (resource.LinkTo, error) {
	m, _ := x.(map[string]any)
	uuid, _ := m["uuid"].(string)
	name, _ := m["name"].(string)
	if uuid == "" {
		return resource.LinkTo{}, errNotLink
	}
	return resource.LinkTo{Name: name, UUID: uuid}, nil
}

func decodeLinks(x any) (resource.Value, error) {
	list, ok := x.([]any)
	if !ok {
		return resource.Value{}, errNotList
	}
	out := make([]resource.LinkTo, len(list))
	for i, m := range list {
		l, err := decodeLinkTo(m)
		if err != nil {
			return resource.Value{}, err
		}
		out[i] = l
	}
	return resource.LinkList(out), nil
}
