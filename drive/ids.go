package drive

import (
	"context"
	"slices"
	"sync"

	gdrive "google.golang.org/api/drive/v3"
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
	generated, err := try(ctx, func(ctx context.Context) (*gdrive.GeneratedIds, error) {
		return f.files.GenerateIds().Space(alias).Type("files").Count(idBatch).Fields("ids").Context(ctx).Do()
	})
	if err != nil {
		return "", err
	}
	if generated == nil || len(generated.Ids) == 0 || slices.Contains(generated.Ids, "") {
		return "", errBadAnswer
	}
	f.ids.add(generated.Ids[1:])
	return generated.Ids[0], nil
}
