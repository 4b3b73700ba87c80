package drive

import (
	"time"

	gdrive "google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
)

// A File is what Drive knows about a document at one moment.
type File struct {
	ID          string // stays the same through Put and Rename
	Name        string
	ContentType string
	Revision    string // changes with every new content; empty for the folder itself
	MD5         string // of the content, in hex
	SHA256      string // of the content, in hex
	Size        int64  // of the content, in bytes
	Created     time.Time
	Modified    time.Time         // by Drive's clock, to the millisecond
	Properties  map[string]string // set by this application; nil: none
}

// fileFields are the fields of Drive's that make a [File]: it sends no others,
// and not all of these unless asked.
const fileFields googleapi.Field = "id,name,mimeType,headRevisionId,md5Checksum,sha256Checksum,size,createdTime,modifiedTime,appProperties"

const folderType = "application/vnd.google-apps.folder"

// isFile reports whether f is one of Drive's files, all of which have an ID.
func isFile(f *gdrive.File) bool { return f != nil && f.Id != "" }

// fileOf is what a call has answered.
func fileOf(f *gdrive.File, err error) (*File, error) {
	switch {
	case err != nil:
		return nil, err
	case !isFile(f):
		return nil, errBadAnswer
	}
	return newFile(f), nil
}

// newFile gives the zero time for one that is not RFC 3339.
func newFile(f *gdrive.File) *File {
	created, _ := time.Parse(time.RFC3339, f.CreatedTime)
	modified, _ := time.Parse(time.RFC3339, f.ModifiedTime)
	return &File{
		ID:          f.Id,
		Name:        f.Name,
		ContentType: f.MimeType,
		Revision:    f.HeadRevisionId,
		MD5:         f.Md5Checksum,
		SHA256:      f.Sha256Checksum,
		Size:        f.Size,
		Created:     created,
		Modified:    modified,
		Properties:  f.AppProperties,
	}
}
