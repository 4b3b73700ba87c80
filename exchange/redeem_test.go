package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

func TestExchangeOnTheWire(t *testing.T) {
	tests := []struct {
		name string
		uri  exchange.RedirectURI
		want string
	}{
		{"app", exchange.App, ""},
		{"popup", exchange.Popup, "postmessage"},
		{"redirect", "https://example.com/oauth2/callback", "https://example.com/oauth2/callback"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := scripted(says(200, tokenAnswer))
			if _, err := newClient(t, g).Exchange(t.Context(), goodCode, tt.uri); err != nil {
				t.Fatal(err)
			}
			want := []url.Values{{
				"grant_type": {"authorization_code"}, "client_id": {clientID}, "client_secret": {clientSecret},
				"code": {goodCode}, "redirect_uri": {tt.want},
			}}
			if !reflect.DeepEqual(g.got, want) {
				t.Errorf("sent %v, want %v", g.got, want)
			}
			if p := "POST https://oauth2.googleapis.com/token application/x-www-form-urlencoded"; g.paths[0] != p {
				t.Errorf("sent as %q, want %q", g.paths[0], p)
			}
		})
	}
}

func TestPublicClientSendsNoSecret(t *testing.T) {
	g := scripted(says(200, tokenAnswer))
	c := newClient(t, g, func(cfg *exchange.Config) { cfg.ClientSecret = "" })
	if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil {
		t.Fatal(err)
	}
	if g.got[0].Has("client_secret") {
		t.Error("client_secret was sent")
	}
}

func TestExchangeRefusesLocally(t *testing.T) {
	tests := []struct{ name, code, hint string }{
		{"empty", "", "server client ID"},
		{"over-long", "4/" + strings.Repeat("a", 511), "something else"},
		{"line end", goodCode + "\n", "line end"},
		{"NUL", goodCode + "\x00", "line end"},
		{"DEL", goodCode + "\x7f", "line end"},
		{"not ASCII", goodCode + "é", "line end"},
		{"not UTF-8", goodCode + "\xff", "line end"},
		{"percent-encoded", url.QueryEscape(goodCode), "encodes the code twice"},
		{"percent-encoded, lower case", "4%2f0Amarked", "encodes the code twice"},
		{"percent sign before", "4%x%2F0Amarked", "encodes the code twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := scripted(says(200, tokenAnswer))
			_, err := newClient(t, g).Exchange(t.Context(), tt.code, exchange.App)
			if !errors.Is(err, exchange.ErrInvalidGrant) || !errors.Is(err, exchange.ErrBadRequest) {
				t.Errorf("error %v, want ErrInvalidGrant and ErrBadRequest", err)
			}
			if got := exchange.HTTPStatus(err); got != 400 {
				t.Errorf("HTTPStatus = %d, want 400", got)
			}
			if e, ok := errors.AsType[*exchange.Error](err); !ok || !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("hint of %v does not say %q", err, tt.hint)
			}
			if g.posts() != 0 {
				t.Errorf("%d requests were sent", g.posts())
			}
		})
	}
}

func TestExchangeAcceptsAtTheLimits(t *testing.T) {
	for _, code := range []string{"4/" + strings.Repeat("a", 510), "4/100%", "4/5%zz", "a b~!"} {
		if _, err := newClient(t, scripted(says(200, tokenAnswer))).Exchange(t.Context(), code, exchange.App); err != nil {
			t.Errorf("%q: %v", code, err)
		}
	}
}

func TestCallersOfOneCodeShareOnePost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := scripted(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return says(200, tokenAnswer)(r)
		})
		c := newClient(t, g)
		results := make([]*exchange.Tokens, 20)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				got, err := c.Exchange(t.Context(), goodCode, exchange.App)
				if err != nil {
					t.Error(err)
				}
				results[i] = got
			})
		}
		wg.Wait()
		if g.posts() != 1 {
			t.Fatalf("%d posts, want 1", g.posts())
		}
		results[0].Scopes[0], results[0].AccessToken = "changed", "changed"
		results[0].Extra("scope") // a map of its own, which the race detector would see shared
		for _, r := range results[1:] {
			if r.Scopes[0] == "changed" || r.AccessToken == "changed" {
				t.Fatal("callers share a result")
			}
		}
	})
}

func TestSameCodeUnderAnotherOriginMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := scripted(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return says(400, `{"error":"invalid_grant"}`)(r)
		})
		c := newClient(t, g)
		var wg sync.WaitGroup
		wg.Go(func() { c.Exchange(t.Context(), goodCode, exchange.App) })
		synctest.Wait()
		_, err := c.Exchange(t.Context(), goodCode, exchange.Popup)
		if !errors.Is(err, exchange.ErrInvalidGrant) || !strings.Contains(err.Error(), "another redirect_uri") {
			t.Errorf("error %v, want ErrInvalidGrant for another redirect_uri", err)
		}
		wg.Wait()
		if g.posts() != 1 {
			t.Errorf("%d posts, want 1", g.posts())
		}
		// The first is over, and Google has not redeemed the code: it may be tried.
		c.Exchange(t.Context(), goodCode, exchange.Popup)
		if g.posts() != 2 {
			t.Errorf("%d posts, want 2", g.posts())
		}
	})
}

func TestSpentCodes(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	tests := []struct {
		name  string
		first answerFunc
		spent bool
	}{
		{"redeemed", says(200, tokenAnswer), true},
		{"connection cut", fails(errors.New("unexpected EOF")), true},
		{"answer is HTML", says(200, "<html>"), true},
		{"gateway answers", says(502, "<html>"), true},
		{"connection refused", fails(dial), false},
		{"rate limited", says(429, ""), false},
		{"rate limited with HTML", says(403, "<html>"), false},
		{"Google says it has failed", says(500, `{"error":"internal_failure"}`), true},
		{"Google says so in a 400", says(400, `{"error":"internal_failure"}`), true},
		{"wrong secret", says(401, `{"error":"invalid_client"}`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := start
			g := scripted(tt.first, says(200, tokenAnswer))
			c := newClient(t, g, func(cfg *exchange.Config) { cfg.Now = func() time.Time { return now } })
			_, err := c.Exchange(t.Context(), goodCode, exchange.App)
			if e, ok := errors.AsType[*exchange.Error](err); ok && strings.Contains(e.Hint(), "may have redeemed") != tt.spent {
				t.Errorf("hint %q", e.Hint())
			}
			now = now.Add(10*time.Minute - time.Second)
			_, err = c.Exchange(t.Context(), goodCode, exchange.Popup)
			if refused := errors.Is(err, exchange.ErrInvalidGrant); refused != tt.spent {
				t.Fatalf("second try: %v; want it refused: %t", err, tt.spent)
			}
			if tt.spent && g.posts() != 1 {
				t.Errorf("%d posts, want 1", g.posts())
			}
			now = now.Add(10 * time.Minute)
			if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil {
				t.Errorf("after ten minutes: %v", err)
			}
		})
	}
}

func TestClockThatJumps(t *testing.T) {
	now := start
	g := scripted(says(200, tokenAnswer))
	c := newClient(t, g, func(cfg *exchange.Config) { cfg.Now = func() time.Time { return now } })
	try := func(code string, jump time.Duration) bool {
		now = now.Add(jump)
		_, err := c.Exchange(t.Context(), code, exchange.App)
		return err == nil
	}
	year := 365 * 24 * time.Hour
	steps := []struct {
		code string
		jump time.Duration
		want bool
	}{
		{"4/0A1", 0, true},
		{"4/0A1", -year, false}, // back: remembered for longer
		{"4/0A2", 0, true},
		{"4/0A2", time.Minute, false},
		{"4/0A1", 2 * year, true}, // ahead: forgotten sooner
		{"4/0A1", 0, false},
		{"4/0A2", -year, true},
		{"4/0A2", 0, false},
	}
	for i, step := range steps {
		if got := try(step.code, step.jump); got != step.want {
			t.Errorf("step %d: accepted %t, want %t", i, got, step.want)
		}
	}
}

