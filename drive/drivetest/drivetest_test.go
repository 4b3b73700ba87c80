package drivetest_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestRoundTrip(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("notes.txt", "hello")
	if got := c.ok("GET", filesPath+"/"+id+"?alt=media", ""); string(got.body) != "hello" || got.header.Get("Content-Type") != "text/plain" {
		t.Errorf("content %q of type %q", got.body, got.header.Get("Content-Type"))
	}
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", "changed", "Content-Type: text/html")
	files := c.srv.Folder(drivetest.DefaultUser).Files("notes.txt")
	if len(files) != 1 || string(files[0].Content) != "changed" || files[0].MIMEType != "text/html" || files[0].ID != id {
		t.Errorf("kept %+v", files)
	}
	if got := c.ok("DELETE", filesPath+"/"+id, ""); got.status != 204 || len(got.body) != 0 {
		t.Errorf("delete: status %d, body %q", got.status, got.body)
	}
	c.refused(404, "notFound", "GET", filesPath+"/"+id, "")
}

func TestResumable(t *testing.T) {
	const unit = 256 << 10
	content := strings.Repeat("0123456789abcdef", 2*unit/16) + "end"
	c := newClient(t, drivetest.Options{})
	start := c.ok("POST", uploadPath+"?uploadType=resumable&fields=id,size", `{"name":"big",`+inFolder+`}`, "X-Upload-Content-Type: text/plain")
	location := start.header.Get("Location")
	first := c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/*")
	if first.status != 308 || first.header.Get("Range") != "bytes=0-262143" {
		t.Fatalf("first chunk: status %d, Range %q", first.status, first.header.Get("Range"))
	}
	second := c.send("POST", location, content[unit:2*unit], "Content-Range: bytes 262144-524287/*", "X-GUploader-No-308: yes")
	if second.status != 200 || second.header.Get("X-HTTP-Status-Code-Override") != "308" || second.header.Get("Range") != "bytes=0-524287" {
		t.Fatalf("second chunk: status %d, %v", second.status, second.header)
	}
	last := c.ok("PUT", location, content[2*unit:], "Content-Range: bytes 524288-524290/524291")
	if last.str("size") != "524291" {
		t.Fatalf("last chunk: %s", last.body)
	}
	if files := c.srv.Folder(drivetest.DefaultUser).Files(); len(files) != 1 || !bytes.Equal(files[0].Content, []byte(content)) {
		t.Error("content differs")
	}
}

func TestClientIsSignedIn(t *testing.T) {
	get := func(o drivetest.Options) string {
		srv := drivetest.NewServer(o)
		defer srv.Close()
		res, err := srv.Client().Get(srv.Endpoint() + "files/appDataFolder")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if got := get(drivetest.Options{}); !strings.Contains(got, `"drive#file"`) {
		t.Error(got)
	}
	if got := get(drivetest.Options{CheckToken: byName}); !strings.Contains(got, `"reason": "required"`) {
		t.Errorf("with CheckToken: %s", got)
	}
}
