package jose

import (
	"slices"
	"strings"
)

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
