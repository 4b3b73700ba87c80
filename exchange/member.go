package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// errMembers says nothing of the object, which may be a stranger's, or secret.
var errMembers = errors.New("it is no JSON object, or a member has another type")

// membersOf decodes the members of a JSON object that have exactly the names in
// into, each to the pointer there. encoding/json would match them in any case,
// and let a later one overwrite or add to a former: here a second one is an
// error. Absent members leave what is there; unknown ones are ignored.
func membersOf(object []byte, into map[string]any) error {
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
	if _, err := d.Token(); err != nil { // the closing brace
		return errMembers
	}
	if _, err := d.Token(); err != io.EOF {
		return errMembers
	}
	return nil
}

// memberOf returns the string member of a JSON object by its exact name; "" if
// there is none.
func memberOf(object []byte, name string) (string, error) {
	var value any = ""
	if err := membersOf(object, map[string]any{name: &value}); err != nil {
		return "", err
	}
	s, ok := value.(string)
	if !ok { // also null
		return "", errMembers
	}
	return s, nil
}
