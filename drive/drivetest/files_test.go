package drivetest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestFolderItself(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	folder := c.ok("GET", filesPath+"/appDataFolder", "")
	id := folder.str("id")
	if id == "" || id == "appDataFolder" || folder.str("mimeType") != "application/vnd.google-apps.folder" {
		t.Errorf("%s", folder.body)
	}
	if again := c.ok("GET", filesPath+"/"+id, ""); string(again.body) != string(folder.body) {
		t.Errorf("by ID: %s", again.body)
	}
	c.refused(404, "notFound", "GET", filesPath+"/appfolder", "")
	c.refused(404, "notFound", "GET", filesPath+"/root", "")
	c.refused(403, "fileNotDownloadable", "GET", filesPath+"/appDataFolder?alt=media", "")
	c.refused(403, "insufficientFilePermissions", "PATCH", filesPath+"/appDataFolder", `{"name":"mine"}`)
	c.refused(403, "insufficientFilePermissions", "DELETE", filesPath+"/"+id, "")
	if names := c.listed(""); len(names) != 0 {
		t.Errorf("the folder lists itself: %v", names)
	}

	legacy := newClient(t, drivetest.Options{LegacyAlias: true})
	legacy.ok("GET", filesPath+"/appfolder", "")
	legacy.ok("POST", filesPath, `{"parents":["appfolder"]}`)
}

func TestParents(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	folder := c.ok("GET", filesPath+"/appDataFolder", "").str("id")
	file := c.ok("POST", filesPath+"?fields=id,parents", `{`+inFolder+`}`)
	if got := fmt.Sprint(file.json["parents"]); got != "["+folder+"]" {
		t.Errorf("parents: %s, want the real ID %s", got, folder)
	}
	c.ok("POST", filesPath, `{"parents":["`+folder+`"]}`)
	for _, tt := range []struct {
		name, parents string
		status        int
		reason        string
	}{
		{"absent", ``, 403, "insufficientScopes"},
		{"none", `"parents":[]`, 403, "insufficientScopes"},
		{"My Drive", `"parents":["root"]`, 404, "notFound"},
		{"legacy alias", `"parents":["appfolder"]`, 404, "notFound"},
		{"a file", `"parents":["` + file.str("id") + `"]`, 403, "parentNotAFolder"},
		{"two", `"parents":["appDataFolder","` + folder + `"]`, 403, "multipleParentsNotSupported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.refused(tt.status, tt.reason, "POST", filesPath, `{`+tt.parents+`}`)
			body, contentType := related(`{`+tt.parents+`}`, "text/plain", "x")
			c.refused(tt.status, tt.reason, "POST", uploadPath+"?uploadType=multipart", body, contentType)
			c.refused(tt.status, tt.reason, "POST", uploadPath+"?uploadType=resumable", `{`+tt.parents+`}`)
		})
	}
	c.refused(403, "insufficientScopes", "POST", uploadPath+"?uploadType=media", "content", "Content-Type: text/plain")
	if n := len(c.srv.Folder(drivetest.DefaultUser).Files()); n != 2 {
		t.Errorf("%d files", n)
	}

	alias := newClient(t, drivetest.Options{AliasParents: true})
	if got := fmt.Sprint(alias.ok("POST", filesPath+"?fields=parents", `{`+inFolder+`}`).json["parents"]); got != "[appDataFolder]" {
		t.Errorf("AliasParents: %s", got)
	}
}

func TestGeneratedID(t *testing.T) {
	c := newClient(t, drivetest.Options{CheckToken: byName})
	jane, john := c.as("jane:drive.appdata,drive.file"), c.as("john:drive.appdata")
	generate := func(c *client, space string) string {
		return c.ok("GET", filesPath+"/generateIds?count=1&space="+space, "").json["ids"].([]any)[0].(string)
	}
	withID := func(id string) string { return `{"id":"` + id + `",` + inFolder + `}` }

	id := generate(jane, "appDataFolder")
	jane.refused(404, "notFound", "GET", filesPath+"/"+id, "")
	if got := jane.ok("POST", filesPath, withID(id)).str("id"); got != id {
		t.Errorf("created as %s, want %s", got, id)
	}
	body, contentType := related(withID(id), "text/plain", "x")
	jane.refused(409, "fileIdInUse", "POST", filesPath, withID(id))
	jane.refused(409, "fileIdInUse", "POST", uploadPath+"?uploadType=multipart", body, contentType)
	jane.refused(409, "fileIdInUse", "POST", uploadPath+"?uploadType=resumable", withID(id))
	jane.ok("DELETE", filesPath+"/"+id, "")
	jane.refused(409, "fileIdInUse", "POST", filesPath, withID(id))

	jane.refused(400, "invalid", "POST", filesPath, withID("1madeUpByTheClient"))
	jane.refused(400, "invalid", "POST", filesPath, withID(generate(jane, "drive")))
	john.refused(400, "invalid", "POST", filesPath, withID(generate(jane, "appDataFolder")))

	dup := newClient(t, drivetest.Options{IDInUse: "duplicate"})
	id = generate(dup, "appDataFolder")
	dup.ok("POST", filesPath, withID(id))
	dup.refused(409, "duplicate", "POST", filesPath, withID(id))
}

