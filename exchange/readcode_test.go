package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

// codeRequest is a good request, which each negative case changes in one thing.
func codeRequest(change func(*http.Request)) *http.Request {
	r := httptest.NewRequest("POST", "https://api.example.com/auth/google", strings.NewReader(url.Values{"code": {goodCode}}.Encode()))
	r.Header.Set("X-Requested-With", "XmlHttpRequest")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	return r
}

func body(contentType, text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", contentType)
		r.Body = io.NopCloser(strings.NewReader(text))
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestReadCode(t *testing.T) {
	tests := []struct {
		name   string
		change func(*http.Request)
	}{
		{"form", nil},
		{"form, other fields", body("application/x-www-form-urlencoded", "state=x&code="+url.QueryEscape(goodCode))},
		{"form, charset", header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")},
		{"form parsed in front", func(r *http.Request) { r.ParseForm() }},
		{"JSON", body("application/json", `{"code":"`+goodCode+`"}`)},
		{"JSON, escaped slash", body("application/json; charset=utf-8", `{"code":"`+strings.Replace(goodCode, "/", `\/`, 1)+`"}`)},
		{"JSON, other members", body("application/json", `{"Code":1,"CODE":"x","user":{"code":"y"},"code":"`+goodCode+`","a":[null]}`+"\n")},
		{"octets", body("application/octet-stream", goodCode)},
		{"text", body("text/plain; charset=utf-8", goodCode)},
		{"not compressed, and says so", header("Content-Encoding", "Identity")},
		{"browser, same origin", header("Sec-Fetch-Site", "same-origin")},
		{"as long as allowed", body("application/x-www-form-urlencoded", "code="+url.QueryEscape(goodCode)+"&pad="+strings.Repeat("x", 4096-10-len(url.QueryEscape(goodCode))))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newClient(t, scripted()).ReadCode(httptest.NewRecorder(), codeRequest(tt.change))
			if got != goodCode || err != nil {
				t.Errorf("ReadCode = %q, %v; want %q", got, err, goodCode)
			}
		})
	}
}

func TestReadCodeRefuses(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*http.Request)
		status   int
		readBody bool
	}{
		{"GET", func(r *http.Request) { r.Method = "GET" }, 405, false},
		{"PUT", func(r *http.Request) { r.Method = "PUT" }, 405, false},
		{"preflight", func(r *http.Request) { r.Method = "OPTIONS" }, 405, false},
		{"no X-Requested-With", func(r *http.Request) { r.Header.Del("X-Requested-With") }, 403, false},
		{"empty X-Requested-With", header("X-Requested-With", ""), 403, false},
		{"cross-site", header("Sec-Fetch-Site", "cross-site"), 403, false},
		{"other origin", header("Origin", "https://evil.example"), 403, false},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415, false},
		{"multipart", header("Content-Type", "multipart/form-data; boundary=x"), 415, false},
		{"XML", header("Content-Type", "application/xml"), 415, false},
		{"broken content type", header("Content-Type", "application/json; charset"), 415, false},
		{"one byte too much", body("text/plain", strings.Repeat("x", 4097)), 413, true},
		{"1 MB", body("application/json", `{"code":"`+strings.Repeat("x", 1<<20)+`"}`), 413, true},
		{"code in the query alone", func(r *http.Request) {
			r.URL.RawQuery = "code=" + url.QueryEscape(goodCode)
			r.Body = http.NoBody
		}, 400, true},
		{"no code", body("application/x-www-form-urlencoded", "Code=x"), 400, true},
		{"two codes", body("application/x-www-form-urlencoded", "code=a&code=b"), 400, true},
		{"broken form", body("application/x-www-form-urlencoded", "code=%zz"), 400, true},
		{"encoded twice", body("application/x-www-form-urlencoded", "code=4%252F0Amarked"), 400, true},
		{"JSON, no code", body("application/json", `{"Code":"x"}`), 400, true},
		{"JSON, number", body("application/json", `{"code":4}`), 400, true},
		{"JSON, null", body("application/json", `{"code":null}`), 400, true},
		{"JSON, two codes", body("application/json", `{"code":"a","code":"a"}`), 400, true},
		{"JSON, array", body("application/json", `["code","x"]`), 400, true},
		{"JSON, string", body("application/json", `"x"`), 400, true},
		{"JSON, truncated", body("application/json", `{"code":"a"`), 400, true},
		{"JSON, more after it", body("application/json", `{"code":"a"}{}`), 400, true},
		{"empty", body("text/plain", ""), 400, true},
		{"line end", body("text/plain", goodCode+"\n"), 400, true},
		{"compressed", body("application/octet-stream", "\x1f\x8b\x08\x00"), 415, true},
		{"compressed, and says so", header("Content-Encoding", "gzip"), 415, false},
		{"quotes around it", body("text/plain", `"`+goodCode+`"`), 400, true},
		{"too slow", func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("code="), slowReader{}))
		}, 408, true},
		{"broken off", func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("code="), brokenReader{}))
		}, 400, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := codeRequest(tt.change)
			watched := &watchedBody{ReadCloser: r.Body}
			r.Body = watched
			got, err := newClient(t, scripted()).ReadCode(httptest.NewRecorder(), r)
			if got != "" || !errors.Is(err, exchange.ErrBadRequest) || exchange.HTTPStatus(err) != tt.status {
				t.Errorf("ReadCode = %q, %v (%d); want ErrBadRequest (%d)", got, err, exchange.HTTPStatus(err), tt.status)
			}
			if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Hint() == "" {
				t.Errorf("no hint in %v", err)
			}
			if watched.read != tt.readBody {
				t.Errorf("body read: %t, want %t", watched.read, tt.readBody)
			}
		})
	}
}

