package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// secretNames are the parameters and members whose values must not be in a recording.
var secretNames = []string{
	"code", "access_token", "refresh_token", "id_token", "client_id", "client_secret", "state", "nonce", "code_verifier",
	"code_challenge", "login_hint", "token", "sub", "id", "user_id", "email", "name", "given_name", "family_name",
	"picture", "aud", "azp", "audience", "issued_to", "upload_id", "at_hash", "kid", "n", "ids", "parents", "redirect_uri",
	"headRevisionId",
}

// A wire collects the secrets that pass over it.
type wire struct {
	base http.RoundTripper

	mu      sync.Mutex
	secrets []string
}

func (w *wire) add(values ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range values {
		// Not what is no secret: the program's own names, and words such as postmessage.
		if len(v) >= 8 && !strings.HasPrefix(v, "livecheck") && !slices.Contains([]string{"postmessage", "appDataFolder", "GOCSPX-not-the-secret"}, v) {
			w.secrets = append(w.secrets, v)
		}
	}
}

func (w *wire) query(q url.Values) {
	for name, values := range q {
		if slices.Contains(secretNames, name) {
			w.add(values...)
		}
	}
}

func (w *wire) json(v any, secret bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			w.json(member, slices.Contains(secretNames, name))
		}
	case []any:
		for _, element := range v {
			w.json(element, secret)
		}
	case string:
		if secret {
			w.add(v)
			w.json(toAny(part(v, 1)), false) // the claims, if it is an ID token
		}
	}
}

func toAny(m map[string]any) any { return m }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(b))
		if q, err := url.ParseQuery(string(b)); err == nil && len(b) < 1<<16 {
			w.query(q)
		}
	}
	w.query(r.URL.Query())
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		w.add(token)
	}
	resp, err := w.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(b))
	var v any
	if json.Unmarshal(b, &v) == nil {
		w.json(v, false)
	}
	w.add(resp.Header.Get("Location"))
	return resp, nil
}

// TestNoSecretIsShown searches what is printed and recorded for all that was secret on
// the way, also where Google's answers and the network's errors repeat it.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	var lost = errors.New("lost")
	repeat := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for name, spoil := range map[string]func(w *wire, r *http.Request, resp *http.Response) error{
		"nothing": func(*wire, *http.Request, *http.Response) error { return nil },
		"errors that repeat the request": func(_ *wire, r *http.Request, resp *http.Response) error {
			if resp.StatusCode >= 400 {
				b, _ := io.ReadAll(r.Body)
				resp.Body = io.NopCloser(strings.NewReader(`{"error":` + repeat(string(b)+r.URL.String()) + `}`))
			}
			return nil
		},
		"codes of errors that are secrets": func(w *wire, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode >= 400 {
				resp.Body = io.NopCloser(strings.NewReader(`{"error":{"errors":[{"reason":` + repeat(w.last()) + `}]}}`))
			}
			return nil
		},
		"members and headers that are secrets": func(w *wire, r *http.Request, resp *http.Response) error {
			for _, name := range []string{"Range", "X-HTTP-Status-Code-Override", "ETag", "WWW-Authenticate"} {
				resp.Header.Set(name, w.last())
			}
			body(func(fields map[string]any) {
				if fields["scope"] != nil {
					fields["scope"] = fields["scope"].(string) + " " + w.last()
				}
				fields[w.last()] = w.last()
			})(r, resp)
			return nil
		},
		"errors of the network": func(w *wire, r *http.Request, _ *http.Response) error {
			b, _ := io.ReadAll(r.Body)
			if strings.Contains(string(b), "grant_type=refresh_token") || strings.Contains(r.URL.Path, "/files/") {
				return errors.Join(lost, errors.New(r.URL.String()+string(b)+w.last()+" 192.0.2.7:443"))
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(defaultRedirectURI, exchangetest.Options{}, drivetest.Options{})
			defer f.Close()
			var out bytes.Buffer
			g := f.google()
			w := &wire{base: g.transport}
			g.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				sent := r.Clone(r.Context())
				if r.Body != nil {
					b, _ := io.ReadAll(r.Body)
					r.Body, sent.Body = io.NopCloser(bytes.NewReader(b)), io.NopCloser(bytes.NewReader(b))
				} else {
					sent.Body = http.NoBody
				}
				resp, err := w.RoundTrip(r)
				if err == nil {
					err = spoil(w, sent, resp)
				}
				if err != nil {
					return nil, err
				}
				return resp, nil
			})
			willing := g.person
			g.person = someone(func(ctx context.Context, p trip) (url.Values, error) {
				w.add(p.state)
				if u, err := url.Parse(p.address); err == nil {
					w.query(u.Query())
				}
				back, err := willing.visit(ctx, p)
				w.query(back)
				return back, err
			})
			rec, err := look(t.Context(), &out, g, Project{})
			if err != nil {
				t.Fatal(err)
			}
			report(&out, rec, expected(t))
			b, err := json.Marshal(rec)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(b)
			if len(w.secrets) < 100 {
				t.Errorf("only %d secrets were on the way", len(w.secrets))
			}
			for _, secret := range append(w.secrets, f.accounts.ClientSecret(), f.accounts.ClientID(), "jane.doe", "192.0.2.7") {
				if strings.Contains(out.String(), secret) {
					t.Fatalf("%q is shown:\n%s", secret, &out)
				}
			}
		})
	}
}

// last returns the secret that passed last.
func (w *wire) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.secrets) == 0 {
		return "none yet"
	}
	return w.secrets[len(w.secrets)-1]
}

// TestWithhold checks the second lock by itself.
func TestWithhold(t *testing.T) {
	t.Parallel()
	r := &run{secrets: []string{"", "ab", "Jane Doe"}}
	for text, want := range map[string]string{
		"400 invalid_grant":             "400 invalid_grant",
		"hello Jane Doe":                "(withheld)",
		"read tcp 192.0.2.7:443: reset": "read tcp (address): reset",
		"dial [2001:db8::1]:443":        "dial (address)",
	} {
		if got := r.withhold(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

// TestWord checks the first lock: a hash may be made of letters alone.
func TestWord(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"e", "kid", "invalid_grant", "at_hash", "pre-authorized_code", "notSupportedForAppDataFolderFiles", "fileIdInUse", "PERMISSION_DENIED",
	} {
		if got := word(name); got != name {
			t.Errorf("the name %s is shown as %q", name, got)
		}
	}
	for _, text := range []string{
		"", "SPi_xiMJbrixigw-YRTuyg", "TbQkWvXoPzLmRnAsDfGhJk", "aBCdef", "jane.doe", "jane@gmail", "4/code", "_", "a_", "_a",
		"110169484474386276334", "verylong" + strings.Repeat("er", 30),
	} {
		if got := word(text); got != "(something else)" {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}
