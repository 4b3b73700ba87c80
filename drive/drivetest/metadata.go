package drivetest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"slices"
	"strings"
	"time"
)

// metadata is a File resource as a client sends it to be written.
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

// Fields that can be written, in a creation and in an update. Those that the
// discovery document lets be written and this fake does not keep are refused
// with 501, so that no test believes in them.
const (
	updateFields = "name mimeType description originalFilename properties appProperties modifiedTime starred trashed"
	createFields = updateFields + " id parents createdTime"
	unkeptFields = "contentHints contentRestrictions copyRequiresWriterPermission downloadRestrictions folderColorRgb " +
		"inheritedPermissionsDisabled modifiedByMeTime shortcutDetails viewedByMeTime viewersCanCopyContent writersCanShare"
)

// maxMetadata is far more than the properties of a file can need.
const maxMetadata = 1 << 20

// readMetadata reads the body of a request that has nothing but metadata. None
// at all is a File without fields.
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
	for name, value := range members {
		if err := checkWritable(name, writable); err != nil {
			return nil, err
		}
		if name == "kind" || bytes.Equal(value, []byte("null")) {
			delete(members, name)
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

// apply makes the next state of a file from the former one.
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

// mergeProperties sets what is new and removes what is null.
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
