package drivetest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// resolve returns the file with an ID, or the folder for its alias. The caller holds
// srv.mu.
func (c *call) resolve(id string) (*stored, *apiError) {
	if id == "appDataFolder" || id == "appfolder" && c.srv.opts.LegacyAlias {
		if !c.granted.appData() {
			return nil, wrongSpace()
		}
		return c.user.folder(), nil
	}
	if !c.granted.appData() {
		return nil, notFound(id) // without the scope, the token does not see it
	}
	if id == c.user.folderID {
		return c.user.folder(), nil
	}
	if file, ok := c.user.files[id]; ok {
		return file, nil
	}
	return nil, notFound(id)
}

// find calls resolve with srv.mu held.
func (c *call) find(id string) (*stored, *apiError) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	return c.resolve(id)
}

func (c *call) fileID() string { return c.r.PathValue("fileId") }

// fileMask returns the fields parameter of a method whose answer is a file.
func (c *call) fileMask() (mask, *apiError) {
	return c.mask(defaultFields, fileShape)
}

func (c *call) mask(defaults string, of shape) (mask, *apiError) {
	return parseMask(orElse(c.param("fields"), defaults), of) // an empty one, which rclone sends with a delete, is none
}

// fileAnswer answers with the fields of a file that a mask selects.
func (c *call) fileAnswer(file *stored, m mask) *answer {
	a := jsonAnswer(http.StatusOK, c.view(file).render(m), c.pretty())
	if c.srv.opts.ETags {
		a.header.Set("ETag", file.etag())
	}
	return a
}

func (c *call) view(file *stored) *view {
	return &view{stored: file, u: c.user, alias: c.srv.opts.AliasParents}
}

func (s *stored) etag() string { return `"` + strconv.FormatInt(s.version, 10) + `"` }

func (c *call) get() (*answer, *apiError) {
	m, err := c.fileMask()
	if err != nil {
		return nil, err
	}
	file, err := c.find(c.fileID())
	if err != nil {
		return nil, err
	}
	return c.fileAnswer(file, m), nil
}

func (c *call) delete() (*answer, *apiError) {
	now := c.srv.now()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	file, err := c.changeable(c.fileID())
	if err != nil {
		return nil, err
	}
	delete(c.user.files, file.id)
	c.remember(file, nil, now)
	return newAnswer(http.StatusNoContent), nil
}

