package drive

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// maxJSON is the size, in bytes, of the largest document that [ReadJSON] reads and
// [WriteJSON] writes.
const maxJSON = 16 << 20

// ReadJSON decodes the document called name, one JSON value of at most 16 MiB, into a
// T. A larger one is fs.ErrInvalid. The checksum is verified first. If the document is
// replaced while it is being read, it is read again; after eight reads in all the error
// is ErrConflict. If the checksum is wrong twice although the document was not
// replaced, or ctx leaves no time to read it again, the error is ErrChecksum. The File
// has the revision to pass to [WriteJSON] as IfRevision.
func ReadJSON[T any](ctx context.Context, f *AppFolder, name string) (T, *File, error) {
	look := func(*File) (*File, error) { return f.stat(ctx, name) }
	return readJSON[T](ctx, f, name, look)
}

// ReadJSONFile is [ReadJSON] for a file that [AppFolder.Files] or another method has
// returned. It looks for the file only if that has been replaced since.
func ReadJSONFile[T any](ctx context.Context, f *AppFolder, file *File) (T, *File, error) {
	if err := file.check(); err != nil {
		var zero T
		return zero, nil, failed("read", "", err)
	}
	file = file.copied()
	look := func(before *File) (*File, error) {
		if before == nil {
			return file, nil
		}
		return f.get(ctx, file.ID)
	}
	return readJSON[T](ctx, f, file.Name, look)
}

func readJSON[T any](ctx context.Context, f *AppFolder, name string, look func(before *File) (*File, error)) (T, *File, error) {
	var v, zero T
	data, file, err := f.readAll(ctx, name, look)
	if err != nil {
		return zero, nil, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return zero, nil, failed("read", name, &documentError{err})
	}
	return v, file, nil
}

// documentError keeps the text of a decoding error, which quotes the document,
// out of ours.
type documentError struct{ err error }

func (e *documentError) Error() string { return "the content is not the JSON that was expected" }
func (e *documentError) Unwrap() error { return e.err }

// WriteJSON puts v, encoded by encoding/json, as the document called name. More than
// 16 MiB is fs.ErrInvalid. The content type is application/json unless opts says another.
func WriteJSON[T any](ctx context.Context, f *AppFolder, name string, v T, opts PutOptions) (*File, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, failed("put", name, err)
	}
	if len(data) > maxJSON {
		return nil, failed("put", name, tooLarge(len(data)))
	}
	opts.ContentType = cmp.Or(opts.ContentType, "application/json")
	return f.Put(ctx, name, bytes.NewReader(data), opts)
}

func tooLarge[T int | int64](size T) error {
	return fmt.Errorf("%d bytes are more than 16 MiB: %w", size, errInvalid)
}

// rereads is the policy for documents that are replaced while they are read: soon, but
// not in step with the other readers.
var rereads = retry.Policy{Initial: 50 * time.Millisecond, Max: time.Second, Tries: 8}

// readAll reads what Drive has at one revision. look returns the file as it is, given
// how it was at the look before, or nil.
func (f *AppFolder) readAll(ctx context.Context, name string, look func(before *File) (*File, error)) ([]byte, *File, error) {
	a := &allOf{folder: f, lookUp: look}
	data, err := retry.Do(ctx, rereads, func() ([]byte, error) { return a.read(ctx) }, a.again)
	if a.reads == rereads.Tries && errors.Is(err, ErrChecksum) && ctx.Err() == nil {
		err = fmt.Errorf("%w, and again each time it was read", ErrConflict)
	}
	return data, a.file, failed("read", name, err)
}

// allOf reads all of a document at once. Content that does not match its checksum
// was replaced after the look at it, unless the next look finds the same revision;
// and if that happens again it is damaged.
type allOf struct {
	folder *AppFolder
	lookUp func(before *File) (*File, error)
	file   *File // as it was at the last look; nil: there was none
	reads  int
	wrong  int // how many reads in a row, of a document that stayed as it was
}

func (a *allOf) read(ctx context.Context) ([]byte, error) {
	if err := a.look(); err != nil {
		return nil, err
	}
	a.reads++
	r := a.folder.reader(ctx, a.file)
	defer r.Close()
	data, err := io.ReadAll(r)
	return data, errors.Unwrap(err) // readAll says itself where it failed
}

func (a *allOf) look() error {
	before := a.file
	file, err := a.lookUp(before)
	if err != nil {
		return err
	}
	a.file = file
	if before == nil || before.Revision != file.Revision {
		a.wrong = 0
	} else if a.wrong++; a.damaged() {
		return ErrChecksum
	}
	if file.Size > maxJSON {
		return tooLarge(file.Size)
	}
	return nil
}

func (a *allOf) damaged() bool { return a.wrong == 2 }

func (a *allOf) again(err error) (time.Duration, bool) {
	return 0, errors.Is(err, ErrChecksum) && !a.damaged()
}
