package drivetest_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestMultipart(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	content := func() drivetest.File { return c.srv.Folder(drivetest.DefaultUser).Files()[0] }
	body, contentType := related(`{"name":"a","mimeType":"text/css",`+inFolder+`}`, "text/plain", "hello")
	id := c.ok("POST", uploadPath+"?uploadType=multipart", body, contentType).str("id")
	if f := content(); string(f.Content) != "hello" || f.Name != "a" || f.MIMEType != "text/css" {
		t.Errorf("created %+v", f)
	}
	body, contentType = related(`{"name":"b"}`, "text/html", "bye")
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=multipart", body, contentType)
	if f := content(); string(f.Content) != "bye" || f.Name != "b" || f.MIMEType != "text/html" {
		t.Errorf("updated %+v", f)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("\x00\xff binary"))
	body, contentType = related(`{}`, "image/png\r\nContent-Transfer-Encoding: base64", encoded)
	c.ok("PATCH", "/resumable"+uploadPath+"/"+id+"?uploadType=multipart", body, contentType)
	if f := content(); string(f.Content) != "\x00\xff binary" {
		t.Errorf("base64: %q", f.Content)
	}
}

func TestMultipartRefused(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "x")
	good, goodType := related(`{"name":"b"}`, "text/plain", "y")
	replaced := func(old, with string) string { return strings.Replace(good, old, with, 1) }
	for _, tt := range []struct{ name, body, contentType string }{
		{"form-data", good, "Content-Type: multipart/form-data; boundary=b"},
		{"mixed", good, "Content-Type: multipart/mixed; boundary=b"},
		{"no boundary", good, "Content-Type: multipart/related"},
		{"another boundary", good, "Content-Type: multipart/related; boundary=c"},
		{"JSON", `{"name":"b"}`, "Content-Type: application/json"},
		{"metadata of another type", replaced("application/json", "text/plain"), goodType},
		{"one part", replaced("--b\r\nContent-Type: text/plain\r\n\r\ny\r\n", ""), goodType},
		{"three parts", replaced("--b--", "--b\r\n\r\nz\r\n--b--"), goodType},
		{"cut off", strings.TrimSuffix(good, "\r\n--b--\r\n"), goodType},
		{"no base64", replaced("text/plain\r\n", "text/plain\r\nContent-Transfer-Encoding: base64\r\n"), goodType},
		{"empty", "", goodType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.refused(400, "badContent", "PATCH", uploadPath+"/"+id+"?uploadType=multipart", tt.body, tt.contentType)
		})
	}
	c.refused(400, "invalid", "PATCH", uploadPath+"/"+id, good, goodType)
	c.refused(400, "invalid", "PATCH", uploadPath+"/"+id+"?uploadType=resumeable", good, goodType)
	if f := c.srv.Folder(drivetest.DefaultUser).Files()[0]; string(f.Content) != "x" || f.Version != 1 {
		t.Errorf("changed all the same: %+v", f)
	}
}

// A refusal reaches a client that is still sending.
func TestRefusedBeforeRead(t *testing.T) {
	c := newClient(t, drivetest.Options{}).as("")
	c.refused(401, "required", "POST", uploadPath+"?uploadType=media", strings.Repeat("x", 8<<20))
	c.srv.Inject(drivetest.Fault{Status: 503})
	c.refused(503, "backendError", "POST", uploadPath+"?uploadType=media", strings.Repeat("x", 8<<20))
}

func TestSingleRequestLimit(t *testing.T) {
	const limit = 5 << 20
	c := newClient(t, drivetest.Options{})
	id := c.create("a", strings.Repeat("x", limit))
	body, contentType := related(`{`+inFolder+`}`, "text/plain", strings.Repeat("x", limit+1))
	c.refused(413, "uploadTooLarge", "POST", uploadPath+"?uploadType=multipart", body, contentType)
	c.refused(413, "uploadTooLarge", "PATCH", uploadPath+"/"+id+"?uploadType=media", strings.Repeat("x", limit+1))
	if files := c.srv.Folder(drivetest.DefaultUser).Files(); len(files) != 1 || len(files[0].Content) != limit {
		t.Error("stored all the same")
	}
	c = newClient(t, drivetest.Options{LargeSingleRequests: true})
	body, contentType = related(`{`+inFolder+`}`, "text/plain", strings.Repeat("x", 2*limit))
	c.ok("POST", uploadPath+"?uploadType=multipart", body, contentType)
	if n := c.srv.Folder(drivetest.DefaultUser).Usage(); n != 2*limit {
		t.Errorf("stored %d bytes", n)
	}
}
