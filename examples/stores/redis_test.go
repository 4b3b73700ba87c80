//go:build unix

package stores_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/redisstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func goRedis(t *testing.T, server *servers.Server) *redis.Client {
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

func openRedis(t *testing.T, rdb redis.Scripter) *redisstore.Store {
	t.Helper()
	store, err := stores.GoRedis(rdb)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func flush(t *testing.T, nodes ...*servers.Server) {
	t.Helper()
	for _, node := range nodes {
		if err := goRedis(t, node).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRedis runs each subtest with a server of its own, because they empty it.
func TestRedis(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T, *servers.Server){
		"Plain": func(t *testing.T, server *servers.Server) {
			tokenstoretest.Run(t, emptied(goRedis(t, server), server))
		},
		"Sealed": func(t *testing.T, server *servers.Server) {
			open := emptied(goRedis(t, server), server)
			tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store { return seal(t, open(t)) })
		},
		"Rueidis": func(t *testing.T, server *servers.Server) { runRueidis(t, rueidis.ClientOption{}, server) },
		"ACL":     redisACL,
		"Others":  redisCases,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, servers.Redis(t))
		})
	}
}

// emptied returns a function that empties the servers of a client and opens a
// store in them.
func emptied(rdb redis.Scripter, nodes ...*servers.Server) func(*testing.T) tokenstore.Store {
	return func(t *testing.T) tokenstore.Store {
		flush(t, nodes...)
		return openRedis(t, rdb)
	}
}

// redisCases are the tests of Redis beyond the contract of a Store.
func redisCases(t *testing.T, server *servers.Server) {
	rdb := goRedis(t, server)
	t.Run("Retries", func(t *testing.T) { redisRetries(t, rdb) })
	t.Run("Reopen", func(t *testing.T) {
		flush(t, server)
		tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store { return openRedis(t, rdb) })
	})
	t.Run("ListManyPages", func(t *testing.T) {
		flush(t, server)
		const users = 5000 // some pages of each bucket
		store := openRedis(t, rdb)
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for i := w; i < users; i += 16 {
					key := tokenstore.Key{ClientID: "a", Subject: strconv.Itoa(i)}
					if _, err := store.Save(t.Context(), key, tokenstore.Grant{}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		n := 0
		var last tokenstore.Key
		for key, err := range store.Keys(t.Context(), tokenstore.Key{}) {
			if err != nil || key.Compare(last) <= 0 {
				t.Fatalf("%q after %q, %v", key, last, err)
			}
			last = key
			n++
		}
		if n != users {
			t.Errorf("%d keys are listed, want %d", n, users)
		}
	})
	t.Run("LeavesNothing", func(t *testing.T) {
		flush(t, server)
		store := openRedis(t, rdb)
		key := tokenstore.Key{ClientID: "a", Subject: "jane"}
		version, err := store.Save(t.Context(), key, tokenstore.Grant{RefreshToken: "1//jane"})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), key, version); err != nil {
			t.Fatal(err)
		}
		if keys, err := rdb.Keys(t.Context(), "*").Result(); err != nil || len(keys) > 0 {
			t.Errorf("after Delete there still are %q, %v", keys, err)
		}
	})
}

const appUser, appPassword = "myapp", "password"

// restrict makes a user with the rights that the package's documentation lists.
func restrict(t *testing.T, server *servers.Server, more ...string) {
	t.Helper()
	rights := "on >" + appPassword + " ~google-grants:* -@all +eval +evalsha" +
		" +hmget +hset +del +zadd +zrem +zrangebylex +set +get +info +@connection"
	args := []any{"ACL", "SETUSER", appUser}
	for _, right := range append(strings.Fields(rights), more...) {
		args = append(args, right)
	}
	if err := goRedis(t, server).Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
}

// restrictAll is restrict for the nodes of a cluster.
func restrictAll(t *testing.T, nodes []*servers.Server) {
	t.Helper()
	for _, node := range nodes {
		restrict(t, node, "+cluster|slots", "+cluster|shards", "+command")
	}
}

