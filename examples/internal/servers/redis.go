//go:build unix

package servers

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis starts one for the test. It keeps nothing on disk: started again, it is
// empty. settings are further arguments, such as "--maxmemory", "10mb".
func Redis(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	program := program(tb, "redis-server", "redis-server", "valkey-server")
	return start(tb, func(s *Server, port string) error {
		s.args = append([]string{program, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
			"--save", "", "--appendonly", "no"}, settings...)
		s.ready = func() error {
			return redisDo(s.Addr, func(ctx context.Context, rdb *redis.Client) error { return rdb.Ping(ctx).Err() })
		}
		return nil
	})
}

// RedisCluster starts a cluster of three nodes, each with a third of the slots.
func RedisCluster(tb testing.TB) []*Server {
	tb.Helper()
	const nodes, slots = 3, 16384
	var cluster []*Server
	for n := range nodes {
		bus := freePortFor(tb)
		s := Redis(tb, "--cluster-enabled", "yes", "--cluster-port", bus)
		err := redisDo(s.Addr, func(ctx context.Context, rdb *redis.Client) error {
			if n > 0 {
				first, port, _ := net.SplitHostPort(cluster[0].Addr)
				if err := rdb.Do(ctx, "CLUSTER", "MEET", first, port, cluster[0].bus).Err(); err != nil {
					return err
				}
			}
			return rdb.ClusterAddSlotsRange(ctx, n*slots/nodes, (n+1)*slots/nodes-1).Err()
		})
		if err != nil {
			tb.Fatal(err)
		}
		s.bus = bus
		cluster = append(cluster, s)
	}
	for _, s := range cluster {
		s.ready = func() error { return clusterOK(s.Addr) }
		if err := s.awaitReady(); err != nil {
			tb.Fatal(err)
		}
	}
	return cluster
}

func clusterOK(addr string) error {
	return redisDo(addr, func(ctx context.Context, rdb *redis.Client) error {
		info, err := rdb.ClusterInfo(ctx).Result()
		if err == nil && !strings.Contains(info, "cluster_state:ok") {
			err = errors.New("the cluster is not complete yet")
		}
		return err
	})
}

func redisDo(addr string, f func(context.Context, *redis.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer rdb.Close()
	return f(ctx, rdb)
}
