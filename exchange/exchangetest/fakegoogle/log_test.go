package main

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLogIsBounded(t *testing.T) {
	var l requestLog
	const sent = 2 * logLimit
	for range sent {
		l.add(new(request))
	}
	if all := l.all(); len(all) > logLimit || len(all) < logLimit*8/10 || all[0].ID != sent || all[1].ID != sent-1 {
		t.Errorf("%d entries, the newest %d and %d", len(all), all[0].ID, all[1].ID)
	}
}

// The log keeps the beginning of a long form, and the handler reads all of it.
func TestPeekForm(t *testing.T) {
	body := "code=" + strings.Repeat("x", formLimit)
	r := httptest.NewRequest("POST", "/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if kept := peekForm(r).Get("code"); len(kept) != formLimit-len("code=") {
		t.Errorf("%d bytes are kept", len(kept))
	}
	if left, err := io.ReadAll(r.Body); err != nil || string(left) != body {
		t.Errorf("%d bytes are left, %v", len(left), err)
	}
}

// The log has the beginning of an error, and nothing of a success or a page.
func TestResponse(t *testing.T) {
	for _, tt := range []struct {
		status int // 0: not said
		kind   string
		body   string
		logged int
		kept   string
	}{
		{0, "application/json", `{"access_token":"x"}`, 200, ""},
		{201, "application/json", `{"access_token":"x"}`, 201, ""},
		{400, "application/json", "{\n \"error\": \"x\"\n}", 400, `{"error":"x"}`},
		{400, "text/html; charset=utf-8", "<p>no", 400, ""},
		{500, "text/plain", strings.Repeat("x", 2*errorLimit), 500, strings.Repeat("x", errorLimit)},
	} {
		rec := httptest.NewRecorder()
		w := &response{ResponseWriter: rec}
		w.Header().Set("Content-Type", tt.kind)
		if tt.status != 0 {
			w.WriteHeader(tt.status)
		}
		io.WriteString(w, tt.body)
		if w.status != tt.logged || w.failure() != tt.kept || rec.Code != tt.logged || rec.Body.String() != tt.body || w.Unwrap() != rec {
			t.Errorf("%d %s: logged as %d %q", tt.status, tt.kind, w.status, w.failure())
		}
	}
}
