package drive

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"
)

const (
	minChunk  = 256 << 10 // Drive takes only multiples of it, except at the end
	maxChunk  = 8 << 20
	someChunk = 1 << 20   // for content of unknown size
	maxSimple = 5_000_000 // Google documents simple uploads up to 5 MB
	piece     = 64 << 10  // is read at once: small enough to stay in the processor's cache
)

// chunkFor fits the chunk to the content: up to 1 MiB goes in one piece, more in
// about four.
func chunkFor(size int64) int {
	if size < 0 {
		return someChunk
	}
	fit := max(min(size, someChunk), size/4)
	return int(min(max(roundUp(fit), minChunk), maxChunk))
}

func roundUp(n int64) int64 { return (n + minChunk - 1) / minChunk * minChunk }

// A source is the content of a Put. It is sent in chunks, and one chunk at a time is
// its window. These things hold between its methods:
//
//   - The reader stands at pos, and buf holds the bytes just before pos. If the
//     content is read straight from a reader that can seek, buf is empty.
//   - The window starts at offset at, and moves as far as Drive has stored the content:
//     forwards, or backwards if the reader can seek.
//   - Every byte is hashed once, in order: those up to summed have been.
//   - The last byte of the content is given out only after the reader has reported its
//     end, so that Drive never completes content that is longer than announced.
//   - If size is known, the window is read while it is sent, else before.
type source struct {
	r      io.Reader
	seeker io.Seeker // nil: r cannot go back
	origin int64     // where in seeker the content starts
	size   int64     // of the content; -1: not known yet
	chunk  int

	at  int64
	buf []byte // at most a chunk, and one byte that shows whether it is the last chunk
	pos int64
	eof bool // the reader has reported its end

	sum    hash.Hash
	summed int64

	mu sync.Mutex // held while a request body reads
}

func newSource(r io.Reader, size int64, chunk int) *source {
	s := &source{r: r, size: -1, chunk: chunk, sum: sha256.New()}
	s.measure()
	if size > 0 {
		s.size = size
	}
	if s.chunk == 0 {
		s.chunk = chunkFor(s.size)
	}
	return s
}

// measure finds out whether the reader can go back and how long it is.
func (s *source) measure() {
	if sized, ok := s.r.(interface{ Len() int }); ok {
		s.size = int64(sized.Len())
	}
	seeker, ok := s.r.(io.Seeker)
	if !ok {
		return
	}
	origin, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return // a pipe
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if _, back := seeker.Seek(origin, io.SeekStart); err != nil || back != nil {
		return
	}
	s.seeker, s.origin, s.size = seeker, origin, max(0, end-origin)
}

// end is where the window ends. While the size is not known, the window has to be
// filled first.
func (s *source) end() int64 {
	end := s.at + int64(s.chunk)
	if s.size >= 0 {
		return min(end, s.size)
	}
	return end
}

// last reports whether the window reaches the end of the content.
func (s *source) last() bool { return s.end() == s.size }

// fill reads the window, and then knows whether it is the last.
func (s *source) fill() error {
	for !s.eof && len(s.buf) <= s.chunk {
		if err := s.bufferMore(); err != nil {
			return err
		}
	}
	return nil
}

// bufferMore reads a piece into buf.
func (s *source) bufferMore() error {
	s.grow()
	n, err := s.read(s.buf[len(s.buf):min(cap(s.buf), s.chunk+1, len(s.buf)+piece)])
	s.buf = s.buf[:len(s.buf)+n]
	return err
}

// read reads into p and hashes the bytes that were not hashed before.
func (s *source) read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.pos += int64(n)
	if fresh := s.pos - s.summed; fresh > 0 {
		s.sum.Write(p[int64(n)-fresh : n])
		s.summed = s.pos
	}
	if err != nil && err != io.EOF {
		return n, &contentError{err}
	}
	s.eof = err == io.EOF
	switch {
	case s.size < 0 && s.eof:
		s.size = s.pos
	case s.size >= 0 && (s.pos > s.size || s.eof && s.pos < s.size):
		return n, &contentError{fmt.Errorf("it is not of the %d bytes announced", s.size)}
	}
	return n, nil
}

// grow makes room in buf: at once for all that it will hold if that is known,
// else by doubling.
func (s *source) grow() {
	if len(s.buf) < cap(s.buf) {
		return
	}
	room := max(512, 2*cap(s.buf))
	switch {
	case s.readsStraight():
		room = max(room, piece+1)
	case s.size >= 0:
		room = int(min(s.size, int64(s.chunk))) + 1
	}
	grown := make([]byte, len(s.buf), min(room, s.chunk+1))
	copy(grown, s.buf)
	s.buf = grown
}

// readsStraight reports whether the content need not be kept in memory to be sent
// again.
func (s *source) readsStraight() bool { return s.seeker != nil && s.size > int64(s.chunk) }

// bufAt is where buf starts.
func (s *source) bufAt() int64 { return s.pos - int64(len(s.buf)) }

