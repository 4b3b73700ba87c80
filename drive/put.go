package drive

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Absent as [PutOptions.IfRevision] refuses to replace a document.
const Absent = "absent"

// PutOptions are the particulars of a Put. The zero value is a plain
// create-or-replace.
type PutOptions struct {
	// ContentType is the media type, as type/subtype and perhaps parameters. If empty,
	// it follows from the extension of the name, without parameters, or is
	// application/octet-stream.
	ContentType string

	// Size is the number of bytes that the reader gives. If it gives more or fewer, that
	// is an error. If 0, the Len or Seek method of the reader says it, or else its end.
	Size int64

	// Properties are merged into [File.Properties]; a key with an empty value is
	// removed. Drive takes 124 bytes of key and value together, and 30 properties.
	Properties map[string]string

	// IfRevision, if set, is the [File.Revision] that the document must have, or
	// [Absent]; else the error is ErrConflict and nothing is written. If empty, the
	// content replaces any other, and after a lost answer also the content that another
	// writer has stored since, even if that writer had seen this content. Drive has no
	// conditional write: this is a read before the write, and another writer can come
	// between the two. The next IfRevision of the writer that has lost is ErrConflict.
	IfRevision string

	// Progress, if set, hears how much Drive has stored, from Put's own goroutine.
	Progress func(Progress)

	// Session, if set, gets the session of a large upload before any content is
	// sent. Another process that has it can resume the upload. It is called again if the
	// upload had to start over.
	Session func(*Upload)

	// Resume continues a kept session, from where Drive says it stands. The reader
	// must give the whole content from its beginning: the part that Drive has is
	// read, too, for the checksum. Content type, properties and size are those with
	// which the session began. If it has ended, the upload starts over, or is
	// [ErrSessionEnded]. If it is complete, nothing is sent, and the content is but
	// compared: other content is ErrChecksum, and with IfRevision a document that
	// has changed since is ErrConflict.
	Resume *Upload
}

// Progress says how far a transfer has come.
type Progress struct {
	Done  int64 // bytes; less than before if the transfer had to step back
	Total int64 // bytes; -1: not known
}

// Put stores what r gives as the document called name, and replaces the content
// and content type if there is one. However often an answer gets lost, there is
// one file afterwards.
//
// Content of up to a chunk, and at most 5 MB, goes in one request; more in a
// resumable session, of which a broken connection costs a chunk at most. A reader
// that cannot seek has one chunk of its content in memory, to be sent again. When
// ctx ends the session remains, for a week, for [PutOptions.Resume]. A Read of r
// that blocks is waited for, even when ctx has ended.
//
// An error of r comes back at once, for errors.Is and errors.As to find. Its status is
// that of its method HTTPStatus() int, if it has one. Otherwise io.ErrUnexpectedEOF counts
// as the body of a request that has broken off, a 400. Another server's answer that breaks
// off is the same error: if r is one, wrap its errors in one whose HTTPStatus is 502.
func (f *AppFolder) Put(ctx context.Context, name string, r io.Reader, opts PutOptions) (*File, error) {
	file, err := f.put(ctx, name, r, opts)
	return file, failed("put", name, err)
}

// maxRestarts bounds how often one Put starts over because its session or the file
// that it replaces is gone.
const maxRestarts = 2

func (f *AppFolder) put(ctx context.Context, name string, r io.Reader, opts PutOptions) (*File, error) {
	if opts.ContentType == "" {
		opts.ContentType = contentType(name)
	}
	if err := errors.Join(checkName(name), checkReader(r), opts.check()); err != nil {
		return nil, err
	}
	p := &put{folder: f, name: name, opts: opts, src: newSource(r, opts.Size, f.chunk)}
	for restarts := 0; ; restarts++ {
		file, err := p.run(ctx)
		switch {
		case err == nil:
			return file, nil
		case restarts == maxRestarts || !p.worthRestart(err):
			return nil, err
		}
		if back := p.src.moveTo(0); back != nil {
			return nil, fmt.Errorf("%w; cannot start over: %w", err, back)
		}
		p.opts.Resume = nil
	}
}

func contentType(name string) string {
	t, _, _ := mime.ParseMediaType(mime.TypeByExtension(path.Ext(name)))
	return cmp.Or(t, "application/octet-stream")
}

func checkReader(r io.Reader) error {
	if r == nil {
		return fmt.Errorf("no reader: %w", errInvalid)
	}
	return nil
}

func (o *PutOptions) check() error {
	if !isContentType(o.ContentType) {
		return fmt.Errorf("ContentType: %w", errInvalid)
	}
	if o.Size < 0 {
		return fmt.Errorf("Size: %w", errInvalid)
	}
	return checkProperties(o.Properties)
}