// redisACL checks that the rights of the package's documentation are enough.
func redisACL(t *testing.T, server *servers.Server) {
	admin := goRedis(t, server)
	restrict(t, server)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr, Username: appUser, Password: appPassword})
	t.Cleanup(func() { rdb.Close() })
	store := openRedis(t, rdb)
	if err := store.Check(t.Context()); err != nil {
		t.Errorf("Check = %v", err)
	}
	if err := rdb.Set(t.Context(), "elsewhere", "", 0).Err(); err == nil {
		t.Error("the user may write other keys: the ACL is not in force")
	}
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
		flush(t, server)
		return store
	})
	if err := admin.Do(t.Context(), "ACL", "SETUSER", appUser, "-set").Err(); err != nil {
		t.Fatal(err)
	}
	if err := store.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "redisstore: checking the server") {
		t.Errorf("Check without the right to write = %v", err)
	}
}

// redisRetries is a client that runs every script again, because the first
// answer got lost.
func redisRetries(t *testing.T, rdb *redis.Client) {
	store, err := redisstore.New(redisstore.Config{
		Prefix: "retries:",
		Eval: func(ctx context.Context, script string, keys, args []string) (any, error) {
			if err := rdb.Eval(ctx, script, keys, args).Err(); err != nil {
				return nil, err
			}
			return rdb.Eval(ctx, script, keys, args).Result()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, g := t.Context(), tokenstore.Grant{RefreshToken: "1//jane"}
	for range 2 { // creates, then replaces
		if g.Version, err = store.Save(ctx, user("jane"), g); err != nil {
			t.Fatalf("Save = %v", err)
		}
	}
	if kept, err := store.Load(ctx, user("jane")); err != nil || kept.Version != g.Version {
		t.Errorf("Load = version %q, %v; want %q", kept.Version, err, g.Version)
	}
	release, ok, err := store.Lease(ctx, user("jane"), "work", time.Hour)
	if err != nil || !ok {
		t.Fatalf("Lease = %t, %v", ok, err)
	}
	if _, ok, err := store.Lease(ctx, user("jane"), "work", time.Hour); ok || err != nil {
		t.Errorf("Lease of what is held = %t, %v", ok, err)
	}
	release()
	if err := store.Delete(ctx, user("jane"), g.Version); err != nil {
		t.Errorf("Delete = %v", err)
	}
}

// runRueidis checks the other client, with one server or with a cluster.
func runRueidis(t *testing.T, options rueidis.ClientOption, nodes ...*servers.Server) {
	options.InitAddress, options.DisableCache = []string{nodes[0].Addr}, true
	client, err := rueidis.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
		flush(t, nodes...)
		store, err := stores.Rueidis(client)
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}

// TestRedisCluster uses a user with no more rights than needed.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	t.Run("GoRedis", func(t *testing.T) {
		t.Parallel()
		nodes := servers.RedisCluster(t)
		restrictAll(t, nodes)
		rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{nodes[0].Addr}, Username: appUser, Password: appPassword})
		t.Cleanup(func() { rdb.Close() })
		tokenstoretest.Run(t, emptied(rdb, nodes...))
	})
	t.Run("Rueidis", func(t *testing.T) {
		t.Parallel()
		nodes := servers.RedisCluster(t)
		restrictAll(t, nodes)
		runRueidis(t, rueidis.ClientOption{Username: appUser, Password: appPassword}, nodes...)
	})
}

func TestRedisCheck(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	rdb := goRedis(t, server)
	store := openRedis(t, rdb)
	tests := []struct {
		maxmemory, policy string
		fine              bool
	}{
		{"0", "noeviction", true},
		{"0", "allkeys-lru", true},
		{"100mb", "noeviction", true},
		{"100mb", "volatile-lru", true},
		{"100mb", "allkeys-lru", false},
		{"100mb", "allkeys-random", false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.maxmemory, test.policy), func(t *testing.T) {
			ctx := context.WithoutCancel(t.Context())
			if err := rdb.ConfigSet(ctx, "maxmemory", test.maxmemory).Err(); err != nil {
				t.Fatal(err)
			}
			if err := rdb.ConfigSet(ctx, "maxmemory-policy", test.policy).Err(); err != nil {
				t.Fatal(err)
			}
			err := store.Check(ctx)
			if (err == nil) != test.fine || err != nil && !strings.Contains(err.Error(), test.policy) {
				t.Errorf("Check = %v", err)
			}
		})
	}
}
