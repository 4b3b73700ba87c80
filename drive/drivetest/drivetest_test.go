package drivetest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

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
		r, err := http.NewRequest("GET", srv.Endpoint()+"files/appDataFolder", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Header) > 0 {
			t.Errorf("the caller's request has now the header %v", r.Header)
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

// Everything at once, for the race detector, with a Close in the middle.
func TestCloseDuringUse(t *testing.T) {
	srv := drivetest.NewServer(drivetest.Options{Lag: drivetest.Lag{Create: time.Second, Rename: time.Second, Delete: time.Second, Twice: true}})
	folder := srv.Folder(drivetest.DefaultUser)
	shared := folder.Add(drivetest.File{Name: "shared"}).ID
	var location string
	request := func(method, path, body string, headers ...string) string {
		w := serve(srv, method, path, strings.Join(append(headers, "X-Test: yes"), "\r\n"), body)
		return w.Header().Get("Location")
	}
	_, location, _ = strings.Cut(request("POST", uploadPath+"?uploadType=resumable", `{`+inFolder+`}`, "Content-Type: application/json"), "localhost")
	multipart, contentType := related(`{"name":"a",`+inFolder+`}`, "text/plain", "hello")
	var wg sync.WaitGroup
	for _, step := range []func(i int){
		func(int) { request("POST", uploadPath+"?uploadType=multipart", multipart, contentType) },
		func(int) { request("PUT", location, "hello") },
		func(int) { request("PUT", location, "", "Content-Range: bytes */*") },
		func(i int) {
			request("PATCH", filesPath+"/"+shared, fmt.Sprintf(`{"name":"shared %d"}`, i), "Content-Type: application/json")
		},
		func(int) { request("GET", filesPath+"?spaces=appDataFolder&pageSize=1&q=name='a'", "") },
		func(int) { request("GET", filesPath+"/"+shared+"?alt=media", "") },
		func(int) { request("GET", filesPath+"/generateIds?space=appDataFolder", "") },
		func(int) {
			if res, err := srv.Client().Get(srv.Endpoint() + "about?fields=*"); err == nil { // until it is closed
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		},
		func(int) {
			srv.Inject(drivetest.Fault{Status: 503}, drivetest.Fault{Op: drivetest.OpGet, Nth: 3, Delay: 1})
		},
		func(i int) { srv.SetQuota(int64(i % 2 * 1000)); srv.Advance(time.Millisecond) },
		func(i int) { folder.Remove(folder.Add(drivetest.File{Name: "b", Content: []byte{byte(i)}}).ID) },
		func(int) { _, _ = folder.Files("a"), folder.Usage() },
		func(int) { _ = srv.Requests(drivetest.OpList) },
		func(i int) {
			if i == 40 {
				srv.Close()
			}
		},
	} {
		wg.Go(func() {
			for i := range 50 {
				step(i)
			}
		})
	}
	wg.Wait()
	srv.Close() // again
	if _, err := http.Get(srv.Endpoint()); err == nil {
		t.Error("a closed server answers")
	}
	if len(folder.Files("shared 49")) == 0 && len(srv.Requests()) == 0 {
		t.Error("neither content nor log is left")
	}
}

// A test may guard its clock and its calls of the server by one mutex, so the clock is
// asked while the server is not locked. A failure is a deadlock.
func TestClockMayCallTheServer(t *testing.T) {
	var srv *drivetest.Server
	now := func() time.Time {
		srv.Requests()
		return time.Now()
	}
	srv = drivetest.NewServer(drivetest.Options{Now: now, Lag: drivetest.Lag{Update: time.Hour, Delete: time.Hour}})
	t.Cleanup(srv.Close)
	c := &client{t: t, srv: srv, token: "token"}
	id := c.create("a", "1")
	c.ok("PATCH", filesPath+"/"+id, `{"name":"b"}`)
	c.listed("&pageSize=1")
	c.ok("PUT", c.start(), "hello")
	c.ok("DELETE", filesPath+"/"+id, "")
	c.listed("")
	srv.Folder("another").Files()
	srv.Folder("a third").Add(drivetest.File{})
}
