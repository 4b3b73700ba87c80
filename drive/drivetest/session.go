package drivetest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// sessionLife is how long a session can be continued.
	sessionLife = 7 * 24 * time.Hour
	// chunkUnit divides the size of every chunk except the last one.
	chunkUnit = 256 << 10
)

// A session is a resumable upload
// (https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable).
type session struct {
	owner   *user
	granted grants
	path    string
	expires time.Time
	fields  mask

	mu     sync.Mutex // held by the request that sends or asks
	total  int64      // -1 until known
	upload upload     // its body is the content that has arrived
	done   *answer    // to the request that finished the upload; nil before
}

// startUpload opens a session. It fails if the upload is sure to fail.
func (c *call) startUpload() (*answer, *apiError) {
	m, err := c.fileMask()
	if err != nil {
		return nil, err
	}
	meta, err := c.readMetadata(c.writable())
	if err != nil {
		return nil, err
	}
	total, err := c.announcedLength()
	if err != nil {
		return nil, err
	}
	now := c.srv.now()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if c.fileID() == "" {
		err = c.mayInsert(meta, total)
	} else {
		_, err = c.mayChange(c.fileID(), total)
	}
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(c.srv.sessions, func(_ string, s *session) bool { return !now.Before(s.expires) })
	id := randomID(48)
	c.srv.sessions[id] = &session{
		owner: c.user, granted: c.granted, path: c.r.URL.Path, expires: now.Add(sessionLife),
		fields: m, total: total,
		upload: upload{meta: meta, contentType: c.r.Header.Get("X-Upload-Content-Type"), body: []byte{}},
	}
	a := newAnswer(http.StatusOK)
	a.header.Set("Location", c.location(id))
	a.header.Set("X-GUploader-UploadID", id)
	return a, nil
}

func (c *call) announcedLength() (int64, *apiError) {
	text := c.r.Header.Get("X-Upload-Content-Length")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, badRequest("Invalid X-Upload-Content-Length.")
	}
	if n > maxUploadSize {
		return 0, fail(http.StatusRequestEntityTooLarge, "uploadTooLarge", "The upload is too large.")
	}
	return n, nil
}

// location returns the address of a session: the URL of the request, and the ID.
func (c *call) location(id string) string {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	query := url.Values{"uploadType": {"resumable"}, "upload_id": {id}}
	return (&url.URL{Scheme: scheme, Host: c.r.Host, Path: c.r.URL.Path, RawQuery: query.Encode()}).String()
}

// resume takes a chunk, or answers how far the upload is. PUT and POST mean the same.
func (c *call) resume() (*answer, *apiError) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return s.done, nil
	}
	span, err := parseContentRange(c.r.Header.Get("Content-Range"))
	if err != nil {
		return nil, err
	}
	if err := s.agree(span.total); err != nil {
		return nil, err
	}
	if c.op == OpUploadChunk {
		if err := s.receive(c, span); err != nil {
			return nil, err
		}
	}
	if s.total != s.received() {
		return c.incomplete(s), nil
	}
	return c.finish(s)
}

// session returns the session of a request: the one with its upload_id, if that is at
// this path, has not expired, and belongs to the user of the token, if there is one.
func (c *call) session() (*session, *apiError) {
	now := c.srv.now()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	s, ok := c.srv.sessions[c.param("upload_id")]
	if !ok || s.path != c.r.URL.Path || !now.Before(s.expires) || c.user != nil && c.user != s.owner {
		return nil, fail(404, "notFound", "Upload session not found.")
	}
	c.user, c.granted, c.entry.Subject = s.owner, s.granted, s.owner.subject
	return s, nil
}

func (s *session) received() int64 { return int64(len(s.upload.body)) }

// agree sets the length of the upload. Once it is known, it cannot change.
func (s *session) agree(total int64) *apiError {
	if total < 0 || total == s.total {
		return nil
	}
	if s.total >= 0 || total < s.received() {
		return badRequest("Invalid request. The length of the upload does not agree with what was said before.")
	}
	s.total = total
	return nil
}

