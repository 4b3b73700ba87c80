package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A write, which a replica and a full server refuse, and then what the server
// says of its memory.
const checkScript = `
redis.call('SET', KEYS[1], '', 'PX', 1)
redis.call('DEL', KEYS[1])
return {redis.call('INFO', 'memory')}`

// Check returns an error if the Store does not work now: if the server, or a node
// of the cluster, does not answer, refuses a write or a command, or may evict
// grants when its memory is full (maxmemory with an allkeys policy). It runs one
// short script for each of the 64 buckets, and leaves nothing behind, so it suits
// a readiness probe.
//
// A Store that serves as a Leaser only does not need it: leases may be evicted.
func (s *Store) Check(ctx context.Context) error {
	const doing = "checking the server"
	for n := range buckets { // every node of a cluster has some of them
		info, err := s.list(ctx, checkScript, []string{s.bucket(n).prefix + "check"}, nil)
		if err != nil {
			return failed(ctx, doing, err)
		}
		if err := checkMemory(parseInfo(strings.Join(info, ""))); err != nil {
			return fmt.Errorf("redisstore: %s: %w", doing, err)
		}
	}
	return nil
}

func checkMemory(memory map[string]string) error {
	limit, policy := memory["maxmemory"], memory["maxmemory_policy"]
	switch {
	case limit == "" || policy == "":
		return errors.New("INFO does not say maxmemory and maxmemory_policy")
	case limit != "0" && strings.HasPrefix(policy, "allkeys"):
		return fmt.Errorf("maxmemory-policy is %s, which evicts grants; it must be noeviction or a volatile one", policy)
	}
	return nil
}

// parseInfo reads the lines "name:value" that INFO returns.
func parseInfo(info string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			values[name] = value
		}
	}
	return values
}
