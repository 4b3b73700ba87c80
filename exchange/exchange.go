// Package exchange turns Google's one-time authorization codes into tokens.
package exchange

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/seed3a054f9c/googlesignin/internal/flight"
)

// A Client speaks to Google's token and revocation endpoints for one OAuth
// client. It is safe for concurrent use and needs no closing.
type Client struct {
	// Where fmt finds a Client in an unexported field it looks inside without
	// asking, through pointers too, but not into a function.
	secret func() string

	cfg      *Config // without ClientSecret
	http     *http.Client
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
	return &Client{
		secret:   func() string { return secret },
		cfg:      &cfg,
		authPage: authPage,
		http:     cfg.client(),
		flights:  new(flight.Group[*answer]),
		codes:    new(codes),
	}, nil
}
