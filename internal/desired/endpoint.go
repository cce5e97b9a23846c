package desired

import (
	"errors"
	"net/url"
	"strings"

	"kmagent/internal/resource"
)

// normEndpoint returns the one spelling of a cluster's address, "https://host" or
// "https://host:port": the host as a key server's, port 443 left out. Its error is a remedy
// and does not repeat s, which may hold a password.
func normEndpoint(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Opaque != "":
		return "", errors.New("not an address; write https://host or https://host:port")
	case u.Scheme != "https":
		return "", errors.New("must begin with https://: kmagent sends secrets")
	case u.User != nil:
		return "", errors.New("must not hold a user or a password; write them under auth")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return "", errors.New("must end after the host or its port; kmagent adds /api itself")
	case strings.Count(u.Host, ":") > 1 && !strings.HasPrefix(u.Host, "["):
		return "", errors.New("an IPv6 address is written https://[address]")
	}
	server, err := resource.NormServer(u.Host)
	if err != nil {
		return "", err
	}
	host, port := resource.HostOf(server), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || server == host+":443" {
		return "https://" + host, nil
	}
	return "https://" + server, nil
}
