package drive

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	gdrive "google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
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
	p.wrote = p.writes()
	repeated := false
	return try(ctx, func(ctx context.Context) (*File, error) {
		if repeated {
			if file, err := p.recheck(ctx); file != nil || err != nil {
				return file, err
			}
		}
		repeated = true
		req, err := p.request(ctx, "multipart", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "multipart/related; boundary="+boundary)
		res, err := p.folder.do(req)
		if err != nil {
			return nil, err
		}
		return readFile(res)
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
	file, err := fileOf(p.folder.files.Get(p.target.ID).Fields(fileFields).Context(ctx).Do())
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

// request makes the first or only request of an upload: a create or an update.
func (p *put) request(ctx context.Context, uploadType string, body io.Reader) (*http.Request, error) {
	method, at := http.MethodPost, uploadsAt(p.folder.endpoint)
	if p.target != nil {
		method, at = http.MethodPatch, at.JoinPath(p.target.ID)
	}
	at.RawQuery = url.Values{
		"uploadType":  {uploadType},
		"fields":      {string(fileFields)},
		"prettyPrint": {"false"},
	}.Encode()
	return http.NewRequestWithContext(ctx, method, at.String(), body)
}

// uploadsAt is where uploads and their sessions have their addresses.
func uploadsAt(endpoint *url.URL) *url.URL { return endpoint.JoinPath("upload/drive/v3/files") }

// do sends req. An answer that is not a success is an error, its body closed.
func (f *AppFolder) do(req *http.Request) (*http.Response, error) {
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	return res, checkResponse(res)
}

// checkResponse closes the body of an answer that is not a success.
func checkResponse(res *http.Response) error {
	err := googleapi.CheckResponse(res)
	if err != nil {
		res.Body.Close()
	}
	return err
}

func readFile(res *http.Response) (*File, error) {
	defer res.Body.Close()
	file := new(gdrive.File)
	if err := json.NewDecoder(res.Body).Decode(file); err != nil {
		return nil, err
	}
	return fileOf(file, nil)
}