// A wall clock that is set, while the process runs, makes no code older.
func TestWallClockIsSet(t *testing.T) {
	g := scripted(says(200, tokenAnswer))
	began, ahead := time.Now(), time.Duration(0)
	c := newClient(t, g, func(cfg *exchange.Config) { cfg.Now = func() time.Time { return wallSet(began, ahead) } })
	if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil {
		t.Fatal(err)
	}
	ahead = time.Hour
	if set := wallSet(began, ahead); set.Sub(began) != 0 || set.Round(0).Sub(began.Round(0)) != ahead {
		t.Fatal("the wall clock was not set: wallSet does not know this Go's time.Time")
	}
	if _, err := c.Exchange(t.Context(), goodCode, exchange.App); !errors.Is(err, exchange.ErrInvalidGrant) || g.posts() != 1 {
		t.Errorf("%v after %d posts, want ErrInvalidGrant after 1", err, g.posts())
	}
}

// wallSet returns t as time.Now would if the wall clock were ahead by whole
// seconds, at the same reading of the monotonic clock.
func wallSet(t time.Time, ahead time.Duration) time.Time {
	// A Time with a monotonic reading begins with a word that has the wall
	// seconds above 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(&t)) += uint64(ahead/time.Second) << 30
	return t
}

func TestTransportPanicsSpendTheCode(t *testing.T) {
	g := scripted(func(*http.Request) (*http.Response, error) { panic("broken transport") })
	c := newClient(t, g)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic has vanished")
			}
		}()
		c.Exchange(t.Context(), goodCode, exchange.App)
	}()
	if _, err := c.Exchange(t.Context(), goodCode, exchange.App); !errors.Is(err, exchange.ErrInvalidGrant) || g.posts() != 1 {
		t.Errorf("then %v after %d posts, want ErrInvalidGrant after 1", err, g.posts())
	}
}

// net/http repeats a POST whose HTTP/2 stream the server has reset, and one that
// found its kept connection closed.
func TestTransportMayRepeatOnlyWhatIsNotSent(t *testing.T) {
	for name, writing := range map[string]error{"sent": nil, "not sent": errors.New("closed")} {
		t.Run(name, func(t *testing.T) {
			g := scripted(func(r *http.Request) (*http.Response, error) {
				httptrace.ContextClientTrace(r.Context()).WroteRequest(httptrace.WroteRequestInfo{Err: writing})
				if _, err := r.GetBody(); (err == nil) != (writing != nil) {
					t.Errorf("asking for the body again: %v", err)
				}
				return says(200, tokenAnswer)(r)
			})
			if _, err := newClient(t, g).Exchange(t.Context(), goodCode, exchange.App); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestConnectionsAreKept pins that responses are read to the end, also those of
// failures: a connection whose response is not cannot be used again.
func TestConnectionsAreKept(t *testing.T) {
	var connections, requests atomic.Int32
	answers := []answerFunc{says(200, tokenAnswer), says(400, `{"error":"invalid_grant"}`), says(403, "<html>"+strings.Repeat("x", 1<<16))}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, _ := answers[int(requests.Add(1))%len(answers)](r)
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := newClient(t, srv.Client().Transport, func(cfg *exchange.Config) { cfg.Endpoint.TokenURL = srv.URL })
	for i := range 1000 {
		c.Exchange(t.Context(), fmt.Sprint("4/0A", i), exchange.App)
	}
	// On a busy machine a transport gives up a connection now and then.
	if requests.Load() != 1000 || connections.Load() > 50 {
		t.Errorf("%d requests on %d connections, want 1000 on few", requests.Load(), connections.Load())
	}
}

func TestCallerLeavesPostGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inFlight error
		g := scripted(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			inFlight = r.Context().Err()
			return says(200, tokenAnswer)(r)
		})
		c := newClient(t, g)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Exchange(ctx, goodCode, exchange.App)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, exchange.ErrTemporary) {
			t.Errorf("error %v, want the caller's deadline and ErrTemporary", err)
		}
		joined, err := c.Exchange(t.Context(), goodCode, exchange.App)
		if err != nil || joined.AccessToken == "" {
			t.Errorf("second caller: %v", err)
		}
		if inFlight != nil || g.posts() != 1 {
			t.Errorf("request's context: %v; posts: %d", inFlight, g.posts())
		}
	})
}

