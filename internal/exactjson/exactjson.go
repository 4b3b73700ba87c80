// Package exactjson reads JSON objects by the exact names of their members, each of
// which comes once. encoding/json would match names in any case, and let a later
// member overwrite or add to a former.
package exactjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errMembers says nothing of the object, which may be a stranger's, or secret.
var errMembers = errors.New("it is no JSON object, or a member has another type")

// Members decodes the members of a JSON object that have exactly the names in
// into, each to the pointer there; a second one of such a name is an error. Absent
// members leave what is there; unknown ones are ignored.
func Members(object []byte, into map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return errMembers
	}
	seen := make(map[string]bool, len(into))
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return errMembers
		}
		name, _ := key.(string)
		target, known := into[name]
		switch {
		case !known:
			target = new(json.RawMessage)
		case seen[name]:
			return fmt.Errorf("it has %q twice", name)
		default:
			seen[name] = true
		}
		if err := d.Decode(target); err != nil {
			return errMembers
		}
	}
	_, err := d.Token() // the closing brace
	if _, end := d.Token(); err != nil || end != io.EOF {
		return errMembers
	}
	return nil
}

// Claims decodes the payload of a JWT as Members does. It verifies nothing: it is for
// a token that came straight from Google's token endpoint.
func Claims(token string, into map[string]any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("it is no token")
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return err
	}
	return Members(payload, into)
}
