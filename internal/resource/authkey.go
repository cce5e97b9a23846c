package resource

import (
	"errors"
	"regexp"
	"strings"

	"kmagent/internal/schedule"
)

// AuthKey is an authentication key of self-encrypting drives, which ONTAP keeps on the key
// servers of the cluster's external key manager (ONTAP REST reference,
// security/key-managers/{uuid}/auth-keys). Its tag is the only name that it can be given.
var AuthKey = &Kind{
	Name:     "auth_key",
	Section:  "auth_keys",
	Path:     "auth-keys",
	Under:    External,
	NeedsAll: true,
	Identity: "key_tag",
	Tagged:   true,
	ID:       "key_id",
	Scopes:   ClusterScope,
	Since:    Version{9, 12, 0},
	Doc:      "An authentication key of self-encrypting drives (NSE), on the key servers of the cluster's external key manager.",
	Fields: []Field{
		{Name: "key_tag", Type: String, Flags: Required | Create, Min: 1, Max: maxTag, Norm: normKeyTag,
			Doc: "The key's name: printable ASCII without blanks. ONTAP lets several keys have the same; kmagent makes none where there is one."},
		{Name: "passphrase", Type: Secret, Flags: Create, Min: 20, Max: 32,
			WayOut: "make a key with another key_tag, have the drives use it (storage encryption disk modify -data-key-id), then give this one state: absent",
			Doc:    "A reference to the key's passphrase. Without it ONTAP makes one up."},
		timed("rotate", RotateKey, "When a new key is made, with the date of the slot behind the tag: nse-2026-11-01. Of those, the newest keep stay; an older one goes once no drive uses it."),
		{Name: "key_id", Type: String, Doc: "The key's id on the key servers, by which drives name it."},
	},
}

// RotateKey is the action that makes a new generation of an authentication key, and RetireKey
// the removal of an old one.
const (
	RotateKey = "rotate"
	RetireKey = "retire"
)

// KeepKeys is how many generations of a key stay, if the file does not say.
const KeepKeys = 2

// maxTag is how long a tag may be.
const maxTag = 32

// KeyInUse says whether an ONTAP error code means that a key stays because drives use it.
func KeyInUse(code string) bool { return code == "65536859" }

// GenerationTag is the tag of the key that a slot of the timing makes: the date behind the tag,
// and the time where one date may have several.
func GenerationTag(tag string, t Timing, slot schedule.Slot) string {
	date, clock, _ := strings.Cut(slot.Local, "T")
	if tag += "-" + date; !schedule.Daily(t.Schedule) {
		tag += "T" + strings.ReplaceAll(clock, ":", "")
	}
	return tag
}

var generation = regexp.MustCompile(`^-[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{4}([0-9]{2})?)?$`)

// IsGeneration says whether a tag is one that some [GenerationTag] of the other has.
func IsGeneration(name, tag string) bool {
	rest, ok := strings.CutPrefix(name, tag)
	return ok && generation.MatchString(rest)
}

// LongestTag is how long a tag may be for the timing's generations to have one.
func LongestTag(t Timing) int {
	longest := schedule.Slot{Local: "2026-11-01T03:00"}
	if len(strings.Fields(t.Schedule)) == 6 {
		longest.Local += ":30"
	}
	return maxTag - len(GenerationTag("", t, longest))
}

// normKeyTag lets pass what a tag may hold (65536056).
func normKeyTag(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("a tag is printable ASCII without blanks")
	}
	return s, nil
}
