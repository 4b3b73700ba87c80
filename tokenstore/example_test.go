package tokenstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// A user signs in with consent, comes back without, and is called for when they
// are away.
func Example() {
	ctx := context.Background()
	google := newGoogle() // in a program: an exchange.Client
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID:  "407408718192.apps.googleusercontent.com",
		Store:     new(tokenstore.Memory),
		Refresher: google,
		Revoker:   google,
	})
	if err != nil {
		log.Fatal(err)
	}

	const subject = "108365719284610937465" // the sub of the verified ID token
	first, err := grants.SignIn(ctx, subject, google.consent("openid email"))
	if err != nil {
		log.Fatal(err)
	}
	second, err := grants.SignIn(ctx, subject, google.again("openid email"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("same refresh token:", second.RefreshToken == first.RefreshToken)

	tok, err := grants.Token(ctx, subject)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("access token for", time.Until(tok.Expiry).Round(time.Minute))

	if err := grants.Disconnect(ctx, subject); err != nil {
		log.Fatal(err)
	}
	_, err = grants.Token(ctx, subject)
	fmt.Println(err)
	// Output:
	// same refresh token: true
	// access token for 1h0m0s
	// tokenstore: 108365719284610937465 needs to give consent: none_kept
}

// What an app's backend does with a user whose grant has ended.
func ExampleConsentError() {
	google := newGoogle()
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID: "407408718192.apps.googleusercontent.com", Store: new(tokenstore.Memory), Refresher: google,
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = grants.Token(context.Background(), "108365719284610937465")
	if consent, ok := errors.AsType[*tokenstore.ConsentError](err); ok {
		switch consent.Reason {
		case tokenstore.ReasonNone:
			fmt.Println("sign in")
		case tokenstore.ReasonInvalidRAPT, tokenstore.ReasonRAPTRequired:
			fmt.Println("your organisation wants you to sign in again")
		default:
			fmt.Println("sign in again")
		}
	}
	// Output: sign in
}

// The key comes from a secret manager, not from the database.
func ExampleSealed() {
	ctx := context.Background()
	secret := make([]byte, 32)
	secret[0] = 1
	keyring, err := tokenstore.NewKeyring(secret)
	if err != nil {
		log.Fatal(err)
	}
	rows := new(tokenstore.Memory)
	store := &tokenstore.Sealed{Store: rows, Sealer: keyring}

	key := tokenstore.Key{ClientID: "407408718192.apps.googleusercontent.com", Subject: "108365719284610937465"}
	if _, err := store.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//refresh"}); err != nil {
		log.Fatal(err)
	}
	raw, err := rows.Load(ctx, key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in the rows:", raw.RefreshToken[:8]+"…")
	// Output:
	// in the rows: $sealed$…
}

// A key is changed in three deploys. Each has reached every process before the
// next begins, so that none meets a record that it cannot open.
func ExampleNewKeyring() {
	ctx := context.Background()
	rows := new(tokenstore.Memory)
	deploy := func(primary []byte, old ...[]byte) *tokenstore.Sealed {
		keyring, err := tokenstore.NewKeyring(primary, old...)
		if err != nil {
			log.Fatal(err)
		}
		return &tokenstore.Sealed{Store: rows, Sealer: keyring}
	}
	oldKey, newKey := make([]byte, 32), make([]byte, 32)
	oldKey[0], newKey[0] = 1, 2
	first := deploy(oldKey, newKey)
	second := deploy(newKey, oldKey)
	third := deploy(newKey)

	key := tokenstore.Key{ClientID: "407408718192.apps.googleusercontent.com", Subject: "108365719284610937465"}
	if _, err := first.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//refresh"}); err != nil {
		log.Fatal(err)
	}
	_, err := third.Load(ctx, key)
	fmt.Println("the third deploy too early:", err)

	n, err := second.Reseal(ctx, tokenstore.Key{}, nil) // once no process seals with oldKey
	fmt.Println("resealed:", n, err)
	_, err = third.Load(ctx, key)
	fmt.Println("the third deploy:", err)
	// Output:
	// the third deploy too early: the record cannot be unsealed: its key is not on the keyring
	// resealed: 1 <nil>
	// the third deploy: <nil>
}

