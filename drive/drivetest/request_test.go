package drivetest_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestRequests(t *testing.T) {
	c := newClient(t, drivetest.Options{CheckToken: byName})
	jane := c.as("jane:drive.appdata")
	id := jane.create("a", "hello")
	jane.ok("GET", filesPath+"/"+id+"?fields=id", "", "X-Custom: yes")
	jane.ok("GET", filesPath+"/"+id+"?alt=media", "")
	jane.listed("")
	jane.ok("GET", filesPath+"/generateIds?space=appDataFolder", "")
	jane.ok("GET", "/drive/v3/about?fields=kind", "")
	location := jane.start()
	jane.send("PUT", location, "", "Content-Range: bytes */*")
	jane.ok("PUT", location, "hello")
	jane.ok("PATCH", filesPath+"/"+id, `{}`)
	jane.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", "x")
	c.srv.Inject(drivetest.Fault{Status: 503})
	jane.send("DELETE", filesPath+"/"+id, "")
	c.as("").send("GET", "/elsewhere", "")

	var got []string
	for _, r := range c.srv.Requests() {
		got = append(got, fmt.Sprintf("%s %s %d %d %s %t", r.Op, r.Method, r.Status, min(r.BodySize, 9), r.Subject, r.Faulty))
	}
	want := []string{
		"files.create POST 200 9 jane false",
		"files.get GET 200 0 jane false",
		"files.media GET 200 0 jane false",
		"files.list GET 200 0 jane false",
		"files.generateIds GET 200 0 jane false",
		"about.get GET 200 0 jane false",
		"upload.start POST 200 9 jane false",
		"upload.status PUT 308 0 jane false",
		"upload.chunk PUT 200 5 jane false",
		"files.update PATCH 200 2 jane false",
		"files.update PATCH 200 1 jane false",
		"files.delete DELETE 503 0  true",
		"other GET 401 0  false",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	gets := c.srv.Requests(drivetest.OpGet, drivetest.OpList)
	if len(gets) != 2 || gets[0].Query.Get("fields") != "id" || gets[0].Header.Get("X-Custom") != "yes" || gets[0].Path != filesPath+"/"+id {
		t.Errorf("%+v", gets)
	}
}

func TestLogHasNoCredentials(t *testing.T) {
	c := newClient(t, drivetest.Options{}).as("topsecret")
	location := c.start()
	c.ok("PUT", location, "hello")
	c.send("GET", folderPath+"?access_token=topsecret", "")
	_, uploadID, _ := strings.Cut(location, "upload_id=")
	for _, r := range c.srv.Requests() {
		if s := fmt.Sprintf("%+v", r); strings.Contains(s, "topsecret") || strings.Contains(s, uploadID) {
			t.Errorf("the log says %s", s)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	const bound = 10_000
	srv := drivetest.NewServer(drivetest.Options{})
	defer srv.Close()
	for i := range bound + 2 {
		srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprint("/", i), nil))
	}
	log := srv.Requests()
	if len(log) != bound || log[0].Path != "/2" || log[bound-1].Path != "/10001" {
		t.Errorf("%d entries, from %s to %s", len(log), log[0].Path, log[len(log)-1].Path)
	}
}

func TestLogIsACopy(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	c.ok("GET", folderPath+"?fields=id", "")
	r := c.srv.Requests()[0]
	r.Header.Set("User-Agent", "changed")
	r.Query.Set("fields", "changed")
	if again := c.srv.Requests()[0]; again.Header.Get("User-Agent") == "changed" || again.Query.Get("fields") == "changed" {
		t.Error("a caller can change the log")
	}
}
