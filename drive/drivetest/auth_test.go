package drivetest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// byName takes tokens like "jane:drive.appdata,drive.file".
func byName(token string) (string, []string, bool) {
	subject, names, ok := strings.Cut(token, ":")
	var scopes []string
	for name := range strings.SplitSeq(names, ",") {
		scopes = append(scopes, "https://www.googleapis.com/auth/"+name)
	}
	return subject, scopes, ok
}

func TestAuthorization(t *testing.T) {
	const path = filesPath + "?spaces=appDataFolder"
	for _, tt := range []struct {
		name, header string
		reason       string // empty: accepted
	}{
		{"good", "Bearer jane:drive.appdata", ""},
		{"scheme in lower case", "bearer jane:drive.appdata", ""},
		{"none", "", "required"},
		{"unknown token", "Bearer stranger", "authError"},
		{"no token", "Bearer ", "authError"},
		{"a token of nobody", "Bearer :drive.appdata", "authError"},
		{"other scheme", "Basic jane:drive.appdata", "authError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, drivetest.Options{CheckToken: byName}).as("")
			var headers []string
			if tt.header != "" {
				headers = []string{"Authorization: " + tt.header}
			}
			if tt.reason == "" {
				c.ok("GET", path, "", headers...)
				return
			}
			r := c.refused(401, tt.reason, "GET", path, "", headers...)
			if got := r.header.Get("WWW-Authenticate"); !strings.Contains(got, `error="invalid_token"`) {
				t.Errorf("WWW-Authenticate: %q", got)
			}
		})
	}
}

func TestTokenInQueryIsNone(t *testing.T) {
	c := newClient(t, drivetest.Options{}).as("")
	c.refused(401, "required", "GET", filesPath+"?spaces=appDataFolder&access_token=token", "")
}

func TestScopes(t *testing.T) {
	const list, inDrive = filesPath + "?spaces=appDataFolder", filesPath
	for _, tt := range []struct {
		name, scopes, path string
		status             int
		reason             string
	}{
		{"appdata", "drive.appdata", list, 200, ""},
		{"third-party scope", "userinfo.email", list, 403, "insufficientPermissions"},
		{"second name of the scope", "drive.appfolder", list, 200, ""},
		{"drive does not open the folder", "drive", list, 403, "insufficientScopes"},
		{"drive.file does not", "drive.file", list, 403, "insufficientScopes"},
		{"appdata does not open the drive", "drive.appdata", inDrive, 403, "insufficientScopes"},
		{"nor both spaces", "drive.appdata", filesPath + "?spaces=drive,appDataFolder", 403, "insufficientScopes"},
		{"both scopes open both", "drive.appdata,drive.file", filesPath + "?spaces=drive,appDataFolder", 200, ""},
		{"the folder itself", "drive", filesPath + "/appDataFolder", 403, "insufficientScopes"},
		{"IDs for the folder", "drive.file", filesPath + "/generateIds?space=appDataFolder", 403, "insufficientScopes"},
		{"IDs for the drive", "drive.appdata", filesPath + "/generateIds", 403, "insufficientScopes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, drivetest.Options{CheckToken: byName}).as("jane:" + tt.scopes)
			if tt.reason == "" {
				c.ok("GET", tt.path, "")
			} else {
				c.refused(tt.status, tt.reason, "GET", tt.path, "")
			}
		})
	}
}

func TestScopeErrorNamesItself(t *testing.T) {
	c := newClient(t, drivetest.Options{CheckToken: byName}).as("jane:userinfo.email")
	r := c.refused(403, "insufficientPermissions", "GET", filesPath+"?spaces=appDataFolder", "")
	for _, want := range []string{`"status": "PERMISSION_DENIED"`, `"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"`, `"@type": "type.googleapis.com/google.rpc.ErrorInfo"`} {
		if !strings.Contains(string(r.body), want) {
			t.Errorf("%s is missing in\n%s", want, r.body)
		}
	}
	if got := r.header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_scope"`) {
		t.Errorf("WWW-Authenticate: %q", got)
	}
}

func TestUsersAreSeparate(t *testing.T) {
	c := newClient(t, drivetest.Options{CheckToken: byName})
	jane, john := c.as("jane:drive.appdata"), c.as("john:drive.appdata")
	id := jane.create("secret", "hers")
	folder := jane.ok("GET", filesPath+"/appDataFolder", "").str("id")

	john.refused(404, "notFound", "GET", filesPath+"/"+id, "")
	john.refused(404, "notFound", "GET", filesPath+"/"+id+"?alt=media", "")
	john.refused(404, "notFound", "PATCH", filesPath+"/"+id, `{"name":"mine"}`)
	john.refused(404, "notFound", "DELETE", filesPath+"/"+id, "")
	john.refused(404, "notFound", "GET", filesPath+"/"+folder, "")
	john.refused(404, "notFound", "POST", filesPath, `{"name":"x","parents":["`+folder+`"]}`)
	if n := john.listed("&q=name='secret'"); len(n) != 0 {
		t.Errorf("john sees %v", n)
	}
	if got := string(c.srv.Folder("jane").Files()[0].Content); got != "hers" {
		t.Errorf("jane's file holds %q", got)
	}
}

func TestFileIsHiddenFromOtherScopes(t *testing.T) {
	c := newClient(t, drivetest.Options{CheckToken: byName})
	id := c.as("jane:drive.appdata").create("a", "x")
	c.as("jane:drive").refused(404, "notFound", "GET", filesPath+"/"+id, "")
	c.as("jane:drive").refused(404, "notFound", "DELETE", filesPath+"/"+id, "")
}

func TestEmptyBearer(t *testing.T) {
	c := newClient(t, drivetest.Options{}).as("")
	c.refused(401, "authError", "GET", folderPath, "", "Authorization: Bearer")
}

func TestRateLimit(t *testing.T) {
	clock := newClock()
	c := newClient(t, drivetest.Options{CheckToken: byName, RateLimit: 2, Now: clock.Now})
	jane := c.as("jane:drive.appdata")
	const path = filesPath + "/appDataFolder"
	jane.ok("GET", path, "")
	clock.advance(30 * time.Second)
	jane.ok("GET", path, "")
	r := jane.refused(403, "userRateLimitExceeded", "GET", path, "")
	if !strings.Contains(string(r.body), `"domain": "usageLimits"`) {
		t.Errorf("domain: %s", r.body)
	}
	c.as("john:drive.appdata").ok("GET", path, "")
	clock.advance(30 * time.Second)
	jane.ok("GET", path, "")
	jane.refused(403, "userRateLimitExceeded", "GET", path, "")
}

func TestParameters(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	c.ok("GET", filesPath+"?spaces=appDataFolder&supportsAllDrives=true&prettyPrint=false&quotaUser=x&alt=json", "")
	for _, tt := range []struct{ name, path, reason string }{
		{"unknown", filesPath + "?space=appDataFolder", "invalidParameter"},
		{"of another method", filesPath + "/appDataFolder?spaces=appDataFolder", "invalidParameter"},
		{"twice", filesPath + "?spaces=appDataFolder&spaces=appDataFolder", "invalid"},
		{"media of a list", filesPath + "?spaces=appDataFolder&alt=media", "invalid"},
		{"unknown alt", filesPath + "/appDataFolder?alt=proto", "invalid"},
	} {
		t.Run(tt.name, func(t *testing.T) { c.refused(400, tt.reason, "GET", tt.path, "") })
	}
}
