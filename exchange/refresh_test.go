package exchange_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

const refreshToken = "1//marked-refresh-token"

func TestRefreshOnTheWire(t *testing.T) {
	g := scripted(says(200, `{"access_token":"ya29.new","expires_in":3599,"scope":"openid","token_type":"Bearer",`+
		`"id_token":"e.i.s","refresh_token_expires_in":604799}`))
	tok, err := newClient(t, g).Refresh(t.Context(), refreshToken)
	if err != nil {
		t.Fatal(err)
	}
	want := []url.Values{{
		"grant_type": {"refresh_token"}, "client_id": {clientID}, "client_secret": {clientSecret},
		"refresh_token": {refreshToken},
	}}
	if !reflect.DeepEqual(g.got, want) {
		t.Errorf("sent %v, want %v", g.got, want)
	}
	if tok.AccessToken != "ya29.new" || tok.Type() != "Bearer" || !tok.Expiry.Equal(start.Add(3599*time.Second)) {
		t.Errorf("token %v", tok)
	}
	if tok.RefreshToken != refreshToken {
		t.Error("the refresh token is gone from the result")
	}
	for key, want := range map[string]any{"scope": "openid", "id_token": "e.i.s", "refresh_token_expires_in": 604799.0} {
		if got := tok.Extra(key); got != want {
			t.Errorf("Extra(%q) = %v, want %v", key, got, want)
		}
	}
}

func TestRefreshReturnsRotatedToken(t *testing.T) {
	g := scripted(says(200, `{"access_token":"ya29.new","expires_in":3599,"refresh_token":"1//rotated"}`))
	tok, err := newClient(t, g).Refresh(t.Context(), refreshToken)
	if err != nil || tok.RefreshToken != "1//rotated" {
		t.Errorf("%v, %v; want the new refresh token", tok, err)
	}
}

