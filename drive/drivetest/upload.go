package drivetest

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// maxSingleRequest is the limit that Google documents for uploads in one request
// (https://developers.google.com/workspace/drive/api/guides/manage-uploads).
const maxSingleRequest = 5 << 20

// serveUpload serves the three kinds of upload.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	creating := r.PathValue("fileId") == ""
	query := r.URL.Query()
	switch {
	case query.Has("upload_id") && (r.Method == http.MethodPut || r.Method == http.MethodPost):
		op := OpUploadChunk
		if strings.HasPrefix(r.Header.Get("Content-Range"), "bytes */") {
			op = OpUploadStatus
		}
		s.serve(w, r, op, (*call).resume)
	case creating && r.Method != http.MethodPost, !creating && r.Method != http.MethodPatch:
		s.serve(w, r, OpOther, missing)
	case query.Get("uploadType") == "resumable":
		s.serve(w, r, OpUploadStart, (*call).startUpload)
	case creating:
		s.serve(w, r, OpCreate, (*call).upload)
	default:
		s.serve(w, r, OpUpdate, (*call).upload)
	}
}

// upload answers an upload in one request.
func (c *call) upload() (*answer, *apiError) {
	m, err := c.fileMask()
	if err != nil {
		return nil, err
	}
	var body *upload
	switch c.param("uploadType") {
	case "media":
		body, err = c.readMedia()
	case "multipart":
		body, err = c.readMultipart()
	default:
		err = invalid("uploadType", "Invalid Value")
	}
	if err != nil {
		return nil, err
	}
	file, err := c.store(body)
	if err != nil {
		return nil, err
	}
	return c.fileAnswer(file, m), nil
}

// An upload holds the parts of a finished upload.
type upload struct {
	meta        *metadata
	contentType string
	body        []byte
}

// store creates or updates the file of an upload.
func (c *call) store(u *upload) (*stored, *apiError) {
	if c.fileID() == "" {
		return c.insert(u.meta, u.contentType, u.body)
	}
	return c.change(c.fileID(), u.meta, u.contentType, u.body)
}

// writable returns the names of the fields that the metadata of this call may have.
func (c *call) writable() string {
	if c.fileID() == "" {
		return createFields
	}
	return updateFields
}

// readMedia reads a simple upload, whose body is the content.
func (c *call) readMedia() (*upload, *apiError) {
	body, err := c.readContent(c.r.Body)
	if err != nil {
		return nil, err
	}
	return &upload{&metadata{}, c.r.Header.Get("Content-Type"), body}, nil
}

// readContent reads content that comes in a single request.
func (c *call) readContent(r io.Reader) ([]byte, *apiError) {
	if !c.srv.opts.LargeSingleRequests {
		r = io.LimitReader(r, maxSingleRequest+1)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, malformed()
	}
	if len(body) > maxSingleRequest && !c.srv.opts.LargeSingleRequests {
		return nil, fail(http.StatusRequestEntityTooLarge, "uploadTooLarge", "An upload in one request has at most 5 MB; use a resumable upload.")
	}
	return body, nil
}

func malformed() *apiError { return fail(400, "badContent", "Malformed multipart body.") }

// readMultipart reads multipart/related: metadata, then content.
func (c *call) readMultipart() (*upload, *apiError) {
	mediaType, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/related" || params["boundary"] == "" {
		return nil, malformed()
	}
	parts := multipart.NewReader(c.r.Body, params["boundary"])
	meta, refused := readMetadataPart(parts, c.writable())
	if refused != nil {
		return nil, refused
	}
	part, err := parts.NextRawPart()
	if err != nil {
		return nil, malformed()
	}
	var content io.Reader = part
	if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "base64") {
		content = base64.NewDecoder(base64.StdEncoding, part)
	}
	body, refused := c.readContent(content)
	if refused != nil {
		return nil, refused
	}
	if _, err := parts.NextRawPart(); err != io.EOF {
		return nil, malformed()
	}
	return &upload{meta, part.Header.Get("Content-Type"), body}, nil
}

func readMetadataPart(parts *multipart.Reader, writable string) (*metadata, *apiError) {
	part, err := parts.NextRawPart()
	if err != nil || !isJSON(part.Header.Get("Content-Type")) {
		return nil, malformed()
	}
	body, err := io.ReadAll(io.LimitReader(part, maxMetadata+1))
	if err != nil || len(body) > maxMetadata {
		return nil, malformed()
	}
	return parseMetadata(body, writable)
}
