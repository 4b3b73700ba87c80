package drive

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
)

// Delete deletes the document called name for good, with every file of that
// name. Where there is none the error is fs.ErrNotExist.
func (f *AppFolder) Delete(ctx context.Context, name string) error {
	return failed("delete", name, f.deleteName(ctx, name))
}

func (f *AppFolder) deleteName(ctx context.Context, name string) error {
	files, err := f.find(ctx, name)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errNotExist
	}
	for i := len(files) - 1; i >= 0; i-- { // the winner last: half a Delete must not bring an older content back
		if err := f.deleteID(ctx, files[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// DeleteAll deletes whatever the application keeps for the user, for good: all
// documents, and also folders that other programs of the application made. It
// returns how many it deleted.
func (f *AppFolder) DeleteAll(ctx context.Context) (n int, err error) {
	var ids []string
	for page, err := range f.pages(ctx, "trashed = false", "", "id") {
		if err != nil {
			return 0, failed("delete all", "", err)
		}
		for _, file := range page {
			ids = append(ids, file.ID)
		}
	}
	for n, id := range ids {
		if err := f.deleteID(ctx, id); err != nil {
			return n, failed("delete all", "", err)
		}
	}
	return len(ids), nil
}

// fold deletes a file that has lost to another of its name. If it has changed since
// it was listed, it stays: it may be another document by now, and its content is
// not what had lost. Nothing is tried twice: a Put waits for it.
func (f *AppFolder) fold(ctx context.Context, loser *File) error {
	_, err := once(ctx, f, func(ctx context.Context) (struct{}, error) {
		now, err := f.getOnce(ctx, loser.ID)
		if err != nil || now.Name != loser.Name || now.Revision != loser.Revision || !now.Modified.Equal(loser.Modified) {
			return struct{}{}, err
		}
		return struct{}{}, f.deleteOnce(ctx, loser.ID)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// deleteID deletes one file. One that is gone already is fine: the answer to an
// earlier attempt may have been lost.
func (f *AppFolder) deleteID(ctx context.Context, id string) error {
	_, err := try(ctx, f, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f.deleteOnce(ctx, id)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (f *AppFolder) deleteOnce(ctx context.Context, id string) error {
	res, err := f.do(ctx, f.fileCall(http.MethodDelete, id, nil))
	if err != nil {
		return err
	}
	return res.Body.Close()
}
