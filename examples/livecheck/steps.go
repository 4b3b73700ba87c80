package main

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// A step looks at some behaviours of Google's, and notes what it sees as facts.
type step struct {
	name string
	what string // for the person
	look func(*run, context.Context)
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

func indexOf(name string) int {
	return slices.IndexFunc(steps, func(s step) bool { return s.name == name })
}

// A run goes through the steps at one google. It remembers the first error in a step:
// after it no request is made and no fact is noted, so that the steps need not look.
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
	err      error    // in the step
	secrets  []string // for withhold

	// What the first sign-in leaves to later steps, and the run to its end.
	subject   string
	raw       *answer // the first tokens, as they came
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

// newClient returns a client at Google's own addresses. dpop may be nil.
func (r *run) newClient(dpop crypto.Signer) (*exchange.Client, error) {
	return exchange.New(exchange.Config{
		ClientID: r.google.client.ClientID, ClientSecret: r.google.client.ClientSecret,
		HTTPClient: r.http, Now: r.google.now, DPoP: dpop,
		Retry: exchange.Retry{Total: -1}, // each answer is a fact
	})
}

// pause waits, or moves the fakes' clock.
func (r *run) pause(ctx context.Context, d time.Duration) {
	if err := r.google.pause(ctx, d); err != nil {
		r.fail(err)
	}
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
		if r.err = nil; r.raw == nil && indexOf(s.name) > indexOf("sign-in") {
			r.fail(errors.New("there are no tokens of the first sign-in"))
		} else {
			s.look(r, ctx)
		}
		if r.err != nil {
			r.at.Failed = r.withhold(r.err.Error())
			fmt.Fprintf(r.out, "    not finished: %s\n", r.at.Failed)
		}
	}
	return r.record
}

// fail notes the error that ends the step.
func (r *run) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// see notes a fact. The row is how its row in docs/google.md begins.
func (r *run) see(name, value, row string) { r.note(Fact{Name: name, Value: value, row: row}) }

// glimpse is see for what may vary from run to run.
func (r *run) glimpse(name, value, row string) {
	r.note(Fact{Name: name, Value: value, Varies: true, row: row})
}