// A KMS is called once a day by each process that seals, and once for each data
// key of another process. With Google's Cloud KMS the two functions are:
//
//	name := "projects/…/locations/…/keyRings/…/cryptoKeys/…"
//	wrap := func(ctx context.Context, key []byte) ([]byte, error) {
//		resp, err := client.Encrypt(ctx, &kmspb.EncryptRequest{Name: name, Plaintext: key})
//		if err != nil {
//			return nil, err
//		}
//		return resp.Ciphertext, nil
//	}
//	unwrap := func(ctx context.Context, wrapped []byte) ([]byte, error) {
//		resp, err := client.Decrypt(ctx, &kmspb.DecryptRequest{Name: name, Ciphertext: wrapped})
//		if status.Code(err) == codes.InvalidArgument { // not wrapped by this key
//			return nil, fmt.Errorf("%w: %w", tokenstore.ErrSealed, err)
//		}
//		if err != nil {
//			return nil, err
//		}
//		return resp.Plaintext, nil
//	}
func ExampleNewEnvelope() {
	ctx := context.Background()
	calls := 0
	wrap := func(_ context.Context, key []byte) ([]byte, error) { // stands for a KMS
		calls++
		return append([]byte("wrapped:"), key...), nil
	}
	unwrap := func(_ context.Context, wrapped []byte) ([]byte, error) {
		calls++
		return bytes.TrimPrefix(wrapped, []byte("wrapped:")), nil
	}
	envelope, err := tokenstore.NewEnvelope(wrap, unwrap)
	if err != nil {
		log.Fatal(err)
	}
	store := &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: envelope}
	for i := range 1000 {
		key := tokenstore.Key{ClientID: "407408718192.apps.googleusercontent.com", Subject: fmt.Sprint(i)}
		if _, err := store.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//refresh"}); err != nil {
			log.Fatal(err)
		}
		if _, err := store.Load(ctx, key); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("calls of the KMS:", calls)
	// Output: calls of the KMS: 1
}

// aead is the interface of Tink's AEAD primitives.
type aead interface {
	Encrypt(plaintext, associatedData []byte) ([]byte, error)
	Decrypt(ciphertext, associatedData []byte) ([]byte, error)
}

type tinkSealer struct{ aead }

func (s tinkSealer) Seal(_ context.Context, plaintext, associated []byte) ([]byte, error) {
	return s.Encrypt(plaintext, associated)
}

func (s tinkSealer) Open(_ context.Context, sealed, associated []byte) ([]byte, error) {
	plaintext, err := s.Decrypt(sealed, associated)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tokenstore.ErrSealed, err)
	}
	return plaintext, nil
}

// A Tink AEAD seals as it is, with an adapter of two methods. One with its keys
// in memory fails to decrypt only what never opens, which is ErrSealed; of one
// whose key is in a cloud KMS, wrap only the errors that say so and return the
// others as they are.
//
//	type tinkSealer struct{ tink.AEAD }
//
//	func (s tinkSealer) Seal(_ context.Context, plaintext, associated []byte) ([]byte, error) {
//		return s.Encrypt(plaintext, associated)
//	}
//
//	func (s tinkSealer) Open(_ context.Context, sealed, associated []byte) ([]byte, error) {
//		plaintext, err := s.Decrypt(sealed, associated)
//		if err != nil {
//			return nil, fmt.Errorf("%w: %w", tokenstore.ErrSealed, err)
//		}
//		return plaintext, nil
//	}
func ExampleSealer() {
	var primitive aead // from tink.AEAD's aead.New(handle)
	store := &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: tinkSealer{primitive}}
	fmt.Printf("%T\n", store.Sealer)
	// Output: tokenstore_test.tinkSealer
}

// Any API client takes either.
func ExampleManager_HTTPClient() {
	google := newGoogle()
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID: "407408718192.apps.googleusercontent.com", Store: new(tokenstore.Memory), Refresher: google,
	})
	if err != nil {
		log.Fatal(err)
	}
	user := grants.HTTPClient("108365719284610937465")
	_, err = user.Get("https://evil.example/")
	fmt.Println(err)

	var source oauth2.TokenSource = grants.TokenSource(context.Background(), "108365719284610937465")
	_, err = source.Token()
	fmt.Println(errors.Is(err, tokenstore.ErrNeedsConsent))
	// Output:
	// Get "https://evil.example/": tokenstore: no access token is sent to https://evil.example: it is none of Config.Hosts
	// true
}