// isContentType takes only what can go into a header as it is. To mime a line
// break is white space.
func isContentType(s string) bool {
	t, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Contains(t, "/") && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, unicode.IsControl)
}

// A put is a Put under way.
type put struct {
	folder *AppFolder
	name   string
	opts   PutOptions
	src    *source

	target *File   // its content is replaced; nil: a file is created
	id     string  // of the file that this Put creates; empty: it has created none
	rest   []*File // others of the name
	wrote  *File   // the file to which content was sent, as it was before; nil: none was
	mark   int     // of the memory, before content was sent; 0: none was
}

func (p *put) run(ctx context.Context) (*File, error) {
	if p.opts.Resume != nil {
		return p.resume(ctx)
	}
	err := p.look(ctx)
	if p.landed(p.target) { // the answer to an earlier attempt of this Put was lost
		return p.finish(ctx, p.target, nil)
	}
	if err != nil {
		return nil, err
	}
	if p.target == nil && p.id == "" {
		if p.id, err = p.folder.newID(ctx); err != nil {
			return nil, err
		}
	}
	file, err := p.send(ctx)
	return p.finish(ctx, file, err)
}

// look finds the files of the name, and compares the winner with IfRevision.
func (p *put) look(ctx context.Context) error {
	p.target, p.rest = nil, nil
	files, err := p.folder.find(ctx, p.name, true)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		p.target, p.rest = files[0], files[1:]
	}
	switch want := p.opts.IfRevision; {
	case want == "", want == Absent && p.target == nil, p.target != nil && p.target.Revision == want:
		return nil
	}
	return ErrConflict
}

func (p *put) send(ctx context.Context) (*File, error) {
	p.mark = p.folder.memory.mark()
	if p.src.size < 0 {
		if err := p.src.fill(); err != nil {
			return nil, err
		}
	}
	if p.src.last() && p.src.size <= maxSimple {
		return p.sendSimple(ctx)
	}
	return p.sendResumable(ctx)
}

// finish judges the outcome of an upload.
func (p *put) finish(ctx context.Context, file *File, err error) (*File, error) {
	if p.id != "" && statusOf(err) == http.StatusConflict { // the ID is in use, most likely by this Put
		file, err = p.claim(ctx)
	}
	if p.target != nil && statusOf(err) == http.StatusNotFound {
		p.folder.memory.forget(p.target.ID)
		if p.opts.IfRevision != "" {
			return nil, fmt.Errorf("%w: it was deleted", ErrConflict)
		}
	}
	if err != nil {
		return nil, err
	}
	p.folder.memory.keep(file, p.mark)
	if err := p.src.compare(file); err != nil {
		return nil, err
	}
	p.progress(file.Size)
	p.fold(ctx)
	return file, nil
}

// claim returns the file that has the ID of this Put, if it has its content, too:
// then the answer to an earlier attempt was lost.
func (p *put) claim(ctx context.Context) (*File, error) {
	file, err := p.folder.get(ctx, p.id)
	switch {
	case statusOf(err) == http.StatusNotFound:
		p.id = "" // used up, and not by us
		return nil, ErrConflict
	case err == nil && !p.landed(file):
		return nil, ErrConflict
	}
	return file, err
}

// worthRestart reports whether another run may succeed: the session has ended,
// or another process has replaced or deleted the file since, which stops only a
// conditional Put.
func (p *put) worthRestart(err error) bool {
	switch {
	case ofContent(err):
		return false
	case errors.Is(err, ErrSessionEnded):
		return true
	}
	gone := p.target != nil && statusOf(err) == http.StatusNotFound
	return p.opts.IfRevision == "" && (gone || errors.Is(err, ErrConflict))
}

// writes returns the file that an upload writes, as it is before.
func (p *put) writes() *File {
	if p.target != nil {
		return p.target
	}
	return &File{ID: p.id}
}

// landed reports whether this Put has stored its content in file, which may have
// had the same before, as may a file of another process.
func (p *put) landed(file *File) bool {
	if file == nil || p.wrote == nil || file.ID != p.wrote.ID || file.Revision == p.wrote.Revision {
		return false
	}
	ours, theirs := p.src.sums(file)
	return ours != "" && ours == theirs
}

// fold deletes the other files of the name, up to the first failure. The document is
// stored and wins even if they remain: the next Put tries again.
func (p *put) fold(ctx context.Context) {
	for _, file := range p.rest {
		if p.folder.fold(ctx, file) != nil {
			return
		}
	}
}

func (p *put) progress(done int64) {
	if p.opts.Progress != nil {
		p.opts.Progress(Progress{Done: done, Total: p.src.size})
	}
}

