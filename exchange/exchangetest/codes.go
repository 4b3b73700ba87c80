package exchangetest

import "github.com/seed3a054f9c/googlesignin/internal/scope"

// A CodeRequest is a user signing in to an app or in a popup, and what they
// agree to. The zero value is the first user signing in to the first client
// with openid, email and profile.
type CodeRequest struct {
	User     string   // subject or email address
	ClientID string   // the backend's client, which redeems the code
	Scopes   []string // asked for

	// Declined are scopes that the user unticks on the consent screen; not
	// openid, email or profile. This code's tokens are without them. Scopes
	// that the user has granted before stay granted, and are not asked for again:
	// whether Google would take them back is not known.
	Declined []string

	// ForceConsent shows the consent screen also to a user who has granted all
	// Scopes before (prompt=consent; forceCodeForRefreshToken on Android). A
	// refresh token comes with consent only.
	ForceConsent bool

	OnlineOnly     bool   // no refresh token
	IncludeGranted bool   // the tokens also carry what was granted before, as with addScopes on iOS
	Nonce          string // for the ID token
	AuthTime       bool   // asks for auth_time: see Options.AuthClaims
	Methods        bool   // asks for amr: the same
}

// AppCode returns a one-time code as Google's SDK gives it to an app on iOS or
// Android (serverAuthCode), to be redeemed with an empty redirect_uri. The azp
// of its ID token is a client of the same project that is not the backend's own. A code for neither openid, email nor profile, such as for
// drive.appdata alone, brings no ID token, and nothing says whose it is.
//
// It panics if the user or client is unknown or gone, if the user would not see
// the consent screen on which to decline, or denies everything.
func (s *Server) AppCode(r CodeRequest) string {
	return s.code(r, "", s.mustClient(r.ClientID).project()+"-app.apps.googleusercontent.com")
}

// PopupCode returns a one-time code as Google Identity Services gives it to a
// web page (initCodeClient with ux_mode popup), to be redeemed with the
// redirect_uri "postmessage". It panics where AppCode does.
//
// In public reports the popup always shows the consent screen, so that each code
// brings a refresh token. Google does not document that, so here only the first code
// of a user does, or one with ForceConsent. The popup of [Server.ScriptURL] does as
// the reports say.
func (s *Server) PopupCode(r CodeRequest) string {
	return s.code(r, "postmessage", "")
}

func (s *Server) code(r CodeRequest, redirectURI, azp string) string {
	in := signIn{
		client:         s.mustClient(r.ClientID),
		user:           s.mustUser(r.User),
		scopes:         scope.Set(r.Scopes...),
		declined:       scope.Set(r.Declined...),
		forceConsent:   r.ForceConsent,
		offline:        !r.OnlineOnly,
		includeGranted: r.IncludeGranted,
		redirectURI:    redirectURI,
		nonce:          r.Nonce,
		azp:            azp,
		asksAuthTime:   r.AuthTime,
		asksMethods:    r.Methods,
	}
	if len(in.scopes) == 0 {
		in.scopes = scope.Set("openid", "email", "profile")
	}
	code, err := s.ledger.decide(in)
	if err != nil {
		panic("exchangetest: no code: " + err.Error())
	}
	return code.value
}
