package drive

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"
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

// check returns an error if f cannot have come from Drive.
func (f *File) check() error {
	if f == nil || f.ID == "" || f.ID == "." || f.ID == ".." || f.Size < 0 {
		return fmt.Errorf("not a file of Drive: %w", errInvalid)
	}
	return nil
}

// copied returns a copy that shares no memory with f, whose strings may be in memory
// that is used again.
func (f *File) copied() *File {
	c := *f
	c.Properties = maps.Clone(f.Properties)
	for _, s := range []*string{&c.ID, &c.Name, &c.ContentType, &c.Revision, &c.MD5, &c.SHA256} {
		*s = strings.Clone(*s)
	}
	return &c
}

// fileFields are the fields of Drive's files resource that make a [File]. Drive
// sends only some of them unless asked, and no others if asked.
const fileFields = "id,name,mimeType,headRevisionId,md5Checksum,sha256Checksum,size,createdTime,modifiedTime,appProperties"

const folderType = "application/vnd.google-apps.folder"

// A resource is a file as Drive's JSON describes it
// (https://developers.google.com/workspace/drive/api/reference/rest/v3/files).
type resource struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	MIMEType       string            `json:"mimeType"`
	HeadRevisionID string            `json:"headRevisionId"`
	MD5Checksum    string            `json:"md5Checksum"`
	SHA256Checksum string            `json:"sha256Checksum"`
	Size           int64             `json:"size,string"`
	CreatedTime    string            `json:"createdTime"`
	ModifiedTime   string            `json:"modifiedTime"`
	AppProperties  map[string]string `json:"appProperties"`
}

// isFile reports whether r is one of Drive's files: all of them have an ID.
func (r *resource) isFile() bool { return r != nil && r.ID != "" }

// file returns r as a File. A time that is not RFC 3339 becomes the zero time.
func (r *resource) file() *File {
	created, _ := time.Parse(time.RFC3339, r.CreatedTime)
	modified, _ := time.Parse(time.RFC3339, r.ModifiedTime)
	return &File{
		ID:          r.ID,
		Name:        r.Name,
		ContentType: r.MIMEType,
		Revision:    r.HeadRevisionID,
		MD5:         r.MD5Checksum,
		SHA256:      r.SHA256Checksum,
		Size:        r.Size,
		Created:     created,
		Modified:    modified,
		Properties:  r.AppProperties,
	}
}

// A change is what a request says about a file. A field that is empty or nil stays
// as it is.
type change struct {
	ID            string             `json:"id,omitempty"`
	Name          string             `json:"name,omitempty"`
	MIMEType      string             `json:"mimeType,omitempty"`
	Parents       []string           `json:"parents,omitempty"`
	AppProperties map[string]*string `json:"appProperties,omitempty"` // nil removes a property
}

// setProperties adds properties to c. An empty value removes one.
func (c *change) setProperties(properties map[string]string) {
	if len(properties) == 0 {
		return
	}
	c.AppProperties = make(map[string]*string, len(properties))
	for key, value := range properties {
		c.AppProperties[key] = nil
		if value != "" {
			c.AppProperties[key] = &value
		}
	}
}

// fields returns the parameter that asks for them.
func fields(list string) url.Values { return url.Values{"fields": {list}} }
