// Package exchangetest is a fake of Google's sign-in endpoints, for unit tests
// and for trying things out without a Google account.
//
//	google := exchangetest.NewServer(exchangetest.Options{})
//	defer google.Close()
//	client, err := exchange.New(google.Config())
//	tokens, err := client.Exchange(ctx, google.AppCode(exchangetest.CodeRequest{}), exchange.App)
//
// It serves, on a loopback address, the authorization page, the token,
// revocation, tokeninfo and userinfo endpoints, the discovery document and the
// keys, under the paths that Google has them and with Google's statuses and
// error bodies. Client libraries in any language can be pointed at it.
//
// # Codes
//
// [Server.AppCode] and [Server.PopupCode] issue codes as Google's SDKs do.
// [Server.Authorize] walks through the authorization pages as a user would; a
// person or a browser test can open the same address and click.
//
// A code works once, for its own client, redirect_uri and PKCE verifier, for ten
// minutes. A refresh token comes with it if the user has seen the consent screen,
// and the screen appears only for something not granted before, or on demand.
// Users may decline scopes.
//
// # Google's page script
//
// [Server.ScriptURL] serves a fake of https://accounts.google.com/gsi/client, with
// google.accounts.id for the button and One Tap, and google.accounts.oauth2 for codes in
// a popup or by redirect. Pages need a registered origin: [Client.JavaScriptOrigins]. It
// warns in the console about parameters that have no effect. One Tap shows its accounts
// in a frame, and not by the browser's FedCM.
//
// # Older clients
//
// Google still has addresses and forms of former years, and so has the server: the
// token endpoint at /o/oauth2/token, /oauth2/v3/token and /oauth2/v4/token; userinfo
// and tokeninfo under /oauth2/v1 and /oauth2/v2, with other members; an access token
// in the query of userinfo; approval_prompt=force at /o/oauth2/auth. Each is there
// because a client library in use sends it.
//
// # How tokens end
//
// Tokens end by time ([Server.Advance] moves the clock), by revocation, when
// there are too many, and by acts of users and administrators:
// [Server.RemoveAccess], [Server.RemoveAccessTo], [Server.ChangePassword],
// [Server.RequireReauth], [Server.SetBlocked], [Server.SetAdvancedProtection],
// [Server.DeleteUser], [Server.DeleteClient]. Revocation ends
// everything that the user has granted to any client of the Cloud project, as
// Google's does. [Server.SetUser] changes a profile.
//
// # Faults and the request log
//
// [Server.Inject] and [Server.Script] make requests go wrong. [Server.Requests] is
// the log, with every header and form field as sent, secrets too; the package
// itself prints nothing.
//
// The fakegoogle program below this package is the server for other languages.
//
// # Limits
//
// Users do not have to prove who they are, so the server must stay on a loopback
// address. Google does not promise the wording of error descriptions, and neither
// does this package. Where Google's behaviour is not known, the server is strict,
// and [Options] can make it less so. There is no device flow, no
// service account, and no token client in the page script.
package exchangetest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/internal/loopback"
)

// A Server is a fake Google on a loopback address. Make one with [NewServer];
// its methods are safe for concurrent use. It remembers every code and token for
// as long as it lives.
//
// It is also an [http.Handler], to be served elsewhere; URL must then be set to that
// address.
type Server struct {
	// URL is the server's address, of the form http://127.0.0.1:port, or
	// http://[::1]:port on a machine without IPv4. It may be set before the first
	// request.
	URL string

	options  Options
	issuer   *idtokentest.Issuer
	renaming sync.Mutex // the issuer, in Issuer
	ledger   *ledger
	routes   map[string]route
	faults   faultQueue
	log      requestLog
	proofs   *verifier
	ahead    atomic.Int64 // how far Advance has moved the clock

	listener  *loopback.Server
	transport *http.Transport // of Client
	closed    chan struct{}
	close     sync.Once
}

