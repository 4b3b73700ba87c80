package exchangetest

import (
	"net/http"
	"net/url"
)

// impersonator takes requests for Google's sign-in hosts to the server instead.
type impersonator struct {
	server *Server
	base   http.RoundTripper
}

var googleHosts = map[string]bool{
	"accounts.google.com":          true,
	"oauth2.googleapis.com":        true,
	"openidconnect.googleapis.com": true,
	"www.googleapis.com":           true,
}

func (i *impersonator) RoundTrip(r *http.Request) (*http.Response, error) {
	if googleHosts[r.URL.Hostname()] {
		to, err := url.Parse(i.server.URL)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	}
	return i.base.RoundTrip(r)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (i *impersonator) CloseIdleConnections() {
	if c, ok := i.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
