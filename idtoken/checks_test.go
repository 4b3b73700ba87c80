package idtoken_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

func TestChecks(t *testing.T) {
	const nonce, access = "n-0S6_WzA2Mj", "access-token"
	for _, tc := range []struct {
		name  string
		edits []edit
		check []idtoken.Check
		want  error
	}{
		{"none", nil, nil, nil},
		{"both", nil, []idtoken.Check{idtoken.Nonce(nonce), idtoken.AccessToken(access)}, nil},
		{"nonce of another", nil, []idtoken.Check{idtoken.Nonce(nonce + "x")}, idtoken.ErrNonce},
		{"nonce in capitals", nil, []idtoken.Check{idtoken.Nonce(strings.ToUpper(nonce))}, idtoken.ErrNonce},
		{"nonce, the first part of it", nil, []idtoken.Check{idtoken.Nonce(nonce[:5])}, idtoken.ErrNonce},
		{"nonce wanted empty", nil, []idtoken.Check{idtoken.Nonce("")}, idtoken.ErrNonce},
		{"nonce absent", []edit{drop("nonce")}, []idtoken.Check{idtoken.Nonce(nonce)}, idtoken.ErrNonce},
		{"nonce absent and wanted empty", []edit{drop("nonce")}, []idtoken.Check{idtoken.Nonce("")}, idtoken.ErrNonce},
		{"nonce empty and wanted empty", []edit{set("nonce", `""`)}, []idtoken.Check{idtoken.Nonce("")}, idtoken.ErrNonce},
		{"nonce null", []edit{set("nonce", `null`)}, []idtoken.Check{idtoken.Nonce("")}, idtoken.ErrNonce},
		{"nonce under another name", []edit{drop("nonce"), add("Nonce", `"`+nonce+`"`)}, []idtoken.Check{idtoken.Nonce(nonce)}, idtoken.ErrNonce},
		{"access token of another", nil, []idtoken.Check{idtoken.AccessToken(access + "x")}, idtoken.ErrAccessToken},
		{"access token wanted empty", nil, []idtoken.Check{idtoken.AccessToken("")}, idtoken.ErrAccessToken},
		{"at_hash absent", []edit{drop("at_hash")}, []idtoken.Check{idtoken.AccessToken(access)}, idtoken.ErrAccessToken},
		{"at_hash empty", []edit{set("at_hash", `""`)}, []idtoken.Check{idtoken.AccessToken(access)}, idtoken.ErrAccessToken},
		{"at_hash and token empty", []edit{set("at_hash", `""`)}, []idtoken.Check{idtoken.AccessToken("")}, idtoken.ErrAccessToken},
		{"at_hash of the empty string, token empty", []edit{set("at_hash", `"`+idtokentest.AccessTokenHash("")+`"`)}, []idtoken.Check{idtoken.AccessToken("")}, idtoken.ErrAccessToken},
		{"at_hash of zeros, token empty", []edit{set("at_hash", `"AAAAAAAAAAAAAAAAAAAAAA"`)}, []idtoken.Check{idtoken.AccessToken("")}, idtoken.ErrAccessToken},
		{"at_hash padded", []edit{set("at_hash", `"`+idtokentest.AccessTokenHash(access)+`=="`)}, []idtoken.Check{idtoken.AccessToken(access)}, idtoken.ErrAccessToken},
		{"at_hash of the whole digest", []edit{set("at_hash", `"_-mDvKN4_VEVZUk5CUNTfJEk8gi8IyQNzgwJ2FT3gtQ"`)}, []idtoken.Check{idtoken.AccessToken(access)}, idtoken.ErrAccessToken},
		{"first good, second bad", nil, []idtoken.Check{idtoken.Nonce(nonce), idtoken.AccessToken("x")}, idtoken.ErrAccessToken},
		{"the zero Check", nil, []idtoken.Check{{}}, idtoken.ErrClaim},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := issuer().SignHeader(header(), payload(tc.edits...))
			for _, size := range []int{0, 10} {
				v := newVerifier(t, func(c *idtoken.Config) { c.CacheSize = size })
				for range 2 {
					_, err := v.Verify(t.Context(), token, tc.check...)
					expectOnly(t, err, tc.want)
				}
			}
		})
	}
}

