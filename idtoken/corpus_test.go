package idtoken_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// A tokenCase is a token that is good but for one thing (want is the rule it
// breaks) or that looks as if something were wrong with it (want is nil).
type tokenCase struct {
	name   string
	token  string
	config func(*idtoken.Config) // nil: only Audiences
	want   error
	claim  string // of the ClaimError
}

var corpus = sync.OnceValue(func() []tokenCase {
	var all []tokenCase
	for _, cases := range [][]tokenCase{
		sizeCases(), segmentCases(), headerCases(), jsonCases(), signatureCases(),
		issuerCases(), audienceCases(), partyCases(), subjectCases(), timeCases(),
		profileCases(), domainCases(), unknownCases(),
	} {
		all = append(all, cases...)
	}
	return all
})

func encode(text json.RawMessage) string { return base64.RawURLEncoding.EncodeToString(text) }

// good is a token with nothing wrong.
var good = sync.OnceValue(func() string { return issuer().SignHeader(header(), payload()) })

// segments returns the parts of a good token, to be put together otherwise.
func segments() (head, body, signature string) {
	parts := strings.Split(good(), ".")
	return parts[0], parts[1], parts[2]
}

// padded returns a good token of exactly n bytes.
func padded(n int) string {
	for fill := n; ; fill-- {
		token := issuer().SignHeader(header(), payload(add("fill", `"`+strings.Repeat("x", fill*3/4)+`"`)))
		if len(token) == n {
			return token
		}
		if len(token) > n {
			fill -= (len(token) - n) * 9 / 10
		} else {
			// Base64 skips every fourth length; white space in the header moves it.
			for spaces := 1; spaces < 8; spaces++ {
				h := json.RawMessage(string(header()) + strings.Repeat(" ", spaces))
				for more := range 8 {
					token := issuer().SignHeader(h, payload(add("fill", `"`+strings.Repeat("x", fill*3/4+more)+`"`)))
					if len(token) == n {
						return token
					}
				}
			}
			panic("no token of this length")
		}
	}
}

func sizeCases() []tokenCase {
	return []tokenCase{
		{name: "size/exactly 16 KiB", token: padded(16 << 10)},
		{name: "size/one byte more", token: padded(16<<10 + 1), want: idtoken.ErrMalformed},
		{name: "size/1 MB of letters", token: strings.Repeat("a", 1<<20), want: idtoken.ErrMalformed},
		{name: "size/1 MB of dots", token: strings.Repeat(".", 1<<20), want: idtoken.ErrMalformed},
		{name: "size/1 MB payload", token: issuer().Sign(map[string]string{"a": strings.Repeat("a", 1<<20)}), want: idtoken.ErrMalformed},
		{name: "size/empty", token: "", want: idtoken.ErrNoToken},
	}
}

func segmentCases() []tokenCase {
	head, body, sig := segments()
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	cases := []tokenCase{
		{name: "segments/good", token: good()},
		{name: "segments/one", token: head},
		{name: "segments/two", token: join(head, body)},
		{name: "segments/four", token: join(head, body, sig, sig)},
		{name: "segments/five, as of a JWE", token: join(head, "", body, sig, sig)},
		{name: "segments/dot in front", token: "." + good()},
		{name: "segments/dot behind", token: good() + "."},
		{name: "segments/dots only", token: ".."},
		{name: "segments/no header", token: join("", body, sig)},
		{name: "segments/no payload", token: issuer().SignInput(head + ".")},
		{name: "segments/space in front", token: " " + good()},
		{name: "segments/space behind", token: good() + " "},
		{name: "segments/line break behind", token: good() + "\n"},
		{name: "segments/NUL behind", token: good() + "\x00"},
		{name: "segments/Bearer in front", token: "Bearer " + good()},
		{name: "segments/quoted", token: `"` + good() + `"`},
		{name: "segments/JSON serialization", token: fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, head, body, sig)},
		{name: "segments/header padded", token: issuer().SignInput(pad(head) + "." + body)},
		{name: "segments/payload padded", token: issuer().SignInput(head + "." + pad(body))},
		{name: "segments/signature padded", token: pad(good())},
		{name: "segments/line break in header", token: issuer().SignInput(head[:4] + "\n" + head[4:] + "." + body)},
		{name: "segments/CRLF in payload", token: issuer().SignInput(head + "." + body[:8] + "\r\n" + body[8:])},
		{name: "segments/line break in signature", token: join(head, body, sig[:4]+"\n"+sig[4:])},
		{name: "segments/space in payload", token: issuer().SignInput(head + "." + body[:8] + " " + body[8:])},
		{name: "segments/percent-encoded dot", token: strings.Replace(good(), ".", "%2E", 1)},
		{name: "segments/standard alphabet", token: issuer().SignInput(head + "." + base64.RawStdEncoding.EncodeToString(payload(set("name", `"???>>>~~~"`))))},
		{name: "segments/not ASCII", token: issuer().SignInput(head + ".é" + body)},
		{name: "segments/header one character short", token: issuer().SignInput(head + "A." + body)},
		{name: "segments/header with bits to spare", token: issuer().SignInput(spare(header()) + "." + body)},
		{name: "segments/payload with bits to spare", token: issuer().SignInput(head + "." + spare(payload()))},
		{name: "segments/signature with bits to spare", token: join(head, body, sig[:len(sig)-1]+next(sig[len(sig)-1]))},
	}
	for i := range cases[1:] {
		cases[i+1].want = idtoken.ErrMalformed
	}
	return cases
}

