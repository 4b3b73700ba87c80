package drive

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxJSON is the size, in bytes, of the largest document that [ReadJSON] reads.
const MaxJSON = 16 << 20

// ReadJSON decodes the document called name, one JSON value, into a T. Its
// checksum is verified first; if it is replaced while it is being read, it is
// read again. The File has the revision to pass to [WriteJSON] as IfRevision.
func ReadJSON[T any](ctx context.Context, f *AppFolder, name string) (T, *File, error) {
	var v T
	data, file, err := f.readAll(ctx, name)
	if err != nil {
		return v, nil, failed("read", name, err)
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

// maxReads bounds how often a document is read again that keeps being replaced.
const maxReads = 3

func (f *AppFolder) readAll(ctx context.Context, name string) (data []byte, file *File, err error) {
	for range maxReads {
		file, err = f.stat(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		if file.Size > MaxJSON {
			return nil, nil, fmt.Errorf("%d bytes are too many for ReadJSON", file.Size)
		}
		data, err = f.read(ctx, file)
		if !errors.Is(err, ErrChecksum) {
			break
		}
	}
	return data, file, err
}

func (f *AppFolder) read(ctx context.Context, file *File) ([]byte, error) {
	r := f.reader(ctx, file)
	defer r.Close()
	return io.ReadAll(r)
}