// changeable returns a file that the request may change. That excludes the folder
// itself and, with Options.ETags, a file in another state than If-Match says.
func (c *call) changeable(id string) (*stored, *apiError) {
	file, err := c.resolve(id)
	if err != nil {
		return nil, err
	}
	if file.content == nil {
		return nil, fail(403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file.")
	}
	if match := c.r.Header.Get("If-Match"); c.srv.opts.ETags && match != "" && match != "*" && match != file.etag() {
		return nil, &apiError{status: 412, reason: "conditionNotMet", message: "Precondition Failed",
			location: "If-Match", locationType: "header"}
	}
	return file, nil
}

// create answers files.create without content.
func (c *call) create() (*answer, *apiError) {
	m, err := c.fileMask()
	if err != nil {
		return nil, err
	}
	meta, err := c.readMetadata(createFields)
	if err != nil {
		return nil, err
	}
	file, err := c.insert(meta, "", []byte{})
	if err != nil {
		return nil, err
	}
	return c.fileAnswer(file, m), nil
}

// update answers files.update without content.
func (c *call) update() (*answer, *apiError) {
	m, err := c.fileMask()
	if err != nil {
		return nil, err
	}
	meta, err := c.readMetadata(updateFields)
	if err != nil {
		return nil, err
	}
	file, err := c.change(c.fileID(), meta, "", nil)
	if err != nil {
		return nil, err
	}
	return c.fileAnswer(file, m), nil
}

// insert creates a file. The content type is the one of the upload, unless the
// metadata has another.
func (c *call) insert(meta *metadata, contentType string, body []byte) (*stored, *apiError) {
	now := c.srv.now()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if err := c.mayInsert(meta, int64(len(body))); err != nil {
		return nil, err
	}
	file, err := meta.apply(&stored{
		id:       orElse(meta.ID, newFileID()),
		name:     "Untitled",
		mimeType: orElse(contentType, defaultType),
		created:  now,
		content:  newContent(body),
		revision: newRevisionID(),
		folder:   c.user.folderID,
	}, now)
	if err != nil {
		return nil, err
	}
	file.originalName = orElse(file.originalName, file.name)
	c.srv.keep(c.user, file)
	c.remember(nil, file, now)
	return file, nil
}

// mayInsert returns an error if a file of that size cannot be created. The caller
// holds srv.mu.
func (c *call) mayInsert(meta *metadata, size int64) *apiError {
	if len(meta.Parents) == 0 { // it would go to My Drive
		return wrongSpace()
	}
	if len(meta.Parents) > 1 {
		return fail(403, "multipleParentsNotSupported", "A file has one parent.")
	}
	parent, err := c.resolve(meta.Parents[0])
	if err != nil {
		return err
	}
	if parent.content != nil {
		return fail(403, "parentNotAFolder", "The specified parent is not a folder.")
	}
	if id := meta.ID; id != "" {
		used, known := c.user.ids[id]
		if used {
			return fail(409, c.srv.opts.IDInUse, "A file already exists with the provided ID.")
		}
		if !known {
			return fail(400, "invalid", "The provided file ID is not usable.")
		}
	}
	return c.fits(size)
}

// fits returns an error if the quota has no room for more content. The caller holds
// srv.mu.
func (c *call) fits(more int64) *apiError {
	quota := c.srv.quota
	if quota > 0 && usage(c.user.files)+more > quota {
		return fail(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")
	}
	return nil
}

// change updates a file. A nil body leaves its content as it is.
func (c *call) change(id string, meta *metadata, contentType string, body []byte) (*stored, *apiError) {
	now := c.srv.now()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	old, err := c.mayChange(id, int64(len(body)))
	if err != nil {
		return nil, err
	}
	base := *old
	if body != nil {
		base.content, base.revision = newContent(body), newRevisionID()
		base.mimeType = orElse(contentType, base.mimeType)
	}
	file, err := meta.apply(&base, now)
	if err != nil {
		return nil, err
	}
	c.srv.keep(c.user, file)
	c.remember(old, file, now)
	return file, nil
}

// moves reports whether a parameter asks for a move that is refused.
func (c *call) moves(parameter string) bool {
	within := func() bool {
		parent, err := c.resolve(c.param(parameter))
		return err == nil && parent.id == c.user.folderID
	}
	return c.r.URL.Query().Has(parameter) && !(c.srv.opts.MoveWithin && within())
}

// mayChange returns the file, or an error if it cannot be updated with content of
// that size. The caller holds srv.mu.
func (c *call) mayChange(id string, size int64) (*stored, *apiError) {
	file, err := c.changeable(id)
	if err != nil {
		return nil, err
	}
	if c.moves("addParents") || c.moves("removeParents") {
		return nil, notSupported()
	}
	if more := size - int64(len(file.content.bytes)); more > 0 {
		return file, c.fits(more)
	}
	return file, nil
}

// download answers files.get with alt=media.
func (c *call) download() (*answer, *apiError) {
	file, err := c.find(c.fileID())
	if err != nil {
		return nil, err
	}
	if file.content == nil {
		return nil, fail(403, "fileNotDownloadable", "Only files with binary content can be downloaded. Use Export with Docs Editors files.")
	}
	a := newAnswer(http.StatusOK)
	a.header.Set("Content-Type", file.mimeType)
	a.body = file.content.bytes
	// Without an ETag an If-Range never matches (RFC 9110 section 13.1.5).
	if header := c.r.Header.Get("Range"); header != "" && c.r.Header.Get("If-Range") == "" {
		return a, a.cutTo(header)
	}
	return a, nil
}

// cutTo cuts the body down to one range. A Range header of another form is ignored
// (RFC 9110 section 14.2).
func (a *answer) cutTo(header string) *apiError {
	size := int64(len(a.body))
	start, end, ok, satisfiable := parseRange(header, size)
	if !ok {
		return nil
	}
	if !satisfiable {
		return &apiError{status: http.StatusRequestedRangeNotSatisfiable, reason: "requestedRangeNotSatisfiable",
			message: "Request range not satisfiable", location: "Range", locationType: "header"}
	}
	a.status = http.StatusPartialContent
	a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, size))
	a.body = a.body[start:end]
	return nil
}

// parseRange parses bytes=a-b, bytes=a- or bytes=-n, and returns the half-open range
// that it selects of size bytes.
func parseRange(header string, size int64) (start, end int64, ok, satisfiable bool) {
	spec, isBytes := strings.CutPrefix(header, "bytes=")
	first, last, hasDash := strings.Cut(spec, "-")
	if !isBytes || !hasDash {
		return 0, 0, false, false
	}
	from, err1 := strconv.ParseUint(first, 10, 62)
	to, err2 := strconv.ParseUint(last, 10, 62)
	switch {
	case first == "" && err2 == nil: // the last to bytes
		return max(0, size-int64(to)), size, true, to > 0 && size > 0
	case err1 == nil && last == "":
		return int64(from), size, true, int64(from) < size
	case err1 == nil && err2 == nil && from <= to:
		return int64(from), min(int64(to)+1, size), true, int64(from) < size
	}
	return 0, 0, false, false
}