// The hints of what apps, their libraries and proxies do to a code.
func TestReadCodeHints(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*http.Request)
		hint   string
	}{
		"quotes":       {body("text/plain", `"`+goodCode+`"`), "quotes around it"},
		"single ones":  {body("text/plain", `'`+goodCode+`'`), "quotes around it"},
		"gzip":         {body("text/plain", "\x1f\x8b\x08\x00"), "compress"},
		"gzip, header": {header("Content-Encoding", "gzip"), "compress"},
		"slow": {func(r *http.Request) {
			r.Body = io.NopCloser(slowReader{})
		}, "same code again"},
	} {
		_, err := newClient(t, scripted()).ReadCode(httptest.NewRecorder(), codeRequest(tt.change))
		if e, ok := errors.AsType[*exchange.Error](err); !ok || !strings.Contains(e.Hint(), tt.hint) {
			t.Errorf("%s: hint of %v does not say %q", name, err, tt.hint)
		}
	}
}

// http.NewRequest leaves it nil, and a test of a user may pass that on.
func TestReadCodeWithoutBody(t *testing.T) {
	for _, contentType := range []string{"application/x-www-form-urlencoded", "application/json", "text/plain"} {
		r := codeRequest(header("Content-Type", contentType))
		r.Body = nil
		_, err := newClient(t, scripted()).ReadCode(httptest.NewRecorder(), r)
		if !errors.Is(err, exchange.ErrBadRequest) || exchange.HTTPStatus(err) != 400 {
			t.Errorf("%s: %v (%d), want ErrBadRequest (400)", contentType, err, exchange.HTTPStatus(err))
		}
	}
}

func TestReadCodeFromTrustedOrigin(t *testing.T) {
	trusting := http.NewCrossOriginProtection()
	if err := trusting.AddTrustedOrigin("https://app.example.com"); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, scripted(), func(cfg *exchange.Config) { cfg.CrossOrigin = trusting })
	r := codeRequest(header("Origin", "https://app.example.com"))
	if _, err := c.ReadCode(httptest.NewRecorder(), r); err != nil {
		t.Errorf("trusted origin: %v", err)
	}
}

// FuzzReadCode: what is accepted is a code, and whatever else is said in the
// body does not change it.
func FuzzReadCode(f *testing.F) {
	for _, seed := range []string{"code=4%2F0A", `{"code":"4/0A"}`, "4/0A", `{"code":"a","code":"b"}`, "code=%", "{"} {
		for i := range 3 {
			f.Add(i, []byte(seed))
		}
	}
	c := newClient(f, scripted())
	types := []string{"application/x-www-form-urlencoded", "application/json", "text/plain"}
	f.Fuzz(func(t *testing.T, kind int, b []byte) {
		if kind < 0 || kind >= len(types) {
			return
		}
		r := codeRequest(header("Content-Type", types[kind]))
		r.Body = io.NopCloser(bytes.NewReader(b))
		code, err := c.ReadCode(httptest.NewRecorder(), r)
		if err != nil {
			if !errors.Is(err, exchange.ErrBadRequest) || code != "" {
				t.Fatalf("%q: %q, %v", b, code, err)
			}
			return
		}
		if code == "" || len(code) > 512 || strings.ContainsFunc(code, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q: accepted %q", b, code)
		}
	})
}

type watchedBody struct {
	io.ReadCloser
	read bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.read = true
	return b.ReadCloser.Read(p)
}

