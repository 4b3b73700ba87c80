package tokenstore_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// events reads a JSON log: "LEVEL message" of each record.
func events(t *testing.T, log *bytes.Buffer) []string {
	var all []string
	for line := range strings.Lines(log.String()) {
		var e struct{ Level, Msg, Subject string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Subject != jane {
			t.Errorf("%s has subject %q", e.Msg, e.Subject)
		}
		all = append(all, e.Level+" "+e.Msg)
	}
	return all
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var secrets []string
		down := leaser(func() (func(), bool, error) { return nil, false, errDown })
		b := newBench(t, func(c *tokenstore.Config) {
			c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c.Leaser = down
		})
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		b.signIn(t, b.google.again("openid"))
		b.Invalidate(jane, "")
		b.token(t)
		b.google.rotate = true
		b.Invalidate(jane, "")
		secrets = append(secrets, tok.RefreshToken, tok.AccessToken, b.token(t), b.kept(t).RefreshToken)
		b.google.fail = func(string) error {
			return &oauth2.RetrieveError{Response: &http.Response{Status: "503"}, Body: []byte("the-secret-body")}
		}
		b.Invalidate(jane, "")
		_, _ = b.Token(t.Context(), jane)
		b.google.fail = nil
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		_, _ = b.Token(t.Context(), jane)
		b.store.beforeSave = nil
		b.token(t)
		b.google.rotate = false
		time.Sleep(8 * 24 * time.Hour)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		b.token(t)
		b.store.beforeSave = nil
		b.google.kill(b.kept(t).RefreshToken)
		b.Invalidate(jane, "")
		_, _ = b.Token(t.Context(), jane)
		b.signIn(t, b.google.consent("openid"))
		for _, at := range []time.Time{time.Now().Add(-time.Hour), {}} { // the first is about an earlier grant
			if err := b.MarkRevoked(t.Context(), jane, "", at); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Disconnect(t.Context(), jane); err != nil {
			t.Fatal(err)
		}
		if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil { // nothing is kept
			t.Fatal(err)
		}
		want := []string{
			"INFO tokenstore.signed_in",
			"INFO tokenstore.signed_in",
			"DEBUG tokenstore.refreshed",
			"INFO tokenstore.rotated", "DEBUG tokenstore.refreshed",
			"WARN tokenstore.refresh_failed",
			"ERROR tokenstore.unsaved", "INFO tokenstore.rotated",
			"WARN tokenstore.refresh_not_noted", "DEBUG tokenstore.refreshed",
			"INFO tokenstore.refused",
			"INFO tokenstore.signed_in",
			"INFO tokenstore.revoked",
			"INFO tokenstore.disconnected",
		}
		if got := events(t, &log); !slices.Equal(got, want) {
			t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, secret := range append(secrets, "the-secret-body", "1//", "ya29") {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log shows %q", secret)
			}
		}
	})
}

// A refresh token that came after a Disconnect and cannot be revoked is logged,
// without the response in which Google says why.
func TestEventOfATokenNotRevoked(t *testing.T) {
	var log bytes.Buffer
	revoked := 0
	b := newBench(t, func(c *tokenstore.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		c.Revoker = revoker(func(string) error {
			if revoked++; revoked == 1 {
				return nil
			}
			return &oauth2.RetrieveError{Response: &http.Response{Status: "503"}, Body: []byte("the-secret-body")}
		})
	})
	b.google.rotate = true
	b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
	b.google.during = func(string) {
		if err := b.Disconnect(t.Context(), jane); err != nil {
			t.Error(err)
		}
	}
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, tokenstore.ReasonNone)
	if got := events(t, &log); !slices.Equal(got, []string{"WARN tokenstore.not_revoked"}) || strings.Contains(log.String(), "the-secret-body") {
		t.Errorf("events %q: %s", got, log.String())
	}
}

func TestEventsOfLeasesAndReplays(t *testing.T) {
	var log bytes.Buffer
	a := newAPI(t, nil)
	b := newBench(t, onHosts("127.0.0.1", "[::1]"), func(c *tokenstore.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.ShareAccessTokens = true
		c.Leaser = leaser(func() (func(), bool, error) { return nil, false, errDown })
	})
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	a.bad[tok.AccessToken] = true
	resp, err := b.HTTPClient(jane).Get(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want := []string{
		"INFO tokenstore.signed_in", "WARN tokenstore.lease_failed", "DEBUG tokenstore.refreshed", "DEBUG tokenstore.replayed",
	}
	if got := events(t, &log); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// The table of the package comment has each error of the package, with its status.
func TestHTTPStatus(t *testing.T) {
	table := map[string]string{}
	for name, err := range map[string]error{
		"ErrNotFound":     tokenstore.ErrNotFound,
		"ErrConflict":     tokenstore.ErrConflict,
		"ErrNeedsConsent": tokenstore.ErrNeedsConsent,
		"ErrSubject":      tokenstore.ErrSubject,
		"ErrSealed":       tokenstore.ErrSealed,
		"ErrKey":          tokenstore.ErrKey,
	} {
		says, ok := err.(interface{ HTTPStatus() int })
		if !ok {
			t.Fatalf("%s has no HTTP status", name)
		}
		table[name] = strconv.Itoa(says.HTTPStatus())
	}
	find := func(file, pattern string) map[string]string {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
			found[match[1]] = match[2]
		}
		return found
	}
	if documented := find("doc.go", `(?m)^//\t(Err\w+) +(\d+) `); !maps.Equal(documented, table) {
		t.Errorf("the package comment has %v, want %v", documented, table)
	}
	for name := range find("errors.go", `(?m)^\t(Err\w+) +(error) =`) {
		if table[name] == "" {
			t.Errorf("this test does not know %s", name)
		}
	}
	if status := statusOf(&tokenstore.ConsentError{Subject: jane, Reason: tokenstore.ReasonNone}); status != 403 {
		t.Errorf("a ConsentError has HTTP status %d", status)
	}
}

// Without an ID token nothing says whose tokens are kept, and the log says so.
func TestSignInSaysWhatItCannotTell(t *testing.T) {
	for _, named := range []bool{true, false} {
		var log bytes.Buffer
		b := newBench(t, func(c *tokenstore.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
		token := ""
		if named {
			token = idToken(`{"sub":"` + jane + `"}`)
		}
		b.signIn(t, withExtra(b.google.consent("openid"), "id_token", token))
		b.signIn(t, withExtra(b.google.again("openid"), "id_token", token))
		if n := strings.Count(log.String(), fmt.Sprintf(`"id_token":%v`, named)); n != 2 {
			t.Errorf("ID token: %v, and the log is\n%s", named, &log)
		}
	}
}
