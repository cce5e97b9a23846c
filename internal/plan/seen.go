package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strconv"

	"kmagent/internal/resource"
)

// Seen returns a digest of an object as it was found: its id, its values and its children. It
// is "" for one that is not there. What is costly to read, such as reachability, is not in it:
// it is not part of every look, and what depends on it is decided anew with each.
func Seen(o *resource.Object) string {
	if o == nil {
		return ""
	}
	h := sha256.New()
	see(h, o)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func see(h hash.Hash, o *resource.Object) {
	put(h, o.Kind.Name, o.Kind.Type, o.Addr.String(), o.ID)
	put(h, o.Twins...)
	for i := range o.Kind.Fields {
		if f := &o.Kind.Fields[i]; !f.Flags.Has(resource.Advanced) && f.Type != resource.Children {
			put(h, append([]string{f.Name}, words(f, o.Values[i])...)...)
		}
	}
	children := slices.SortedFunc(slices.Values(o.Children), func(a, b *resource.Object) int { return a.Addr.Compare(b.Addr) })
	put(h, strconv.Itoa(len(children)))
	for _, c := range children {
		see(h, c)
	}
}

// put writes a list so that no other list writes the same.
func put(h hash.Hash, list ...string) {
	fmt.Fprintf(h, "%d\n", len(list))
	for _, s := range list {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
}

// words are what a value comes to. Nothing, and what ONTAP may leave out instead, are no words;
// a link is its UUID, since the name beside it is not always sent.
func words(f *resource.Field, v resource.Value) []string {
	var list []string
	switch {
	case v.Link() != resource.LinkTo{}:
		return []string{v.Link().UUID}
	case v.Links() != nil:
		for _, l := range v.Links() {
			list = append(list, l.UUID)
		}
	case v.Strings() != nil:
		list = slices.Clone(v.Strings())
	case v.Text() != "":
		return []string{v.Text()}
	}
	if f.Flags.Has(resource.Unordered) {
		slices.Sort(list)
	}
	return list
}
