package tokenstore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Key names one kept grant: a user, as Google's "sub" claim identifies them,
// at one OAuth client. Two clients of the same backend never share a grant.
type Key struct{ ClientID, Subject string }

// maxKeyPart is the longest ClientID or Subject, in bytes. Google's sub has at
// most 255 ASCII characters
// (https://developers.google.com/identity/openid-connect/openid-connect#obtaininguserprofileinformation).
const maxKeyPart = 255

// Validate reports why k cannot name a grant: each part is 1 to 255 bytes of
// UTF-8 without control characters, compared byte by byte. A wrong Subject is
// [ErrSubject]. Every Store refuses such a Key before anything else.
func (k Key) Validate() error {
	if why := refusePart(k.Subject); why != "" {
		return fmt.Errorf("%w: it is %s", ErrSubject, why)
	}
	if why := refusePart(k.ClientID); why != "" {
		return fmt.Errorf("the key's ClientID is %s", why)
	}
	return nil
}

func refusePart(s string) string {
	switch {
	case s == "":
		return "empty"
	case len(s) > maxKeyPart:
		return "longer than 255 bytes"
	case !utf8.ValidString(s):
		return "not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "not free of control characters"
	}
	return ""
}

// Compare orders keys by ClientID, then by Subject, byte by byte: the order in
// which a [Lister] yields them.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.ClientID, other.ClientID), cmp.Compare(k.Subject, other.Subject))
}

// AnyVersion makes [Store.Delete] remove a grant whatever its version is.
const AnyVersion = "*"

// A Store keeps grants. It is what makes a refresh token survive, so a result
// without an error means that the write is as durable as the store can make it.
//
// All methods are safe for concurrent use, also by several processes where the
// store is a shared one. They refuse a Key that [Key.Validate] refuses, and
// return an error that wraps ctx.Err() when ctx ends; a write that was under way
// then may or may not have happened. A Grant is copied in and out: neither side
// sees what the other does to its slices later.
//
// Versions are opaque and never used twice for a Key, also not after a Delete,
// where a slow writer would overwrite a newer sign-in: the store makes one of 128
// random bits or more at each write (such as crypto/rand's Text).
//
// A store keeps the whole record, as [Grant.MarshalBinary] writes it: a Grant
// carries more than its exported fields, such as which sign-in it goes back to.
// It may index [Grant.Hashes], State and the times, which are no secrets.
//
// Package tokenstoretest checks all of this for any Store.
type Store interface {
	// Load returns the grant with its Version. None: an error that wraps
	// [ErrNotFound]. One that is there and cannot be read: its Version, and an
	// error that wraps [ErrSealed].
	Load(ctx context.Context, key Key) (Grant, error)

	// Save writes g if the kept grant still has g.Version, in one atomic step,
	// and returns the new version. An empty g.Version creates: nothing may be
	// there yet. Where the kept version is another one, or the grant has gone,
	// nothing is written and the error wraps [ErrConflict].
	Save(ctx context.Context, key Key, g Grant) (version string, err error)

	// Delete removes the grant if it still has that version, or whatever is there
	// for [AnyVersion]. That nothing is there is no error; that it has another
	// version is one that wraps [ErrConflict]. An empty version matches no grant.
	Delete(ctx context.Context, key Key, version string) error
}

// A Lister is a [Store] that can list its keys.
type Lister interface {
	// Keys yields the keys greater than after, in the order of [Key.Compare]; the
	// zero Key is before all others. after is a place in that order and need not be
	// a valid Key. It reads page by page and survives concurrent change: a key that
	// is there throughout is yielded once, one that comes or goes meanwhile at most
	// once. An error ends it, and is yielded with the zero Key.
	Keys(ctx context.Context, after Key) iter.Seq2[Key, error]
}

// A Leaser hands out leases: for a while, one holder among all processes. They
// save calls and are never what keeps data correct: that is Save's comparison
// of versions.
type Leaser interface {
	// Lease tries to take the lease of key for purpose, for ttl, and does not
	// wait. Leases for different purposes have nothing to do with each other;
	// the Manager's begin with "tokenstore/", so a program chooses others. A
	// purpose that [ValidatePurpose] refuses is an error.
	//
	// With ok false and no error another holder has it, and release is nil. With
	// ok true the caller holds it until ttl has passed or release is called.
	// release ends this lease and no later one, may be called twice and after
	// ctx has ended, and does not fail: what cannot be released expires. The key
	// need not have a grant.
	Lease(ctx context.Context, key Key, purpose string, ttl time.Duration) (release func(), ok bool, err error)
}

// ValidatePurpose reports why purpose is none for a lease: it is at most 255
// bytes of UTF-8 without control characters, compared byte by byte. Every Leaser
// refuses another one before anything else.
func ValidatePurpose(purpose string) error {
	if why := refusePart(purpose); why != "" && purpose != "" {
		return fmt.Errorf("the lease's purpose is %s", why)
	}
	return nil
}

// A Finder is a [Store] that finds a grant by its refresh token, for Google's
// Cross-Account Protection events, which name a token and not a user.
type Finder interface {
	// Find yields the keys whose [Grant.Hashes] contain tokenHash, in no
	// particular order: none for what cannot be a hash. An error ends it, and is
	// yielded with the zero Key.
	Find(ctx context.Context, tokenHash string) iter.Seq2[Key, error]
}
