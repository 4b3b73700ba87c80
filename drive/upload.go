package drive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"
)

// An Upload is the session of a large upload, which another process can resume:
// see [PutOptions.Session] and [PutOptions.Resume].
//
// It is a capability: its address may be all that it takes to write the document.
// So fmt, log/slog, encoding/json and other encoders of text show it redacted, and
// encoding/gob refuses it. [Upload.MarshalBinary] is the one way to its contents,
// for keeping; what it returns is a JSON object in UTF-8, fit for a text or JSON
// column that is protected as tokens are.
type Upload struct {
	redacted

	state func() uploadState // a closure: printed field by field it shows an address
}

type uploadState struct {
	URL     string    `json:"url"`
	Name    string    `json:"name"`
	FileID  string    `json:"file_id"`
	Size    int64     `json:"size"` // -1: not known
	Started time.Time `json:"started"`
}

// sessionLife is how long Drive keeps a session
// (https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable).
const sessionLife = 7 * 24 * time.Hour

// Name is the name of the document.
func (u Upload) Name() string { return u.get().Name }

// Expires is when Drive is about to forget the session, a week after its start.
func (u Upload) Expires() time.Time { return u.get().Started.Add(sessionLife) }

func newUpload(state uploadState) Upload {
	return Upload{redacted(fmt.Sprintf("drive.Upload{%q: [redacted]}", state.Name)), func() uploadState { return state }}
}

func (u Upload) get() uploadState {
	if u.state == nil {
		return uploadState{}
	}
	return u.state()
}

// MarshalBinary returns the session for keeping, unredacted: a JSON object.
func (u Upload) MarshalBinary() ([]byte, error) { return json.Marshal(u.get()) }

// maxSession bounds what UnmarshalBinary reads.
const maxSession = 64 << 10

// UnmarshalBinary reads what [Upload.MarshalBinary] returned.
func (u *Upload) UnmarshalBinary(data []byte) error {
	var state uploadState
	if len(data) > maxSession || json.Unmarshal(data, &state) != nil || state.URL == "" || state.Name == "" {
		return errors.New("drive: not a kept upload session")
	}
	*u = newUpload(state)
	return nil
}

// check refuses a session that is not for the document called name, or is not an
// upload at endpoint: it comes back from somebody's database, and the token would
// go there.
func (u Upload) check(name string, size int64, endpoint *url.URL) error {
	state := u.get()
	switch {
	case state.Name != name:
		return fmt.Errorf("the session is for another document: %w", errInvalid)
	case size >= 0 && state.Size >= 0 && size != state.Size:
		return fmt.Errorf("the session is for %d bytes, not %d: %w", state.Size, size, errInvalid)
	}
	return checkSessionURL(state.URL, endpoint)
}

func checkSessionURL(session string, endpoint *url.URL) error {
	u, err := url.Parse(session)
	if err != nil || u.Scheme != endpoint.Scheme || u.Host != endpoint.Host || u.User != nil ||
		!isBelow(u.Path, endpoint.JoinPath(uploads).Path) || u.Query().Get("upload_id") == "" {
		return fmt.Errorf("the session is not an upload at the endpoint: %w", errInvalid)
	}
	return nil
}

// isBelow reports whether the path p, which nothing may rewrite, is root or below.
func isBelow(p, root string) bool {
	return p == path.Clean(p) && (p == root || strings.HasPrefix(p, root+"/"))
}
