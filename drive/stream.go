package drive

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A stream gives a part of a file's content, and asks for the remainder of it
// when the connection breaks.
type stream struct {
	ctx       context.Context
	folder    *AppFolder
	file      *File
	at, until int64
	body      io.ReadCloser // nil, or the content from at on
}

// Read gives at least one byte until the part is complete.
func (s *stream) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), s.until-s.at)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := s.next(p)
	s.at += int64(n)
	return n, err
}

func (s *stream) next(p []byte) (int, error) {
	if s.body != nil {
		if n, _ := io.ReadAtLeast(s.body, p, 1); n > 0 {
			return n, nil
		}
	}
	return try(s.ctx, s.folder, func(ctx context.Context) (int, error) {
		s.Close()
		if err := s.ask(ctx); err != nil {
			return 0, err
		}
		n, err := io.ReadAtLeast(s.body, p, 1)
		if n > 0 {
			return n, nil
		}
		return 0, err
	})
}

func (s *stream) Close() {
	if s.body != nil {
		s.body.Close()
		s.body = nil
	}
}

// ask requests the content from at on.
func (s *stream) ask(ctx context.Context) error {
	at := s.folder.endpoint.JoinPath("drive/v3/files", url.PathEscape(s.file.ID))
	at.RawQuery = "alt=media"
	call := call{verb: http.MethodGet, url: at.String(), header: make(http.Header)}
	call.header.Set("Accept-Encoding", "identity") // the checksum and the range are those of the plain bytes
	part := s.at > 0 || s.until < s.file.Size
	if part {
		call.header.Set("Range", fmt.Sprintf("bytes=%d-%d", s.at, s.until-1))
	}
	res, err := s.folder.do(ctx, call)
	if statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return ErrChecksum
	}
	if err != nil {
		return err
	}
	if !s.answers(res, part) {
		res.Body.Close()
		return ErrChecksum
	}
	s.body = res.Body
	return nil
}

// answers reports whether res is what was asked for, of a file that still has its
// size.
func (s *stream) answers(res *http.Response, part bool) bool {
	if part {
		from, _, _ := strings.Cut(res.Header.Get("Content-Range"), "-")
		_, size, _ := strings.Cut(res.Header.Get("Content-Range"), "/")
		return res.StatusCode == http.StatusPartialContent &&
			from == fmt.Sprintf("bytes %d", s.at) &&
			(size == "*" || size == fmt.Sprint(s.file.Size))
	}
	return res.ContentLength < 0 || res.ContentLength == s.file.Size
}