func TestEqualNames(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	first, second := c.create("a", "1"), c.create("a", "2")
	if first == second || len(c.listed("&q=name='a'")) != 2 {
		t.Error("a name is taken to be unique")
	}
	c.ok("DELETE", filesPath+"/"+first, "")
	if files := c.srv.Folder(drivetest.DefaultUser).Files("a"); len(files) != 1 || files[0].ID != second {
		t.Errorf("left: %+v", files)
	}
	c.refused(404, "notFound", "DELETE", filesPath+"/"+first, "")
}

func TestMetadata(t *testing.T) {
	clock := newClock()
	c := newClient(t, drivetest.Options{Now: clock.Now})
	const all = "?fields=id,name,mimeType,description,originalFilename,starred,createdTime,modifiedTime,properties,appProperties,size,version,headRevisionId"
	plain := c.ok("POST", filesPath+all, `{`+inFolder+`}`)
	for name, want := range map[string]string{
		"name": "Untitled", "mimeType": "application/octet-stream", "size": "0", "version": "1",
		"createdTime": "2026-11-02T09:30:00.000Z", "modifiedTime": "2026-11-02T09:30:00.000Z",
	} {
		if plain.str(name) != want {
			t.Errorf("%s: %q, want %q", name, plain.str(name), want)
		}
	}
	full := c.ok("POST", filesPath+all, `{"kind":"drive#file","name":"n","mimeType":"text/plain","description":"d","starred":true,
		"createdTime":"2020-01-02T03:04:05.678+01:00","modifiedTime":"2021-01-02T03:04:05Z","properties":{"p":"1"},"appProperties":{"q":"2"},`+inFolder+`}`)
	for name, want := range map[string]string{
		"name": "n", "originalFilename": "n", "mimeType": "text/plain", "description": "d",
		"createdTime": "2020-01-02T02:04:05.678Z", "modifiedTime": "2021-01-02T03:04:05.000Z",
	} {
		if full.str(name) != want {
			t.Errorf("%s: %q, want %q", name, full.str(name), want)
		}
	}
	clock.advance(1234567 * time.Microsecond)
	updated := c.ok("PATCH", filesPath+"/"+full.str("id")+all, `{"name":"m","starred":false,"appProperties":{"q":null,"r":"3"}}`)
	for name, want := range map[string]any{
		"name": "m", "originalFilename": "n", "mimeType": "text/plain", "description": "d", "starred": false,
		"createdTime": "2020-01-02T02:04:05.678Z", "modifiedTime": "2026-11-02T09:30:01.234Z", "version": "3",
		"headRevisionId": full.str("headRevisionId"),
	} {
		if updated.json[name] != want {
			t.Errorf("%s: %v, want %v", name, updated.json[name], want)
		}
	}
	if got := fmt.Sprint(updated.json["properties"], updated.json["appProperties"]); got != "map[p:1] map[r:3]" {
		t.Errorf("properties: %s", got)
	}
	if got := c.listed("&q=modifiedTime = '2026-11-02T09:30:01.234Z'"); len(got) != 1 {
		t.Error("the time that is shown is not the time that is kept")
	}
	c.ok("PATCH", filesPath+"/"+full.str("id"), `{"trashed":false,"description":null}`)
	c.ok("PATCH", filesPath+"/"+full.str("id"), "")
}