func TestRefreshRetries(t *testing.T) {
	good := says(200, `{"access_token":"ya29.new","expires_in":3599}`)
	untrusted := &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
	tests := []struct {
		name  string
		first answerFunc
		retry bool
		kind  error
	}{
		{"500", says(500, ""), true, exchange.ErrTemporary},
		{"502 HTML", says(502, "<html>"), true, exchange.ErrTemporary},
		{"503 invalid_grant", says(503, `{"error":"invalid_grant"}`), true, exchange.ErrTemporary},
		{"504", says(504, ""), true, exchange.ErrTemporary},
		{"429", says(429, ""), true, exchange.ErrTemporary},
		{"429 invalid_grant", says(429, `{"error":"invalid_grant"}`), true, exchange.ErrTemporary},
		{"408", says(408, ""), true, exchange.ErrTemporary},
		{"403 HTML", says(403, "<html>User Rate Limit Exceeded"), true, exchange.ErrTemporary},
		{"403 rate_limit_exceeded", says(403, `{"error":"rate_limit_exceeded"}`), true, exchange.ErrTemporary},
		{"400 internal_failure", says(400, `{"error":"internal_failure"}`), true, exchange.ErrTemporary},
		{"400 server_error", says(400, `{"error":"server_error"}`), true, exchange.ErrTemporary},
		{"400 temporarily_unavailable", says(400, `{"error":"temporarily_unavailable"}`), true, exchange.ErrTemporary},
		{"connection broken", fails(errors.New("connection reset by peer")), true, exchange.ErrTemporary},
		{"expired certificate", fails(untrusted), false, exchange.ErrTemporary},
		{"200 HTML", says(200, "<html>"), false, exchange.ErrTemporary},
		{"400 invalid_grant", says(400, `{"error":"invalid_grant"}`), false, exchange.ErrInvalidGrant},
		{"401 invalid_client", says(401, `{"error":"invalid_client"}`), false, exchange.ErrClient},
		{"401 deleted_client", says(401, `{"error":"deleted_client"}`), false, exchange.ErrClient},
		{"401 unauthorized_client", says(401, `{"error":"unauthorized_client"}`), false, exchange.ErrClient},
		{"400 invalid_scope", says(400, `{"error":"invalid_scope"}`), false, exchange.ErrClient},
		{"400 HTML", says(400, "<html>"), false, exchange.ErrClient},
		{"403 JSON", says(403, `{"error":{"code":403}}`), false, exchange.ErrClient},
		{"400 admin_policy_enforced", says(400, `{"error":"admin_policy_enforced"}`), false, exchange.ErrDenied},
		{"307", says(307, "", "Location", "https://example.com/"), false, exchange.ErrClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := scripted(tt.first, good)
				_, err := newClient(t, g).Refresh(t.Context(), refreshToken)
				if tt.retry && (err != nil || g.posts() != 2) {
					t.Errorf("%v after %d posts, want success after 2", err, g.posts())
				}
				if !tt.retry && (!errors.Is(err, tt.kind) || g.posts() != 1) {
					t.Errorf("%v after %d posts, want %v after 1", err, g.posts(), tt.kind)
				}
				g = scripted(tt.first)
				_, err = newClient(t, g).Refresh(t.Context(), refreshToken)
				if !errors.Is(err, tt.kind) {
					t.Errorf("in the end %v, want %v", err, tt.kind)
				}
				if tt.retry && g.posts() != 5 {
					t.Errorf("%d posts, want 5", g.posts())
				}
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name, header string
		wait         time.Duration // at least; 0: it is not tried again
		tells        time.Duration
	}{
		{"seconds", "20", 20 * time.Second, 20 * time.Second},
		{"date", start.Add(20 * time.Second).Format(http.TimeFormat), 20 * time.Second, 20 * time.Second},
		{"more than a minute", "3600", 0, time.Hour},
		{"date far ahead of a clock that jumped", start.AddDate(1, 0, 0).Format(http.TimeFormat), 0, 24 * time.Hour},
		{"date in the past", start.AddDate(-1, 0, 0).Format(http.TimeFormat), 500 * time.Millisecond, 0},
		{"nonsense", "soon", 500 * time.Millisecond, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := scripted(says(503, "", "Retry-After", tt.header), says(400, `{"error":"invalid_grant"}`))
				began := time.Now()
				_, err := newClient(t, g).Refresh(t.Context(), refreshToken)
				if tt.wait > 0 {
					if waited := time.Since(began); g.posts() != 2 || waited < tt.wait || waited > 2*tt.wait+time.Second {
						t.Errorf("%d posts, the last after %v, want 2, %v", g.posts(), waited, tt.wait)
					}
					return
				}
				if e, ok := errors.AsType[*exchange.Error](err); !ok || e.RetryAfter != tt.tells || g.posts() != 1 {
					t.Errorf("%v after %d posts", err, g.posts())
				}
			})
		})
	}
}

func TestRefreshWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := scripted(says(503, `{"error":"internal_failure"}`))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, cancel)
		began := time.Now()
		_, err := newClient(t, g).Refresh(ctx, refreshToken)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, exchange.ErrTemporary) {
			t.Errorf("error %v, want Canceled and ErrTemporary", err)
		}
		if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Status != 503 || e.Code != "internal_failure" {
			t.Errorf("error %v does not tell the last failure", err)
		}
		if strings.Count(err.Error(), "exchange: ") != 1 {
			t.Errorf("the prefix of %q is not there once", err)
		}
		if d := time.Since(began); d != 200*time.Millisecond {
			t.Errorf("returned after %v", d)
		}
	})
}

