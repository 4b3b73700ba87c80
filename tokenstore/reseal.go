package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Reseal seals again, under the Sealer's present key, every record that is under
// another one, in key order from after. It is a step in changing keys: see
// [NewKeyring] and [NewEnvelope]. It needs a Store that is a [Lister]. The store
// may be in use meanwhile. n is the number of records written. A record that the
// Sealer has a method UnderPrimary(sealed []byte) bool for, and that this reports
// to be under its present key, is left alone.
//
// progress, unless nil, is called with each key that is done. If Reseal stops on
// an error of the Store or the Sealer, or because ctx ended, call it again with
// the last key that progress got. Records that do not open ([ErrSealed]) stay as
// they are and do not stop it: in the end the error wraps ErrSealed, counts them
// and names the first.
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
		g, err := s.Store.Load(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if s.underPrimary(g) {
			return false, nil
		}
		if err := s.open(ctx, key, &g); err != nil {
			return false, err
		}
		if _, err = s.Save(ctx, key, g); !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
	}
	return false, ErrConflict
}

func (s *Sealed) underPrimary(g Grant) bool {
	sealer, ok := s.Sealer.(interface{ UnderPrimary(sealed []byte) bool })
	if !ok {
		return false
	}
	sealed, ok := strings.CutPrefix(g.RefreshToken, sealedMark)
	return ok && sealer.UnderPrimary([]byte(sealed))
}
