package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A guest is a client library that runs in a process of its own, driven by a small
// program of ours. The program finds the fake in its environment. It prints
//
//	authorize URL
//
// to be sent, on its standard input, the address that the browser is redirected
// to, and at last
//
//	result JSON
//
// whatever else it prints is for whoever reads the log of a failed test.

// result is what the guests report that redeem an app's code too.
type result struct {
	Subject, Email string   // from the verified ID token of the redirect
	Scopes         []string // granted with the app's code
	Refreshed      bool     // the refresh token gave another access token
	Ended          string   // OAuth error of a refresh after revocation
}

// run runs a guest against srv and checks its result.
func run(t *testing.T, srv *exchangetest.Server, cmd *exec.Cmd) {
	t.Helper()
	var got result
	if err := json.Unmarshal(talk(t, srv, cmd, appCode(srv)), &got); err != nil {
		t.Fatal(err)
	}
	want := result{Subject: subjectOf(t, srv, jane), Email: jane, Scopes: []string{appdata}, Refreshed: true, Ended: "invalid_grant"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("result %+v, want %+v", got, want)
	}
}

func appCode(srv *exchangetest.Server) (variable string) {
	return "APP_CODE=" + srv.AppCode(exchangetest.CodeRequest{User: jane, Scopes: []string{appdata}})
}

func subjectOf(t *testing.T, srv *exchangetest.Server, email string) string {
	t.Helper()
	for _, a := range srv.Accounts() {
		if a.Email == email {
			return a.Subject
		}
	}
	t.Fatalf("no account %s", email)
	return ""
}

// user is what a client reports about the user whom it has signed in.
type user struct {
	Subject, Email string
	Refreshed      bool // the refresh token gave another access token
}

// wantSignedIn checks that the client reports jane, that it made the requests named
// ("GET /oauth2/v3/certs"), and that the server refused none.
func wantSignedIn(t *testing.T, srv *exchangetest.Server, got user, refreshed bool, requests ...string) {
	t.Helper()
	if want := (user{subjectOf(t, srv, jane), jane, refreshed}); got != want {
		t.Errorf("the client reports %+v, want %+v", got, want)
	}
	var made []string
	for _, r := range srv.Requests() {
		made = append(made, r.Method+" "+r.Path)
		if r.Status >= 400 {
			t.Errorf("%s %s was refused with %d", r.Method, r.Path, r.Status)
		}
	}
	t.Logf("requests: %s", strings.Join(made, ", "))
	for _, request := range requests {
		if !slices.Contains(made, request) {
			t.Errorf("no request %s", request)
		}
	}
}

// signsIn runs a guest that reports a user.
func signsIn(t *testing.T, srv *exchangetest.Server, cmd *exec.Cmd, env []string, refreshed bool, requests ...string) {
	t.Helper()
	var got user
	if err := json.Unmarshal(talk(t, srv, cmd, env...), &got); err != nil {
		t.Fatal(err)
	}
	wantSignedIn(t, srv, got, refreshed, requests...)
}

// talk runs a guest that signs jane in to srv, and returns its result.
func talk(t *testing.T, srv *exchangetest.Server, cmd *exec.Cmd, env ...string) (result []byte) {
	t.Helper()
	client := srv.Clients()[0]
	cmd.Env = append(guests.Environ(), env...)
	cmd.Env = append(cmd.Env,
		"FAKE="+srv.URL,
		"CLIENT_ID="+client.ID, "CLIENT_SECRET="+client.Secret, "CLIENT_JSON="+string(srv.ClientSecretJSON()),
		"CALLBACK="+client.RedirectURIs[0],
	)
	return converse(t, cmd, func(authURL string) string {
		return client.RedirectURIs[0] + "?" + signIn(t, srv, authURL).Encode()
	})
}

// converse runs a guest. authorize returns the address to which a browser is sent back
// that begins at authURL.
func converse(t *testing.T, cmd *exec.Cmd, authorize func(authURL string) string) (result []byte) {
	t.Helper()
	var errors bytes.Buffer
	cmd.Stderr = &errors
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "authorize":
			fmt.Fprintln(in, authorize(rest))
		case "result":
			result = []byte(rest)
		default:
			errors.WriteString(lines.Text() + "\n")
		}
	}
	if err := cmd.Wait(); err != nil || result == nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, errors.Bytes())
	}
	return result
}
