package exchange_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

// refusals are the answers of a token endpoint that grant nothing, and what
// they mean. The table in the package documentation says the same.
var refusals = []struct {
	name    string
	status  int
	body    string
	kind    error
	answer  int    // HTTPStatus
	code    string // Error.Code
	subtype string
	hint    string
	retried bool // by Refresh
	spent   bool // the code may have been redeemed
}{
	{"garbage code", 400, `{"error":"invalid_grant","error_description":"Malformed auth code."}`,
		exchange.ErrInvalidGrant, 400, "invalid_grant", "", "", false, false},
	{"code reused or expired", 400, `{"error":"invalid_grant","error_description":"Bad Request"}`,
		exchange.ErrInvalidGrant, 400, "invalid_grant", "", "", false, false},
	{"verifier missing", 400, `{"error":"invalid_grant","error_description":"Missing code verifier."}`,
		exchange.ErrInvalidGrant, 400, "invalid_grant", "", "", false, false},
	{"verifier wrong", 400, `{"error":"invalid_grant","error_description":"Invalid code verifier."}`,
		exchange.ErrInvalidGrant, 400, "invalid_grant", "", "", false, false},
	{"redirect mismatch", 400, `{"error":"redirect_uri_mismatch","error_description":"Bad Request"}`,
		exchange.ErrRedirectMismatch, 500, "redirect_uri_mismatch", "", "Use App for codes", false, false},
	{"wrong secret", 401, `{"error":"invalid_client","error_description":"Unauthorized"}`,
		exchange.ErrClient, 500, "invalid_client", "", "secret", false, false},
	{"unknown client", 401, `{"error":"invalid_client","error_description":"The OAuth client was not found."}`,
		exchange.ErrClient, 500, "invalid_client", "", "client ID", false, false},
	{"another client's", 401, `{"error":"unauthorized_client","error_description":"Unauthorized"}`,
		exchange.ErrClient, 500, "unauthorized_client", "", "another OAuth client", false, false},
	{"another client's, as 400", 400, `{"error":"unauthorized_client"}`,
		exchange.ErrClient, 500, "unauthorized_client", "", "another OAuth client", false, false},
	{"client deleted", 401, `{"error":"deleted_client","error_description":"The OAuth client was deleted."}`,
		exchange.ErrClient, 500, "deleted_client", "", "restore", false, false},
	{"client disabled", 401, `{"error":"disabled_client","error_description":"The OAuth client was disabled."}`,
		exchange.ErrClient, 500, "disabled_client", "", "restore", false, false},
	{"no secret", 400, `{"error":"invalid_request","error_description":"client_secret is missing."}`,
		exchange.ErrClient, 500, "invalid_request", "", "Config", false, false},
	{"grant type", 400, `{"error":"unsupported_grant_type"}`,
		exchange.ErrClient, 500, "unsupported_grant_type", "", "Config", false, false},
	{"token revoked", 400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`,
		exchange.ErrInvalidGrant, 400, "invalid_grant", "", "", false, false},
	{"account deleted", 400, `{"error":"invalid_grant","error_description":"The account has been deleted"}`,
		exchange.ErrInvalidGrant, 400, "invalid_grant", "", "", false, false},
	{"session length", 400, `{"error":"invalid_grant","error_subtype":"invalid_rapt","error_description":"reauth related error (invalid_rapt)"}`,
		exchange.ErrInvalidGrant, 400, "invalid_grant", "invalid_rapt", "session length", false, false},
	{"session length, other subtype", 400, `{"error":"invalid_grant","error_subtype":"rapt_required"}`,
		exchange.ErrInvalidGrant, 400, "invalid_grant", "rapt_required", "session length", false, false},
	{"administrator", 400, `{"error":"admin_policy_enforced"}`,
		exchange.ErrDenied, 403, "admin_policy_enforced", "", "administrator", false, false},
	{"Advanced Protection", 400, `{"error":"policy_enforced"}`,
		exchange.ErrDenied, 403, "policy_enforced", "", "Advanced Protection", false, false},
	{"not Bearer", 200, `{"access_token":"ya29.marked","token_type":"DPoP"}`,
		exchange.ErrClient, 500, "", "", "token whose type", false, true},
	{"user said no", 400, `{"error":"access_denied"}`,
		exchange.ErrDenied, 403, "access_denied", "", "did not agree", false, false},
	{"user has to be asked", 400, `{"error":"consent_required"}`,
		exchange.ErrDenied, 403, "consent_required", "", "prompt=none", false, false},
	{"scope", 400, `{"error":"invalid_scope","error_description":"Bad Request"}`,
		exchange.ErrClient, 500, "invalid_scope", "", "scope", false, false},
	{"internal_failure, 400", 400, `{"error":"internal_failure","error_description":"Backend Error"}`,
		exchange.ErrTemporary, 503, "internal_failure", "", "may have redeemed", true, true},
	{"internal_failure, 500", 500, `{"error":"internal_failure"}`,
		exchange.ErrTemporary, 503, "internal_failure", "", "may have redeemed", true, true},
	{"server_error", 400, `{"error":"server_error"}`,
		exchange.ErrTemporary, 503, "server_error", "", "may have redeemed", true, true},
	{"temporarily_unavailable", 503, `{"error":"temporarily_unavailable"}`,
		exchange.ErrTemporary, 503, "temporarily_unavailable", "", "may have redeemed", true, true},
	{"invalid_grant in a 503", 503, `{"error":"invalid_grant"}`,
		exchange.ErrTemporary, 503, "", "", "may have redeemed", true, true},
	{"503 HTML", 503, "<html><title>Error 503</title>",
		exchange.ErrTemporary, 503, "", "", "may have redeemed", true, true},
	{"429", 429, `{"error":"rate_limit_exceeded"}`,
		exchange.ErrTemporary, 503, "rate_limit_exceeded", "", "later", true, false},
	{"429 without a body", 429, "",
		exchange.ErrTemporary, 503, "", "", "later", true, false},
	{"403 HTML", 403, "<html><title>User Rate Limit Exceeded</title>",
		exchange.ErrTemporary, 503, "", "", "later", true, false},
	{"503 with a rate limit", 503, `{"error":"rate_limit_exceeded"}`,
		exchange.ErrTemporary, 503, "rate_limit_exceeded", "", "later", true, false},
	{"403 internal_failure", 403, `{"error":"internal_failure"}`,
		exchange.ErrTemporary, 503, "internal_failure", "", "may have redeemed", true, true},
	{"408", 408, "", exchange.ErrTemporary, 503, "", "", "may have redeemed", true, true},
	{"200 HTML", 200, "<html>Log in to the network</html>",
		exchange.ErrTemporary, 503, "", "", "may have redeemed", false, true},
	{"200 with a rate limit", 200, `{"error":"rate_limit_exceeded"}`,
		exchange.ErrTemporary, 503, "rate_limit_exceeded", "", "may have redeemed", false, true},
	{"200 with an error", 200, `{"error":"invalid_grant"}`,
		exchange.ErrTemporary, 503, "", "", "may have redeemed", false, true},
	{"204", 204, "", exchange.ErrTemporary, 503, "", "", "may have redeemed", false, true},
	{"truncated JSON", 200, `{"access_token":"ya29.marked`,
		exchange.ErrTemporary, 503, "", "", "may have redeemed", false, true},
	{"truncated refusal", 400, `{"error":"invalid_gra`,
		exchange.ErrClient, 500, "", "", "Config", false, false},
	{"invalid_grant in a redirect", 302, `{"error":"invalid_grant"}`,
		exchange.ErrClient, 500, "", "", "proxy", false, true},
	{"a rate limit in a redirect", 302, `{"error":"rate_limit_exceeded"}`,
		exchange.ErrClient, 500, "", "", "proxy", false, true},
	{"404", 404, "<html>", exchange.ErrClient, 500, "", "", "Endpoint", false, false},
	{"error is an object", 400, `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`,
		exchange.ErrClient, 500, "", "", "Config", false, false},
	{"error is text", 400, `{"error":"<script>alert(1)</script>"}`,
		exchange.ErrClient, 500, "", "", "Config", false, false},
	{"a code of tomorrow", 400, `{"error":"quota_project_gone"}`,
		exchange.ErrClient, 500, "quota_project_gone", "", "Config", false, false},
}

func TestRefusals(t *testing.T) {
	srv := exchangetest.NewServer(exchangetest.Options{})
	t.Cleanup(srv.Close)
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			c := clientOf(t, srv)
			code := srv.AppCode(exchangetest.CodeRequest{})
			before := len(srv.Requests(exchangetest.TokenEndpoint))
			srv.Script(exchangetest.TokenEndpoint, exchangetest.Fault{Status: tt.status, Body: tt.body, Times: -1})
			_, err := c.Exchange(t.Context(), code, exchange.App)
			e, ok := errors.AsType[*exchange.Error](err)
			if !ok || !errors.Is(err, tt.kind) || exchange.HTTPStatus(err) != tt.answer {
				t.Fatalf("error %v (%d), want %v (%d)", err, exchange.HTTPStatus(err), tt.kind, tt.answer)
			}
			for _, other := range sentinels {
				if other != tt.kind && errors.Is(err, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
			if code, subtype := e.OAuthError(); code != tt.code || subtype != tt.subtype || e.Status != tt.status {
				t.Errorf("Google said %d %q %q, want %d %q %q", e.Status, code, subtype, tt.status, tt.code, tt.subtype)
			}
			if e.Hint() == "" || !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("hint %q does not say %q", e.Hint(), tt.hint)
			}
			re, ok := errors.AsType[*oauth2.RetrieveError](err)
			if ok != (tt.code != "") || ok && (re.ErrorCode != tt.code || re.Body != nil || re.Response != nil) {
				t.Errorf("RetrieveError %+v", re)
			}
			if n := len(srv.Requests(exchangetest.TokenEndpoint)) - before; n != 1 {
				t.Errorf("%d posts, want 1", n)
			}
			srv.Script(exchangetest.TokenEndpoint)
			if _, err := c.Exchange(t.Context(), code, exchange.App); (err != nil) != tt.spent {
				t.Errorf("the same code again: %v, want it refused: %t", err, tt.spent)
			}
		})
	}
}

