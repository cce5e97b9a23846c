package desired

import (
	"bytes"
	"errors"
	"io"

	"gopkg.in/yaml.v3"

	"kmagent/internal/resource"
)

// A node is a value of the document: what remains of YAML once its surprises are refused.
type node struct {
	kind  nodeKind
	text  string // of a scalar
	plain bool   // a scalar without quotes
	pos   resource.Pos
	items []*node // of a list
	pairs []pair  // of a mapping, in file order; keys may repeat
}

// A pair is one key of a mapping and its value.
type pair struct {
	key   string
	at    resource.Pos
	value *node
}

type nodeKind uint8

const (
	broken  nodeKind = iota // already reported: nothing more is said of it
	null                    // nothing, ~ or null
	scalar                  //
	list                    //
	mapping                 //
)

// Limits of the tree. No value of the file has a use for more.
const (
	maxDepth    = 64
	maxKeys     = 256    // in one mapping
	maxScalar   = 8192   // bytes
	maxExpanded = 10_000 // nodes that aliases repeat
)

// parseTree reads the one document of the text, or reports why it cannot and returns nil.
// Faults that leave the rest readable are reported too, and their nodes are broken.
func parseTree(log *faultLog, text []byte) *node {
	text, ok := checkText(log, text)
	if !ok {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	doc, err := decode(dec)
	switch {
	case err == io.EOF:
		log.fault(log.pos(1, 1), "", "%s", declaresNothing)
		return nil
	case err != nil:
		log.syntax(err, text)
		return nil
	}
	g := grower{faultLog: log, open: map[*yaml.Node]bool{}}
	root := g.grow(doc.Content[0], 0)
	if root.kind == null {
		log.fault(log.pos(1, 1), "", "%s", declaresNothing)
		return nil
	}
	if next, err := decode(dec); err == nil {
		log.fault(log.pos(next.Line, next.Column), "", "a second document; a file holds one: remove --- and ... and what follows")
	} else if err != io.EOF {
		log.syntax(err, text)
	}
	if g.stopped {
		return nil
	}
	return root
}

const declaresNothing = `the file declares nothing: an empty file never means "remove everything"; write version: 1 and clusters, or state: absent in the entries to remove`

var errParser = errors.New("the YAML parser gave up")

// decode returns the next document. The parser panics on some hostile text; that is a fault
// of the text, since the parser is not developed any more.
func decode(dec *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if recover() != nil {
			doc, err = nil, errParser
		}
	}()
	doc = new(yaml.Node)
	if err := dec.Decode(doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// A grower turns the parser's nodes into ours, with aliases written out.
type grower struct {
	*faultLog
	open     map[*yaml.Node]bool // the nodes above the current one, to find an alias to one of them
	aliases  int                 // how many aliases are being written out, one inside the other
	outer    resource.Pos        // where the first of them stands
	expanded int                 // nodes written out for aliases
	stopped  bool                // a limit was passed and reported: the tree is not complete
}

func (g *grower) grow(y *yaml.Node, depth int) *node {
	n := &node{pos: g.pos(y.Line, y.Column)}
	if g.stopped || !g.within(n.pos, depth) {
		return n
	}
	if y.Kind == yaml.AliasNode {
		return g.alias(y, n, depth)
	}
	if y.Style&yaml.TaggedStyle != 0 {
		g.fault(n.pos, "", "YAML tags (!!int, !name) are not used; write the value alone")
		return n
	}
	switch y.Kind {
	case yaml.ScalarNode:
		g.scalar(y, n)
	case yaml.SequenceNode:
		n.kind = list
		g.open[y] = true
		for _, item := range y.Content {
			n.items = append(n.items, g.grow(item, depth+1))
		}
		delete(g.open, y)
	case yaml.MappingNode:
		g.mapping(y, n, depth)
	}
	return n
}

func (g *grower) mapping(y *yaml.Node, n *node, depth int) {
	if keys := len(y.Content) / 2; keys > maxKeys {
		g.fault(n.pos, "", "a mapping with %d keys; the limit is %d", keys, maxKeys)
		return
	}
	n.kind = mapping
	g.open[y] = true
	for i := 0; i+1 < len(y.Content); i += 2 {
		g.pair(y.Content[i], y.Content[i+1], n, depth)
	}
	delete(g.open, y)
}

// within counts the node against the limits and reports the first that it passes.
func (g *grower) within(at resource.Pos, depth int) bool {
	if depth > maxDepth {
		g.fault(at, "", "more than %d levels of nesting", maxDepth)
		g.stopped = true
	}
	if g.aliases > 0 {
		g.expanded++
	}
	if g.expanded > maxExpanded {
		g.fault(g.outer, "", "the aliases of the file repeat more than %d values; write fewer", maxExpanded)
		g.stopped = true
	}
	return !g.stopped
}

func (g *grower) alias(y *yaml.Node, n *node, depth int) *node {
	if g.open[y.Alias] {
		g.fault(n.pos, "", "the alias stands inside what it repeats; remove it")
		return n
	}
	if g.aliases == 0 {
		g.outer = n.pos
	}
	g.aliases++
	defer func() { g.aliases-- }()
	return g.grow(y.Alias, depth)
}

func (g *grower) scalar(y *yaml.Node, n *node) {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	n.text, n.plain = y.Value, y.Style&quoted == 0
	switch {
	case n.plain && y.Tag == "!!null":
		n.kind = null
	case len(n.text) > maxScalar:
		g.fault(n.pos, "", "a value of %d bytes; the limit is %d", len(n.text), maxScalar)
	case !printable(n.text):
		g.fault(n.pos, "", "a value with a line break, a tab or a character that editors do not show; write it on one line without")
	default:
		n.kind = scalar
	}
}

func printable(s string) bool {
	for _, r := range s {
		if unprintable(r) {
			return false
		}
	}
	return true
}

func (g *grower) pair(key, value *yaml.Node, n *node, depth int) {
	at := g.pos(key.Line, key.Column)
	switch {
	case key.Tag == "!!merge":
		g.fault(at, "", "merge keys (<<) are not used: they hide which value counts; write the keys out, or use defaults")
		return
	case key.Kind != yaml.ScalarNode:
		g.fault(at, "", "a key must be a word; put a list item in quotes or write key: value")
		return
	case key.Style&yaml.TaggedStyle != 0:
		g.fault(at, "", "YAML tags (!!int, !name) are not used; write the key alone")
		return
	}
	v := g.grow(value, depth+1)
	if v.kind == null {
		v.pos = at // the parser has nothing of the value to point at
	}
	n.pairs = append(n.pairs, pair{key.Value, at, v})
}
