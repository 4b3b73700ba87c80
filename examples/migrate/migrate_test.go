package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func TestMain(m *testing.M) { needs.Main(m) }

const (
	jane    = "108365719284610937465" // does not fit into a float64
	john    = "113847562019283746501"
	mary    = "100293847561029384756"
	appdata = "https://www.googleapis.com/auth/drive.appdata"
)

// A world is a fake Google, the old software's grants, and the backend's store.
type world struct {
	*testing.T
	google *exchangetest.Server
	client *exchange.Client
	key    []byte
	dir    string
	o      options
	secret []string // refresh tokens, which must not be printed
}

func newWorld(t *testing.T, o exchangetest.Options) *world {
	o.Users = []exchangetest.User{
		{Email: "jane.doe@gmail.com", Subject: jane},
		{Email: "john.roe@gmail.com", Subject: john},
		{Email: "mary.major@gmail.com", Subject: mary},
	}
	o.Clients = []exchangetest.Client{
		{ID: "1234-web.apps.googleusercontent.com", Secret: "GOCSPX-invented", RedirectURIs: []string{"http://localhost:3000/api/auth/callback/google"}},
		{ID: "1234-other.apps.googleusercontent.com", Secret: "GOCSPX-invented"},
	}
	w := &world{T: t, google: exchangetest.NewServer(o), key: bytes.Repeat([]byte{7}, 32), dir: t.TempDir()}
	t.Cleanup(w.google.Close)
	w.client = w.newClient(w.google.ClientID())
	w.o = options{
		clientSecret: w.file("client_secret.json", string(w.google.ClientSecretJSON())),
		key:          w.file("key", base64.StdEncoding.EncodeToString(w.key)+"\n"),
		to:           "dir:" + filepath.Join(w.dir, "grants"),
		report:       filepath.Join(w.dir, "report.jsonl"),
		refresh:      true,
		endpoint:     w.google.Endpoint(),
		keysURL:      w.google.CertsURL(),
	}
	return w
}

