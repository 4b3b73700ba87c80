package idtoken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxJWKS is the longest key set read; Google's has some 1,500 bytes.
const maxJWKS = 1 << 20

// download fetches the keys once.
func (r *RemoteKeySet) download(ctx context.Context) (*keySet, error) {
	now := r.now() // before the request: its time on the way counts as age
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching keys: %s answers with status %d", req.URL.Redacted(), resp.StatusCode)
	}
	jwks, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	if len(jwks) > maxJWKS {
		return nil, errors.New("fetching keys: the answer is longer than 1 MiB")
	}
	ttl := timeToLive(resp.Header)
	keys, err := newKeySet(jwks, now.Add(ttl), ttl)
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %s: %w", req.URL.Redacted(), err)
	}
	return keys, nil
}

// withoutRedirects returns a client that takes a redirect for a failure: who
// serves the keys is configured, not told by a server.
func withoutRedirects(c *http.Client) *http.Client {
	var own http.Client
	if c != nil {
		own = *c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
