package idtoken_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"runtime"
	"strings"
	"sync"
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

// BenchmarkRefuse is what a stranger can make us pay without a key.
func BenchmarkRefuse(b *testing.B) {
	v := newVerifier(b, func(c *idtoken.Config) { c.CacheSize = 100 })
	large := payload(add("picture2", `"`+strings.Repeat("x", 600)+`"`))
	token := issuer().SignHeader(header(), large)
	parts := strings.Split(token, ".")
	megabyte := strings.Repeat("a", 1<<20)
	payloadOf := func(text string) string { return parts[0] + "." + encode(json.RawMessage(text)) + "." + parts[2] }
	headerOf := func(text string) string { return encode(json.RawMessage(text)) + "." + parts[1] + "." + parts[2] }
	for _, bad := range []struct{ name, token string }{
		{"alg none", issuer().SignHeader(header(set("alg", `"none"`)), large)},
		{"four segments", token + ".x"},
		{"padded", token + "="},
		{"payload not canonical", parts[0] + "." + spare(large) + "." + parts[2]},
		{"payload no JSON", issuer().SignHeader(header(), large[:len(large)-1])},
		{"payload with a name twice", issuer().SignHeader(header(), append(large[:len(large)-1:len(large)-1], `,"iss":1}`...))},
		{"payload of all members, one name twice", payloadOf(manyNames(maxValues-1, `,"n7":0`))},
		{"payload of 100 members", payloadOf(manyNames(100, `,"n7":0`))},
		{"payload of 150 members", payloadOf(manyNames(150, `,"n7":0`))},
		{"payload of 400 elements", payloadOf(`{"x":[` + strings.Repeat("[],", 400) + `[]]}`)},
		{"payload of all members inside, one name twice", payloadOf(`{"x":` + manyNames(maxValues-2, `,"n7":0`) + "}")},
		{"payload cut in escapes", payloadOf(`{"x":"` + strings.Repeat(`\u00e9`, 200))},
		{"payload cut in letters", payloadOf(`{"x":"` + strings.Repeat(`é`, 600))},
		{"payload cut in a number", payloadOf(`{"x":` + strings.Repeat(`1`, 1200))},
		{"payload cut in white space", payloadOf(`{"x":` + strings.Repeat(` `, 1200))},
		{"header of all members, without alg", headerOf(manyNames(maxValues, ``))},
		{"header of 100 members", headerOf(manyNames(100, `,"n7":0`))},
		{"header of 150 members", headerOf(manyNames(150, `,"n7":0`))},
		{"1 MB of dots", strings.Repeat(".", 1<<20)},
		{"1 MB of letters", megabyte},
		{"1 MB header", megabyte + "." + parts[1] + "." + parts[2]},
		{"1 MB payload", parts[0] + "." + megabyte + "." + parts[2]},
	} {
		b.Run(bad.name, func(b *testing.B) {
			compare(b, func() {
				if _, err := v.Verify(b.Context(), bad.token); err == nil {
					b.Fatal("accepted")
				}
			})
		})
	}
}

// BenchmarkVerifyParallel reports how many times as many tokens all cores verify
// as one does.
func BenchmarkVerifyParallel(b *testing.B) {
	v := newVerifier(b, nil)
	token := good()
	verify := func(workers int) time.Duration {
		const each = 50 // a few milliseconds, so that some turns have all cores to themselves
		start := time.Now()
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range each {
					v.Verify(b.Context(), token)
				}
			})
		}
		wg.Wait()
		return time.Since(start) / time.Duration(workers)
	}
	one, all := time.Hour, time.Hour
	for b.Loop() {
		one = min(one, verify(1))
		all = min(all, verify(runtime.GOMAXPROCS(0)))
	}
	b.ReportMetric(float64(one)/float64(all), "x-one-core")
}