func TestMetadataRefused(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "x")
	for _, tt := range []struct {
		name, body string
		status     int
		reason     string
	}{
		{"not JSON", `{"name":`, 400, "parseError"},
		{"trailing data", `{"name":"b"} {}`, 400, "parseError"},
		{"null", `null`, 400, "parseError"},
		{"array", `[]`, 400, "parseError"},
		{"wrong type", `{"name":1}`, 400, "parseError"},
		{"property of another type", `{"appProperties":{"k":1}}`, 400, "parseError"},
		{"unknown field", `{"title":"b"}`, 400, "badRequest"},
		{"field in another case", `{"Name":"b"}`, 400, "badRequest"},
		{"size", `{"size":"3"}`, 403, "fieldNotWritable"},
		{"checksum", `{"md5Checksum":"x"}`, 403, "fieldNotWritable"},
		{"version", `{"version":"9"}`, 403, "fieldNotWritable"},
		{"ID of an existing file", `{"id":"x"}`, 403, "fieldNotWritable"},
		{"parents of an existing file", `{` + inFolder + `}`, 403, "fieldNotWritable"},
		{"creation of an existing file", `{"createdTime":"2020-01-02T03:04:05Z"}`, 403, "fieldNotWritable"},
		{"no time", `{"modifiedTime":"yesterday"}`, 400, "invalid"},
		{"what the fake does not keep", `{"folderColorRgb":"#ffffff"}`, 501, "notImplemented"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.refused(tt.status, tt.reason, "PATCH", filesPath+"/"+id, tt.body, "Content-Type: application/json")
			body, contentType := related(tt.body, "text/plain", "x")
			c.refused(tt.status, tt.reason, "PATCH", uploadPath+"/"+id+"?uploadType=multipart", body, contentType)
			c.refused(tt.status, tt.reason, "PATCH", uploadPath+"/"+id+"?uploadType=resumable", tt.body, "Content-Type: application/json")
		})
	}
	c.refused(400, "badRequest", "PATCH", filesPath+"/"+id, `{"name":"b"}`, "Content-Type: text/plain")
	c.refused(400, "badRequest", "PATCH", filesPath+"/"+id, `{"name":"`+strings.Repeat("b", 1<<20)+`"}`)
	if f := c.srv.Folder(drivetest.DefaultUser).Files()[0]; f.Version != 1 || f.Name != "a" {
		t.Errorf("changed all the same: %+v", f)
	}
}

