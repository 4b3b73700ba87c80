package idtoken_test

import (
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// claimCase returns the case of a good token whose payload is edited.
func claimCase(name string, want error, claim string, edits ...edit) tokenCase {
	return tokenCase{name: name, token: issuer().SignHeader(header(), payload(edits...)), want: want, claim: claim}
}

func issuerCases() []tokenCase {
	cases := []tokenCase{
		claimCase("iss/without scheme", nil, "", set("iss", `"accounts.google.com"`)),
		claimCase("iss/escaped", nil, "", set("iss", `"https:\/\/accounts\u002Egoogle.com"`)),
		claimCase("iss/Iss beside it", nil, "", add("Iss", `"https://attacker.example"`)),
		claimCase("iss/absent", idtoken.ErrIssuer, "iss", drop("iss")),
		claimCase("iss/only ISS", idtoken.ErrIssuer, "iss", drop("iss"), add("ISS", `"https://accounts.google.com"`)),
		claimCase("iss/twice", idtoken.ErrMalformed, "", add("iss", `"https://accounts.google.com"`)),
	}
	for _, iss := range []string{
		`null`, `""`, `1`, `["https://accounts.google.com"]`, `"https://accounts.google.com/"`, `"http://accounts.google.com"`,
		`"https://accounts.google.com "`, `"HTTPS://accounts.google.com"`, `"Accounts.google.com"`, `"https://accounts.google.com.attacker.example"`,
		`"https://attacker.example/accounts.google.com"`, `"accounts.google.com/"`, `"https://accounts.google.com:443"`,
		`"https://accounts.google.com\u0000"`, `"https://securetoken.google.com/project"`, `"https://cloud.google.com/iap"`, `"аccounts.google.com"`,
	} {
		cases = append(cases, claimCase("iss/"+iss, idtoken.ErrIssuer, "iss", set("iss", iss)))
	}
	return cases
}

func audienceCases() []tokenCase {
	two := func(c *idtoken.Config) { c.Audiences = []string{web, ios} }
	quoted := `"` + web + `"`
	both := `["` + web + `","` + ios + `"]`
	cases := []tokenCase{
		claimCase("aud/array of one", nil, "", set("aud", "["+quoted+"]")),
		claimCase("aud/array with spaces", nil, "", set("aud", "[ "+quoted+" ]")),
		claimCase("aud/array of the same twice", nil, "", set("aud", "["+quoted+","+quoted+"]")),
		{name: "aud/second of the configured", token: issuer().SignHeader(header(), payload(set("aud", `"`+ios+`"`))), config: two},
		{name: "aud/both of the configured", token: issuer().SignHeader(header(), payload(set("aud", both))), config: two},
		claimCase("aud/AUD beside it", nil, "", add("AUD", `"other"`)),
		claimCase("aud/absent", idtoken.ErrAudience, "aud", drop("aud")),
		claimCase("aud/only Aud", idtoken.ErrAudience, "aud", drop("aud"), add("Aud", quoted)),
		claimCase("aud/twice, the right one last", idtoken.ErrMalformed, "", set("aud", `"other"`), add("aud", quoted)),
		claimCase("aud/the app's client", idtoken.ErrAudience, "aud", set("aud", `"`+ios+`"`)),
		claimCase("aud/ours and another", idtoken.ErrAudience, "aud", set("aud", both)),
	}
	for _, aud := range []string{
		`null`, `""`, `1`, `true`, `{}`, `[]`, `[""]`, `[null]`, `[1]`, `[[` + quoted + `]]`, `{"0":` + quoted + `}`, `[` + quoted + `,null]`, `[` + quoted + `,1]`,
		`"` + strings.ToUpper(web) + `"`, `" ` + web + `"`, `"` + web + `/"`, `"` + web[1:] + `"`, `"` + web + `\u0000"`, `"*"`,
		`"` + web + `,` + ios + `"`, `"` + web + ` ` + ios + `"`,
	} {
		cases = append(cases, claimCase("aud/"+aud, idtoken.ErrAudience, "aud", set("aud", aud)))
	}
	return cases
}

func partyCases() []tokenCase {
	of := func(azp string, want error, parties ...string) tokenCase {
		c := claimCase("azp/"+azp, want, "azp", set("azp", azp))
		c.config = func(c *idtoken.Config) { c.AuthorizedParties = parties }
		return c
	}
	partner := "999-app.apps.googleusercontent.com"
	wrong := idtoken.ErrAuthorizedParty
	cases := []tokenCase{
		claimCase("azp/absent", nil, "", drop("azp")),
		of(`"`+web+`"`, nil),
		of(`"1234567890-android.apps.googleusercontent.com"`, nil),
		of(`"1234567890.apps.googleusercontent.com"`, nil), // an older client
		of(`"`+partner+`"`, nil, partner),
		of(`"service"`, nil, "service"),
		of(`"999-other.apps.googleusercontent.com"`, wrong, partner),
	}
	for _, azp := range []string{
		`null`, `""`, `1`, `["` + web + `"]`, `"` + partner + `"`,
		`"12345678901-ios.apps.googleusercontent.com"`, `"123456789-ios.apps.googleusercontent.com"`,
		`"12345678901.apps.googleusercontent.com"`, `"1234567890"`, `"1234567890."`, `".apps.googleusercontent.com"`, `"-web.apps.googleusercontent.com"`,
		`"1234567890-compute@developer.gserviceaccount.com"`, `"1234567890-ios.apps.attacker.example"`,
		`"108912345678901234567"`, `"service@project.iam.gserviceaccount.com"`, `"1234567890-"`, `"` + strings.ToUpper(ios) + `"`,
	} {
		cases = append(cases, of(azp, wrong))
	}
	other := claimCase("azp/of a project that is ours, but not the audience's", wrong, "azp", set("azp", `"999-ios.apps.googleusercontent.com"`))
	other.config = func(c *idtoken.Config) { c.Audiences = []string{web, partner} }
	sister := claimCase("azp/another audience, of another project", nil, "", set("azp", `"`+partner+`"`))
	sister.config = func(c *idtoken.Config) { c.Audiences = []string{web, partner} }
	older := claimCase("azp/of an older audience's project", nil, "", set("aud", `"1234567890.apps.googleusercontent.com"`))
	older.config = func(c *idtoken.Config) { c.Audiences = []string{"1234567890.apps.googleusercontent.com"} }
	cases = append(cases, other, sister, older)
	for aud, azp := range map[string]string{"a-web.x": "a-ios.x", "-web.x": "-ios.x", "1": "1-ios"} {
		c := claimCase("azp/no client of a project in either: "+aud, wrong, "azp", set("aud", `"`+aud+`"`), set("azp", `"`+azp+`"`))
		c.config = func(c *idtoken.Config) { c.Audiences = []string{aud} }
		cases = append(cases, c)
	}
	return cases
}

func subjectCases() []tokenCase {
	of := func(name, sub string, want error) tokenCase {
		claim := ""
		if want != nil {
			claim = "sub"
		}
		return claimCase("sub/"+name, want, claim, set("sub", sub))
	}
	bad := idtoken.ErrClaim
	return []tokenCase{
		of("one character", `"1"`, nil),
		of("255 characters", `"`+strings.Repeat("1", 255)+`"`, nil),
		of("letters and signs", `"aZ-_.:|@~!"`, nil),
		of("escaped", `"\u0031\/2"`, nil),
		claimCase("sub/SUB beside it", nil, "", add("SUB", `"1"`)),
		claimCase("sub/Sub before it", nil, "", drop("sub"), add("Sub", `"1"`), add("sub", `"2"`)),
		claimCase("sub/with a long s beside it", nil, "", add("ſub", `"1"`)),
		claimCase("sub/absent", bad, "sub", drop("sub")),
		claimCase("sub/only SUB", bad, "sub", drop("sub"), add("SUB", `"1"`)),
		claimCase("sub/twice", idtoken.ErrMalformed, "", add("sub", `"1"`)),
		claimCase("sub/twice, one escaped", idtoken.ErrMalformed, "", add(`s\u0075b`, `"1"`)),
		of("empty", `""`, bad),
		of("null", `null`, bad),
		of("number", `110169484474386276334`, bad),
		of("boolean", `true`, bad),
		of("array", `["1"]`, bad),
		of("object", `{"sub":"1"}`, bad),
		of("256 characters", `"`+strings.Repeat("1", 256)+`"`, bad),
		of("not ASCII", `"é"`, bad),
		of("full-width digit", `"１"`, bad),
		of("one space", `" "`, bad),
		of("space inside", `"1 2"`, bad),
		of("tab", `"1\u0009"`, bad),
		of("NUL", `"1\u0000"`, bad),
		of("line break", `"1\n"`, bad),
		of("DEL", `"1\u007f"`, bad),
	}
}

func timeCases() []tokenCase {
	lateBy := func(d time.Duration) edit { return set("iat", seconds(d)) }
	shift := func(name string, want error, claim string, iat, exp time.Duration) tokenCase {
		return claimCase("time/"+name, want, claim, lateBy(iat), set("exp", seconds(exp)))
	}
	const minute, hour, day = time.Minute, time.Hour, 24 * time.Hour
	cases := []tokenCase{
		shift("expired within leeway", nil, "", -hour, -minute+time.Second),
		shift("expired", idtoken.ErrExpired, "exp", -hour, -minute),
		shift("expired long ago", idtoken.ErrExpired, "exp", -800*day, -800*day+hour),
		shift("issued in the future within leeway", nil, "", minute, hour),
		shift("issued in the future", idtoken.ErrNotYetValid, "iat", minute+time.Second, hour),
		shift("lives 24 hours", nil, "", 0, day),
		shift("lives longer", idtoken.ErrClaim, "exp", 0, day+time.Second),
		shift("expires before it is issued", idtoken.ErrClaim, "exp", 30*time.Second, 0),
		shift("expired before it was issued", idtoken.ErrExpired, "exp", -hour, -2*hour),
		shift("expired after a life too long", idtoken.ErrExpired, "exp", -3*day, -day),
		shift("expires when it is issued", idtoken.ErrClaim, "exp", 0, 0),
		claimCase("time/nbf in the past", nil, "", add("nbf", seconds(-hour))),
		claimCase("time/nbf within leeway", nil, "", add("nbf", seconds(minute))),
		claimCase("time/nbf in the future", idtoken.ErrNotYetValid, "nbf", add("nbf", seconds(minute+time.Second))),
		claimCase("time/fractions", nil, "", set("iat", seconds(0)+".999"), set("exp", seconds(hour)+".5"), add("nbf", seconds(0)+".25")),
		claimCase("time/exponent", nil, "", set("iat", exponent(0)), set("exp", exponent(hour))),
		claimCase("time/EXP beside exp", nil, "", add("EXP", "0")),
		claimCase("time/only Exp", idtoken.ErrClaim, "exp", drop("exp"), add("Exp", seconds(hour))),
		claimCase("time/exp twice", idtoken.ErrMalformed, "", set("exp", seconds(-hour)), add("exp", seconds(hour))),
		claimCase("time/fraction beyond leeway", idtoken.ErrNotYetValid, "iat", set("iat", seconds(minute)+".5")),
		claimCase("time/exp absent", idtoken.ErrClaim, "exp", drop("exp")),
		claimCase("time/iat absent", idtoken.ErrClaim, "iat", drop("iat")),
	}
	for _, name := range []string{"iat", "exp", "nbf"} {
		for _, value := range []string{
			`null`, `"` + seconds(hour) + `"`, `true`, `[]`, `{}`, `""`,
			`9223372036854775807`, `9223372036854775808`, `18446744073709551616`, `-9223372036854775809`,
			`1e19`, `1e400`, `-1e400`, `253402300800`, `1e308`,
		} {
			cases = append(cases, claimCase("time/"+name+" "+value, idtoken.ErrClaim, name, set(name, value)))
		}
	}
	wide := shift("expired within a wider leeway", nil, "", -hour, -9*minute)
	wide.config = func(c *idtoken.Config) { c.Leeway = 10 * minute }
	narrow := shift("expired beyond a narrower leeway", idtoken.ErrExpired, "exp", -hour, -time.Second)
	narrow.config = func(c *idtoken.Config) { c.Leeway = time.Nanosecond }
	return append(cases, wide, narrow,
		claimCase("time/exp zero", idtoken.ErrExpired, "exp", set("exp", `0`)),
		claimCase("time/both zero and an hour", idtoken.ErrExpired, "exp", set("iat", `0`), set("exp", `3600`)),
		claimCase("time/both negative", idtoken.ErrExpired, "exp", set("iat", `-7200`), set("exp", `-3600`)),
	)
}

// exponent writes a time as 1.234e9.
func exponent(after time.Duration) string {
	s := seconds(after)
	return s[:1] + "." + s[1:] + "e9"
}

func profileCases() []tokenCase {
	cases := []tokenCase{
		claimCase("profile/none of it", nil, "", drop("email"), drop("email_verified"), drop("name"), drop("given_name"),
			drop("family_name"), drop("picture"), drop("nonce"), drop("at_hash"), drop("azp")),
		claimCase("profile/a security event", idtoken.ErrClaim, "events", add("events", `{"https://schemas.openid.net/secevent/risc/event-type/verification":{}}`)),
		claimCase("profile/events null", idtoken.ErrClaim, "events", add("events", `null`)),
		claimCase("profile/Events", nil, "", add("Events", `{}`)),
		claimCase("profile/EMAIL beside email", nil, "", add("EMAIL", `"other@gmail.com"`)),
		claimCase("profile/email twice", idtoken.ErrMalformed, "", add("email", `"other@gmail.com"`)),
	}
	for _, name := range []string{"email", "name", "given_name", "family_name", "picture", "locale", "hd", "nonce", "at_hash"} {
		cases = append(cases,
			claimCase("profile/"+name+" null", nil, "", set(name, `null`)),
			claimCase("profile/"+name+" empty", nil, "", set(name, `""`)),
			claimCase("profile/"+name+" number", idtoken.ErrClaim, name, set(name, `1`)),
			claimCase("profile/"+name+" array", idtoken.ErrClaim, name, set(name, `["x"]`)),
		)
	}
	for _, value := range []string{`null`, `0`, `1`, seconds(-300 * 24 * time.Hour), seconds(time.Hour)} {
		cases = append(cases, claimCase("profile/auth_time "+value, nil, "", set("auth_time", value)))
	}
	for _, value := range []string{`"` + seconds(0) + `"`, `true`, `[]`, `1e400`} {
		cases = append(cases, claimCase("profile/auth_time "+value, idtoken.ErrClaim, "auth_time", set("auth_time", value)))
	}
	for _, value := range []string{`null`, `[]`, `["mfa"]`, `["pwd","mfa"]`, `"mfa"`} {
		cases = append(cases, claimCase("profile/amr "+value, nil, "", set("amr", value)))
	}
	for _, value := range []string{`1`, `[1]`, `{}`, `["mfa",null]`} {
		cases = append(cases, claimCase("profile/amr "+value, idtoken.ErrClaim, "amr", set("amr", value)))
	}
	for _, value := range []string{`true`, `false`, `"true"`, `"false"`, `null`, `"\u0074rue"`} {
		cases = append(cases, claimCase("profile/email_verified "+value, nil, "", set("email_verified", value)))
	}
	for _, value := range []string{`1`, `0`, `"TRUE"`, `"yes"`, `"1"`, `""`, `[true]`, `{}`, `"true "`} {
		cases = append(cases, claimCase("profile/email_verified "+value, idtoken.ErrClaim, "email_verified", set("email_verified", value)))
	}
	return cases
}

func domainCases() []tokenCase {
	of := func(name, hd string, want error, domains ...string) tokenCase {
		claim := ""
		if want != nil {
			claim = "hd"
		}
		c := claimCase("hd/"+name, want, claim, set("hd", hd), set("email", `"jane.doe@example.com"`))
		c.config = func(c *idtoken.Config) { c.HostedDomains = domains }
		return c
	}
	wrong := idtoken.ErrHostedDomain
	return []tokenCase{
		of("the one", `"example.com"`, nil, "example.com"),
		of("one of two", `"example.com"`, nil, "example.org", "example.com"),
		of("in capitals", `"Example.COM"`, nil, "example.com"),
		of("any", `"example.net"`, nil, "*"),
		of("not asked for", `"example.net"`, nil),
		of("another", `"example.net"`, wrong, "example.com"),
		of("a subdomain", `"sub.example.com"`, wrong, "example.com"),
		of("a suffix", `"notexample.com"`, wrong, "example.com"),
		of("null", `null`, wrong, "example.com"),
		of("none, where any will do", `null`, wrong, "*"),
		of("empty, where any will do", `""`, wrong, "*"),
		of("a star in the token", `"*"`, wrong, "example.com"),
	}
}

func unknownCases() []tokenCase {
	var cases []tokenCase
	for _, value := range []string{`null`, `1`, `"x"`, `[]`, `{}`, `{"sub":"1","aud":"x"}`, `[{"iss":1}]`, `1e400`, `"` + strings.Repeat("x", 2000) + `"`} {
		cases = append(cases, claimCase("unknown/"+shorten(value), nil, "", add("https://example.com/claim", value)))
	}
	return append(cases,
		claimCase("unknown/known to others", nil, "", add("jti", `"abc"`), add("auth_time", `1`), add("acr", `"0"`), add("amr", `["pwd"]`), add("c_hash", `1`), add("typ", `"x"`), add("alg", `"none"`)),
		claimCase("unknown/30 of them", nil, "", add("many", manyNames(30, ""))),
	)
}

func shorten(s string) string { return s[:min(len(s), 20)] }
