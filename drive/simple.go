package drive

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

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
	call := p.call("multipart")
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
// attempt before: done, not done (nil), or overtaken by somebody else, which lets
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
func (p *put) call(uploadType string) call {
	verb, path := http.MethodPost, []string{uploads}
	if p.target != nil {
		verb, path = http.MethodPatch, append(path, url.PathEscape(p.target.ID))
	}
	query := fields(fileFields)
	query.Set("uploadType", uploadType)
	return p.folder.newCall(verb, query, path...)
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
