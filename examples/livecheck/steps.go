package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// A step looks at some behaviours of Google's. What it sees are facts; its error is
// why it cannot go on.
type step struct {
	name string
	what string // for the person
	look func(*run, context.Context) error
}

// steps are in the order in which they are done: the first sign-in gives the tokens
// that most others need, and revocation takes all of them back. docs/google.md names
// the steps.
var steps = []step{
	{"discovery", "the discovery document and the keys", (*run).discovery},
	{"error-pages", "requests that the authorization page refuses", (*run).errorPages},
	{"denial", "a sign-in that you cancel", (*run).denial},
	{"sign-in", "a first sign-in, of which you grant a part", (*run).signIn},
	{"id-token", "the ID token of that", (*run).idToken},
	{"refresh", "refreshing", (*run).refresh},
	{"userinfo", "userinfo, today's and older", (*run).userInfo},
	{"tokeninfo", "tokeninfo, today's and older", (*run).tokenInfo},
	{"folder", "a document in the app-data folder", (*run).folder},
	{"late-search", "how late searches are", (*run).lateSearch},
	{"names", "names that are equal, quoted or cut off", (*run).fileNames},
	{"rename", "what a rename changes", (*run).rename},
	{"etags", "conditional requests", (*run).etags},
	{"file-ids", "IDs that are given out beforehand", (*run).fileIDs},
	{"folder-limits", "what the folder does not allow", (*run).folderLimits},
	{"properties", "limits of properties", (*run).properties},
	{"uploads", "large and resumable uploads", (*run).uploads},
	{"second-sign-in", "a sign-in without consent", (*run).secondSignIn},
	{"auth-claims", "a sign-in that asks for auth_time and amr", (*run).authClaims},
	{"drive-only", "a code for the folder alone", (*run).driveOnly},
	{"code-twice", "a code that is used twice", (*run).codeTwice},
	{"wrong-redirect", "a code with another redirect URI", (*run).wrongRedirect},
	{"wrong-verifier", "a code without its PKCE verifier", (*run).wrongVerifier},
	{"narrower-consent", "consents to fewer scopes", (*run).narrowerConsent},
	{"unticked-later", "a scope that you take out later", (*run).untickedLater},
	{"approval-prompt", "approval_prompt, from before prompt", (*run).approvalPrompt},
	{"dpop", "a refresh token bound to a key", (*run).dpop},
	{"revocation", "taking all of it back", (*run).revocation},
	{"silence", "prompt=none after that", (*run).silence},
}

// A run goes through the steps at one google.
type run struct {
	google   *google
	out      io.Writer
	tap      *tap
	http     *http.Client
	oauth    *exchange.Client
	verifier *idtoken.Verifier
	steps    []step
	record   *Recording
	at       *StepRecord
	secrets  []string // that no fact may have in it; see see

	// What the first sign-in leaves to later steps, and the run to its end.
	subject   string
	raw       *answer // the tokens, as they came
	access    string  // an access token for the folder
	refreshes []string
	granted   bool // the person has consented, and it is not taken back
	back      url.Values
	req       *exchange.AuthRequest // for the code in back, which is the latest
}

