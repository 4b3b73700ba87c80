package dirstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Suffixes of file names.
const (
	grantSuffix = ".grant"
	leaseSuffix = ".lease"
	tempSuffix  = ".new" // a file that is being written
)

func grantName(key tokenstore.Key) string {
	return hashed(key.ClientID, key.Subject) + grantSuffix
}

func leaseName(key tokenstore.Key, purpose string) string {
	return hashed(key.ClientID, key.Subject, purpose) + leaseSuffix
}

// hashed returns a hash of parts, each with its length, so that ("a", "bc") and
// ("ab", "c") differ.
func hashed(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		io.WriteString(h, part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// shard returns the path of subdirectory n.
func (s *Store) shard(n int) string { return filepath.Join(s.path, fmt.Sprintf("%x", n)) }

// file returns the path of the file with that name.
func (s *Store) file(name string) string { return filepath.Join(s.path, name[:1], name) }

// shardOf returns the number of the subdirectory of that file, -1 if there is
// none.
func shardOf(name string) int { return strings.IndexByte("0123456789abcdef", name[0]) }

// The file of a grant is a byte for the format and then ClientID, Subject,
// Version and the record, each after its length.
const format = 1

var errFormat = fmt.Errorf("%w: it is not the file of that grant", tokenstore.ErrSealed)

func encode(key tokenstore.Key, g tokenstore.Grant) ([]byte, error) {
	record, err := g.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := []byte{format}
	for _, part := range []string{key.ClientID, key.Subject, g.Version, string(record)} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b, nil
}

// decode returns the key and the Version also if only the record is broken.
func decode(data []byte) (key tokenstore.Key, g tokenstore.Grant, err error) {
	if len(data) == 0 || data[0] != format {
		return tokenstore.Key{}, tokenstore.Grant{}, errFormat
	}
	var parts [4][]byte
	rest := data[1:]
	for i := range parts {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return tokenstore.Key{}, tokenstore.Grant{}, errFormat
		}
		parts[i], rest = rest[n:n+int(size)], rest[n+int(size):]
	}
	if err = g.UnmarshalBinary(parts[3]); err != nil {
		err = fmt.Errorf("%w: %w", tokenstore.ErrSealed, err)
	} else if len(rest) > 0 {
		err = errFormat
	}
	g.Version = string(parts[2])
	return tokenstore.Key{ClientID: string(parts[0]), Subject: string(parts[1])}, g, err
}

// makeDir makes the directory at path and the missing ones above, and takes the
// permission to write to it away from others.
func makeDir(path string) error {
	if err := mkdirSynced(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return deny(path, info, 0o022)
}

// makeShard makes a subdirectory for its owner only. It follows no link: where
// others may write to the directory, they could have put one there that leads
// to an unrelated directory.
func makeShard(path string) error {
	if err := mkdirSynced(path); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s exists and is no directory", path)
	}
	return deny(path, info, 0o077)
}

// deny removes permissions from a directory. In a sticky one others can neither
// remove nor rename files that are not theirs, so they keep the permission to
// write.
func deny(path string, dir os.FileInfo, permissions os.FileMode) error {
	mode := dir.Mode()
	if mode&os.ModeSticky != 0 {
		permissions &^= 0o022
	}
	if mode&permissions == 0 {
		return nil
	}
	return os.Chmod(path, mode&^permissions)
}

// mkdirSynced is [os.MkdirAll], and syncs the parent of each new directory: a
// power cut would remove a directory whose name is not on the disk, and all
// files in it.
func mkdirSynced(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if err := mkdirSynced(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	dir, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
