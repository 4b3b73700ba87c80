package drivetest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

const unit = 256 << 10

// pattern is n bytes, no two units of which are alike.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(time.Duration(i).String())
	}
	return b.String()[:n]
}

// start opens a session for a new file and returns its address.
func (c *client) start(headers ...string) string {
	c.t.Helper()
	return c.ok("POST", uploadPath+"?uploadType=resumable&fields=id,size", `{"name":"big",`+inFolder+`}`, headers...).header.Get("Location")
}

// expect308 fails the test unless the session has n bytes.
func (c *client) expect308(r *reply, n string) {
	c.t.Helper()
	if r.status != 308 || r.header.Get("Range") != n {
		c.t.Fatalf("status %d, Range %q; want 308, %q\n%s", r.status, r.header.Get("Range"), n, r.body)
	}
}

// stored fails the test unless there is one file, with this content.
func (c *client) stored(content string) {
	c.t.Helper()
	files := c.srv.Folder(drivetest.DefaultUser).Files()
	if len(files) != 1 || string(files[0].Content) != content {
		c.t.Fatalf("%d files, or another content", len(files))
	}
}

func TestSessionInOneRequest(t *testing.T) {
	for _, header := range []string{"", "Content-Range: bytes 0-10/11"} {
		c := newClient(t, drivetest.Options{})
		location := c.start("X-Upload-Content-Type: text/plain", "X-Upload-Content-Length: 11")
		headers := []string{"Content-Type: ignored/type"}
		if header != "" {
			headers = append(headers, header)
		}
		if r := c.ok("PUT", location, "hello world", headers...); r.str("size") != "11" {
			t.Errorf("%s", r.body)
		}
		c.stored("hello world")
		if f := c.srv.Folder(drivetest.DefaultUser).Files()[0]; f.MIMEType != "text/plain" || f.Name != "big" {
			t.Errorf("stored %+v", f)
		}
	}
}

func TestSessionOfNothing(t *testing.T) {
	for name, send := range map[string]func(c *client, location string) *reply{
		"empty body": func(c *client, location string) *reply { return c.ok("PUT", location, "") },
		"status":     func(c *client, location string) *reply { return c.ok("PUT", location, "", "Content-Range: bytes */0") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, drivetest.Options{})
			if r := send(c, c.start()); r.str("size") != "0" {
				t.Errorf("%s", r.body)
			}
			c.stored("")
		})
	}
}

func TestSessionReplaces(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "old")
	location := c.ok("PATCH", uploadPath+"/"+id+"?uploadType=resumable", `{"name":"b"}`).header.Get("Location")
	c.stored("old")
	c.ok("PUT", location, "new")
	c.stored("new")
	if f := c.srv.Folder(drivetest.DefaultUser).Files("b"); len(f) != 1 || f[0].ID != id {
		t.Errorf("stored %+v", f)
	}
	c.refused(404, "notFound", "PATCH", uploadPath+"/nothing?uploadType=resumable", "")
}

