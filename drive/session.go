package drive

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// A session is a resumable upload at Drive.
type session struct {
	folder *AppFolder
	url    string
}

// An answer says how far a session has come.
type answer struct {
	file   *File // of the completed upload; nil: there is more to send
	stored int64 // bytes that Drive has
}

// ask asks how much Drive has of the size bytes (-1: not known).
func (s *session) ask(ctx context.Context, size int64) (answer, error) {
	return s.put(ctx, nothing, 0, "bytes */"+total(size))
}

func nothing() io.ReadCloser { return http.NoBody }

// send sends the window of src, from the offset given.
func (s *session) send(ctx context.Context, src *source, from int64) (answer, error) {
	end := src.end()
	if from == end {
		return s.ask(ctx, src.size)
	}
	loan := &loan{src: src, from: from}
	defer loan.end()
	return s.put(ctx, loan.body, end-from, fmt.Sprintf("bytes %d-%d/%s", from, end-1, total(src.size)))
}

// put makes one request of the session. body gives length bytes, as often as it
// is called.
func (s *session) put(ctx context.Context, body func() io.ReadCloser, length int64, contentRange string) (answer, error) {
	header := http.Header{"Content-Range": {contentRange}}
	res, err := s.folder.do(ctx, call{verb: http.MethodPut, url: s.url, header: header, body: body, length: length})
	if err != nil {
		return answer{}, err
	}
	if res.StatusCode == http.StatusPermanentRedirect { // Drive's "resume incomplete"
		res.Body.Close()
		stored, err := storedOf(res.Header.Get("Range"))
		return answer{stored: stored}, err
	}
	file, err := readFile(res)
	return answer{file: file}, err
}

// storedOf reads the Range header of an incomplete upload; without one nothing is
// stored.
func storedOf(header string) (int64, error) {
	if header == "" {
		return 0, nil
	}
	last, ok := strings.CutPrefix(header, "bytes=0-")
	n, err := strconv.ParseInt(last, 10, 63)
	if !ok || err != nil || n < 0 {
		return 0, errBadAnswer
	}
	return n + 1, nil
}

func total(size int64) string {
	if size < 0 {
		return "*"
	}
	return strconv.FormatInt(size, 10)
}
