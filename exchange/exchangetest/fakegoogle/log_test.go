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
