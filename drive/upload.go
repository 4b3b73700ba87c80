package drive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// An Upload is the session of a large upload, which another process can resume:
// see [PutOptions.Session] and [PutOptions.Resume].
//
// It is a capability: its address may be all that it takes to write the document.
// So fmt, log/slog, encoding/json and other encoders of text show it redacted, and
// encoding/gob refuses it. Only [Upload.MarshalBinary] returns its contents, for
// keeping: a JSON object in UTF-8, for a text or JSON column that is protected as tokens
// are. Tracing of HTTP requests shows the address, too; see [Config].
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
// upload at endpoint: it comes back from a database, and the token would be sent to it.
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

// A session is a resumable upload at Drive.
type session struct {
	folder *AppFolder
	url    string
}

// An answer says how far a session has come.
type answer struct {
	file   *File // of the completed upload; nil: there is more to send
	stored int64 // bytes that Drive has
}

// ask asks how much Drive has of the size bytes (-1: not known).
func (s *session) ask(ctx context.Context, size int64) (answer, error) {
	header := http.Header{"Content-Range": {"bytes */" + total(size)}}
	none := func() io.ReadCloser { return http.NoBody }
	return s.request(ctx, call{op: opUploadStatus, verb: http.MethodPut, url: s.url, header: header, body: none})
}

// send sends the window of src, from the offset given.
func (s *session) send(ctx context.Context, src *source, from int64) (answer, error) {
	end := src.end()
	if from == end {
		return s.ask(ctx, src.size)
	}
	header := http.Header{"Content-Range": {fmt.Sprintf("bytes %d-%d/%s", from, end-1, total(src.size))}}
	body := &chunkBody{src: src, from: from}
	defer body.end()
	return s.request(ctx, call{op: opUploadChunk, verb: http.MethodPut, url: s.url, header: header, body: body.open, length: end - from})
}