// slowReader fails as the body of a server's request does when the server's read
// timeout has passed.
type slowReader struct{}

func (slowReader) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

func TestHandler(t *testing.T) {
	g := scripted(says(200, tokenAnswer))
	h := newClient(t, g).Handler(exchange.Popup, func(w http.ResponseWriter, r *http.Request, tok *exchange.Tokens) {
		if tok.AccessToken == "" || r.PathValue("app") != "web" {
			t.Errorf("tokens %v, path value %q", tok, r.PathValue("app"))
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux := http.NewServeMux()
	mux.Handle("POST /auth/{app}", h)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, codeRequest(func(r *http.Request) { r.URL.Path = "/auth/web" }))
	if w.Code != http.StatusNoContent {
		t.Errorf("status %d, want 204", w.Code)
	}
	if got := g.got[0].Get("redirect_uri"); got != "postmessage" {
		t.Errorf("redirect_uri %q, want postmessage", got)
	}
}

func TestHandlerFails(t *testing.T) {
	tests := []struct {
		name   string
		change func(*http.Request)
		reply  answerFunc
		status int
		header http.Header
	}{
		{"method", func(r *http.Request) { r.Method = "GET" }, nil, 405, http.Header{"Allow": {"POST"}}},
		{"header", func(r *http.Request) { r.Header.Del("X-Requested-With") }, nil, 403, nil},
		{"too large", body("text/plain", strings.Repeat("x", 5000)), nil, 413, nil},
		{"type", header("Content-Type", "text/html"), nil, 415, nil},
		{"not a code", body("text/plain", "%2F"), nil, 400, nil},
		{"used code", nil, says(400, `{"error":"invalid_grant","error_description":"Bad Request"}`), 400, nil},
		{"wrong secret", nil, says(401, `{"error":"invalid_client"}`), 500, nil},
		{"Google is down", nil, says(503, ""), 503, nil},
		{"Google asks to wait", nil, says(429, "", "Retry-After", "7"), 503, http.Header{"Retry-After": {"7"}}},
		{"Google asks to wait for years", nil, says(429, "", "Retry-After", "2147483647"), 503, http.Header{"Retry-After": {"86400"}}},
		{"no answer", nil, fails(errors.New("EOF")), 503, nil},
		{"blocked", nil, says(400, `{"error":"admin_policy_enforced"}`), 403, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := scripted(tt.reply)
			var told error
			c := newClient(t, g, func(cfg *exchange.Config) {
				cfg.OnError = func(r *http.Request, err error) { told = err }
			})
			h := c.Handler(exchange.App, func(http.ResponseWriter, *http.Request, *exchange.Tokens) {
				t.Error("signed in")
			})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, codeRequest(tt.change))
			if w.Code != tt.status || w.Body.String() != http.StatusText(tt.status)+"\n" {
				t.Errorf("answer %d %q, want %d and its text", w.Code, w.Body, tt.status)
			}
			for name := range tt.header {
				if w.Header().Get(name) != tt.header.Get(name) {
					t.Errorf("%s: %q, want %q", name, w.Header().Get(name), tt.header.Get(name))
				}
			}
			if exchange.HTTPStatus(told) != tt.status {
				t.Errorf("OnError was told %v", told)
			}
		})
	}
}

func TestHandlerWhenThePhoneHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, hangUp := context.WithCancel(context.WithValue(t.Context(), traceKey{}, "trace"))
		g := scripted(func(r *http.Request) (*http.Response, error) {
			hangUp()
			time.Sleep(time.Second)
			return says(200, tokenAnswer)(r)
		})
		signedIn := false
		h := newClient(t, g).Handler(exchange.App, func(_ http.ResponseWriter, r *http.Request, tok *exchange.Tokens) {
			signedIn = tok.RefreshToken != ""
			if r.Context().Err() != nil || r.Context().Value(traceKey{}) != "trace" {
				t.Errorf("context: %v, %v; want it alive, with the request's values", r.Context().Err(), r.Context().Value(traceKey{}))
			}
			if end, ok := r.Context().Deadline(); !ok || time.Until(end) != time.Minute {
				t.Errorf("deadline in %v, want a minute", time.Until(end))
			}
		})
		h.ServeHTTP(httptest.NewRecorder(), codeRequest(nil).WithContext(ctx))
		if !signedIn {
			t.Error("the user's consent is lost")
		}
	})
}

type traceKey struct{}

func TestHandlerWithoutFunction(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Handler(App, nil) does not panic")
		}
	}()
	newClient(t, scripted()).Handler(exchange.App, nil)
}
