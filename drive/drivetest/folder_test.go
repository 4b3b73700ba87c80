package drivetest_test

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestFolderAdd(t *testing.T) {
	clock := newClock()
	c := newClient(t, drivetest.Options{Now: clock.Now, Quota: 1})
	folder := c.srv.Folder(drivetest.DefaultUser)
	content := []byte("hello")
	plain := folder.Add(drivetest.File{Name: "a", Content: content})
	content[0] = 'j'
	if plain.ID == "" || plain.Revision == "" || plain.MIMEType != "application/octet-stream" || !plain.Created.Equal(clock.Now()) || plain.Version != 1 {
		t.Errorf("added %+v", plain)
	}
	if got := string(c.ok("GET", filesPath+"/"+plain.ID+"?alt=media", "").body); got != "hello" {
		t.Errorf("content %q", got)
	}
	if f := folder.Add(drivetest.File{}); f.Name != "Untitled" {
		t.Errorf("name %q", f.Name)
	}
	old := time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	kept := drivetest.File{ID: "x", Name: "a", MIMEType: "text/plain", Description: "d", Revision: "r", Created: old, Modified: old,
		AppProperties: map[string]string{"k": "v"}, Properties: map[string]string{"k": "v"}}
	folder.Add(kept)
	r := c.ok("GET", filesPath+"/x?fields=modifiedTime,headRevisionId,description,appProperties", "")
	if r.str("modifiedTime") != "2001-02-03T04:05:06.789Z" || r.str("headRevisionId") != "r" || r.str("description") != "d" {
		t.Errorf("%s", r.body)
	}
	if got := folder.Files("a"); len(got) != 2 || got[1].ID != "x" || got[1].AppProperties["k"] != "v" {
		t.Errorf("%+v", got)
	}
	for _, f := range []drivetest.File{kept, folder.Files("a")[1]} {
		f.AppProperties["k"], f.Properties["k"] = "changed", "changed"
		if got := folder.Files("a")[1]; got.AppProperties["k"] != "v" || got.Properties["k"] != "v" {
			t.Errorf("a caller can change a file: %+v", got)
		}
	}
	kept.Name = "b"
	folder.Add(kept)
	if len(folder.Files("a")) != 1 || len(folder.Files()) != 3 || len(folder.Files("none")) != 0 {
		t.Error("a file with the same ID is not replaced")
	}
}

func TestFolderRemove(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	folder := c.srv.Folder(drivetest.DefaultUser)
	id := folder.Add(drivetest.File{Name: "a", Content: []byte("12345")}).ID
	if folder.Usage() != 5 {
		t.Errorf("usage %d", folder.Usage())
	}
	if c.srv.Folder("somebody else").Remove(id) || !folder.Remove(id) || folder.Remove(id) || folder.Usage() != 0 {
		t.Error("removed something else")
	}
	c.refused(404, "notFound", "GET", filesPath+"/"+id, "")
}

func TestConcurrentUse(t *testing.T) {
	srv := drivetest.NewServer(drivetest.Options{RateLimit: 1 << 20})
	defer srv.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c := &client{t: t, srv: srv, token: "token"}
			for range 5 {
				body, contentType := related(`{"name":"a",`+inFolder+`}`, "text/plain", "x")
				r, err := c.try("POST", uploadPath+"?uploadType=multipart", body, contentType)
				if err != nil || r.status != 200 {
					t.Error(err, r)
					return
				}
				c.try("PATCH", filesPath+"/"+r.str("id"), `{"appProperties":{"k":"v"}}`)
				c.try("GET", filesPath+"?spaces=appDataFolder&fields=*&pageSize=3", "")
				srv.Folder(drivetest.DefaultUser).Files()
				srv.Requests()
			}
		})
	}
	wg.Wait()
	if n := len(srv.Folder(drivetest.DefaultUser).Files("a")); n != 40 {
		t.Errorf("%d files", n)
	}
	if strings.Contains(srv.Endpoint(), "//drive") {
		t.Error(srv.Endpoint())
	}
}

// TestFolderTimes pins that Add keeps the instant, in UTC, whatever zone the
// caller is in.
func TestFolderTimes(t *testing.T) {
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 14*3600), time.FixedZone("", -3*3600-1800)} {
		srv := drivetest.NewServer(drivetest.Options{})
		defer srv.Close()
		at := time.Date(2026, 11, 24, 10, 30, 0, 123456789, time.UTC)
		file := srv.Folder(drivetest.DefaultUser).Add(drivetest.File{ID: "id1", Created: at.In(zone), Modified: at.Add(time.Hour).In(zone)})
		if want := at.Truncate(time.Millisecond); file.Created != want || file.Modified != want.Add(time.Hour) {
			t.Errorf("Add returned %v, %v", file.Created, file.Modified)
		}
		resp, err := srv.Client().Get(srv.Endpoint() + "files/id1?fields=createdTime,modifiedTime,modifiedByMeTime")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got map[string]string
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"createdTime":      "2026-11-24T10:30:00.123Z",
			"modifiedTime":     "2026-11-24T11:30:00.123Z",
			"modifiedByMeTime": "2026-11-24T11:30:00.123Z",
		}
		if !maps.Equal(got, want) {
			t.Errorf("from %v: %v, want %v", zone, got, want)
		}
	}
}
