package tokenstore

import (
	"encoding/binary"
	"fmt"
)

// The file of a grant: one byte of format, then ClientID, Subject, Version and
// the record, each after its length.
const grantFileFormat = 1

var errGrantFile = fmt.Errorf("%w: it is not the file of that grant", ErrSealed)

func grantFile(key Key, g Grant) ([]byte, error) {
	record, err := g.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := []byte{grantFileFormat}
	for _, part := range []string{key.ClientID, key.Subject, g.Version, string(record)} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b, nil
}

// parseGrantFile returns what can be read also where there is an error: key and
// Version of a file whose record is broken.
func parseGrantFile(data []byte) (key Key, g Grant, err error) {
	if len(data) == 0 || data[0] != grantFileFormat {
		return Key{}, Grant{}, errGrantFile
	}
	var parts [4][]byte
	rest, ok := data[1:], true
	for i := range parts {
		if parts[i], rest, ok = cutValue(rest); !ok {
			return Key{}, Grant{}, errGrantFile
		}
	}
	if err = g.UnmarshalBinary(parts[3]); err != nil {
		err = fmt.Errorf("%w: %w", ErrSealed, err)
	} else if len(rest) > 0 {
		err = errGrantFile
	}
	g.Version = string(parts[2])
	return Key{ClientID: string(parts[0]), Subject: string(parts[1])}, g, err
}
