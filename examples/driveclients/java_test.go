package driveclients

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
)

// google-api-client, Google's own for Java, in the version that Debian has. It
// speaks PUT and 308, compresses what it sends, and has no PATCH.
func TestJava(t *testing.T) {
	jars := guests.Java(t)
	srv := start(t, drivetest.Options{})
	output := run(t, "java", "-cp", jars, "testdata/java/Drive.java", srv.URL)
	want := []string{
		"folder application/vnd.google-apps.folder", "size 786435", "streamed 786435", "same true",
		"update renamed", "metadata again", "listed again", "listed streamed", "gone 404 notFound",
	}
	if output != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", output, strings.Join(want, "\n"))
	}
	for _, header := range []string{"Content-Encoding", "X-Http-Method-Override"} {
		sent := func(r drivetest.Request) bool { return r.Header.Get(header) != "" }
		if !slices.ContainsFunc(srv.Requests(), sent) {
			t.Errorf("no request had %s", header)
		}
	}
}
