package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// A format says under which names a library keeps a grant. Scopes, access tokens
// and the times at which tokens end are left out: most libraries keep the scopes
// that were asked for, and times without a date; a refresh tells what is true.
type format struct {
	user         string // the application's name of the user; if empty, "user" is used
	subject      string // Google's sub
	idToken      string // or an ID token that has it
	clientID     string
	refreshToken string
	refused      string // "true": the library marks a grant that Google has refused
	encrypted    bool   // refreshToken may be encrypted, as better-auth does
	yaml         bool   // Ruby's file

	query string // for -db
}

func formats() map[string]format {
	return map[string]format{
		// A table of your own. -query names the columns, such as
		//	SELECT id AS "user", google_sub AS subject, refresh_token FROM users
		"table": {subject: "subject", clientID: "client_id", refreshToken: "refresh_token"},

		// Go: golang.org/x/oauth2, a Token as JSON; github.com/markbates/goth, a Session.
		"x-oauth2": {refreshToken: "refresh_token"},
		"goth":     {refreshToken: "RefreshToken", idToken: "IDToken"},

		// Python: google-auth, what to_json returns; oauth2client, a Storage file.
		"google-auth":  {refreshToken: "refresh_token", clientID: "client_id"},
		"oauth2client": {refreshToken: "refresh_token", clientID: "client_id", subject: "id_token.sub", refused: "invalid"},

		// django-allauth keeps tokens only if SOCIALACCOUNT_STORE_TOKENS says so.
		"django-allauth": {subject: "uid", clientID: "client_id", refreshToken: "token_secret", user: "user_id",
			query: `SELECT a.user_id, a.uid, p.client_id, t.token_secret
				FROM socialaccount_socialtoken t
				JOIN socialaccount_socialaccount a ON a.id = t.account_id
				LEFT JOIN socialaccount_socialapp p ON p.id = t.app_id
				WHERE a.provider = 'google' ORDER BY t.id DESC`},
		// social-auth's uid is the e-mail address, unless USE_UNIQUE_USER_ID is set.
		"social-auth": {subject: "uid", refreshToken: "refresh_token", user: "user_id",
			query: `SELECT user_id, uid, extra_data AS json FROM social_auth_usersocialauth
				WHERE provider = 'google-oauth2' ORDER BY id DESC`},

		// Node.js: google-auth-library, the credentials of an OAuth2Client.
		"google-auth-library": {refreshToken: "refresh_token", idToken: "id_token"},
		// Auth.js never updates a row: it has the user's oldest refresh token. Prisma
		// calls the table "Account": see -query.
		"authjs": {subject: "providerAccountId", refreshToken: "refresh_token", user: "userId",
			query: `SELECT "userId", "providerAccountId", refresh_token FROM accounts WHERE provider = 'google'`},
		"better-auth": {subject: "accountId", refreshToken: "refreshToken", user: "userId", encrypted: true,
			query: `SELECT "userId", "accountId", "refreshToken" FROM account WHERE "providerId" = 'google' ORDER BY "updatedAt" DESC`},

		// Ruby: googleauth, a FileTokenStore. PHP: league/oauth2-client, an AccessToken
		// as JSON. Java: google-oauth-client, what StoredCredentials.java prints.
		"googleauth-ruby":        {refreshToken: "refresh_token", clientID: "client_id", yaml: true},
		"league":                 {refreshToken: "refresh_token", idToken: "id_token"},
		"java-stored-credential": {refreshToken: "refreshToken"},
	}
}

func formatNames() []string { return slices.Sorted(maps.Keys(formats())) }

// readGrants reads the old software's grants.
func readGrants(ctx context.Context, o options) ([]grant, error) {
	f, ok := formats()[o.from]
	if !ok {
		return nil, errors.New("-from: one of " + strings.Join(formatNames(), ", "))
	}
	secrets, err := readSecrets(o.secret)
	if err != nil {
		return nil, err
	}
	rows, err := f.read(ctx, o)
	if err != nil {
		return nil, err
	}
	grants := make([]grant, len(rows))
	for i, r := range rows {
		if err := r.expand(); err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		grants[i] = f.grant(r, secrets)
		if grants[i].user == "" {
			grants[i].user = fmt.Sprintf("row %d", i+1)
		}
	}
	return grants, nil
}

func (f format) read(ctx context.Context, o options) ([]row, error) {
	switch {
	case (o.in == "") == (o.db == ""):
		return nil, errors.New("one of -in and -db is needed")
	case o.in != "" && f.yaml:
		return readFiles(o.in, decodeYAML)
	case o.in != "":
		return readFiles(o.in, decode)
	case o.query != "":
		return readTable(ctx, o.db, o.query)
	case f.query == "":
		return nil, errors.New("-query is missing: where is this format in the database?")
	case strings.HasPrefix(o.db, "mysql:"):
		return readTable(ctx, o.db, strings.ReplaceAll(f.query, `"`, "`"))
	}
	return readTable(ctx, o.db, f.query)
}

// grant returns the grant that a row holds.
func (f format) grant(r row, s secrets) grant {
	g := grant{
		user:         r.text(f.user),
		subject:      r.text(f.subject),
		clientID:     r.text(f.clientID),
		refreshToken: r.text(f.refreshToken),
	}
	if g.user == "" {
		g.user = r.text("user")
	}
	if strings.Contains(g.subject, "@") { // an e-mail address may be another user's by now
		g.subject = ""
	}
	if raw := r.text(f.idToken); raw != "" {
		if p, err := idtoken.ParseUnverified(raw); err == nil {
			g.subject, g.clientID = p.Subject, p.Audience
			if !strings.HasSuffix(p.Issuer, "accounts.google.com") {
				g.unusable = "of another provider than Google"
			}
		}
	}
	if refused, _ := r[f.refused].(bool); refused {
		g.unusable = "marked as refused"
	}
	if f.encrypted {
		token, err := s.open(g.refreshToken)
		if err != nil {
			g.refreshToken, g.unusable = "", err.Error()
		} else {
			g.refreshToken = token
		}
	}
	return g
}
