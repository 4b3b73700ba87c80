package exchange

// A RedirectURI is the redirect_uri under which a code was issued. Google redeems
// a code only under the same one (RFC 6749 section 4.1.3), so a backend that
// serves several kinds of apps says for each code where it came from.
//
// Any RedirectURI other than [App] and [Popup] is the exact redirect URI of the
// authorization request: scheme, case and trailing slash matter.
type RedirectURI string

const (
	// App is for the serverAuthCode of Google Sign-In on iOS and Android: no
	// browser was redirected, and redirect_uri is sent empty.
	App RedirectURI = ""

	// Popup is for the code client of Google Identity Services in its popup
	// mode (https://developers.google.com/identity/oauth2/web/guides/use-code-model).
	Popup RedirectURI = "postmessage"
)
