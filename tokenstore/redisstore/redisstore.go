// Package redisstore keeps grants in Redis or Valkey, in one server or a cluster.
// It imports no client; it needs one function of the program's client.
//
//	store, err := redisstore.New(redisstore.Config{Eval: eval})
//	err = store.Check(ctx)
//	grants, err := tokenstore.New(tokenstore.Config{Store: store, …})
//
// where eval is, with github.com/redis/go-redis,
//
//	func(ctx context.Context, script string, keys, args []string) (any, error) {
//		return redis.NewScript(script).Run(ctx, rdb, keys, args).Result()
//	}
//
// and with github.com/redis/rueidis
//
//	func(ctx context.Context, script string, keys, args []string) (any, error) {
//		return rueidis.NewLuaScript(script).Exec(ctx, client, keys, args).ToAny()
//	}
//
// Both send EVALSHA, and the script itself only to a server that does not have
// it.
//
// # What the server must do
//
// By default Redis can lose what it has acknowledged. For refresh tokens it needs
//
//   - appendonly yes, with appendfsync always for a Save that survives a power
//     cut; with everysec a power cut loses the last second, without appendonly
//     it loses everything since the last snapshot;
//   - maxmemory-policy noeviction, or a volatile one: grants have no TTL, so a
//     volatile policy evicts only leases. An allkeys policy evicts grants without
//     an error; [Store.Check] finds it;
//   - no failover that loses writes: Redis replicates asynchronously.
//
// Where this is not possible, keep the grants in a SQL database and only the
// leases here: the Store also serves as Leaser of [tokenstore.Config], and then
// may be evicted, restarted or emptied at any time.
//
// # What an ACL must allow
//
// The scripts use EVAL, EVALSHA, HMGET, HSET, DEL, ZADD, ZREM, ZRANGEBYLEX, SET,
// GET and INFO (for [Store.Check] only), on keys that begin with the Prefix:
//
//	ACL SETUSER myapp on >password ~google-grants:* -@all +eval +evalsha
//		+hmget +hset +del +zadd +zrem +zrangebylex +set +get +info +@connection
//
// A client of a cluster also needs +cluster|slots, +cluster|shards and +command.
//
// # Keys
//
// A user belongs to one of 64 buckets. All keys of a bucket have the same hash
// tag, so they are on the same node of a cluster, and each operation is one
// script that is atomic there:
//
//	google-grants:{17}:grant:<client ID>/<subject>     hash: version, record, hashes
//	google-grants:{17}:lease:<purpose>:<client ID>/<subject>
//	google-grants:{17}:keys                            sorted set, for Keys
//	google-grants:{17}:tokens                          sorted set, for Find
//
// The record is [tokenstore.Grant.MarshalBinary]; it holds the tokens in the
// clear unless a [tokenstore.Sealed] stands in front. Keys and Find read all
// buckets, one after the other.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Eval runs a Lua script on the node that has keys (at least one, all with one
// hash tag) and returns its result: an integer as int64, a string as string or
// []byte, an array as []any. The scripts never return nil. It may run a script
// again if the connection broke before the result came, as clients do.
type Eval func(ctx context.Context, script string, keys, args []string) (any, error)

const defaultPrefix = "google-grants:"

// Config configures a [Store].
type Config struct {
	// Eval runs a script on the server. Required.
	Eval Eval
	// Prefix begins the names of all keys. It must not contain braces. If empty,
	// "google-grants:" is used.
	Prefix string
}

// A Store keeps grants in Redis. It implements [tokenstore.Store],
// [tokenstore.Lister], [tokenstore.Finder] and [tokenstore.Leaser], and is safe
// for concurrent use.
type Store struct {
	eval   Eval
	prefix string
}

var (
	_ tokenstore.Store  = (*Store)(nil)
	_ tokenstore.Lister = (*Store)(nil)
	_ tokenstore.Finder = (*Store)(nil)
	_ tokenstore.Leaser = (*Store)(nil)
)

// New returns a Store. It does not talk to the server.
func New(cfg Config) (*Store, error) {
	if cfg.Eval == nil {
		return nil, errors.New("redisstore: Config.Eval is required")
	}
	if strings.ContainsAny(cfg.Prefix, "{}") {
		return nil, errors.New("redisstore: Config.Prefix must not contain braces")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	return &Store{eval: cfg.Eval, prefix: cfg.Prefix}, nil
}

// run runs a script that returns an integer.
func (s *Store) run(ctx context.Context, script string, keys, args []string) (int64, error) {
	reply, err := s.evaluate(ctx, script, keys, args)
	if err != nil {
		return 0, err
	}
	n, ok := reply.(int64)
	if !ok {
		return 0, fmt.Errorf("Config.Eval returned a %T, want int64", reply)
	}
	return n, nil
}

// list runs a script that returns an array of strings.
func (s *Store) list(ctx context.Context, script string, keys, args []string) ([]string, error) {
	reply, err := s.evaluate(ctx, script, keys, args)
	if err != nil {
		return nil, err
	}
	array, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("Config.Eval returned a %T, want []any", reply)
	}
	list := make([]string, len(array))
	for i, element := range array {
		switch e := element.(type) {
		case string:
			list[i] = e
		case []byte:
			list[i] = string(e)
		default:
			return nil, fmt.Errorf("Config.Eval returned a %T in an array, want string", element)
		}
	}
	return list, nil
}

func (s *Store) evaluate(ctx context.Context, script string, keys, args []string) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.eval(ctx, script, keys, args)
}

// failed returns an error that says what was being done and repeats none of the
// values.
func failed(ctx context.Context, doing string, err error, values ...string) error {
	secrets := make([]any, len(values))
	for i, v := range values {
		secrets[i] = v
	}
	return redact.Failure(ctx, "redisstore: "+doing, err, secrets...)
}
