package tokenstore

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// hosts is where a bearer token may go: host names, without or with a port.
type hosts []string

func newHosts(names []string) (list hosts, wrong string) {
	if len(names) == 0 {
		return hosts{"googleapis.com"}, ""
	}
	list = make(hosts, len(names))
	for i, name := range names {
		u, err := url.Parse("https://" + name)
		if err != nil || u.Host != name || u.Hostname() == "" || strings.HasPrefix(name, ".") || strings.Contains(name, "*") {
			return nil, fmt.Sprintf("Hosts has %q, which is no host name", name)
		}
		list[i] = normal(name)
	}
	return list, ""
}

func normal(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// allow tells whether a token may be sent to u: to a name on the list or one
// below it, over https, or over http if it is this machine.
func (h hosts) allow(u *url.URL) bool {
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return false
	}
	name := normal(u.Hostname())
	return slices.ContainsFunc(h, func(allowed string) bool {
		if allowed == normal(u.Host) || allowed == name {
			return true
		}
		return !isAddress(allowed) && strings.HasSuffix(name, "."+allowed)
	})
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

func isLoopback(host string) bool {
	return normal(host) == "localhost" || net.ParseIP(host).IsLoopback()
}

// followed tells whether req is what became of a redirect, and if so, whether
// all of its way was on one host: only then it may carry the token.
func followed(req *http.Request) (redirect, sameHost bool) {
	sameHost = true
	for r := req; r.Response != nil && r.Response.Request != nil; {
		redirect, r = true, r.Response.Request
		if r.URL.Scheme != req.URL.Scheme || normal(r.URL.Host) != normal(req.URL.Host) {
			sameHost = false
		}
	}
	return redirect, sameHost
}