func newRun(g *google, rec Recording, out io.Writer) (*run, error) {
	r := &run{google: g, out: out, tap: &tap{base: g.transport}, steps: steps, record: &rec}
	r.record.Of = g.name
	r.http = &http.Client{
		Transport: r.tap, Timeout: 2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var err error
	if r.oauth, err = r.newClient(nil); err != nil {
		return nil, err
	}
	r.verifier, err = idtoken.New(idtoken.Config{Audiences: []string{g.client.ClientID}, HTTPClient: r.http, Now: g.now})
	r.secrets = []string{g.client.ClientID, g.client.ClientSecret, g.redirectURI}
	return r, err
}

// newClient returns a client at Google's own addresses.
func (r *run) newClient(change func(*exchange.Config)) (*exchange.Client, error) {
	cfg := exchange.Config{
		ClientID: r.google.client.ClientID, ClientSecret: r.google.client.ClientSecret,
		HTTPClient: r.http, Now: r.google.now,
		Retry: exchange.Retry{Total: -1}, // each answer is a fact
	}
	if change != nil {
		change(&cfg)
	}
	return exchange.New(cfg)
}

// all does the steps. If ctx ends, those that are left are not done. At the end the
// account is as it was, or the output says what to do.
func (r *run) all(ctx context.Context) *Recording {
	defer r.cleanUp(context.WithoutCancel(ctx))
	for i, s := range r.steps {
		if ctx.Err() != nil {
			fmt.Fprintf(r.out, "Interrupted: %d of %d steps were not done. The next run begins anew.\n", len(r.steps)-i, len(r.steps))
			break
		}
		fmt.Fprintf(r.out, "%2d/%d %s: %s\n", i+1, len(r.steps), s.name, s.what)
		r.record.Steps = append(r.record.Steps, StepRecord{Step: s.name})
		r.at = &r.record.Steps[i]
		if err := s.look(r, ctx); err != nil {
			r.at.Failed = r.withhold(err.Error())
			fmt.Fprintf(r.out, "    not finished: %s\n", r.at.Failed)
		}
	}
	return r.record
}

// see notes a fact. The row is how its row in docs/google.md begins.
func (r *run) see(name, value, row string) { r.note(Fact{Name: name, Value: value, row: row}) }

// glimpse is see for what may vary from run to run.
func (r *run) glimpse(name, value, row string) {
	r.note(Fact{Name: name, Value: value, Varies: true, row: row})
}

func (r *run) note(f Fact) {
	f.Value = r.withhold(f.Value)
	r.at.Facts = append(r.at.Facts, f)
}

// ip is an address in the text of a network's error.
var ip = regexp.MustCompile(`(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])(:\d+)?`)

// withhold is a second lock: facts and errors are made without secrets. A text that
// has one nevertheless is replaced.
func (r *run) withhold(text string) string {
	text = ip.ReplaceAllString(text, "(address)")
	for _, secret := range r.secrets {
		if len(secret) > 3 && strings.Contains(text, secret) {
			return "(withheld)"
		}
	}
	return text
}

// A visit is one way of the browser to Google and back.
type visit struct {
	do     string // for the person; empty: Google sends the browser back by itself
	choice exchangetest.Choice
	params exchange.AuthParams
	edit   func(url.Values)             // changes the parameters of the address
	page   string                       // empty: authURL
	fails  bool                         // an error is to come back
	any    bool                         // how the browser comes back is the fact
	check  func(back url.Values) string // a hint if something else was to be done
}

// The person's errors are not Google's behaviour: they may try again.
const tries = 3

// visit lets the person go to Google, again if they did something else there.
func (r *run) visit(ctx context.Context, v visit) (url.Values, *exchange.AuthRequest, error) {
	for try := 1; ; try++ {
		req, err := r.oauth.NewAuthRequest(r.google.redirectURI, v.params)
		if err != nil {
			return nil, nil, err
		}
		r.secrets = append(r.secrets, req.State, req.Nonce, req.CodeVerifier)
		address, err := v.address(req.URL)
		if err != nil {
			return nil, nil, err
		}
		back, err := r.google.person.visit(ctx, trip{address, req.State, v.do, v.choice})
		if err != nil {
			return nil, nil, err
		}
		if back.Get("code") != "" {
			r.granted, r.back, r.req = true, back, req
		}
		r.secrets = append(r.secrets, back.Get("code"))
		hint := v.hint(back)
		switch {
		case hint == "":
			return back, req, nil
		case try < tries:
			fmt.Fprintf(r.out, "    %s Once more.\n", hint)
		case back.Get("error") != "" && !v.fails && !v.any:
			return nil, nil, fmt.Errorf("the browser came back with %s %d times", word(back.Get("error")), tries)
		default:
			return back, req, nil // so it is Google
		}
	}
}

func (v *visit) address(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the authorization address cannot be read")
	}
	query := u.Query()
	if v.edit != nil {
		v.edit(query)
	}
	return cmp.Or(v.page, authURL) + "?" + query.Encode(), nil
}

func (v *visit) hint(back url.Values) string {
	switch {
	case back.Get("error") != "" && !v.fails && !v.any:
		return "Google has answered " + word(back.Get("error")) + ", and this step needs your consent."
	case back.Get("error") == "" && v.fails:
		return "The sign-in went through, and this step needs you to cancel."
	case v.check != nil && back.Get("error") == "":
		return v.check(back)
	}
	return ""
}

// comesBack notes how the browser comes back, where that is the fact. An error is not
// the step's.
func (r *run) comesBack(ctx context.Context, name, row string, v visit) (url.Values, *exchange.AuthRequest, error) {
	v.any = true
	back, req, err := r.visit(ctx, v)
	switch {
	case errors.Is(err, errShown):
		r.see(name, "no: Google shows an error", row)
		return url.Values{}, nil, nil
	case err != nil:
		return nil, nil, err
	case back.Get("error") != "":
		r.see(name, "with the error "+word(back.Get("error")), row)
	default:
		r.see(name, "with a code", row)
	}
	return back, req, nil
}

