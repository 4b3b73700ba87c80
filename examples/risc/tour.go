package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A world is a backend on a loopback address, and the fake Google that it
// believes in.
type world struct {
	google  *exchangetest.Server
	backend *backend
	server  *httptest.Server
}

func newWorld() (*world, error) {
	google := exchangetest.NewServer(exchangetest.Options{})
	cfg := exchange.Config{
		ClientID: google.ClientID(), ClientSecret: google.ClientSecret(),
		Endpoint: google.Endpoint(), HTTPClient: google.Client(),
	}
	keys, err := idtoken.StaticKeys(google.Issuer().JWKS())
	if err != nil {
		return nil, err
	}
	b, err := newBackend(cfg, new(tokenstore.Memory), keys)
	if err != nil {
		return nil, err
	}
	return &world{google, b, httptest.NewServer(b.routes())}, nil
}

func (w *world) close() {
	w.server.Close()
	w.google.Close()
}

// signIn is the app sending a code that it has just obtained with the user's
// consent. It returns the app's session.
func (w *world) signIn(ctx context.Context) (session *http.Cookie, status int, err error) {
	code := w.google.AppCode(exchangetest.CodeRequest{ForceConsent: true})
	resp, err := w.do(ctx, "POST", "/auth/google", strings.NewReader(code), func(h http.Header) {
		h.Set("Content-Type", "application/octet-stream")
		h.Set("X-Requested-With", "app")
	})
	if err != nil {
		return nil, 0, err
	}
	for _, c := range resp.Cookies() {
		session = c
	}
	return session, resp.StatusCode, nil
}

// me is the app asking whether its session is alive.
func (w *world) me(ctx context.Context, session *http.Cookie) (status int, err error) {
	resp, err := w.do(ctx, "GET", "/me", nil, func(h http.Header) { h.Set("Cookie", session.String()) })
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

// event is Google delivering an event.
func (w *world) event(ctx context.Context, e risc.Event) (status int, err error) {
	token := risctest.Token(w.google.Issuer(), w.google.ClientID(), e)
	resp, err := w.do(ctx, "POST", "/google/events", strings.NewReader(token), func(http.Header) {})
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

func (w *world) do(ctx context.Context, method, path string, body io.Reader, header func(http.Header)) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.server.URL+path, body)
	if err != nil {
		return nil, err
	}
	header(req.Header)
	resp, err := w.server.Client().Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// grant is what the backend keeps of its one user.
func (w *world) grant(ctx context.Context) (subject string, g tokenstore.Grant, err error) {
	for key, err := range w.backend.store.(*tokenstore.Memory).Keys(ctx, tokenstore.Key{}) {
		if err != nil {
			return "", g, err
		}
		g, err = w.backend.grants.Grant(ctx, key.Subject)
		return key.Subject, g, err
	}
	return "", g, tokenstore.ErrNotFound
}

// tour has one user sign in again and again, and Google report something each
// time.
func tour(ctx context.Context, out io.Writer) error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.close()
	if _, _, err := w.signIn(ctx); err != nil {
		return err
	}
	subject, _, err := w.grant(ctx)
	if err != nil {
		return err
	}
	about := risctest.About(w.google.Issuer(), subject)
	for _, event := range []func(refreshToken string) risc.Event{
		func(string) risc.Event { return risc.SessionsRevoked{Meta: about} },
		func(string) risc.Event { return risc.TokensRevoked{Meta: about} },
		func(token string) risc.Event { return risctest.TokenRevoked(token) },
		func(string) risc.Event { return risc.AccountDisabled{Meta: about, Reason: risc.Hijacking} },
		func(string) risc.Event { return risc.AccountEnabled{Meta: about} },
	} {
		if err := w.step(ctx, out, event); err != nil {
			return err
		}
	}
	return nil
}

// step tells what becomes of a session and a grant when an event arrives.
func (w *world) step(ctx context.Context, out io.Writer, event func(refreshToken string) risc.Event) error {
	session, status, err := w.signIn(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "sign-in: %s", http.StatusText(status))
	_, grant, err := w.grant(ctx)
	if err != nil {
		return err
	}
	e := event(grant.RefreshToken)
	delivered, err := w.event(ctx, e)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "; Google reports %T: %s", e, http.StatusText(delivered))
	if session != nil {
		if status, err = w.me(ctx, session); err != nil {
			return err
		}
		fmt.Fprintf(out, "; the session: %s", http.StatusText(status))
	}
	if _, grant, err = w.grant(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "; the grant: %v %s\n", grant.State, grant.Reason)
	return nil
}
