package redisstore

import (
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// buckets must never change: the names of the keys have the user's bucket.
const buckets = 64

// names are the names of the keys of one bucket.
type names struct{ prefix string }

func (s *Store) bucket(n int) names {
	return names{s.prefix + "{" + strconv.Itoa(n) + "}:"}
}

func (n names) keys() string   { return n.prefix + "keys" }
func (n names) tokens() string { return n.prefix + "tokens" }

// grant returns the keys of the scripts about one grant.
func (n names) grant(key tokenstore.Key) []string {
	return []string{n.prefix + "grant:" + readable(key), n.keys(), n.tokens()}
}

func (n names) lease(key tokenstore.Key, purpose string) []string {
	return []string{n.prefix + "lease:" + url.QueryEscape(purpose) + ":" + readable(key)}
}

// readable returns key in a form that people can read in the database. Escaped,
// no part has a colon, a slash or a brace.
func readable(key tokenstore.Key) string {
	return url.QueryEscape(key.ClientID) + "/" + url.QueryEscape(key.Subject)
}

// member returns key as a member of the sorted sets. Members sort like
// [tokenstore.Key.Compare], because no part has a control character.
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
