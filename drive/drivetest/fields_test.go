package drivetest_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestDefaultFields(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	body, contentType := related(`{"name":"a",`+inFolder+`}`, "text/plain", "x")
	created := c.ok("POST", uploadPath+"?uploadType=multipart", body, contentType)
	path := filesPath + "/" + created.str("id")
	for name, r := range map[string]*reply{
		"create": created,
		"get":    c.ok("GET", path, ""),
		"empty":  c.ok("GET", path+"?fields=", ""),
		"update": c.ok("PATCH", path, `{"name":"a"}`),
	} {
		if got := slices.Sorted(maps.Keys(r.json)); !slices.Equal(got, []string{"id", "kind", "mimeType", "name"}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	list := c.ok("GET", filesPath+"?spaces=appDataFolder", "")
	if got := slices.Sorted(maps.Keys(list.json)); !slices.Equal(got, []string{"files", "incompleteSearch", "kind"}) {
		t.Errorf("list: %v", got)
	}
	ids := c.ok("GET", filesPath+"/generateIds?space=appDataFolder&count=1", "")
	if got := slices.Sorted(maps.Keys(ids.json)); !slices.Equal(got, []string{"ids", "kind", "space"}) {
		t.Errorf("generateIds: %v", got)
	}
}

func TestFields(t *testing.T) {
	c := newClient(t, drivetest.Options{Now: newClock().Now})
	c.srv.Folder(drivetest.DefaultUser).Add(drivetest.File{ID: "id1", Name: "a.b.txt", Content: []byte("abc"), AppProperties: map[string]string{"k": "v", "l": "w"}})
	for _, tt := range []struct{ fields, want string }{
		{"id", `{"id":"id1"}`},
		{"id,name", `{"id":"id1","name":"a.b.txt"}`},
		{"id, name", `{"id":"id1","name":"a.b.txt"}`},
		{"id,id", `{"id":"id1"}`},
		{"size,md5Checksum", `{"md5Checksum":"900150983cd24fb0d6963f7d28e17f72","size":"3"}`},
		{"sha1Checksum", `{"sha1Checksum":"a9993e364706816aba3e25717850c26c9cd0d89d"}`},
		{"sha256Checksum", `{"sha256Checksum":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}`},
		{"createdTime", `{"createdTime":"2026-11-02T09:30:00.000Z"}`},
		{"appProperties/k", `{"appProperties":{"k":"v"}}`},
		{"appProperties(k)", `{"appProperties":{"k":"v"}}`},
		{"appProperties/k,appProperties/l", `{"appProperties":{"k":"v","l":"w"}}`},
		{"appProperties/k,appProperties", `{"appProperties":{"k":"v","l":"w"}}`},
		{"appProperties,appProperties/k", `{"appProperties":{"k":"v","l":"w"}}`},
		{"appProperties(*)", `{"appProperties":{"k":"v","l":"w"}}`},
		{"appProperties/*", `{"appProperties":{"k":"v","l":"w"}}`},
		{"owners(me)", `{"owners":[{"me":true}]}`},
		{"fullFileExtension,fileExtension", `{"fileExtension":"txt","fullFileExtension":"b.txt"}`},
		{"thumbnailLink", `{}`},
		{"spaces,trashed,ownedByMe", `{"ownedByMe":true,"spaces":["appDataFolder"],"trashed":false}`},
	} {
		r := c.ok("GET", filesPath+"/id1?prettyPrint=false&fields="+url.QueryEscape(tt.fields), "")
		if got := strings.TrimSpace(string(r.body)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.fields, got, tt.want)
		}
	}
}

func TestAllFields(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a.txt", "x")
	r := c.ok("GET", filesPath+"/"+id+"?fields=*", "")
	for _, name := range []string{"kind", "size", "md5Checksum", "headRevisionId", "version", "modifiedTime", "parents", "capabilities"} {
		if _, ok := r.json[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	var sent struct{ Size, Version string }
	if err := json.Unmarshal(r.body, &sent); err != nil || sent.Size != "1" || sent.Version != "1" {
		t.Errorf("size and version are not strings: %v %+v", err, sent)
	}
	folder := c.ok("GET", filesPath+"/appDataFolder?fields=*", "")
	for _, name := range []string{"size", "md5Checksum", "headRevisionId", "parents", "appProperties", "description"} {
		if v, ok := folder.json[name]; ok {
			t.Errorf("the folder has %s: %v", name, v)
		}
	}
}

func TestFieldsRefused(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "x")
	for _, fields := range []string{
		"nope", "Id", "id,", ",id", "id,,name", ",", " ", "id name", "id)", "(id)", "id(x)", "id/x", "id/*",
		"appProperties(", "appProperties(k", "appProperties()", "appProperties/", "files(id)", "kind;id",
	} {
		path := filesPath + "/" + id + "?fields=" + url.QueryEscape(fields)
		r := c.refused(400, "invalidParameter", "GET", path, "")
		if !strings.Contains(string(r.body), `"location": "fields"`) {
			t.Errorf("%q: %s", fields, r.body)
		}
	}
	for _, request := range []string{
		"PATCH " + filesPath + "/" + id + "?fields=nope", "POST " + filesPath + "?fields=nope",
		"POST " + uploadPath + "?uploadType=resumable&fields=nope", "POST " + uploadPath + "?uploadType=media&fields=nope",
		"GET " + filesPath + "?spaces=appDataFolder&fields=id", "GET " + filesPath + "?spaces=appDataFolder&fields=files(nope)",
		"GET " + filesPath + "/generateIds?space=appDataFolder&fields=id",
	} {
		method, path, _ := strings.Cut(request, " ")
		c.refused(400, "invalidParameter", method, path, "")
	}
	if v := c.srv.Folder(drivetest.DefaultUser).Files()[0].Version; v != 1 {
		t.Error("a refused request had an effect")
	}
}

func FuzzFields(f *testing.F) {
	srv := drivetest.NewServer(drivetest.Options{})
	f.Cleanup(srv.Close)
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{ID: "id1", Name: "a", AppProperties: map[string]string{"k": "v"}})
	for _, fields := range []string{"*", "id,name", "appProperties(k),owners/me", "capabilities(*)"} {
		f.Add(fields)
	}
	f.Fuzz(func(t *testing.T, fields string) {
		c := &client{t: t, srv: srv, token: "token"}
		status, body := c.inProcess(filesPath + "/id1?fields=" + url.QueryEscape(fields))
		if status != 200 || fields == "" {
			return
		}
		// What is selected can be selected again, as often as one likes.
		if _, again := c.inProcess(filesPath + "/id1?fields=" + url.QueryEscape(fields+","+fields)); again != body {
			t.Errorf("%q: %s, twice: %s", fields, body, again)
		}
	})
}
