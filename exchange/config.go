package exchange

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
)

// Config describes an OAuth client of Google's and how to speak for it. Only
// ClientID is required, and a web client needs its secret. [ConfigFromFile]
// reads both from the file that Google's console offers.
//
// It prints, logs and encodes without the secret, except by fmt from an
// unexported field of another struct: see Security in the package documentation.
type Config struct {
	// ClientID is the OAuth client that the codes were issued for: the web
	// client, also for codes from apps (their "server client ID").
	ClientID string

	// ClientSecret belongs to ClientID. Empty: none is sent, as Google allows
	// for public clients.
	ClientSecret string

	// ClientSecretFunc, if set, returns the client secret for each token request,
	// in place of ClientSecret: a secret that is replaced in a secret manager or a
	// file needs no restart. At Google two secrets of a client are valid at once:
	// add the new one, let it reach every replica, and disable the old one. It is
	// called from many goroutines at once, and its time counts as that of the
	// request. If it fails, the error is ErrTemporary and nothing is sent.
	ClientSecretFunc func(context.Context) (string, error)

	// DPoP, if set, is the key that new refresh tokens are bound to (RFC 9449): who
	// steals one, and the client secret, cannot use it without the key. It is an
	// *ecdsa.PrivateKey on the curve P-256, or a signer that has such a key in a KMS
	// or an HSM: its Public returns an *ecdsa.PublicKey, and its Sign takes a SHA-256
	// digest and returns a signature in ASN.1, as that of crypto/ecdsa does. It signs
	// once for each request to the token endpoint, from many goroutines at once. Its
	// time counts as that of the request; if it hangs, the request fails, and the
	// goroutine that called it waits on. Give all replicas the same key, and keep it:
	// without it the refresh tokens are lost, and every user has to consent again.
	//
	// Google takes proofs from web clients with a secret, at its token endpoint only:
	// access tokens stay bearer tokens
	// (https://developers.google.com/identity/protocols/oauth2/resources/dpop-adoption).
	// Whether it takes one with a code from an app is not documented: if such codes
	// are refused as invalid_dpop_proof, use another Client, without DPoP, for them.
	DPoP crypto.Signer

	// DPoPKeys are further keys while they change. The first of DPoP and DPoPKeys is
	// for new grants, all are for refresh tokens that are bound to them. A refresh
	// token stays bound to its key until its user consents again. To change the key,
	// let the new one reach every replica in second place, then put it first, and keep
	// the old one as long as a kept grant has its thumbprint (in tokenstore
	// Grant.KeyThumbprint).
	DPoPKeys []crypto.Signer

	// DPoPNewID gives the second proof for a code, after Google has asked for a
	// nonce, a random jti. By default it has the hash of the code again. Google's
	// documents say neither.
	DPoPNewID bool

	// RedirectURIs are the client's, as registered. If there are any,
	// [Client.NewAuthRequest] refuses others; for the loopback redirects of an
	// installed client, whose port varies, leave them out, as ConfigFromJSON does.
	RedirectURIs []string

	// Endpoint says where to find Google. Each zero field is Google's own.
	Endpoint Endpoint

	// HTTPClient makes every call: with its Transport, and within its Timeout
	// or 30 seconds, whichever is shorter. No redirect is followed and no cookie
	// kept. Nil: http.DefaultTransport.
	HTTPClient *http.Client

	// CrossOrigin decides which browser origins may send codes to ReadCode and
	// Handler. Nil: the same origin only. Set it to trust origins of your own.
	// Requests from apps carry no origin and pass.
	CrossOrigin *http.CrossOriginProtection

	// RequireIssuer refuses a callback without iss as ErrState (RFC 9207 section
	// 2.4). A callback with another iss is always refused. Google sends iss and
	// announces it in its discovery document since September 2026, but rolled it
	// out account by account, so it is not required by default.
	RequireIssuer bool

	// Retry says how long Refresh and Revoke try again.
	Retry Retry

	// OnError, if set, is called with each error that a handler or [Client.Fail]
	// answers, for your log. No secret is in the error. It is called before the answer is
	// written, from many goroutines at once.
	OnError func(*http.Request, error)

	// Answer writes the answer of Handler and [Client.Fail] to a request that has
	// failed. [HTTPStatus] and [ProblemCode] are for the app; the text of err is for
	// your log. If nil, [WriteProblem] is used.
	Answer func(w http.ResponseWriter, r *http.Request, err error)

	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Retry says how long to try again after a transient failure. The pauses between
// the tries double, from First to 32 seconds, each by up to half longer or
// shorter. Retry-After is honoured. The context bounds it all: with a deadline that
// the next pause would pass, the failure is returned at once.
//
// While a person waits, a few seconds are enough. A job has minutes. A test has no
// time: a negative Total.
type Retry struct {
	// Total is the time in which tries may begin, counted from the first one. If
	// zero, there are at most five tries, and no pause is longer than a minute.
	// If negative, there is one try.
	Total time.Duration

	// First is the pause before the second try. If zero, one second is used.
	First time.Duration
}

// Endpoint holds the addresses of a provider: https, or http on a loopback
// interface. The zero value of a field stands for Google's.
type Endpoint struct {
	Issuer      string // iss in a callback; https://accounts.google.com
	AuthURL     string // https://accounts.google.com/o/oauth2/v2/auth
	TokenURL    string // https://oauth2.googleapis.com/token
	RevokeURL   string // https://oauth2.googleapis.com/revoke
	UserInfoURL string // https://openidconnect.googleapis.com/v1/userinfo
}

const googleIssuer = "https://accounts.google.com"

func (e Endpoint) withDefaults() Endpoint {
	return Endpoint{
		Issuer:      cmp.Or(e.Issuer, googleIssuer),
		AuthURL:     cmp.Or(e.AuthURL, "https://accounts.google.com/o/oauth2/v2/auth"),
		TokenURL:    cmp.Or(e.TokenURL, "https://oauth2.googleapis.com/token"),
		RevokeURL:   cmp.Or(e.RevokeURL, "https://oauth2.googleapis.com/revoke"),
		UserInfoURL: cmp.Or(e.UserInfoURL, "https://openidconnect.googleapis.com/v1/userinfo"),
	}
}

// complete returns a copy of c with every default filled in, or the first thing
// that is wrong with it.
func (c Config) complete() (Config, error) {
	c.Endpoint = c.Endpoint.withDefaults()
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.check()
}

func (c *Config) check() error {
	if c.ClientID == "" {
		return errors.New("exchange: Config.ClientID is empty")
	}
	if c.ClientSecret != "" && c.ClientSecretFunc != nil {
		return errors.New("exchange: Config has both ClientSecret and ClientSecretFunc")
	}
	// A stray newline from a file or a variable is the usual way to an
	// invalid_client.
	for _, f := range []field{{"ClientID", c.ClientID}, {"ClientSecret", c.ClientSecret}} {
		if strings.ContainsFunc(f.value, notVisible) {
			return fmt.Errorf("exchange: Config.%s contains white space, or characters other than ASCII", f.name)
		}
	}
	if c.Retry.First < 0 {
		return errors.New("exchange: Config.Retry.First is negative")
	}
	e := c.Endpoint
	for _, f := range []field{{"AuthURL", e.AuthURL}, {"TokenURL", e.TokenURL}, {"RevokeURL", e.RevokeURL}, {"UserInfoURL", e.UserInfoURL}} {
		if err := checkEndpoint(f.value); err != nil {
			return fmt.Errorf("exchange: Config.Endpoint.%s: %w", f.name, err)
		}
	}
	for i, v := range c.RedirectURIs {
		if err := checkRedirectURI(v); err != nil {
			return fmt.Errorf("exchange: Config.RedirectURIs[%d]: %w", i, err)
		}
	}
	return nil
}

// secretFunc returns the function that returns the client secret.
func (c *Config) secretFunc() func(context.Context) (string, error) {
	secret, get := c.ClientSecret, c.ClientSecretFunc
	if get == nil {
		return func(context.Context) (string, error) { return secret, nil }
	}
	return func(ctx context.Context) (string, error) {
		secret, err := get(ctx)
		if err == nil && strings.ContainsFunc(secret, notVisible) {
			err = errors.New("it contains white space, or characters other than ASCII")
		}
		return secret, err
	}
}

type field struct{ name, value string }

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

// checkEndpoint wants an address to which the client secret can be sent (RFC 6749
// section 3.2).
func checkEndpoint(raw string) error {
	u, err := endpoint.Parse(raw)
	if err == nil && (u.User != nil || u.Fragment != "") {
		return errors.New("must have neither user nor fragment")
	}
	return err
}

func checkRedirectURI(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || !u.IsAbs() {
		return errors.New("not an absolute URI")
	}
	if strings.Contains(raw, "#") { // RFC 6749 section 3.1.2
		return errors.New("must have no fragment")
	}
	return nil
}

// ConfigFromJSON reads the client_secret_*.json that Google's console offers
// for download, of a web or an installed client. redirect_uris may be absent, as
// for a client that serves apps alone. The auth_uri and token_uri in the file are
// not used: codes and the secret go to Google's own addresses, or to those of the
// Endpoint that you set.
//
// An installed client's redirect_uris that stand for its own machine, such as
// http://localhost, are left out of RedirectURIs: Google lets it come back to any
// loopback port (https://developers.google.com/identity/protocols/oauth2/native-app).
//
// Names in the file are compared exactly. A client, or a member of it, that is
// there twice is an error. Unknown members are ignored.
//
// No error quotes the file.
func ConfigFromJSON(clientSecretJSON []byte) (Config, error) {
	cfg, err := parseClientFile(clientSecretJSON)
	if err != nil {
		return Config{}, fmt.Errorf("exchange: client secret file: %w", err)
	}
	return cfg, nil
}

// ConfigFromFile is [ConfigFromJSON] for a file.
func ConfigFromFile(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("exchange: client secret file: %w", err)
	}
	return ConfigFromJSON(b)
}

