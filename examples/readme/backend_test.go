package readme

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func TestSignIn(t *testing.T) {
	jane := exchangetest.User{Email: "jane.doe@gmail.com", Subject: "108365719284610937465"}
	google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{jane}})
	defer google.Close()
	files := drivetest.NewServer(drivetest.Options{Accounts: google})
	defer files.Close()
	kept := tokenstore.Config{Store: new(tokenstore.Memory), Hosts: []string{"127.0.0.1"}}
	b, err := NewBackend(google.Config(), google.KeySource(), kept)
	if err != nil {
		t.Fatal(err)
	}
	b.drive = files.Endpoint()

	code := google.AppCode(exchangetest.CodeRequest{User: jane.Email, Scopes: []string{"openid", drive.Scope}})
	r := httptest.NewRequest("POST", "/auth/google", strings.NewReader(url.Values{"code": {code}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Requested-With", "com.example.app")
	w := httptest.NewRecorder()
	if b.Routes().ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}

	files.Folder(jane.Subject).Add(drivetest.File{Name: "settings.json", Content: []byte(`{"theme":"dark"}`)})
	folder, err := b.Folder(jane.Subject)
	if err != nil {
		t.Fatal(err)
	}
	settings, _, err := drive.ReadJSON[map[string]string](t.Context(), folder, "settings.json")
	if err != nil || settings["theme"] != "dark" {
		t.Error(settings, err)
	}
}

// TestOneClock checks that the backend and both fakes have the time of one clock: the
// access token expires everywhere at once, and is refreshed before Drive refuses it.
func TestOneClock(t *testing.T) {
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	files := drivetest.NewServer(drivetest.Options{Accounts: google})
	defer files.Close()
	kept := tokenstore.Config{Store: new(tokenstore.Memory), Hosts: []string{"127.0.0.1"}}
	b, err := NewBackend(google.Config(), google.KeySource(), kept)
	if err != nil {
		t.Fatal(err)
	}
	b.drive = files.Endpoint()
	files.Advance(10 * 24 * time.Hour)
	tokens, err := b.client.Exchange(t.Context(), google.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", drive.Scope}}), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	user, err := b.verifier.Verify(t.Context(), tokens.IDToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.grants.SignIn(t.Context(), user.Subject, &tokens.Token); err != nil {
		t.Fatal(err)
	}
	folder, err := b.Folder(user.Subject)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := folder.Info(t.Context()); err != nil {
			t.Error(err)
		}
		google.Advance(2 * time.Hour)
	}
	for _, r := range files.Requests() {
		if r.Status != http.StatusOK {
			t.Errorf("Drive answered %d", r.Status)
		}
	}
	if n := len(google.Requests(exchangetest.TokenEndpoint)); n != 2 {
		t.Errorf("%d token requests, want an exchange and a refresh", n)
	}
}

// What goes wrong at a sign-in is in the log, and the code is not.
func TestFailuresAreLogged(t *testing.T) {
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	for _, tt := range []struct {
		name, secret string
		keys         idtoken.KeySource
		status       int
	}{
		{"Google refuses", "wrong", google.KeySource(), http.StatusInternalServerError},
		{"the ID token is somebody else's", google.ClientSecret(), idtokentest.NewIssuer(), http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged bytes.Buffer
			defer log.SetOutput(log.Writer())
			log.SetOutput(&logged)
			config := google.Config()
			config.ClientSecret = tt.secret
			b, err := NewBackend(config, tt.keys, tokenstore.Config{Store: new(tokenstore.Memory)})
			if err != nil {
				t.Fatal(err)
			}
			code := google.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid"}})
			r := httptest.NewRequest("POST", "/auth/google", strings.NewReader(code))
			r.Header.Set("Content-Type", "text/plain")
			r.Header.Set("X-Requested-With", "com.example.app")
			w := httptest.NewRecorder()
			b.Routes().ServeHTTP(w, r)
			text := logged.String()
			if w.Code != tt.status || !strings.Contains(text, "/auth/google: ") || strings.Contains(text, code) {
				t.Errorf("answered %d, logged %q", w.Code, text)
			}
		})
	}
}

