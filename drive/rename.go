package drive

import (
	"context"
	"slices"
)

// Rename calls the document from by the name to. The file keeps its ID and
// revision. A document that is called so already is deleted first; if the
// renaming then fails, from is still there under its old name, to be renamed
// again. In between there is none called to: a reader may get fs.ErrNotExist. To
// replace a document without such a gap, Put it.
//
// A Put to from that is under way may meet the file under its new name, and
// replace the content there, as if it had come before the Rename; the
// [File.Name] that it returns tells.
func (f *AppFolder) Rename(ctx context.Context, from, to string) (*File, error) {
	file, err := f.rename(ctx, from, to)
	return file, failed("rename", from, err)
}

func (f *AppFolder) rename(ctx context.Context, from, to string) (*File, error) {
	files, err := f.find(ctx, from)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errNotExist
	}
	if from == to {
		return files[0], nil
	}
	replaced, err := f.find(ctx, to)
	if err != nil {
		return nil, err
	}
	// Renamed first, the file could lose to what it is to replace, and a Put would
	// fold it if the rest failed. The winner goes last: what had lost must not win.
	for _, old := range slices.Backward(append(replaced, files[1:]...)) {
		if err := f.deleteID(ctx, old.ID); err != nil {
			return nil, err
		}
	}
	return f.update(ctx, files[0].ID, change{Name: to})
}
