package drive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

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
	file, err := f.stat(ctx, name)
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
	call := f.fileCall(http.MethodPatch, id, fields(fileFields))
	call.setBody("application/json", metadata)
	return try(ctx, f, func(ctx context.Context) (*File, error) { return f.fetchFile(ctx, call) })
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
