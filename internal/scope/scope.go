// Package scope knows the names under which Google's OAuth scopes are asked for
// and granted.
package scope

import (
	"slices"
	"strings"
)

// Canonical returns one name for a scope that has two. A request for "email" or
// "profile" is answered with the scope's full URL
// (https://developers.google.com/identity/protocols/oauth2/scopes#google-sign-in).
// Google lists the scope of the app-data folder as drive.appfolder, too
// (https://developers.google.com/workspace/drive/api/guides/api-specific-auth).
func Canonical(name string) string {
	switch name {
	case "email":
		return "https://www.googleapis.com/auth/userinfo.email"
	case "profile":
		return "https://www.googleapis.com/auth/userinfo.profile"
	case "https://www.googleapis.com/auth/drive.appfolder":
		return "https://www.googleapis.com/auth/drive.appdata"
	}
	return name
}

// Parse splits a space-separated scope parameter (RFC 6749 section 3.3) into
// canonical names, sorted, each once. It returns an empty, non-nil slice for a
// string without any.
func Parse(s string) []string {
	return Set(strings.Fields(s)...)
}

// Set returns the canonical names, sorted, each once; never nil.
func Set(names ...string) []string {
	set := make([]string, 0, len(names))
	for _, name := range names {
		set = append(set, Canonical(name))
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// Missing returns those of want that granted does not contain, as the caller
// spelled them and in the caller's order; nil if there are none.
func Missing(granted, want []string) []string {
	var missing []string
	for _, name := range want {
		has := func(g string) bool { return Canonical(g) == Canonical(name) }
		if !slices.ContainsFunc(granted, has) {
			missing = append(missing, name)
		}
	}
	return missing
}
