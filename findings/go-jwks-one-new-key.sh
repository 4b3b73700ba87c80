#!/usr/bin/env bash
# One key of a newer type makes several of Go's JOSE libraries refuse the whole key set.
#
# RFC 7517 (section 5) wants implementations to ignore keys of a type that they do not know, so a
# provider can add, say, a post-quantum key (ML-DSA, "kty": "AKP") beside the RSA keys that it signs
# with. json.Unmarshal into go-jose's JSONWebKeySet, jwk.Parse of jwx and keyfunc then return an error
# for the set, and with it every token is refused. go-oidc skips that key.
# A backend that parses key sets itself should read them key by key, or with jwk.WithIgnoreParseError.
#
# Seen with go-jose v3.0.5 and v4.1.9, jwx v2.1.7 and v3.4.0, keyfunc v3.9.1, go-oidc v3.21.0.
# Needs Go and its module proxy.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOPATH=$dir/gopath GOFLAGS='-mod=mod -modcacherw -trimpath'

cat >go.mod <<'END'
module finding

go 1.26.0

require (
	github.com/MicahParks/keyfunc/v3 v3.9.1
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/go-jose/go-jose/v3 v3.0.5
	github.com/go-jose/go-jose/v4 v4.1.9
	github.com/lestrrat-go/jwx/v2 v2.1.7
	github.com/lestrrat-go/jwx/v3 v3.4.0
)
END
cat >main.go <<'END'
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	jose3 "github.com/go-jose/go-jose/v3"
	jose4 "github.com/go-jose/go-jose/v4"
	jwk2 "github.com/lestrrat-go/jwx/v2/jwk"
	jwk3 "github.com/lestrrat-go/jwx/v3/jwk"
)

func report(library string, err error) {
	if err != nil {
		fmt.Println(library, "refuses the set")
		return
	}
	fmt.Println(library, "uses the RSA key")
}

func main() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	mldsa := make([]byte, 1312) // the length of a public key of ML-DSA-44
	rand.Read(mldsa)
	set, err := json.Marshal(map[string]any{"keys": []any{
		jose4.JSONWebKey{Key: key.Public(), KeyID: "rsa", Use: "sig", Algorithm: "RS256"},
		map[string]string{"kty": "AKP", "kid": "new", "use": "sig", "alg": "ML-DSA-44",
			"pub": base64.RawURLEncoding.EncodeToString(mldsa)},
	}})
	if err != nil {
		panic(err)
	}

	report("go-jose/v3", json.Unmarshal(set, new(jose3.JSONWebKeySet)))
	report("go-jose/v4", json.Unmarshal(set, new(jose4.JSONWebKeySet)))
	_, err = jwk2.Parse(set)
	report("jwx/v2", err)
	_, err = jwk3.Parse(set)
	report("jwx/v3", err)
	_, err = keyfunc.NewJWKSetJSON(set)
	report("keyfunc/v3", err)

	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(set)
	}))
	defer provider.Close()
	signer, err := jose4.NewSigner(jose4.SigningKey{Algorithm: jose4.RS256, Key: jose4.JSONWebKey{Key: key, KeyID: "rsa"}}, nil)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign([]byte(`{"sub":"1"}`))
	if err != nil {
		panic(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	_, err = oidc.NewRemoteKeySet(ctx, provider.URL).VerifySignature(ctx, token)
	report("go-oidc/v3", err)
}
END
cat >expected <<'END'
go-jose/v3 refuses the set
go-jose/v4 refuses the set
jwx/v2 refuses the set
jwx/v3 refuses the set
keyfunc/v3 refuses the set
go-oidc/v3 uses the RSA key
END
go mod tidy >install.log 2>&1 || { cat install.log; exit 1; }
go run . >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
