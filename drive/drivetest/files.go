package drivetest

import (
	"net/http"
	"strconv"
)

// resolve finds the file that an ID of the path means. The caller holds srv.mu.
func (c *call) resolve(id string) (*stored, *apiError) {
	if id == "appDataFolder" || id == "appfolder" && c.srv.opts.LegacyAlias {
		if !c.granted.appData() {
			return nil, wrongSpace()
		}
		return c.user.folder(), nil
	}
	if !c.granted.appData() {
		return nil, notFound(id) // out of sight for a token without the scope
	}
	if id == c.user.folderID {
		return c.user.folder(), nil
	}
	if file, ok := c.user.files[id]; ok {
		return file, nil
	}
	return nil, notFound(id)
}

// find is resolve for one who does not hold srv.mu.
func (c *call) find(id string) (*stored, *apiError) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	return c.resolve(id)
}

func (c *call) fileID() string { return c.r.PathValue("fileId") }

// fileMask reads the fields parameter of a method that answers with a file.
func (c *call) fileMask() (mask, *apiError) {
	return c.mask(defaultFields, fileShape)
}

func (c *call) mask(defaults string, of shape) (mask, *apiError) {
	return parseMask(orElse(c.param("fields"), defaults), of) // an empty one, which rclone sends with a delete, is none
}

// fileAnswer shows a file through a mask.
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
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	file, err := c.changeable(c.fileID())
	if err != nil {
		return nil, err
	}
	delete(c.user.files, file.id)
	c.remember(file, nil)
	return newAnswer(http.StatusNoContent), nil
}

// changeable is resolve for a request that changes the file: the folder itself
// cannot be, nor, with Options.ETags, a file in another state than If-Match says.
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

// create is files.create without content.
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

// update is files.update without content.
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

// insert creates a file. contentType is that of the upload; metadata goes before it.
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
	c.remember(nil, file)
	return file, nil
}

// mayInsert says what stands against a new file of a size. The caller holds srv.mu.
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

// fits checks the quota for more content. The caller holds srv.mu.
func (c *call) fits(more int64) *apiError {
	quota := c.srv.quota
	if quota > 0 && c.user.usage()+more > quota {
		return fail(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")
	}
	return nil
}

// change updates a file; a nil body leaves its content.
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
	c.remember(old, file)
	return file, nil
}

// moves reports whether a parameter moves the file in a way that is refused.
func (c *call) moves(parameter string) bool {
	within := func() bool {
		parent, err := c.resolve(c.param(parameter))
		return err == nil && parent.id == c.user.folderID
	}
	return c.r.URL.Query().Has(parameter) && !(c.srv.opts.MoveWithin && within())
}

// mayChange says what stands against an update with content of a size. The
// caller holds srv.mu.
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