func (r *run) note(f Fact) {
	if r.err == nil {
		f.Value = r.withhold(f.Value)
		r.at.Facts = append(r.at.Facts, f)
	}
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
func (r *run) visit(ctx context.Context, v visit) (url.Values, *exchange.AuthRequest) {
	for try := 1; r.err == nil; try++ {
		req, err := r.oauth.NewAuthRequest(r.google.redirectURI, v.params)
		if err != nil {
			r.fail(err)
			break
		}
		r.secrets = append(r.secrets, req.State, req.Nonce, req.CodeVerifier)
		back, err := r.google.person.visit(ctx, trip{v.address(req.URL), req.State, v.do, v.choice})
		if err != nil {
			r.fail(err)
			break
		}
		if back.Get("code") != "" {
			r.granted, r.back, r.req = true, back, req
			r.secrets = append(r.secrets, back.Get("code"))
		}
		hint := v.hint(back)
		switch {
		case hint == "", try == tries && (back.Get("error") == "" || v.fails): // so it is Google
			return back, req
		case try == tries:
			r.fail(fmt.Errorf("the browser came back with %s %d times", word(back.Get("error")), tries))
		default:
			fmt.Fprintf(r.out, "    %s Once more.\n", hint)
		}
	}
	return url.Values{}, new(exchange.AuthRequest)
}

// address returns the address that the person goes to, for the one of package exchange.
func (v *visit) address(address string) string {
	_, parameters, _ := strings.Cut(address, "?")
	query, _ := url.ParseQuery(parameters) // it has just been encoded
	if v.edit != nil {
		v.edit(query)
	}
	return cmp.Or(v.page, authURL) + "?" + query.Encode()
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

// comesBack notes how the browser comes back, where that is the fact. An error shown is
// not the step's.
func (r *run) comesBack(ctx context.Context, name, row string, v visit) (url.Values, *exchange.AuthRequest) {
	v.any = true
	back, req := r.visit(ctx, v)
	value := "with a code"
	switch {
	case errors.Is(r.err, errShown):
		r.err, value = nil, "no: Google shows an error"
	case back.Get("error") != "":
		value = "with the error " + word(back.Get("error"))
	}
	r.see(name, value, row)
	return back, req
}

// signedIn is a visit, and the exchange of its code.
func (r *run) signedIn(ctx context.Context, v visit) (url.Values, *answer) {
	back, req := r.visit(ctx, v)
	_, raw := r.exchange(ctx, back, req)
	return back, raw
}

// exchange redeems a code by package exchange, and returns the answer, too.
func (r *run) exchange(ctx context.Context, back url.Values, req *exchange.AuthRequest) (*exchange.Tokens, *answer) {
	if r.err != nil {
		return new(exchange.Tokens), &answer{}
	}
	r.tap.take()
	tokens, err := r.oauth.ExchangeCallback(ctx, back, req)
	if err != nil {
		r.fail(err)
		return new(exchange.Tokens), &answer{}
	}
	raw := last(r.tap.take())
	r.keep(raw)
	if tokens.IDToken != "" {
		profile, err := idtoken.ParseUnverified(tokens.IDToken)
		if err != nil {
			r.fail(errors.New("the ID token cannot be read"))
			return tokens, raw
		}
		r.secrets = append(r.secrets, profile.Subject, profile.Email, profile.Name, profile.Picture, profile.HostedDomain)
		if r.subject != "" && profile.Subject != r.subject {
			r.post(ctx, revokeURL, url.Values{"token": {tokens.AccessToken}})
			r.refreshes = slices.DeleteFunc(r.refreshes, func(token string) bool { return token == tokens.RefreshToken })
			r.fail(errors.New("another account has signed in than at first; its access is revoked"))
		}
	}
	return tokens, raw
}

// keep remembers the tokens in an answer: those to revoke in the end, and those that no
// fact may have in it.
func (r *run) keep(a *answer) *answer {
	r.secrets = append(r.secrets, a.text("access_token"), a.text("refresh_token"), a.text("id_token"))
	if hash, ok := part(a.text("id_token"), 1)["at_hash"].(string); ok {
		r.secrets = append(r.secrets, hash)
	}
	if token := a.text("refresh_token"); token != "" {
		r.refreshes = append(r.refreshes, token)
	}
	return a
}

// ask posts a token request of this client, with one parameter changed.
func (r *run) ask(ctx context.Context, address string, form url.Values, name, value string) *answer {
	form.Set("client_id", r.google.client.ClientID)
	form.Set("client_secret", r.google.client.ClientSecret)
	if name != "" {
		form.Set(name, value)
	}
	return r.keep(r.post(ctx, address, form))
}

// redeem posts a code as it stands, with one parameter changed.
func (r *run) redeem(ctx context.Context, back url.Values, req *exchange.AuthRequest, name, value string) *answer {
	return r.ask(ctx, tokenURL, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {req.RedirectURI},
		"code_verifier": {req.CodeVerifier},
	}, name, value)
}

// renew posts a refresh token as it stands, with one parameter changed.
func (r *run) renew(ctx context.Context, address, refreshToken, name, value string) *answer {
	return r.ask(ctx, address, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}, name, value)
}

// first returns the refresh token of the first sign-in.
func (r *run) first() string {
	if len(r.refreshes) == 0 {
		r.fail(errors.New("there is no refresh token of the first sign-in"))
		return ""
	}
	return r.refreshes[0]
}

// cleanUp leaves the account as it was: no file, no grant.
func (r *run) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if r.err = nil; r.granted && len(r.refreshes) > 0 {
		if a := r.renew(ctx, tokenURL, r.first(), "", ""); a.status == http.StatusOK {
			r.access = a.text("access_token") // the first one may have expired
		}
		if r.deleteFiles(ctx); r.err != nil {
			fmt.Fprintln(r.out, "Small files may be left in the hidden app data of the account: see Settings, Manage apps, at https://drive.google.com.")
		}
	}
	if r.err = nil; r.granted && len(r.refreshes) == 0 { // the last code may still be good
		tokens, _ := r.exchange(ctx, r.back, r.req)
		r.refreshes = append(r.refreshes, tokens.AccessToken) // either kind of token will do
	}
	for _, token := range r.refreshes {
		if r.err = nil; r.granted {
			r.granted = r.post(ctx, revokeURL, url.Values{"token": {token}}).status != http.StatusOK
		}
	}
	if r.granted {
		fmt.Fprintf(r.out, "The access that you granted could not be revoked: remove it at %s.\n", connections)
	}
}
