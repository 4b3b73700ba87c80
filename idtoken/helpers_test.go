package idtoken_test

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

const (
	web     = "1234567890-web.apps.googleusercontent.com"
	ios     = "1234567890-ios.apps.googleusercontent.com"
	subject = "110169484474386276334"
)

// maxValues is the number of members and elements that a header or a payload may
// have.
const maxValues = 48

// now is when every token of these tests is verified, unless a test says
// otherwise.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// issuer signs for all tests that do not change its keys.
var issuer = sync.OnceValue(func() *idtokentest.Issuer {
	i := idtokentest.NewIssuer()
	i.Now = clock
	return i
})

// profile is a user of the iOS app.
func profile() idtoken.Profile {
	return idtoken.Profile{
		Subject:         subject,
		Email:           "jane.doe@gmail.com",
		EmailVerified:   true,
		Name:            "Jane Doe",
		GivenName:       "Jane",
		FamilyName:      "Doe",
		Picture:         "https://lh3.googleusercontent.com/a/default",
		Audience:        web,
		AuthorizedParty: ios,
	}
}

func newVerifier(t testing.TB, change func(*idtoken.Config)) *idtoken.Verifier {
	t.Helper()
	cfg := idtoken.Config{Audiences: []string{web}, Now: clock}
	if change != nil {
		change(&cfg)
	}
	if cfg.Keys == nil {
		cfg.Keys = staticKeys(t, issuer())
	}
	v, err := idtoken.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func staticKeys(t testing.TB, i *idtokentest.Issuer) *idtoken.StaticKeySet {
	t.Helper()
	keys, err := idtoken.StaticKeys(i.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// An edit changes the members of a JSON object, which are name and text.
type edit func([][2]string) [][2]string

// set replaces a member, or adds it.
func set(name, value string) edit {
	return func(members [][2]string) [][2]string {
		i := slices.IndexFunc(members, func(m [2]string) bool { return m[0] == name })
		if i < 0 {
			return append(members, [2]string{name, value})
		}
		members[i][1] = value
		return members
	}
}

// add adds a member, whether there is one of this name or not.
func add(name, value string) edit {
	return func(members [][2]string) [][2]string { return append(members, [2]string{name, value}) }
}

func drop(name string) edit {
	return func(members [][2]string) [][2]string {
		return slices.DeleteFunc(members, func(m [2]string) bool { return m[0] == name })
	}
}

// payload returns the JSON of a good token's payload, edited.
func payload(edits ...edit) json.RawMessage {
	return object([][2]string{
		{"iss", `"https://accounts.google.com"`},
		{"azp", `"` + ios + `"`},
		{"aud", `"` + web + `"`},
		{"sub", `"` + subject + `"`},
		{"email", `"jane.doe@gmail.com"`},
		{"email_verified", `true`},
		{"at_hash", `"` + idtokentest.AccessTokenHash("access-token") + `"`},
		{"nonce", `"n-0S6_WzA2Mj"`},
		{"name", `"Jane Doe"`},
		{"picture", `"https://lh3.googleusercontent.com/a/default"`},
		{"given_name", `"Jane"`},
		{"family_name", `"Doe"`},
		{"iat", seconds(0)},
		{"exp", seconds(time.Hour)},
	}, edits)
}

// header returns the JSON of a good token's header, edited.
func header(edits ...edit) json.RawMessage {
	return object([][2]string{
		{"alg", `"RS256"`},
		{"kid", `"` + issuer().KeyID() + `"`},
		{"typ", `"JWT"`},
	}, edits)
}

func object(members [][2]string, edits []edit) json.RawMessage {
	for _, e := range edits {
		members = e(members)
	}
	var texts []string
	for _, m := range members {
		texts = append(texts, `"`+m[0]+`":`+m[1])
	}
	return json.RawMessage("{" + strings.Join(texts, ",") + "}")
}

// seconds returns a NumericDate some time after now.
func seconds(after time.Duration) string {
	text, _ := json.Marshal(now.Add(after).Unix())
	return string(text)
}

func decodeSegment(segment string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(segment)
}

// leastAllocs returns how many allocations f takes. The runtime counts those of
// the whole process, so the least of several averages is f's own.
func leastAllocs(f func()) float64 {
	least := math.Inf(1)
	for range 5 {
		least = min(least, testing.AllocsPerRun(100, f))
	}
	return least
}
