package tokenstore

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/bearer"
)

// HTTPClient returns a client that sends each request with the user's access
// token, for the API clients of Google and others, also when the user is away.
//
// The token goes to [Config].Hosts only. A request for another host, with a Host
// header that names another one, or without TLS is refused before anything is
// sent. If a redirect leads to another host, the request goes there without the
// token, as the signed URLs of downloads want it.
//
// After a 401 the token is replaced and the request is sent once more, if it has
// no body or one that GetBody can repeat. After a 403 whose WWW-Authenticate
// header says insufficient_scope (RFC 6750 section 3.1) the record is read: if
// the user has granted more since, the request is sent once more with a token of
// that grant. An error about the token, such as [*ConsentError], comes through
// the [*url.Error] of the client.
//
// The Request of a response is the one that the client was given, without the
// token. All clients of a Manager share the connections of [Config].Transport.
func (m *Manager) HTTPClient(subject string) *http.Client {
	return &http.Client{Transport: &bearer.Transport{
		Source: &bearerTokens{m, strings.Clone(subject)},
		Hosts:  m.hosts,
		Base:   m.config.Transport,
	}}
}

// bearerTokens implements [bearer.Source].
type bearerTokens struct {
	m       *Manager
	subject string
}

func (b *bearerTokens) Token(ctx context.Context) (*oauth2.Token, error) {
	return b.m.Token(ctx, b.subject)
}

func (b *bearerTokens) Replayed(ctx context.Context) {
	b.m.stats.replayed.Add(1)
	b.m.event(ctx, slog.LevelDebug, "tokenstore.replayed", b.subject)
}

func (b *bearerTokens) Refused(accessToken string) bool {
	return b.m.invalidate(b.subject, accessToken, false)
}

// Insufficient reads the record, which drops the cached token if the record is of
// another grant. It reports whether that is so, and the grant has one of the
// scopes.
func (b *bearerTokens) Insufficient(ctx context.Context, accessToken string, scopes []string) bool {
	u, err := b.m.acquire(b.subject)
	if err != nil {
		return false
	}
	defer b.m.release(u)
	g, err := b.m.load(ctx, u)
	if err != nil || g.State != Active || g.Scopes != nil && len(scopes) > 0 && len(g.Missing(scopes...)) == len(scopes) {
		return false
	}
	c := u.cached.Load()
	return c == nil || c.value != accessToken
}
