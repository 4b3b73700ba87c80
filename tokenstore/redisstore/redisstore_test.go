package redisstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/redisstore"
)

// The examples module, which may have a Redis client, runs the scripts on real
// servers.

var update = flag.Bool("update", false, "write testdata anew")

var jane = tokenstore.Key{ClientID: "client {1}.apps.googleusercontent.com", Subject: "jane/{2}"}

func open(t *testing.T, eval redisstore.Eval) *redisstore.Store {
	t.Helper()
	store, err := redisstore.New(redisstore.Config{Eval: eval})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestNew(t *testing.T) {
	eval := func(context.Context, string, []string, []string) (any, error) { return nil, nil }
	for name, test := range map[string]struct {
		cfg   redisstore.Config
		wrong string // the field that the error names
	}{
		"zero":    {redisstore.Config{}, "Config.Eval"},
		"default": {redisstore.Config{Eval: eval}, ""},
		"prefix":  {redisstore.Config{Eval: eval, Prefix: "app:"}, ""},
		"braces":  {redisstore.Config{Eval: eval, Prefix: "{app}:"}, "Config.Prefix"},
	} {
		_, err := redisstore.New(test.cfg)
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: New = %v", name, err)
		}
	}
}

// TestKeys pins the names of keys, which are part of what is stored, and that
// all keys of a call have one hash tag.
func TestKeys(t *testing.T) {
	var calls [][]string
	store, err := redisstore.New(redisstore.Config{Prefix: "app:", Eval: func(_ context.Context, _ string, keys, _ []string) (any, error) {
		calls = append(calls, keys)
		return int64(1), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	store.Load(ctx, jane)
	store.Save(ctx, jane, tokenstore.Grant{RefreshToken: "1//jane"})
	store.Delete(ctx, jane, tokenstore.AnyVersion)
	release, _, err := store.Lease(ctx, jane, "a:b/c", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	release()
	const (
		name  = "client+%7B1%7D.apps.googleusercontent.com/jane%2F%7B2%7D"
		grant = "app:{36}:grant:" + name
		lease = "app:{36}:lease:a%3Ab%2Fc:" + name
	)
	whole := []string{grant, "app:{36}:keys", "app:{36}:tokens"}
	want := [][]string{{grant}, whole, whole, {lease}, {lease}}
	if fmt.Sprint(calls) != fmt.Sprint(want) {
		t.Errorf("keys are\n%q\nwant\n%q", calls, want)
	}
}

// TestHashIsPinned pins the fields of a grant's hash, which the scripts that are kept
// in testdata read and write, and the members of the sorted sets.
func TestHashIsPinned(t *testing.T) {
	version := regexp.MustCompile(`^[A-Z2-7]{26}$`)
	var got strings.Builder
	store := open(t, func(_ context.Context, script string, keys, args []string) (any, error) {
		fmt.Fprintf(&got, "%s\n%q\n", script, keys)
		for _, arg := range args {
			fmt.Fprintf(&got, "%q\n", version.ReplaceAllString(arg, "VERSION"))
		}
		return int64(1), nil
	})
	store.Load(t.Context(), jane)
	store.Save(t.Context(), jane, tokenstore.Grant{RefreshToken: "1//jane", Version: "OLD"})
	store.Delete(t.Context(), jane, "OLD")
	file := filepath.Join("testdata", "scripts.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("%s has changed (write it with -update); it is now\n%s", file, got.String())
	}
}

// TestBuckets checks that Keys and Find read each bucket, and no other key.
func TestBuckets(t *testing.T) {
	asked := map[string]int{}
	store := open(t, func(_ context.Context, _ string, keys, _ []string) (any, error) {
		asked[regexp.MustCompile(`\{\d+\}`).ReplaceAllString(strings.Join(keys, " "), "{n}")]++
		return []any{}, nil
	})
	for range store.Keys(t.Context(), tokenstore.Key{}) {
	}
	for range store.Find(t.Context(), "hash") {
	}
	if len(asked) != 2 || asked["google-grants:{n}:keys"] != 64 || asked["google-grants:{n}:tokens"] != 64 {
		t.Errorf("asked are %v", asked)
	}
	for range store.Find(t.Context(), "hash\x00") {
	}
	if asked["google-grants:{n}:tokens"] != 64 {
		t.Error("a hash that ends a range early is looked up")
	}
}

// TestAnswers covers the types that clients return.
func TestAnswers(t *testing.T) {
	record, err := tokenstore.Grant{RefreshToken: "1//jane"}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		reply any
		good  bool
		want  error
	}{
		"strings":        {[]any{"v", string(record)}, true, nil},
		"bytes":          {[]any{[]byte("v"), record}, true, nil},
		"empty array":    {[]any{}, false, tokenstore.ErrNotFound},
		"nil":            {nil, false, nil},
		"nil in array":   {[]any{"v", nil}, false, nil},
		"another type":   {"v", false, nil},
		"number":         {int64(1), false, nil},
		"broken record":  {[]any{"v", "x"}, false, tokenstore.ErrSealed},
		"number in list": {[]any{"v", int64(1)}, false, nil},
	} {
		store := open(t, func(context.Context, string, []string, []string) (any, error) { return test.reply, nil })
		g, err := store.Load(t.Context(), jane)
		if (err == nil) != test.good || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: Load = %v", name, err)
		}
		if test.want == nil && errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("%s: Load = %v, though there is something", name, err)
		}
		if test.good && (g.RefreshToken != "1//jane" || g.Version != "v") {
			t.Errorf("%s: Load = %v, version %q", name, g, g.Version)
		}
		if name == "broken record" && g.Version != "v" {
			t.Errorf("%s: Load has version %q, want the kept one", name, g.Version)
		}
	}
}

// TestCheck covers the results of INFO, and that Check runs in every bucket.
func TestCheck(t *testing.T) {
	const said = "# Memory\r\nused_memory:1\r\nmaxmemory:104857600\r\nmaxmemory_policy:noeviction\r\n"
	for name, test := range map[string]struct {
		old, new string
		good     bool
	}{
		"never evicts":       {"", "", true},
		"evicts what ends":   {"noeviction", "volatile-lru", true},
		"evicts any":         {"noeviction", "allkeys-lru", false},
		"evicts any, newer":  {"noeviction", "allkeys-lrm", false},
		"no limit":           {"104857600\r\nmaxmemory_policy:noeviction", "0\r\nmaxmemory_policy:allkeys-lru", true},
		"no policy":          {"maxmemory_policy:noeviction\r\n", "", false},
		"no limit is said":   {"maxmemory:104857600\r\n", "", false},
		"nothing":            {said, "", false},
		"policy is not said": {"noeviction", "", false},
	} {
		info := strings.Replace(said, test.old, test.new, 1)
		asked := map[string]bool{}
		store := open(t, func(_ context.Context, _ string, keys, _ []string) (any, error) {
			asked[keys[0]] = true
			return []any{info}, nil
		})
		if err := store.Check(t.Context()); (err == nil) != test.good || test.good && len(asked) != 64 {
			t.Errorf("%s: Check = %v after %d buckets", name, err, len(asked))
		}
	}
}

func TestErrors(t *testing.T) {
	g := tokenstore.Grant{RefreshToken: "1//secret-refresh-token"}
	cause := errors.New("NOAUTH Authentication required")
	for _, talkative := range []bool{false, true} {
		store := open(t, func(_ context.Context, _ string, keys, args []string) (any, error) {
			if talkative {
				return nil, fmt.Errorf("%w: EVAL with %q and %q", cause, keys, args)
			}
			return nil, cause
		})
		ctx := t.Context()
		operations := map[string]func() error{
			"Load":   func() error { _, err := store.Load(ctx, jane); return err },
			"Save":   func() error { _, err := store.Save(ctx, jane, g); return err },
			"Delete": func() error { return store.Delete(ctx, jane, "version") },
			"Lease":  func() error { _, _, err := store.Lease(ctx, jane, "work", time.Second); return err },
			"Check":  func() error { return store.Check(ctx) },
			"Keys": func() (last error) {
				for _, last = range store.Keys(ctx, tokenstore.Key{}) {
				}
				return last
			},
			"Find": func() (last error) {
				for _, last = range store.Find(ctx, tokenstore.TokenHash(g.RefreshToken)) {
				}
				return last
			},
		}
		for name, do := range operations {
			err := do()
			if !errors.Is(err, cause) {
				t.Errorf("%s: %v does not wrap the client's error", name, err)
			}
			text := fmt.Sprintf("%v %+v %#v %s", err, err, err, err)
			if strings.Contains(text, "secret") || strings.Contains(text, tokenstore.TokenHash(g.RefreshToken)) {
				t.Errorf("%s: a token or its hash is in the text %s", name, text)
			}
			if !strings.Contains(text, "redisstore: ") || !talkative && !strings.Contains(text, cause.Error()) {
				t.Errorf("%s: the text %s does not say what failed and why", name, text)
			}
		}
	}
}

func TestCanceled(t *testing.T) {
	store := open(t, func(context.Context, string, []string, []string) (any, error) {
		t.Error("the server is asked")
		return int64(1), nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Save(ctx, jane, tokenstore.Grant{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Save = %v", err)
	}
}