// request makes one request of the session.
func (s *session) request(ctx context.Context, c call) (answer, error) {
	res, err := s.folder.do(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if res.StatusCode == http.StatusPermanentRedirect { // Drive's "resume incomplete"
		res.Body.Close()
		stored, err := storedOf(res.Header.Get("Range"))
		return answer{stored: stored}, err
	}
	file, err := readFile(res)
	return answer{file: file}, err
}

// storedOf reads the Range header of an incomplete upload; without one nothing is
// stored.
func storedOf(header string) (int64, error) {
	if header == "" {
		return 0, nil
	}
	last, ok := strings.CutPrefix(header, "bytes=0-")
	n, err := strconv.ParseInt(last, 10, 63)
	if !ok || err != nil || n < 0 {
		return 0, errBadAnswer
	}
	return n + 1, nil
}

func total(size int64) string {
	if size < 0 {
		return "*"
	}
	return strconv.FormatInt(size, 10)
}

// sendResumable uploads the content in chunks
// (https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable).
func (p *put) sendResumable(ctx context.Context) (*File, error) {
	session, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	p.wrote = p.writes()
	return p.transfer(ctx, session)
}

// resume takes up the session of an earlier Put where Drive says it stands.
func (p *put) resume(ctx context.Context) (*File, error) {
	if err := p.opts.Resume.check(p.name, p.src.size, p.folder.endpoint); err != nil {
		return nil, err
	}
	state := p.opts.Resume.get()
	p.id, p.wrote = state.FileID, &File{ID: state.FileID}
	session := &session{folder: p.folder, url: state.URL}
	now, err := try(ctx, p.folder, func(ctx context.Context) (answer, error) { return session.ask(ctx, state.Size) })
	if err != nil {
		return nil, ended(err)
	}
	if now.file != nil {
		return p.completed(ctx, now.file)
	}
	if err := p.look(ctx); err != nil {
		return nil, err
	}
	if p.target != nil && p.target.ID != state.FileID {
		return nil, ErrSessionEnded // it would write to a file that does not win
	}
	if p.src.size < 0 { // Drive completes the document with the last byte of the session
		p.src.size = state.Size
	}
	p.progress(now.stored)
	if err := p.src.moveTo(now.stored); err != nil {
		return nil, err
	}
	p.mark = p.folder.memory.mark()
	file, err := p.transfer(ctx, session)
	return p.finish(ctx, file, err)
}

// completed returns the outcome of a session that was complete before it was resumed:
// its last answer was lost, or a Put is repeated. Nothing is sent, but the reader must
// give the stored content.
func (p *put) completed(ctx context.Context, file *File) (*File, error) {
	if err := p.src.finish(file); err != nil {
		return nil, err
	}
	err := p.look(ctx)
	p.wrote = &File{ID: file.ID}
	switch {
	case p.landed(p.target):
		return p.finish(ctx, p.target, nil)
	case err == nil && p.opts.IfRevision != "":
		err = ErrConflict
	}
	p.rest = nil // the document is not ours any more
	return p.finish(ctx, file, err)
}

// open starts a session, and hands it to the caller for keeping.
func (p *put) open(ctx context.Context) (*session, error) {
	metadata, err := json.Marshal(p.metadata())
	if err != nil {
		return nil, err
	}
	call := p.call(opUploadStart, "resumable")
	call.setBody("application/json; charset=UTF-8", metadata)
	call.header.Set("X-Upload-Content-Type", p.opts.ContentType)
	if p.src.size >= 0 {
		call.header.Set("X-Upload-Content-Length", strconv.FormatInt(p.src.size, 10))
	}
	res, err := try(ctx, p.folder, func(ctx context.Context) (*http.Response, error) { return p.folder.do(ctx, call) })
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	at, err := res.Location()
	if err != nil || checkSessionURL(at.String(), p.folder.endpoint) != nil {
		return nil, errBadAnswer
	}
	p.keep(at.String())
	return &session{folder: p.folder, url: at.String()}, nil
}

func (p *put) keep(session string) {
	if p.opts.Session == nil {
		return
	}
	started := time.Now().UTC().Round(0) // the monotonic clock may stand still while the machine sleeps
	kept := newUpload(uploadState{URL: session, Name: strings.Clone(p.name), FileID: p.writes().ID, Size: p.src.size, Started: started})
	p.opts.Session(&kept)
}

// transfer sends the content from the window on.
func (p *put) transfer(ctx context.Context, s *session) (*File, error) {
	for {
		if p.src.size < 0 {
			if err := p.src.fill(); err != nil {
				return nil, err
			}
		}
		now, err := p.sendChunk(ctx, s)
		if err != nil {
			return nil, ended(err)
		}
		if now.file != nil {
			return now.file, p.complete(now.file)
		}
		p.progress(now.stored)
		if err := p.src.moveTo(now.stored); err != nil {
			return nil, err
		}
	}
}

// complete reads the content that has not been sent here, if another process has resumed
// the same session and sent it.
func (p *put) complete(file *File) error {
	switch {
	case p.src.last():
		return nil
	case p.src.size != file.Size:
		return errBadAnswer
	}
	return p.src.finish(file)
}

// sendChunk sends the window. Before it tries again it asks how much has arrived,
// and returns that if the window has to move.
func (p *put) sendChunk(ctx context.Context, s *session) (answer, error) {
	from, end, interrupted := p.src.at, p.src.end(), false
	return try(ctx, p.folder, func(ctx context.Context) (answer, error) {
		if interrupted {
			now, err := s.ask(ctx, p.src.size)
			if err != nil || now.file != nil || now.stored < p.src.at || now.stored >= end && !p.src.last() {
				return now, err
			}
			from = min(now.stored, end)
		}
		interrupted = true
		now, err := s.send(ctx, p.src, from)
		switch {
		case err != nil || now.file != nil:
			return now, err
		case now.stored > max(end, p.src.size): // up to the size another process may have sent it
			return answer{}, errBadAnswer
		case now.stored == from:
			return answer{}, &brokenError{errors.New("nothing of the chunk was stored")}
		}
		return now, nil
	})
}

// ended turns a refusal of the session itself into ErrSessionEnded: by Google's
// documentation any 4xx means to start over. The exceptions speak of the token,
// of the user's Drive or of the file instead.
func ended(err error) error {
	status := statusOf(err)
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout,
		http.StatusConflict, http.StatusTooManyRequests:
		return err
	}
	if status < 400 || status >= 500 {
		return err
	}
	return fmt.Errorf("%w (%d)", ErrSessionEnded, status)
}
