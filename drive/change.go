package drive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
)

// Delete deletes the document called name for good, with every file of that
// name. Where there is none the error is fs.ErrNotExist.
func (f *AppFolder) Delete(ctx context.Context, name string) error {
	return failed("delete", name, f.deleteName(ctx, name))
}

func (f *AppFolder) deleteName(ctx context.Context, name string) error {
	files, err := f.find(ctx, name, true)
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

// fold deletes a file that has lost to another file of its name. If it has changed
// since, it stays: it may be another document now. Nothing is tried twice, because a
// Put waits for it.
func (f *AppFolder) fold(ctx context.Context, loser *File) error {
	_, err := once(ctx, f, func(ctx context.Context) (struct{}, error) {
		now, err := f.getOnce(ctx, loser.ID)
		if err != nil || now.Name != loser.Name || now.Revision != loser.Revision || !now.Modified.Equal(loser.Modified) {
			return struct{}{}, err
		}
		if err := f.deleteOnce(ctx, loser.ID); err != nil {
			return struct{}{}, err
		}
		f.memory.forget(loser.ID)
		return struct{}{}, nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// deleteID deletes one file. One that is gone already is fine: the answer to an
// earlier attempt may have been lost.
func (f *AppFolder) deleteID(ctx context.Context, id string) error {
	_, err := try(ctx, f, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f.deleteOnce(ctx, id)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.memory.forget(id)
	return nil
}

func (f *AppFolder) deleteOnce(ctx context.Context, id string) error {
	res, err := f.do(ctx, f.fileCall(opDelete, http.MethodDelete, id, nil))
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Rename calls the document from by the name to. The file keeps its ID and
// revision. A document that is called so already is deleted first; if the
// renaming then fails, from is still there under its old name, to be renamed
// again. In between there is none called to: a reader may get fs.ErrNotExist. To
// replace a document without such a gap, Put it.
//
// A Put to from by another process that is under way may replace the content of the
// renamed file. It then returns the new [File.Name].
func (f *AppFolder) Rename(ctx context.Context, from, to string) (*File, error) {
	file, err := f.rename(ctx, from, to)
	return file, failed("rename", from, err)
}

func (f *AppFolder) rename(ctx context.Context, from, to string) (*File, error) {
	files, err := f.find(ctx, from, true)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errNotExist
	}
	if from == to {
		return files[0], nil
	}
	replaced, err := f.find(ctx, to, true)
	if err != nil {
		return nil, err
	}
	// If it were renamed first and the rest failed, the file could lose to the document
	// that it replaces, and the next Put would delete it. The winner is deleted last, so
	// that no other file of its name becomes the document.
	for _, old := range slices.Backward(append(replaced, files[1:]...)) {
		if old.ID == files[0].ID { // another process has given it the new name already
			continue
		}
		if err := f.deleteID(ctx, old.ID); err != nil {
			return nil, err
		}
	}
	return f.update(ctx, files[0].ID, change{Name: to})
}

// SetProperties merges properties into those of the document called name; a key
// with an empty value is removed. Content and revision stay as they are.
func (f *AppFolder) SetProperties(ctx context.Context, name string, properties map[string]string) (*File, error) {
	file, err := f.setProperties(ctx, name, properties)
	return file, failed("set properties of", name, err)
}

func (f *AppFolder) setProperties(ctx context.Context, name string, properties map[string]string) (*File, error) {
	if err := checkProperties(properties); err != nil {
		return nil, err
	}
	files, err := f.find(ctx, name, true)
	if err != nil {
		return nil, err
	}
	file, err := winner(files)
	if err != nil {
		return nil, err
	}
	var c change
	c.setProperties(properties)
	return f.update(ctx, file.ID, c)
}

// update changes the metadata of a file.
func (f *AppFolder) update(ctx context.Context, id string, c change) (*File, error) {
	metadata, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	call := f.fileCall(opUpdate, http.MethodPatch, id, fields(fileFields))
	call.setBody("application/json", metadata)
	mark := f.memory.mark()
	file, err := try(ctx, f, func(ctx context.Context) (*File, error) { return f.fetchFile(ctx, call) })
	switch {
	case err == nil:
		f.memory.keep(file, mark)
	case errors.Is(err, fs.ErrNotExist):
		f.memory.forget(id)
	}
	return file, err
}

// maxProperty and maxProperties are Drive's limits
// (https://developers.google.com/workspace/drive/api/guides/properties).
const (
	maxProperty   = 124
	maxProperties = 30
)

func checkProperties(properties map[string]string) error {
	if len(properties) > maxProperties {
		return fmt.Errorf("more than %d properties: %w", maxProperties, errInvalid)
	}
	var errs []error
	for key, value := range properties {
		if key == "" || len(key)+len(value) > maxProperty {
			errs = append(errs, fmt.Errorf("property %.130q: empty key, or more than %d bytes: %w", key, maxProperty, errInvalid))
		}
	}
	return errors.Join(errs...)
}