// NewServer starts a server. The caller should call Close when finished. It
// panics if [Options.Validate] returns an error or no loopback port can be opened.
func NewServer(o Options) *Server {
	if err := o.Validate(); err != nil {
		panic(err)
	}
	s := &Server{options: o.withDefaults(), closed: make(chan struct{})}
	s.ledger = newLedger(s.options, s.Now)
	s.proofs = newVerifier(s.Now)
	var err error
	if s.listener, err = loopback.NewServer(s); err != nil {
		panic(fmt.Sprintf("exchangetest: %v", err))
	}
	s.URL = s.listener.URL
	s.transport = new(http.Transport)
	s.issuer = o.Issuer
	if s.issuer == nil {
		s.issuer = idtokentest.NewSharedIssuer()
		s.issuer.Now = s.Now
	}
	s.routes = s.newRoutes()
	s.listener.Start()
	return s
}

// Close ends hanging requests, waits for the others, and shuts the server down.
// It may be called more than once.
func (s *Server) Close() {
	s.close.Do(func() {
		close(s.closed)
		s.listener.Close()
		s.transport.CloseIdleConnections()
	})
}

// Client returns an HTTP client for the server. It also reaches the server
// under the names of Google's own hosts, so that a client library that insists
// on https://accounts.google.com can be tested as it is. Its connections end
// with the server's.
func (s *Server) Client() *http.Client {
	return &http.Client{Transport: &rewriter{server: s, base: s.transport}}
}

// Config returns the settings of the first client at this server, for [exchange.New].
// It shares the server's clock, and its connections end with the server's.
func (s *Server) Config() exchange.Config {
	c := s.ledger.clients[0]
	return exchange.Config{
		ClientID: c.ID, ClientSecret: c.Secret, RedirectURIs: slices.Clone(c.RedirectURIs),
		Endpoint: s.Endpoint(), HTTPClient: s.Client(), Now: s.Now,
	}
}

// KeySource returns the keys that sign the server's ID tokens, for [idtoken.Config].
// It needs no HTTP, so that no fault or log entry is for it;
// [idtoken.RemoteKeys] with [Server.CertsURL] is the way that does.
func (s *Server) KeySource() idtoken.KeySource { return s.Issuer() }

// Endpoint returns the server's addresses, for [exchange.Config].
func (s *Server) Endpoint() exchange.Endpoint {
	return exchange.Endpoint{
		Issuer:      s.issuerURL(),
		AuthURL:     s.URL + authPath,
		TokenURL:    s.URL + tokenPath,
		RevokeURL:   s.URL + revokePath,
		UserInfoURL: s.URL + userInfoPath,
	}
}

// Issuer returns the issuer that signs the server's ID tokens, so that a test can
// rotate its keys, or sign tokens that Google would not. Its URL is https://accounts.google.com,
// where [Server.Client] finds the discovery document, unless
// [Options.OwnIssuer] says otherwise.
func (s *Server) Issuer() *idtokentest.Issuer {
	s.renaming.Lock()
	defer s.renaming.Unlock()
	if own := s.issuerURL(); s.issuer.URL != own { // not to write what others may be reading
		s.issuer.URL = own
	}
	return s.issuer
}

// issuerURL is the iss of the server's tokens. It follows URL, which may be set
// after the server is made.
func (s *Server) issuerURL() string {
	if s.options.OwnIssuer {
		return s.URL
	}
	return s.issuer.URL
}

// CertsURL is where the keys of the ID tokens are served as a JWK set.
func (s *Server) CertsURL() string { return s.URL + certsPath }

// Now is the server's time. Give it to the code under test to share the clock;
// [Server.Config] and drivetest's Options.Accounts have it.
func (s *Server) Now() time.Time {
	return s.options.Now().Add(time.Duration(s.ahead.Load()))
}

// Advance moves the server's clock on by d, so that codes and tokens expire.
func (s *Server) Advance(d time.Duration) { s.ahead.Add(int64(d)) }

// CheckAccessToken reports whether an access token is good now, and returns its
// user and scopes. Fakes of Google's APIs use it.
func (s *Server) CheckAccessToken(token string) (subject string, scopes []string, ok bool) {
	t := s.ledger.inspect(token)
	if t == nil {
		return "", nil, false
	}
	return t.user.subject, slices.Clone(t.scopes), true
}
