package exchange_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

func TestHandler(t *testing.T) {
	g := scripted(says(200, tokenAnswer))
	h := newClient(t, g).Handler(exchange.Popup, func(w http.ResponseWriter, r *http.Request, tok *exchange.Tokens) {
		if tok.AccessToken == "" || r.PathValue("app") != "web" {
			t.Errorf("tokens %v, path value %q", tok, r.PathValue("app"))
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux := http.NewServeMux()
	mux.Handle("POST /auth/{app}", h)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, codeRequest(func(r *http.Request) { r.URL.Path = "/auth/web" }))
	if w.Code != http.StatusNoContent {
		t.Errorf("status %d, want 204", w.Code)
	}
	if got := g.got[0].Get("redirect_uri"); got != "postmessage" {
		t.Errorf("redirect_uri %q, want postmessage", got)
	}
}

func TestHandlerFails(t *testing.T) {
	tests := []struct {
		name   string
		change func(*http.Request)
		reply  answerFunc
		status int
		header http.Header
	}{
		{"method", func(r *http.Request) { r.Method = "GET" }, nil, 405, http.Header{"Allow": {"POST"}}},
		{"header", func(r *http.Request) { r.Header.Del("X-Requested-With") }, nil, 403, nil},
		{"too large", body("text/plain", strings.Repeat("x", 5000)), nil, 413, nil},
		{"type", header("Content-Type", "text/html"), nil, 415, nil},
		{"not a code", body("text/plain", "%2F"), nil, 400, nil},
		{"used code", nil, says(400, `{"error":"invalid_grant","error_description":"Bad Request"}`), 400, nil},
		{"wrong secret", nil, says(401, `{"error":"invalid_client"}`), 500, nil},
		{"Google is down", nil, says(503, ""), 503, nil},
		{"Google asks to wait", nil, says(429, "", "Retry-After", "7"), 503, http.Header{"Retry-After": {"7"}}},
		{"Google asks to wait for years", nil, says(429, "", "Retry-After", "2147483647"), 503, http.Header{"Retry-After": {"86400"}}},
		{"no answer", nil, fails(errors.New("EOF")), 503, nil},
		{"blocked", nil, says(400, `{"error":"admin_policy_enforced"}`), 403, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := scripted(tt.reply)
			var told error
			c := newClient(t, g, func(cfg *exchange.Config) {
				cfg.OnError = func(r *http.Request, err error) { told = err }
			})
			h := c.Handler(exchange.App, func(http.ResponseWriter, *http.Request, *exchange.Tokens) {
				t.Error("signed in")
			})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, codeRequest(tt.change))
			if w.Code != tt.status || w.Body.String() != http.StatusText(tt.status)+"\n" {
				t.Errorf("answer %d %q, want %d and its text", w.Code, w.Body, tt.status)
			}
			for name := range tt.header {
				if w.Header().Get(name) != tt.header.Get(name) {
					t.Errorf("%s: %q, want %q", name, w.Header().Get(name), tt.header.Get(name))
				}
			}
			if exchange.HTTPStatus(told) != tt.status {
				t.Errorf("OnError was told %v", told)
			}
		})
	}
}

func TestHandlerWhenThePhoneHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, hangUp := context.WithCancel(context.WithValue(t.Context(), traceKey{}, "trace"))
		g := scripted(func(r *http.Request) (*http.Response, error) {
			hangUp()
			time.Sleep(time.Second)
			return says(200, tokenAnswer)(r)
		})
		signedIn := false
		h := newClient(t, g).Handler(exchange.App, func(_ http.ResponseWriter, r *http.Request, tok *exchange.Tokens) {
			signedIn = tok.RefreshToken != ""
			if r.Context().Err() != nil || r.Context().Value(traceKey{}) != "trace" {
				t.Errorf("context: %v, %v; want it alive, with the request's values", r.Context().Err(), r.Context().Value(traceKey{}))
			}
			if end, ok := r.Context().Deadline(); !ok || time.Until(end) != time.Minute {
				t.Errorf("deadline in %v, want a minute", time.Until(end))
			}
		})
		h.ServeHTTP(httptest.NewRecorder(), codeRequest(nil).WithContext(ctx))
		if !signedIn {
			t.Error("the user's consent is lost")
		}
	})
}

type traceKey struct{}

func TestHandlerWithoutFunction(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Handler(App, nil) does not panic")
		}
	}()
	newClient(t, scripted()).Handler(exchange.App, nil)
}
