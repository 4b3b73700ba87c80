package drivetest

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A File is a file of an app-data folder. Times are in UTC and have milliseconds,
// as Google's.
type File struct {
	ID            string
	Name          string
	MIMEType      string
	Description   string
	Properties    map[string]string // public
	AppProperties map[string]string // private to the app
	Created       time.Time
	Modified      time.Time
	Revision      string // headRevisionId: changes with the content
	Version       int64  // grows with every change
	Content       []byte // shared: not to be modified
}

// A Folder is direct access to one user's app-data folder: no HTTP, no quota, no
// faults. Lists do not lag behind what it changes.
type Folder struct {
	srv     *Server
	subject string
}

// Folder returns the folder of a user. It is empty at first.
func (s *Server) Folder(subject string) *Folder {
	return &Folder{srv: s, subject: subject}
}

// Add puts a file into the folder, beside others of the same name, and returns it
// as it is stored. Zero fields get the values that Google would give. A file with
// the same ID is replaced.
func (f *Folder) Add(file File) File {
	now := f.srv.now()
	f.srv.mu.Lock()
	defer f.srv.mu.Unlock()
	u := f.srv.user(f.subject, now)
	kept := &stored{
		id:            orElse(file.ID, newFileID()),
		name:          orElse(file.Name, "Untitled"),
		mimeType:      orElse(file.MIMEType, defaultType),
		description:   file.Description,
		properties:    maps.Clone(file.Properties),
		appProperties: maps.Clone(file.AppProperties),
		created:       timeOr(file.Created, now),
		modified:      timeOr(file.Modified, now),
		revision:      orElse(file.Revision, newRevisionID()),
		content:       newContent(slices.Clone(file.Content)),
		folder:        u.folderID,
	}
	kept.originalName = kept.name
	u.forget(kept.id)
	f.srv.keep(u, kept)
	return kept.file()
}

// Files returns the files of the folder in the order of their last change: all of
// them, or the ones with the given names.
func (f *Folder) Files(names ...string) []File {
	f.srv.mu.Lock()
	defer f.srv.mu.Unlock()
	var list []File
	for _, file := range f.byID() {
		if len(names) == 0 || slices.Contains(names, file.name) {
			list = append(list, file.file())
		}
	}
	slices.SortFunc(list, func(a, b File) int { return int(a.Version - b.Version) })
	return list
}

// Remove deletes the file with an ID and reports whether there was one.
func (f *Folder) Remove(id string) bool {
	f.srv.mu.Lock()
	defer f.srv.mu.Unlock()
	files := f.byID()
	_, ok := files[id]
	delete(files, id)
	return ok
}

// Usage returns how many bytes the content of the folder has.
func (f *Folder) Usage() int64 {
	f.srv.mu.Lock()
	defer f.srv.mu.Unlock()
	return usage(f.byID())
}

// byID returns the files by their IDs. The caller holds srv.mu.
func (f *Folder) byID() map[string]*stored {
	if u, ok := f.srv.users[f.subject]; ok {
		return u.files
	}
	return nil
}

// user is one user's part of the Drive. Server.mu guards it.
type user struct {
	subject  string
	folderID string
	created  time.Time
	files    map[string]*stored
	ids      map[string]bool // given out by files.generateIds; true: used, and never free again
	recent   []time.Time     // requests of the last minute, if their rate is limited
	changes  []change        // changes that a list may lag behind, in their order
}

// A stored file is immutable: a change replaces it.
type stored struct {
	id, name, mimeType, description, originalName string
	properties, appProperties                     map[string]string
	starred                                       bool
	created, modified                             time.Time
	revision                                      string
	version                                       int64
	content                                       *content
	folder                                        string // the parent's real ID
}

func (s *stored) file() File {
	return File{
		ID: s.id, Name: s.name, MIMEType: s.mimeType, Description: s.description,
		Properties: maps.Clone(s.properties), AppProperties: maps.Clone(s.appProperties),
		Created: s.created, Modified: s.modified, Revision: s.revision, Version: s.version, Content: s.content.bytes,
	}
}

// googleTime is t as Google keeps it: in UTC, with milliseconds.
func googleTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// user returns a user's part of the Drive, and makes it if it is the first time. The
// caller holds s.mu, also for the next functions.
func (s *Server) user(subject string, now time.Time) *user {
	u, ok := s.users[subject]
	if !ok {
		u = &user{subject: subject, folderID: newFileID(), files: map[string]*stored{}, ids: map[string]bool{}, created: now}
		s.users[subject] = u
	}
	return u
}

// keep stores a file under its ID, as the next version.
func (s *Server) keep(u *user, file *stored) {
	s.version++
	file.version = s.version
	u.files[file.id] = file
	u.ids[file.id] = true
}

// forget lets lists show a file as it is.
func (u *user) forget(id string) {
	u.changes = slices.DeleteFunc(u.changes, func(c change) bool { return c.id() == id })
}

// usage returns how many bytes the content of files has.
func usage(files map[string]*stored) (n int64) {
	for _, file := range files {
		n += int64(len(file.content.bytes))
	}
	return n
}

func orElse(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

func timeOr(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return googleTime(t)
}

// newFileID looks like an ID of a file in an app-data folder.
func newFileID() string { return "1" + randomID(33) }

// newRevisionID looks like a headRevisionId.
func newRevisionID() string { return "0B" + randomID(30) }

func randomID(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return strings.TrimRight(base64.URLEncoding.EncodeToString(b), "=")
}

const defaultType = "application/octet-stream"

// content holds the bytes of a file, which never change, and computes a checksum
// when it is needed for the first time.
type content struct {
	bytes             []byte
	md5, sha1, sha256 func() string
}

func newContent(b []byte) *content {
	return &content{
		bytes:  b,
		md5:    sync.OnceValue(func() string { s := md5.Sum(b); return hex.EncodeToString(s[:]) }),
		sha1:   sync.OnceValue(func() string { s := sha1.Sum(b); return hex.EncodeToString(s[:]) }),
		sha256: sync.OnceValue(func() string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }),
	}
}