// Who cancels with a cause is told both, wherever the context ends.
func TestCancellationWithACause(t *testing.T) {
	shutdown := errors.New("shutting down")
	hangs := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context()) // as http.Transport has it
	}
	tests := []struct {
		name  string
		reply answerFunc
		text  string
	}{
		{"in a call", hangs, `Post "https://oauth2.googleapis.com/token": context canceled: shutting down`},
		{"between two", says(503, ""), "HTTP 503: context canceled: shutting down while waiting to try again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(100*time.Millisecond, func() { cancel(shutdown) })
				c := newClient(t, scripted(tt.reply))
				_, err := c.Refresh(ctx, refreshToken)
				if !errors.Is(err, context.Canceled) || !errors.Is(err, shutdown) || !strings.HasSuffix(err.Error(), tt.text) {
					t.Errorf("Refresh: %v; want the cancellation and its cause, as %q", err, tt.text)
				}
				if _, err := c.Exchange(ctx, goodCode, exchange.App); !errors.Is(err, context.Canceled) || !errors.Is(err, shutdown) {
					t.Errorf("Exchange: %v, want the cancellation and its cause", err)
				}
			})
		})
	}
}

func TestRevoke(t *testing.T) {
	tests := []struct {
		name  string
		reply answerFunc
		want  error
		posts int
	}{
		{"done", says(200, "{}"), nil, 1},
		{"done, empty", says(200, ""), nil, 1},
		{"dead already", says(400, `{"error":"invalid_token","error_description":"Token expired or revoked"}`), nil, 1},
		{"refused", says(400, `{"error":"invalid_request"}`), exchange.ErrClient, 1},
		{"not a 400", says(401, `{"error":"invalid_token"}`), exchange.ErrClient, 1},
		{"not now", says(503, `{"error":"invalid_token"}`), exchange.ErrTemporary, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := scripted(tt.reply)
				if err := newClient(t, g).Revoke(t.Context(), refreshToken); !errors.Is(err, tt.want) {
					t.Errorf("Revoke = %v, want %v", err, tt.want)
				}
				if g.posts() != tt.posts {
					t.Errorf("%d posts, want %d", g.posts(), tt.posts)
				}
				if want := (url.Values{"token": {refreshToken}}); !reflect.DeepEqual(g.got[0], want) {
					t.Errorf("sent %v, want %v", g.got[0], want)
				}
				if p := "POST https://oauth2.googleapis.com/revoke application/x-www-form-urlencoded"; g.paths[0] != p {
					t.Errorf("sent as %q, want %q", g.paths[0], p)
				}
			})
		})
	}
}

func TestEmptyTokensAreNotSent(t *testing.T) {
	g := scripted(says(200, tokenAnswer))
	c := newClient(t, g)
	if _, err := c.Refresh(t.Context(), ""); !errors.Is(err, exchange.ErrInvalidGrant) {
		t.Errorf("Refresh: %v, want ErrInvalidGrant", err)
	}
	if err := c.Revoke(t.Context(), ""); !errors.Is(err, exchange.ErrBadRequest) {
		t.Errorf("Revoke: %v, want ErrBadRequest", err)
	}
	if g.posts() != 0 {
		t.Errorf("%d posts, want none", g.posts())
	}
}

func TestRetry(t *testing.T) {
	down := says(503, "")
	tests := []struct {
		name            string
		retry           exchange.Retry
		posts           int // 0: any number
		atLeast, atMost time.Duration
	}{
		{"default", exchange.Retry{}, 5, 7 * time.Second, 23 * time.Second},
		{"a person", exchange.Retry{Total: 5 * time.Second}, 0, time.Second, 5 * time.Second},
		{"a job", exchange.Retry{Total: 10 * time.Minute}, 0, 8 * time.Minute, 10 * time.Minute},
		{"short pauses", exchange.Retry{Total: time.Second, First: time.Millisecond}, 0, 100 * time.Millisecond, time.Second},
		{"a test", exchange.Retry{Total: -1}, 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := scripted(down)
				c := newClient(t, g, func(cfg *exchange.Config) { cfg.Retry = tt.retry })
				began := time.Now()
				_, err := c.Refresh(t.Context(), refreshToken)
				took := time.Since(began)
				if !errors.Is(err, exchange.ErrTemporary) || took < tt.atLeast || took > tt.atMost || tt.posts > 0 && g.posts() != tt.posts {
					t.Errorf("%v after %d posts in %v", err, g.posts(), took)
				}
			})
		})
	}
}

