package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const loadScript = `
local kept = redis.call('HMGET', KEYS[1], 'version', 'record')
if not kept[1] then return {} end
return kept`

// Load implements [tokenstore.Store]. If the record cannot be read, the error
// wraps [tokenstore.ErrSealed], and Load returns the Version, so that a sign-in
// with a new refresh token can replace the record.
func (s *Store) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	const doing = "loading a grant"
	if err := check(doing, key); err != nil {
		return tokenstore.Grant{}, err
	}
	kept, err := s.list(ctx, loadScript, s.bucketOf(key).grant(key)[:1], nil)
	if err != nil {
		return tokenstore.Grant{}, failed(ctx, doing, err, key.ClientID, key.Subject)
	}
	if len(kept) != 2 {
		return tokenstore.Grant{}, fmt.Errorf("redisstore: %s: %w", doing, tokenstore.ErrNotFound)
	}
	var g tokenstore.Grant
	if err := g.UnmarshalBinary([]byte(kept[1])); err != nil {
		return tokenstore.Grant{Version: kept[0]}, fmt.Errorf("redisstore: %s: %w: %w", doing, tokenstore.ErrSealed, err)
	}
	g.Version = kept[0]
	return g, nil
}

// KEYS: grant, keys, tokens. ARGV: the version to replace, the new version,
// the record, the member, the hashes.
//
// If the new version is already there, a client runs the script again because it
// got no result.
const saveScript = `
local kept = redis.call('HMGET', KEYS[1], 'version', 'hashes')
if kept[1] == ARGV[2] then return 1 end
if (kept[1] or '') ~= ARGV[1] then return 0 end
for hash in string.gmatch(kept[2] or '', '%S+') do
	redis.call('ZREM', KEYS[3], hash .. '\0' .. ARGV[4])
end
for i = 5, #ARGV do
	redis.call('ZADD', KEYS[3], 0, ARGV[i] .. '\0' .. ARGV[4])
end
redis.call('ZADD', KEYS[2], 0, ARGV[4])
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3], 'hashes', table.concat(ARGV, ' ', 5))
return 1`

// Save implements [tokenstore.Store].
func (s *Store) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
	const doing = "saving a grant"
	if err := check(doing, key); err != nil {
		return "", err
	}
	record, err := g.MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("redisstore: %s: %w", doing, err)
	}
	version := rand.Text()
	args := append([]string{g.Version, version, string(record), member(key)}, g.Hashes()...)
	saved, err := s.run(ctx, saveScript, s.bucketOf(key).grant(key), args)
	if err != nil {
		return "", failed(ctx, doing, err, append(args[2:], key.ClientID, key.Subject)...)
	}
	if saved == 0 {
		return "", fmt.Errorf("redisstore: %s: %w", doing, tokenstore.ErrConflict)
	}
	return version, nil
}

// KEYS: grant, keys, tokens. ARGV: the version, the member.
const deleteScript = `
local kept = redis.call('HMGET', KEYS[1], 'version', 'hashes')
if not kept[1] then return 1 end
if ARGV[1] ~= '` + tokenstore.AnyVersion + `' and ARGV[1] ~= kept[1] then return 0 end
for hash in string.gmatch(kept[2] or '', '%S+') do
	redis.call('ZREM', KEYS[3], hash .. '\0' .. ARGV[2])
end
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return 1`

// Delete implements [tokenstore.Store].
func (s *Store) Delete(ctx context.Context, key tokenstore.Key, version string) error {
	const doing = "deleting a grant"
	if err := check(doing, key); err != nil {
		return err
	}
	gone, err := s.run(ctx, deleteScript, s.bucketOf(key).grant(key), []string{version, member(key)})
	if err != nil {
		return failed(ctx, doing, err, key.ClientID, key.Subject)
	}
	if gone == 0 {
		return fmt.Errorf("redisstore: %s: %w", doing, tokenstore.ErrConflict)
	}
	return nil
}

func check(doing string, key tokenstore.Key) error {
	if err := key.Validate(); err != nil {
		return fmt.Errorf("redisstore: %s: %w", doing, err)
	}
	return nil
}
