package idtoken

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/names"
)

// Config configures a [Verifier].
type Config struct {
	// Audiences are the OAuth client IDs for which this backend accepts tokens.
	// At least one is required. With an iOS or Android app that names a server
	// client ID, that is the server's (web) client, not the app's.
	Audiences []string

	// AuthorizedParties are clients that may request tokens for this backend
	// (azp), in addition to Audiences and to the clients in the Cloud project of
	// the token's audience. Few backends need any.
	AuthorizedParties []string

	// HostedDomains restricts sign-in to accounts of these Google Workspace
	// domains; "*" stands for any Workspace domain. If empty, every account may
	// sign in.
	HostedDomains []string

	// Leeway is the clock difference that is tolerated, at most 10 minutes. If
	// zero, 1 minute is used.
	Leeway time.Duration

	// Keys are the keys that sign tokens. If nil, Google's keys are used, from
	// [RemoteKeys], fetched with HTTPClient.
	Keys KeySource

	// CacheSize is the number of verified tokens to remember, a few KiB each, so
	// that a client that sends its ID token with every request costs one signature
	// check. All other rules are checked again each time. When the cache is full,
	// tokens that have expired or were not used recently make room. If zero, none
	// are remembered.
	CacheSize int

	// HTTPClient fetches Google's keys. If nil, a plain one is used.
	HTTPClient *http.Client

	// Now is the clock. If nil, time.Now is used.
	Now func() time.Time
}

const (
	defaultLeeway = time.Minute
	maxLeeway     = 10 * time.Minute
)

func (c Config) validate() error {
	if len(c.Audiences) == 0 {
		return errors.New("idtoken: Config.Audiences: at least one client ID is required")
	}
	for field, list := range map[string][]string{
		"Audiences":         c.Audiences,
		"AuthorizedParties": c.AuthorizedParties,
		"HostedDomains":     c.HostedDomains,
	} {
		if err := names.Check(list); err != nil {
			return fmt.Errorf("idtoken: Config.%s: %w", field, err)
		}
	}
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		return fmt.Errorf("idtoken: Config.Leeway: %v is not between 0 and %v", c.Leeway, maxLeeway)
	}
	if c.CacheSize < 0 {
		return fmt.Errorf("idtoken: Config.CacheSize: %d is negative", c.CacheSize)
	}
	return nil
}
