package drivetest_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestServeHTTP(t *testing.T) {
	srv := drivetest.NewServer(drivetest.Options{})
	srv.Close()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", filesPath+"/appDataFolder", nil)
	r.Header.Set("Authorization", "Bearer token")
	srv.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"drive#file"`) {
		t.Errorf("status %d\n%s", w.Code, w.Body)
	}
}

// A test may call ServeHTTP with a request of http.NewRequest, whose Body is nil.
func TestNoBody(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "x")
	for _, request := range []string{
		"GET " + folderPath, "POST " + filesPath, "PATCH " + filesPath + "/" + id, "DELETE /drive/v3/files/" + id,
		"PATCH " + uploadPath + "/" + id + "?uploadType=multipart", "PUT " + uploadPath + "?upload_id=x",
	} {
		for _, override := range []string{"", "GET"} {
			method, path, _ := strings.Cut(request, " ")
			r, err := http.NewRequest(method, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Authorization": {"Bearer x"}, "Content-Encoding": {"gzip"}, "X-Http-Method-Override": {override}}
			w := httptest.NewRecorder()
			if c.srv.ServeHTTP(w, r); w.Code >= 500 {
				t.Errorf("%s: status %d", request, w.Code)
			}
		}
	}
}

func TestNotThere(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "")
	for _, request := range []string{
		"POST /batch/drive/v3", "GET /drive/v2/files", "GET /drive/v3/changes", "POST /drive/v3/files/" + id + "/copy",
		"GET /drive/v3/files/" + id + "/revisions", "PUT /drive/v3/files/" + id, "PUT /upload/drive/v3/files",
	} {
		method, path, _ := strings.Cut(request, " ")
		c.refused(501, "notImplemented", method, path, "")
	}
	if got := c.send("HEAD", filesPath+"/"+id, ""); got.status != 501 {
		t.Errorf("HEAD: status %d", got.status)
	}
}

func TestNotSupportedInFolder(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "content")
	for _, tt := range []struct{ name, method, path, body string }{
		{"trash", "PATCH", filesPath + "/" + id, `{"trashed":true}`},
		{"empty the trash", "DELETE", filesPath + "/trash", ""},
		{"create in the trash", "POST", filesPath, `{"trashed":true,` + inFolder + `}`},
		{"share", "POST", filesPath + "/" + id + "/permissions", `{"role":"reader","type":"anyone"}`},
		{"who it is shared with", "GET", filesPath + "/" + id + "/permissions", ""},
		{"stop sharing", "DELETE", filesPath + "/" + id + "/permissions/1", ""},
		{"move in", "PATCH", filesPath + "/" + id + "?addParents=root", `{}`},
		{"move out", "PATCH", filesPath + "/" + id + "?removeParents=appDataFolder", `{}`},
		{"Google document", "POST", filesPath, `{"mimeType":"application/vnd.google-apps.document",` + inFolder + `}`},
		{"folder", "POST", filesPath, `{"mimeType":"application/vnd.google-apps.folder",` + inFolder + `}`},
		{"become a document", "PATCH", filesPath + "/" + id, `{"mimeType":"application/vnd.google-apps.document"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.refused(403, "notSupportedForAppDataFolderFiles", tt.method, tt.path, tt.body)
		})
	}
	if files := c.srv.Folder(drivetest.DefaultUser).Files(); len(files) != 1 || files[0].Version != 1 {
		t.Errorf("changed all the same: %+v", files)
	}
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func TestGzip(t *testing.T) {
	const gzipped, isJSON = "Content-Encoding: gzip", "Content-Type: application/json"
	c := newClient(t, drivetest.Options{})
	id := c.ok("POST", filesPath, zip(`{"name":"a",`+inFolder+`}`), isJSON, gzipped).str("id")
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", zip("hello"), gzipped)
	c.stored("hello")
	location := c.ok("PATCH", uploadPath+"/"+id+"?uploadType=resumable", "").header.Get("Location")
	c.ok("PUT", location, zip("changed"), gzipped, "Content-Range: bytes 0-6/7")
	c.stored("changed")
	for _, bad := range []string{"plain", zip("hello")[:12]} {
		c.refused(400, "badContent", "PATCH", uploadPath+"/"+id+"?uploadType=media", bad, gzipped)
	}
	c.stored("changed")
}

func TestMethodOverride(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "x")
	r := c.ok("POST", filesPath+"/"+id, `{"name":"b"}`, "X-HTTP-Method-Override: PATCH")
	if r.str("name") != "b" {
		t.Errorf("%s", r.body)
	}
	query := url.Values{"spaces": {"appDataFolder"}, "q": {"name = 'b'"}}.Encode()
	r = c.ok("POST", filesPath, query, "X-HTTP-Method-Override: GET", "Content-Type: application/x-www-form-urlencoded")
	if r.str("kind") != "drive#fileList" || len(r.json["files"].([]any)) != 1 {
		t.Errorf("%s", r.body)
	}
	if r := c.send("GET", filesPath+"/"+id, "", "X-HTTP-Method-Override: DELETE"); r.status != 200 {
		t.Errorf("GET as DELETE: status %d", r.status)
	}
	c.stored("x")
	r = c.ok("POST", filesPath+"/"+id, "", "X-HTTP-Method-Override: DELETE")
	if r.status != 204 || r.header.Get("Content-Length") != "" { // RFC 9110 section 8.6
		t.Errorf("status %d, %v", r.status, r.header)
	}
}
