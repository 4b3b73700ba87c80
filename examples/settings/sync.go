package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/seed3a054f9c/googlesignin/drive"
)

// maxConflicts is how many other writers in a row Sync gives way to.
const maxConflicts = 5

// Sync merges what a device has into the document of that name, and returns the
// result for the device to go on with. It writes only what it has read: if
// somebody else has written meanwhile it reads, merges and tries again.
//
// Drive cannot rule out that two writers pass each other between check and
// write. Then one of them is overwritten, and makes up for it with its next Sync,
// because a device sends all that it has.
func Sync(ctx context.Context, folder *drive.AppFolder, name string, local Document) (Document, error) {
	for conflicts := 0; ; conflicts++ {
		merged, err := syncOnce(ctx, folder, name, local)
		if !errors.Is(err, drive.ErrConflict) || conflicts == maxConflicts {
			return merged, err
		}
	}
}

func syncOnce(ctx context.Context, folder *drive.AppFolder, name string, local Document) (Document, error) {
	kept, revision, err := load(ctx, folder, name)
	if err != nil {
		return nil, err
	}
	merged := Merge(kept, local)
	if revision != drive.Absent && Equal(merged, kept) {
		return merged, nil
	}
	if _, err := drive.WriteJSON(ctx, folder, name, merged, drive.PutOptions{IfRevision: revision}); err != nil {
		return nil, err
	}
	return merged, nil
}

// load returns the document and its revision, which is Absent for a new user. A
// document that cannot be read is an error, not a reason to begin a new one.
func load(ctx context.Context, folder *drive.AppFolder, name string) (Document, string, error) {
	kept, file, err := drive.ReadJSON[Document](ctx, folder, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, drive.Absent, nil
	}
	if err != nil {
		return nil, "", err
	}
	return kept, file.Revision, nil
}
