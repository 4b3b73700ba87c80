package tokenstore

import "context"

// A Sealer encrypts and authenticates: a [Keyring], or an adapter around a cloud
// KMS or a Tink AEAD, which takes a few lines.
type Sealer interface {
	// Seal encrypts plaintext and binds it to associated, which is not secret
	// and is not part of the result.
	Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error)

	// Open reverses Seal. If any of sealed or associated is another, or the key
	// is gone, the error wraps [ErrSealed]: this will never open. Any other
	// error is a failure for now, such as a KMS that cannot be reached, after
	// which [Sealed.Reseal] stops instead of passing the record over.
	Open(ctx context.Context, sealed, associated []byte) ([]byte, error)
}
