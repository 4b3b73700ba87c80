package clients

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// openid-client and this module's Client redeem a code and refresh twice. Their
// proofs have the same members, with the same values except the key, the times and
// the random parts.
func TestDPoPAsOpenIDClient(t *testing.T) {
	dir := guests.NPM(t)
	theirs := start(t, exchangetest.Options{OwnIssuer: true, RequireDPoP: true, RandomProofIDs: true})
	cmd := exec.CommandContext(t.Context(), "node", "dpop.mjs")
	cmd.Dir = dir
	var thumbprint string
	if err := json.Unmarshal(talk(t, theirs, cmd, appCode(theirs)), &thumbprint); err != nil || len(thumbprint) != 43 {
		t.Fatalf("thumbprint %q, %v", thumbprint, err)
	}

	ours := start(t, exchangetest.Options{OwnIssuer: true, RequireDPoP: true})
	cfg := ours.Config()
	cfg.DPoP = newKey(t)
	c, err := exchange.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Exchange(t.Context(), ours.AppCode(exchangetest.CodeRequest{User: jane, Scopes: []string{appdata}}), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Refresh(t.Context(), tokens.RefreshToken); err != nil {
			t.Fatal(err)
		}
	}

	got, want := proofsOf(t, ours), proofsOf(t, theirs)
	if len(got) == 0 || !slices.Contains(got, "refresh_token 200 "+proofShape(true)) {
		t.Errorf("sent %q", got)
	}
	// Google keeps the nonces of exchanges and of refreshes apart. openid-client does
	// not know that: it offers the one of the exchange first.
	want = slices.DeleteFunc(want, func(p string) bool { return strings.HasPrefix(p, "refresh_token 400 ") })
	got = slices.DeleteFunc(got, func(p string) bool { return strings.HasPrefix(p, "refresh_token 400 ") })
	if !slices.Equal(got, want) {
		t.Errorf("sent\n%q\nopenid-client sends\n%q", got, want)
	}
}

func proofShape(nonce bool) string {
	names := "htm htu iat jti"
	if nonce {
		names += " nonce"
	}
	return "ES256 dpop+jwt EC P-256 [alg jwk typ] [crv kty x y] POST /token [" + names + "]"
}

// proofsOf returns the shape of each proof that the server got.
func proofsOf(t *testing.T, srv *exchangetest.Server) (shapes []string) {
	t.Helper()
	for _, r := range srv.Requests(exchangetest.TokenEndpoint) {
		segments := strings.Split(r.Header.Get("DPoP"), ".")
		if len(segments) != 3 {
			t.Fatalf("the proof has %d segments", len(segments))
		}
		header, payload := membersOf(t, segments[0]), membersOf(t, segments[1])
		jwk, _ := header["jwk"].(map[string]any)
		shapes = append(shapes, fmt.Sprint(r.Form.Get("grant_type"), " ", r.Status, " ",
			header["alg"], " ", header["typ"], " ", jwk["kty"], " ", jwk["crv"], " ", names(header), " ", names(jwk), " ",
			payload["htm"], " ", strings.TrimPrefix(fmt.Sprint(payload["htu"]), srv.URL), " ", names(payload)))
	}
	return shapes
}

func membersOf(t *testing.T, segment string) (members map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(segment)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		t.Fatal(err)
	}
	return members
}

func names(members map[string]any) []string { return slices.Sorted(maps.Keys(members)) }

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A Manager keeps which key a refresh token is bound to: grants from before there
// was one go on working, and another key loses nothing.
func TestDPoPThroughManager(t *testing.T) {
	srv := start(t, exchangetest.Options{RotateRefreshTokens: true})
	store := new(tokenstore.Memory)
	managerWith := func(keys ...*ecdsa.PrivateKey) (*exchange.Client, *tokenstore.Manager) {
		cfg := srv.Config()
		for _, key := range keys {
			cfg.DPoPKeys = append(cfg.DPoPKeys, key)
		}
		c, err := exchange.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		m, err := tokenstore.New(tokenstore.Config{ClientID: cfg.ClientID, Store: store, Refresher: c, Revoker: c, Now: srv.Now})
		if err != nil {
			t.Fatal(err)
		}
		return c, m
	}
	signIn := func(c *exchange.Client, m *tokenstore.Manager) {
		t.Helper()
		tokens, err := c.Exchange(t.Context(), srv.AppCode(exchangetest.CodeRequest{User: jane, ForceConsent: true}), exchange.App)
		if err != nil {
			t.Fatal(err)
		}
		user, _, _ := srv.CheckAccessToken(tokens.AccessToken)
		if _, err := m.SignIn(t.Context(), user, &tokens.Token); err != nil {
			t.Fatal(err)
		}
		m.Invalidate(user, "")
	}
	first, second := newKey(t), newKey(t)
	c, m := managerWith()
	signIn(c, m)
	subject := ""
	for s, err := range m.Subjects(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		subject = s
	}
	for name, keys := range map[string][]*ecdsa.PrivateKey{"no key": nil, "a key": {first}} {
		if _, m := managerWith(keys...); refresh(t, m, subject) != nil {
			t.Errorf("%s: the grant from before fails: %v", name, refresh(t, m, subject))
		}
	}

	c, m = managerWith(first)
	signIn(c, m)
	if err := refresh(t, m, subject); err != nil {
		t.Fatal(err)
	}
	bound, err := m.Grant(t.Context(), subject)
	if err != nil || bound.KeyThumbprint == "" {
		t.Fatalf("%v, bound to %q", err, bound.KeyThumbprint)
	}
	requests := len(srv.Requests())
	for name, keys := range map[string][]*ecdsa.PrivateKey{"no key": nil, "another key": {second}} {
		_, m := managerWith(keys...)
		err := refresh(t, m, subject)
		e, ok := errors.AsType[*exchange.KeyError](err)
		if !ok || !errors.Is(err, exchange.ErrKey) || e.Bound != bound.KeyThumbprint || len(e.Configured) != len(keys) || exchange.HTTPStatus(err) != 500 {
			t.Errorf("%s: %v, want ErrKey, which names both keys", name, err)
		}
		if now, err := m.Grant(t.Context(), subject); err != nil || now.Version != bound.Version || len(srv.Requests()) != requests {
			t.Errorf("%s: %v, %v, %d requests; want the same record and none", name, now, err, len(srv.Requests())-requests)
		}
	}
	if _, m := managerWith(second, first); refresh(t, m, subject) != nil {
		t.Errorf("with the old key second: %v", refresh(t, m, subject))
	}
}

func refresh(t *testing.T, m *tokenstore.Manager, subject string) error {
	m.Invalidate(subject, "")
	_, err := m.Token(t.Context(), subject)
	return err
}
