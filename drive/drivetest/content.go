package drivetest

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

const defaultType = "application/octet-stream"

// content is a file's bytes, never modified, with checksums made when first
// asked for.
type content struct {
	bytes             []byte
	md5, sha1, sha256 func() string
}

func newContent(b []byte) *content {
	return &content{
		bytes:  b,
		md5:    sync.OnceValue(func() string { s := md5.Sum(b); return hex.EncodeToString(s[:]) }),
		sha1:   sync.OnceValue(func() string { s := sha1.Sum(b); return hex.EncodeToString(s[:]) }),
		sha256: sync.OnceValue(func() string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }),
	}
}
