package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// Google's addresses. The steps use them with the fakes, too: the transport of a
// google leads elsewhere.
const (
	authURL     = "https://accounts.google.com/o/oauth2/v2/auth"
	oldAuthURL  = "https://accounts.google.com/o/oauth2/auth"
	discovery   = "https://accounts.google.com/.well-known/openid-configuration"
	tokenURL    = "https://oauth2.googleapis.com/token"
	revokeURL   = "https://oauth2.googleapis.com/revoke"
	tokenInfo   = "https://oauth2.googleapis.com/tokeninfo"
	userInfo    = "https://openidconnect.googleapis.com/v1/userinfo"
	certsURL    = "https://www.googleapis.com/oauth2/v3/certs"
	oauth2API   = "https://www.googleapis.com/oauth2/"
	filesURL    = "https://www.googleapis.com/drive/v3/files"
	uploadURL   = "https://www.googleapis.com/upload/drive/v3/files"
	connections = "https://myaccount.google.com/connections"
)

// A google is Google, or the fakes in its place.
type google struct {
	name        string
	client      exchange.Config // of which the steps use the ID and the secret
	redirectURI string
	person      person
	transport   http.RoundTripper
	now         func() time.Time
	pause       func(context.Context, time.Duration) error
}

// realGoogle is Google itself, for a client and a person.
func realGoogle(client exchange.Config, redirectURI string, p person) *google {
	return &google{
		name: "Google", client: client, redirectURI: redirectURI, person: p,
		transport: http.DefaultTransport, now: time.Now, pause: pause,
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// defaultRedirectURI is for a client to be registered with.
const defaultRedirectURI = "http://localhost:8085/livecheck"

// fakes are the two fakes that this module ships.
type fakes struct {
	accounts *exchangetest.Server
	files    *drivetest.Server
}

func newFakes(redirectURI string, a exchangetest.Options, d drivetest.Options) *fakes {
	if a.Users == nil { // one, who need not be chosen
		a.Users = []exchangetest.User{{
			Email: "jane.doe@gmail.com", Name: "Jane Doe", GivenName: "Jane", FamilyName: "Doe",
			Picture: "https://lh3.googleusercontent.com/a/jane-doe=s96-c",
		}}
	}
	a.Clients = []exchangetest.Client{{RedirectURIs: []string{redirectURI}}}
	accounts := exchangetest.NewServer(a)
	d.Accounts = accounts
	return &fakes{accounts, drivetest.NewServer(d)}
}

func (f *fakes) Close() {
	f.accounts.Close()
	f.files.Close()
}

// google returns the fakes as a google, with a person who does all that is asked. Its
// pauses move the fakes' clock, and take no time.
func (f *fakes) google() *google {
	return &google{
		name: "the fakes", client: f.accounts.Config(), redirectURI: f.accounts.Clients()[0].RedirectURIs[0],
		person: automatic{f.accounts}, transport: f, now: f.accounts.Now,
		pause: func(ctx context.Context, d time.Duration) error {
			f.accounts.Advance(d)
			return ctx.Err()
		},
	}
}

// RoundTrip sends a request for one of Google's addresses to the fake that has it.
func (f *fakes) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.Path, "/drive/v3/") {
		return f.accounts.Client().Transport.RoundTrip(r)
	}
	to, err := url.Parse(f.files.URL)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	return f.files.Client().Transport.RoundTrip(r)
}

// An answer is a response with its whole body.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// maxBody bounds how much is read of an answer.
const maxBody = 8 << 20

// A tap keeps the answers that pass, those that packages of this library ask for
// among them.
type tap struct {
	base http.RoundTripper

	mu      sync.Mutex
	answers []*answer
}

func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers = append(t.answers, &answer{resp.StatusCode, resp.Header.Clone(), body})
	return resp, nil
}

// take returns the answers since the last take.
func (t *tap) take() []*answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.answers
	t.answers = nil
	return all
}

// send makes one request. After an error in the step it makes none.
func (r *run) send(ctx context.Context, method, address string, header http.Header, body string) *answer {
	if r.err != nil {
		return &answer{}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		r.fail(errors.New("an address of Google's cannot be read"))
		return &answer{}
	}
	maps.Copy(req.Header, header)
	r.tap.take()
	resp, err := r.http.Do(req)
	switch {
	case ctx.Err() != nil:
		r.fail(ctx.Err())
		return &answer{}
	case err != nil:
		r.fail(errors.New("no whole answer came")) // the cause has addresses in it
		return &answer{}
	}
	resp.Body.Close()
	return last(r.tap.take())
}

// last returns the last of some answers, or an empty one.
func last(all []*answer) *answer {
	if len(all) == 0 {
		return &answer{}
	}
	return all[len(all)-1]
}

// get asks with an access token, or without one if it is empty.
func (r *run) get(ctx context.Context, address, token string) *answer {
	return r.send(ctx, http.MethodGet, address, bearer(token), "")
}

func (r *run) post(ctx context.Context, address string, form url.Values) *answer {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return r.send(ctx, http.MethodPost, address, header, form.Encode())
}

