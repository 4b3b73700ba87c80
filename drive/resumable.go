package drive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

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
	if p.src.size < 0 { // with the last byte of the session Drive takes whatever came for the document
		p.src.size = state.Size
	}
	p.progress(now.stored)
	if err := p.src.moveTo(now.stored); err != nil {
		return nil, err
	}
	file, err := p.transfer(ctx, session)
	return p.finish(ctx, file, err)
}

// completed is the outcome of a session that was complete before it was resumed:
// its last answer was lost, or the Put was to be repeated. Nothing is sent, but
// the reader has to agree with what is stored.
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
	call := p.call("resumable")
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
	kept := newUpload(uploadState{URL: session, Name: p.name, FileID: p.writes().ID, Size: p.src.size, Started: time.Now().UTC()})
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

// complete reads what has not been sent, if another process has: it may have
// resumed the same session.
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
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests:
		return err
	}
	if status < 400 || status >= 500 {
		return err
	}
	return fmt.Errorf("%w (%d)", ErrSessionEnded, status)
}
