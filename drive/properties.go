package drive

import (
	"context"
	"errors"
	"fmt"

	gdrive "google.golang.org/api/drive/v3"
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
	change := new(gdrive.File)
	setProperties(change, properties)
	return f.update(ctx, file.ID, change)
}

// update changes the metadata of a file.
func (f *AppFolder) update(ctx context.Context, id string, change *gdrive.File) (*File, error) {
	return try(ctx, func(ctx context.Context) (*File, error) {
		return fileOf(f.files.Update(id, change).Fields(fileFields).Context(ctx).Do())
	})
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

// setProperties adds a change of properties to file: null removes one, which is
// encoded only where the whole field is.
func setProperties(file *gdrive.File, properties map[string]string) {
	for key, value := range properties {
		if value == "" {
			file.NullFields = append(file.NullFields, "AppProperties."+key)
			file.ForceSendFields = []string{"AppProperties"}
			continue
		}
		if file.AppProperties == nil {
			file.AppProperties = make(map[string]string, len(properties))
		}
		file.AppProperties[key] = value
	}
}
