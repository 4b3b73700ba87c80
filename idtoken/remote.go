package idtoken

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/flight"
)

// GoogleKeysURL is where Google publishes the keys of its ID tokens: jwks_uri in
// https://accounts.google.com/.well-known/openid-configuration.
const GoogleKeysURL = "https://www.googleapis.com/oauth2/v3/certs"

const (
	defaultFetchTimeout = 10 * time.Second
	retryInterval       = 10 * time.Second // from the end of one fetch to the start of the next
	maxStale            = 24 * time.Hour   // for which keys serve after they have expired
)

// A RemoteConfig says where keys come from. Its zero value means Google's.
type RemoteConfig struct {
	// URL serves a JWK set (RFC 7517); [GoogleKeysURL] by default. Whoever can
	// answer in its place can sign in as anybody: it must be https, or, for a
	// fake, http on a loopback interface.
	URL string

	// HTTPClient makes the requests; nil means a plain one. Redirects are not
	// followed.
	HTTPClient *http.Client

	// Timeout bounds one fetch, and so what one can make a user wait; 10 seconds
	// by default.
	Timeout time.Duration

	// Initial is what [RemoteKeySet.Snapshot] returned, perhaps in another
	// process: a set that starts from it needs no network until those keys
	// expire, and can do without for another 24 hours. Whoever can write it can
	// sign in as anybody.
	Initial []byte

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A RemoteKeySet has the keys that a server publishes, and knows when to fetch
// them again. It is safe for concurrent use; make one with [RemoteKeys].
//
//   - Keys are fetched when they are first needed and stay good for as long as
//     the response's Cache-Control and Age allow, but at least 5 minutes and at
//     most 24 hours. After 80 % of that time the next use fetches them again in
//     the background; there is no goroutine in between.
//   - Keys that have expired are fetched again by the next use, for which all
//     callers wait. If that fails, the expired keys go on serving, for up to 24
//     hours, with another attempt every 10 seconds. Each attempt is waited for
//     too, by those who come while it lasts: with a server that does not answer
//     at all, for the whole of RemoteConfig.Timeout, and a caller whose ctx
//     ends before that fails. Where that is too long, set a Timeout of a second
//     or two.
//   - An unknown kid has the keys fetched again, since they may have been
//     rotated, but not within 10 seconds of the last fetch.
//   - Without any keys that may serve, the first use after a failed fetch
//     fetches again, at once, so that all is well as soon as the server is. For
//     as long as a server fails, and quickly, that is up to one request for
//     each token of good form, one after another. [RemoteKeySet.Prefetch]
//     before the first token comes, or RemoteConfig.Initial, keeps out of that.
//
// All callers share one fetch, which goes on when they stop waiting for it.
type RemoteKeySet struct {
	url     string
	client  *http.Client
	timeout time.Duration
	now     func() time.Time

	flight flight.Group[*view]
	view   atomic.Pointer[view] // replaced by every fetch; never nil
}

// A view is what is known after a fetch. It is immutable but for refreshing.
type view struct {
	keys    *keySet   // nil: none were ever fetched
	err     error     // of the last fetch
	retryAt time.Time // no further fetch before, unless there are no keys to serve

	refreshing atomic.Bool // a background fetch has been started
}

// RemoteKeys returns a key set. It does no I/O.
func RemoteKeys(cfg RemoteConfig) (*RemoteKeySet, error) {
	r := &RemoteKeySet{url: cfg.URL, timeout: cfg.Timeout, now: cfg.Now}
	if r.url == "" {
		r.url = GoogleKeysURL
	}
	if err := checkKeysURL(r.url); err != nil {
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
	first := &view{}
	if cfg.Initial != nil {
		var err error
		if first.keys, err = parseSnapshot(cfg.Initial, r.now()); err != nil {
			return nil, fmt.Errorf("idtoken: RemoteConfig.Initial: %w", err)
		}
	}
	r.view.Store(first)
	return r, nil
}

func checkKeysURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return errors.New("not an absolute URL")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must be https, or http on a loopback interface")
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// Key returns the key with this ID, fetching the keys if need be.
func (r *RemoteKeySet) Key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	v, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	if key, ok := v.keys.byID[kid]; ok {
		return key, nil
	}
	if !r.now().Before(v.retryAt) {
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

// Prefetch makes sure that there are keys to verify with, and fetches them
// otherwise. It is for a readiness probe, or to have the keys before the first
// user comes. The error wraps [ErrKeysUnavailable].
func (r *RemoteKeySet) Prefetch(ctx context.Context) error {
	_, err := r.usable(ctx)
	return err
}

// Snapshot returns the keys, and until when they are good, in the form that
// [RemoteConfig.Initial] takes; it fetches them if need be. The error wraps
// [ErrKeysUnavailable].
func (r *RemoteKeySet) Snapshot(ctx context.Context) ([]byte, error) {
	v, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	return v.keys.snapshot()
}

// usable returns a view whose keys may serve now.
func (r *RemoteKeySet) usable(ctx context.Context) (*view, error) {
	v, now := r.view.Load(), r.now()
	due := !now.Before(v.retryAt)
	if v.keys.fresh(now) {
		if due && !now.Before(v.keys.refreshAt) {
			r.refresh(ctx, v)
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

// fetch returns the view that comes after seen. Its error is that of ctx.
func (r *RemoteKeySet) fetch(ctx context.Context, seen *view) (*view, error) {
	return r.flight.Do(ctx, "", r.timeout, r.advance(seen))
}

// refresh starts a fetch that nobody waits for.
func (r *RemoteKeySet) refresh(ctx context.Context, seen *view) {
	if seen.refreshing.CompareAndSwap(false, true) {
		r.flight.Start(ctx, "", r.timeout, r.advance(seen))
	}
}

var errBrokenOff = errors.New("fetching keys: the transport panicked, or ended its goroutine")

// advance returns a function that fetches, unless somebody has since seen was
// loaded. However it ends, there is a next view: a fetch that panics has failed.
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
