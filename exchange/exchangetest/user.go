package exchangetest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// A User has a Google Account at the server.
type User struct {
	// Subject is the account's sub. Default: 21 digits computed from Email.
	Subject string

	// Email is required. EmailUnverified is for an address that Google has not
	// verified.
	Email           string
	EmailUnverified bool

	// The profile. All of it is optional. Picture is a URL.
	Name, GivenName, FamilyName, Picture string

	// HostedDomain is the Workspace domain of the account; none by default.
	HostedDomain string

	// SignedInAt is when the user last signed in to Google in that browser or on
	// that device (auth_time). Default: as the code is issued.
	SignedInAt time.Time

	// Methods are how (amr). Default: pwd. Google may leave amr out:
	// Claims{"amr": nil}.
	Methods []string

	// Claims replace the server's claims in every ID token of the user:
	// {"iss": "accounts.google.com"}, {"email_verified": "true"}. A nil value
	// removes a claim. The map is copied; the slices and maps in it are not, and must
	// not be changed.
	Claims map[string]any
}

func defaultUsers() []User {
	return []User{
		{Email: "jane.doe@gmail.com", Name: "Jane Doe", GivenName: "Jane", FamilyName: "Doe",
			Picture: "https://lh3.googleusercontent.com/a/jane-doe=s96-c"},
		{Email: "john.roe@example.com", Name: "John Roe", GivenName: "John", FamilyName: "Roe",
			HostedDomain: "example.com"},
	}
}

// subjectOf makes a sub that looks like Google's and is the same in every run.
func subjectOf(email string) string {
	sum := sha256.Sum256([]byte(email))
	return fmt.Sprintf("1%020d", binary.BigEndian.Uint64(sum[:]))
}

// A user is an account: a User, which may change, and its state.
type user struct {
	subject string
	current atomic.Pointer[User]

	deleted   bool
	blocked   bool // the administrator does not let the app in
	protected bool // Advanced Protection does not let the app in
}

func newUser(now User) *user {
	u := &user{subject: now.Subject}
	u.current.Store(now.clone())
	return u
}

// clone returns a copy with a slice and a map of its own.
func (u User) clone() *User {
	u.Methods, u.Claims = slices.Clone(u.Methods), maps.Clone(u.Claims)
	return &u
}

// profile returns the account's data of now, not to be changed.
func (u *user) profile() *User { return u.current.Load() }

func (u *user) isNamed(name string) bool {
	return u.subject == name || strings.EqualFold(u.profile().Email, name)
}

// amr names the methods of the sign-in to Google (RFC 8176).
func (u *User) amr() []string {
	if u.Methods != nil {
		return u.Methods
	}
	return []string{"pwd"}
}

// find returns a user by subject or email address, or nil.
func find(users []*user, name string) *user {
	i := slices.IndexFunc(users, func(u *user) bool { return u.isNamed(name) })
	if i < 0 {
		return nil
	}
	return users[i]
}

// claims returns the claims about the user that these scopes allow, with the types
// of Google's JSON.
func (u *User) claims(scopes []string) map[string]any {
	claims := map[string]any{"sub": u.Subject}
	set := func(name, value string) {
		if value != "" {
			claims[name] = value
		}
	}
	set("hd", u.HostedDomain)
	if has(scopes, "email") {
		set("email", u.Email)
		claims["email_verified"] = !u.EmailUnverified
	}
	if has(scopes, "profile") {
		set("name", u.Name)
		set("given_name", u.GivenName)
		set("family_name", u.FamilyName)
		set("picture", u.Picture)
	}
	return claims
}

func has(scopes []string, name string) bool {
	return len(scope.Missing(scopes, []string{name})) == 0
}

// isIdentity reports whether a scope is only about who the user is. The consent
// screen does not let a user decline these one by one.
func isIdentity(name string) bool { return has([]string{"openid", "email", "profile"}, name) }
