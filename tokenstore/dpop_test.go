package tokenstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A keyed Refresher is one with keys, by their thumbprints.
type keyed struct {
	*google
	keys []string
	used []string
}

var errNoKey = errors.New("no such key")

func (k *keyed) RefreshBound(ctx context.Context, refreshToken, thumbprint string) (*oauth2.Token, error) {
	if thumbprint != "" && !slices.Contains(k.keys, thumbprint) {
		return nil, errNoKey
	}
	k.used = append(k.used, thumbprint)
	tok, err := k.Refresh(ctx, refreshToken)
	if err != nil || thumbprint == "" {
		return tok, err
	}
	return withExtra(tok, "dpop_jkt", thumbprint), nil
}

func TestBoundRefreshToken(t *testing.T) {
	g, s := newGoogle(), &hooked{Store: new(tokenstore.Memory)}
	g.rotate = true
	k := &keyed{google: g, keys: []string{"new", "old"}}
	with := func(r tokenstore.Refresher) *bench {
		return join(t, g, s, func(c *tokenstore.Config) { c.Refresher = r })
	}
	b := with(k)
	b.signIn(t, &oauth2.Token{RefreshToken: g.consent("openid").RefreshToken}) // before there were keys
	b.token(t)
	b.signIn(t, withExtra(&oauth2.Token{RefreshToken: g.consent("openid").RefreshToken}, "dpop_jkt", "old"))
	for range 2 {
		b.Invalidate(jane, "")
		b.token(t)
		if got := b.kept(t).KeyThumbprint; got != "old" {
			t.Errorf("kept with the key %q, want old, also after a rotation", got)
		}
	}
	if want := []string{"", "old", "old"}; !slices.Equal(k.used, want) {
		t.Errorf("refreshed with %q, want %q", k.used, want)
	}

	// Without the key nothing is asked, and nothing is lost.
	asked, kept := len(g.asked), b.kept(t)
	for name, r := range map[string]tokenstore.Refresher{"other keys": &keyed{google: g, keys: []string{"new"}}, "no keys": g} {
		_, err := with(r).Token(t.Context(), jane)
		if err == nil || errors.Is(err, tokenstore.ErrNeedsConsent) || errors.Is(err, errNoKey) != (name == "other keys") {
			t.Errorf("%s: %v, want the failure of the Refresher", name, err)
		}
		ours := errors.Is(err, tokenstore.ErrKey)
		if ours != (name == "no keys") || ours && (statusOf(err) != 500 || !strings.Contains(err.Error(), `"old"`)) {
			t.Errorf("%s: %v, want ErrKey without keys only", name, err)
		}
		if now := b.kept(t); len(g.asked) != asked || now.Version != kept.Version {
			t.Errorf("%s: %d requests, record %v", name, len(g.asked)-asked, now)
		}
	}
	b = with(k)
	b.token(t)

	// A new grant without a key is not bound to the old one's.
	b.signIn(t, &oauth2.Token{RefreshToken: g.consent("openid profile").RefreshToken})
	if got := b.kept(t).KeyThumbprint; got != "" {
		t.Errorf("a sign-in without a key is kept with the key %q", got)
	}
}

// A sign-in that meets another one is checked at Google with its own key.
func TestBoundSignInMeetsAnother(t *testing.T) {
	g, s := newGoogle(), &hooked{Store: new(tokenstore.Memory)}
	k := &keyed{google: g, keys: []string{"new"}}
	with := func(c *tokenstore.Config) { c.Refresher = k }
	b, other := join(t, g, s, with), join(t, g, s, with)
	s.beforeSave = func(tokenstore.Grant) error {
		s.beforeSave = nil
		other.signIn(t, g.consent("openid"))
		return nil
	}
	b.signIn(t, withExtra(g.consent("openid"), "dpop_jkt", "new"))
	if got := b.kept(t).KeyThumbprint; got != "new" || !slices.Equal(k.used, []string{"new"}) {
		t.Errorf("kept with the key %q, refreshed with %q", got, k.used)
	}
}

func TestImportBound(t *testing.T) {
	g := newGoogle()
	k := &keyed{google: g, keys: []string{"old"}}
	b := join(t, g, &hooked{Store: new(tokenstore.Memory)}, func(c *tokenstore.Config) { c.Refresher = k })
	imported := tokenstore.Grant{RefreshToken: g.consent("").RefreshToken, KeyThumbprint: "old"}
	if kept, err := b.Import(t.Context(), jane, imported); err != nil || !kept {
		t.Fatal(kept, err)
	}
	b.token(t)
	if got := b.kept(t).KeyThumbprint; got != "old" || !slices.Equal(k.used, []string{"old"}) {
		t.Errorf("kept with the key %q, refreshed with %q", got, k.used)
	}
}