// receive takes the bytes of a chunk that have not arrived before. A client sends a
// chunk again if the answer was lost.
func (s *session) receive(c *call, span span) *apiError {
	if err := s.accepts(span); err != nil {
		return err
	}
	before := s.received()
	if !span.whole() {
		io.CopyN(io.Discard, c.r.Body, before-span.start)
	}
	n, err := s.append(c.r.Body, c.r.ContentLength)
	switch {
	case err != nil:
		s.keep(before, n)
		return badRequest("Invalid request. The body ended early.")
	case span.whole() && s.agree(n) != nil, !span.whole() && s.received() != max(before, span.end):
		s.keep(before, 0)
		return badRequest("Invalid request. The body is not as long as was said.")
	case c.keep > 0 && c.keep < n:
		s.keep(before, c.keep)
	}
	return nil
}

// append reads a body of about size bytes to its end.
func (s *session) append(r io.Reader, size int64) (int64, error) {
	buf := bytes.NewBuffer(s.upload.body)
	buf.Grow(bytes.MinRead + int(min(max(size, 0), 64<<20)))
	n, err := buf.ReadFrom(r)
	s.upload.body = buf.Bytes()
	return n, err
}

// keep drops the bytes after the first before+n, rounded down to whole units of the n.
func (s *session) keep(before, n int64) {
	s.upload.body = s.upload.body[:before+n/chunkUnit*chunkUnit]
}

// accepts returns an error if the session does not take a chunk, by its Content-Range.
func (s *session) accepts(span span) *apiError {
	switch {
	case span.whole():
		if s.received() > 0 {
			return badRequest("Invalid request. A Content-Range is needed to continue an upload.")
		}
	case span.start > s.received():
		return badRequest("Invalid request. There is a gap before this chunk.")
	case s.total >= 0 && span.end > s.total:
		return badRequest("Invalid request. The chunk goes beyond the end.")
	case span.end != s.total && (span.start%chunkUnit != 0 || span.end%chunkUnit != 0):
		return badRequest("Invalid request. A chunk must begin and end at a multiple of 256 KiB, except that the last one may end anywhere.")
	}
	return nil
}

// incomplete answers how far the upload is, in the dialect of the request.
func (c *call) incomplete(s *session) *answer {
	a := newAnswer(http.StatusPermanentRedirect) // 308, which Google calls Resume Incomplete
	if c.r.Header.Get("X-GUploader-No-308") == "yes" {
		a.status = http.StatusOK
		a.header.Set("X-HTTP-Status-Code-Override", "308")
	}
	if n := s.received(); n > 0 {
		a.header.Set("Range", fmt.Sprintf("bytes=0-%d", n-1))
	}
	return a
}

// finish stores the file. An error ends the session.
func (c *call) finish(s *session) (*answer, *apiError) {
	file, err := c.store(&s.upload)
	if err != nil {
		s.done = err.answer()
	} else {
		s.done = c.fileAnswer(file, s.fields)
	}
	s.upload.body = nil
	return s.done, nil
}

// A span is a Content-Range: the bytes [start,end) of total. If there is none, or an
// asterisk in place of the bytes, start is -1. If the total is not known, it is -1.
type span struct{ start, end, total int64 }

// whole reports whether the request has no Content-Range and so the whole content.
func (s span) whole() bool { return s.start < 0 }

func parseContentRange(header string) (span, *apiError) {
	if header == "" {
		return span{-1, -1, -1}, nil
	}
	bad := badRequest("Invalid request. Content-Range is malformed.")
	spec, isBytes := strings.CutPrefix(header, "bytes ")
	positions, length, hasSlash := strings.Cut(spec, "/")
	total := int64(-1)
	if n, err := strconv.ParseUint(length, 10, 62); err == nil {
		total = int64(n)
	} else if length != "*" {
		return span{}, bad
	}
	if !isBytes || !hasSlash {
		return span{}, bad
	}
	if positions == "*" {
		return span{-1, -1, total}, nil
	}
	first, last, _ := strings.Cut(positions, "-")
	from, err1 := strconv.ParseUint(first, 10, 62)
	to, err2 := strconv.ParseUint(last, 10, 62)
	if err1 != nil || err2 != nil || from > to {
		return span{}, bad
	}
	return span{int64(from), int64(to) + 1, total}, nil
}