func pad(segment string) string { return segment + strings.Repeat("=", max(1, -len(segment)&3)) }

// spare encodes the text in a way that is not canonical: with a bit set beyond
// its last byte.
func spare(text json.RawMessage) string {
	for len(text)%3 != 1 {
		text = append(text, ' ')
	}
	s := encode(text)
	return s[:len(s)-1] + next(s[len(s)-1])
}

// next returns the character after c in the alphabet; in the last place of a
// segment it stands for the same bytes.
func next(c byte) string { return string(rune(c + 1)) }

func headerCases() []tokenCase {
	of := func(name string, want error, edits ...edit) tokenCase {
		return tokenCase{name: "header/" + name, token: issuer().SignHeader(header(edits...), payload()), want: want}
	}
	bad := idtoken.ErrMalformed
	cases := []tokenCase{
		of("typ absent", nil, drop("typ")),
		of("typ jwt", nil, set("typ", `"jwt"`)),
		of("typ Jwt", nil, set("typ", `"Jwt"`)),
		of("unknown members", nil, add("x5t", `"abc"`), add("foo", `{"alg":"none"}`)),
		of("ALG beside alg", nil, add("ALG", `"none"`)),
		of("Kid beside kid", nil, add("Kid", `"other"`)),
		of("CRIT", nil, add("CRIT", `["x"]`)),
		of("escaped value", nil, set("alg", `"\u0052S256"`)),
		of("alg absent", bad, drop("alg")),
		of("alg null", bad, set("alg", `null`)),
		of("alg empty", bad, set("alg", `""`)),
		of("alg in an array", bad, set("alg", `["RS256"]`)),
		of("alg with space", bad, set("alg", `"RS256 "`)),
		of("ALG instead", bad, drop("alg"), add("ALG", `"RS256"`)),
		of("kid absent", bad, drop("kid")),
		of("kid empty", bad, set("kid", `""`)),
		of("kid null", bad, set("kid", `null`)),
		of("kid number", bad, set("kid", `1`)),
		of("KID instead", bad, drop("kid"), add("KID", `"`+issuer().KeyID()+`"`)),
		of("typ of another kind", bad, set("typ", `"at+jwt"`)),
		of("typ of a security event", bad, set("typ", `"secevent+jwt"`)),
		of("typ with prefix", bad, set("typ", `"application/jwt"`)),
		of("typ empty", bad, set("typ", `""`)),
		of("typ null", bad, set("typ", `null`)),
		of("typ number", bad, set("typ", `1`)),
		of("alg twice, same", bad, add("alg", `"RS256"`)),
		of("alg twice, none last", bad, add("alg", `"none"`)),
		of("alg twice, escaped name", bad, add(`\u0061lg`, `"none"`)),
		of("kid twice", bad, add("kid", `"other"`)),
		of("unknown member twice", bad, add("x", `1`), add("x", `1`)),
		of("duplicate deep inside", bad, add("x", `{"a":{"b":1,"b":2}}`)),
	}
	for _, alg := range []string{"none", "None", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "ES256", "ES256K", "EdDSA", "rs256", "RSA", "RS256\\u0000", "RSA-OAEP"} {
		cases = append(cases, of("alg "+alg, bad, set("alg", `"`+alg+`"`)))
	}
	for _, m := range [][2]string{
		{"crit", `["exp"]`}, {"crit", `[]`}, {"crit", `null`}, {"b64", `false`}, {"b64", `true`}, {"b64", `null`},
		{"jwk", `{"kty":"RSA","n":"AQAB","e":"AQAB"}`}, {"jwk", `null`},
		{"jku", `"https://attacker.example/keys"`}, {"x5u", `"https://attacker.example/cert"`}, {"x5c", `[]`}, {"x5c", `["MIIB"]`},
	} {
		cases = append(cases, of(m[0]+" "+m[1], bad, add(m[0], m[1])))
	}
	return cases
}

