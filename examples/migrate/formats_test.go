package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

const web = "1234-web.apps.googleusercontent.com"

// The samples are of the libraries' own making.
func TestSamples(t *testing.T) {
	secrets := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(secrets, []byte("BETTER_AUTH_SECRET='an invented secret of 32 characters'\nBETTER_AUTH_SECRETS=12:the newer invented: 32 characters,3:older\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		format, in string
		want       []grant
	}{
		{"google-auth", "google-auth", []grant{
			{"list.json", "", web, "1//0invented-google-auth-list", ""},
			{"none.json", "", web, "1//0invented-google-auth-none", ""},
			{"online.json", "", web, "", ""},
		}},
		{"oauth2client", "oauth2client", []grant{
			{"again", "", web, "", ""},
			{"invalid", "", web, "1//0invented-oauth2client-invalid", "marked as refused"},
			{"signed-in", jane, web, "1//0invented-oauth2client", ""},
		}},
		{"googleauth-ruby", "googleauth-ruby.yaml", []grant{
			{"42", "", web, "1//0invented-ruby", ""},
			{"jane", "", web, "1//0invented-ruby", ""},
			{"john", "", web, "", ""},
		}},
		{"league", "league.jsonl", []grant{
			{"league.jsonl:1", jane, web, "1//0invented-league", ""},
			{"league.jsonl:2", "", "", "", ""},
		}},
		{"goth", "goth.json", []grant{{"goth.json", jane, web, "1//0invented-goth", ""}}},
		{"better-auth", "better-auth.jsonl", []grant{
			{"plain", jane, "", "1//0invented-better-auth", ""},
			{"legacy", jane, "", "1//0invented-better-auth", ""},
			{"version 12", jane, "", "1//0invented-better-auth", ""},
			{"none", jane, "", "", ""},
		}},
	} {
		got, err := readGrants(t.Context(), options{from: c.format, in: filepath.Join("testdata/samples", c.in), secret: secrets})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", c.format, got, err, c.want)
		}
	}
}

// golang.org/x/oauth2 is a library of this program: a Token as JSON in a column.
func TestXOAuth2(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	text, err := json.Marshal(&oauth2.Token{AccessToken: "ya29.old", RefreshToken: w.consent(jane, "openid").RefreshToken, Expiry: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	w.table([4]any{1, nil, nil, string(text)}, [4]any{2, nil, nil, `{"access_token":"ya29.old","expiry":"0001-01-01T00:00:00Z"}`}, [4]any{3, nil, nil, nil})
	w.o.query = `SELECT id AS "user", token AS json FROM users`
	w.wantLines([]string{"2 skipped: no refresh token is kept", "1 taken"}, from("x-oauth2"))
	w.wantKept(jane)
}

// Some tools export a subject as a number.
func TestNumber(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	w.o.in = w.file("rows.json", `[{"user": 42, "subject": `+jane+`, "refresh_token": "`+w.consent(jane, "openid").RefreshToken+`"}]`)
	w.wantLines([]string{"1 due"}, from("table"), dryRun)
	w.wantLines([]string{"1 taken"}, from("table"))
	w.wantKept(jane)
}

// An ID token of another provider's says nothing about Google's users.
func TestOtherProvider(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	claims := map[string]any{"iss": "https://login.example.com", "aud": web, "sub": jane, "iat": 1, "exp": 2}
	other := w.google.Issuer().Sign(claims)
	row, err := json.Marshal(map[string]string{"RefreshToken": "invented", "IDToken": other})
	if err != nil {
		t.Fatal(err)
	}
	w.o.in = w.file("goth.json", string(row))
	w.wantLines([]string{"1 skipped: of another provider than Google"}, from("goth"))
}

// No error quotes what it could not read.
func TestUnreadable(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	const secret = "1//0secret"
	w.secret = append(w.secret, secret)
	for _, c := range []struct{ format, text string }{
		{"google-auth", `{"refresh_token": "` + secret},
		{"google-auth", `{"refresh_token": ` + secret + `}`},
		{"google-auth", `"` + secret + `"`},
		{"google-auth", `[["` + secret + `"]]`},
		{"google-auth", `{"json": "` + secret + `"}`},
		{"google-auth", `{"json": "[]"}`},
		{"googleauth-ruby", "jane: '" + secret},
		{"googleauth-ruby", "jane: [" + secret + "]"},
		{"googleauth-ruby", "jane: " + secret},
		{"googleauth-ruby", secret},
	} {
		w.o.in = w.file("old", c.text)
		if _, err := w.run(from(c.format)); err == nil {
			t.Errorf("%s is read", c.text)
		}
	}
	w.o.in = w.file("old", "")
	w.wantLines(nil, from("googleauth-ruby"))
	w.wantLines(nil, from("google-auth"))
}
