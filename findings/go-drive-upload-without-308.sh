#!/usr/bin/env bash
# Google's Go client for Drive uploads by another protocol than the one that Drive documents.
#
# Drive's guide sends the chunks of a resumable upload by PUT, and answers 308 for more. drive/v3 sends
# them by POST with "X-GUploader-No-308: yes", and takes a 200 with "X-Http-Status-Code-Override: 308"
# for more; the documented 308 is an error to it, and the upload fails after its first chunk.
# A fake, a proxy or a gateway in front of Drive that speaks the documented protocol alone works with
# curl and with the clients in other languages, and not with Go's.
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
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	gdrive "google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

func main() {
	const chunk = 256 << 10
	documented := false
	drive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch {
		case r.URL.Path != "/session":
			w.Header().Set("Location", "http://"+r.Host+"/session")
		case r.Header.Get("Content-Range") == fmt.Sprintf("bytes %d-%d/%d", chunk, chunk, chunk+1):
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"id":"1"}`)
		default:
			fmt.Printf("%s, X-GUploader-No-308: %s\n", r.Method, r.Header.Get("X-GUploader-No-308"))
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", chunk-1))
			if documented {
				w.WriteHeader(http.StatusPermanentRedirect)
				return
			}
			w.Header().Set("X-Http-Status-Code-Override", "308")
		}
	}))
	defer drive.Close()
	service, err := gdrive.NewService(context.Background(), option.WithEndpoint(drive.URL+"/drive/v3/"), option.WithoutAuthentication())
	if err != nil {
		panic(err)
	}
	upload := func() {
		content := bytes.NewReader(make([]byte, chunk+1))
		_, err := service.Files.Create(new(gdrive.File)).Media(content, googleapi.ChunkSize(chunk)).Do()
		fmt.Println("uploaded:", err == nil)
	}
	fmt.Println("200 with the override:")
	upload()
	fmt.Println("308:")
	documented = true
	upload()
}
END
cat >expected <<'END'
200 with the override:
POST, X-GUploader-No-308: yes
uploaded: true
308:
POST, X-GUploader-No-308: yes
uploaded: false
END
go mod tidy >install.log 2>&1 || { cat install.log; exit 1; }
go run . >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