// jsonCases come in pairs, once in the header and once in the payload.
func jsonCases() []tokenCase {
	var cases []tokenCase
	of := func(name string, want error, change func(string) string) {
		h, p := string(header()), string(payload())
		cases = append(cases,
			tokenCase{name: "json/header/" + name, token: issuer().SignHeader(json.RawMessage(change(h)), payload()), want: want},
			tokenCase{name: "json/payload/" + name, token: issuer().SignHeader(header(), json.RawMessage(change(p))), want: want})
	}
	member := func(name, text string, want error) {
		of(name, want, func(s string) string { return s[:len(s)-1] + `,"x":` + text + "}" })
	}
	of("white space", nil, func(s string) string {
		return " \t\r\n" + strings.NewReplacer(`{`, "{ ", `":`, "\"\t:\r\n ", `,"`, " , \"").Replace(s) + "\n "
	})
	of("escaped names", nil, func(s string) string { return strings.NewReplacer(`"a`, `"\u0061`, `"iss`, `"is\u0073`).Replace(s) })
	member("all escapes", `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000"`, nil)
	member("not ASCII", `"é😀"`, nil)
	member("numbers", `[0,-0,1,-1.5,1e5,1E+5,1e-5,1.25e0,123456789012345678901234567890]`, nil)
	member("empty name", `{"":1," ":2}`, nil)
	member("names that differ in case", `{"a":1,"A":2}`, nil)
	member("same name in two objects", `[{"a":1},{"a":1},{"b":{"a":1}}]`, nil)
	member("ten deep", strings.Repeat(`[`, 10)+strings.Repeat(`]`, 10), nil)
	member("thirty names", manyNames(30, ""), nil)
	fill := func(n int, more func(n int) string) func(string) string {
		return func(s string) string { return s[:len(s)-1] + `,"x":` + more(n-strings.Count(s, `":`)-1) + "}" }
	}
	names := func(n int) string { return manyNames(n, "") }
	elements := func(n int) string { return "[" + strings.Repeat("0,", n-1) + "0]" }
	of("as many members as there may be", nil, fill(maxValues, names))
	of("as many elements as there may be", nil, fill(maxValues, elements))

	bad := idtoken.ErrMalformed
	of("empty", bad, func(string) string { return "" })
	of("null", bad, func(string) string { return "null" })
	of("array", bad, func(s string) string { return "[" + s + "]" })
	of("string", bad, func(string) string { return `"{}"` })
	of("two objects", bad, func(s string) string { return s + s })
	of("trailing comma", bad, func(s string) string { return s[:len(s)-1] + ",}" })
	of("trailing brace", bad, func(s string) string { return s + "}" })
	of("trailing NUL", bad, func(s string) string { return s + "\x00" })
	of("trailing comment", bad, func(s string) string { return s + "//" })
	of("byte order mark", bad, func(s string) string { return "\ufeff" + s })
	of("UTF-16", bad, func(s string) string { return strings.Join(strings.Split(s, ""), "\x00") })
	of("truncated", bad, func(s string) string { return s[:len(s)-1] })
	of("single quotes", bad, func(s string) string { return strings.ReplaceAll(s, `"`, `'`) })
	of("bare name", bad, func(s string) string { return strings.Replace(s, `{"`, `{x:1,"`, 1) })
	of("form feed as space", bad, func(s string) string { return "\f" + s })
	of("no colon", bad, func(s string) string { return strings.Replace(s, ":", " ", 1) })
	member("invalid UTF-8", "\"\xff\"", bad)
	member("overlong UTF-8", "\"\xc0\xaf\"", bad)
	member("UTF-8 surrogate", "\"\xed\xa0\x80\"", bad)
	member("half a surrogate pair", `"\ud800"`, bad)
	member("low surrogate first", `"\ude00\ud83d"`, bad)
	member("unknown escape", `"\x41"`, bad)
	member("short escape", `"\u00e"`, bad)
	member("signed escape", `"\u+123"`, bad)
	member("control character", "\"\x01\"", bad)
	member("control character in a long string", "\"abcdefgh\x1fijklmnop\"", bad)
	member("raw line break", "\"\n\"", bad)
	member("leading zero", `01`, bad)
	member("leading plus", `+1`, bad)
	member("no digit after point", `1.`, bad)
	member("no digit before point", `.5`, bad)
	member("no digit in exponent", `1e`, bad)
	member("hexadecimal", `0x1F`, bad)
	member("NaN", `NaN`, bad)
	member("minus alone", `-`, bad)
	member("True", `True`, bad)
	member("truex", `truex`, bad)
	member("missing value", ``, bad)
	member("mismatched brackets", `[1}`, bad)
	member("comma in front", `[,1]`, bad)
	member("comma behind", `[1,]`, bad)
	member("10,000 deep", strings.Repeat(`[`, 5000), bad)
	member("33 deep", strings.Repeat(`{"a":`, 33)+"1"+strings.Repeat(`}`, 33), bad)
	member("duplicate deep inside", `[{"a":[{"b":1,"b":1}]}]`, bad)
	member("duplicate by escape", `{"ab":1,"a\u0062":1}`, bad)
	member("duplicate of an empty name", `{"":1,"":1}`, bad)
	member("duplicate among thirty", manyNames(30, `,"n7":0`), bad)
	of("one member too many", bad, fill(maxValues+1, names))
	of("one element too many", bad, fill(maxValues+1, elements))
	return cases
}