func TestRefusalsOfRefresh(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := scripted(says(tt.status, tt.body), says(200, `{"access_token":"ya29.marked"}`))
				_, err := newClient(t, g).Refresh(t.Context(), refreshToken)
				if tt.retried && (err != nil || g.posts() != 2) {
					t.Errorf("%v after %d posts, want success after 2", err, g.posts())
				}
				if !tt.retried && (!errors.Is(err, tt.kind) || g.posts() != 1) {
					t.Errorf("%v after %d posts, want %v after 1", err, g.posts(), tt.kind)
				}
			})
		})
	}
}

var sentinels = map[string]error{
	"ErrInvalidGrant": exchange.ErrInvalidGrant, "ErrRedirectMismatch": exchange.ErrRedirectMismatch,
	"ErrClient": exchange.ErrClient, "ErrTemporary": exchange.ErrTemporary, "ErrDenied": exchange.ErrDenied,
	"ErrAccount": exchange.ErrAccount, "ErrState": exchange.ErrState, "ErrBadRequest": exchange.ErrBadRequest,
	"ErrKey": exchange.ErrKey,
}

// clientOf returns a client for the fake's first OAuth client.
func clientOf(t testing.TB, srv *exchangetest.Server, change ...func(*exchange.Config)) *exchange.Client {
	t.Helper()
	return newClient(t, srv.Client().Transport, append([]func(*exchange.Config){func(cfg *exchange.Config) {
		cfg.ClientID, cfg.ClientSecret = srv.ClientID(), srv.ClientSecret()
		cfg.Endpoint = srv.Endpoint()
		cfg.Now = nil
	}}, change...)...)
}

