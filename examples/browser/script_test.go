package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// A scriptPage is a site whose page uses Google's page script.
type scriptPage struct {
	URL    string // of http://localhost, to which the fake's 127.0.0.1 is another site
	google *exchangetest.Server
	body   atomic.Pointer[string] // of the page, after the script
}

const (
	nonce = "n-0S6_WzA2Mj"

	// say is for callbacks of the page: it shows text in a paragraph.
	say = `<script>const say = (text) => document.body.append(Object.assign(document.createElement("p"), {textContent: text}));</script>`
	// toBackend is a callback that sends an answer to the page's backend.
	toBackend = `<script>
const toBackend = (path) => async (answer) => {
	if (answer.error) return say(answer.error + ", state " + answer.state);
	const response = await fetch(path, {method: "POST", body: new URLSearchParams(answer), headers: {"X-Requested-With": "page"}});
	say(await response.text());
}</script>`
	buttonOnPage = `<div id="button"></div><script>
google.accounts.id.initialize({client_id: "CLIENT_ID", nonce: "` + nonce + `", SETTINGS});
google.accounts.id.renderButton(document.getElementById("button"), {theme: "filled_blue", state: "from the button"});
</script>`
	codeOnPage = `<button id="code">Allow</button><script>
const client = google.accounts.oauth2.initCodeClient({client_id: "CLIENT_ID", scope: "openid email ` + appdata + `", state: "s t",
	SETTINGS, error_callback: (error) => say(error.type + ", an Error: " + (error instanceof Error))});
document.getElementById("code").onclick = () => client.requestCode();
</script>`
)

