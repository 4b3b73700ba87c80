package drive

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
)

// idBatch is how many IDs are fetched at once: enough to spare most creates the
// request, few enough to waste.
const idBatch = 10

// An idPool keeps IDs that Drive has generated and nobody has used. Its zero
// value is empty and ready.
type idPool struct {
	mu  sync.Mutex
	ids []string
}

func (p *idPool) take() (id string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.ids) - 1
	if last < 0 {
		return "", false
	}
	id, p.ids = p.ids[last], p.ids[:last]
	return id, true
}

func (p *idPool) add(ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids = append(p.ids, ids...)
}

// newID returns an ID for a file to be created. It is never handed out again,
// whatever becomes of the create: a file may have it though no answer came.
func (f *AppFolder) newID(ctx context.Context) (string, error) {
	if id, ok := f.ids.take(); ok {
		return id, nil
	}
	ids, err := try(ctx, f, f.generateIDs)
	if err != nil {
		return "", err
	}
	f.ids.add(ids[1:])
	return ids[0], nil
}

// generateIDs returns new IDs, at least one.
func (f *AppFolder) generateIDs(ctx context.Context) ([]string, error) {
	var answer struct {
		IDs []string `json:"ids"`
	}
	query := url.Values{"space": {alias}, "type": {"files"}, "count": {strconv.Itoa(idBatch)}, "fields": {"ids"}}
	if err := f.fetch(ctx, f.newCall(http.MethodGet, query, "drive/v3/files/generateIds"), &answer); err != nil {
		return nil, err
	}
	if len(answer.IDs) == 0 || slices.Contains(answer.IDs, "") {
		return nil, errBadAnswer
	}
	return answer.IDs, nil
}