func TestSessionStatus(t *testing.T) {
	content := pattern(unit + 3)
	c := newClient(t, drivetest.Options{})
	location := c.start()
	status := func(total string) *reply { return c.send("PUT", location, "", "Content-Range: bytes */"+total) }
	c.expect308(status("*"), "")
	c.expect308(status("262147"), "")
	c.expect308(c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/262147"), "bytes=0-262143")
	c.expect308(status("*"), "bytes=0-262143")
	no308 := c.ok("POST", location, "", "Content-Range: bytes */262147", "X-GUploader-No-308: yes")
	if no308.header.Get("X-HTTP-Status-Code-Override") != "308" || no308.header.Get("Range") != "bytes=0-262143" || len(no308.body) != 0 {
		t.Errorf("without 308: %v", no308.header)
	}
	done := c.ok("PUT", location, content[unit:], "Content-Range: bytes 262144-262146/262147")
	for _, again := range []*reply{status("262147"), c.send("PUT", location, content[unit:], "Content-Range: bytes 262144-262146/262147")} {
		if again.status != 200 || string(again.body) != string(done.body) {
			t.Errorf("after the end: status %d, %s", again.status, again.body)
		}
	}
	c.stored(content)
}

// The Go client ends an upload of whole chunks this way: it learns too late
// that there is no more.
func TestSessionEndsByStatus(t *testing.T) {
	content := pattern(unit)
	c := newClient(t, drivetest.Options{})
	location := c.start()
	c.expect308(c.send("PUT", location, content, "Content-Range: bytes 0-262143/*"), "bytes=0-262143")
	c.ok("POST", location, "", "Content-Range: bytes */262144", "X-GUploader-No-308: yes")
	c.stored(content)
}

// A client whose answer got lost sends its chunk again, perhaps cut otherwise.
func TestSessionOverlap(t *testing.T) {
	content := pattern(3*unit + 1)
	c := newClient(t, drivetest.Options{})
	location := c.start()
	c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/*")
	c.expect308(c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/*"), "bytes=0-262143")
	c.expect308(c.send("PUT", location, content[:2*unit], "Content-Range: bytes 0-524287/*"), "bytes=0-524287")
	c.expect308(c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/*"), "bytes=0-524287")
	c.ok("PUT", location, content[unit:], "Content-Range: bytes 262144-786432/786433")
	c.stored(content)
}

func TestSessionRefused(t *testing.T) {
	content := pattern(4 * unit)
	for _, tt := range []struct {
		name, body, contentRange, why string
	}{
		{"no multiple of 256 KiB", content[:unit-1], "bytes 262144-524286/*", "multiple of 256 KiB"},
		{"begins within a unit", content[:1], "bytes 262143-262143/*", "multiple of 256 KiB"},
		{"gap", content[:unit], "bytes 524288-786431/*", "gap"},
		{"longer than the upload", content[:2*unit], "bytes 262144-786431/*", "beyond the end"},
		{"another length than announced", content[:unit], "bytes 262144-524287/600000", "does not agree"},
		{"status with another length", "", "bytes */10", "does not agree"},
		{"body too short", content[:unit-1], "bytes 262144-524287/*", "not as long"},
		{"body too long", content[:unit+1], "bytes 262144-524287/*", "not as long"},
		{"no Content-Range", content[:2*unit], "", "Content-Range is needed"},
		{"other unit", content[:unit], "items 262144-524287/*", "malformed"},
		{"no unit", content[:unit], "262144-524287/*", "malformed"},
		{"no total", content[:unit], "bytes 262144-524287", "malformed"},
		{"backwards", content[:unit], "bytes 524287-262144/*", "malformed"},
		{"empty", "", "bytes 262144-262143/*", "malformed"},
		{"negative", content[:unit], "bytes -1-262142/*", "malformed"},
		{"no numbers", content[:unit], "bytes a-b/*", "malformed"},
		{"overflow", content[:unit], "bytes 262144-99999999999999999999/*", "malformed"},
		{"status without a length", "", "bytes */", "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, drivetest.Options{})
			location := c.start("X-Upload-Content-Length: 524288")
			c.expect308(c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/*"), "bytes=0-262143")
			var headers []string
			if tt.contentRange != "" {
				headers = []string{"Content-Range: " + tt.contentRange}
			}
			for _, length := range []string{"known", "unknown"} {
				r := c.refused(400, "badRequest", "PUT", location, tt.body, append(headers, "Content-Length: "+length)...)
				if !strings.Contains(string(r.body), tt.why) {
					t.Errorf("refused for another reason: %s", r.body)
				}
			}
			c.expect308(c.send("PUT", location, "", "Content-Range: bytes */*"), "bytes=0-262143")
			c.ok("PUT", location, content[unit:2*unit], "Content-Range: bytes 262144-524287/524288")
			c.stored(content[:2*unit])
		})
	}
}

// rclone sends chunks by POST and wants a real 308.
func TestSessionByPostAnd308(t *testing.T) {
	content := pattern(unit + 1)
	c := newClient(t, drivetest.Options{})
	location := c.start()
	c.expect308(c.send("POST", location, content[:unit], "Content-Range: bytes 0-262143/262145"), "bytes=0-262143")
	c.expect308(c.send("POST", location, "", "Content-Range: bytes */262145"), "bytes=0-262143")
	c.ok("POST", location, content[unit:], "Content-Range: bytes 262144-262144/262145")
	c.stored(content)
}