func TestEndedContextSendsNothing(t *testing.T) {
	g := scripted(says(200, tokenAnswer))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newClient(t, g)
	if _, err := c.Exchange(ctx, goodCode, exchange.App); !errors.Is(err, context.Canceled) {
		t.Errorf("Exchange: %v, want Canceled", err)
	}
	if _, err := c.Refresh(ctx, "1//marked"); !errors.Is(err, context.Canceled) || !errors.Is(err, exchange.ErrTemporary) {
		t.Errorf("Refresh: %v, want Canceled", err)
	}
	if err := c.Revoke(ctx, "1//marked"); !errors.Is(err, context.Canceled) {
		t.Errorf("Revoke: %v, want Canceled", err)
	}
	if g.posts() != 0 {
		t.Errorf("%d posts, want none", g.posts())
	}
}

func TestExchangeEndsByItself(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{
		0: 30 * time.Second, 2 * time.Second: 2 * time.Second, time.Hour: 30 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			hang := func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			c := newClient(t, scripted(hang), func(cfg *exchange.Config) { cfg.HTTPClient.Timeout = given })
			began := time.Now()
			_, err := c.Exchange(context.Background(), goodCode, exchange.App)
			if !errors.Is(err, exchange.ErrTemporary) || time.Since(began) != want {
				t.Errorf("Timeout %v: %v after %v; want ErrTemporary after %v", given, err, time.Since(began), want)
			}
		})
	}
}

func TestExchangePKCE(t *testing.T) {
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	const loopback = "http://127.0.0.1:49152/callback"
	g := scripted(says(200, tokenAnswer))
	c := newClient(t, g)
	for _, wrong := range []string{"", verifier[:42], strings.Repeat("a", 129), verifier + "+", verifier + "=", verifier + "\x00"} {
		if _, err := c.ExchangePKCE(t.Context(), goodCode, loopback, wrong); !errors.Is(err, exchange.ErrBadRequest) || exchange.HTTPStatus(err) != 400 {
			t.Errorf("verifier %q: %v, want ErrBadRequest", wrong, err)
		}
	}
	if g.posts() != 0 {
		t.Fatalf("%d posts, want none", g.posts())
	}
	if _, err := c.ExchangePKCE(t.Context(), goodCode, loopback, verifier); err != nil {
		t.Fatal(err)
	}
	if got := g.got[0]; got.Get("code_verifier") != verifier || got.Get("redirect_uri") != loopback {
		t.Errorf("sent %v", got)
	}
	if _, err := c.Exchange(t.Context(), goodCode, loopback); !errors.Is(err, exchange.ErrInvalidGrant) || g.posts() != 1 {
		t.Errorf("the code again, without the verifier: %v", err)
	}
}

// recycledContext is like that of a framework that uses it again for the next
// request: reading it then races with that request.
type recycledContext struct {
	context.Context
	user string
}

func (r *recycledContext) Value(any) any { return r.user }

