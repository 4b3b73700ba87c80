package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const infoScript = `return {redis.call('INFO', 'memory')}`

// CheckEviction returns an error if the server, or a node of the cluster, may
// evict grants when its memory is full (maxmemory with an allkeys policy), or
// if it cannot be asked or does not say. Call it once, when the program starts.
func (s *Store) CheckEviction(ctx context.Context) error {
	for n := range buckets { // one of them is on every node that has any
		info, err := s.list(ctx, infoScript, []string{s.bucket(n).keys()}, nil)
		if err != nil {
			return failed(ctx, "checking the eviction policy", err)
		}
		if err := checkMemory(parseInfo(strings.Join(info, ""))); err != nil {
			return err
		}
	}
	return nil
}

func checkMemory(memory map[string]string) error {
	limit, policy := memory["maxmemory"], memory["maxmemory_policy"]
	switch {
	case limit == "" || policy == "":
		return errors.New("redisstore: checking the eviction policy: INFO does not say maxmemory and maxmemory_policy")
	case limit != "0" && strings.HasPrefix(policy, "allkeys"):
		return fmt.Errorf("redisstore: maxmemory-policy is %s, which evicts grants; it must be noeviction or a volatile one", policy)
	}
	return nil
}

// parseInfo reads the lines "name:value" of an INFO answer.
func parseInfo(info string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			values[name] = value
		}
	}
	return values
}
