package routers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// slowRefresher returns access tokens that name their user once it is released.
type slowRefresher struct{ asked, released chan struct{} }

func (r *slowRefresher) Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	r.asked <- struct{}{}
	<-r.released
	return &oauth2.Token{AccessToken: "ya29." + refreshToken, Expiry: time.Now().Add(time.Hour)}, nil
}

// serveFiber runs a Fiber app with a net/http handler. Behind Fiber's adaptor the
// strings of a request are the server's buffer, and its context the server's own:
// the next request overwrites both.
func serveFiber(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true, IdleTimeout: time.Second})
	app.All("/*", adaptor.HTTPHandler(handler))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(app.Shutdown(), <-served); err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

// hurried returns a context with a short deadline. It is not made of the request's:
// a timer of package context may look at that after the request has ended.
func hurried() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Millisecond)
}

// A refresh that outlives its request is for the user of that request.
func TestFiberKeepsUsersApart(t *testing.T) {
	const users = 20
	refresher := &slowRefresher{make(chan struct{}, users), make(chan struct{})}
	grants, err := tokenstore.New(tokenstore.Config{ClientID: "client", Store: new(tokenstore.Memory), Refresher: refresher})
	if err != nil {
		t.Fatal(err)
	}
	subject := func(i int) string { return fmt.Sprintf("1083657192846109374%02d", i) }
	for i := range users {
		if _, err := grants.SignIn(t.Context(), subject(i), &oauth2.Token{RefreshToken: subject(i)}); err != nil {
			t.Fatal(err)
		}
	}
	address := serveFiber(t, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if r.URL.Path == "/hurry" {
			var cancel context.CancelFunc
			ctx, cancel = hurried()
			defer cancel()
		}
		token, err := grants.Token(ctx, r.Header.Get("X-User"))
		if err != nil {
			exchange.WriteProblem(w, r, err)
			return
		}
		io.WriteString(w, token.AccessToken)
	})
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}} // one buffer for all
	t.Cleanup(client.CloseIdleConnections)
	get := func(path, user string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-User", user)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for i := range users {
		asked := false
		for tries := 0; !asked; tries++ { // on a busy machine the request may end before it has asked
			if tries == 1000 {
				t.Fatalf("user %s: the refresh token is never used", subject(i))
			}
			if status, _ := get("/hurry", subject(i)); status != http.StatusServiceUnavailable {
				t.Fatalf("status %d while Google is slow, want 503", status)
			}
			select {
			case <-refresher.asked:
				asked = true
			default:
			}
		}
	}
	close(refresher.released)
	for i := range users {
		if status, body := get("/", subject(i)); status != 200 || body != "ya29."+subject(i) {
			t.Errorf("user %s got %d %q", subject(i), status, body)
		}
	}
	if err := grants.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// An exchange that outlives its request reads nothing of it.
func TestFiberExchange(t *testing.T) {
	google := exchangetest.NewServer(exchangetest.Options{})
	t.Cleanup(google.Close)
	answering := make(chan struct{})
	var mu sync.Mutex
	posted := map[string]int{} // how often each code came to Google
	client, err := exchange.New(exchange.Config{
		ClientID: google.ClientID(), ClientSecret: google.ClientSecret(), Endpoint: google.Endpoint(),
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-answering
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			form, err := url.ParseQuery(string(body))
			if err != nil {
				return nil, err
			}
			mu.Lock()
			posted[form.Get("code")]++
			mu.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(body))
			return google.Client().Transport.RoundTrip(r)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	address := serveFiber(t, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if r.URL.Path == "/hurry" {
			var cancel context.CancelFunc
			ctx, cancel = hurried()
			defer cancel()
		}
		tokens, err := client.Exchange(ctx, r.Header.Get("X-Code"), exchange.App)
		if err != nil {
			exchange.WriteProblem(w, r, err)
			return
		}
		io.WriteString(w, tokens.AccessToken)
	})
	http1 := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	t.Cleanup(http1.CloseIdleConnections)
	post := func(path, code string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Code", code)
		resp, err := http1.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	var codes []string
	for range 10 {
		codes = append(codes, google.AppCode(exchangetest.CodeRequest{}))
		if status := post("/hurry", codes[len(codes)-1]); status < 500 {
			t.Errorf("status %d while Google is slow", status)
		}
	}
	close(answering)
	for _, code := range codes {
		if status := post("/", code); status != http.StatusOK && status != http.StatusBadRequest { // it joins, or comes too late
			t.Errorf("status %d afterwards", status)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, code := range codes {
		if posted[code] != 1 {
			t.Errorf("a code came to Google %d times", posted[code])
		}
	}
	if len(posted) != len(codes) {
		t.Errorf("%d codes came to Google, want %d", len(posted), len(codes))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
