package drivetest_test

import (
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestSetQuota(t *testing.T) {
	c := newClient(t, drivetest.Options{Quota: 10})
	id := c.create("a", "0123456789")
	c.refused(403, "storageQuotaExceeded", "PATCH", uploadPath+"/"+id+"?uploadType=media", "0123456789a")
	limit := func() any {
		about := c.ok("GET", "/drive/v3/about?fields=storageQuota", "").json["storageQuota"]
		return about.(map[string]any)["limit"]
	}
	c.srv.SetQuota(11)
	if got := limit(); got != "11" {
		t.Errorf("limit %v", got)
	}
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", "0123456789a")
	c.srv.SetQuota(5)
	c.ok("PATCH", uploadPath+"/"+id+"?uploadType=media", "0123456789") // less than there was
	c.refused(403, "storageQuotaExceeded", "POST", uploadPath+"?uploadType=resumable", `{`+inFolder+`}`, "X-Upload-Content-Length: 1")
	c.srv.SetQuota(0)
	if got := limit(); got != nil {
		t.Errorf("limit %v", got)
	}
	c.create("b", "0123456789")
}

// A quota that shrinks during an upload is checked again at its end.
func TestQuotaShrinksDuringUpload(t *testing.T) {
	c := newClient(t, drivetest.Options{Quota: 2 * unit})
	content := pattern(2 * unit)
	location := c.start("X-Upload-Content-Length: 524288")
	c.expect308(c.send("PUT", location, content[:unit], "Content-Range: bytes 0-262143/524288"), "bytes=0-262143")
	c.srv.SetQuota(2*unit - 1)
	c.refused(403, "storageQuotaExceeded", "PUT", location, content[unit:], "Content-Range: bytes 262144-524287/524288")
}

func TestAdvance(t *testing.T) {
	clock := newClock()
	c := newClient(t, drivetest.Options{Now: clock.Now, RateLimit: 1})
	c.ok("GET", folderPath, "")
	c.refused(403, "userRateLimitExceeded", "GET", folderPath, "")
	c.srv.Advance(time.Minute)
	c.ok("GET", folderPath, "")
	c.srv.Advance(time.Minute)
	created := c.ok("POST", filesPath+"?fields=createdTime", `{`+inFolder+`}`).str("createdTime")
	if want := clock.Now().Add(2 * time.Minute).Format("2006-01-02T15:04:05.000Z"); created != want {
		t.Errorf("created %s, want %s", created, want)
	}
}
