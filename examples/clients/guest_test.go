package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A guest is a client library in another language, driven by a small program of
// ours. The program finds the fake and a code in its environment. It prints
//
//	authorize URL
//
// to be sent, on its standard input, the address that the browser is redirected
// to, and at last
//
//	result JSON
//
// whatever else it prints is for whoever reads the log of a failed test.

// result is what every guest reports.
type result struct {
	Email     string   // from the verified ID token of the redirect
	Scopes    []string // granted with the app's code
	Refreshed bool     // the refresh token gave another access token
	Ended     string   // OAuth error of a refresh after revocation
}

// run runs a guest against srv and checks its result.
func run(t *testing.T, srv *exchangetest.Server, cmd *exec.Cmd) {
	t.Helper()
	var got result
	if err := json.Unmarshal(talk(t, srv, cmd), &got); err != nil {
		t.Fatal(err)
	}
	want := result{Email: jane, Scopes: []string{appdata}, Refreshed: true, Ended: "invalid_grant"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("result %+v, want %+v", got, want)
	}
}

func talk(t *testing.T, srv *exchangetest.Server, cmd *exec.Cmd) (result []byte) {
	t.Helper()
	var errors bytes.Buffer
	cmd.Stderr = &errors
	cmd.Env = append(os.Environ(), cmd.Env...)
	cmd.Env = append(cmd.Env,
		"FAKE="+srv.URL,
		"CLIENT_ID="+srv.ClientID(), "CLIENT_SECRET="+srv.ClientSecret(), "CLIENT_JSON="+string(srv.ClientSecretJSON()),
		"CALLBACK="+callback,
		"APP_CODE="+srv.AppCode(exchangetest.CodeRequest{User: jane, Scopes: []string{appdata}}),
	)
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
			fmt.Fprintln(in, callback+"?"+signIn(t, srv, rest).Encode())
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