// What the fake does on its own, without a script.
func TestGoogleRefuses(t *testing.T) {
	const other = "123456789012-other.apps.googleusercontent.com"
	setUp := exchangetest.Options{
		Clients: []exchangetest.Client{{}, {ID: other}},
		Issuer:  idtokentest.NewIssuer(), // one RSA key for all
	}
	refresh := func(t *testing.T, c *exchange.Client, srv *exchangetest.Server, happens func(user string)) error {
		tok, err := c.Exchange(t.Context(), srv.AppCode(exchangetest.CodeRequest{}), exchange.App)
		if err != nil {
			t.Fatal(err)
		}
		happens("jane.doe@gmail.com")
		_, err = c.Refresh(t.Context(), tok.RefreshToken)
		return err
	}
	tests := []struct {
		name string
		try  func(*testing.T, *exchange.Client, *exchangetest.Server) error
		want error
		code string
	}{
		{"code used twice", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			code := srv.AppCode(exchangetest.CodeRequest{})
			if _, err := clientOf(t, srv).Exchange(t.Context(), code, exchange.App); err != nil { // another instance
				t.Fatal(err)
			}
			_, err := c.Exchange(t.Context(), code, exchange.App)
			return err
		}, exchange.ErrInvalidGrant, "invalid_grant"},
		{"code expired", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			code := srv.AppCode(exchangetest.CodeRequest{})
			srv.Advance(time.Hour)
			_, err := c.Exchange(t.Context(), code, exchange.App)
			return err
		}, exchange.ErrInvalidGrant, "invalid_grant"},
		{"garbage code", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			_, err := c.Exchange(t.Context(), "4/0Agarbage", exchange.App)
			return err
		}, exchange.ErrInvalidGrant, "invalid_grant"},
		{"app's code as popup's", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			_, err := c.Exchange(t.Context(), srv.AppCode(exchangetest.CodeRequest{}), exchange.Popup)
			return err
		}, exchange.ErrRedirectMismatch, "redirect_uri_mismatch"},
		{"popup's code as app's", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			_, err := c.Exchange(t.Context(), srv.PopupCode(exchangetest.CodeRequest{}), exchange.App)
			return err
		}, exchange.ErrRedirectMismatch, "redirect_uri_mismatch"},
		{"another client's code", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			_, err := c.Exchange(t.Context(), srv.AppCode(exchangetest.CodeRequest{ClientID: other}), exchange.App)
			return err
		}, exchange.ErrClient, "unauthorized_client"},
		{"wrong secret", func(t *testing.T, _ *exchange.Client, srv *exchangetest.Server) error {
			c := clientOf(t, srv, func(cfg *exchange.Config) { cfg.ClientSecret = "GOCSPX-wrong" })
			_, err := c.Exchange(t.Context(), srv.AppCode(exchangetest.CodeRequest{}), exchange.App)
			return err
		}, exchange.ErrClient, "invalid_client"},
		{"client deleted", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			return refresh(t, c, srv, func(string) { srv.DeleteClient(srv.ClientID()) })
		}, exchange.ErrClient, "deleted_client"},
		{"access removed", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			return refresh(t, c, srv, srv.RemoveAccess)
		}, exchange.ErrInvalidGrant, "invalid_grant"},
		{"account deleted", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			return refresh(t, c, srv, srv.DeleteUser)
		}, exchange.ErrInvalidGrant, "invalid_grant"},
		{"session length", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			return refresh(t, c, srv, srv.RequireReauth)
		}, exchange.ErrInvalidGrant, "invalid_grant"},
		{"blocked by the administrator", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			return refresh(t, c, srv, func(user string) { srv.SetBlocked(user, true) })
		}, exchange.ErrDenied, "admin_policy_enforced"},
		{"Advanced Protection", func(t *testing.T, c *exchange.Client, srv *exchangetest.Server) error {
			return refresh(t, c, srv, func(user string) { srv.SetAdvancedProtection(user, true) })
		}, exchange.ErrDenied, "policy_enforced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := exchangetest.NewServer(setUp)
			defer srv.Close()
			err := tt.try(t, clientOf(t, srv), srv)
			if e, ok := errors.AsType[*exchange.Error](err); !ok || !errors.Is(err, tt.want) || e.Code != tt.code {
				t.Errorf("error %v, want %v with %s", err, tt.want, tt.code)
			}
		})
	}
}

