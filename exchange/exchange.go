// Package exchange turns Google's one-time authorization codes into tokens.
package exchange

import (
	"net/http"

	"github.com/seed3a054f9c/googlesignin/internal/flight"
)

// A Client speaks to Google's token and revocation endpoints for one OAuth
// client. It is safe for concurrent use and needs no closing.
type Client struct {
	// All fields are pointers: a copy shares them, and printing a Client from
	// inside somebody's struct shows addresses instead of the secret.
	cfg     *Config
	http    *http.Client
	flights *flight.Group[*answer]
	codes   *codes
}

// New returns a Client for cfg, of which it keeps a copy. An error names the
// field that is wrong.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	return &Client{
		cfg:     &cfg,
		http:    cfg.client(),
		flights: new(flight.Group[*answer]),
		codes:   new(codes),
	}, nil
}
