package drive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

const (
	minChunk  = 256 << 10 // Drive takes only multiples of it, except at the end
	maxChunk  = 8 << 20
	someChunk = 1 << 20   // for content of unknown size
	maxSimple = 5_000_000 // Google documents simple uploads up to 5 MB
)

// chunkFor fits the chunk to the content: up to 1 MiB goes in one piece, more in
// about eight.
func chunkFor(size int64) int {
	if size < 0 {
		return someChunk
	}
	fit := max(min(size, someChunk), size/8)
	return int(min(max(roundUp(fit), minChunk), maxChunk))
}

func roundUp(n int64) int64 { return (n + minChunk - 1) / minChunk * minChunk }

// A source is the content of a Put, seen through a window of one chunk, the
// only part of it that is in memory. Every byte of the content goes through the
// checksum once, in order.
type source struct {
	r      io.Reader
	seeker io.Seeker // nil: there is no way back
	origin int64     // where in seeker the content starts
	size   int64     // of the content; -1: not known yet
	chunk  int

	start int64  // where in the content buf starts
	buf   []byte // up to a chunk, and one byte more to see whether it is the last
	eof   bool   // buf reaches the end

	sum    hash.Hash
	summed int64 // how much of the content sum has seen
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

// window is the chunk at start.
func (s *source) window() []byte { return s.buf[:min(len(s.buf), s.chunk)] }

// last reports whether the window reaches the end of the content.
func (s *source) last() bool { return s.eof && len(s.buf) <= s.chunk }

// fill reads on until the window is full or the content ends, and then knows the
// size.
func (s *source) fill() error {
	for !s.eof && len(s.buf) <= s.chunk {
		s.grow()
		n, err := s.r.Read(s.buf[len(s.buf):min(cap(s.buf), s.chunk+1)])
		s.buf = s.buf[:len(s.buf)+n]
		s.add(s.buf[len(s.buf)-n:])
		switch {
		case err == io.EOF:
			s.eof = true
		case err != nil:
			return fmt.Errorf("reading the content: %w", err)
		}
		if err := s.measured(); err != nil {
			return err
		}
	}
	return nil
}

// grow makes room in buf: at once where the size is known, else by doubling.
func (s *source) grow() {
	if len(s.buf) < cap(s.buf) {
		return
	}
	room := max(512, 2*cap(s.buf))
	if s.size >= 0 {
		room = int(min(s.size, maxInt-1)) + 1
	}
	grown := make([]byte, len(s.buf), max(min(room, s.chunk+1), len(s.buf)+1))
	copy(grown, s.buf)
	s.buf = grown
}

const maxInt = int64(^uint(0) >> 1)

// measured compares what has been read with the size.
func (s *source) measured() error {
	read := s.start + int64(len(s.buf))
	switch {
	case s.size < 0 && s.eof:
		s.size = read
	case s.size >= 0 && (read > s.size || s.eof && read < s.size):
		return fmt.Errorf("the content is not of the %d bytes announced", s.size)
	}
	return nil
}

// add takes the newest bytes of buf into the checksum, except those it has seen.
func (s *source) add(p []byte) {
	end := s.start + int64(len(s.buf))
	p = p[int64(len(p))-min(int64(len(p)), max(0, end-s.summed)):]
	s.sum.Write(p)
	s.summed += int64(len(p))
}

var errNoWayBack = errors.New("the reader cannot seek")

// moveTo lets the window start at off, and fills it.
func (s *source) moveTo(off int64) error {
	for end := s.start + int64(len(s.buf)); off > end; end = s.start + int64(len(s.buf)) {
		s.start, s.buf = end, s.buf[:0]
		if err := s.fill(); err != nil {
			return err
		}
		if len(s.buf) == 0 {
			return fmt.Errorf("the content ends before byte %d, where the upload stands", off)
		}
	}
	if off < s.start {
		if err := s.seekTo(off); err != nil {
			return err
		}
	}
	s.buf = s.buf[:copy(s.buf, s.buf[off-s.start:])]
	s.start = off
	return s.fill()
}

func (s *source) seekTo(off int64) error {
	if s.seeker == nil {
		return errNoWayBack
	}
	if _, err := s.seeker.Seek(s.origin+off, io.SeekStart); err != nil {
		return err
	}
	s.start, s.buf, s.eof = off, s.buf[:0], false
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
