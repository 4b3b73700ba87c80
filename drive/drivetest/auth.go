package drivetest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// grants holds the scopes of an access token.
type grants []string

// appData reports whether the scopes open the folder. Google lists its scope under two
// names (https://developers.google.com/workspace/drive/api/guides/api-specific-auth);
// rclone asks for the second.
func (g grants) appData() bool {
	return slices.Contains(g, Scope) || slices.Contains(g, "https://www.googleapis.com/auth/drive.appfolder")
}

// drive reports whether the token opens some of the user's own files.
func (g grants) drive() bool {
	return slices.ContainsFunc(g, func(scope string) bool {
		name, ok := strings.CutPrefix(scope, "https://www.googleapis.com/auth/drive")
		return ok && (name == "" || slices.Contains(driveScopes, name))
	})
}

// driveScopes holds the endings of the scopes that files.get and files.list accept.
var driveScopes = []string{".file", ".meet.readonly", ".metadata", ".metadata.readonly", ".photos.readonly", ".readonly"}

// authenticate sets the user of the call. It fails if the token is not good or opens
// no Drive, and if the user is over the rate limit.
func (c *call) authenticate() *apiError {
	token, err := bearer(c.r)
	if err != nil {
		return err
	}
	subject, scopes, ok := c.srv.opts.CheckToken(token)
	if !ok || subject == "" {
		return unauthenticated("authError", "Invalid Credentials")
	}
	c.granted = scopes
	now := c.srv.now()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.entry.Subject = subject
	c.user = c.srv.user(subject, now)
	if !c.user.admit(now, c.srv.opts.RateLimit) {
		return fail(403, "userRateLimitExceeded", "User Rate Limit Exceeded")
	}
	if !c.granted.appData() && !c.granted.drive() {
		return &apiError{
			status: 403, reason: "insufficientPermissions", message: "Request had insufficient authentication scopes.",
			rpcStatus: "PERMISSION_DENIED", info: "ACCESS_TOKEN_SCOPE_INSUFFICIENT", authenticate: "insufficient_scope",
		}
	}
	return nil
}

func bearer(r *http.Request) (string, *apiError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", unauthenticated("required", "Login Required.")
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", unauthenticated("authError", "Invalid Credentials")
	}
	return token, nil
}

func unauthenticated(reason, message string) *apiError {
	return &apiError{
		status: http.StatusUnauthorized, reason: reason, message: message,
		location: "Authorization", locationType: "header",
		rpcStatus: "UNAUTHENTICATED", authenticate: "invalid_token",
	}
}

// admit counts a request, and reports whether it is within the limit of the last
// minute.
func (u *user) admit(now time.Time, limit int) bool {
	if limit <= 0 {
		return true
	}
	u.recent = slices.DeleteFunc(u.recent, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(u.recent) >= limit {
		return false
	}
	u.recent = append(u.recent, now)
	return true
}
