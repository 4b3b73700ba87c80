package drivetest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// serve makes a request without a connection.
func serve(srv *drivetest.Server, method, target, header, body string) *httptest.ResponseRecorder {
	if header != "" {
		header += "\r\n"
	}
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\nContent-Length: %d\r\n%s\r\n%s",
		method, target, len(body), header, body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil // net/http does not let it pass
	}
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, r)
	return w
}

// A refusal has Google's form and no effect, whatever the request.
func FuzzRequest(f *testing.F) {
	const id = "id1"
	body, contentType := related(`{"name":"b",`+inFolder+`}`, "text/plain", "hello")
	seeds := []struct{ method, target, header, body string }{
		{"GET", "/drive/v3/about?fields=*", "", ""},
		{"GET", filesPath + "?spaces=appDataFolder&pageSize=1&orderBy=name&q=name='a'", "", ""},
		{"GET", filesPath + "?spaces=appDataFolder&pageToken=~!!~0.1", "", ""},
		{"GET", filesPath + "/generateIds?space=appDataFolder&count=3", "", ""},
		{"GET", filesPath + "/" + id + "?fields=id,appProperties(a)", "", ""},
		{"GET", filesPath + "/" + id + "?alt=media", "Range: bytes=1-2", ""},
		{"DELETE", filesPath + "/" + id, "If-Match: *", ""},
		{"PATCH", filesPath + "/" + id, "Content-Type: application/json", `{"name":"b","appProperties":{"a":null}}`},
		{"POST", filesPath, "Content-Type: application/json", `{"name":"b",` + inFolder + `}`},
		{"POST", filesPath, "Content-Type: application/json\r\nContent-Encoding: gzip", "\x1f\x8b"},
		{"POST", uploadPath + "?uploadType=multipart", contentType, body},
		{"PATCH", uploadPath + "/" + id + "?uploadType=media", "Content-Type: text/plain", "hello"},
		{"POST", uploadPath + "?uploadType=resumable", "X-Upload-Content-Length: 5", ""},
		{"PUT", uploadPath + "?uploadType=resumable&upload_id=x", "Content-Range: bytes 0-4/5", "hello"},
		{"POST", filesPath, "X-HTTP-Method-Override: GET", "spaces=appDataFolder"},
	}
	for _, s := range seeds {
		f.Add(s.method, s.target, s.header, s.body)
	}
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		srv := drivetest.NewServer(drivetest.Options{ETags: true, Lag: drivetest.Lag{Twice: true}})
		defer srv.Close()
		folder := srv.Folder(drivetest.DefaultUser)
		folder.Add(drivetest.File{ID: id, Name: "a", Content: []byte("12345"), AppProperties: map[string]string{"a": "b"}})
		before := fmt.Sprint(folder.Files())
		w := serve(srv, method, target, header, body)
		if w == nil || w.Code < 400 {
			return
		}
		r := &reply{status: w.Code, body: w.Body.Bytes()}
		if r.reason() == "" || w.Code >= 500 && w.Code != 501 {
			t.Errorf("status %d\n%s", w.Code, w.Body)
		}
		if after := fmt.Sprint(folder.Files()); after != before {
			t.Errorf("refused with %d, and changed all the same: %s, was %s", w.Code, after, before)
		}
	})
}

// What is answered to a range is that range of the content.
func FuzzRange(f *testing.F) {
	const content = "0123456789"
	for _, header := range []string{"bytes=0-0", "bytes=3-", "bytes=-4", "bytes=9-99", "bytes=10-", "bytes=5-4", "bytes=0-1,3-4", "lines=1-2"} {
		f.Add(header)
	}
	srv := drivetest.NewServer(drivetest.Options{})
	f.Cleanup(srv.Close)
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{ID: "id1", Content: []byte(content)})
	f.Fuzz(func(t *testing.T, header string) {
		w := serve(srv, "GET", filesPath+"/id1?alt=media", "Range: "+header, "")
		switch {
		case w == nil || w.Code == 416:
		case w.Code == 200 && w.Body.String() == content && w.Header().Get("Content-Range") == "":
		case w.Code == 206:
			var first, last, size int
			if _, err := fmt.Sscanf(w.Header().Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size); err != nil {
				t.Fatalf("%s: %v", w.Header().Get("Content-Range"), err)
			}
			if size != len(content) || first < 0 || last < first || last >= size || w.Body.String() != content[first:last+1] {
				t.Errorf("%q: %s: %q", header, w.Header().Get("Content-Range"), w.Body)
			}
		default:
			t.Errorf("%q: status %d: %q", header, w.Code, w.Body)
		}
	})
}

