#!/usr/bin/env bash
# Google's token response read into an oauth2.Token is valid forever, and no client refreshes it.
#
# The fields of oauth2.Token have the JSON names of a token response, so json.Unmarshal of the response
# (which an app, a worker in another language or a table of raw responses may hand over) fills it without
# an error. But the time of the end is a field of its own, "expiry", that no provider sends: it stays zero,
# which means "never". The comments of the fields say so; no error does. Config.Client then sends the same
# access token for good, and the API answers 401.
# In the other direction, a Token of Exchange that went through JSON has lost its ID token and its scopes,
# which Extra alone has.
# A backend sets Expiry itself from the time of the response, and saves ID token and scope beside the Token.
#
# Seen with golang.org/x/oauth2 v0.38.0. Needs Go and its module proxy.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOPATH=$dir/gopath GOFLAGS='-mod=mod -modcacherw -trimpath'

cat >go.mod <<'END'
module finding

go 1.26.0

require golang.org/x/oauth2 v0.38.0
END
cat >main.go <<'END'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"golang.org/x/oauth2"
)

// response has the form of Google's. Its access token is good for a second only.
const response = `{"access_token":"ya29.a0","expires_in":1,"refresh_token":"1//0a","scope":"openid email",` +
	`"token_type":"Bearer","id_token":"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}`

func main() {
	posts := 0
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts++
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, response)
	}))
	defer provider.Close()
	config := oauth2.Config{ClientID: "a", ClientSecret: "s", Endpoint: oauth2.Endpoint{
		TokenURL: provider.URL, AuthStyle: oauth2.AuthStyleInParams}}
	ctx := context.Background()

	exchanged, err := config.Exchange(ctx, "4/0AbCd")
	if err != nil {
		panic(err)
	}
	var read oauth2.Token
	if err := json.Unmarshal([]byte(response), &read); err != nil {
		panic(err)
	}
	// x/oauth2 takes ten seconds off, so a token of one second is over at once.
	for _, c := range []struct {
		name  string
		token *oauth2.Token
	}{{"by Exchange", exchanged}, {"by json.Unmarshal", &read}} {
		posts = 0
		if _, err := config.TokenSource(ctx, c.token).Token(); err != nil {
			panic(err)
		}
		fmt.Printf("%s: expires_in %d, has an expiry: %t, valid: %t, refreshes: %d\n",
			c.name, c.token.ExpiresIn, !c.token.Expiry.IsZero(), c.token.Valid(), posts)
	}

	stored, err := json.Marshal(exchanged)
	if err != nil {
		panic(err)
	}
	var loaded oauth2.Token
	if err := json.Unmarshal(stored, &loaded); err != nil {
		panic(err)
	}
	for _, name := range []string{"id_token", "scope"} {
		fmt.Printf("%s: has it: %t, after JSON: %t\n", name, exchanged.Extra(name) != nil, loaded.Extra(name) != nil)
	}
}
END
cat >expected <<'END'
by Exchange: expires_in 1, has an expiry: true, valid: false, refreshes: 1
by json.Unmarshal: expires_in 1, has an expiry: false, valid: true, refreshes: 0
id_token: has it: true, after JSON: false
scope: has it: true, after JSON: false
END
go mod tidy >install.log 2>&1 || { cat install.log; exit 1; }
go run . >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
