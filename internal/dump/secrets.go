package dump

import (
	"strconv"
	"strings"

	"kmagent/internal/resource"
)

// inPlace says whether the secret of field f must be there, although no GET returns it: the
// kind has none without it, what goes with it is there, or ONTAP tells that it is the one in
// use among several. A release that tells nothing of that knows one way alone.
func inPlace(o *resource.Object, f *resource.Field) bool {
	switch {
	case f.Flags.Has(resource.Required):
		return true
	case f.With != "":
		return o.Value(f.With).Text() != ""
	case f.Told.Field != "":
		told := o.Value(f.Told.Field).Str()
		return told == f.Told.Word || told == "" && f.For == ""
	case o.Kind == resource.GCP && f.Name == "application_credentials":
		return o.Value("authentication_method").Str() != "sa_credentials_attachment"
	default:
		return false
	}
}

// mayBe says whether a secret that need not be there has a user name beside it.
func mayBe(o *resource.Object, f *resource.Field) bool {
	user, ok := strings.CutSuffix(f.Name, "password")
	return ok && o.Value(user+"username").Str() != ""
}

// fillMe begins the name of every credential that somebody has to make.
const fillMe = "FILL_ME"

// maxCredential is less than the longest name of a credential, so that a number fits.
const maxCredential = 200

// references are the names given out so far: two secrets must not get one.
type references map[string]bool

// of returns a reference for the secret of an object: what it is of, where, and which.
// The field is empty for the one secret that an object must have.
func (r references) of(o *resource.Object, field string) string {
	words := []string{fillMe, o.Kind.Type, o.Addr.SVM, o.Addr.Name, field}
	if o.Kind.Type == "" {
		words[1] = o.Kind.Name
	}
	if o.Addr.SVM == "" {
		words[2] = "cluster"
	}
	var name []string
	for _, w := range words {
		if w = credential(w); w != "" {
			name = append(name, w)
		}
	}
	base := strings.Join(name, "_")
	base = base[:min(len(base), maxCredential)]
	unique := base
	for n := 2; r[unique]; n++ {
		unique = base + "_" + strconv.Itoa(n)
	}
	r[unique] = true
	return "cred:" + unique
}

// credential makes a word fit for a file's name: a colon may not stand in a credential.
func credential(s string) string {
	fit := strings.Map(func(r rune) rune {
		if plain(r) {
			return r
		}
		return '_'
	}, s)
	return strings.Trim(fit, "_")
}
