package clients

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// google-api-client and google-oauth-client, Google's own for Java, in the
// versions that Debian has.
func TestJava(t *testing.T) {
	var jars []string
	for _, name := range []string{
		"google-api-client", "google-oauth-client", "google-http-client", "google-http-client-gson",
		"gson", "guava", "opencensus-api", "opencensus-contrib-http-util", "grpc-context",
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
	srv := start(t, exchangetest.Options{})
	run(t, srv, exec.CommandContext(t.Context(), "java", "-cp", strings.Join(jars, ":"), "testdata/java/Guest.java"))
}