func TestRecentAndStrong(t *testing.T) {
	minutesAgo := func(n int) edit { return set("auth_time", seconds(-time.Duration(n)*time.Minute)) }
	within := func(d time.Duration) []idtoken.Check { return []idtoken.Check{idtoken.SignedInWithin(d)} }
	methods := func(names ...string) []idtoken.Check { return []idtoken.Check{idtoken.Methods(names...)} }
	for _, tc := range []struct {
		name  string
		edit  edit
		check []idtoken.Check
		want  error
	}{
		{"just now", minutesAgo(0), within(time.Minute), nil},
		{"at the limit, leeway included", minutesAgo(6), within(5 * time.Minute), nil},
		{"a minute too long ago", minutesAgo(7), within(5 * time.Minute), idtoken.ErrNotRecent},
		{"long ago, in a token of now", minutesAgo(300_000), within(time.Hour), idtoken.ErrNotRecent},
		{"long ago, and no matter", minutesAgo(300_000), within(math.MaxInt64), nil},
		{"in the first second of 1970", set("auth_time", "0"), within(time.Hour), idtoken.ErrNotRecent},
		{"auth_time absent", drop("auth_time"), within(time.Hour), idtoken.ErrNotSaid},
		{"auth_time null", set("auth_time", "null"), within(time.Hour), idtoken.ErrNotSaid},
		{"auth_time under another name", set("AUTH_TIME", seconds(0)), within(time.Hour), idtoken.ErrNotSaid},
		{"within nothing", minutesAgo(0), within(0), idtoken.ErrNotRecent},
		{"within less than nothing", minutesAgo(0), within(-time.Hour), idtoken.ErrNotRecent},
		{"one of the methods", set("amr", `["pwd","mfa"]`), methods("mfa", "hwk"), nil},
		{"the method as a string", set("amr", `"mfa"`), methods("mfa"), nil},
		{"none of the methods", set("amr", `["pwd"]`), methods("mfa", "hwk"), idtoken.ErrNotStrong},
		{"a part of a method", set("amr", `["mfa2"]`), methods("mfa"), idtoken.ErrNotStrong},
		{"another case", set("amr", `["MFA"]`), methods("mfa"), idtoken.ErrNotStrong},
		{"amr absent", drop("amr"), methods("mfa"), idtoken.ErrNotSaid},
		{"amr empty", set("amr", `[]`), methods("mfa"), idtoken.ErrNotSaid},
		{"no methods given", set("amr", `["mfa"]`), methods(), idtoken.ErrNotStrong},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := issuer().SignHeader(header(), payload(tc.edit))
			for _, size := range []int{0, 10} {
				v := newVerifier(t, func(c *idtoken.Config) { c.CacheSize = size })
				for range 2 {
					_, err := v.Verify(t.Context(), token, tc.check...)
					expectOnly(t, err, tc.want)
					if tc.want == idtoken.ErrNotSaid && !strings.Contains(err.Error(), "console") {
						t.Errorf("%q does not say where to switch it on", err)
					}
				}
			}
		})
	}
}

// TestCheckKeepsItsMethods pins that a slice changed later changes nothing.
func TestCheckKeepsItsMethods(t *testing.T) {
	names := []string{"mfa"}
	check := idtoken.Methods(names...)
	names[0] = "pwd"
	_, err := newVerifier(t, nil).Verify(t.Context(), issuer().SignHeader(header(), payload(set("amr", `["pwd"]`))), check)
	expectOnly(t, err, idtoken.ErrNotStrong)
}

