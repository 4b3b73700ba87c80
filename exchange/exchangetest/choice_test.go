package exchangetest_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// Authorize signs in whom the pages would, and refuses a choice that they do not
// offer.
func TestAuthorizeDoesWhatThePagesLetOneDo(t *testing.T) {
	const a, b = "a@example.com", "b@example.com"
	as := func(user string) exchangetest.Choice { return exchangetest.Choice{User: user} }
	tests := []struct {
		name   string
		add    string // to a good authorization request
		kept   string // the user who has granted the scopes before
		choice exchangetest.Choice
		want   string // who is signed in, or the error that the app hears of; "" if the choice cannot be made
	}{
		{"the first account", "", "", as(""), jane},
		{"another account", "", "", as(b), b},
		{"hint", "&login_hint=" + b, "", as(""), b},
		{"hint and choose", "&login_hint=" + b + "&prompt=select_account", "", as(""), b},
		{"hint, but another chosen", "&login_hint=" + b + "&prompt=select_account", "", as(a), a},
		{"hint, and no chooser", "&login_hint=" + b, "", as(a), ""},
		{"hint of a stranger", "&login_hint=who@example.com", "", as(""), jane},
		{"domain", "&hd=example.com", "", as(""), a},
		{"domain, second account", "&hd=example.com", "", as(b), b},
		{"domain and hint", "&hd=example.com&login_hint=" + b, "", as(""), b},
		{"domain, hint of another", "&hd=example.com&login_hint=" + jane, "", as(""), a},
		{"domain, account of another", "&hd=example.com", "", as(jane), ""},
		{"any domain", "&hd=*", "", as(""), a},
		{"domain without accounts", "&hd=nobody.example", "", as(""), ""},
		{"domain without accounts, one chosen", "&hd=nobody.example", "", as(jane), ""},
		{"silent", "&prompt=none&login_hint=" + jane, jane, as(""), jane},
		{"silent, which user?", "&prompt=none", jane, as(jane), "interaction_required"},
		{"silent, another chosen", "&prompt=none&login_hint=" + jane, jane, as(b), ""},
		{"silent, domain without accounts", "&prompt=none&hd=nobody.example", jane, as(jane), "interaction_required"},
		{"silent, consent missing", "&prompt=none&login_hint=" + b, jane, as(b), "interaction_required"},
		{"Cancel", "", "", exchangetest.Choice{User: jane, Deny: true}, "access_denied"},
		{"Cancel, consent forced", "&prompt=consent", jane, exchangetest.Choice{User: jane, Deny: true}, "access_denied"},
		{"no page with Cancel", "", jane, exchangetest.Choice{User: jane, Deny: true}, ""},
		{"silent, no page with Cancel", "&prompt=none&login_hint=" + jane, jane, exchangetest.Choice{User: jane, Deny: true}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for way, try := range map[string]func(*testing.T, *exchangetest.Server, string, exchangetest.Choice) string{
				"Authorize": choose, "pages": click,
			} {
				srv := start(t, web(exchangetest.Options{Users: []exchangetest.User{
					{Email: jane, Subject: jane},
					{Email: a, Subject: a, HostedDomain: "example.com"},
					{Email: b, Subject: b, HostedDomain: "example.com"},
				}}))
				at := authURL(srv, authQuery(srv))
				if tt.kept != "" {
					choose(t, srv, at, as(tt.kept))
				}
				c := tt.choice
				if way == "pages" && c.User == "" {
					c.User = tt.want
				}
				if got := try(t, srv, at+tt.add, c); got != tt.want {
					t.Errorf("%s: %q, want %q", way, got, tt.want)
				}
			}
		})
	}
}

// choose makes a choice without HTTP, and returns its outcome; "" if it cannot
// be made.
func choose(t *testing.T, srv *exchangetest.Server, at string, c exchangetest.Choice) string {
	back, err := srv.Authorize(at, c)
	if err != nil {
		return ""
	}
	return outcome(t, srv, back.String())
}

// click is choose on the pages, for users whose Subject is their Email.
func click(t *testing.T, srv *exchangetest.Server, at string, c exchangetest.Choice) string {
	_, page := browse(t, srv, request("GET", at, nil))
	me := `name="user" value="` + c.User + `"`
	if strings.Contains(page, "Choose an account") {
		if !strings.Contains(page, me) {
			return ""
		}
		_, page = browse(t, srv, request("POST", srv.URL+"/signin/account", url.Values{"request": {hidden(t, page)}, "user": {c.User}}))
	}
	if !strings.Contains(page, "Cancel") {
		got := outcome(t, srv, page)
		if got != "interaction_required" && got != "policy_enforced" && (got != c.User || c.Deny) {
			return ""
		}
		return got
	}
	if !strings.Contains(page, me) {
		return ""
	}
	form := url.Values{"request": {hidden(t, page)}, "user": {c.User}, "scope": {appdata}, "action": {"allow"}}
	if c.Deny {
		form.Set("action", "deny")
	}
	_, page = browse(t, srv, request("POST", srv.URL+"/signin/consent", form))
	return outcome(t, srv, page)
}

// outcome says who signs in with the code that a browser is sent back with, or
// what the error is.
func outcome(t *testing.T, srv *exchangetest.Server, location string) string {
	back, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	code := back.Query().Get("code")
	if code == "" {
		return back.Query().Get("error")
	}
	_, b := post(t, srv, "/token", redirectForm(srv, code))
	subject, _, _ := srv.CheckAccessToken(b.str("access_token"))
	return subject
}

// Advanced Protection turns the user away on the way back to the app.
func TestAdvancedProtection(t *testing.T) {
	srv := start(t, web(exchangetest.Options{Users: []exchangetest.User{{Email: jane, Subject: jane}}}))
	srv.SetAdvancedProtection(jane, true)
	at := authURL(srv, authQuery(srv))
	for name, try := range map[string]func(*testing.T, *exchangetest.Server, string, exchangetest.Choice) string{
		"Authorize": choose, "pages": click,
	} {
		if got := try(t, srv, at, exchangetest.Choice{User: jane}); got != "policy_enforced" {
			t.Errorf("%s: %q, want policy_enforced", name, got)
		}
	}
}
