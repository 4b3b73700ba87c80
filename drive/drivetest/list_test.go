package drivetest_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestOrder(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	clock := newClock()
	folder := c.srv.Folder(drivetest.DefaultUser)
	for i, name := range []string{"file10", "file2", "File1", "file02"} {
		folder.Add(drivetest.File{
			Name: name, Content: make([]byte, i%2), Created: clock.Now().AddDate(0, 0, i), Modified: clock.Now().AddDate(0, 0, -i),
		})
	}
	for _, tt := range []struct{ orderBy, want string }{
		{"name", "File1 file02 file10 file2"},
		{"name desc", "file2 file10 file02 File1"},
		{"createdTime", "file10 file2 File1 file02"},
		{"modifiedTime", "file02 File1 file2 file10"},
		{"modifiedTime desc", "file10 file2 File1 file02"},
		{"recency", "file02 File1 file2 file10"},
		{"quotaBytesUsed,name", "File1 file10 file02 file2"},
		{"quotaBytesUsed desc, name desc", "file2 file02 file10 File1"},
		{"folder,starred,sharedWithMeTime,viewedByMeTime,name", "File1 file02 file10 file2"},
	} {
		if got := strings.Join(c.listed("&orderBy="+url.QueryEscape(tt.orderBy)), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.orderBy, got, tt.want)
		}
	}
	natural := c.listed("&orderBy=name_natural")
	if slices.Index(natural, "file2") > slices.Index(natural, "file10") || slices.Index(natural, "file02") > slices.Index(natural, "file10") {
		t.Errorf("name_natural: %v", natural)
	}
	folder.Add(drivetest.File{Name: "file003"})
	if natural := c.listed("&orderBy=name_natural"); slices.Index(natural, "file003") > slices.Index(natural, "file10") {
		t.Errorf("name_natural, with zeros: %v", natural)
	}
	c.ok("PATCH", filesPath+"/"+folder.Files("file10")[0].ID, `{"starred":true}`)
	if starred := c.listed("&orderBy=starred,name"); starred[0] != "file10" {
		t.Errorf("starred: %v", starred)
	}
	for _, orderBy := range []string{"size", "name asc", "name  desc", "name,", "Name", "name;createdTime"} {
		c.refused(400, "invalid", "GET", filesPath+"?spaces=appDataFolder&orderBy="+url.QueryEscape(orderBy), "")
	}
}

func TestArbitraryOrder(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	var added []string
	for i := range 20 {
		name := fmt.Sprintf("%02d", i)
		added = append(added, name)
		c.srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: name})
	}
	got := c.listed("")
	if slices.Equal(got, added) { // once in 20!
		t.Error("without orderBy, files come in the order of their creation")
	}
	if slices.Sort(got); !slices.Equal(got, added) {
		t.Errorf("listed %v", got)
	}
}

func TestSpaces(t *testing.T) {
	c := newClient(t, drivetest.Options{CheckToken: byName}).as("jane:drive.appdata,drive.file")
	c.create("a", "")
	if got := c.ok("GET", filesPath, "").json["files"].([]any); len(got) != 0 {
		t.Errorf("the drive has %v", got)
	}
	for _, spaces := range []string{"appdata", "photos", "appDataFolder,", ",appDataFolder", "appDataFolder drive"} {
		c.refused(400, "invalid", "GET", filesPath+"?spaces="+url.QueryEscape(spaces), "")
	}
	c.refused(400, "invalid", "GET", filesPath+"?spaces=appDataFolder&corpora=domain", "")
}

// pages lists everything in pages and calls between after each but the last.
func (c *client) pages(more string, between func(page int)) []string {
	c.t.Helper()
	var names []string
	token := ""
	for page := 1; ; page++ {
		path := filesPath + "?spaces=appDataFolder&fields=nextPageToken,files(name)" + more
		if token != "" {
			path += "&pageToken=" + url.QueryEscape(token)
		}
		r := c.ok("GET", path, "")
		for _, f := range r.json["files"].([]any) {
			names = append(names, f.(map[string]any)["name"].(string))
		}
		if token = r.str("nextPageToken"); token == "" {
			return names
		}
		between(page)
	}
}

