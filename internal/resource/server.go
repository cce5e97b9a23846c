package resource

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultKMIPPort is appended by ONTAP to a key server without one.
const DefaultKMIPPort = 5696

// NormServer returns the one spelling of a primary key server, "host:port": lower case, no
// trailing dot, the default port filled in, an IPv6 address in brackets and compressed. Its
// error is a remedy and does not repeat s.
func NormServer(s string) (string, error) {
	host, port := s, strconv.Itoa(DefaultKMIPPort)
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", errors.New("an IPv6 address with a port is written [address]:port")
		}
		host = s[1:end]
		if rest := s[end+1:]; rest != "" {
			p, ok := strings.CutPrefix(rest, ":")
			if !ok {
				return "", errors.New("an IPv6 address with a port is written [address]:port")
			}
			port = p
		}
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
			return "", errors.New("what stands in brackets must be an IPv6 address")
		}
	case strings.Count(s, ":") == 1:
		host, port, _ = strings.Cut(s, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '+' {
		return "", errors.New("the port must be a number from 1 to 65535")
	}
	host, err = normHost(host)
	if err != nil {
		return "", err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.FormatUint(n, 10), nil
}

// NormSecondary returns the one spelling of a secondary key server, a host without a port:
// ONTAP uses the port of the primary (code 65538413 for an address with one).
func NormSecondary(s string) (string, error) {
	host := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		host = s[1 : len(s)-1]
	} else if strings.HasPrefix(s, "[") || strings.Count(s, ":") == 1 {
		return "", errors.New("a secondary key server has no port: it uses its primary's")
	}
	return normHost(host)
}

// HostOf returns the host of a primary's spelling as [NormSecondary] would spell it.
func HostOf(server string) string {
	host := server
	if i := strings.LastIndexByte(server, ':'); i >= 0 {
		host = server[:i]
	}
	return strings.Trim(host, "[]")
}

func normHost(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return "", errors.New("an address with a zone means something else on every node")
		}
		return a.Unmap().String(), nil
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
		// Before ToLower: it makes plain letters of some that are not.
		return "", errors.New("not a host name: write an internationalised one in its ASCII form, xn--…")
	}
	host := strings.TrimSuffix(strings.ToLower(s), ".")
	if host == "" || len(host) > 253 {
		return "", errors.New("a host name has 1 to 253 characters")
	}
	if strings.Contains(host, ":") {
		return "", errors.New("not an IPv6 address")
	}
	for _, label := range strings.Split(host, ".") {
		if !isLabel(label) {
			return "", errors.New("not a host name: letters, digits and dashes in labels of 1 to 63")
		}
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return "", errors.New("not an IPv4 address: four numbers from 0 to 255")
	}
	return host, nil
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, r := range s {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}