func (w *world) newClient(id string) *exchange.Client {
	w.Helper()
	c, err := exchange.New(exchange.Config{
		ClientID: id, ClientSecret: w.google.ClientSecret(), Endpoint: w.google.Endpoint(),
		Retry: exchange.Retry{Total: -1},
	})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) file(name, content string) (path string) {
	w.Helper()
	path = filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// consent returns the tokens that the old software got when the user signed in.
func (w *world) consent(user string, scopes ...string) *exchange.Tokens {
	w.Helper()
	code := w.google.AppCode(exchangetest.CodeRequest{User: user, Scopes: scopes, ForceConsent: true})
	t, err := w.client.Exchange(w.Context(), code, exchange.App)
	if err != nil {
		w.Fatal(err)
	}
	w.secret = append(w.secret, t.RefreshToken)
	return t
}

// run migrates, and returns the lines that were printed. No secret is in the
// output, the report or the error.
func (w *world) run(change ...func(*options)) ([]string, error) {
	w.Helper()
	o := w.o
	for _, f := range change {
		f(&o)
	}
	var out strings.Builder
	err := run(w.Context(), &out, o)
	written := out.String()
	if err != nil {
		written += err.Error()
	}
	report, _ := os.ReadFile(o.report)
	written += string(report)
	for _, secret := range append(w.secret, "ya29.", "GOCSPX") {
		if strings.Contains(written, secret) {
			w.Errorf("a secret is printed, or in the report or the error:\n%s", written)
		}
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines, err
}

// wantLines runs a migration that must succeed with these counts.
func (w *world) wantLines(want []string, change ...func(*options)) {
	w.Helper()
	got, err := w.run(change...)
	if err != nil {
		w.Error(err)
	}
	if !slices.Equal(got, want) {
		w.Errorf("printed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func dryRun(o *options) { o.dryRun = true }

// grants is the backend after the migration.
func (w *world) grants() *tokenstore.Manager {
	w.Helper()
	store, err := dirstore.Open(filepath.Join(w.dir, "grants"))
	if err != nil {
		w.Fatal(err)
	}
	keyring, err := tokenstore.NewKeyring(w.key)
	if err != nil {
		w.Fatal(err)
	}
	m, err := tokenstore.New(tokenstore.Config{
		ClientID:  w.google.ClientID(),
		Store:     &tokenstore.Sealed{Store: store, Sealer: keyring},
		Refresher: w.client, Revoker: w.client,
	})
	if err != nil {
		w.Fatal(err)
	}
	return m
}

// wantKept checks which users the backend can work for.
func (w *world) wantKept(subjects ...string) {
	w.Helper()
	m := w.grants()
	var got []string
	for subject, err := range m.Subjects(w.Context(), "") {
		if err != nil {
			w.Fatal(err)
		}
		got = append(got, subject)
		token, err := m.Token(w.Context(), subject)
		if err != nil {
			w.Error(err)
			continue
		}
		if owner, _, ok := w.google.CheckAccessToken(token.AccessToken); !ok || owner != subject {
			w.Errorf("an access token for %s is %s's", subject, owner)
		}
	}
	slices.Sort(subjects)
	if !slices.Equal(got, subjects) {
		w.Errorf("kept are the grants of %q, want %q", got, subjects)
	}
}

func (w *world) refreshes() int { return len(w.google.Requests(exchangetest.TokenEndpoint)) }

// table puts rows in the old software's table.
func (w *world) table(rows ...[4]any) {
	w.Helper()
	path := filepath.Join(w.dir, "old.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE users (id INTEGER, google_sub TEXT, client TEXT, token TEXT)"); err != nil {
		w.Fatal(err)
	}
	for _, r := range rows {
		if _, err := db.Exec("INSERT INTO users VALUES (?, ?, ?, ?)", r[:]...); err != nil {
			w.Fatal(err)
		}
	}
	w.o.from, w.o.db = "table", "sqlite:"+path
	w.o.query = `SELECT id AS "user", google_sub AS subject, client AS client_id, token AS refresh_token FROM users ORDER BY id`
}

func TestTable(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	other := w.newClient("1234-other.apps.googleusercontent.com")
	elsewhere, err := other.Exchange(t.Context(), w.google.AppCode(exchangetest.CodeRequest{User: mary, ClientID: "1234-other.apps.googleusercontent.com"}), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	w.secret = append(w.secret, elsewhere.RefreshToken)
	gone := w.consent(mary, "openid").RefreshToken
	w.google.RemoveAccess(mary)
	janes := w.consent(jane, "openid", appdata).RefreshToken
	w.table(
		[4]any{1, jane, nil, janes},
		[4]any{2, john, w.google.ClientID(), w.consent(john, appdata).RefreshToken}, // without openid: the row's word counts
		[4]any{3, mary, nil, nil},
		[4]any{4, mary, nil, ""},
		[4]any{5, mary, nil, gone},
		[4]any{6, mary, "1234-other.apps.googleusercontent.com", elsewhere.RefreshToken},
		[4]any{7, mary, nil, "1//" + strings.Repeat("x", 100)},
		[4]any{8, mary, nil, w.consent(jane, "openid").RefreshToken}, // of another user
		[4]any{9, nil, nil, w.consent(jane, appdata).RefreshToken},   // of an unknown user
		[4]any{10, nil, nil, w.consent(jane, "openid").RefreshToken},
		[4]any{11, jane, nil, w.consent(jane, "openid").RefreshToken},
		[4]any{12, "jane.doe@gmail.com", nil, w.consent(jane, appdata).RefreshToken},
		[4]any{13, "a\nsubject", nil, w.consent(jane, appdata).RefreshToken},
		[4]any{14, mary, nil, elsewhere.RefreshToken}, // only Google knows that
	)
	before := w.refreshes()
	w.wantLines([]string{
		"8 due",
		"3 due: Google will be asked whose it is",
		"1 skipped: issued to another client",
		"2 skipped: no refresh token is kept",
	}, dryRun, func(o *options) { o.to, o.key = "", "" })
	if w.refreshes() != before {
		t.Error("a dry run has asked Google")
	}
	if _, err := os.Stat(w.o.report); !errors.Is(err, os.ErrNotExist) {
		t.Error("a dry run has written a report:", err)
	}

	want := []string{
		"2 dead: invalid_grant",
		"2 skipped: a grant is kept already",
		"2 skipped: issued to another client",
		"2 skipped: no refresh token is kept",
		"1 skipped: the refresh token is another user's",
		"1 skipped: the subject cannot be one",
		"2 taken",
		"2 waiting: nothing says whose it is: granted without openid",
	}
	w.wantLines(want)
	w.wantKept(jane, john)
	kept := w.load(jane)
	if kept.RefreshToken != janes || !slices.Equal(kept.Scopes, []string{appdata, "openid"}) || kept.RefreshedAt.IsZero() {
		t.Errorf("kept is %v", kept)
	}

	// Again: what was decided stays so, also if the user has disconnected since.
	if err := w.grants().Disconnect(t.Context(), john); err != nil {
		t.Fatal(err)
	}
	before = w.refreshes()
	w.wantLines(want)
	if n := w.refreshes() - before; n != 4 { // of the users 8, 10, 13 and 14
		t.Errorf("the second run has refreshed %d grants", n)
	}
	w.wantKept(jane)
}

// Without -refresh only the grants of unknown users are refreshed.
func TestWithoutRefresh(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	w.table([4]any{1, jane, nil, w.consent(jane, "openid").RefreshToken}, [4]any{2, nil, nil, w.consent(john, "openid").RefreshToken})
	before := w.refreshes()
	w.wantLines([]string{"2 taken"}, func(o *options) { o.refresh = false })
	if n := w.refreshes() - before; n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	w.wantKept(jane, john)
}

// load returns the record of a user.
func (w *world) load(subject string) tokenstore.Grant {
	w.Helper()
	store, err := dirstore.Open(filepath.Join(w.dir, "grants"))
	if err != nil {
		w.Fatal(err)
	}
	keyring, err := tokenstore.NewKeyring(w.key)
	if err != nil {
		w.Fatal(err)
	}
	sealed := tokenstore.Sealed{Store: store, Sealer: keyring}
	g, err := sealed.Load(w.Context(), tokenstore.Key{ClientID: w.google.ClientID(), Subject: subject})
	if err != nil {
		w.Fatal(err)
	}
	return g
}

// A sign-in since is newer than the old grant, whatever became of it.
func TestNewerSignIn(t *testing.T) {
	for _, refresh := range []bool{true, false} {
		w := newWorld(t, exchangetest.Options{})
		w.table([4]any{1, jane, nil, w.consent(jane, "openid", appdata).RefreshToken}, [4]any{2, john, nil, w.consent(john, "openid").RefreshToken})
		newer := w.consent(jane, "openid")
		m := w.grants()
		if _, err := m.SignIn(t.Context(), jane, &newer.Token); err != nil {
			t.Fatal(err)
		}
		if err := m.MarkRevoked(t.Context(), jane, "by the user", time.Time{}); err != nil {
			t.Fatal(err)
		}
		before := w.refreshes()
		w.wantLines([]string{"1 skipped: a grant is kept already", "1 taken"}, func(o *options) { o.refresh = refresh })
		if n := w.refreshes() - before; n > 1 || n == 1 && !refresh {
			t.Errorf("%d refreshes", n)
		}
		if g := w.load(jane); g.RefreshToken != newer.RefreshToken || g.State != tokenstore.NeedsConsent {
			t.Error("the sign-in was replaced")
		}
		if g := w.load(john); refresh == (g.Scopes == nil) {
			t.Errorf("scopes %q, refresh %t", g.Scopes, refresh)
		}
	}
}

// A run that ends early, and the next one, ask Google about each grant once.
func TestResume(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	w.table(
		[4]any{1, jane, nil, w.consent(jane, "openid").RefreshToken},
		[4]any{2, john, nil, w.consent(john, "openid").RefreshToken},
		[4]any{3, mary, nil, w.consent(mary, "openid").RefreshToken},
	)
	before := w.refreshes()
	w.google.Inject(exchangetest.TokenEndpoint, exchangetest.Fault{}, exchangetest.ErrorFault(401, "invalid_client", "The OAuth client was not found."))
	lines, err := w.run()
	if !errors.Is(err, exchange.ErrClient) || !strings.Contains(err.Error(), "user 2") {
		t.Errorf("run: %v; want ErrClient at user 2", err)
	}
	if !slices.Equal(lines, []string{"1 taken"}) {
		t.Errorf("printed %q", lines)
	}

	// The process died while it wrote a line.
	f, err := os.OpenFile(w.o.report, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"user":"2","outc`)
	f.Close()
	w.google.Inject(exchangetest.TokenEndpoint, exchangetest.Fault{}, exchangetest.ErrorFault(400, "admin_policy_enforced", ""))
	lines, err = w.run()
	if err == nil || !slices.Equal(lines, []string{"1 failed: admin_policy_enforced", "2 taken"}) {
		t.Errorf("printed %q, %v; want an error too", lines, err)
	}
	w.wantLines([]string{"3 taken"})
	if n := w.refreshes() - before; n != 5 {
		t.Errorf("%d refreshes, want 5", n)
	}
	w.wantKept(jane, john, mary)
}

// An interrupted run ends after the grant at hand.
func TestInterrupt(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	w.table([4]any{1, jane, nil, w.consent(jane, "openid").RefreshToken})
	ctx, cancel := context.WithCancel(t.Context())
	old, err := readGrants(ctx, w.o)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := exchange.ConfigFromFile(w.o.clientSecret)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Endpoint = w.o.endpoint
	m := migration{clientID: cfg.ClientID, refresh: true}
	done, err := m.connect(ctx, cfg, w.o)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	cancel()
	if e, err := m.decide(ctx, old[0]); err != nil || e.Outcome != taken {
		t.Errorf("the grant at hand: %v, %v", e, err)
	}
	r, err := openReport(w.o.report, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := m.all(ctx, old, r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Where Google answers with a new refresh token, that one is kept.
func TestRotation(t *testing.T) {
	w := newWorld(t, exchangetest.Options{RotateRefreshTokens: true})
	w.table([4]any{1, jane, nil, w.consent(jane, "openid").RefreshToken})
	w.wantLines([]string{"1 taken"})
	w.wantKept(jane)
}

// README.md and the package's own comment have commands that work.
func TestCommands(t *testing.T) {
	for _, c := range []struct{ file, command string }{
		{"../../README.md", `(?m)^go run -C examples ./migrate (.*)$`},
		{"main.go", `(?m)^//	go run -C examples ./migrate (.*)\\\n//(.*)\\\n//(.*)$`},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(c.command).FindSubmatch(text)
		if found == nil {
			t.Errorf("%s has no command", c.file)
			continue
		}
		args := strings.Fields(string(bytes.Join(found[1:], []byte(" "))))
		o, err := parse(args)
		if err != nil || o.clientSecret == "" || o.from != "authjs" || o.db == "" || !o.dryRun || !o.refresh {
			t.Errorf("%s: %q: %v", c.file, args, err)
		}
	}
	if _, err := parse([]string{"-dry-run", "true"}); err == nil {
		t.Error("an argument that is no flag is taken")
	}
}

// With another key than the backend's, nothing that is kept here would open there.
func TestWrongKey(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	w.table([4]any{1, jane, nil, w.consent(jane, "openid").RefreshToken}, [4]any{2, john, nil, w.consent(john, "openid").RefreshToken})
	tokens := w.consent(john, "openid")
	if _, err := w.grants().SignIn(t.Context(), john, &tokens.Token); err != nil {
		t.Fatal(err)
	}
	own := base64.StdEncoding.EncodeToString(w.key)
	other := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32))
	for _, text := range []string{other, "", "not base64", base64.StdEncoding.EncodeToString([]byte("short"))} {
		w.file("key", text)
		if lines, err := w.run(); err == nil || !strings.HasPrefix(err.Error(), "-key") || len(lines) != 0 {
			t.Errorf("with the key %q: %q, %v", text, lines, err)
		}
	}
	w.file("key", other+"\n"+own+"\n")
	w.wantLines([]string{"1 skipped: a grant is kept already", "1 taken"})
}

// A record that cannot be unsealed is a grant, too, as far as is known.
func TestSealedRecord(t *testing.T) {
	w := newWorld(t, exchangetest.Options{})
	w.table([4]any{1, jane, nil, w.consent(jane, "openid").RefreshToken}, [4]any{2, john, nil, w.consent(john, "openid").RefreshToken})
	own := w.key
	for subject, key := range map[string][]byte{jane: own, john: bytes.Repeat([]byte{8}, 32)} {
		w.key = key
		tokens := w.consent(subject, "openid")
		if _, err := w.grants().SignIn(t.Context(), subject, &tokens.Token); err != nil {
			t.Fatal(err)
		}
	}
	w.key = own
	w.wantLines([]string{"2 skipped: a grant is kept already"})
}

// A store that fails for a while does not lose a refresh token that Google has
// replaced.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
		down := errors.New("the database is down")
		kept, err := tokenstore.New(tokenstore.Config{ClientID: web, Store: store, Refresher: new(exchange.Client)})
		if err != nil {
			t.Fatal(err)
		}
		m := migration{kept: kept}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		store.Inject(
			tokenstoretest.Fault{Method: "Save", Err: down, Times: 3},
			tokenstoretest.Fault{Method: "Save", Err: down, Performed: true},
		)
		if ok, err := m.keep(ctx, jane, tokenstore.Grant{RefreshToken: "1//new"}); !ok || err != nil {
			t.Error(ok, err)
		}
		store.Inject(tokenstoretest.Fault{Method: "Save", Err: down, Times: -1})
		if ok, err := m.keep(ctx, john, tokenstore.Grant{RefreshToken: "1//new"}); ok || err == nil {
			t.Error(ok, err)
		}
	})
}