func TestPages(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	folder := c.srv.Folder(drivetest.DefaultUser)
	for i := range 250 {
		folder.Add(drivetest.File{Name: fmt.Sprintf("%03d", i)})
	}
	for _, tt := range []struct {
		more  string
		pages int
	}{{"", 3}, {"&pageSize=1000", 1}, {"&pageSize=250", 1}, {"&pageSize=249", 2}, {"&pageSize=50", 5}} {
		pages := 1
		names := c.pages(tt.more, func(page int) { pages = page + 1 })
		if pages != tt.pages {
			t.Errorf("%q: %d pages, want %d", tt.more, pages, tt.pages)
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != 250 {
			t.Errorf("%q: %d names", tt.more, len(names))
		}
	}
	for _, size := range []string{"0", "-1", "1001", "ten", "1e2"} {
		c.refused(400, "invalid", "GET", filesPath+"?spaces=appDataFolder&pageSize="+size, "")
	}
}

func TestPagesUnderChange(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	folder := c.srv.Folder(drivetest.DefaultUser)
	var ids []string
	for i := range 6 {
		ids = append(ids, folder.Add(drivetest.File{Name: fmt.Sprint(i)}).ID)
	}
	got := c.pages("&pageSize=2&orderBy=name", func(page int) {
		if page != 1 {
			return
		}
		folder.Remove(ids[0])                  // already listed
		folder.Remove(ids[3])                  // not listed yet
		folder.Add(drivetest.File{Name: "00"}) // would come first
		c.ok("PATCH", filesPath+"/"+ids[4], `{"name":"renamed"}`)
	})
	if want := []string{"0", "1", "2", "renamed", "5"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

func TestPageTokens(t *testing.T) {
	c := newClient(t, drivetest.Options{CheckToken: byName})
	jane, john := c.as("jane:drive.appdata"), c.as("john:drive.appdata")
	for range 3 {
		jane.create("a", "")
	}
	const path = filesPath + "?spaces=appDataFolder&pageSize=1"
	token := url.QueryEscape(jane.ok("GET", path+"&q=name='a'", "").str("nextPageToken"))
	good := path + "&q=name='a'&pageToken=" + token
	for range 2 { // a token can be used again
		jane.ok("GET", good, "")
	}
	for name, bad := range map[string]string{
		"another query": path + "&q=name='b'&pageToken=" + token,
		"another order": path + "&q=name='a'&orderBy=name&pageToken=" + token,
		"empty":         path + "&pageToken=",
		"garbage":       path + "&pageToken=garbage",
		"no token":      path + "&q=name='a'&pageToken=0.0",
		"out of range":  path + "&q=name='a'&pageToken=" + url.QueryEscape("~!!~0.99"),
		"negative":      path + "&q=name='a'&pageToken=" + url.QueryEscape("~!!~-1.0"),
		"before it":     path + "&q=name='a'&pageToken=" + url.QueryEscape("~!!~0.-1"),
		"unknown":       path + "&q=name='a'&pageToken=" + url.QueryEscape("~!!~7.0"),
	} {
		t.Run(name, func(t *testing.T) {
			r := jane.refused(400, "invalid", "GET", bad, "")
			if !strings.Contains(string(r.body), `"location": "pageToken"`) {
				t.Errorf("%s", r.body)
			}
		})
	}
	john.refused(400, "invalid", "GET", good, "")
	for range 999 { // a thousand listings are kept
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer jane:drive.appdata")
		c.srv.ServeHTTP(httptest.NewRecorder(), r)
	}
	jane.ok("GET", good, "")
	last := path + "&pageToken=" + url.QueryEscape(jane.ok("GET", path, "").str("nextPageToken"))
	jane.refused(400, "invalid", "GET", good, "")
	jane.ok("GET", last, "")
}

func TestGenerateIDs(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	const path = filesPath + "/generateIds?space=appDataFolder"
	ids := c.ok("GET", path, "").json["ids"].([]any)
	more := c.ok("GET", path+"&count=1000&type=files", "").json["ids"].([]any)
	if len(ids) != 10 || len(more) != 1000 {
		t.Errorf("%d and %d IDs", len(ids), len(more))
	}
	seen := map[any]bool{}
	for _, id := range append(ids, more...) {
		seen[id] = true
	}
	if len(seen) != 1010 {
		t.Errorf("%d different IDs", len(seen))
	}
	for _, bad := range []string{"&count=0", "&count=1001", "&count=x", "&type=folders", "&space=photos"} {
		if strings.Contains(bad, "space") {
			bad = filesPath + "/generateIds?" + bad[1:]
		} else {
			bad = path + bad
		}
		c.refused(400, "invalid", "GET", bad, "")
	}
}
