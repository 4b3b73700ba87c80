package lazy_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/seed3a054f9c/googlesignin/examples/migrate/lazy"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

const (
	jane = "108365719284610937465"
	john = "113847562019283746501"
)

// newStore returns a store with an old table.
func newStore(t *testing.T, clientID string, inner tokenstore.Store) *lazy.Store {
	t.Helper()
	keyring, err := tokenstore.NewKeyring(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "old.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec("CREATE TABLE users (google_sub TEXT PRIMARY KEY, refresh_token TEXT)"); err != nil {
		t.Fatal(err)
	}
	return &lazy.Store{
		Sealed:   &tokenstore.Sealed{Store: inner, Sealer: keyring},
		ClientID: clientID,
		DB:       db,
		Select:   "SELECT refresh_token FROM users WHERE google_sub = ?",
		Erase:    "UPDATE users SET refresh_token = NULL WHERE google_sub = ?",
	}
}

func put(t *testing.T, s *lazy.Store, subject string, token any) {
	t.Helper()
	if _, err := s.DB.ExecContext(t.Context(), "INSERT OR REPLACE INTO users VALUES (?, ?)", subject, token); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
		return newStore(t, "client", new(tokenstore.Memory))
	})
}

// Users of the old software are not asked for consent again.
func TestManager(t *testing.T) {
	google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{
		{Email: "jane.doe@gmail.com", Subject: jane}, {Email: "john.roe@gmail.com", Subject: john},
	}})
	defer google.Close()
	client, err := exchange.New(exchange.Config{
		ClientID: google.ClientID(), ClientSecret: google.ClientSecret(), Endpoint: google.Endpoint(),
	})
	if err != nil {
		t.Fatal(err)
	}
	signIn := func(subject string) *exchange.Tokens {
		t.Helper()
		tokens, err := client.Exchange(t.Context(), google.AppCode(exchangetest.CodeRequest{User: subject, Scopes: []string{"openid"}}), exchange.App)
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	store := newStore(t, google.ClientID(), new(tokenstore.Memory))
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID: google.ClientID(), Store: store, Refresher: client, Revoker: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, jane, signIn(jane).RefreshToken)
	put(t, store, john, nil)

	if _, err := grants.Token(t.Context(), john); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("a user without an old grant: %v", err)
	}
	if tokens := signIn(jane); tokens.RefreshToken != "" {
		t.Fatal("a second sign-in has a refresh token")
	} else if _, err := grants.SignIn(t.Context(), jane, &tokens.Token); err != nil {
		t.Error(err)
	}
	if token, err := grants.Token(t.Context(), jane); err != nil {
		t.Error(err)
	} else if owner, _, _ := google.CheckAccessToken(token.AccessToken); owner != jane {
		t.Errorf("the access token is %q's", owner)
	}

	// The record is the newer one from then on, also when it needs consent.
	if err := grants.Disconnect(t.Context(), jane); err != nil {
		t.Fatal(err)
	}
	if _, err := grants.Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("a disconnected user: %v", err)
	}
	put(t, store, jane, "1//of-a-later-sign-in")
	if _, err := grants.Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrNeedsConsent) || errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("a user whose old token is dead: %v", err)
	}
}

func key(client, subject string) tokenstore.Key {
	return tokenstore.Key{ClientID: client, Subject: subject}
}

func TestLoad(t *testing.T) {
	t.Run("another client", func(t *testing.T) {
		s := newStore(t, "client", new(tokenstore.Memory))
		put(t, s, jane, "1//old")
		if _, err := s.Load(t.Context(), key("other", jane)); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Error(err)
		}
		if err := s.Delete(t.Context(), key("other", jane), tokenstore.AnyVersion); err != nil {
			t.Error(err)
		}
		if err := s.Delete(t.Context(), key("client", jane), ""); err != nil { // matches no grant
			t.Error(err)
		}
		if g, err := s.Load(t.Context(), key("client", jane)); err != nil || g.RefreshToken != "1//old" || g.Version == "" {
			t.Errorf("%v, %v", g, err)
		}
	})
	t.Run("the old table is down", func(t *testing.T) {
		s := newStore(t, "client", new(tokenstore.Memory))
		put(t, s, jane, "1//old")
		s.Select = "SELECT 1 FROM absent WHERE ? = ''"
		if _, err := s.Load(t.Context(), key("client", jane)); err == nil || errors.Is(err, tokenstore.ErrNotFound) {
			t.Error(err) // ErrNotFound would send the user to the consent screen
		}
		if _, err := s.Save(t.Context(), key("client", john), tokenstore.Grant{RefreshToken: "1//new"}); err != nil {
			t.Fatal(err)
		}
		if g, err := s.Load(t.Context(), key("client", john)); err != nil || g.RefreshToken != "1//new" {
			t.Errorf("%v, %v", g, err)
		}
		s.Erase = "UPDATE absent SET x = ?"
		if err := s.Delete(t.Context(), key("client", john), tokenstore.AnyVersion); err == nil {
			t.Error("deleted")
		}
		if _, err := s.Load(t.Context(), key("client", john)); err != nil {
			t.Error("a Delete that failed has deleted:", err)
		}
	})
	t.Run("a sign-in at the same time", func(t *testing.T) {
		inner := &interrupted{Memory: new(tokenstore.Memory)}
		s := newStore(t, "client", inner)
		put(t, s, jane, "1//old")
		inner.beforeSave = func(ctx context.Context) {
			if _, err := s.Save(ctx, key("client", jane), tokenstore.Grant{RefreshToken: "1//new"}); err != nil {
				t.Error(err)
			}
		}
		if g, err := s.Load(t.Context(), key("client", jane)); err != nil || g.RefreshToken != "1//new" {
			t.Errorf("%v, %v", g, err)
		}
	})
	t.Run("a deletion at the same time", func(t *testing.T) {
		inner := &interrupted{Memory: new(tokenstore.Memory)}
		s := newStore(t, "client", inner)
		put(t, s, jane, "1//old")
		inner.beforeSave = func(ctx context.Context) {
			if err := s.Delete(ctx, key("client", jane), tokenstore.AnyVersion); err != nil {
				t.Error(err)
			}
		}
		if g, err := s.Load(t.Context(), key("client", jane)); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("%v, %v", g, err)
		}
	})
	t.Run("lists", func(t *testing.T) {
		s := newStore(t, "client", new(tokenstore.Memory))
		put(t, s, jane, "1//old")
		if _, err := s.Load(t.Context(), key("client", jane)); err != nil {
			t.Fatal(err)
		}
		var found []tokenstore.Key
		for k, err := range s.Find(t.Context(), tokenstore.TokenHash("1//old")) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, k)
		}
		if !slices.Equal(found, []tokenstore.Key{key("client", jane)}) {
			t.Errorf("found %v", found)
		}
	})
}

// interrupted calls beforeSave once, before the first Save.
type interrupted struct {
	*tokenstore.Memory
	beforeSave func(context.Context)
}

func (m *interrupted) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
	if f := m.beforeSave; f != nil {
		m.beforeSave = nil
		f(ctx)
	}
	return m.Memory.Save(ctx, key, g)
}
