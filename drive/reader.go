package drive

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
)

// A Reader reads a document from Drive as it goes along. It is an
// io.ReadSeekCloser, fit for http.ServeContent, and an io.ReaderAt.
//
// A download that breaks off is resumed where it was. Content that is read from the
// first byte to the last is compared with Drive's checksum (SHA-256, or MD5 if there is
// no other). If the document was damaged, or replaced while it was being read, the Read
// that comes to its end returns ErrChecksum and no bytes.
//
// Only ReadAt may be called concurrently.
type Reader struct {
	// Progress, if set, hears how much of the document Read has given. It is
	// called from within Read.
	Progress func(Progress)

	ctx    context.Context // of Open: io.Reader has no place for one
	folder *AppFolder
	file   *File
	offset int64   // of the next Read
	stream *stream // nil, or the download that an earlier Read began
	sum    hash.Hash
	summed int64 // how far sum has come from the first byte on
	closed bool
}

// Open opens the document called name for reading. Where there is none the error
// is fs.ErrNotExist. The content is asked for by the first Read. When ctx ends,
// reading ends.
func (f *AppFolder) Open(ctx context.Context, name string) (*Reader, error) {
	file, err := f.stat(ctx, name)
	if err != nil {
		return nil, failed("open", name, err)
	}
	return f.reader(ctx, file), nil
}

// OpenFile opens a file that [AppFolder.Files] or another method has returned, without
// looking for it again. If it has been replaced since, reading it ends with
// [ErrChecksum], and if it has been deleted, with fs.ErrNotExist.
func (f *AppFolder) OpenFile(ctx context.Context, file *File) (*Reader, error) {
	if err := file.check(); err != nil {
		return nil, failed("open", "", err)
	}
	return f.reader(ctx, file.copied()), nil
}

func (f *AppFolder) reader(ctx context.Context, file *File) *Reader {
	r := &Reader{ctx: ctx, folder: f, file: file, sum: sha256.New()}
	if file.SHA256 == "" {
		r.sum = md5.New()
	}
	return r
}

// File returns the document as it was known when it was opened.
func (r *Reader) File() *File { return r.file }

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	switch {
	case r.closed:
		return 0, r.failed(fs.ErrClosed)
	case r.offset >= r.file.Size:
		return 0, r.verify()
	case len(p) == 0:
		return 0, nil
	}
	if r.stream == nil || r.stream.at != r.offset {
		r.drop()
		r.stream = r.open(r.offset, r.file.Size)
	}
	n, err := r.stream.Read(p)
	if err != nil {
		return 0, r.failed(err)
	}
	if r.offset == r.summed {
		r.sum.Write(p[:n])
		r.summed += int64(n)
	}
	r.offset += int64(n)
	if r.offset == r.file.Size { // now: http.ServeContent and io.CopyN read no further
		if err := r.verify(); err != io.EOF {
			return 0, err
		}
	}
	if r.Progress != nil {
		r.Progress(Progress{Done: r.offset, Total: r.file.Size})
	}
	return n, nil
}

// WriteTo implements io.WriterTo, for io.Copy. It reads larger pieces than most writers
// ask for.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 128<<10))
}

// verify compares the checksums, if all of the content has been seen.
func (r *Reader) verify() error {
	want := r.file.SHA256
	if want == "" {
		want = r.file.MD5
	}
	if r.summed == r.file.Size && want != "" && hex.EncodeToString(r.sum.Sum(nil)) != want {
		r.folder.memory.doubt(r.file)
		return r.failed(ErrChecksum)
	}
	return io.EOF
}

// Seek implements io.Seeker. It makes no request.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	if r.closed {
		return 0, r.failed(fs.ErrClosed)
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.file.Size
	default:
		return 0, r.failed(errInvalid)
	}
	if offset < 0 {
		return 0, r.failed(errInvalid)
	}
	if offset == 0 {
		r.sum.Reset()
		r.summed = 0
	}
	r.offset = offset
	return offset, nil
}

// ReadAt implements io.ReaderAt, by a request of its own for just these bytes.
// No checksum covers them.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case r.closed:
		return 0, r.failed(fs.ErrClosed)
	case off < 0:
		return 0, r.failed(errInvalid)
	case off >= r.file.Size:
		return 0, io.EOF
	}
	until := min(off+int64(len(p)), r.file.Size)
	part := r.open(off, until)
	defer part.Close()
	n, err := io.ReadFull(part, p[:until-off])
	switch {
	case err != nil:
		return n, r.failed(err)
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

// Close ends reading: later calls return fs.ErrClosed. It never fails.
func (r *Reader) Close() error {
	r.drop()
	r.closed = true
	return nil
}

func (r *Reader) open(from, until int64) *stream {
	return &stream{ctx: r.ctx, folder: r.folder, file: r.file, at: from, until: until}
}

func (r *Reader) drop() {
	if r.stream != nil {
		r.stream.Close()
		r.stream = nil
	}
}

// failed returns an error that is not io.EOF: a connection that has closed is not the
// end of the document.
func (r *Reader) failed(err error) error {
	return failed("read", r.file.Name, &masked{err, []error{io.EOF}})
}

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
		switch {
		case n > 0:
			return n, nil
		case err == io.EOF: // the answer is empty, but whole for net/http
			err = &bodyError{io.ErrUnexpectedEOF}
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
	call := call{op: opMedia, verb: http.MethodGet, url: at.String(), header: make(http.Header)}
	call.header.Set("Accept-Encoding", "identity") // the checksum and the range are those of the plain bytes
	part := s.at > 0 || s.until < s.file.Size
	if part {
		call.header.Set("Range", fmt.Sprintf("bytes=%d-%d", s.at, s.until-1))
	}
	res, err := s.folder.do(ctx, call)
	switch statusOf(err) {
	case http.StatusRequestedRangeNotSatisfiable:
		s.folder.memory.doubt(s.file)
		return ErrChecksum
	case http.StatusNotFound:
		s.folder.memory.forget(s.file.ID)
	}
	if err != nil {
		return err
	}
	if encoding := res.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		res.Body.Close() // a proxy has done that; neither range nor checksum are of these bytes
		return errEncoded
	}
	if !s.answers(res, part) {
		res.Body.Close()
		s.folder.memory.doubt(s.file)
		return ErrChecksum
	}
	s.body = res.Body
	return nil
}

// answers reports whether res has the bytes that were asked for, of a file that still has
// its size.
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
