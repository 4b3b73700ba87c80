package tokenstore

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Sealed is a [Store] that encrypts the tokens of each grant before it passes it
// on to Store. They are bound to their [Key]: a record that somebody copied to
// another user's row does not open. State, scopes and times stay readable, and
// so does what a [Finder] needs, which is no way back to the token.
//
// A record that does not open is [ErrSealed]: changed, cut off, somebody else's,
// under a key that is not on the keyring, or not sealed at all. It stays as it
// is, and Load returns what is readable of it, Version included, so that a
// sign-in with a new refresh token can replace it. Where the Sealer fails for
// another reason, such as a KMS that is away, Load's error wraps that too.
//
// It is a [Lister], a [Finder] and a [Leaser] as far as Store is: otherwise those
// methods fail with [errors.ErrUnsupported]. It holds no state, so its methods
// are safe for concurrent use as long as nobody changes the fields.
type Sealed struct {
	Store  Store
	Sealer Sealer

	// AdoptPlaintext takes a record that is not sealed as it is, and seals it at
	// the next write or [Sealed.Reseal]: for a store that was in use before.
	// Anyone who can write to the store can then plant a token of their own, so
	// switch it off again.
	AdoptPlaintext bool
}

var (
	_ Store  = (*Sealed)(nil)
	_ Lister = (*Sealed)(nil)
	_ Finder = (*Sealed)(nil)
	_ Leaser = (*Sealed)(nil)
)

// A RefreshToken field that is an envelope, in base64, is marked as one; the
// number is that of the form.
const (
	sealedMark   = "$sealed$"
	sealedPrefix = sealedMark + "1$"
)

// recordKind is what a sealed record is bound to beside its Key.
const recordKind = "tokenstore grant 1"

// associated spells out what a record is bound to, each part with its length.
func associated(key Key) []byte {
	b := make([]byte, 0, 64+len(key.ClientID)+len(key.Subject))
	for _, part := range [...]string{recordKind, key.ClientID, key.Subject} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// Load implements [Store].
func (s *Sealed) Load(ctx context.Context, key Key) (Grant, error) {
	g, err := s.Store.Load(ctx, key)
	if err != nil {
		return Grant{Version: g.Version}, err
	}
	return s.open(ctx, key, g)
}

// open returns the grant in a record as Store has it.
func (s *Sealed) open(ctx context.Context, key Key, g Grant) (Grant, error) {
	envelope, ok := envelopeOf(g)
	if !ok && s.AdoptPlaintext && !strings.HasPrefix(g.RefreshToken, sealedMark) {
		return g, nil
	}
	g.RefreshToken, g.AccessToken, g.hashes = "", "", nil
	if !ok {
		return g, fmt.Errorf("%w: it is not sealed", ErrSealed)
	}
	if s.Sealer == nil {
		return g, &sealerFailure{errNoSealer}
	}
	plaintext, err := s.Sealer.Open(ctx, envelope, associated(key))
	if err != nil && !errors.Is(err, ErrSealed) {
		err = &sealerFailure{err}
	}
	if err != nil {
		return g, err
	}
	var tokens Grant
	if tokens.UnmarshalBinary(plaintext) != nil {
		return g, fmt.Errorf("%w: there is something else in it", ErrSealed)
	}
	g.RefreshToken, g.AccessToken = tokens.RefreshToken, tokens.AccessToken
	return g, nil
}

var errNoSealer = errors.New("Sealed.Sealer is not set")

// sealerFailure is a failure of the Sealer that says nothing about the record:
// that is as good as sealed now, and may open later.
type sealerFailure struct{ cause error }

func (f *sealerFailure) Error() string   { return ErrSealed.Error() + ": " + f.cause.Error() }
func (f *sealerFailure) Unwrap() []error { return []error{ErrSealed, f.cause} }

func envelopeOf(g Grant) (envelope []byte, ok bool) {
	text, ok := strings.CutPrefix(g.RefreshToken, sealedPrefix)
	if !ok {
		return nil, false
	}
	envelope, err := base64.RawStdEncoding.Strict().DecodeString(text)
	return envelope, err == nil
}

// Save implements [Store].
func (s *Sealed) Save(ctx context.Context, key Key, g Grant) (version string, err error) {
	if err := enter(ctx, key); err != nil {
		return "", err
	}
	sealed, err := s.seal(ctx, key, g)
	if err != nil {
		return "", err
	}
	return s.Store.Save(ctx, key, sealed)
}

func (s *Sealed) seal(ctx context.Context, key Key, g Grant) (Grant, error) {
	if s.Sealer == nil {
		return Grant{}, &failure{"sealing", errNoSealer}
	}
	plaintext, err := Grant{RefreshToken: g.RefreshToken, AccessToken: g.AccessToken}.MarshalBinary()
	if err != nil {
		return Grant{}, err
	}
	envelope, err := s.Sealer.Seal(ctx, plaintext, associated(key))
	if err != nil {
		return Grant{}, &failure{"sealing", err}
	}
	g.hashes = g.Hashes()
	g.RefreshToken, g.AccessToken = textOf(envelope), ""
	return g, nil
}

// textOf is what [envelopeOf] reads, written without an intermediate copy.
func textOf(envelope []byte) string {
	var text strings.Builder
	text.Grow(len(sealedPrefix) + base64.RawStdEncoding.EncodedLen(len(envelope)))
	text.WriteString(sealedPrefix)
	var buf [64]byte
	for chunk := range slices.Chunk(envelope, 48) { // groups of three, so that the pieces join
		text.Write(base64.RawStdEncoding.AppendEncode(buf[:0], chunk))
	}
	return text.String()
}

// Delete implements [Store].
func (s *Sealed) Delete(ctx context.Context, key Key, version string) error {
	return s.Store.Delete(ctx, key, version)
}

// Keys implements [Lister].
func (s *Sealed) Keys(ctx context.Context, after Key) iter.Seq2[Key, error] {
	if l, ok := s.Store.(Lister); ok {
		return l.Keys(ctx, after)
	}
	return unsupported
}

// Find implements [Finder].
func (s *Sealed) Find(ctx context.Context, tokenHash string) iter.Seq2[Key, error] {
	if f, ok := s.Store.(Finder); ok {
		return f.Find(ctx, tokenHash)
	}
	return unsupported
}

func unsupported(yield func(Key, error) bool) { yield(Key{}, errors.ErrUnsupported) }

// Lease implements [Leaser].
func (s *Sealed) Lease(ctx context.Context, key Key, purpose string, ttl time.Duration) (release func(), ok bool, err error) {
	if l, ok := s.Store.(Leaser); ok {
		return l.Lease(ctx, key, purpose, ttl)
	}
	return nil, false, errors.ErrUnsupported
}