func manyNames(n int, more string) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(`"n%d":%d`, i, i))
	}
	return "{" + strings.Join(names, ",") + more + "}"
}

func signatureCases() []tokenCase {
	head, body, sig := segments()
	raw, _ := base64.RawURLEncoding.DecodeString(sig)
	with := func(name string, sig []byte) tokenCase {
		return tokenCase{name: "signature/" + name, token: head + "." + body + "." + encode(sig), want: idtoken.ErrSignature}
	}
	flipped := func(i int) []byte {
		s := append([]byte(nil), raw...)
		s[i] ^= 1
		return s
	}
	other := issuer().SignHeader(header(), payload(set("sub", `"1"`)))
	return []tokenCase{
		with("absent", nil),
		with("first bit flipped", flipped(0)),
		with("last bit flipped", flipped(len(raw)-1)),
		with("one byte short", raw[:len(raw)-1]),
		with("one byte more", append(append([]byte(nil), raw...), 0)),
		with("zero byte in front", append([]byte{0}, raw...)),
		with("all zero", make([]byte, len(raw))),
		with("all ones", []byte(strings.Repeat("\xff", len(raw)))),
		with("the number one", append(make([]byte, len(raw)-1), 1)),
		{name: "signature/of another payload", token: head + "." + body + other[strings.LastIndexByte(other, '.'):], want: idtoken.ErrSignature},
		{name: "signature/unknown kid", token: issuer().SignHeader(header(set("kid", `"other"`)), payload()), want: idtoken.ErrSignature},
		{name: "signature/kid in capitals", token: issuer().SignHeader(header(set("kid", `"`+strings.ToUpper(issuer().KeyID())+`"`)), payload()), want: idtoken.ErrSignature},
		{name: "signature/kid with a path", token: issuer().SignHeader(header(set("kid", `"../../`+issuer().KeyID()+`"`)), payload()), want: idtoken.ErrSignature},
	}
}
