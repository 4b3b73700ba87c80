package drivetest_test

import (
	"bytes"
	"compress/gzip"
	"net/url"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

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
	c.ok("POST", filesPath+"/"+id, "", "X-HTTP-Method-Override: DELETE")
}
