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

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func TestSignIn(t *testing.T) {
	jane := exchangetest.User{Email: "jane.doe@gmail.com", Subject: "108365719284610937465"}
	google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{jane}})
	defer google.Close()
	files := drivetest.NewServer(drivetest.Options{CheckToken: google.CheckAccessToken})
	defer files.Close()
	keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: google.CertsURL()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBackend(
		exchange.Config{ClientID: google.ClientID(), ClientSecret: google.ClientSecret(), Endpoint: google.Endpoint()},
		keys,
		tokenstore.Config{Store: new(tokenstore.Memory), Hosts: []string{"127.0.0.1"}},
	)
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

// What goes wrong at a sign-in is in the log, and the code is not.
func TestFailuresAreLogged(t *testing.T) {
	google, other := exchangetest.NewServer(exchangetest.Options{}), exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	defer other.Close()
	for _, tt := range []struct {
		name, secret, certsURL string
		status                 int
	}{
		{"Google refuses", "wrong", google.CertsURL(), http.StatusInternalServerError},
		{"the ID token is somebody else's", google.ClientSecret(), other.CertsURL(), http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged bytes.Buffer
			defer log.SetOutput(log.Writer())
			log.SetOutput(&logged)
			keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: tt.certsURL})
			if err != nil {
				t.Fatal(err)
			}
			config := exchange.Config{ClientID: google.ClientID(), ClientSecret: tt.secret, Endpoint: google.Endpoint()}
			b, err := NewBackend(config, keys, tokenstore.Config{Store: new(tokenstore.Memory)})
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
	b, err := NewBackend(
		exchange.Config{ClientID: google.ClientID(), ClientSecret: google.ClientSecret(), Endpoint: google.Endpoint()},
		nil, tokenstore.Config{Store: store},
	)
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
