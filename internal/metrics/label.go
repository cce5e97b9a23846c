package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kmagent/internal/resource"
)

// maxLabel bounds a label's value in bytes. No name in ONTAP that we export is longer than
// that, save a host name nobody has.
const maxLabel = 128

// label makes any text fit for a label: valid UTF-8, which the client library wants on pain
// of a panic, nothing that does not print, and no more than [maxLabel] bytes. Decent text
// stays as it is.
func label(s string) string {
	if len(s) <= maxLabel && isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > maxLabel {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// other stands for everything outside a closed set.
const other = "other"

func methodLabel(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete:
		return m
	default:
		return other
	}
}

// codeLabel keeps the codes that HTTP knows and 0 for no answer: a server may send any
// three digits.
func codeLabel(code int) string {
	if code == 0 || http.StatusText(code) != "" {
		return strconv.Itoa(code)
	}
	return other
}

// endpoints are the templates of the paths that the agent requests, cut at the slashes. A
// segment in braces stands for any one segment.
var endpoints = templates()

func templates() [][]string {
	paths := []string{
		"cluster",
		"cluster/nodes",
		"cluster/jobs",
		"cluster/jobs/{uuid}",
		"cluster/metrocluster",
		"svm/svms",
		resource.Certificate.Path,
		"security/key-stores",
		"security/key-stores/{uuid}",
		"security/key-managers/{uuid}/keys/{node}/key-ids",
	}
	for _, k := range resource.All() {
		paths = append(paths, k.Collection())
		if k.Singleton {
			continue
		}
		one := k.Collection() + "/{" + k.ID + "}"
		paths = append(paths, one)
		for _, a := range k.Actions {
			if a.Path != "" {
				paths = append(paths, one+"/"+a.Path)
			}
		}
		if i := k.Children(); i >= 0 {
			child := k.Fields[i].To
			paths = append(paths, one+"/"+child.Path, one+"/"+child.Path+"/{"+child.ID+"}")
		}
	}
	split := make([][]string, len(paths))
	for i, p := range paths {
		split[i] = strings.Split(p, "/")
	}
	return split
}

// endpoint returns the template of a path, or [other].
func endpoint(path string) string {
	path, _, _ = strings.Cut(path, "?")
	path = strings.TrimPrefix(strings.Trim(path, "/"), "api/")
	segments := strings.Split(path, "/")
	for _, t := range endpoints {
		if slices.EqualFunc(t, segments, fits) {
			return "/" + strings.Join(t, "/")
		}
	}
	return other
}

func fits(template, segment string) bool {
	return template == segment || template[0] == '{' && segment != ""
}
