package exchange_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

// otherError is an error of another package.
type otherError struct {
	status int
	code   string
}

func (e *otherError) Error() string             { return "marked details" }
func (e *otherError) HTTPStatus() int           { return e.status }
func (e *otherError) RetryAfter() time.Duration { return 1500 * time.Millisecond }

type codedError struct{ otherError }

func (e *codedError) ProblemCode() string { return e.code }

func TestProblemCode(t *testing.T) {
	_, notACode := newClient(t, scripted()).Exchange(t.Context(), "%2F", exchange.App)
	_, noToken := newClient(t, scripted()).Refresh(t.Context(), "")
	tests := []struct {
		err    error
		code   string
		status int
	}{
		{exchange.ErrBadRequest, "bad_request", 400},
		{notACode, "bad_request", 400},
		{&exchange.Error{Code: "invalid_grant"}, "code_spent", 400},
		{noToken, "consent_required", 400},
		{&exchange.Error{Code: "access_denied"}, "denied", 403},
		{&exchange.Error{Code: "policy_enforced"}, "denied", 403},
		{exchange.ErrDenied, "denied", 403},
		{exchange.ErrState, "not_started", 400},
		{exchange.ErrAccount, "other_account", 403},
		{exchange.ErrInvalidGrant, "code_spent", 400},
		{fmt.Errorf("wrapped: %w", exchange.ErrTemporary), "retry_later", 503},
		{&exchange.Error{Code: "internal_failure"}, "retry_later", 503},
		{&exchange.Error{Code: "invalid_client"}, "server_error", 500},
		{&exchange.Error{Code: "redirect_uri_mismatch"}, "server_error", 500},
		{errors.New("anything"), "server_error", 500},
		{fmt.Errorf("drive: %w", context.DeadlineExceeded), "retry_later", 503},
		{context.Canceled, "server_error", 500},
		{&otherError{status: 401}, "not_signed_in", 401},
		{&otherError{status: 404}, "bad_request", 404},
		{&otherError{status: 408}, "retry_later", 408},
		{&otherError{status: 429}, "retry_later", 429},
		{&otherError{status: 502}, "server_error", 502},
		{&codedError{otherError{403, "consent_required"}}, "consent_required", 403},
	}
	for _, tt := range tests {
		if code, status := exchange.ProblemCode(tt.err), exchange.HTTPStatus(tt.err); code != tt.code || status != tt.status {
			t.Errorf("%v: %s %d, want %s %d", tt.err, code, status, tt.code, tt.status)
		}
	}
}

func TestWriteProblem(t *testing.T) {
	tests := []struct {
		name   string
		change func(*http.Request)
		json   bool
	}{
		{"nothing", func(r *http.Request) { r.Header.Del("Content-Type") }, false},
		{"form", nil, false},
		{"accepts anything", header("Accept", "*/*"), false},
		{"accepts a page", header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"), false},
		{"accepts text, not JSON", header("Accept", "text/plain, application/json;q=0"), false},
		{"accepts JSON", header("Accept", "application/json"), true},
		{"accepts problems", header("Accept", "text/plain, application/problem+json"), true},
		{"sends JSON", header("Content-Type", "application/json; charset=utf-8"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			exchange.WriteProblem(w, codeRequest(tt.change), &codedError{otherError{403, "consent_required"}})
			if w.Code != 403 || w.Header().Get("Retry-After") != "2" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			if strings.Contains(w.Body.String(), mark) {
				t.Errorf("the answer has the error's text: %s", w.Body)
			}
			if !tt.json {
				if w.Body.String() != "Forbidden\n" {
					t.Errorf("answer %q, want the text of the status", w.Body)
				}
				return
			}
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%v, %q", err, w.Header().Get("Content-Type"))
			}
			if got["status"] != 403.0 || got["title"] != "Forbidden" || got["code"] != "consent_required" {
				t.Errorf("problem %v", got)
			}
		})
	}
}

// The function of Handler, and Handler itself, answer through Config.Answer.
func TestAnswer(t *testing.T) {
	var told []error
	c := newClient(t, scripted(says(200, tokenAnswer)), func(cfg *exchange.Config) {
		cfg.OnError = func(_ *http.Request, err error) { told = append(told, err) }
		cfg.Answer = func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, exchange.ProblemCode(err), http.StatusTeapot)
		}
	})
	h := c.Handler(exchange.App, func(w http.ResponseWriter, r *http.Request, _ *exchange.Tokens) {
		c.Fail(w, r, &codedError{otherError{403, "consent_required"}})
	})
	for _, want := range []string{"consent_required\n", "code_spent\n"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, codeRequest(nil))
		if w.Code != http.StatusTeapot || w.Body.String() != want {
			t.Errorf("answer %d %q, want %q", w.Code, w.Body, want)
		}
	}
	if len(told) != 2 {
		t.Errorf("OnError was told %v, want both errors", told)
	}
}

// A server whose read timeout passes while the body comes answers 408.
func TestBodyThatComesTooSlowly(t *testing.T) {
	c := newClient(t, scripted())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // passed already
		c.Handler(exchange.App, func(http.ResponseWriter, *http.Request, *exchange.Tokens) {}).ServeHTTP(w, r)
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Requested-With: x\r\nAccept: application/json\r\n"+
		"Content-Type: text/plain\r\nContent-Length: 100\r\n\r\n4/0A")
	answer, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") || !strings.Contains(string(answer), `"code":"retry_later"`) {
		t.Errorf("answer %q, want 408 with retry_later", answer)
	}
}