// A request that outlives its caller reads neither the caller's context nor the
// memory of its strings. Who joins it sees that it still knows the strings.
func TestCallerIsNotReadAfterItHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := []byte(goodCode + callbackURI)
		code := unsafe.String(&memory[0], len(goodCode))
		uri := unsafe.String(&memory[len(goodCode)], len(callbackURI))
		ctx, cancel := context.WithCancel(t.Context())
		caller := &recycledContext{ctx, "jane"}
		seen := make(chan any, 2)
		g := scripted(func(r *http.Request) (*http.Response, error) {
			seen <- r.Context().Value(traceKey{})
			time.Sleep(time.Minute / 4)
			seen <- r.Context().Value(traceKey{})
			return says(400, `{"error":"invalid_grant","error_description":"Malformed: `+goodCode+`"}`)(r)
		})
		c := newClient(t, g)
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Exchange(caller, code, exchange.RedirectURI(uri)); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want Canceled", err)
		}
		caller.user = "john"
		clear(memory)
		_, err := c.Exchange(t.Context(), goodCode, callbackURI)
		if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Code != "invalid_grant" || e.Description != "" {
			t.Errorf("who joins: %v; want Google's refusal, without the code in it", err)
		}
		if before, after := <-seen, <-seen; before != "jane" || after != nil {
			t.Errorf("the request saw %v and %v, want the caller's value, then none", before, after)
		}
		if got := g.got[0]; g.posts() != 1 || got.Get("code") != goodCode || got.Get("redirect_uri") != callbackURI {
			t.Errorf("sent %v", g.got)
		}
	})
}

// A transport reads a request's context when the request has ended, if it still
// dials the connection. It must not see the caller's.
func TestCallerIsNotReadAfterTheCall(t *testing.T) {
	for name, call := range map[string]func(*exchange.Client, context.Context) error{
		"Refresh": func(c *exchange.Client, ctx context.Context) error {
			_, err := c.Refresh(ctx, refreshToken)
			return err
		},
		"Revoke": func(c *exchange.Client, ctx context.Context) error { return c.Revoke(ctx, refreshToken) },
		"ExchangeFor": func(c *exchange.Client, ctx context.Context) error { // whose last request is to userinfo
			_, err := c.ExchangeFor(ctx, goodCode, exchange.App, "jane")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var sent context.Context
			c := newClient(t, scripted(func(r *http.Request) (*http.Response, error) {
				sent = r.Context()
				if got := sent.Value(traceKey{}); got != "jane" {
					t.Errorf("the request saw %v, want the caller's value", got)
				}
				return says(200, `{"access_token":"ya29.new","sub":"jane"}`)(r)
			}))
			caller := &recycledContext{t.Context(), "jane"}
			if err := call(c, caller); err != nil {
				t.Fatal(err)
			}
			caller.user = "john"
			if got := sent.Value(traceKey{}); got != nil {
				t.Errorf("after the call the request saw %v, want nothing", got)
			}
		})
	}
}

// A code that was never given to the transport is not spent.
func TestPanicBeforeSendingSpendsNoCode(t *testing.T) {
	working := false
	g := scripted(says(200, tokenAnswer))
	c := newClient(t, g, func(cfg *exchange.Config) {
		cfg.ClientSecret = ""
		cfg.ClientSecretFunc = func(context.Context) (string, error) {
			if !working {
				panic("no vault")
			}
			return clientSecret, nil
		}
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of ClientSecretFunc is lost")
			}
		}()
		c.Exchange(t.Context(), goodCode, exchange.App)
	}()
	working = true
	if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil || g.posts() != 1 {
		t.Errorf("%v after %d posts: nothing had been sent", err, g.posts())
	}
}

// The refresh token in the result is a copy.
func TestRefreshTokenIsCopied(t *testing.T) {
	memory := []byte(refreshToken)
	tok, err := newClient(t, scripted(says(200, `{"access_token":"ya29.new"}`))).Refresh(t.Context(), unsafe.String(&memory[0], len(memory)))
	clear(memory)
	if err != nil || tok.RefreshToken != refreshToken {
		t.Errorf("%v, the refresh token has changed", err)
	}
}

// t.Fatal in a user's transport must end in an error, not in silence.
func TestTransportThatExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := scripted(func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil })
		c := newClient(t, g)
		if _, err := c.Exchange(t.Context(), goodCode, exchange.App); !errors.Is(err, exchange.ErrTemporary) {
			t.Errorf("error %v, want ErrTemporary", err)
		}
		if _, err := c.Exchange(t.Context(), goodCode, exchange.App); !errors.Is(err, exchange.ErrInvalidGrant) || g.posts() != 1 {
			t.Errorf("then %v after %d posts, want ErrInvalidGrant after 1", err, g.posts())
		}
	})
}
