package tokenstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// keyService is a key service that wraps badly and counts.
type keyService struct {
	wraps, unwraps atomic.Int32
	down           atomic.Bool
	before         func(context.Context) error // if not nil, called first
}

func newKeyService() *keyService { return new(keyService) }

func (s *keyService) envelope(t testing.TB) (*tokenstore.Envelope, *keyService) {
	t.Helper()
	e, err := tokenstore.NewEnvelope(s.wrap, s.unwrap)
	if err != nil {
		t.Fatal(err)
	}
	return e, s
}

func (s *keyService) call(ctx context.Context) error {
	if s.before != nil {
		if err := s.before(ctx); err != nil {
			return err
		}
	}
	if s.down.Load() {
		return errDown
	}
	return ctx.Err()
}

const wrapMark = "wrapped:"

func (s *keyService) wrap(ctx context.Context, key []byte) ([]byte, error) {
	s.wraps.Add(1)
	if err := s.call(ctx); err != nil {
		return nil, err
	}
	wrapped := append([]byte(wrapMark), key...)
	for i := range key {
		wrapped[len(wrapMark)+i] ^= 0x5a
		key[i] = 0 // as a careful adapter does
	}
	return wrapped, nil
}

func (s *keyService) unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	s.unwraps.Add(1)
	if err := s.call(ctx); err != nil {
		return nil, err
	}
	key, ok := bytes.CutPrefix(wrapped, []byte(wrapMark))
	if !ok {
		return nil, fmt.Errorf("%w: wrapped by somebody else", tokenstore.ErrSealed)
	}
	for i := range key {
		key[i] ^= 0x5a
	}
	return key, nil
}

func wantCalls(t *testing.T, s *keyService, wraps, unwraps int32) {
	t.Helper()
	if s.wraps.Load() != wraps || s.unwraps.Load() != unwraps {
		t.Errorf("the key service was called %d times to wrap and %d times to unwrap, want %d and %d", s.wraps.Load(), s.unwraps.Load(), wraps, unwraps)
	}
}

func wantOpens(t *testing.T, s tokenstore.Sealer, sealed []byte, want string) {
	t.Helper()
	if got, err := s.Open(t.Context(), sealed, []byte("bound")); err != nil || string(got) != want {
		t.Errorf("Open = %q, %v, want %q", got, err, want)
	}
}

func TestNewEnvelope(t *testing.T) {
	s := newKeyService()
	if _, err := tokenstore.NewEnvelope(nil, s.unwrap); err == nil {
		t.Error("NewEnvelope works without wrap")
	}
	if _, err := tokenstore.NewEnvelope(s.wrap, nil); err == nil {
		t.Error("NewEnvelope works without unwrap")
	}
}

// The key service is called once a process to seal any number of records, and
// once to open any number of another process's.
func TestEnvelopeCallsTheKeyServiceOnce(t *testing.T) {
	one, service := newKeyService().envelope(t)
	other, _ := service.envelope(t)
	sealed := make([][]byte, 200)
	var wg sync.WaitGroup
	for i := range sealed {
		wg.Go(func() { sealed[i] = seal(t, one, fmt.Sprint(i)) })
	}
	wg.Wait()
	wantCalls(t, service, 1, 0)
	for i := range sealed {
		wg.Go(func() {
			wantOpens(t, one, sealed[i], fmt.Sprint(i))
			wantOpens(t, other, sealed[i], fmt.Sprint(i))
		})
	}
	wg.Wait()
	wantCalls(t, service, 1, 1)
	seal(t, other, "text")
	wantCalls(t, service, 2, 1)
}

// A data key seals for a day, and opens for good.
func TestEnvelopeMakesAKeyADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, service := newKeyService().envelope(t)
		const asked = 5 * time.Second // the key service may change its key at any time of those
		service.before = func(context.Context) error { time.Sleep(asked); return nil }
		first := seal(t, e, "first")
		service.before = nil
		time.Sleep(24*time.Hour - asked - 1)
		seal(t, e, "second")
		wantCalls(t, service, 1, 0)
		if !e.UnderPrimary(first) {
			t.Error("UnderPrimary reports another data key")
		}
		time.Sleep(time.Nanosecond)
		third := seal(t, e, "third")
		wantCalls(t, service, 2, 0)
		if e.UnderPrimary(first) || !e.UnderPrimary(third) {
			t.Error("UnderPrimary does not follow")
		}
		wantOpens(t, e, first, "first")
		wantOpens(t, e, third, "third")
		wantCalls(t, service, 2, 0)
	})
}

// A key service that cannot be reached says nothing about a record.
func TestEnvelopeWithoutItsKeyService(t *testing.T) {
	for name, outage := range map[string]func(*keyService){
		"down":    func(s *keyService) { s.down.Store(true) },
		"no keys": func(s *keyService) { s.before = func(context.Context) error { return errDown } },
	} {
		t.Run(name, func(t *testing.T) {
			rows := new(tokenstore.Memory)
			before, service := newKeyService().envelope(t)
			save(t, &tokenstore.Sealed{Store: rows, Sealer: before}, janeKey, tokenstore.Grant{RefreshToken: "1//refresh"})

			now, _ := service.envelope(t)
			s := &tokenstore.Sealed{Store: rows, Sealer: now}
			outage(service)
			_, err := s.Load(t.Context(), janeKey)
			wantUnavailable(t, "Load", err)
			_, err = s.Save(t.Context(), johnKey, tokenstore.Grant{RefreshToken: "1//johns"})
			wantUnavailable(t, "Save", err)
			b := newBench(t, func(c *tokenstore.Config) { c.Store = s })
			_, err = b.Token(t.Context(), jane)
			wantUnavailable(t, "Token", err)

			service.down.Store(false)
			service.before = nil
			if g := load(t, s, janeKey); g.RefreshToken != "1//refresh" {
				t.Errorf("Load = %v", g)
			}
			save(t, s, johnKey, tokenstore.Grant{RefreshToken: "1//johns"})
		})
	}
}

