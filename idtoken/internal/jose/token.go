// Package jose takes compact JWS tokens apart (RFC 7515) and checks their
// signatures. It knows one algorithm, RS256, and refuses whatever a token could
// say to have itself checked in another way or under another key.
package jose

import (
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxSize is the length in bytes of the longest token accepted.
const MaxSize = 16 << 10

// An Error says what is wrong with a token's form. Its text has nothing from
// the token in it.
type Error string

func (e Error) Error() string { return string(e) }

const (
	errSize      Error = "longer than 16 KiB"
	errSegments  Error = "not three segments"
	errBase64    Error = "not canonical base64url without padding"
	errUTF8      Error = "not UTF-8"
	errNotObject Error = "not a JSON object"
	errSyntax    Error = "not valid JSON"
	errEscape    Error = "invalid escape in a JSON string"
	errTrailing  Error = "data after the JSON object"
	errDepth     Error = "JSON nested too deep"
	errValues    Error = "JSON of too many members and elements"
	errDuplicate Error = "a JSON name comes twice"
	errAlgorithm Error = "header: alg is not RS256"
	errKeyID     Error = "header: no kid"
	errType      Error = "header: typ is of something else"
	errParameter Error = "header: a parameter that must not decide how a token is checked"
)

// A Token is the parts of a token of good form. Nothing is known yet of its
// signature.
type Token struct {
	KeyID  string
	Claims Object

	signingInput string
	signature    []byte
}

// A Parser checks the form of tokens. It is safe for concurrent use.
type Parser struct {
	types []string
	last  atomic.Pointer[goodHeader]
}

// NewParser returns a parser. types are the media types that a header may
// declare, in lower case; it need not declare any.
func NewParser(types ...string) *Parser { return &Parser{types: types} }

// Parse checks the form of a token: its size, three segments in canonical
// base64url (RFC 7515 section 2), a header that asks for RS256 under a named
// key, and a payload that is a JSON object.
func (p *Parser) Parse(raw string) (Token, error) {
	if len(raw) > MaxSize {
		return Token{}, errSize
	}
	head, rest, ok1 := strings.Cut(raw, ".")
	body, sig, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || strings.IndexByte(sig, '.') >= 0 {
		return Token{}, errSegments
	}
	t := Token{signingInput: raw[:len(head)+1+len(body)]}
	buf := buffers.Get().(*buffer)
	defer buf.free()
	var err error
	if t.KeyID, err = p.header(buf, head); err != nil {
		return Token{}, err
	}
	if t.signature, err = decode(make([]byte, base64url.DecodedLen(len(sig))), sig); err != nil {
		return Token{}, err
	}
	payload, err := decode(buf.bytes[:], body)
	if err != nil {
		return Token{}, err
	}
	claims, err := parseObject(string(payload), buf.members[:0])
	if err != nil {
		return Token{}, err
	}
	t.Claims = slices.Clone(claims)
	return t, nil
}

// A buffer is for what need not outlast a call: most of what checking a token
// would leave to the garbage collector.
type buffer struct {
	bytes   [MaxSize]byte     // of a whole token, or of a segment decoded
	members [maxValues]Member // of a header or payload
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func (b *buffer) free() {
	clear(b.members[:])
	buffers.Put(b)
}

// A goodHeader is the header of a token before: an issuer writes the same for
// all tokens under a key, and what is the same need not be checked again.
type goodHeader struct{ segment, keyID string }

// header checks the first segment of a token and returns its kid.
func (p *Parser) header(buf *buffer, segment string) (kid string, err error) {
	if last := p.last.Load(); last != nil && last.segment == segment {
		return last.keyID, nil
	}
	text, err := decode(buf.bytes[:], segment)
	if err != nil {
		return "", err
	}
	if kid, err = checkHeader(string(text), p.types, buf.members[:0]); err != nil {
		return "", err
	}
	p.last.Store(&goodHeader{strings.Clone(segment), kid})
	return kid, nil
}

// checkHeader checks a JOSE header and returns its kid. Members that it does not
// know are ignored, as RFC 7515 section 4 asks.
func checkHeader(text string, types []string, scratch Object) (kid string, err error) {
	header, err := parseObject(text, scratch)
	if err != nil {
		return "", err
	}
	var alg string
	for _, m := range header {
		switch m.Name {
		case "alg":
			alg, _ = m.Value.Str()
		case "kid":
			kid, _ = m.Value.Str()
		case "typ":
			if typ, ok := m.Value.Str(); !ok || !slices.Contains(types, strings.ToLower(typ)) {
				return "", errType
			}
		case "crit", "b64", // extensions that change what is signed (RFC 7515 4.1.11, RFC 7797)
			"jwk", "jku", "x5u", "x5c": // the token bringing its own key along (RFC 8725 3.10)
			return "", errParameter
		}
	}
	if alg != "RS256" {
		return "", errAlgorithm
	}
	if kid == "" {
		return "", errKeyID
	}
	return kid, nil
}

var base64url = base64.RawURLEncoding.Strict()

// decode decodes base64url without padding into dst, which must be long enough,
// and returns the part that it has filled. A segment has one spelling: Strict
// refuses bits set beyond the last byte, and decode the line breaks that
// encoding/base64 skips.
func decode(dst []byte, s string) ([]byte, error) {
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return nil, errBase64
	}
	n, err := base64url.Decode(dst, []byte(s))
	if err != nil {
		return nil, errBase64
	}
	return dst[:n], nil
}
