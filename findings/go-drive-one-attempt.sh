#!/usr/bin/env bash
# Google's Go client for Drive does not repeat a call that Drive answers with 503.
#
# Drive's guide has clients repeat 403 rate limits, 429 and 5xx with growing pauses, and the module has
# code for that. Of drive/v3 only the chunks of a resumable upload use it: files.list, files.get,
# files.create and also the request that begins an upload fail at the first 503.
# A backend that uses drive/v3 needs its own retries around each call, and an ID from generateIds if
# it is to repeat a create.
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
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	gdrive "google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

func main() {
	requests, failing := 0, 1 // the request that is answered with 503
	drive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		requests++
		w.Header().Set("Content-Type", "application/json")
		switch {
		case requests == failing:
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"error":{"code":503,"message":"The service is currently unavailable.","errors":[{"reason":"backendError"}]}}`)
		case r.URL.Query().Get("uploadType") == "resumable":
			w.Header().Set("Location", "http://"+r.Host+"/session")
		default:
			io.WriteString(w, `{"id":"1"}`)
		}
	}))
	defer drive.Close()
	service, err := gdrive.NewService(context.Background(), option.WithEndpoint(drive.URL+"/drive/v3/"), option.WithoutAuthentication())
	if err != nil {
		panic(err)
	}
	report := func(name string, err error) {
		status := http.StatusOK
		if e, ok := errors.AsType[*googleapi.Error](err); ok {
			status = e.Code
		} else if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %d requests, status %d\n", name, requests, status)
		requests = 0
	}

	_, err = service.Files.List().Do()
	report("files.list", err)
	_, err = service.Files.Get("1").Do()
	report("files.get", err)
	_, err = service.Files.Create(&gdrive.File{Id: "1"}).Do()
	report("files.create", err)
	file := bytes.Repeat([]byte("a"), 300<<10)
	upload := func() error {
		_, err := service.Files.Create(&gdrive.File{Id: "1"}).Media(bytes.NewReader(file), googleapi.ChunkSize(512<<10)).Do()
		return err
	}
	report("upload in one request", upload())
	file = bytes.Repeat([]byte("a"), 512<<10+1)
	report("upload by a session, beginning", upload())
	failing = 2
	report("upload by a session, first chunk", upload())
}
END
cat >expected <<'END'
files.list: 1 requests, status 503
files.get: 1 requests, status 503
files.create: 1 requests, status 503
upload in one request: 1 requests, status 503
upload by a session, beginning: 1 requests, status 503
upload by a session, first chunk: 3 requests, status 200
END
go mod tidy >install.log 2>&1 || { cat install.log; exit 1; }
go run . >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
