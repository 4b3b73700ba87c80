package tokenstore_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

const (
	client = "407408718192.apps.googleusercontent.com"
	jane   = "108365719284610937465"
	john   = "112233445566778899001"

	appData = "https://www.googleapis.com/auth/drive.appdata"
)

var (
	janeKey = tokenstore.Key{ClientID: client, Subject: jane}
	johnKey = tokenstore.Key{ClientID: client, Subject: john}
)

// google issues tokens and takes them back, as far as a Manager can see it.
type google struct {
	mu      sync.Mutex
	issued  int
	live    map[string]bool // refresh tokens
	asked   []string        // refresh tokens that came to Refresh, in order
	revoked []string        // tokens that came to Revoke
	rotate  bool
	scope   string                            // of a refresh
	fail    func(refreshToken string) error   // before anything else
	during  func(refreshToken string)         // after the decision, before the response
	respond func(*oauth2.Token) *oauth2.Token // changes the response
	life    time.Duration
	watch   func(context.Context) // of each refresh
}

func newGoogle() *google { return &google{live: map[string]bool{}, life: time.Hour} }

// consent issues a refresh token, and an access token with it.
func (g *google) consent(scope string) *oauth2.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.token(g.refreshToken(), scope)
}

// consentAt is consent of jane with an ID token that Google issued at that time.
func (g *google) consentAt(scope string, at time.Time) *oauth2.Token {
	claims := fmt.Sprintf(`{"iss":"https://accounts.google.com","sub":%q,"iat":%d}`, jane, at.Unix())
	return withExtra(g.consent(scope), "id_token", idToken(claims))
}

// again is a sign-in without the consent screen.
func (g *google) again(scope string) *oauth2.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.token("", scope)
}

func (g *google) refreshToken() string {
	g.issued++
	rt := fmt.Sprintf("1//refresh-%05d-of-the-user", g.issued)
	g.live[rt] = true
	return rt
}

func (g *google) token(refreshToken, scope string) *oauth2.Token {
	g.issued++
	tok := &oauth2.Token{
		AccessToken:  fmt.Sprintf("ya29.access-%05d", g.issued),
		TokenType:    "Bearer",
		RefreshToken: refreshToken,
		Expiry:       time.Now().Add(g.life),
	}
	return withExtra(tok, "scope", scope)
}

func withExtra(tok *oauth2.Token, pairs ...any) *oauth2.Token {
	extra := map[string]any{}
	for _, key := range []string{"scope", "id_token", "refresh_token_expires_in"} {
		if v := tok.Extra(key); v != nil {
			extra[key] = v
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			extra[pairs[i].(string)] = pairs[i+1]
		}
	}
	return tok.WithExtra(extra)
}

// refusedError is what exchange.Error looks like from here.
type refusedError struct{ code, subtype string }

func (e *refusedError) Error() string                { return "google says " + e.code }
func (e *refusedError) OAuthError() (string, string) { return e.code, e.subtype }

func (g *google) Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	g.mu.Lock()
	g.asked = append(g.asked, refreshToken)
	if g.watch != nil {
		g.watch(ctx)
	}
	fail, during, respond := g.fail, g.during, g.respond
	g.mu.Unlock()
	if fail != nil {
		if err := fail(refreshToken); err != nil {
			return nil, err
		}
	}
	tok, err := g.decide(refreshToken)
	if during != nil {
		during(refreshToken)
	}
	if err == nil && respond != nil {
		tok = respond(tok)
	}
	return tok, err
}

func (g *google) decide(refreshToken string) (*oauth2.Token, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.live[refreshToken] {
		return nil, &refusedError{code: "invalid_grant"}
	}
	next := ""
	if g.rotate {
		delete(g.live, refreshToken)
		next = g.refreshToken()
	}
	return g.token(next, g.scope), nil
}

func (g *google) Revoke(ctx context.Context, token string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.revoked = append(g.revoked, token)
	if !g.live[token] {
		return &refusedError{code: "invalid_token"}
	}
	delete(g.live, token)
	return nil
}

