// Package manual writes down what the desired-state file may say: the reference of the
// kinds for people, and the JSON Schema of the file for editors. Both walk the tables of
// package resource, so neither can fall behind them; the rules that a file may ignore are
// those of package rules. The package reads no file, writes none and decides nothing:
// whether a file is valid is for package desired alone to say.
package manual

import (
	"slices"

	"kmagent/internal/resource"
)

// children returns the kinds that live inside objects of k, in the order of its table.
func children(k *resource.Kind) []*resource.Kind {
	return targets([]*resource.Kind{k}, resource.Children)
}

// linked returns the kinds that fields of these kinds and of their children name, each once.
func linked(kinds []*resource.Kind) []*resource.Kind {
	all := kinds
	for _, k := range kinds {
		all = append(all[:len(all):len(all)], children(k)...)
	}
	return targets(all, resource.Link, resource.Links)
}

// targets returns the kinds that fields of those types refer to, each once.
func targets(kinds []*resource.Kind, types ...resource.Type) []*resource.Kind {
	var found []*resource.Kind
	for _, k := range kinds {
		for _, f := range k.Fields {
			if slices.Contains(types, f.Type) && !slices.Contains(found, f.To) {
				found = append(found, f.To)
			}
		}
	}
	return found
}

// title is the name of k in headings and definitions; kinds that share a name are told
// apart by their selector.
func title(k *resource.Kind) string {
	if k.Selector == "" {
		return k.Name
	}
	return k.Name + "." + k.Selector
}
