package main

import (
	"net/http"
	"time"
)

// A sessions keeps values for a browser between its requests, where others
// cannot read them and the browser cannot change them.
type sessions interface {
	// put keeps v, by its JSON, for the browser that gets w. There is one value
	// under a name: a sign-in in a second tab takes the place of the first.
	put(w http.ResponseWriter, name string, v any, ttl time.Duration) error

	// get reads what put has kept into v, and reports whether it was there.
	get(r *http.Request, name string, v any) bool

	// drop forgets it.
	drop(w http.ResponseWriter, r *http.Request, name string)
}

// cookies are how both kinds of sessions know a browser again.
type cookies struct {
	secure bool // the site is served by https
}

func (c cookies) name(name string) string {
	if c.secure {
		return "__Host-" + name // no sibling domain can set it
	}
	return name
}

// set sets a cookie, or deletes it if ttl is negative. SameSite is Lax because
// Google's redirect comes from another site.
func (c cookies) set(w http.ResponseWriter, name, value string, ttl time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: int(ttl / time.Second),
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (c cookies) get(r *http.Request, name string) string {
	cookie, err := r.Cookie(c.name(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}