func parseClientFile(b []byte) (Config, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff")) // some editors and shells write a byte order mark
	var web, installed *json.RawMessage
	var account string
	err := exactjson.Members(b, map[string]any{"web": &web, "installed": &installed, "type": &account})
	switch {
	case err != nil:
		return Config{}, fmt.Errorf("not the JSON that Google's console offers: %w", err)
	case web != nil && installed != nil:
		return Config{}, errors.New("it holds two clients, web and installed")
	case account != "":
		return Config{}, errors.New("it is the key of another kind of account, such as a service account: an OAuth client has web or installed at the top")
	case web == nil && installed == nil:
		return Config{}, errors.New("it holds neither a web nor an installed client")
	}
	cfg, err := parseFileClient(*cmp.Or(web, installed))
	if err == nil && installed != nil {
		cfg.RedirectURIs = fixedRedirects(cfg.RedirectURIs)
	}
	return cfg, err
}

func parseFileClient(b []byte) (Config, error) {
	var cfg Config
	err := exactjson.Members(b, map[string]any{
		"client_id": &cfg.ClientID, "client_secret": &cfg.ClientSecret, "redirect_uris": &cfg.RedirectURIs,
	})
	if err != nil {
		return Config{}, fmt.Errorf("not the JSON that Google's console offers: web or installed: %w", err)
	}
	if cfg.ClientID == "" {
		return Config{}, errors.New("it lacks client_id")
	}
	return cfg, nil
}

// fixedRedirects returns the redirect URIs of an installed client that are meant
// literally, or nil.
func fixedRedirects(uris []string) []string {
	var fixed []string
	for _, raw := range uris {
		u, err := url.Parse(raw)
		// Older files have a urn and "oob" beside the loopback address, for copying
		// the code by hand. Google has ended that.
		if raw == "oob" || err == nil && (endpoint.IsLoopback(u.Hostname()) || u.Scheme == "urn") {
			continue
		}
		fixed = append(fixed, raw)
	}
	return fixed
}