func TestPropertyLimits(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	properties := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"k%d":"v"`, i))
		}
		return strings.Join(list, ",")
	}
	long := strings.Repeat("v", 123)
	for _, kind := range []string{"properties", "appProperties"} {
		create := func(list string) string { return `{"` + kind + `":{` + list + `},` + inFolder + `}` }
		id := c.ok("POST", filesPath, create(properties(30))).str("id")
		c.ok("POST", filesPath, create(`"k":"`+long+`"`))
		c.refused(400, "invalid", "POST", filesPath, create(properties(31)))
		c.refused(400, "invalid", "POST", filesPath, create(`"kk":"`+long+`"`))
		c.refused(400, "invalid", "POST", filesPath, create(`"ü":"`+long+`"`)) // two bytes
		c.refused(400, "invalid", "POST", filesPath, create(`"":"v"`))
		c.refused(400, "invalid", "PATCH", filesPath+"/"+id, `{"`+kind+`":{"more":"v"}}`)
		if kept := c.ok("GET", filesPath+"/"+id+"?fields="+kind, ""); strings.Contains(string(kept.body), "more") {
			t.Errorf("a change that was refused was made: %s", kept.body)
		}
		c.ok("PATCH", filesPath+"/"+id, `{"`+kind+`":{"more":"v","k0":null}}`)
	}
}

func TestMoveWithin(t *testing.T) {
	c := newClient(t, drivetest.Options{MoveWithin: true})
	id := c.create("a", "")
	c.ok("PATCH", filesPath+"/"+id+"?addParents=appDataFolder&removeParents=appDataFolder", `{"name":"b"}`)
	for _, parents := range []string{"addParents=root", "removeParents=root", "addParents=" + id, "addParents=", "addParents=appDataFolder&removeParents=root"} {
		c.refused(403, "notSupportedForAppDataFolderFiles", "PATCH", filesPath+"/"+id+"?"+parents, `{"name":"c"}`)
	}
	if got := c.listed(""); !slices.Equal(got, []string{"b"}) {
		t.Errorf("listed %v", got)
	}
}

func TestQuota(t *testing.T) {
	c := newClient(t, drivetest.Options{Quota: 10})
	id := c.create("a", "123456")
	body, contentType := related(`{`+inFolder+`}`, "text/plain", "12345")
	r := c.refused(403, "storageQuotaExceeded", "POST", uploadPath+"?uploadType=multipart", body, contentType)
	if !strings.Contains(string(r.body), `"domain": "usageLimits"`) {
		t.Errorf("domain: %s", r.body)
	}
	c.refused(403, "storageQuotaExceeded", "PATCH", uploadPath+"/"+id+"?uploadType=media", "12345678901")
	c.refused(403, "storageQuotaExceeded", "POST", uploadPath+"?uploadType=resumable", `{`+inFolder+`}`, "X-Upload-Content-Length: 5")
	start := c.ok("POST", uploadPath+"?uploadType=resumable", `{`+inFolder+`}`)
	c.refused(403, "storageQuotaExceeded", "PUT", start.header.Get("Location"), "12345")
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", "1234567890")
	c.create("empty", "")
	if got := c.srv.Folder(drivetest.DefaultUser).Usage(); got != 10 {
		t.Errorf("usage %d", got)
	}
	c.ok("DELETE", filesPath+"/"+id, "")
	c.create("b", "1234567890")
}

func TestRevisions(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "x")
	state := func() (version, revision string) {
		r := c.ok("GET", filesPath+"/"+id+"?fields=version,headRevisionId", "")
		return r.str("version"), r.str("headRevisionId")
	}
	v1, r1 := state()
	c.ok("PATCH", filesPath+"/"+id, `{"name":"b"}`)
	v2, r2 := state()
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", "x")
	v3, r3 := state()
	if r1 != r2 || r2 == r3 || v1 == v2 || v2 == v3 {
		t.Errorf("revisions %s %s %s, versions %s %s %s", r1, r2, r3, v1, v2, v3)
	}
}

func TestETags(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "x")
	if got := c.ok("GET", filesPath+"/"+id, "").header.Get("ETag"); got != "" {
		t.Errorf("ETag %s", got)
	}
	c.ok("PATCH", filesPath+"/"+id, `{"name":"b"}`, `If-Match: "other"`)

	c = newClient(t, drivetest.Options{ETags: true})
	id = c.create("a", "x")
	tag := c.ok("GET", filesPath+"/"+id, "").header.Get("ETag")
	c.ok("PATCH", filesPath+"/"+id, `{"name":"b"}`, "If-Match: "+tag)
	c.refused(412, "conditionNotMet", "PATCH", filesPath+"/"+id, `{"name":"c"}`, "If-Match: "+tag)
	c.refused(412, "conditionNotMet", "PATCH", uploadPath+"/"+id+"?uploadType=media", "y", "If-Match: "+tag)
	c.refused(412, "conditionNotMet", "PATCH", uploadPath+"/"+id+"?uploadType=resumable", "", "If-Match: "+tag)
	c.refused(412, "conditionNotMet", "DELETE", filesPath+"/"+id, "", "If-Match: "+tag)
	c.ok("DELETE", filesPath+"/"+id, "", "If-Match: *")
}

func TestRanges(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	path := filesPath + "/" + c.create("a", "0123456789") + "?alt=media"
	for _, tt := range []struct {
		header, want, contentRange string // contentRange empty: the whole
	}{
		{"bytes=0-3", "0123", "bytes 0-3/10"},
		{"bytes=4-4", "4", "bytes 4-4/10"},
		{"bytes=7-", "789", "bytes 7-9/10"},
		{"bytes=7-99", "789", "bytes 7-9/10"},
		{"bytes=-2", "89", "bytes 8-9/10"},
		{"bytes=-99", "0123456789", "bytes 0-9/10"},
		{"bytes=0-", "0123456789", "bytes 0-9/10"},
		{"bytes=3-2", "0123456789", ""},
		{"bytes=0-1,3-4", "0123456789", ""},
		{"bytes=-", "0123456789", ""},
		{"bytes=a-b", "0123456789", ""},
		{"items=0-3", "0123456789", ""},
	} {
		r := c.ok("GET", path, "", "Range: "+tt.header)
		status := 200
		if tt.contentRange != "" {
			status = 206
		}
		if r.status != status || string(r.body) != tt.want || r.header.Get("Content-Range") != tt.contentRange {
			t.Errorf("%s: status %d, Content-Range %q, body %q", tt.header, r.status, r.header.Get("Content-Range"), r.body)
		}
	}
	for _, header := range []string{"bytes=10-", "bytes=10-12", "bytes=-0"} {
		c.refused(416, "requestedRangeNotSatisfiable", "GET", path, "", "Range: "+header)
	}
	if r := c.ok("GET", path, "", "Range: bytes=0-3", `If-Range: "1"`); r.status != 200 {
		t.Errorf("If-Range: status %d", r.status)
	}
	empty := filesPath + "/" + c.create("empty", "") + "?alt=media"
	if r := c.ok("GET", empty, ""); len(r.body) != 0 {
		t.Errorf("empty file: %q", r.body)
	}
	c.refused(416, "requestedRangeNotSatisfiable", "GET", empty, "", "Range: bytes=0-")
}

func TestSetQuota(t *testing.T) {
	c := newClient(t, drivetest.Options{Quota: 10})
	id := c.create("a", "0123456789")
	c.refused(403, "storageQuotaExceeded", "PATCH", uploadPath+"/"+id+"?uploadType=media", "0123456789a")
	limit := func() any {
		about := c.ok("GET", "/drive/v3/about?fields=storageQuota", "").json["storageQuota"]
		return about.(map[string]any)["limit"]
	}
	c.srv.SetQuota(11)
	if got := limit(); got != "11" {
		t.Errorf("limit %v", got)
	}
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", "0123456789a")
	c.srv.SetQuota(5)
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", "0123456789") // less than there was
	c.refused(403, "storageQuotaExceeded", "POST", uploadPath+"?uploadType=resumable", `{`+inFolder+`}`, "X-Upload-Content-Length: 1")
	c.srv.SetQuota(0)
	if got := limit(); got != nil {
		t.Errorf("limit %v", got)
	}
	c.create("b", "0123456789")
}

// A quota that shrinks during an upload is checked again at its end.
func TestQuotaShrinksDuringUpload(t *testing.T) {
	c := newClient(t, drivetest.Options{Quota: 2 * unit})
	content := pattern(2 * unit)
	location := c.start("X-Upload-Content-Length: 524288")
	c.expect308(c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/524288"), "bytes=0-262143")
	c.srv.SetQuota(2*unit - 1)
	c.refused(403, "storageQuotaExceeded", "PUT", location, content[unit:], "Content-Range: bytes 262144-524287/524288")
}

// accounts is a fake of the sign-in endpoints.
type accounts struct{ now time.Time }

func (a *accounts) CheckAccessToken(token string) (string, []string, bool) { return byName(token) }
func (a *accounts) Now() time.Time                                         { return a.now }
func (a *accounts) Advance(d time.Duration)                                { a.now = a.now.Add(d) }

// TestAccounts checks that the fake of the sign-in endpoints says who calls, and that
// there is one clock, whichever fake moves it.
func TestAccounts(t *testing.T) {
	google := &accounts{time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	c := newClient(t, drivetest.Options{Accounts: google, CheckToken: func(string) (string, []string, bool) { return "", nil, false }})
	c.srv.Advance(time.Hour)
	google.Advance(time.Hour)
	f := c.srv.Folder("jane").Add(drivetest.File{Name: "a"})
	if want := time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC); !f.Created.Equal(want) || !google.now.Equal(want) {
		t.Errorf("created at %v, and it is %v; want %v", f.Created, google.now, want)
	}
	c.as("jane:drive.appdata").ok("GET", "/drive/v3/files/"+f.ID, "")
	c.as("john:drive.appdata").refused(404, "notFound", "GET", "/drive/v3/files/"+f.ID, "")
	res, err := c.srv.Client().Get(c.srv.Endpoint() + "files/" + f.ID)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("the client without a token: %s", res.Status)
	}
}

func TestAdvance(t *testing.T) {
	clock := newClock()
	c := newClient(t, drivetest.Options{Now: clock.Now, RateLimit: 1})
	c.ok("GET", folderPath, "")
	c.refused(403, "userRateLimitExceeded", "GET", folderPath, "")
	c.srv.Advance(time.Minute)
	c.ok("GET", folderPath, "")
	c.srv.Advance(time.Minute)
	created := c.ok("POST", filesPath+"?fields=createdTime", `{`+inFolder+`}`).str("createdTime")
	if want := clock.Now().Add(2 * time.Minute).Format("2006-01-02T15:04:05.000Z"); created != want {
		t.Errorf("created %s, want %s", created, want)
	}
}