// Without an announced length, the first one that is said counts.
func TestSessionLengthSaidLater(t *testing.T) {
	content := pattern(unit + 5)
	c := newClient(t, drivetest.Options{})
	location := c.start()
	c.expect308(c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/*"), "bytes=0-262143")
	c.refused(400, "badRequest", "PUT", location, "", "Content-Range: bytes */262143") // less than there is
	c.expect308(c.send("PUT", location, "", "Content-Range: bytes */262149"), "bytes=0-262143")
	c.refused(400, "badRequest", "PUT", location, "", "Content-Range: bytes */262150")
	c.ok("PUT", location, content[unit:], "Content-Range: bytes 262144-262148/*", "Content-Length: unknown")
	c.stored(content)
}

func TestSessionLengthAnnounced(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	c.refused(400, "badRequest", "PUT", c.start("X-Upload-Content-Length: 4"), "hello")
	for _, bad := range []string{"-1", "many", "1.5"} {
		c.refused(400, "badRequest", "POST", uploadPath+"?uploadType=resumable", `{`+inFolder+`}`, "X-Upload-Content-Length: "+bad)
	}
	c.refused(413, "uploadTooLarge", "POST", uploadPath+"?uploadType=resumable", `{`+inFolder+`}`, "X-Upload-Content-Length: 5497558138881")
}

func TestSessionIsACapability(t *testing.T) {
	c := newClient(t, drivetest.Options{CheckToken: byName})
	location := c.as("jane:drive.appdata").start()
	c.as("stranger").refused(401, "authError", "PUT", location, "hello")
	c.as("john:drive.appdata").refused(404, "notFound", "PUT", location, "hello")
	c.as("").refused(404, "notFound", "PUT", location+"x", "hello")
	c.as("").refused(404, "notFound", "PUT", strings.Replace(location, "files?", "files/id?", 1), "hello")
	if got := c.srv.Requests(drivetest.OpUploadChunk); got[len(got)-1].Subject != "" {
		t.Errorf("subject of a request nobody signed: %s", got[len(got)-1].Subject)
	}
	c.as("").ok("PUT", location, "hello")
	if files := c.srv.Folder("jane").Files(); len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
}

func TestSessionExpires(t *testing.T) {
	clock := newClock()
	c := newClient(t, drivetest.Options{Now: clock.Now})
	location := c.start()
	clock.advance(7*24*time.Hour - time.Millisecond)
	c.expect308(c.send("PUT", location, pattern(unit), "Content-Range: bytes 0-262143/*"), "bytes=0-262143")
	clock.advance(time.Millisecond)
	c.refused(404, "notFound", "PUT", location, "", "Content-Range: bytes */*")
}

// What changed since the session began counts when the upload is finished.
func TestSessionOvertaken(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "x")
	location := c.ok("PATCH", uploadPath+"/"+id+"?uploadType=resumable", "").header.Get("Location")
	c.ok("DELETE", filesPath+"/"+id, "")
	c.refused(404, "notFound", "PUT", location, "new")

	generated := c.ok("GET", filesPath+"/generateIds?space=appDataFolder&count=1", "").json["ids"].([]any)[0].(string)
	body := `{"id":"` + generated + `",` + inFolder + `}`
	location = c.ok("POST", uploadPath+"?uploadType=resumable", body).header.Get("Location")
	c.ok("POST", filesPath, body)
	c.refused(409, "fileIdInUse", "PUT", location, "new")
}

// Behind TLS, the address of a session is https too.
func TestSessionByTLS(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	r := httptest.NewRequest("POST", "https://drive.example.com"+uploadPath+"?uploadType=resumable", strings.NewReader("{"+inFolder+"}"))
	r.Header = http.Header{"Authorization": {"Bearer x"}, "Content-Type": {"application/json"}}
	w := httptest.NewRecorder()
	c.srv.ServeHTTP(w, r)
	if at := w.Header().Get("Location"); !strings.HasPrefix(at, "https://drive.example.com"+uploadPath+"?") {
		t.Errorf("status %d, %q", w.Code, at)
	}
}