// However a client cuts its content into chunks, and whatever gets lost, what a
// session says it has is what it has, and what is stored in the end is the content.
func FuzzSession(f *testing.F) {
	const size = 2*unit + 7
	content := pattern(size)
	f.Add([]byte{0, 0, 1, 0, 1, 4})          // the second chunk begins in the first one
	f.Add([]byte{6, 5, 0, 2, 0, 0, 4, 0, 0}) // a part of a chunk is kept
	f.Add([]byte{3, 0, 0, 1, 3, 0, 5, 0, 0}) // a gap, and no total
	f.Add([]byte("008018"))                  // a chunk from the middle of a unit
	f.Fuzz(func(t *testing.T, steps []byte) {
		srv := drivetest.NewServer(drivetest.Options{})
		defer srv.Close()
		location := serve(srv, "POST", uploadPath+"?uploadType=resumable", "Content-Type: application/json", `{`+inFolder+`}`).Header().Get("Location")
		_, target, _ := strings.Cut(location, "localhost")
		have, done := 0, false
		send := func(header, body string) {
			t.Helper()
			w := serve(srv, "PUT", target, header, body)
			switch {
			case w.Code == 200:
				done = true
			case w.Code == 308:
				now := 0
				if r := w.Header().Get("Range"); r != "" {
					if _, err := fmt.Sscanf(r, "bytes=0-%d", &now); err != nil {
						t.Fatalf("Range %q", r)
					}
					now++
				}
				if now < have || now%unit != 0 && now != size || now > size || done {
					t.Fatalf("%s: the session has %d bytes, had %d (done: %t)", header, now, have, done)
				}
				have = now
			case w.Code != 400:
				t.Fatalf("%s: status %d", header, w.Code)
			}
		}
		chunk := func(from, to int, total string) {
			send(fmt.Sprintf("Content-Range: bytes %d-%d/%s", from, to-1, total), content[from:to])
		}
		for len(steps) >= 3 {
			kind, a, b := steps[0], int(steps[1]), int(steps[2])
			steps = steps[3:]
			from := min(a%4*unit/2, size-1)
			to := min(from+(b%5+1)*unit/2, size)
			total := fmt.Sprint(size)
			if kind&1 != 0 {
				total = "*"
			}
			switch kind / 2 % 4 {
			case 0:
				chunk(from, to, total)
			case 1:
				chunk(have, min(have+(b%3+1)*unit, size), total)
			case 2:
				send("Content-Range: bytes */"+total, "")
			case 3:
				srv.Script(drivetest.Fault{Op: drivetest.OpUploadChunk, Keep: int64(a)*unit/4 + 1})
				chunk(have, min(have+2*unit, size), total)
				srv.Script()
			}
			if have == size {
				break
			}
		}
		for range 4 {
			if !done {
				chunk(min(have, size-1), size, fmt.Sprint(size))
			}
		}
		files := srv.Folder(drivetest.DefaultUser).Files()
		if !done || len(files) != 1 || string(files[0].Content) != content {
			t.Fatalf("%d files, done: %t, or another content", len(files), done)
		}
	})
}

// A File that was written is read as it was written.
func FuzzMetadata(f *testing.F) {
	f.Add(`{"name":"a","description":"d","appProperties":{"k":"v"},"starred":true}`)
	f.Add(`{"name":null,"mimeType":"text/plain","createdTime":"2026-01-02T03:04:05.678Z"}`)
	f.Fuzz(func(t *testing.T, body string) {
		srv := drivetest.NewServer(drivetest.Options{})
		defer srv.Close()
		srv.Folder(drivetest.DefaultUser).Add(drivetest.File{ID: "id1", Name: "a"})
		w := serve(srv, "PATCH", filesPath+"/id1?fields=*", "Content-Type: application/json", body)
		if w.Code != 200 || body == "" {
			return
		}
		var sent, got map[string]any
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatalf("took what is not JSON: %v", err)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"name", "mimeType", "description", "starred", "originalFilename"} {
			if want, ok := sent[name]; ok && want != nil && want != "" && got[name] != want {
				t.Errorf("%s is %q, sent was %q", name, got[name], want)
			}
		}
		sentProps, _ := sent["appProperties"].(map[string]any)
		gotProps, _ := got["appProperties"].(map[string]any)
		maps.DeleteFunc(sentProps, func(_ string, v any) bool { return v == nil })
		if fmt.Sprint(sentProps) != fmt.Sprint(gotProps) {
			t.Errorf("properties %v, sent were %v", gotProps, sentProps)
		}
	})
}