// TestCheckHoldsNoSecret prints a Check in every way there is.
func TestCheckHoldsNoSecret(t *testing.T) {
	for _, check := range []idtoken.Check{idtoken.Nonce("the-secret"), idtoken.AccessToken("the-secret")} {
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "check", check)
		asJSON, _ := json.Marshal([]any{check})
		text := fmt.Sprintf("%v %+v %#v", check, check, check) + log.String() + string(asJSON)
		if strings.Contains(text, "secret") || strings.Contains(text, fmt.Sprintf("%x", "secret")) {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestProfile(t *testing.T) {
	token := issuer().SignHeader(header(), payload(
		set("name", `"Jane \u0044oe \ud83d\ude00"`), set("email_verified", `"true"`), set("iss", `"accounts.google.com"`),
		set("aud", `["`+web+`","`+ios+`"]`), set("iat", seconds(0)+".5"), add("hd", `"example.com"`), add("locale", `"de"`),
		add("auth_time", seconds(-time.Hour)), add("amr", `["pwd","mfa"]`),
		add("https://example.com/x", `[1, 2]`), add("SUB", `"other"`)))
	want := idtoken.Profile{
		Subject: subject, Email: "jane.doe@gmail.com", EmailVerified: true,
		Name: "Jane Doe 😀", GivenName: "Jane", FamilyName: "Doe",
		Picture: "https://lh3.googleusercontent.com/a/default", Locale: "de", HostedDomain: "example.com",
		Issuer: "accounts.google.com", Audience: web, AuthorizedParty: ios, Nonce: "n-0S6_WzA2Mj",
		IssuedAt: now.Add(500 * time.Millisecond), Expiry: now.Add(time.Hour),
		AuthTime: now.Add(-time.Hour), Methods: []string{"pwd", "mfa"},
	}
	verified, err := newVerifier(t, func(c *idtoken.Config) { c.Audiences = []string{web, ios} }).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	unverified, err := idtoken.ParseUnverified(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*idtoken.Profile{verified, unverified} {
		claims := p.Claims()
		if len(claims) != 20 {
			t.Errorf("%d claims, want 20: %v", len(claims), claims)
		}
		for name, text := range map[string]string{
			"sub": `"` + subject + `"`, "SUB": `"other"`, "https://example.com/x": `[1, 2]`, "email_verified": `"true"`, "iat": seconds(0) + ".5",
		} {
			if string(claims[name]) != text {
				t.Errorf("claim %s is %s, want %s", name, claims[name], text)
			}
		}
		claims["sub"][0] = 'x'
		if again := p.Claims(); string(again["sub"]) != `"`+subject+`"` {
			t.Error("claims of one caller are another's")
		}
		if !reflect.DeepEqual(exported(p), exported(&want)) {
			t.Errorf("profile is\n%+v, want\n%+v", exported(p), exported(&want))
		}
	}
}

// exported returns the exported fields, as JSON has them.
func exported(p *idtoken.Profile) string {
	text, _ := json.MarshalIndent(p, "", " ")
	return string(text)
}

// TestEmailVerified pins the value, in both forms that Google has been seen to
// write.
func TestEmailVerified(t *testing.T) {
	for text, want := range map[string]bool{
		`true`: true, `"true"`: true, `"\u0074rue"`: true, `false`: false, `"false"`: false, `null`: false,
	} {
		p, err := newVerifier(t, nil).Verify(t.Context(), issuer().SignHeader(header(), payload(set("email_verified", text))))
		if err != nil || p.EmailVerified != want {
			t.Errorf("email_verified %s: %v, %v, want %v", text, p, err, want)
		}
	}
}

func TestClaimsOfNoToken(t *testing.T) {
	if claims := (&idtoken.Profile{Subject: "1"}).Claims(); claims != nil {
		t.Errorf("claims of a hand-made profile: %v", claims)
	}
}

// TestProfileIsTheCallersOwn pins that the cache hands out copies.
func TestProfileIsTheCallersOwn(t *testing.T) {
	v := newVerifier(t, func(c *idtoken.Config) { c.CacheSize = 10 })
	token := issuer().SignHeader(header(), payload(set("amr", `["pwd"]`)))
	for range 3 {
		p, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if p.Subject != subject || p.Methods[0] != "pwd" {
			t.Fatalf("subject is %s, methods %q", p.Subject, p.Methods)
		}
		p.Subject, p.Methods[0] = "changed", "changed"
	}
}

func TestEmailAuthoritative(t *testing.T) {
	for _, tc := range []struct {
		email    string
		verified bool
		domain   string
		want     bool
	}{
		{"jane.doe@gmail.com", true, "", true},
		{"jane.doe@GMAIL.com", true, "", true},
		{"jane.doe@example.com", true, "example.com", true},
		{"jane.doe@example.com", true, "", false},
		{"jane.doe@example.com", false, "example.com", false},
		{"jane.doe@gmail.com.example.com", true, "", false},
		{"jane.doe@notgmail.com", true, "", false},
		{"gmail.com", true, "", false},
		{"@gmail.com", true, "", false},
		{"jane.doe@gmail.com@example.com", true, "", false},
		{"", true, "example.com", false},
	} {
		p := &idtoken.Profile{Email: tc.email, EmailVerified: tc.verified, HostedDomain: tc.domain}
		if got := p.EmailAuthoritative(); got != tc.want {
			t.Errorf("%q, verified %v, hd %q: %v, want %v", tc.email, tc.verified, tc.domain, got, tc.want)
		}
	}
}

// TestParseUnverified pins what is and is not checked.
func TestParseUnverified(t *testing.T) {
	of := func(edits ...edit) string { return issuer().SignHeader(header(), payload(edits...)) }
	for _, tc := range []struct {
		name, token string
		want        error
	}{
		{"another's signature", good()[:len(good())-4] + "AAAA", nil},
		{"another issuer", of(set("iss", `"https://attacker.example"`)), nil},
		{"another audience", of(set("aud", `"other"`)), nil},
		{"expired", of(set("iat", `1`), set("exp", `3601`)), nil},
		{"no sub", of(drop("sub")), idtoken.ErrClaim},
		{"email number", of(set("email", `1`)), idtoken.ErrClaim},
		{"security event", of(add("events", `{}`)), idtoken.ErrClaim},
		{"two segments", "e30.e30", idtoken.ErrMalformed},
		{"sub twice", of(add("sub", `"1"`)), idtoken.ErrMalformed},
		{"alg none", issuer().SignHeader(header(set("alg", `"none"`)), payload()), idtoken.ErrMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := idtoken.ParseUnverified(tc.token)
			expectOnly(t, err, tc.want)
		})
	}
}

// TestClaimErrorIsFitForALog pins that a stranger writes neither lines nor
// controls into one.
func TestClaimErrorIsFitForALog(t *testing.T) {
	for value, want := range map[string]string{
		"[\n\"a line\"\r\n\t]":               `[ "a line"   ]`,
		"[\"\u2028a\u202e\x7f\u00a0\"]":      `["\u2028a\u202e\u007f\u00a0"]`,
		"[\"\U000e0001 \U0001f600 \u00e9\"]": "[\"\\udb40\\udc01 \U0001f600 \u00e9\"]",
	} {
		token := encode(header()) + "." + encode(payload(set("name", value))) + ".AAAA"
		_, err := idtoken.ParseUnverified(token)
		e, ok := errors.AsType[*idtoken.ClaimError](err)
		if !ok || e.Got != want {
			t.Errorf("%q: %v, want %s", value, err, want)
		}
	}
}

// TestClaimErrorIsCut pins that a value is cut after 80 bytes, between two characters.
func TestClaimErrorIsCut(t *testing.T) {
	letters := strings.Repeat("é", 40) // 80 bytes
	for _, tc := range []struct{ claim, value, want string }{
		{"aud", `"x` + letters + `"`, `"x` + letters[:78] + `…"`}, // what the string says is cut
		{"name", `["x` + letters + `"]`, `["x` + letters[:76] + "…"},
	} {
		_, err := newVerifier(t, nil).Verify(t.Context(), issuer().SignHeader(header(), payload(set(tc.claim, tc.value))))
		e, ok := errors.AsType[*idtoken.ClaimError](err)
		if !ok || e.Claim != tc.claim || e.Got != tc.want {
			t.Errorf("%v, want %s of %s", err, tc.want, tc.claim)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for field, cfg := range map[string]idtoken.Config{
		"Audiences: at least":   {},
		"Audiences: an empty":   {Audiences: []string{web, ""}},
		"AuthorizedParties: an": {Audiences: []string{web}, AuthorizedParties: []string{""}},
		"HostedDomains: an":     {Audiences: []string{web}, HostedDomains: []string{""}},
		`Audiences: " `:         {Audiences: []string{web, " " + web}},
		`Audiences: "\"`:        {Audiences: []string{`"` + web + `"`}},
		`AuthorizedParties: "a`: {Audiences: []string{web}, AuthorizedParties: []string{"a\n"}},
		`HostedDomains: "\x00`:  {Audiences: []string{web}, HostedDomains: []string{"\x00"}},
		"Leeway: -1ns":          {Audiences: []string{web}, Leeway: -1},
		"Leeway: 10m1s":         {Audiences: []string{web}, Leeway: 10*time.Minute + time.Second},
		"CacheSize: -1":         {Audiences: []string{web}, CacheSize: -1},
	} {
		if _, err := idtoken.New(cfg); err == nil || !strings.Contains(err.Error(), "idtoken: Config."+field) {
			t.Errorf("error is %v, want one about %s", err, field)
		}
	}
	if _, err := idtoken.New(idtoken.Config{Audiences: []string{web}}); err != nil {
		t.Errorf("with all defaults: %v", err)
	}
}

// TestConfigIsCopied pins that a slice changed later changes nothing.
func TestConfigIsCopied(t *testing.T) {
	audiences, parties, domains := []string{web}, []string{"partner"}, []string{"example.com"}
	v := newVerifier(t, func(c *idtoken.Config) {
		c.Audiences, c.AuthorizedParties, c.HostedDomains = audiences, parties, domains
	})
	audiences[0], parties[0], domains[0] = "other", "other", "other"
	token := issuer().SignHeader(header(), payload(set("azp", `"partner"`), set("hd", `"example.com"`)))
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}

func TestClaimErrorText(t *testing.T) {
	anyDomain := func(c *idtoken.Config) { c.HostedDomains = []string{"example.com", "*"} }
	for _, tc := range []struct {
		name   string
		edits  []edit
		config func(*idtoken.Config)
		got    string
		want   string
	}{
		{"another client", []edit{set("aud", `"other-client"`)}, nil, `"other-client"`,
			`issued for another client: aud is "other-client", want ` + web},
		{"escapes of JSON", []edit{set("aud", `"\u0001\u007f\udbff\udfff\u2028\""`)}, nil, `"\u0001\u007f\udbff\udfff\u2028\""`,
			`issued for another client: aud is "\u0001\u007f\udbff\udfff\u2028\"", want ` + web},
		{"no Workspace account", nil, anyDomain, "", "account of another organization: want hd of any Google Workspace domain"},
		{"expired", []edit{set("iat", seconds(-time.Hour)), set("exp", seconds(-time.Minute))}, nil, `"2026-11-24T11:59:00Z"`,
			`token has expired: exp is "2026-11-24T11:59:00Z", want after 2026-11-24T11:59:00Z`},
		{"24 hours and a half second", []edit{set("exp", seconds(24*time.Hour)+".5")}, nil, `"2026-11-25T12:00:00.5Z"`,
			`missing or invalid claim: exp is "2026-11-25T12:00:00.5Z", want after iat, 2026-11-24T12:00:00Z, by at most 24 hours`},
		{"a time that is none", []edit{set("exp", `"1"`)}, nil, `"1"`,
			`missing or invalid claim: exp is "1", want a number of seconds`},
		{"sub null", []edit{set("sub", `null`)}, nil, `null`,
			`missing or invalid claim: sub is null, want a string of 1 to 255 visible ASCII characters`},
		{"at_hash of another type", []edit{set("at_hash", `1`)}, nil, `1`,
			`missing or invalid claim: at_hash is 1, want a string`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := newVerifier(t, tc.config).Verify(t.Context(), issuer().SignHeader(header(), payload(tc.edits...)))
			e, ok := errors.AsType[*idtoken.ClaimError](err)
			if !ok || e.Got != tc.got || e.Error() != "idtoken: "+tc.want {
				t.Fatalf("error is\n%v, want\n%s", err, tc.want)
			}
			if e.Got != "" && !json.Valid([]byte(e.Got)) {
				t.Errorf("Got is no JSON: %s", e.Got)
			}
		})
	}
	if text := (&idtoken.ClaimError{Claim: "aud", Want: "x"}).Error(); text != "idtoken: wrong claim: want aud x" {
		t.Errorf("a hand-made ClaimError is %q", text)
	}
}

// TestMalformedText pins that the text says what is wrong with the form.
func TestMalformedText(t *testing.T) {
	head, body, signature := segments()
	for token, want := range map[string]string{
		good() + ".x": "not three segments",
		head + "." + body + "." + signature + "=":                    "not canonical base64url without padding",
		strings.Repeat("x", 1<<20):                                   "longer than 16 KiB",
		issuer().SignHeader(header(), payload()[1:]):                 "not a JSON object",
		issuer().SignHeader(header(set("alg", `"none"`)), payload()): "header: alg is not RS256",
	} {
		if _, err := newVerifier(t, nil).Verify(t.Context(), token); err == nil || err.Error() != "idtoken: malformed token: "+want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