func (g *google) kill(refreshToken string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.live, refreshToken)
}

func (g *google) calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.asked)
}

// idToken is unsigned: nothing here verifies one.
func idToken(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// hooked is a Store whose calls can be watched and made to fail.
type hooked struct {
	tokenstore.Store
	mu           sync.Mutex
	saves        int
	beforeLoad   func(tokenstore.Key) error
	afterLoad    func()
	loadDelay    time.Duration
	beforeDelete func() error
	beforeSave   func(tokenstore.Grant) error
	afterSave    func(tokenstore.Grant) error // the response is lost
}

func (h *hooked) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	if h.beforeLoad != nil {
		if err := h.beforeLoad(key); err != nil {
			return tokenstore.Grant{}, err
		}
	}
	if h.loadDelay > 0 {
		select {
		case <-time.After(h.loadDelay):
		case <-ctx.Done():
			return tokenstore.Grant{}, ctx.Err()
		}
	}
	g, err := h.Store.Load(ctx, key)
	if h.afterLoad != nil {
		h.afterLoad()
	}
	return g, err
}

func (h *hooked) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
	h.mu.Lock()
	h.saves++
	h.mu.Unlock()
	if h.beforeSave != nil {
		if err := h.beforeSave(g); err != nil {
			return "", err
		}
	}
	version, err := h.Store.Save(ctx, key, g)
	if err == nil && h.afterSave != nil {
		if err := h.afterSave(g); err != nil {
			return "", err
		}
	}
	return version, err
}

func (h *hooked) Delete(ctx context.Context, key tokenstore.Key, version string) error {
	if h.beforeDelete != nil {
		if err := h.beforeDelete(); err != nil {
			return err
		}
	}
	return h.Store.Delete(ctx, key, version)
}

var errDown = errors.New("the database is down")

// bench is a Manager, its Google and its store.
type bench struct {
	*tokenstore.Manager
	google *google
	store  *hooked
}

func newBench(t testing.TB, change ...func(*tokenstore.Config)) *bench {
	t.Helper()
	g, s := newGoogle(), &hooked{Store: new(tokenstore.Memory)}
	return join(t, g, s, change...)
}

// join adds a Manager, as of another process.
func join(t testing.TB, g *google, s *hooked, change ...func(*tokenstore.Config)) *bench {
	t.Helper()
	config := tokenstore.Config{ClientID: client, Store: s, Refresher: g, Revoker: g}
	for _, c := range change {
		c(&config)
	}
	m, err := tokenstore.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{m, g, s}
}

func (b *bench) signIn(t testing.TB, tok *oauth2.Token) tokenstore.Grant {
	t.Helper()
	g, err := b.SignIn(context.Background(), jane, tok)
	if err != nil {
		t.Fatalf("SignIn: %v", err)
	}
	return g
}

// signInUnsaved signs Jane in while the store is down.
func (b *bench) signInUnsaved(t testing.TB, tok *oauth2.Token) {
	t.Helper()
	if _, err := b.SignIn(t.Context(), jane, tok); !errors.Is(err, errDown) {
		t.Fatalf("SignIn: %v, want that the store is down", err)
	}
}

func (b *bench) token(t testing.TB) string {
	t.Helper()
	tok, err := b.Token(context.Background(), jane)
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	return tok.AccessToken
}

// kept is the record as the store has it.
func (b *bench) kept(t testing.TB) tokenstore.Grant {
	t.Helper()
	g, err := b.store.Store.Load(context.Background(), janeKey)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return g
}

// bytesOf is all of a record, to compare.
func bytesOf(t testing.TB, g tokenstore.Grant) string {
	t.Helper()
	b, err := g.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return g.Version + string(b)
}

func wantReason(t testing.TB, err error, reason string) {
	t.Helper()
	consent, ok := errors.AsType[*tokenstore.ConsentError](err)
	if !ok || !errors.Is(err, tokenstore.ErrNeedsConsent) || consent.Reason != reason {
		t.Errorf("error %v; want a ConsentError with reason %q", err, reason)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