// TestServeSaves checks that a refresh token that the store did not take is saved
// when the program ends.
func TestServeSaves(t *testing.T) {
	jane := exchangetest.User{Email: "jane.doe@gmail.com", Subject: "108365719284610937465"}
	google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{jane}})
	defer google.Close()
	kept := new(tokenstore.Memory)
	store := &tokenstoretest.Faulty{Store: kept}
	b, err := NewBackend(google.Config(), nil, tokenstore.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	code := google.AppCode(exchangetest.CodeRequest{User: jane.Email, Scopes: []string{"openid", drive.Scope}})
	tokens, err := b.client.Exchange(t.Context(), code, exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	store.Script(tokenstoretest.Fault{Method: "Save", Times: -1, Err: errors.New("the database is down")})
	if _, err := b.grants.SignIn(t.Context(), jane.Subject, &tokens.Token); err == nil {
		t.Fatal("the store takes it")
	}
	store.Script()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Serve(ctx, "127.0.0.1:0"); err != nil {
		t.Error(err)
	}
	g, err := kept.Load(t.Context(), tokenstore.Key{ClientID: google.ClientID(), Subject: jane.Subject})
	if err != nil || g.RefreshToken != tokens.RefreshToken {
		t.Errorf("after the end, %v, %v is kept", g, err)
	}
}

// TestDelete checks that nothing of the user is left, neither here nor in the folder,
// and that a failure on the way leaves what is needed to try again.
func TestDelete(t *testing.T) {
	jane := exchangetest.User{Email: "jane.doe@gmail.com", Subject: "108365719284610937465"}
	for _, tt := range []struct {
		name   string
		scopes []string
		drive  []drivetest.Fault
		left   int // documents
	}{
		{"all at once", []string{"openid", drive.Scope}, nil, 0},
		{"again after a failure", []string{"openid", drive.Scope}, []drivetest.Fault{{Status: http.StatusForbidden, Times: 1}}, 0},
		{"no access to the folder", []string{"openid"}, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{jane}})
			defer google.Close()
			files := drivetest.NewServer(drivetest.Options{Accounts: google})
			defer files.Close()
			b, err := NewBackend(google.Config(), google.KeySource(), tokenstore.Config{Store: new(tokenstore.Memory), Hosts: []string{"127.0.0.1"}})
			if err != nil {
				t.Fatal(err)
			}
			b.drive = files.Endpoint()
			folder := files.Folder(jane.Subject)
			folder.Add(drivetest.File{Name: "settings.json", Content: []byte("{}")})
			tokens, err := b.client.Exchange(t.Context(), google.AppCode(exchangetest.CodeRequest{User: jane.Email, Scopes: tt.scopes}), exchange.App)
			if err == nil {
				_, err = b.grants.SignIn(t.Context(), jane.Subject, &tokens.Token)
			}
			if err != nil {
				t.Fatal(err)
			}
			files.Script(tt.drive...)
			if err := b.Delete(t.Context(), jane.Subject); (err == nil) != (tt.drive == nil) {
				t.Error(err)
			} else if err != nil {
				if err := b.Delete(t.Context(), jane.Subject); err != nil {
					t.Error(err)
				}
			}
			if got := len(folder.Files()); got != tt.left {
				t.Errorf("%d documents are left, want %d", got, tt.left)
			}
			if _, err := b.grants.Grant(t.Context(), jane.Subject); !errors.Is(err, tokenstore.ErrNotFound) {
				t.Error(err)
			}
			if got := google.Grants(); len(got) != 0 {
				t.Errorf("Google has %v", got)
			}
		})
	}
}

// TestMoreScopes checks that a page asks Google for what it needs, once.
func TestMoreScopes(t *testing.T) {
	jane := exchangetest.User{Email: "jane.doe@gmail.com", Subject: "108365719284610937465"}
	google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{jane}})
	defer google.Close()
	b, err := NewBackend(google.Config(), google.KeySource(), tokenstore.Config{Store: new(tokenstore.Memory)})
	if err != nil {
		t.Fatal(err)
	}
	redirect, err := b.client.NewRedirect(exchange.RedirectConfig{
		URI: "http://localhost:8080/callback", Keys: [][]byte{make([]byte, 32)}, Params: exchange.AuthParams{Scopes: []string{"openid"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		granted []string
		asks    bool
	}{{nil, true}, {[]string{"openid"}, true}, {scopes, false}} {
		if tt.granted != nil {
			code := google.AppCode(exchangetest.CodeRequest{User: jane.Email, Scopes: tt.granted})
			tokens, err := b.client.Exchange(t.Context(), code, exchange.App)
			if err == nil {
				_, err = b.grants.SignIn(t.Context(), jane.Subject, &tokens.Token)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		w := httptest.NewRecorder()
		b.calendar(w, httptest.NewRequest("GET", "/calendar", nil), redirect, jane.Subject)
		to, err := w.Result().Location()
		if asks := err == nil && strings.Contains(to.Query().Get("scope"), "calendar"); asks != tt.asks {
			t.Errorf("with %q: %d, sent to %v", tt.granted, w.Code, to)
		}
	}
}