// What unwrap says is for good is ErrSealed. A key of the wrong size is a mistake
// in unwrap, after which no record may be taken for lost.
func TestEnvelopeRefusesAKey(t *testing.T) {
	e, service := newKeyService().envelope(t)
	sealed := seal(t, e, "text")
	foreign := bytes.Replace(sealed, []byte("wrapped"), []byte("WRAPPED"), 1)
	if _, err := e.Open(t.Context(), foreign, []byte("bound")); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Open: %v, want ErrSealed", err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"short": func(key []byte) []byte { return key[:16] },
		"long":  func(key []byte) []byte { return append(key, 0) },
		"none":  func([]byte) []byte { return nil },
	} {
		other, err := tokenstore.NewEnvelope(service.wrap, func(ctx context.Context, wrapped []byte) ([]byte, error) {
			key, err := service.unwrap(ctx, wrapped)
			return change(key), err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Open(t.Context(), sealed, []byte("bound")); err == nil || errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("%s: Open: %v, want an error that is not ErrSealed", name, err)
		}
	}
	for name, wrapped := range map[string][]byte{"nothing": nil, "64 KiB": make([]byte, 1<<16)} {
		other, err := tokenstore.NewEnvelope(func(context.Context, []byte) ([]byte, error) { return wrapped, nil }, service.unwrap)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Seal(t.Context(), nil, nil); err == nil || errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("Seal, wrapped to %s: %v, want an error that is not ErrSealed", name, err)
		}
	}
}

// A caller who leaves does not end the call that the others share, and the key
// is there for the next one.
func TestEnvelopeCallOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, service := newKeyService().envelope(t)
		sealed := seal(t, e, "text")
		other, _ := service.envelope(t)
		service.before = func(ctx context.Context) error {
			time.Sleep(3 * time.Second)
			return ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		memory := bytes.Clone(sealed)
		if _, err := other.Open(ctx, memory, []byte("bound")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Open, with a deadline: %v", err)
		}
		clear(memory) // its next user's
		if _, err := other.Seal(ctx, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Seal, after its deadline: %v", err)
		}
		wantOpens(t, other, sealed, "text")
		wantOpens(t, other, sealed, "text")
		wantCalls(t, service, 1, 1)
	})
}

// A call that does not end is given up.
func TestEnvelopeCallHasATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, service := newKeyService().envelope(t)
		sealed := seal(t, e, "text")
		other, _ := service.envelope(t)
		service.before = func(ctx context.Context) error {
			<-ctx.Done()
			return errDown
		}
		began := time.Now()
		_, err := other.Open(context.Background(), sealed, []byte("bound"))
		if !errors.Is(err, errDown) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("Open: %v after %v", err, time.Since(began))
		}
		began = time.Now()
		_, err = other.Seal(t.Context(), nil, nil)
		if !errors.Is(err, errDown) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("Seal: %v after %v", err, time.Since(began))
		}
	})
}

// An error that quotes the data key is replaced by its type.
func TestEnvelopeErrorsShowNoKey(t *testing.T) {
	var secret string
	e, err := tokenstore.NewEnvelope(func(_ context.Context, key []byte) ([]byte, error) {
		secret = string(key)
		return nil, fmt.Errorf("cannot wrap %x", key)
	}, newKeyService().unwrap)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Seal(t.Context(), nil, nil)
	if err == nil {
		t.Fatal("Seal succeeded")
	}
	noSecret(t, err, secret)
}

// What a key service has returned may be wiped, or used for another key, later.
func TestEnvelopeKeepsNoResults(t *testing.T) {
	service := newKeyService()
	var returned [][]byte
	lent := func(call func(context.Context, []byte) ([]byte, error)) func(context.Context, []byte) ([]byte, error) {
		return func(ctx context.Context, key []byte) ([]byte, error) {
			for _, b := range returned {
				clear(b)
			}
			result, err := call(ctx, key)
			returned = append(returned, result)
			return result, err
		}
	}
	var envelopes [2]*tokenstore.Envelope
	for i := range envelopes {
		var err error
		if envelopes[i], err = tokenstore.NewEnvelope(lent(service.wrap), lent(service.unwrap)); err != nil {
			t.Fatal(err)
		}
	}
	first := seal(t, envelopes[0], "first")
	wantOpens(t, envelopes[1], first, "first")
	seal(t, envelopes[1], "second") // clears what came before
	third := seal(t, envelopes[0], "third")
	wantOpens(t, envelopes[1], first, "first")
	wantOpens(t, envelopes[1], third, "third")
	wantCalls(t, service, 2, 1)
}

// What the arguments are used for later must not change what was kept of them.
func TestSealersKeepNoArguments(t *testing.T) {
	for name, newSealer := range sealers {
		s := newSealer(t)
		plaintext, bound := []byte("text"), []byte("bound")
		sealed, err := s.Seal(t.Context(), plaintext, bound)
		if err != nil {
			t.Fatal(err)
		}
		if string(plaintext) != "text" || string(bound) != "bound" {
			t.Errorf("%s: Seal has changed its arguments", name)
		}
		kept := bytes.Clone(sealed)
		wantOpens(t, s, sealed, "text")
		if !bytes.Equal(sealed, kept) {
			t.Errorf("%s: Open has changed its arguments", name)
		}
		clear(sealed)
		wantOpens(t, s, kept, "text")
	}
}