func startScriptPage(t *testing.T, origins ...string) *scriptPage {
	t.Helper()
	p := new(scriptPage)
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	p.URL = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	callback := p.URL + "/callback"
	if origins == nil {
		origins = []string{p.URL}
	}
	p.google = exchangetest.NewServer(exchangetest.Options{Clients: []exchangetest.Client{{
		Name: "Notes", RedirectURIs: []string{callback, p.URL + "/login"}, JavaScriptOrigins: origins,
	}}})
	t.Cleanup(p.google.Close)
	client, err := exchange.New(p.google.Config())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{p.google.ClientID()}, Keys: p.google.KeySource(), Now: p.google.Now})
	if err != nil {
		t.Fatal(err)
	}
	signedIn := func(w http.ResponseWriter, ctx context.Context, rawIDToken, more string, checks ...idtoken.Check) {
		user, err := verifier.Verify(ctx, rawIDToken, checks...)
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(w, user.Email+", "+more)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><body>%s%s<script src="%s"></script>%s`, say, toBackend, p.google.ScriptURL(), *p.body.Load())
	})
	// Where Google's button sends the browser.
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		raw, err := idtoken.CredentialFromRequest(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<p>")
		signedIn(w, r.Context(), raw, r.PostForm.Get("select_by")+", state "+r.PostForm.Get("state"), idtoken.Nonce(nonce))
	})
	// Where a callback of the page sends a credential.
	mux.HandleFunc("POST /credential", func(w http.ResponseWriter, r *http.Request) {
		signedIn(w, r.Context(), r.PostFormValue("credential"), r.PostForm.Get("select_by"), idtoken.Nonce(nonce))
	})
	show := func(w http.ResponseWriter, r *http.Request, tokens *exchange.Tokens) {
		more := fmt.Sprint("refresh token: ", tokens.RefreshToken != "")
		for _, missing := range tokens.Missing(appdata) {
			more += ", without " + missing
		}
		signedIn(w, r.Context(), tokens.IDToken, more, idtoken.AccessToken(tokens.AccessToken))
	}
	mux.Handle("POST /code", client.Handler(exchange.Popup, show))
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		tokens, err := client.Exchange(r.Context(), r.FormValue("code"), exchange.RedirectURI(callback))
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<p>state "+r.FormValue("state")+", ")
		show(w, r, tokens)
	})
	return p
}

// open goes to the page with this body, where the words in capitals are replaced.
func (p *scriptPage) open(b *browser, body, settings string) {
	b.t.Helper()
	body = strings.ReplaceAll(body, "SETTINGS", settings)
	body = strings.NewReplacer("CLIENT_ID", p.google.ClientID(), "PAGE", p.URL, "SCRIPT", p.google.ScriptURL()).Replace(body)
	p.body.Store(&body)
	b.GoTo(p.URL)
}

func TestPageScript(t *testing.T) {
	b := startBrowser(t, cookies|javaScript)
	for name, test := range map[string]func(*testing.T, *browser){
		"button":            buttonPopup,
		"button, redirect":  buttonRedirect,
		"button, callback":  buttonCallback,
		"button in HTML":    buttonInHTML,
		"prompt":            prompt,
		"code":              codePopup,
		"code, redirect":    codeRedirect,
		"code, popup fails": codePopupFails,
		"other origin":      otherOrigin,
		"console":           console,
	} {
		t.Run(name, func(t *testing.T) { test(t, b.with(t)) })
	}
}

// Without a callback, the page itself posts to its login_uri.
func buttonPopup(t *testing.T, b *browser) {
	p := startScriptPage(t)
	p.open(b, buttonOnPage, `login_uri: "/login"`)
	b.Click("//button[@aria-label='Sign in with Google']")
	back := b.Popup()
	b.MustSee("h1", "Choose an account")
	b.chooseJohn()
	b.MustSee("h1", "Notes wants access to your Google Account")
	b.agree()
	back()
	b.MustSee("p", john+", btn_confirm, state from the button")

	b.GoTo(p.URL)
	b.Click("//button[@aria-label='Sign in with Google']")
	back = b.Popup()
	b.chooseJohn() // who has consented
	back()
	b.MustSee("p", john+", btn, state from the button")
}

// The POST comes from the fake's page, and has to have the page's cookie.
func buttonRedirect(t *testing.T, b *browser) {
	p := startScriptPage(t)
	p.open(b, buttonOnPage, `ux_mode: "redirect", login_uri: "PAGE/login", login_hint: "`+john+`"`)
	b.Click("//button[@aria-label='Sign in with Google']")
	b.agree()
	b.MustSee("p", john+", btn_confirm, state from the button")

	p.open(b, buttonOnPage, `ux_mode: "redirect", login_uri: "PAGE/other"`)
	b.Click("//button[@aria-label='Sign in with Google']")
	b.MustSee("p", "Error 400: redirect_uri_mismatch")
}

func buttonCallback(t *testing.T, b *browser) {
	p := startScriptPage(t)
	p.open(b, buttonOnPage+`<button id="revoke">Leave</button><script>document.getElementById("revoke").onclick = () =>
		google.accounts.id.revoke("`+john+`", (done) => say("revoked: " + done.successful));</script>`, `callback: toBackend("/credential")`)
	b.Click("//button[@aria-label='Sign in with Google']")
	back := b.Popup()
	b.chooseJohn()
	b.Click("//button[.='Cancel']") // the page is not told
	back()
	b.Click("//button[@aria-label='Sign in with Google']")
	back = b.Popup()
	b.chooseJohn()
	b.agree()
	back()
	b.MustSee("p", john+", btn_confirm")
	b.Click("//button[.='Leave']")
	b.MustSee("p", "revoked: true")
	if grants := p.google.Grants(); len(grants) != 0 {
		t.Errorf("grants after revoke: %v", grants)
	}
	b.Click("//button[.='Leave']")
	b.MustSee("p", "revoked: false")
}

func buttonInHTML(t *testing.T, b *browser) {
	p := startScriptPage(t)
	p.open(b, `<div id="g_id_onload" data-client_id="CLIENT_ID" data-login_uri="PAGE/login" data-nonce="`+nonce+`" data-ux_mode="redirect"
		data-auto_prompt="false"></div><div class="g_id_signin" data-text="continue_with" data-size="small"></div>`, "")
	b.Click("//button[@aria-label='Continue with Google']")
	b.chooseJohn()
	b.agree()
	b.MustSee("p", john+", btn_confirm, state")
}

func prompt(t *testing.T, b *browser) {
	p := startScriptPage(t)
	p.open(b, buttonOnPage+`<script>google.accounts.id.prompt((m) => say(m.getMomentType() + " " + m.getDismissedReason()))</script>`,
		`callback: toBackend("/credential")`)
	b.MustSee("p", "display undefined")
	b.toFrame()
	b.chooseJohn()
	b.agree()
	b.toPage()
	b.MustSee("p", "dismissed credential_returned")
	b.MustSee("p", john+", user_1tap")
}

func codePopup(t *testing.T, b *browser) {
	p := startScriptPage(t)
	for _, without := range []string{", without " + appdata, ""} {
		p.open(b, codeOnPage, `callback: toBackend("/code"), select_account: true`)
		b.Click("//button[.='Allow']")
		back := b.Popup()
		b.chooseJohn()
		if without != "" {
			b.Click("//input[@value='" + appdata + "']")
		}
		b.agree()
		back()
		b.MustSee("p", john+", refresh token: true"+without)
	}
	b.Click("//button[.='Allow']")
	back := b.Popup()
	b.chooseJohn()
	b.Click("//button[.='Cancel']")
	back()
	b.MustSee("p", "access_denied, state s t")
}

func codeRedirect(t *testing.T, b *browser) {
	p := startScriptPage(t)
	p.open(b, codeOnPage, `ux_mode: "redirect", redirect_uri: "PAGE/callback", login_hint: "`+john+`"`)
	b.Click("//button[.='Allow']")
	b.agree()
	b.MustSee("p", "state s t, "+john+", refresh token: true")
}

func codePopupFails(t *testing.T, b *browser) {
	p := startScriptPage(t)
	p.open(b, codeOnPage, `callback: say`)
	b.Click("//button[.='Allow']")
	back := b.Popup()
	b.CloseTab() // as a person closes it
	back()
	b.MustSee("p", "popup_closed, an Error: true")

	p.open(b, codeOnPage+`<script>window.open = () => null</script>`, `callback: say`) // as a blocker does
	b.Click("//button[.='Allow']")
	b.MustSee("p", "popup_failed_to_open, an Error: true")
}

func otherOrigin(t *testing.T, b *browser) {
	p := startScriptPage(t, "https://notes.example.org")
	p.open(b, codeOnPage+buttonOnPage, `callback: say`)
	for _, button := range []string{"//button[.='Allow']", "//button[@aria-label='Sign in with Google']"} {
		b.Click(button)
		back := b.Popup()
		b.MustSee("p", "Error 400: origin_mismatch")
		b.CloseTab()
		back()
	}
	p.open(b, buttonOnPage, `ux_mode: "redirect", login_uri: "PAGE/login"`)
	b.Click("//button[@aria-label='Sign in with Google']")
	b.MustSee("p", "Error 400: origin_mismatch")
}

func console(t *testing.T, b *browser) {
	p := startScriptPage(t)
	p.open(b, `<script>console.warn = say; console.info = say</script><script src="SCRIPT"></script><script>
		google.accounts.id.initialize({client_id: "1", auto_select: true, colour: "red"});
		try { google.accounts.oauth2.initCodeClient({scope: "openid", callback: say}) } catch (error) { say(error.message) }
	</script>`, "")
	b.MustSee("p", "[fake Google] This page signs in at "+p.google.URL+", a fake for tests, and not with Google.")
	b.MustSee("p", "[fake Google] initialize: auto_select has no effect here.")
	b.MustSee("p", "[fake Google] initialize: Google documents no colour.")
	b.MustSee("p", "Missing required parameter client_id.")
}
