package drivetest

import (
	"encoding/json"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const folderType = "application/vnd.google-apps.folder"

// timeFormat is that of Google: UTC, milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// defaultFields are sent if the request has no fields parameter.
const defaultFields = "kind,id,name,mimeType"

// A field is a member of the File resource
// (https://developers.google.com/workspace/drive/api/reference/rest/v3/files).
type field struct {
	shape shape
	value func(*view) any // nil result: absent
}

// A view is a file as one request sees it.
type view struct {
	*stored
	u     *user
	alias bool // Options.AliasParents
}

// fileFields are the members that files of an app-data folder have.
var fileFields = map[string]field{
	"kind":                         {value: func(*view) any { return "drive#file" }},
	"id":                           {value: func(v *view) any { return v.id }},
	"name":                         {value: func(v *view) any { return v.name }},
	"mimeType":                     {value: func(v *view) any { return v.mimeType }},
	"description":                  {value: func(v *view) any { return orNothing(v.description) }},
	"starred":                      {value: func(v *view) any { return v.starred }},
	"trashed":                      {value: func(*view) any { return false }},
	"explicitlyTrashed":            {value: func(*view) any { return false }},
	"parents":                      {value: (*view).parents},
	"spaces":                       {value: func(*view) any { return []any{"appDataFolder"} }},
	"version":                      {value: func(v *view) any { return strconv.FormatInt(v.version, 10) }},
	"createdTime":                  {value: func(v *view) any { return v.created.Format(timeFormat) }},
	"modifiedTime":                 {value: func(v *view) any { return v.modified.Format(timeFormat) }},
	"modifiedByMeTime":             {value: func(v *view) any { return v.modified.Format(timeFormat) }},
	"modifiedByMe":                 {value: func(*view) any { return true }},
	"viewedByMe":                   {value: func(*view) any { return true }},
	"ownedByMe":                    {value: func(*view) any { return true }},
	"shared":                       {value: func(*view) any { return false }},
	"writersCanShare":              {value: func(*view) any { return false }},
	"isAppAuthorized":              {value: func(*view) any { return true }},
	"hasThumbnail":                 {value: func(*view) any { return false }},
	"quotaBytesUsed":               {value: func(v *view) any { return strconv.Itoa(v.length()) }},
	"owners":                       {openShape, func(v *view) any { return []any{v.u.resource()} }},
	"lastModifyingUser":            {openShape, func(v *view) any { return v.u.resource() }},
	"capabilities":                 {openShape, (*view).capabilities},
	"properties":                   {openShape, func(v *view) any { return anyMap(v.properties) }},
	"appProperties":                {openShape, func(v *view) any { return anyMap(v.appProperties) }},
	"size":                         {value: ofBlob(func(v *view) any { return strconv.Itoa(v.length()) })},
	"md5Checksum":                  {value: ofBlob(func(v *view) any { return v.content.md5() })},
	"sha1Checksum":                 {value: ofBlob(func(v *view) any { return v.content.sha1() })},
	"sha256Checksum":               {value: ofBlob(func(v *view) any { return v.content.sha256() })},
	"headRevisionId":               {value: ofBlob(func(v *view) any { return v.revision })},
	"originalFilename":             {value: ofBlob(func(v *view) any { return v.originalName })},
	"fullFileExtension":            {value: ofBlob(func(v *view) any { return extension(v.name, strings.Index) })},
	"fileExtension":                {value: ofBlob(func(v *view) any { return extension(v.name, strings.LastIndex) })},
	"copyRequiresWriterPermission": {value: func(*view) any { return false }},
}

// absentFields can be selected too, and have no value here.
const absentFields = "contentHints* clientEncryptionDetails* contentRestrictions* downloadRestrictions* driveId " +
	"exportLinks* folderColorRgb hasAugmentedPermissions iconLink imageMediaMetadata* inheritedPermissionsDisabled " +
	"labelInfo* linkShareMetadata* permissionIds permissions* resourceKey sharedWithMeTime sharingUser* " +
	"shortcutDetails* teamDriveId thumbnailLink thumbnailVersion trashedTime trashingUser* videoMediaMetadata* " +
	"viewedByMeTime viewersCanCopyContent webContentLink webViewLink"

var fileShape = func() shape {
	s := shape{}
	for name, f := range fileFields {
		s[name] = f.shape
	}
	for name := range strings.FieldsSeq(absentFields) {
		if name, open := strings.CutSuffix(name, "*"); open {
			s[name] = openShape
		} else {
			s[name] = nil
		}
	}
	return s
}()

// render returns the members of a file that the mask selects, for encoding as JSON.
func (v *view) render(m mask) map[string]any {
	out := map[string]any{}
	for name, f := range fileFields {
		if !m.wants(name) {
			continue
		}
		if value := f.value(v); value != nil {
			out[name] = m[name].apply(value)
		}
	}
	return out
}

// folder returns the app-data folder itself, as a file.
func (u *user) folder() *stored {
	return &stored{id: u.folderID, name: "Application Data", mimeType: folderType, created: u.created, modified: u.created}
}

// ofBlob makes the value of a field that only a file with content has.
func ofBlob(value func(*view) any) func(*view) any {
	return func(v *view) any {
		if v.content == nil {
			return nil
		}
		return value(v)
	}
}

func (v *view) length() int {
	if v.content == nil {
		return 0
	}
	return len(v.content.bytes)
}

func (v *view) parents() any {
	switch {
	case v.stored.folder == "":
		return nil
	case v.alias:
		return []any{"appDataFolder"}
	}
	return []any{v.stored.folder}
}

func (v *view) capabilities() any {
	blob := v.content != nil
	return map[string]any{
		"canAddChildren": !blob, "canListChildren": !blob,
		"canEdit": blob, "canRename": blob, "canDelete": blob, "canDownload": blob, "canModifyContent": blob,
		"canCopy": false, "canShare": false, "canTrash": false, "canUntrash": false, "canMoveItemWithinDrive": false,
	}
}

func (u *user) resource() map[string]any {
	return map[string]any{"kind": "drive#user", "displayName": u.subject, "me": true, "permissionId": u.subject}
}

func extension(name string, index func(s, sep string) int) any {
	if i := index(name, "."); i >= 0 {
		return name[i+1:]
	}
	return nil
}

func orNothing(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func anyMap(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]any, len(m))
	for key, value := range m {
		out[key] = value
	}
	return out
}

func parseTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	return googleTime(t), err == nil
}

// metadata is a File resource that a client sends.
type metadata struct {
	ID               string
	Name             *string
	MIMEType         *string
	Description      *string
	OriginalFilename *string
	Parents          []string
	Properties       map[string]*string
	AppProperties    map[string]*string
	CreatedTime      *string
	ModifiedTime     *string
	Starred          *bool
	Trashed          *bool

	created, modified time.Time // of the above
}

// Names of fields that a client can write, in an update and in a creation. Google
// lets it write unkeptFields, too. This fake does not keep those and refuses them with
// 501, so that no test relies on them.
const (
	updateFields = "name mimeType description originalFilename properties appProperties modifiedTime starred trashed"
	createFields = updateFields + " id parents createdTime"
	unkeptFields = "contentHints contentRestrictions copyRequiresWriterPermission downloadRestrictions folderColorRgb " +
		"inheritedPermissionsDisabled modifiedByMeTime shortcutDetails viewedByMeTime viewersCanCopyContent writersCanShare"
)

// maxMetadata bounds a File resource, in bytes. The longest properties need much less.
const maxMetadata = 1 << 20

// readMetadata reads a request body that is only metadata. An empty body is a File
// without fields.
func (c *call) readMetadata(writable string) (*metadata, *apiError) {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxMetadata+1))
	if err != nil || len(body) > maxMetadata {
		return nil, badRequest("The request body cannot be read.")
	}
	if len(body) == 0 {
		return &metadata{}, nil
	}
	if !isJSON(c.r.Header.Get("Content-Type")) {
		return nil, badRequest("The content type of metadata is application/json.")
	}
	return parseMetadata(body, writable)
}

