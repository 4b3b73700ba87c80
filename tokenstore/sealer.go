package tokenstore

import "context"

// A Sealer encrypts and authenticates: a [Keyring], or an adapter around a cloud
// KMS or a Tink AEAD, which takes a few lines.
type Sealer interface {
	// Seal encrypts plaintext and binds it to associated, which is not secret
	// and is not part of the result.
	Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error)

	// Open reverses Seal. It fails if any of sealed or associated is another.
	Open(ctx context.Context, sealed, associated []byte) ([]byte, error)
}
