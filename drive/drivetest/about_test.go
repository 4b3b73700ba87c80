package drivetest_test

import (
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestAbout(t *testing.T) {
	c := newClient(t, drivetest.Options{Quota: 1000})
	c.create("a", "12345")
	r := c.ok("GET", "/drive/v3/about?fields=storageQuota(usage,limit)", "")
	if got := strings.Join(strings.Fields(string(r.body)), ""); got != `{"storageQuota":{"limit":"1000","usage":"5"}}` {
		t.Error(got)
	}
	c.refused(400, "required", "GET", "/drive/v3/about", "")
	c.refused(400, "required", "GET", "/drive/v3/about?fields=", "")
}
