#!/usr/bin/env bash
# google.ConfigFromJSON sends a one-time code twice, and hides the first error behind the second.
#
# google.Endpoint says that Google takes the client's secret in the body, but the configuration that
# x/oauth2's own reader of client_secret.json returns says "find out". Exchange then tries HTTP Basic
# first, and after any failure at all, also a 503, posts the same code again with the secret in the
# body. A server that had redeemed the code before it failed answers the second with invalid_grant,
# and only that is reported: a short outage looks like a bad code. The same reader refuses the file of
# a backend whose users sign in by an app alone, which has no redirect_uris.
# A backend sets Endpoint.AuthStyle to oauth2.AuthStyleInParams, and checks the file itself.
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
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// file is a client_secret.json as the console writes it.
const file = `{"web":{"client_id":"1-a.apps.googleusercontent.com","project_id":"p",
	"auth_uri":"https://accounts.google.com/o/oauth2/auth","token_uri":"%s",
	"client_secret":"secret"%s}}`

func main() {
	posts := 0
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts++
		fmt.Println("post of code", r.PostFormValue("code"))
		w.Header().Set("Content-Type", "application/json")
		if posts == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"error":"temporarily_unavailable"}`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_grant"}`)
	}))
	defer provider.Close()

	config, err := google.ConfigFromJSON(fmt.Appendf(nil, file, provider.URL, `,"redirect_uris":["https://example.com/cb"]`))
	if err != nil {
		panic(err)
	}
	fmt.Println("google.Endpoint: in the body:", google.Endpoint.AuthStyle == oauth2.AuthStyleInParams)
	fmt.Println("ConfigFromJSON: in the body:", config.Endpoint.AuthStyle == oauth2.AuthStyleInParams)
	_, err = config.Exchange(context.Background(), "4/0AbCd")
	fmt.Println("Exchange:", err)

	_, err = google.ConfigFromJSON(fmt.Appendf(nil, file, provider.URL, ""))
	fmt.Println("without redirect_uris:", err)
}
END
cat >expected <<'END'
google.Endpoint: in the body: true
ConfigFromJSON: in the body: false
post of code 4/0AbCd
post of code 4/0AbCd
Exchange: oauth2: "invalid_grant"
without redirect_uris: oauth2/google: missing redirect URL in the client_credentials.json
END
go mod tidy >install.log 2>&1 || { cat install.log; exit 1; }
go run . >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
