package redisstore

import (
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// buckets can never change: a user's bucket is part of the name of the key.
const buckets = 64

// names are the keys of one bucket.
type names struct{ prefix string }

func (s *Store) bucket(n int) names {
	return names{s.prefix + "{" + strconv.Itoa(n) + "}:"}
}

func (n names) keys() string   { return n.prefix + "keys" }
func (n names) tokens() string { return n.prefix + "tokens" }

// grant lists the keys that the scripts about one grant work on.
func (n names) grant(key tokenstore.Key) []string {
	return []string{n.prefix + "grant:" + readable(key), n.keys(), n.tokens()}
}

func (n names) lease(key tokenstore.Key, purpose string) []string {
	return []string{n.prefix + "lease:" + url.QueryEscape(purpose) + ":" + readable(key)}
}

// readable is a key for people who look around in the database. Escaped, no part
// has a colon, a slash or a brace.
func readable(key tokenstore.Key) string {
	return url.QueryEscape(key.ClientID) + "/" + url.QueryEscape(key.Subject)
}

// member is a key as a member of the sorted sets. It sorts as
// [tokenstore.Key.Compare] does: neither part has a control character.
func member(key tokenstore.Key) string { return key.ClientID + "\x00" + key.Subject }

func parseMember(member string) tokenstore.Key {
	clientID, subject, _ := strings.Cut(member, "\x00")
	return tokenstore.Key{ClientID: clientID, Subject: subject}
}

func bucketOf(key tokenstore.Key) int {
	h := fnv.New32a()
	h.Write([]byte(member(key)))
	return int(h.Sum32() % buckets)
}

func (s *Store) bucketOf(key tokenstore.Key) names { return s.bucket(bucketOf(key)) }
