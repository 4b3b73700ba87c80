package driveclients

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// google-api-client, Google's own for Java, in the version that Debian has. It
// speaks PUT and 308, compresses what it sends, and has no PATCH.
func TestJava(t *testing.T) {
	var jars []string
	for _, name := range []string{
		"google-api-client", "google-oauth-client", "google-http-client",
		"google-http-client-gson", "gson", "guava", "opencensus-api", "opencensus-contrib-http-util", "grpc-context",
		"commons-codec", "commons-logging", "httpclient", "httpcore",
	} {
		jar := "/usr/share/java/" + name + ".jar"
		if _, err := os.Stat(jar); err != nil {
			t.Skipf("%s is not installed (Debian: libgoogle-api-client-java)", jar)
		}
		jars = append(jars, jar)
	}
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("a JDK is not installed (Debian: default-jdk-headless)")
	}
	srv := start(t, drivetest.Options{})
	output := run(t, "java", "-cp", strings.Join(jars, ":"), "testdata/java/Drive.java", srv.URL)
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
