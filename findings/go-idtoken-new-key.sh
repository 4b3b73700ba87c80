#!/usr/bin/env bash
# Google's ID token validators for Go refuse tokens under a new key for as long as they cache the old ones.
#
# Both google.golang.org/api/idtoken and cloud.google.com/go/auth/credentials/idtoken keep the key set for
# the max-age that it came with, about six hours at Google, and look for a token's key in there alone. A
# token signed with a key that was published since is refused without another look, in that process, until
# the time is over. OpenID Connect Core (section 10.1.1) has a verifier fetch the keys again when it meets
# an unknown one; go-oidc, for one, does.
# Google publishes a key before it uses it, which hides this; a fake, or an issuer that has to change its
# key in a hurry, shows it. A backend fetches again for an unknown key, at most so often.
#
# Seen with google.golang.org/api v0.314.0, cloud.google.com/go/auth v0.24.4, go-oidc v3.21.0. Needs Go
# and its module proxy.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOPATH=$dir/gopath GOFLAGS='-mod=mod -modcacherw -trimpath'

cat >go.mod <<'END'
module finding

go 1.26.0

require (
	cloud.google.com/go/auth v0.24.4
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/go-jose/go-jose/v4 v4.1.9
	google.golang.org/api v0.314.0
)
END
cat >main.go <<'END'
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	gauth "cloud.google.com/go/auth/credentials/idtoken"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	gapi "google.golang.org/api/idtoken"
	"google.golang.org/api/option"
)

const audience = "1-a.apps.googleusercontent.com"

// issuer serves its keys to whatever address is asked, as Google does.
type issuer struct {
	keys    jose.JSONWebKeySet
	signer  jose.Signer
	fetches int
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.fetches++
	set, err := json.Marshal(i.keys)
	return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(strings.NewReader(string(set))),
		Header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"public, max-age=23474, must-revalidate, no-transform"}}}, err
}

// rotate publishes another key, and signs with it from now on.
func (i *issuer) rotate() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	kid := fmt.Sprint("key-", len(i.keys.Keys))
	i.keys.Keys = append(i.keys.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig", Algorithm: "RS256"})
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		panic(err)
	}
}

func (i *issuer) token() string {
	now := time.Now().Unix()
	signed, err := i.signer.Sign(fmt.Appendf(nil, `{"iss":"https://accounts.google.com","aud":%q,"sub":"108365719284610937465","iat":%d,"exp":%d}`,
		audience, now, now+3600))
	if err != nil {
		panic(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

func main() {
	ctx := context.Background()
	for _, validator := range []struct {
		name string
		make func(*http.Client) func(token string) error
	}{
		{"google.golang.org/api/idtoken", func(c *http.Client) func(string) error {
			v, err := gapi.NewValidator(ctx, option.WithHTTPClient(c))
			if err != nil {
				panic(err)
			}
			return func(token string) error { _, err := v.Validate(ctx, token, audience); return err }
		}},
		{"cloud.google.com/go/auth", func(c *http.Client) func(string) error {
			v, err := gauth.NewValidator(&gauth.ValidatorOptions{Client: c})
			if err != nil {
				panic(err)
			}
			return func(token string) error { _, err := v.Validate(ctx, token, audience); return err }
		}},
		{"go-oidc", func(c *http.Client) func(string) error {
			ctx := oidc.ClientContext(ctx, c)
			v := oidc.NewVerifier("https://accounts.google.com", oidc.NewRemoteKeySet(ctx, "https://www.googleapis.com/oauth2/v3/certs"),
				&oidc.Config{ClientID: audience})
			return func(token string) error { _, err := v.Verify(ctx, token); return err }
		}},
	} {
		google := new(issuer)
		google.rotate()
		validate := validator.make(&http.Client{Transport: google})
		if err := validate(google.token()); err != nil {
			panic(err)
		}
		google.rotate()
		err := validate(google.token())
		fmt.Printf("%s: new key accepted: %v, fetches: %d\n", validator.name, err == nil, google.fetches)
	}
}
END
cat >expected <<'END'
google.golang.org/api/idtoken: new key accepted: false, fetches: 1
cloud.google.com/go/auth: new key accepted: false, fetches: 1
go-oidc: new key accepted: true, fetches: 2
END
go mod tidy >install.log 2>&1 || { cat install.log; exit 1; }
go run . >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
