// Package guests finds what client libraries in other languages need to run in
// a test, or skips the test and says what to install.
package guests

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// Environ returns this process's environment for a program that calls a server of the
// test: without proxies, because not every library leaves loopback addresses out of
// them, and with UTF-8 file names, which Java has by the locale only.
func Environ() []string {
	environ := append(os.Environ(), "LC_ALL=C.UTF-8")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		environ = append(environ, name+"=", strings.ToLower(name)+"=")
	}
	return environ
}

// NPM returns a copy of testdata/node with the packages of its
// package-lock.json, which are installed once into the user's cache. It skips the
// test on a machine without npm, or without a way to the packages.
func NPM(tb testing.TB) (dir string) {
	tb.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		needs.Skip(tb, "npm is not installed: apt-get install nodejs npm")
	}
	dir = tb.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
		tb.Fatal(err)
	}
	lockfile, err := os.ReadFile("testdata/node/package-lock.json")
	if err != nil {
		tb.Fatal(err)
	}
	modules := filepath.Join(cacheDir(tb), fmt.Sprintf("node_modules-%x", sha256.Sum256(lockfile)), "node_modules")
	defer Lock(tb, "npm")()
	if _, err := os.Stat(modules); err != nil {
		cmd := exec.CommandContext(tb.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
		cmd.Dir = filepath.Join(cacheDir(tb), "unfinished")
		if err := errors.Join(os.RemoveAll(cmd.Dir), os.CopyFS(cmd.Dir, os.DirFS("testdata/node"))); err != nil {
			tb.Fatal(err)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			needs.Skip(tb, fmt.Sprintf("npm ci in testdata/node: %v\n%s", err, out))
		}
		if err := os.Rename(cmd.Dir, filepath.Dir(modules)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// Java returns a class path with Google's API client for Java, in the version
// that Debian has, and checks that Java can compile.
func Java(tb testing.TB) (classPath string) {
	tb.Helper()
	if _, err := exec.LookPath("javac"); err != nil {
		needs.Skip(tb, "a JDK is not installed: apt-get install default-jdk-headless")
	}
	var jars []string
	for _, name := range []string{
		"google-api-client", "google-oauth-client", "google-http-client", "google-http-client-gson",
		"gson", "guava", "opencensus-api", "opencensus-contrib-http-util", "grpc-context",
		"commons-codec", "commons-logging", "httpclient", "httpcore",
	} {
		jar := "/usr/share/java/" + name + ".jar"
		if _, err := os.Stat(jar); err != nil {
			needs.Skip(tb, jar+" is not installed: apt-get install libgoogle-api-client-java")
		}
		jars = append(jars, jar)
	}
	return strings.Join(jars, ":")
}

// Python returns Debian's own interpreter, which can import the modules of the
// Debian packages.
func Python(tb testing.TB, modules, packages string) (interpreter string) {
	tb.Helper()
	const python = "/usr/bin/python3"
	if err := exec.CommandContext(tb.Context(), python, "-c", "import "+modules).Run(); err != nil {
		needs.Skip(tb, modules+" cannot be imported: apt-get install "+packages)
	}
	return python
}

// Ruby returns Debian's own interpreter, which can load googleauth.
func Ruby(tb testing.TB) (interpreter string) {
	tb.Helper()
	const ruby = "/usr/bin/ruby"
	if err := exec.CommandContext(tb.Context(), ruby, "-e", "require 'googleauth'").Run(); err != nil {
		needs.Skip(tb, "googleauth for Ruby is not installed: apt-get install ruby-googleauth")
	}
	return ruby
}
