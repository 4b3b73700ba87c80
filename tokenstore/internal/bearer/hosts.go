package bearer

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
)

// Hosts is where a token may go: host names, without or with a port.
type Hosts []string

// NewHosts returns names as Hosts, or what is wrong with them.
func NewHosts(names []string) (list Hosts, wrong string) {
	list = make(Hosts, len(names))
	for i, name := range names {
		u, err := url.Parse("https://" + name)
		if err != nil || u.Host != name || !isHost(name) || !isPort(u) || strings.HasPrefix(name, ".") {
			return nil, fmt.Sprintf("Hosts has %q, which is no host name", name)
		}
		list[i] = normal(u.Hostname())
		if port := u.Port(); port != "" {
			list[i] = net.JoinHostPort(list[i], port)
		}
	}
	return list, ""
}

// isHost refuses what ends a host for somebody else: a URL that was put together
// by hand may have anything in it.
func isHost(host string) bool {
	ends := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\?#@*`, r) }
	return host != "" && host[0] != ':' && !strings.ContainsFunc(host, ends)
}

// isPort refuses a colon without a port behind it, and one beyond 65535.
func isPort(u *url.URL) bool {
	port := u.Port()
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" && !strings.HasSuffix(u.Host, ":") || err == nil && n > 0
}

func normal(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// port is that of u, spelt out or not.
func port(u *url.URL) string {
	if u.Port() == "" && u.Scheme == "http" {
		return "80"
	}
	return cmp.Or(u.Port(), "443")
}

// refuse returns why a token must not be sent with req, or "": it goes to a name on
// the list or one below it, over https, or over http if it is this machine. A Host
// header names such a host too, because a server or a proxy may go by that.
func (h Hosts) refuse(req *http.Request) string {
	u := req.URL
	switch {
	case !h.contain(u):
		return "it is none of Config.Hosts"
	case !endpoint.Secure(u):
		return "it is " + u.Scheme + ", not https"
	case req.Host != "" && req.Host != u.Host && !h.contain(&url.URL{Scheme: u.Scheme, Host: req.Host}):
		return "its Host header is none of Config.Hosts"
	}
	return ""
}

// contain reports whether the host of u is on the list, or below one on it.
func (h Hosts) contain(u *url.URL) bool {
	if !isHost(u.Host) {
		return false
	}
	name := normal(u.Hostname())
	withPort := net.JoinHostPort(name, port(u))
	return slices.ContainsFunc(h, func(allowed string) bool {
		if allowed == withPort || allowed == name {
			return true
		}
		// What follows a colon is a port or part of an IPv6 address, whose zone may be
		// any text: neither is the end of a name.
		return !isAddress(allowed) && !strings.Contains(name, ":") && strings.HasSuffix(name, "."+allowed)
	})
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// followed reports whether req is what became of a redirect, and if so, whether
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
