package idtoken_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// Every benchmark reports ns/op of what it measures as a ratio of the floor:
// what SHA-256 and RSA alone cost for the token of ordinary size, measured in
// the same run, in turns with it.

// floor returns the work no verifier can do without.
func floor(b *testing.B) func() {
	token := good()
	input := []byte(token[:strings.LastIndexByte(token, '.')])
	signature, err := base64.RawURLEncoding.DecodeString(token[len(input)+1:])
	if err != nil {
		b.Fatal(err)
	}
	key, err := staticKeys(b, issuer()).Key(b.Context(), issuer().KeyID())
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		sum := sha256.Sum256(input)
		if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}

// compare benchmarks op and reports its time as a part of the floor's: the best
// of many short turns of each, since other programs only ever make one slower.
func compare(b *testing.B, op func()) {
	floor := floor(b)
	bestOp, bestFloor := time.Hour, time.Hour
	for range 200 {
		bestFloor = min(bestFloor, turn(floor))
		bestOp = min(bestOp, turn(op))
	}
	b.ReportAllocs()
	for b.Loop() {
		op()
	}
	b.ReportMetric(float64(bestOp)/float64(bestFloor), "x-floor")
}

// turn returns the time that 2,000 calls would take, from those that fit in a
// millisecond.
func turn(op func()) time.Duration {
	start := time.Now()
	for n := 1; ; n++ {
		op()
		if taken := time.Since(start); taken > time.Millisecond {
			return 2000 * taken / time.Duration(n)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	v := newVerifier(b, nil)
	token := good()
	compare(b, func() {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkVerifyCached(b *testing.B) {
	v := newVerifier(b, func(c *idtoken.Config) { c.CacheSize = 100 })
	token := good()
	compare(b, func() {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	})
}
