package drivetest

import (
	"strconv"
	"strings"
	"time"
)

const folderType = "application/vnd.google-apps.folder"

// timeFormat is that of Google: UTC, milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// defaultFields are sent where nobody asks for fields.
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

// fileFields are all members that can be selected. Those that no file of an
// app-data folder has are in absentFields.
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

// render makes the JSON of a file: the members that the mask selects.
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

// folder is the app-data folder itself, as a file.
func (u *user) folder() *stored {
	return &stored{id: u.folderID, name: "Application Data", mimeType: folderType, created: u.created, modified: u.created}
}

// ofBlob is for the fields that only a file with content has.
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