func isJSON(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json"
}

func badRequest(message string) *apiError { return fail(400, "badRequest", message) }

func parseMetadata(body []byte, writable string) (*metadata, *apiError) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return nil, fail(400, "parseError", "Parse Error")
	}
	for name := range members {
		if err := checkWritable(name, writable); err != nil {
			return nil, err
		}
	}
	exact, _ := json.Marshal(members)
	m := &metadata{}
	if json.Unmarshal(exact, m) != nil {
		return nil, fail(400, "parseError", "Parse Error")
	}
	return m, m.check()
}

func checkWritable(name, writable string) *apiError {
	_, known := fileShape[name]
	switch {
	case !known:
		return badRequest("Invalid JSON payload received. Unknown name \"" + name + "\": Cannot find field.")
	case name == "kind" || slices.Contains(strings.Fields(writable), name):
		return nil
	case name == "parents":
		return fail(403, "fieldNotWritable", "The parents field is not directly writable in update requests. Use the addParents and removeParents parameters instead.")
	case slices.Contains(strings.Fields(unkeptFields), name):
		return notImplemented("the field " + name)
	}
	return fail(403, "fieldNotWritable", "The resource body includes fields which are not directly writable.")
}

func (m *metadata) check() *apiError {
	if m.Trashed != nil && *m.Trashed {
		return notSupported()
	}
	if m.MIMEType != nil && strings.HasPrefix(*m.MIMEType, "application/vnd.google-apps") {
		return notSupported()
	}
	for _, t := range []struct {
		text *string
		time *time.Time
	}{{m.CreatedTime, &m.created}, {m.ModifiedTime, &m.modified}} {
		if t.text == nil {
			continue
		}
		var ok bool
		if *t.time, ok = parseTime(*t.text); !ok {
			return fail(400, "invalid", "Invalid value for: Invalid format: \""+*t.text+"\"")
		}
	}
	return nil
}

// apply returns the file old with the changes in m.
func (m *metadata) apply(old *stored, now time.Time) (*stored, *apiError) {
	file := *old
	set(&file.name, m.Name)
	set(&file.mimeType, m.MIMEType)
	set(&file.description, m.Description)
	set(&file.originalName, m.OriginalFilename)
	if m.Starred != nil {
		file.starred = *m.Starred
	}
	file.modified = now
	if !m.modified.IsZero() {
		file.modified = m.modified
	}
	if !m.created.IsZero() {
		file.created = m.created
	}
	var ok1, ok2 bool
	file.properties, ok1 = mergeProperties(file.properties, m.Properties)
	file.appProperties, ok2 = mergeProperties(file.appProperties, m.AppProperties)
	if !ok1 || !ok2 {
		return nil, fail(400, "invalid", "A file has at most 30 properties of a kind, each with at most 124 bytes in key and value.")
	}
	return &file, nil
}

func set(field *string, value *string) {
	if value != nil {
		*field = *value
	}
}

// Limits of properties and appProperties
// (https://developers.google.com/workspace/drive/api/guides/properties).
const (
	maxProperties    = 30
	maxPropertyBytes = 124
)

// mergeProperties returns old with the changes: a null removes a property. It reports
// whether the result is within Drive's limits.
func mergeProperties(old map[string]string, change map[string]*string) (map[string]string, bool) {
	merged := map[string]string{}
	for key, value := range old {
		merged[key] = value
	}
	for key, value := range change {
		if value == nil {
			delete(merged, key)
			continue
		}
		if key == "" || len(key)+len(*value) > maxPropertyBytes {
			return nil, false
		}
		merged[key] = *value
	}
	return merged, len(merged) <= maxProperties
}
