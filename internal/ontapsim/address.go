package ontapsim

import (
	"net"
	"strconv"
	"strings"
)

// defaultPort is KMIP's port, which a server without one gets.
const defaultPort = "5696"

// withPort is a server's name as ONTAP keeps it, host:port, and whether it is well formed.
func withPort(server string) (string, bool) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = strings.Trim(server, "[]"), defaultPort
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || !validHost(host) {
		return server, false
	}
	return net.JoinHostPort(host, port), true
}

// validHost tells whether a name can be a host: an address, or labels of letters, digits
// and hyphens.
func validHost(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
				return false
			}
		}
	}
	return true
}
