package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

var errMember = errors.New("not a JSON object with one such string")

// memberOf returns the string member of a JSON object by its exact name, which
// encoding/json would match in any case and take the last of. An absent member
// is ""; a second one, or another type, is an error.
func memberOf(object []byte, name string) (string, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return "", errMember
	}
	var value any = ""
	for seen := false; d.More(); {
		key, err := d.Token()
		if err != nil {
			return "", errMember
		}
		var v any
		if err := d.Decode(&v); err != nil || key == name && seen {
			return "", errMember
		}
		if key == name {
			value, seen = v, true
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return "", errMember
	}
	if _, err := d.Token(); err != io.EOF {
		return "", errMember
	}
	s, ok := value.(string)
	if !ok {
		return "", errMember
	}
	return s, nil
}
