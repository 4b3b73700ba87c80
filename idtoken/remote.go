package idtoken

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
	"github.com/seed3a054f9c/googlesignin/internal/flight"
)

// googleKeysURL is jwks_uri in
// https://accounts.google.com/.well-known/openid-configuration.
const googleKeysURL = "https://www.googleapis.com/oauth2/v3/certs"

const (
	defaultFetchTimeout = 10 * time.Second
	retryInterval       = 10 * time.Second // from the end of one fetch to the start of the next
	maxStale            = 24 * time.Hour   // for which keys serve after they have expired
)

// RemoteConfig configures a [RemoteKeySet]. Its zero value is for Google's keys.
type RemoteConfig struct {
	// URL serves a JWK set (RFC 7517). A server that answers in its place can sign
	// in as any user, so it must be https, or, for a fake, http on a loopback
	// interface. If empty, https://www.googleapis.com/oauth2/v3/certs is used.
	URL string

	// HTTPClient makes the requests. Redirects are not followed. If nil, a plain
	// one is used.
	HTTPClient *http.Client

	// Timeout bounds one fetch, and so how long a user waits for it. If zero,
	// 10 seconds are used.
	Timeout time.Duration

	// Now is the clock. If nil, time.Now is used.
	Now func() time.Time
}

// A RemoteKeySet is the keys that a server publishes, fetched again when they are
// due. It is safe for concurrent use; make one with [RemoteKeys].
//
//   - Keys are fetched when they are first needed and stay good for as long as
//     the response's Cache-Control and Age allow, but at least 5 minutes and at
//     most 24 hours. After 80 % of that time the next use fetches them again in
//     the background; there is no goroutine in between. While the machine sleeps
//     that time passes, too, and a clock that is set back does not prolong it.
//   - Keys that have expired are fetched again by the next use, and all callers
//     wait for that. If it fails, the expired keys stay in use for up to 24 hours,
//     with another attempt every 10 seconds. Callers that come during an attempt
//     wait for it: if the server does not answer at all, for the whole of
//     RemoteConfig.Timeout, and a caller whose ctx ends before that fails. If that
//     is too long, set a Timeout of a second or two.
//   - An unknown kid has the keys fetched again, since they may have been
//     rotated, but not within 10 seconds of the last fetch.
//   - Without any keys that may be used, the first use after a failed fetch
//     fetches again at once, so that sign-ins work as soon as the server does.
//     While a server fails quickly, that is up to one request for each token of
//     good form, one after another. [RemoteKeySet.Prefetch] before the first token
//     comes avoids that.
//
// All callers share one fetch, which continues when they stop waiting for it.
type RemoteKeySet struct {
	url     string
	client  *http.Client
	timeout time.Duration
	now     func() time.Time

	flight flight.Group[*view]
	view   atomic.Pointer[view] // replaced by every fetch; never nil
}

// A view is the state after a fetch. Only refreshing changes after that.
type view struct {
	keys    *keySet   // nil if none were ever fetched
	err     error     // of the last fetch
	retryAt time.Time // the earliest next fetch, unless there are no keys to use

	refreshing atomic.Bool // whether a background fetch has been started
}

// RemoteKeys returns a key set. It does no I/O.
func RemoteKeys(cfg RemoteConfig) (*RemoteKeySet, error) {
	r := &RemoteKeySet{url: cfg.URL, timeout: cfg.Timeout, now: cfg.Now}
	if r.url == "" {
		r.url = googleKeysURL
	}
	if _, err := endpoint.Parse(r.url); err != nil {
		return nil, fmt.Errorf("idtoken: RemoteConfig.URL: %w", err)
	}
	if r.timeout < 0 {
		return nil, fmt.Errorf("idtoken: RemoteConfig.Timeout: %v is negative", r.timeout)
	}
	if r.timeout == 0 {
		r.timeout = defaultFetchTimeout
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.client = withoutRedirects(cfg.HTTPClient)
	r.view.Store(&view{})
	return r, nil
}

// Key returns the key with this ID, and fetches the keys if necessary.
func (r *RemoteKeySet) Key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	v, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	if key, ok := v.keys.byID[kid]; ok {
		return key, nil
	}
	if reached(v.retryAt, r.now()) {
		if v, err = r.fetch(ctx, v); err != nil {
			return nil, unavailable(err)
		}
		if key, ok := v.keys.byID[kid]; ok {
			return key, nil
		}
	}
	if v.err != nil { // the kid may be that of a key we could not learn of
		return nil, unavailable(v.err)
	}
	return nil, errNoSuchKey
}

// Prefetch fetches the keys if there are none to verify with, for a readiness
// probe or before the first user comes. The error wraps [ErrKeysUnavailable].
func (r *RemoteKeySet) Prefetch(ctx context.Context) error {
	_, err := r.usable(ctx)
	return err
}

// usable returns a view whose keys may be used now.
func (r *RemoteKeySet) usable(ctx context.Context) (*view, error) {
	v, now := r.view.Load(), r.now()
	due := reached(v.retryAt, now)
	if v.keys.fresh(now) {
		if due && reached(v.keys.refreshAt, now) {
			r.refresh(v)
		}
		return v, nil
	}
	if !due && v.keys.serve(now) {
		return v, nil
	}
	v, err := r.fetch(ctx, v)
	if err != nil {
		return nil, unavailable(err)
	}
	if v.err != nil && !v.keys.serve(r.now()) {
		return nil, unavailable(v.err)
	}
	return v, nil
}

// fetch returns the view that follows seen. It fails only if ctx ends.
func (r *RemoteKeySet) fetch(ctx context.Context, seen *view) (*view, error) {
	return r.flight.Do(ctx, "", r.timeout, r.advance(seen))
}

// refresh starts a fetch in the background, once for each view.
func (r *RemoteKeySet) refresh(seen *view) {
	if seen.refreshing.CompareAndSwap(false, true) {
		r.flight.Start("", r.timeout, r.advance(seen))
	}
}

var errBrokenOff = errors.New("fetching keys: the transport panicked, or ended its goroutine")

// advance returns a function that fetches and stores the view that follows seen,
// unless another call has done so. A fetch that panics counts as failed.
func (r *RemoteKeySet) advance(seen *view) func(context.Context) (*view, error) {
	return func(ctx context.Context) (*view, error) {
		if now := r.view.Load(); now != seen {
			return now, nil
		}
		next := &view{keys: seen.keys, err: errBrokenOff}
		defer func() {
			next.retryAt = r.now().Add(retryInterval)
			r.view.Store(next)
		}()
		var keys *keySet
		if keys, next.err = r.download(ctx); next.err == nil {
			next.keys = keys
		}
		return next, nil
	}
}

func unavailable(cause error) error {
	return fmt.Errorf("%w: %w", ErrKeysUnavailable, cause)
}

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

// withoutRedirects returns a client that treats a redirect as a failure: only the
// configuration decides which server the keys come from.
func withoutRedirects(c *http.Client) *http.Client {
	var own http.Client
	if c != nil {
		own = *c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