// metadata returns the part of an upload that is not content.
func (p *put) metadata() change {
	c := change{MIMEType: p.opts.ContentType}
	c.setProperties(p.opts.Properties)
	if p.target == nil {
		c.ID, c.Name, c.Parents = p.id, p.name, []string{alias}
	}
	return c
}

// sendSimple uploads metadata and content, which is all in the window, in one
// multipart/related request
// (https://developers.google.com/workspace/drive/api/guides/manage-uploads#multipart).
func (p *put) sendSimple(ctx context.Context) (*File, error) {
	if err := p.src.fill(); err != nil {
		return nil, err
	}
	body, boundary, err := p.multipart()
	if err != nil {
		return nil, err
	}
	op := opCreate
	if p.target != nil {
		op = opUpdate
	}
	call := p.call(op, "multipart")
	call.setBody("multipart/related; boundary="+boundary, body)
	p.wrote = p.writes()
	repeated := false
	return try(ctx, p.folder, func(ctx context.Context) (*File, error) {
		if repeated {
			if file, err := p.recheck(ctx); file != nil || err != nil {
				return file, err
			}
		}
		repeated = true
		return p.folder.fetchFile(ctx, call)
	})
}

// recheck looks, before content is replaced once more, at what became of the
// attempt before: done, not done (nil), or overtaken by another process, which lets
// a Put without IfRevision start over. A create needs no such look: its ID is good
// for one.
func (p *put) recheck(ctx context.Context) (*File, error) {
	if p.target == nil {
		return nil, nil
	}
	file, err := p.folder.getOnce(ctx, p.target.ID)
	switch {
	case err != nil:
		return nil, err
	case p.landed(file):
		return file, nil
	case file.Revision == p.target.Revision:
		return nil, nil
	}
	return nil, ErrConflict
}

func (p *put) multipart() (body []byte, boundary string, err error) {
	metadata, err := json.Marshal(p.metadata())
	if err != nil {
		return nil, "", err
	}
	boundary = rand.Text()
	var b bytes.Buffer
	b.Grow(len(metadata) + len(p.src.buf) + 512)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n", boundary, metadata)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: %s\r\n\r\n", boundary, p.opts.ContentType)
	b.Write(p.src.buf)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes(), boundary, nil
}

// call returns the first or only call of an upload: a create or an update.
func (p *put) call(op, uploadType string) call {
	verb, path := http.MethodPost, []string{uploads}
	if p.target != nil {
		verb, path = http.MethodPatch, append(path, url.PathEscape(p.target.ID))
	}
	query := fields(fileFields)
	query.Set("uploadType", uploadType)
	return p.folder.newCall(op, verb, query, path...)
}

// uploads is the path of uploads and of their sessions.
const uploads = "upload/drive/v3/files"

// readFile reads an answer that is a file.
func readFile(res *http.Response) (*File, error) {
	var answer *resource
	if err := decode(res, &answer); err != nil {
		return nil, err
	}
	if !answer.isFile() {
		return nil, errBadAnswer
	}
	return answer.file(), nil
}

// idBatch is how many IDs are fetched at once: most creates need no request for one, and
// few are wasted.
const idBatch = 10

// An idPool keeps unused IDs that Drive has generated. Its zero
// value is empty and ready.
type idPool struct {
	mu  sync.Mutex
	ids []string
}

func (p *idPool) take() (id string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.ids) - 1
	if last < 0 {
		return "", false
	}
	id, p.ids = p.ids[last], p.ids[:last]
	return id, true
}

func (p *idPool) add(ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids = append(p.ids, ids...)
}

// newID returns an ID for a file to be created. It is never handed out again, even if the
// create fails: a file may have it although no answer came.
func (f *AppFolder) newID(ctx context.Context) (string, error) {
	if id, ok := f.ids.take(); ok {
		return id, nil
	}
	ids, err := try(ctx, f, f.generateIDs)
	if err != nil {
		return "", err
	}
	f.ids.add(ids[1:])
	return ids[0], nil
}

// generateIDs returns new IDs, at least one.
func (f *AppFolder) generateIDs(ctx context.Context) ([]string, error) {
	var answer struct {
		IDs []string `json:"ids"`
	}
	query := url.Values{"space": {alias}, "type": {"files"}, "count": {strconv.Itoa(idBatch)}, "fields": {"ids"}}
	if err := f.fetch(ctx, f.newCall(opGenerateIDs, http.MethodGet, query, "drive/v3/files/generateIds"), &answer); err != nil {
		return nil, err
	}
	if len(answer.IDs) == 0 || slices.Contains(answer.IDs, "") {
		return nil, errBadAnswer
	}
	return answer.IDs, nil
}
