package resource

import (
	"errors"
	"net/url"
	"strings"
)

// What the cloud key managers share (ONTAP REST reference, facts shared by the KMS
// resources).

// RekeyInternal is the action whose only evidence is the set of keys that it replaces.
const RekeyInternal = "rekey_internal"

// Since when the actions exist differs; what they do does not.
func rekeyInternal(since Version) Action {
	return Action{Name: RekeyInternal, Path: "rekey-internal", Since: since, Repeat: Never,
		Doc: "A new key of the SVM: every volume key is wrapped anew with it."}
}

func rekeyExternal(since Version, body ...string) Action {
	parts := make([]Part, len(body))
	for i, f := range body {
		parts[i].Field = f
	}
	return Action{Name: "rekey_external", Path: "rekey-external", Since: since, Body: parts, Due: OnDifference, Repeat: Converges,
		Doc: "Another key of the cloud service protects the SVM's key. The old one must stay usable until that has succeeded."}
}

// Halfway says whether an ONTAP error code means that a rekey was made for some nodes and not for
// others, or that some were not given the keys afterwards (ONTAP REST reference, the tables of
// rekey-external, rekey-internal and restore).
func Halfway(code string) bool {
	switch code {
	case "65537729", "65537919", "65539855", "65539856", "65537515", "65537722", "65536082":
		return true
	}
	return false
}

// again is an action that makes something new of equal values, too: AWS KMS gives the key that
// is named already a new version when it has rotated it (ONTAP REST reference, facts shared by
// the KMS resources).
func again(a Action) Action {
	a.Again = true
	return a
}

// proxyFields are the fields of a proxy between ONTAP and the service.
func proxyFields(since Version) []Field {
	return []Field{
		{Name: "proxy_type", Type: String, Flags: Create | Patch, Since: since, Enum: []string{"http", "https"}, Doc: "The proxy's protocol."},
		{Name: "proxy_host", Type: String, Flags: Create | Patch, Since: since, Max: 253, Doc: "The proxy's host; empty for none."},
		{Name: "proxy_port", Type: Integer, Flags: Create | Patch, Since: since, Min: 0, Max: 65535, Default: Int(0), Doc: "The proxy's port; 0 for none."},
		{Name: "proxy_username", Type: String, Flags: Create | Patch, Since: since, Max: 255, Doc: "The user at the proxy."},
		{Name: "proxy_password", Type: Secret, Flags: Create | Patch, Since: since, Max: 256, Doc: "A reference to that user's password."},
	}
}

// normHTTPS returns the one spelling of an https URL: scheme and host in lower case, no
// default port, no slash at the end. Its error is a remedy and does not repeat s.
func normHTTPS(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("must be a URL like https://host/path, without user, query or fragment")
	}
	host, err := normHost(u.Hostname())
	if err != nil {
		return "", err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p := u.Port(); p != "" && p != "443" {
		host += ":" + p
	}
	return "https://" + host + strings.TrimRight(u.EscapedPath(), "/"), nil
}
