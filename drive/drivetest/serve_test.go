package drivetest_test

import (
	"net/http/httptest"
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
