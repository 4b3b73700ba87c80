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
