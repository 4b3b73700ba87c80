package jose

import (
	"slices"
	"strings"
)

// checkHeader checks a JOSE header and returns its kid. Members that it does not
// know are ignored, as RFC 7515 section 4 asks.
func checkHeader(text string, types []string) (kid string, err error) {
	header, err := ParseObject(text)
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
