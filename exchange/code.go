package exchange

import "strings"

// maxCode bounds a code. Google documents at most 256 bytes.
const maxCode = 512

// checkCode refuses what cannot be a code, before anything is sent.
func checkCode(op, code string) *Error {
	e := &Error{Op: op, kind: errNotACode}
	switch {
	case code == "":
		e.reason = "it is empty"
		e.hint = "The app has sent no code: Google's SDKs give one only after an interactive sign-in, and only if they know this backend's server client ID."
	case len(code) > maxCode:
		e.reason = "it is longer than 512 bytes"
		e.hint = "The app has sent something else: an ID token, perhaps."
	case strings.ContainsFunc(code, notVSCHAR):
		e.reason = "it contains control characters, or other than ASCII"
		e.hint = "The app has to send the code alone, without a line end or quotes around it."
	case percentEncoded(code):
		e.reason = "it is percent-encoded"
		e.hint = "The app encodes the code twice, so that the slash in it arrives as %2F: it has to encode it once, and not at all in JSON or a raw body."
	default:
		return nil
	}
	return e
}

// notVSCHAR reports what RFC 6749 appendix A.11 does not allow in a code.
func notVSCHAR(r rune) bool { return r < ' ' || r > '~' }

// percentEncoded reports whether there is a %XX in code. Google's codes have no
// per cent sign.
func percentEncoded(code string) bool {
	for {
		_, after, found := strings.Cut(code, "%")
		if !found {
			return false
		}
		if len(after) >= 2 && isHex(after[0]) && isHex(after[1]) {
			return true
		}
		code = after
	}
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
