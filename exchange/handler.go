package exchange

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// handleTimeout is what signedIn has for storing, and whatever else it does.
const handleTimeout = time.Minute

// Handler returns a handler that reads a code as [Client.ReadCode] does,
// exchanges it, and calls signedIn, which verifies t.IDToken, keeps the refresh
// token, and answers.
//
// From the moment the code is read, the sender's hanging up cancels nothing,
// because the code is spent: the context of signedIn's request has the values
// of the original and ends after a minute.
//
// On failure the answer is the [HTTPStatus] of the error and that status's text,
// and Config.OnError is told why. An app does best to get a new code after any
// failure: 400 means that nothing else helps, 503 that it should wait first.
//
// Behind a proxy that changes Host, a page's request without Sec-Fetch-Site looks
// like one of another origin and gets 403: let the proxy keep Host, or name the
// page's origin in Config.CrossOrigin. docs/proxies.md has the lines for usual
// proxies. Do not put a CrossOriginProtection of your own around the mux: it
// refuses the POST of Google's button, which comes from another origin.
// http.TimeoutHandler answers the app earlier and does not end the exchange.
// signedIn must write a header or a body, because some adapters, for AWS Lambda
// among them, make 504 of an answer without and lose its cookies.
func (c *Client) Handler(uri RedirectURI, signedIn func(w http.ResponseWriter, r *http.Request, t *Tokens)) http.Handler {
	if signedIn == nil {
		panic("exchange: Handler: signedIn is nil") // now, rather than after a code is spent
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, err := c.ReadCode(w, r)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		ctx := context.WithoutCancel(r.Context())
		t, err := c.Exchange(ctx, code, uri)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		ctx, cancel := context.WithTimeout(ctx, handleTimeout)
		defer cancel()
		signedIn(w, r.WithContext(ctx), t)
	})
}

func (c *Client) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if c.cfg.OnError != nil {
		c.cfg.OnError(r, err)
	}
	status := HTTPStatus(err)
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost) // RFC 9110 section 15.5.6
	}
	if wait := asError(opExchange, err).RetryAfter; wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	http.Error(w, http.StatusText(status), status)
}
