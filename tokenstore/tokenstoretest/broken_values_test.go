package tokenstoretest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var brokenValues = []brokenStore{
	{"KeysFoldCase", "KeysKeptApart", mixesSubjects(strings.ToLower)},
	{"KeysTrimSpace", "KeysKeptApart", mixesSubjects(func(s string) string { return strings.TrimRight(s, " ") + "." })},
	{"KeysAreNumbers", "KeysKeptApart", mixesSubjects(func(s string) string {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return fmt.Sprint(f)
		}
		return s
	})},
	{"KeysCut", "KeysKeptApart", mixesSubjects(func(s string) string { return s[:min(len(s), 254)] })},
	{"KeysCompose", "KeysKeptApart", mixesSubjects(func(s string) string { return strings.ReplaceAll(s, "e\u0301", "\u00e9") })},
	{"KeysAreUnescaped", "KeysKeptApart", mixesSubjects(func(s string) string { return strings.ReplaceAll(s, "%2F", "/") })},
	{"KeysWithoutClient", "KeysKeptApart", mixes(func(key tokenstore.Key) tokenstore.Key {
		if key.Validate() == nil {
			key.ClientID = "any"
		}
		return key
	})},
	{"KeysJoined", "KeysKeptApart", mixes(func(key tokenstore.Key) tokenstore.Key {
		if key.Validate() != nil {
			return key
		}
		joined := key.ClientID + "/" + key.Subject
		return tokenstore.Key{ClientID: "joined", Subject: joined[:min(len(joined), 255)]}
	})},
	{"KeysUnchecked", "KeysRefused", mixes(func(key tokenstore.Key) tokenstore.Key {
		if key.Validate() != nil {
			key.ClientID, key.Subject = "odd", "odd"
		}
		return key
	})},
	{"KeysRefusedAsMissing", "KeysRefused", func(h *hooked) {
		h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			if key.Validate() != nil {
				return tokenstore.Grant{}, fmt.Errorf("%w: %w", tokenstore.ErrNotFound, key.Validate())
			}
			return h.Memory.Load(ctx, key)
		}
	}},

	{"RefusesEmptyGrant", "ValueZero", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if g.RefreshToken == "" && g.CreatedAt.IsZero() {
				return "", errors.New("an empty grant")
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"RefusesNoToken", "ValueNoRefreshToken", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if g.RefreshToken == "" {
				return "", errors.New("no refresh token")
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"NilBecomesEmpty", "ValueScopesNil", changes(func(g *tokenstore.Grant) {
		if g.Scopes == nil {
			g.Scopes = []string{}
		}
	})},
	{"EmptyBecomesNil", "ValueScopesEmpty", changes(func(g *tokenstore.Grant) {
		if len(g.Scopes) == 0 {
			g.Scopes = nil
		}
	})},
	{"CutsScopes", "ValueScopesMany", changes(func(g *tokenstore.Grant) { g.Scopes = g.Scopes[:min(len(g.Scopes), 100)] })},
	{"CutsTokens", "ValueBigTokens", changes(func(g *tokenstore.Grant) { g.RefreshToken = g.RefreshToken[:min(len(g.RefreshToken), 8192)] })},
	{"ReplacesBytes", "ValueAnyBytes", changes(func(g *tokenstore.Grant) {
		if !utf8.ValidString(g.RefreshToken) {
			g.RefreshToken = strings.ToValidUTF8(g.RefreshToken, "\ufffd")
		}
	})},
	{"DropsAccessToken", "ValueAccessToken", changes(func(g *tokenstore.Grant) { g.AccessToken, g.Expiry = "", time.Time{} })},
	{"DropsLost", "ValueLost", changes(func(g *tokenstore.Grant) { g.Lost = nil })},
	{"DropsReason", "ValueNeedsConsent", changes(func(g *tokenstore.Grant) { g.Reason = "" })},
	{"ZeroTimeIs1970", "ValueTimesZero", changes(func(g *tokenstore.Grant) {
		if g.CreatedAt.IsZero() {
			g.CreatedAt = time.Unix(0, 0)
		}
	})},
	{"DropsZone", "ValueTimesOfAnotherZone", changes(func(g *tokenstore.Grant) {
		g.CreatedAt, _ = time.Parse(time.DateTime, g.CreatedAt.Format(time.DateTime))
	})},
	{"ForgetsWhatHasEnded", "ValueEnded", func(h *hooked) {
		h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			g, err := h.Memory.Load(ctx, key)
			if err == nil && !g.RefreshTokenExpiry.IsZero() && g.RefreshTokenExpiry.Before(time.Now()) {
				return tokenstore.Grant{}, tokenstore.ErrNotFound
			}
			return g, err
		}
	}},
	{"KeepsFieldByField", "ValueNotExported", changes(func(g *tokenstore.Grant) { *g = exported(*g) })},
	{"CutsNanoseconds", "Create", changes(func(g *tokenstore.Grant) { g.CreatedAt = g.CreatedAt.Truncate(time.Microsecond) })},
	{"TimesAreNanoseconds", "ValueTimesFarOff", changes(func(g *tokenstore.Grant) {
		if !g.UpdatedAt.IsZero() {
			g.UpdatedAt = time.Unix(0, g.UpdatedAt.UnixNano())
		}
	})},
}

// mixes is the bug of a store that confuses keys.
func mixes(change func(tokenstore.Key) tokenstore.Key) func(*hooked) {
	return func(h *hooked) {
		h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			return h.Memory.Load(ctx, change(key))
		}
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			return h.Memory.Save(ctx, change(key), g)
		}
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			return h.Memory.Delete(ctx, change(key), version)
		}
	}
}

// mixesSubjects is mixes for valid subjects. Others are still refused.
func mixesSubjects(change func(string) string) func(*hooked) {
	return mixes(func(key tokenstore.Key) tokenstore.Key {
		if key.Validate() == nil {
			key.Subject = change(key.Subject)
		}
		return key
	})
}

// exported returns g as a store sees it that does not use the storage form.
func exported(g tokenstore.Grant) tokenstore.Grant {
	return tokenstore.Grant{
		RefreshToken: g.RefreshToken, Scopes: g.Scopes, Lost: g.Lost, RefreshTokenExpiry: g.RefreshTokenExpiry,
		AccessToken: g.AccessToken, Expiry: g.Expiry,
		State: g.State, Reason: g.Reason,
		CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt, RefreshedAt: g.RefreshedAt,
		Version: g.Version,
	}
}

// changes is the bug of a store that changes a grant when it saves it.
func changes(change func(*tokenstore.Grant)) func(*hooked) {
	return func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			g.Scopes = slices.Clone(g.Scopes)
			change(&g)
			return h.Memory.Save(ctx, key, g)
		}
	}
}
