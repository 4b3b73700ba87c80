package drivetest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// download is files.get with alt=media.
func (c *call) download() (*answer, *apiError) {
	file, err := c.find(c.fileID())
	if err != nil {
		return nil, err
	}
	if file.content == nil {
		return nil, fail(403, "fileNotDownloadable", "Only files with binary content can be downloaded. Use Export with Docs Editors files.")
	}
	a := newAnswer(http.StatusOK)
	a.header.Set("Content-Type", file.mimeType)
	a.body = file.content.bytes
	// Without an ETag an If-Range never matches (RFC 9110 section 13.1.5).
	if header := c.r.Header.Get("Range"); header != "" && c.r.Header.Get("If-Range") == "" {
		return a, a.cutTo(header)
	}
	return a, nil
}

// cutTo keeps one range of the body. A Range header of another form is ignored
// (RFC 9110 section 14.2).
func (a *answer) cutTo(header string) *apiError {
	size := int64(len(a.body))
	start, end, ok, satisfiable := parseRange(header, size)
	if !ok {
		return nil
	}
	if !satisfiable {
		return &apiError{status: http.StatusRequestedRangeNotSatisfiable, reason: "requestedRangeNotSatisfiable",
			message: "Request range not satisfiable", location: "Range", locationType: "header"}
	}
	a.status = http.StatusPartialContent
	a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, size))
	a.body = a.body[start:end]
	return nil
}

// parseRange reads bytes=a-b, bytes=a- or bytes=-n, into the half-open range it
// selects of size bytes.
func parseRange(header string, size int64) (start, end int64, ok, satisfiable bool) {
	spec, isBytes := strings.CutPrefix(header, "bytes=")
	first, last, hasDash := strings.Cut(spec, "-")
	if !isBytes || !hasDash {
		return 0, 0, false, false
	}
	from, err1 := strconv.ParseUint(first, 10, 62)
	to, err2 := strconv.ParseUint(last, 10, 62)
	switch {
	case first == "" && err2 == nil: // the last to bytes
		return max(0, size-int64(to)), size, true, to > 0 && size > 0
	case err1 == nil && last == "":
		return int64(from), size, true, int64(from) < size
	case err1 == nil && err2 == nil && from <= to:
		return int64(from), min(int64(to)+1, size), true, int64(from) < size
	}
	return 0, 0, false, false
}