// Failures below HTTP: what the caller sees, and that the code was sent once.
func TestBrokenAnswers(t *testing.T) {
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, " ")
			http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	large := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, tokenAnswer)
		w.Write(bytes.Repeat([]byte(" "), 10<<20))
	})
	away := http.RedirectHandler("https://evil.example/token", http.StatusTemporaryRedirect)
	tests := []struct {
		name  string
		fault exchangetest.Fault
		want  error
		spent bool
		limit time.Duration // Timeout of the HTTP client, long enough to send the code on a busy machine; 0: the default
	}{
		{"cut before the answer", exchangetest.Fault{Cut: true}, exchange.ErrTemporary, true, 0},
		{"cut after the code was redeemed", exchangetest.Fault{Cut: true, Performed: true}, exchange.ErrTemporary, true, 0},
		{"half an answer", exchangetest.Fault{Body: `{"access_`, Cut: true, Performed: true}, exchange.ErrTemporary, true, 0},
		{"no answer", exchangetest.Fault{Hang: true}, exchange.ErrTemporary, true, 5 * time.Second},
		{"an answer that never ends", exchangetest.Fault{Handler: endless}, exchange.ErrTemporary, true, 5 * time.Second},
		{"10 MB", exchangetest.Fault{Handler: large}, exchange.ErrTemporary, true, 0},
		{"redirected", exchangetest.Fault{Handler: away}, exchange.ErrClient, true, 0},
	}
	issuer := idtokentest.NewIssuer()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := exchangetest.NewServer(exchangetest.Options{Issuer: issuer})
			defer srv.Close()
			c := clientOf(t, srv, func(cfg *exchange.Config) { cfg.HTTPClient.Timeout = tt.limit })
			code := srv.AppCode(exchangetest.CodeRequest{})
			srv.Script(exchangetest.TokenEndpoint, tt.fault)
			_, err := c.Exchange(t.Context(), code, exchange.App)
			if !errors.Is(err, tt.want) || errors.Is(err, exchange.ErrInvalidGrant) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			_, err = c.Exchange(t.Context(), code, exchange.App)
			if errors.Is(err, exchange.ErrInvalidGrant) != tt.spent {
				t.Errorf("the same code again: %v, want it refused: %t", err, tt.spent)
			}
			want := 2
			if tt.spent {
				want = 1
			}
			if n := len(srv.Requests(exchangetest.TokenEndpoint)); n != want {
				t.Errorf("%d posts, want %d", n, want)
			}
		})
	}
}