// copyAt copies content from off on, which is in the window, and reads it first
// if it is not in memory.
func (s *source) copyAt(p []byte, off int64) (int, error) {
	if off < s.bufAt() {
		if err := s.seekTo(off); err != nil {
			return 0, err
		}
	}
	if off == s.pos && s.readsStraight() {
		return s.readStraight(p)
	}
	for s.pos <= off || s.pos == s.size && !s.eof {
		if err := s.bufferMore(); err != nil {
			return 0, err
		}
	}
	return copy(p, s.buf[off-s.bufAt():]), nil
}

// readStraight reads into p without keeping the bytes.
func (s *source) readStraight(p []byte) (int, error) {
	s.buf = s.buf[:0]
	n, err := s.read(p)
	if err == nil && s.pos == s.size {
		err = s.expectEnd()
	}
	if err != nil {
		return 0, err // with the last byte Drive would have all that it waits for
	}
	return n, nil
}

func (s *source) expectEnd() error {
	beyond := make([]byte, 1)
	for !s.eof {
		if _, err := s.read(beyond); err != nil {
			return err
		}
	}
	return nil
}

var errNoWayBack = errors.New("the reader cannot seek")

// moveTo lets the window start at off.
func (s *source) moveTo(off int64) error {
	if off < s.bufAt() {
		if err := s.seekTo(off); err != nil {
			return err
		}
	}
	for s.pos < off {
		s.buf = s.buf[:0]
		if s.eof {
			return &contentError{fmt.Errorf("it ends before byte %d, where the upload stands", off)}
		}
		if err := s.bufferMore(); err != nil {
			return err
		}
	}
	s.buf = s.buf[:copy(s.buf, s.buf[off-s.bufAt():])]
	s.at = off
	return nil
}

func (s *source) seekTo(off int64) error {
	if s.seeker == nil {
		return errNoWayBack
	}
	if _, err := s.seeker.Seek(s.origin+off, io.SeekStart); err != nil {
		return &contentError{err}
	}
	s.pos, s.buf, s.eof = off, s.buf[:0], false
	return nil
}

// sha256 is the checksum of the whole content, in hex; empty until all of it has
// been read.
func (s *source) sha256() string {
	if s.size < 0 || s.summed != s.size {
		return ""
	}
	return hex.EncodeToString(s.sum.Sum(nil))
}

// sums are the checksums of the content and of file that can be compared: SHA-256,
// or MD5 where Drive has no other and the content is in memory. Empty: not known.
func (s *source) sums(file *File) (ours, theirs string) {
	switch ours = s.sha256(); {
	case ours == "" || file.SHA256 != "":
		return ours, file.SHA256
	case int64(len(s.buf)) < s.size:
		return "", file.MD5
	}
	return fmt.Sprintf("%x", md5.Sum(s.buf)), file.MD5
}

// compare refuses a file that has another checksum, as far as both are known.
func (s *source) compare(file *File) error {
	if ours, theirs := s.sums(file); ours != "" && theirs != "" && ours != theirs {
		return ErrChecksum
	}
	return nil
}

// finish reads the rest of the content, and compares all of it with file.
func (s *source) finish(file *File) error {
	if err := s.moveTo(file.Size); err != nil {
		return err
	}
	if err := s.fill(); err != nil {
		return err
	}
	if s.size != file.Size {
		return ErrChecksum
	}
	return s.compare(file)
}

// contentError is the fault of the caller's reader, not of the connection over
// which its content was to go.
type contentError struct{ err error }

func (e *contentError) Error() string { return fmt.Sprintf("content: %v", e.err) }
func (e *contentError) Unwrap() error { return e.err }

// ofContent reports whether err is a fault of the caller's reader. If that is a [Reader],
// a refusal in it is about the document that it reads, not about the one that is put.
func ofContent(err error) bool {
	_, ok := errors.AsType[*contentError](err)
	return ok
}

// HTTPStatus is the status of the reader's error, if it has one, as that of a [Reader]
// has. It is 413 if the caller's limit of a request body is exceeded, and 400 if a
// request body has broken off.
func (e *contentError) HTTPStatus() int {
	var own interface{ HTTPStatus() int }
	if errors.As(e.err, &own) {
		return own.HTTPStatus()
	}
	if _, limited := errors.AsType[*http.MaxBytesError](e.err); limited {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(e.err, io.ErrUnexpectedEOF) {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// A chunkBody makes the bodies of one request, from an offset of the window on. An
// HTTP transport may go on reading a body after it has returned. Once the chunkBody has
// ended its bodies are empty, and the window can move.
type chunkBody struct {
	src   *source
	from  int64
	ended bool
}

func (c *chunkBody) end() {
	c.src.mu.Lock()
	defer c.src.mu.Unlock()
	c.ended = true
}

// open returns a body from its beginning: the transport may want several.
func (c *chunkBody) open() io.ReadCloser { return &chunkReader{chunkBody: c, off: c.from} }

type chunkReader struct {
	*chunkBody
	off int64
}

func (r *chunkReader) Read(p []byte) (int, error) {
	r.src.mu.Lock()
	defer r.src.mu.Unlock()
	if r.ended { // first: the window may have moved
		return 0, io.EOF
	}
	left := r.src.end() - r.off
	if left == 0 {
		return 0, io.EOF
	}
	n, err := r.src.copyAt(p[:min(int64(len(p)), left)], r.off)
	r.off += int64(n)
	return n, err
}

func (r *chunkReader) Close() error { return nil }
