package main

import (
	"bytes"
	"context"
	"log"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// secret matches what Google's codes, tokens and client secrets begin with.
var secret = regexp.MustCompile(`4/0|1//|ya29\.|eyJ|GOCSPX`)

// takeTour runs the tour against srv and returns all that it printed or logged.
func takeTour(t *testing.T, srv *exchangetest.Server, change func(*google)) (string, error) {
	t.Helper()
	var out bytes.Buffer
	stderr := log.Writer()
	log.SetOutput(&out)
	t.Cleanup(func() { log.SetOutput(stderr) })
	dir := t.TempDir()
	g, err := fakeGoogle(dir, srv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	change(g)
	err = newTour(&out, dir, g).run(t.Context())
	text := out.String()
	if err != nil {
		text += err.Error()
	}
	if found := secret.FindString(text); found != "" {
		t.Errorf("a secret that begins with %q is in what was printed:\n%s", found, text)
	}
	for _, r := range srv.Requests(exchangetest.TokenEndpoint) {
		for _, name := range []string{"code", "refresh_token", "client_secret"} {
			v := r.Form.Get(name)
			if v != "" && !secret.MatchString(v) {
				t.Errorf("the %s does not look like a secret to this test", name)
			}
			if v != "" && strings.Contains(text, v) {
				t.Errorf("the %s is in what was printed:\n%s", name, text)
			}
		}
	}
	return text, err
}

func TestTour(t *testing.T) {
	srv := exchangetest.NewServer(exchangetest.Options{})
	text, err := takeTour(t, srv, func(*google) {})
	if err != nil {
		t.Fatalf("%v, after:\n%s", err, text)
	}
	for _, want := range []string{
		"jane.doe@gmail.com", "A refresh token came with the code", "sealed in " + storeName + ": active",
		"the same comes back", "without a refresh token", "It is refused from now on", "All of it worked",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the tour does not say %q:\n%s", want, text)
		}
	}
	var posts []string
	for _, r := range srv.Requests(exchangetest.TokenEndpoint, exchangetest.RevokeEndpoint) {
		posts = append(posts, strings.TrimSpace(string(r.Endpoint)+" "+r.Form.Get("grant_type")))
	}
	want := "token authorization_code, token refresh_token, token authorization_code, revoke, token refresh_token"
	if got := strings.Join(posts, ", "); got != want {
		t.Errorf("Google was asked\n%s, want\n%s", got, want)
	}
}

// TestTourOfGoogle takes the way of -client-secret and -code, which has one code
// and cannot check what only a fake shows at once.
func TestTourOfGoogle(t *testing.T) {
	srv := exchangetest.NewServer(exchangetest.Options{})
	text, err := takeTour(t, srv, func(g *google) {
		real := realGoogle(g.clientSecretFile, g.code())
		g.code, g.fake = real.code, real.fake
	})
	if err != nil {
		t.Fatalf("%v, after:\n%s", err, text)
	}
	if !strings.Contains(text, "Left out: it takes a second code") {
		t.Errorf("the tour does not say what it leaves out:\n%s", text)
	}
}

func TestTourFailsLoudly(t *testing.T) {
	refused := exchangetest.Fault{Status: http.StatusBadRequest, Body: `{"error":"invalid_grant"}`, Times: -1}
	tests := []struct {
		name   string
		script func(*exchangetest.Server)
		change func(*google)
		want   string
	}{
		{
			name:   "the code is refused",
			script: func(srv *exchangetest.Server) { srv.Script(exchangetest.TokenEndpoint, refused) },
			want:   "400 Bad Request",
		},
		{
			name: "Google's keys are out of reach",
			script: func(srv *exchangetest.Server) {
				srv.Script(exchangetest.CertsEndpoint, exchangetest.Fault{Status: http.StatusInternalServerError, Times: -1})
			},
			want: "503 Service Unavailable",
		},
		{
			name: "the kept refresh token is refused",
			script: func(srv *exchangetest.Server) {
				srv.Script(exchangetest.TokenEndpoint, exchangetest.Fault{}, refused)
			},
			want: "consent",
		},
		{
			name:   "the user has seen the consent screen before, and nothing is kept",
			change: func(g *google) { g.code() },
			want:   "forced consent screen",
		},
		{
			name:   "the Drive is out of reach",
			change: func(g *google) { g.apiHosts = nil },
			want:   "127.0.0.1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := exchangetest.NewServer(exchangetest.Options{})
			if tt.script != nil {
				tt.script(srv)
			}
			if tt.change == nil {
				tt.change = func(*google) {}
			}
			text, err := takeTour(t, srv, tt.change)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the tour ended with %v, want an error with %q", err, tt.want)
			}
			if strings.Contains(text, "All of it worked") {
				t.Error("it says that all of it worked")
			}
		})
	}
}

func TestRunWithoutFile(t *testing.T) {
	const code = "4/0code" // its beginning alone may be in the name of a temporary folder
	var out bytes.Buffer
	if err := run(context.Background(), &out, t.TempDir()+"/client_secret.json", code); err == nil || strings.Contains(err.Error(), code) {
		t.Errorf("run = %v, want an error without the code", err)
	}
}