func TestClientSecretFunc(t *testing.T) {
	secret, failure := "GOCSPX-marked-one", error(nil)
	g := scripted(says(200, tokenAnswer))
	c := newClient(t, g, func(cfg *exchange.Config) {
		cfg.ClientSecret = ""
		cfg.ClientSecretFunc = func(ctx context.Context) (string, error) {
			if _, ends := ctx.Deadline(); !ends {
				t.Error("the function may take for ever")
			}
			return secret, failure
		}
	})
	for _, secret = range []string{"GOCSPX-marked-one", "GOCSPX-marked-two"} {
		if _, err := c.Refresh(t.Context(), refreshToken); err != nil {
			t.Fatal(err)
		}
		if got := g.got[g.posts()-1].Get("client_secret"); got != secret {
			t.Error("another secret was sent")
		}
	}
	for secret, failure = range map[string]error{"": errors.New("vault is sealed"), "GOCSPX-marked\n": nil} {
		_, err := c.Exchange(t.Context(), goodCode, exchange.App)
		if !errors.Is(err, exchange.ErrTemporary) || failure != nil && !errors.Is(err, failure) || g.posts() != 2 {
			t.Errorf("%v after %d posts, want ErrTemporary after 2", err, g.posts())
		}
		discreetError(t, "Exchange", err)
	}
	secret, failure = "GOCSPX-marked-two", nil
	if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil {
		t.Errorf("the code is not spent: %v", err)
	}
	if _, err := exchange.New(exchange.Config{ClientID: clientID, ClientSecret: "x", ClientSecretFunc: func(context.Context) (string, error) { return "", nil }}); err == nil {
		t.Error("New takes a secret and a function")
	}
}

// The failure of another OAuth request, which a ClientSecretFunc or a transport
// makes, says nothing about the refresh token of this one.
func TestFailureOfAnotherRequest(t *testing.T) {
	for name, cause := range map[string]error{
		"exchange":         fmt.Errorf("vault: %w", exchange.ErrInvalidGrant),
		"exchange's Error": &exchange.Error{Op: "refresh", Code: "invalid_grant"},
		"x/oauth2":         fmt.Errorf("vault: %w", &oauth2.RetrieveError{ErrorCode: "invalid_grant"}),
		"x/oauth2, a body": &oauth2.RetrieveError{Response: &http.Response{Status: "503"}, Body: []byte("marked-body")},
	} {
		fails := func(*http.Request) (*http.Response, error) { return nil, cause }
		for place, c := range map[string]*exchange.Client{
			"secret": newClient(t, scripted(says(200, tokenAnswer)), func(cfg *exchange.Config) {
				cfg.ClientSecret = ""
				cfg.ClientSecretFunc = func(context.Context) (string, error) { return "", cause }
			}),
			"transport": newClient(t, transportFunc(fails), func(cfg *exchange.Config) { cfg.Retry.Total = -1 }),
		} {
			_, err := c.Refresh(t.Context(), refreshToken)
			if errors.Is(err, exchange.ErrInvalidGrant) || !errors.Is(err, exchange.ErrTemporary) {
				t.Errorf("%s, %s: %v, want ErrTemporary alone", name, place, err)
			}
			if re, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
				t.Errorf("%s, %s: the RetrieveError of another request is found: %q", name, place, re.ErrorCode)
			}
			discreetError(t, "Refresh", err)
		}
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLargeLifetime(t *testing.T) { // more than 32 bits
	c := newClient(t, scripted(says(200, `{"access_token":"a","expires_in":3599,"refresh_token_expires_in":5000000000,"token_type":"Bearer"}`)))
	tok, err := c.Refresh(t.Context(), refreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Extra("refresh_token_expires_in"); got != 5000000000.0 {
		t.Errorf("refresh_token_expires_in is %v", got)
	}
}
