package exchangetest

import (
	"net/http"
	"net/url"
)

// A rewriter sends requests for Google's sign-in hosts to the server.
type rewriter struct {
	server *Server
	base   http.RoundTripper
}

var googleHosts = map[string]bool{
	"accounts.google.com":          true,
	"oauth2.googleapis.com":        true,
	"openidconnect.googleapis.com": true,
	"www.googleapis.com":           true,
}

func (t *rewriter) RoundTrip(r *http.Request) (*http.Response, error) {
	if googleHosts[r.URL.Hostname()] {
		to, err := url.Parse(t.server.URL)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *rewriter) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
