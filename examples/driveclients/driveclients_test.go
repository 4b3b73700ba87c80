// Package driveclients runs Drive clients that others wrote, unmodified, against
// the fake Drive of drivetest. They were written for Google, so what they send is
// what Drive accepts, and a fake that refuses it is wrong.
package driveclients

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

func TestMain(m *testing.M) { needs.Main(m) }

const unit = 256 << 10 // of which chunks are multiples

func start(t *testing.T, o drivetest.Options) *drivetest.Server {
	t.Helper()
	srv := drivetest.NewServer(o)
	t.Cleanup(srv.Close)
	return srv
}

// pattern is n bytes, no two units of which are alike.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		sum := md5.Sum([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
		b.Write(sum[:])
	}
	return b.String()[:n]
}

func md5Of(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// stored is the content of the only file of a name.
func stored(t *testing.T, srv *drivetest.Server, name string) string {
	t.Helper()
	files := srv.Folder(drivetest.DefaultUser).Files(name)
	if len(files) != 1 {
		t.Fatalf("%d files named %s", len(files), name)
	}
	return string(files[0].Content)
}

// ops are the kinds of requests made so far.
func ops(srv *drivetest.Server) string {
	var list []string
	for _, r := range srv.Requests() {
		list = append(list, string(r.Op))
	}
	return strings.Join(list, " ")
}
