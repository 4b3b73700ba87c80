#!/usr/bin/env bash
# Google's Go client for Drive allocates 16 MiB for an upload of two bytes.
#
# Media takes a buffer of the chunk size before it reads the content, and the default chunk is 16 MiB,
# whether or not the reader knows its length. It also sends what fits into that buffer as one request
# of uploadType=multipart, where Drive's guide has that for at most 5 MB: 12 MB that fail at their end
# are to be sent again whole.
# A backend that saves small documents for many users at once passes googleapi.ChunkSize with a size
# that fits; ChunkSize(0) takes no buffer, and cannot resume.
#
# Seen with google.golang.org/api v0.314.0. Needs Go and its module proxy.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOPATH=$dir/gopath GOFLAGS='-mod=mod -modcacherw -trimpath'

cat >go.mod <<'END'
module finding

go 1.26.0

require google.golang.org/api v0.314.0
END
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"

	gdrive "google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

func main() {
	requests := ""
	drive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		requests += " " + r.URL.Query().Get("uploadType")
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"1"}`)
	}))
	defer drive.Close()
	service, err := gdrive.NewService(context.Background(), option.WithEndpoint(drive.URL+"/drive/v3/"), option.WithoutAuthentication())
	if err != nil {
		panic(err)
	}
	// upload returns the mebibytes that an upload allocates.
	upload := func(content string, options ...googleapi.MediaOption) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := service.Files.Create(new(gdrive.File)).Media(strings.NewReader(content), options...).Do(); err != nil {
			panic(err)
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) >> 20
	}
	upload("{}") // opens the connection
	fmt.Println("2 bytes: 16 MiB or more:", upload("{}") >= 16)
	fmt.Println("2 bytes, ChunkSize(256 KiB): 1 MiB or more:", upload("{}", googleapi.ChunkSize(256<<10)) >= 1)
	requests = ""
	upload(strings.Repeat("a", 12<<20))
	fmt.Println("12 MiB:" + requests)
}
END
cat >expected <<'END'
2 bytes: 16 MiB or more: true
2 bytes, ChunkSize(256 KiB): 1 MiB or more: false
12 MiB: multipart
END
go mod tidy >install.log 2>&1 || { cat install.log; exit 1; }
go run . >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
