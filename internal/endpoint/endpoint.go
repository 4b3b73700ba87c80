// Package endpoint checks the addresses that secrets are sent to.
package endpoint

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// Parse parses an absolute URL that is Secure.
func Parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, errors.New("not an absolute URL")
	}
	if !Secure(u) {
		return nil, errors.New("must be https, or http on a loopback interface")
	}
	return u, nil
}

// Secure reports whether u is https, or http on a loopback interface: others on the
// network cannot read a request to it.
func Secure(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname())
}

// IsLoopback reports whether host, a name or an address without a port, is a
// loopback interface. Names are compared as DNS compares them: in any case, and
// with or without a dot at the end.
func IsLoopback(host string) bool {
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || net.ParseIP(host).IsLoopback()
}
