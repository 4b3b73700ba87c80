package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSessions(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := kind(t)
				w := httptest.NewRecorder()
				if err := s.put(w, "user", user{"1", "secret"}, time.Minute); err != nil {
					t.Fatal(err)
				}
				cookie := w.Result().Cookies()[0]
				if strings.Contains(cookie.Value, "secret") || !cookie.HttpOnly || cookie.MaxAge != 60 {
					t.Errorf("cookie %v", cookie)
				}
				got := func(c http.Cookie) bool {
					r := httptest.NewRequest("GET", "/", nil)
					r.AddCookie(&c)
					var u user
					return s.get(r, c.Name, &u) && u == user{"1", "secret"}
				}
				changed, renamed := *cookie, *cookie
				changed.Value = flip(changed.Value)
				renamed.Name = "signin"
				if !got(*cookie) || got(changed) || got(renamed) {
					t.Errorf("as it was: %t, changed: %t, under another name: %t", got(*cookie), got(changed), got(renamed))
				}
				time.Sleep(time.Minute)
				if got(*cookie) {
					t.Error("still there after its time")
				}
			})
		})
	}
}

func flip(s string) string {
	c := byte('A')
	if s[0] == 'A' {
		c = 'B'
	}
	return string(c) + s[1:]
}

func TestSecureCookies(t *testing.T) {
	w := httptest.NewRecorder()
	cookies{secure: true}.set(w, "user", "x", time.Minute)
	if got := w.Header().Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-user=x; Path=/;") || !strings.Contains(got, "Secure") {
		t.Errorf("Set-Cookie: %s", got)
	}
}
