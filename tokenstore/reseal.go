package tokenstore

import (
	"context"
	"errors"
	"fmt"
)

// primaryTeller is a Sealer that can tell what is sealed under the key that it
// seals with now, such as a Keyring.
type primaryTeller interface{ UnderPrimary(sealed []byte) bool }

// Reseal seals under the Sealer's present key every record, in key order from
// after, that is not: the last step but one of changing keys, and, with
// AdoptPlaintext, of beginning to seal. It needs a Store that is a [Lister].
// Others may use the store meanwhile. n is the number of records written.
//
// progress, unless nil, is told each key that is done with. If Reseal stops on
// an error of the Store or the Sealer, or because ctx ended, call it again with
// the last key it told. Records that never open ([ErrSealed], from the Sealer
// itself) stay as they are and do not stop it: in the end the error wraps
// ErrSealed, counts them and names the first.
func (s *Sealed) Reseal(ctx context.Context, after Key, progress func(Key)) (n int, err error) {
	var unopened int
	var first Key
	for key, err := range s.Keys(ctx, after) {
		if err != nil {
			return n, &failure{"resealing", err}
		}
		written, err := s.reseal(ctx, key)
		switch {
		case written:
			n++
		case errors.Is(err, ErrSealed) && ctx.Err() == nil:
			if unopened++; unopened == 1 {
				first = key
			}
		case err != nil:
			return n, failed("resealing the grant of", key.Subject, err)
		}
		if progress != nil {
			progress(key)
		}
	}
	if unopened > 0 {
		return n, fmt.Errorf("tokenstore: resealing: %w: %d of them, the first that of %s", ErrSealed, unopened, first.Subject)
	}
	return n, nil
}

func (s *Sealed) reseal(ctx context.Context, key Key) (written bool, err error) {
	for range maxConflicts {
		record, err := s.Store.Load(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if s.underPrimary(record) {
			return false, nil
		}
		g, err := s.open(ctx, key, record)
		if f, ok := errors.AsType[*sealerFailure](err); ok {
			return false, f.cause
		}
		if err != nil {
			return false, err
		}
		if _, err = s.Save(ctx, key, g); !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
	}
	return false, ErrConflict
}

func (s *Sealed) underPrimary(record Grant) bool {
	teller, ok := s.Sealer.(primaryTeller)
	if !ok {
		return false
	}
	envelope, ok := envelopeOf(record)
	return ok && teller.UnderPrimary(envelope)
}
