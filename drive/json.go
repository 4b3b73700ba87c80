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

// MaxJSON is the size, in bytes, of the largest document that [ReadJSON] reads.
const MaxJSON = 16 << 20

// ReadJSON decodes the document called name, one JSON value, into a T. Its
// checksum is verified first; if it is replaced while it is being read, it is
// read again, up to eight times: then the error is ErrConflict. The File has the
// revision to pass to [WriteJSON] as IfRevision.
func ReadJSON[T any](ctx context.Context, f *AppFolder, name string) (T, *File, error) {
	var v T
	data, file, err := f.readAll(ctx, name)
	if err != nil {
		return v, nil, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		var zero T
		return zero, nil, failed("read", name, &documentError{err})
	}
	return v, file, nil
}

// documentError keeps the text of a decoding error, which quotes the document,
// out of ours.
type documentError struct{ err error }

func (e *documentError) Error() string { return "the content is not the JSON that was expected" }
func (e *documentError) Unwrap() error { return e.err }

// WriteJSON puts v, encoded by encoding/json, as the document called name. Its
// content type is application/json unless opts says another.
func WriteJSON[T any](ctx context.Context, f *AppFolder, name string, v T, opts PutOptions) (*File, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, failed("put", name, err)
	}
	opts.ContentType = cmp.Or(opts.ContentType, "application/json")
	return f.Put(ctx, name, bytes.NewReader(data), opts)
}

// rereads is for documents that keep being replaced: whoever comes too late
// comes again soon, but not in step with the others.
var rereads = retry.Policy{Initial: 50 * time.Millisecond, Max: time.Second, Tries: 8}

// readAll reads what Drive has at one revision. Content that does not match its
// checksum was replaced after the look at it, unless the next look finds the same
// revision and its content is wrong again: then it is damaged.
func (f *AppFolder) readAll(ctx context.Context, name string) ([]byte, *File, error) {
	var file *File
	revision, moved := "", true
	data, err := retry.Do(ctx, rereads, func() ([]byte, error) {
		var err error
		if file, err = f.stat(ctx, name); err != nil {
			return nil, failed("read", name, err)
		}
		if file.Size > MaxJSON {
			return nil, failed("read", name, fmt.Errorf("%d bytes are too many for ReadJSON", file.Size))
		}
		moved, revision = file.Revision != revision, file.Revision
		return f.read(ctx, file)
	}, func(err error) (time.Duration, bool) { return 0, moved && errors.Is(err, ErrChecksum) })
	if moved && errors.Is(err, ErrChecksum) {
		return nil, nil, failed("read", name, fmt.Errorf("%w, and again each time it was read", ErrConflict))
	}
	return data, file, err
}

func (f *AppFolder) read(ctx context.Context, file *File) ([]byte, error) {
	r := f.reader(ctx, file)
	defer r.Close()
	return io.ReadAll(r)
}
