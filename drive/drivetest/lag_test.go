package drivetest_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

const byParent = "'appDataFolder' in parents and trashed = false and mimeType != 'application/vnd.google-apps.folder'"

// search lists by q and returns "name=description" of each file, in the order of
// the text.
func (c *client) search(q string) string {
	c.t.Helper()
	reply := c.ok("GET", filesPath+"?spaces=appDataFolder&fields=files(name,description)&q="+url.QueryEscape(q), "")
	var found []string
	for _, f := range reply.json["files"].([]any) {
		f := f.(map[string]any)
		description, _ := f["description"].(string)
		found = append(found, f["name"].(string)+"="+description)
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

func TestLag(t *testing.T) {
	const lag = time.Minute
	create := func(c *client, _ string) { c.ok("POST", filesPath, `{"name":"new","description":"1",`+inFolder+`}`) }
	rename := func(c *client, id string) { c.ok("PATCH", filesPath+"/"+id, `{"name":"new"}`) }
	remove := func(c *client, id string) { c.ok("DELETE", filesPath+"/"+id, "") }
	update := func(c *client, id string) { c.ok("PATCH", filesPath+"/"+id, `{"description":"2"}`) }
	type lists struct{ old, new, all string } // by name, by name, by parent
	for _, tt := range []struct {
		name    string
		lag     drivetest.Lag
		do      []func(c *client, id string)
		at      lists
		ordered lists // once the lists have caught up
	}{
		{"create", drivetest.Lag{Create: lag}, []func(*client, string){create},
			lists{"old=1", "", "new=1 old=1"}, lists{"old=1", "new=1", "new=1 old=1"}},
		{"rename", drivetest.Lag{Rename: lag}, []func(*client, string){rename},
			lists{"old=1", "", "new=1"}, lists{"", "new=1", "new=1"}},
		{"delete", drivetest.Lag{Delete: lag}, []func(*client, string){remove},
			lists{"old=1", "", ""}, lists{}},
		{"update", drivetest.Lag{Update: lag}, []func(*client, string){update},
			lists{"old=1", "", "old=1"}, lists{"old=2", "", "old=2"}},
		{"rename and update", drivetest.Lag{Rename: lag, Update: lag}, []func(*client, string){update, rename},
			lists{"old=1", "", "new=1"}, lists{"", "new=2", "new=2"}},
		{"rename seen, update not", drivetest.Lag{Update: lag}, []func(*client, string){update, rename},
			lists{"", "new=1", "new=1"}, lists{"", "new=2", "new=2"}},
		{"delete seen, rename not", drivetest.Lag{Rename: lag}, []func(*client, string){rename, remove},
			lists{}, lists{}},
		{"delete after a rename", drivetest.Lag{Delete: lag}, []func(*client, string){rename, remove},
			lists{"", "new=1", ""}, lists{}},
		{"all at once", drivetest.Lag{Create: lag, Rename: lag, Delete: lag, Update: lag}, []func(*client, string){update, rename, remove, create},
			lists{"old=1", "", "new=1"}, lists{"", "new=1", "new=1"}},
		{"no lag", drivetest.Lag{}, []func(*client, string){update, rename},
			lists{"", "new=2", "new=2"}, lists{"", "new=2", "new=2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := newClock()
			c := newClient(t, drivetest.Options{Lag: tt.lag, Now: clock.Now})
			id := c.srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "old", Description: "1"}).ID
			for _, do := range tt.do {
				do(c, id)
			}
			expect := func(when string, want lists) {
				t.Helper()
				got := lists{c.search("name = 'old'"), c.search("not (name contains 'old')"), c.search(byParent)}
				if got != want {
					t.Errorf("%s: got %q, want %q", when, got, want)
				}
			}
			expect("at once", tt.at)
			clock.advance(lag - time.Millisecond)
			expect("just before the time is over", tt.at)
			c.srv.Advance(time.Millisecond)
			expect("afterwards", tt.ordered)
		})
	}
}

// files.get and the folder itself are never behind, and what the folder does needs
// no time to be seen.
func TestNoLag(t *testing.T) {
	c := newClient(t, drivetest.Options{Lag: drivetest.Lag{Create: time.Hour, Rename: time.Hour, Delete: time.Hour, Update: time.Hour}})
	id := c.create("a", "x")
	if got := c.ok("GET", filesPath+"/"+id, "").str("name"); got != "a" {
		t.Errorf("created %q", got)
	}
	c.ok("PATCH", filesPath+"/"+id, `{"name":"b"}`)
	if got := c.ok("GET", filesPath+"/"+id, "").str("name"); got != "b" {
		t.Errorf("renamed to %q", got)
	}
	folder := c.srv.Folder(drivetest.DefaultUser)
	folder.Add(drivetest.File{ID: id, Name: "c", Description: "added"})
	if got := c.search("name = 'c'"); got != "c=added" {
		t.Errorf("replaced: %q", got)
	}
	c.ok("PATCH", filesPath+"/"+id, `{"name":"d"}`)
	folder.Remove(id)
	if got := c.search("name = 'c'") + c.search("name = 'd'"); got != "" {
		t.Errorf("removed: %q", got)
	}
	c.ok("DELETE", filesPath+"/"+c.create("e", ""), "")
	if got := c.search("name = 'e'"); got != "" { // not before it was created
		t.Errorf("deleted: %q", got)
	}
}

// The later pages of a list show the same kind of state as its first page.
func TestLagOverPages(t *testing.T) {
	c := newClient(t, drivetest.Options{Lag: drivetest.Lag{Delete: time.Minute}})
	var ids []string
	for range 4 {
		ids = append(ids, c.create("a", ""))
	}
	for q, want := range map[string]int{"name = 'a'": 4, byParent: 3} {
		names := c.pages("&pageSize=1&orderBy=createdTime&q="+url.QueryEscape(q), func(page int) {
			if page == 1 {
				c.send("DELETE", filesPath+"/"+ids[3], "")
			}
		})
		if len(names) != want {
			t.Errorf("%s: %d files, want %d", q, len(names), want)
		}
	}
}

func TestListedTwice(t *testing.T) {
	c := newClient(t, drivetest.Options{Lag: drivetest.Lag{Twice: true}})
	for i := range 3 {
		c.create(fmt.Sprint(i), "")
	}
	if got := c.listed("&orderBy=name"); !slices.Equal(got, []string{"0", "0", "1", "1", "2", "2"}) {
		t.Errorf("in order: %v", got)
	}
	got := c.pages("&pageSize=2", func(int) {})
	if len(got) != 6 || !slices.Equal(got[:3], got[3:]) {
		t.Errorf("%v, want each name again after all others", got)
	}
	if slices.Sort(got); !slices.Equal(got, []string{"0", "0", "1", "1", "2", "2"}) {
		t.Errorf("%v", got)
	}
}
