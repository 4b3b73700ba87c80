// Package exchange turns Google's one-time authorization codes into tokens.
package exchange

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/flight"
)

// A Client speaks to Google's token and revocation endpoints for one OAuth
// client. It is safe for concurrent use and needs no closing.
type Client struct {
	// Where fmt finds a Client in an unexported field it looks inside without
	// asking, through pointers too, but not into a function.
	secret    func() string
	roundTrip func(*http.Request) (*http.Response, error)

	cfg      *Config       // without ClientSecret
	timeout  time.Duration // of one call
	authPage *url.URL
	flights  *flight.Group[*answer]
	codes    *codes
}

// New returns a Client for cfg, of which it keeps a copy. An error names the
// field that is wrong.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	authPage, err := url.Parse(cfg.Endpoint.AuthURL)
	if err != nil {
		return nil, errors.New("exchange: Config.Endpoint.AuthURL: not a URL")
	}
	secret := cfg.ClientSecret
	cfg.ClientSecret = ""
	c := &Client{
		secret:    func() string { return secret },
		cfg:       &cfg,
		roundTrip: http.DefaultTransport.RoundTrip,
		timeout:   callTimeout,
		authPage:  authPage,
		flights:   new(flight.Group[*answer]),
		codes:     new(codes),
	}
	if given := cfg.HTTPClient; given != nil {
		if given.Transport != nil {
			c.roundTrip = given.Transport.RoundTrip
		}
		if given.Timeout > 0 {
			c.timeout = min(c.timeout, given.Timeout)
		}
	}
	return c, nil
}
