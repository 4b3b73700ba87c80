package drivetest_test

import (
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestRanges(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	path := filesPath + "/" + c.create("a", "0123456789") + "?alt=media"
	for _, tt := range []struct {
		header, want, contentRange string // contentRange empty: the whole
	}{
		{"bytes=0-3", "0123", "bytes 0-3/10"},
		{"bytes=4-4", "4", "bytes 4-4/10"},
		{"bytes=7-", "789", "bytes 7-9/10"},
		{"bytes=7-99", "789", "bytes 7-9/10"},
		{"bytes=-2", "89", "bytes 8-9/10"},
		{"bytes=-99", "0123456789", "bytes 0-9/10"},
		{"bytes=0-", "0123456789", "bytes 0-9/10"},
		{"bytes=3-2", "0123456789", ""},
		{"bytes=0-1,3-4", "0123456789", ""},
		{"bytes=-", "0123456789", ""},
		{"bytes=a-b", "0123456789", ""},
		{"items=0-3", "0123456789", ""},
	} {
		r := c.ok("GET", path, "", "Range: "+tt.header)
		status := 200
		if tt.contentRange != "" {
			status = 206
		}
		if r.status != status || string(r.body) != tt.want || r.header.Get("Content-Range") != tt.contentRange {
			t.Errorf("%s: status %d, Content-Range %q, body %q", tt.header, r.status, r.header.Get("Content-Range"), r.body)
		}
	}
	for _, header := range []string{"bytes=10-", "bytes=10-12", "bytes=-0"} {
		c.refused(416, "requestedRangeNotSatisfiable", "GET", path, "", "Range: "+header)
	}
	if r := c.ok("GET", path, "", "Range: bytes=0-3", `If-Range: "1"`); r.status != 200 {
		t.Errorf("If-Range: status %d", r.status)
	}
	empty := filesPath + "/" + c.create("empty", "") + "?alt=media"
	if r := c.ok("GET", empty, ""); len(r.body) != 0 {
		t.Errorf("empty file: %q", r.body)
	}
	c.refused(416, "requestedRangeNotSatisfiable", "GET", empty, "", "Range: bytes=0-")
}