func bearer(token string) http.Header {
	if token == "" {
		return http.Header{}
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

// fields returns the JSON object in the body, or nil.
func (a *answer) fields() map[string]any {
	var fields map[string]any
	if json.Unmarshal(a.body, &fields) != nil {
		return nil
	}
	return fields
}

func (a *answer) text(name string) string {
	s, _ := a.fields()[name].(string)
	return s
}

// members returns the names of the JSON object's members.
func (a *answer) members(leaveOut ...string) string { return names(a.fields(), leaveOut...) }

// outcome returns the status and, of a refusal, the error code of OAuth or the reason
// of Google's APIs.
func (a *answer) outcome() string {
	status := strconv.Itoa(a.status)
	if a.status < 400 {
		return status
	}
	var oauth struct{ Error string }
	var api struct {
		Error struct {
			Status string
			Errors []struct{ Reason string }
		}
	}
	switch {
	case json.Unmarshal(a.body, &oauth) == nil && oauth.Error != "":
		return status + " " + word(oauth.Error)
	case json.Unmarshal(a.body, &api) != nil:
	case len(api.Error.Errors) > 0:
		return status + " " + word(api.Error.Errors[0].Reason)
	case api.Error.Status != "":
		return status + " " + word(api.Error.Status)
	}
	return status + " without a code"
}

// outcomes returns those of several answers.
func outcomes(all []*answer) string {
	var each []string
	for _, a := range all {
		each = append(each, a.outcome())
	}
	return strings.Join(each, ", then ")
}

// pageErrors are the codes that Google shows to a person.
var pageErrors = []string{"redirect_uri_mismatch", "invalid_client", "invalid_scope", "invalid_request", "origin_mismatch"}

// pageError returns the error that the authorization page shows. Google redirects to
// a page whose address has the error in it, in base64.
func (a *answer) pageError() string {
	text := string(a.body)
	if to, err := url.Parse(a.header.Get("Location")); err == nil {
		detail, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(
			strings.NewReplacer("+", "-", "/", "_").Replace(to.Query().Get("authError")), "="))
		text += string(detail)
	}
	for _, code := range pageErrors {
		if strings.Contains(text, code) {
			return code
		}
	}
	return "none"
}

// A word is short and written as Google's names are: like_this, likeThis or LIKE_THIS.
// Letters of random case, which some random strings are made of alone, are none.
var isWord = regexp.MustCompile(`^([a-z]+([_-][a-z]+)*|[a-z]+([A-Z][a-z]+)+|[A-Z]+(_[A-Z]+)*)$`)

// word returns a code or a name that Google has sent, if it looks like one.
func word(s string) string {
	if len(s) > 60 || !isWord.MatchString(s) {
		return "(something else)"
	}
	return s
}

// names returns the keys of a map, sorted.
func names[V any](m map[string]V, leaveOut ...string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(leaveOut, name) {
			all = append(all, word(name))
		}
	}
	if all == nil {
		return "none"
	}
	return strings.Join(all, ", ")
}

// kind returns the JSON type of a value.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "absent"
	case string:
		return "a string"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "an array"
	}
	return "an object"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func present(b bool) string {
	if b {
		return "present"
	}
	return "absent"
}

// either returns s if it is one of the values that are expected.
func either(s string, expected ...string) string {
	switch {
	case s == "":
		return "absent"
	case slices.Contains(expected, s):
		return s
	}
	return "(something else)"
}

// length returns within which documented limit a code or token is, and how it begins.
func length(s, prefix string, limit int) string {
	switch {
	case s == "":
		return "absent"
	case !strings.HasPrefix(s, prefix):
		return "does not begin with " + prefix
	case len(s) > limit:
		return "longer than " + strconv.Itoa(limit) + " bytes"
	}
	return prefix + "…, at most " + strconv.Itoa(limit) + " bytes"
}

// lifetime returns a number of seconds. Google's hour is some seconds shorter.
func lifetime(v any) string {
	f, ok := v.(float64)
	switch {
	case !ok:
		return kind(v)
	case f > 3500 && f <= 3600:
		return "an hour"
	case f > 604700 && f <= 604800:
		return "seven days"
	}
	return strconv.Itoa(int(f)) + " s"
}

// The scopes that the steps ask for, and Google's long names of them.
const (
	appData  = "https://www.googleapis.com/auth/drive.appdata"
	someFile = "https://www.googleapis.com/auth/drive.file"
	longName = "https://www.googleapis.com/auth/userinfo."
)

var knownScopes = []string{"openid", "email", "profile", longName + "email", longName + "profile", appData, someFile}

// scopes returns the names in a scope parameter, sorted.
func scopes(s string) string {
	var all []string
	for _, name := range strings.Fields(s) {
		all = append(all, either(name, knownScopes...))
	}
	if all == nil {
		return "none"
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// order returns how the names in a scope parameter are ordered.
func order(s string) string {
	all := strings.Fields(s)
	byAsking := slices.SortedStableFunc(slices.Values(all), func(a, b string) int {
		canonical := []string{"openid", longName + "email", longName + "profile", appData, someFile}
		return slices.Index(canonical, a) - slices.Index(canonical, b)
	})
	switch {
	case slices.IsSorted(all):
		return "sorted"
	case slices.Equal(all, byAsking):
		return "as asked for"
	}
	return "another"
}
