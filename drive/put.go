package drive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode"
)

// Absent as [PutOptions.IfRevision] refuses to replace a document.
const Absent = "absent"

// PutOptions are the particulars of a Put. The zero value is a plain
// create-or-replace.
type PutOptions struct {
	// ContentType is the media type, as type/subtype and perhaps parameters; empty:
	// by the extension of the name, without parameters, else
	// application/octet-stream.
	ContentType string

	// Size is the number of bytes the reader gives. Zero: as many as it gives; a
	// reader that has a Len or Seek method tells by itself. A reader that gives
	// more or fewer is an error.
	Size int64

	// Properties are merged into [File.Properties]; a key with an empty value is
	// removed. Drive takes 124 bytes of key and value together, and 30 properties.
	Properties map[string]string

	// IfRevision, if set, is the [File.Revision] that the document must have, or
	// [Absent]; else the error is ErrConflict and nothing is written. Empty: the
	// content replaces whatever is there, and after a lost answer also what another
	// writer has stored in the meantime, even if that one had seen this content.
	// Drive has no conditional write: this is a read before the write, and another
	// writer can come between the two. The loser's next IfRevision tells.
	IfRevision string

	// Progress, if set, hears how much Drive has stored, from Put's own goroutine.
	Progress func(Progress)

	// Session, if set, gets the session of a large upload before any content is
	// sent. Whoever keeps it can resume the upload in another process. It is
	// called again if the upload had to start over.
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

// Progress tells how far a transfer has come.
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
func (f *AppFolder) Put(ctx context.Context, name string, r io.Reader, opts PutOptions) (*File, error) {
	file, err := f.put(ctx, name, r, opts)
	return file, failed("put", name, err)
}

// maxRestarts bounds how often one Put begins anew because its session or the
// file it replaces is gone.
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

	target *File   // whose content is replaced; nil: a file is created
	id     string  // of the file that this Put creates; empty: it has created none
	rest   []*File // others of the name
	wrote  *File   // to which content was sent, as it was before that; nil: none was
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
	files, err := p.folder.find(ctx, p.name)
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
	if p.id != "" && statusOf(err) == http.StatusConflict { // the ID is in use: by whom but ourselves?
		file, err = p.claim(ctx)
	}
	if p.target != nil && p.opts.IfRevision != "" && statusOf(err) == http.StatusNotFound {
		return nil, fmt.Errorf("%w: it was deleted", ErrConflict)
	}
	if err != nil {
		return nil, err
	}
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
// or somebody else has replaced, deleted or folded the file meanwhile, which
// stops only a conditional Put.
func (p *put) worthRestart(err error) bool {
	if errors.Is(err, ErrSessionEnded) {
		return true
	}
	gone := p.target != nil && statusOf(err) == http.StatusNotFound
	return p.opts.IfRevision == "" && (gone || errors.Is(err, ErrConflict))
}

// writes is the file that an upload writes, as it is before.
func (p *put) writes() *File {
	if p.target != nil {
		return p.target
	}
	return &File{ID: p.id}
}

// landed reports whether this Put has stored its content in file, which may have
// had the same before, as may a file of somebody else's.
func (p *put) landed(file *File) bool {
	if file == nil || p.wrote == nil || file.ID != p.wrote.ID || file.Revision == p.wrote.Revision {
		return false
	}
	ours, theirs := p.src.sums(file)
	return ours != "" && ours == theirs
}

// fold deletes the other files of the name, for as long as that goes well. The
// document is stored, and wins also if they remain: the next Put tries again.
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

// metadata is what an upload says about the file, beside its content.
func (p *put) metadata() change {
	c := change{MIMEType: p.opts.ContentType}
	c.setProperties(p.opts.Properties)
	if p.target == nil {
		c.ID, c.Name, c.Parents = p.id, p.name, []string{alias}
	}
	return c
}