// signedIn is a visit and the exchange of its code, by package exchange.
func (r *run) signedIn(ctx context.Context, v visit) (url.Values, *exchange.Tokens, *answer, error) {
	back, req, err := r.visit(ctx, v)
	if err != nil {
		return nil, nil, nil, err
	}
	tokens, raw, err := r.exchange(ctx, r.oauth, back, req)
	return back, tokens, raw, err
}

func (r *run) exchange(ctx context.Context, client *exchange.Client, back url.Values, req *exchange.AuthRequest) (*exchange.Tokens, *answer, error) {
	r.tap.take()
	tokens, err := client.ExchangeCallback(ctx, back, req)
	if err != nil {
		return nil, nil, err
	}
	answers := r.tap.take()
	r.keep(tokens)
	if tokens.IDToken != "" {
		profile, err := idtoken.ParseUnverified(tokens.IDToken)
		if err != nil {
			return nil, nil, errors.New("the ID token cannot be read")
		}
		r.secrets = append(r.secrets, profile.Subject, profile.Email, profile.Name, profile.Picture, profile.HostedDomain)
		if r.subject != "" && profile.Subject != r.subject {
			return nil, nil, errors.New("another account has signed in than at first")
		}
	}
	return tokens, last(answers), nil
}

// keep remembers what is to be revoked in the end.
func (r *run) keep(t *exchange.Tokens) {
	r.secrets = append(r.secrets, t.AccessToken, t.RefreshToken, t.IDToken)
	if t.RefreshToken != "" {
		r.refreshes = append(r.refreshes, t.RefreshToken)
	}
}

// redeem posts a code as it stands, but for one change.
func (r *run) redeem(ctx context.Context, back url.Values, req *exchange.AuthRequest, name, value string) (*answer, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {req.RedirectURI},
		"code_verifier": {req.CodeVerifier},
		"client_id":     {r.google.client.ClientID}, "client_secret": {r.google.client.ClientSecret},
	}
	if name != "" {
		form.Set(name, value)
	}
	return r.tokens(r.post(ctx, tokenURL, form))
}

// tokens remembers the tokens in an answer.
func (r *run) tokens(a *answer, err error) (*answer, error) {
	if err == nil {
		t := &exchange.Tokens{IDToken: a.text("id_token")}
		t.AccessToken, t.RefreshToken = a.text("access_token"), a.text("refresh_token")
		r.keep(t)
	}
	return a, err
}

// renew posts a refresh token as it stands, with one parameter more.
func (r *run) renew(ctx context.Context, address, refreshToken, name, value string) (*answer, error) {
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken},
		"client_id": {r.google.client.ClientID}, "client_secret": {r.google.client.ClientSecret},
	}
	if name != "" {
		form.Set(name, value)
	}
	return r.tokens(r.post(ctx, address, form))
}

var errNoSignIn = errors.New("there are no tokens of the first sign-in")

// first returns the refresh token of the first sign-in.
func (r *run) first() (string, error) {
	if len(r.refreshes) == 0 {
		return "", errNoSignIn
	}
	return r.refreshes[0], nil
}

// cleanUp leaves the account as it was: no file, no grant.
func (r *run) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if token, err := r.first(); err == nil && r.granted {
		if a, err := r.renew(ctx, tokenURL, token, "", ""); err == nil && a.status == http.StatusOK {
			r.access = a.text("access_token") // the first one may have expired
		}
		if r.deleteFiles(ctx) != nil {
			fmt.Fprintln(r.out, "Small files may be left in the hidden app data of the account: see Settings, Manage apps, at https://drive.google.com.")
		}
	}
	if r.granted && len(r.refreshes) == 0 { // the last code may still be good
		if t, _, err := r.exchange(ctx, r.oauth, r.back, r.req); err == nil {
			r.refreshes = append(r.refreshes, t.AccessToken) // either kind of token will do
		}
	}
	for _, token := range r.refreshes {
		if !r.granted {
			break
		}
		a, err := r.post(ctx, revokeURL, url.Values{"token": {token}})
		r.granted = err != nil || a.status != http.StatusOK
	}
	if r.granted {
		fmt.Fprintf(r.out, "The access that you granted could not be revoked: remove it at %s.\n", connections)
	}
}