func TestAnswerIsReadNoFurtherThanNeeded(t *testing.T) {
	body := new(endlessBody)
	g := scripted(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Request: r, Body: body}, nil
	})
	if _, err := newClient(t, g).Exchange(t.Context(), goodCode, exchange.App); !errors.Is(err, exchange.ErrTemporary) {
		t.Errorf("error %v, want ErrTemporary", err)
	}
	if body.read > 1<<20+1 || !body.closed {
		t.Errorf("read %d bytes of an endless answer, closed: %t; want 1 MiB, and closed", body.read, body.closed)
	}
}

type endlessBody struct {
	read   int
	closed bool
}

func (b *endlessBody) Read(p []byte) (int, error) { b.read += len(p); return len(p), nil }
func (b *endlessBody) Close() error               { b.closed = true; return nil }

func TestAnswerWithoutBody(t *testing.T) {
	g := scripted(func(r *http.Request) (*http.Response, error) { return &http.Response{StatusCode: 503}, nil })
	if _, err := newClient(t, g).Exchange(t.Context(), goodCode, exchange.App); !errors.Is(err, exchange.ErrTemporary) {
		t.Errorf("error %v, want ErrTemporary", err)
	}
}

func TestTransportWithoutAnswer(t *testing.T) {
	g := scripted(func(*http.Request) (*http.Response, error) { return nil, nil })
	if _, err := newClient(t, g).Exchange(t.Context(), goodCode, exchange.App); !errors.Is(err, exchange.ErrTemporary) {
		t.Errorf("error %v, want ErrTemporary", err)
	}
}

func TestGoogleNotReached(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	expired := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request came through")
	}))
	expired.Config.ErrorLog = log.New(io.Discard, "", 0)
	cert, roots := expiredCertificate(t)
	expired.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	expired.StartTLS()
	defer expired.Close()
	speaksHTTP := httptest.NewServer(http.NotFoundHandler())
	defer speaksHTTP.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			t.Errorf("the proxy was sent a %s", r.Method)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	direct := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer direct.CloseIdleConnections()
	proxied := &http.Transport{Proxy: http.ProxyURL(proxyURL)}
	defer proxied.CloseIdleConnections()

	tests := []struct {
		name      string
		address   string
		transport *http.Transport
	}{
		{"connection refused", "http://" + refused.Addr().String() + "/token", direct},
		{"expired certificate", expired.URL + "/token", direct},
		{"not a TLS server", "https://" + speaksHTTP.Listener.Addr().String() + "/token", direct},
		{"the proxy will not", "https://oauth2.example.com/token", proxied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, tt.transport, func(cfg *exchange.Config) { cfg.Endpoint.TokenURL = tt.address })
			for range 2 { // the code was not sent, so it is not spent
				_, err := c.Exchange(t.Context(), goodCode, exchange.App)
				if !errors.Is(err, exchange.ErrTemporary) {
					t.Errorf("error %v, want ErrTemporary", err)
				}
				if e, ok := errors.AsType[*url.Error](err); !ok || e.Err == nil {
					t.Errorf("the transport's error is not in %v", err)
				}
			}
		})
	}
}

func TestCertificateExpiredIsTold(t *testing.T) {
	// Unlike a broken connection, it is not tried again: see TestRefreshRetries.
	err := &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
	_, got := newClient(t, scripted(fails(err))).Refresh(context.Background(), refreshToken)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](got); !ok {
		t.Errorf("error %v, want the certificate's", got)
	}
}

func expiredCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().Add(-time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// unread is a body that must not be read.
type unread struct {
	t      *testing.T
	closed bool
}

func (u *unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

func (u *unread) Close() error {
	u.closed = true
	return nil
}

// With net/http the body of a 101 is the connection itself. A read of it ends with no
// context, so that the call would hang until the server hangs up.
func TestSwitchedProtocols(t *testing.T) {
	body := &unread{t: t}
	c := newClient(t, scripted(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Request: r, Body: body, ContentLength: -1}, nil
	}))
	if _, err := c.Refresh(t.Context(), refreshToken); !errors.Is(err, exchange.ErrClient) || !body.closed {
		t.Errorf("error %v, body closed: %v; want ErrClient and a closed body", err, body.closed)
	}
}
